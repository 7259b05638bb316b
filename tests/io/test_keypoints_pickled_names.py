"""Pickled names are read as `pickle` reads them, and nothing else that a pickle can say is done."""

import os
import pickle
import pickletools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recon3d.errors import InputError, Recon3dError
from recon3d.io.keypoints.pickled_names import pickled_rows

ROWS = [("DLC_x", "nose", "x"), ("DLC_x", "nose", "y"), ("DLC_x", "épaule", "x"), ("DLC_x", "尾", "likelihood"), ()]


@given(rows=st.lists(st.lists(st.text(max_size=6), max_size=5).map(tuple), max_size=8), protocol=st.integers(0, 5))
def test_names_of_any_protocol(rows, protocol):
    assert pickled_rows(pickle.dumps(rows, protocol), "a") == rows


@pytest.mark.parametrize("data", [
    b"(lp0\n(S'DLC_x'\np1\nS'nose'\np2\nS'x'\np3\ntp4\na(g1\ng2\nS'y'\np5\ntp6\na.",  # Python 2
    b"\x80\x02]q\x00(U\x05DLC_xq\x01U\x04noseq\x02U\x01xq\x03\x87q\x04h\x01h\x02U\x01yq\x05\x87q\x06e.",
])  # fmt: skip
def test_names_that_python_2_pickled(data):
    assert pickled_rows(data, "a") == ROWS[:2]


class Call:
    """Unpickled, it makes a folder."""

    def __init__(self, path: str):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("protocol", range(6))
def test_a_call_is_refused_and_not_run(tmp_path, protocol):
    path = tmp_path / "made"
    data = pickle.dumps([("DLC_x", "nose", Call(str(path)))], protocol)
    with pytest.raises(InputError, match=r"file\.h5: names is pickled, and byte \d+ of it .*GLOBAL.* does more than to list names"):
        pickled_rows(data, "file.h5: names")
    assert not path.exists()
    pickle.loads(data)
    assert path.exists()  # it would have run


@pytest.mark.parametrize("operation", sorted(
    {o.name for o in pickletools.opcodes} & {"GLOBAL", "STACK_GLOBAL", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "REDUCE", "BUILD", "EXT1",
                                             "PERSID", "BINPERSID", "DICT", "SETITEM", "NEXT_BUFFER", "LONG", "POP"}
))  # fmt: skip
def test_everything_else_is_refused(operation):
    (code,) = [o.code.encode("latin-1") for o in pickletools.opcodes if o.name == operation]
    argument = {"GLOBAL": b"os\nsystem\n", "INST": b"os\nsystem\n", "EXT1": b"\x01", "PERSID": b"x\n", "LONG": b"1L\n"}.get(operation, b"")
    with pytest.raises(InputError, match=operation):
        pickled_rows(b"(lp0\n" + code + argument + b".", "a")


@pytest.mark.parametrize("value", ["nose", ("a", "b"), ["nose"], [["a", "b"]], [("a", ["b"])]])
def test_lists_of_something_else_are_refused(value):
    with pytest.raises(InputError, match="pickled, and"):
        pickled_rows(pickle.dumps(value, 0), "a")


@pytest.mark.parametrize("data", [b"", b".", b"]", b"e.", b"a.", b"t.", b"\x87.", b"g7\n.", b"](h\x00.", b"]]a]a", b"Vx\n]a.", b"(]]e(."])
def test_what_does_not_fit_together_is_refused(data):
    with pytest.raises(InputError):
        pickled_rows(data, "a")


@given(cut=st.integers(0, 200), at=st.integers(0, 200), byte=st.integers(0, 255), protocol=st.integers(0, 5))
def test_broken_names_are_refused_or_names(cut, at, byte, protocol):
    data = bytearray(pickle.dumps(ROWS, protocol))
    if at < len(data):
        data[at] = byte
    try:
        rows = pickled_rows(bytes(data[: max(len(data) - cut, 0)]), "a")
    except Recon3dError:
        return
    assert all(isinstance(name, str) for row in rows for name in row)


def test_a_list_that_holds_itself_is_refused():
    with pytest.raises(InputError):
        pickled_rows(b"]q\x00h\x00a.", "a")
