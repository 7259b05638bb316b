"""Broken files of every format: refused with a message, or read as a valid record; nothing else."""

import copy
import json
import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recon3d.errors import Recon3dError
from recon3d.io.keypoints import read_keypoints
from recon3d.records import Keypoints2D
from tests.io.keypoint_files import BUILDERS, OPTIONS

CASES = [(name, k) for name, made in BUILDERS.items() for k in range(len(made))]
JUNK: list[Any] = [
    None, True, -1, 0, 2**70, 1e308, -1e308, float("nan"), float("inf"), 3.5, "", "x", "7", "9" * 400, [], [[]], [1], {}, {"a": 1},
    [[1, 2], [3]], [None] * 3, json.loads("[" * 40 + "]" * 40), {"__ndarray__": [1, 2, 3]}, [0.0] * 51, [[1e300, 1, 1]] * 17,
]  # fmt: skip


def junk(draw: Any) -> Any:
    return copy.deepcopy(draw(st.sampled_from(JUNK)))


def places(data: Any, at: tuple = ()) -> list[tuple]:
    """Paths to everything in parsed JSON, few of long lists."""
    inside = list(data.items()) if isinstance(data, dict) else list(enumerate(data))[:4] if isinstance(data, list) else []
    return [at, *(place for key, value in inside for place in places(value, (*at, key)))]


def changed(data: Any, draw: Any) -> Any:
    """One thing in parsed JSON replaced, dropped, doubled or put in another order."""
    at = draw(st.sampled_from(places(data)))
    if not at:
        return junk(draw)
    parent = data
    for key in at[:-1]:
        parent = parent[key]
    how = draw(st.sampled_from(["replace", "drop", "double", "reverse", "unknown"]))
    if how == "replace":
        parent[at[-1]] = junk(draw)
    elif how == "drop":
        del parent[at[-1]]
    elif how == "double" and isinstance(parent, list):
        parent.append(parent[at[-1]])
    elif how == "reverse" and isinstance(parent[at[-1]], list):
        parent[at[-1]].reverse()
    elif isinstance(parent, dict):
        parent["unknown"] = junk(draw)
    return data


def bend_text(text: str, draw: Any) -> str:
    how = draw(st.sampled_from(["tree", "cut", "word", "lines", "deep"]))
    if how == "tree":
        try:
            data = json.loads(text)
        except ValueError:
            how = "word"
        else:
            for _ in range(draw(st.integers(1, 3))):
                data = changed(data, draw)
            return json.dumps(data)
    if how == "cut":
        return text[: draw(st.integers(0, len(text)))]
    if how == "deep":
        return "[" * 100_000 + text
    lines = text.splitlines()
    k = draw(st.integers(0, len(lines) - 1))
    if how == "lines":
        return "\n".join(draw(st.sampled_from([lines[:k] + lines[k:] * 2, lines[k:] + lines[:k], lines[:k]])))
    mark = "," if "," in lines[k] else " "
    words = lines[k].split(mark)
    words[draw(st.integers(0, len(words) - 1))] = draw(st.sampled_from(["", "x", "nan", "inf", "-1e308", "9" * 400, "1.5", "{", '"']))
    return "\n".join([*lines[:k], mark.join(words), *lines[k + 1 :]])


def bend_hdf5(path: Path, draw: Any) -> None:
    with h5py.File(path, "r+") as file:
        names: list[str] = []
        file.visit(names.append)
        name = draw(st.sampled_from(names))
        how = draw(st.sampled_from(["drop", "number", "text", "huge", "short", "nan", "attribute"]))
        if how == "attribute":
            for key in list(file[name].attrs):
                file[name].attrs[key] = draw(st.sampled_from(["x", "[]", "{}", -1.0]))
            return
        old = file[name]
        values = old[()] if isinstance(old, h5py.Dataset) else np.zeros(3)
        del file[name]
        if how == "number":
            file[name] = 3.0
        elif how == "text":
            file[name] = np.array(["a", "b"], "S")
        elif how == "huge":
            file.create_dataset(name, (10**6, 10**6, 4), dtype="f8", chunks=(100, 100, 4))
        elif how == "short":
            file[name] = values[:-1] if np.ndim(values) else values
        elif how == "nan":
            changed = np.array(values)
            if changed.dtype.names:
                for field in changed.dtype.names:
                    changed[field] = np.nan if changed[field].dtype.kind == "f" else draw(st.integers(0, 100))
            elif changed.dtype.kind == "f":
                changed[...] = np.nan
            file[name] = changed


def bend(path: Path, draw: Any) -> None:
    data = path.read_bytes()
    if data.startswith(b"\x89HDF") and draw(st.booleans()):
        bend_hdf5(path, draw)
    elif data[:1].isascii() and not data.startswith((b"PK", b"MATLAB")) and b"\0" not in data[:200]:
        path.write_text(bend_text(data.decode(), draw))
    elif data.startswith(b"\x89HDF") or draw(st.booleans()):
        path.write_bytes(data[: draw(st.integers(0, len(data)))])
    else:
        at = draw(st.integers(0, min(len(data), 600) - 1))
        path.write_bytes(data[:at] + bytes([draw(st.integers(0, 255))]) + data[at + 1 :])


def check(found: Keypoints2D) -> None:
    assert (np.diff(found.frame) > 0).all()
    absent = ~np.isfinite(found.xy).all(-1)
    assert np.isnan(found.xy[absent]).all()
    assert (found.confidence[absent] == 0).all()
    assert (found.confidence[~absent] > 0).all()
    assert np.isfinite(found.sigma_px[~absent]).all()
    assert (np.abs(found.xy[~absent]) < 1e6).all()
    assert found.xy.nbytes < 10**8


class Files(dict[tuple[str, int], Path]):
    def __repr__(self) -> str:
        return "valid files"


@pytest.fixture(scope="module")
def valid(tmp_path_factory) -> Files:
    made = Files()
    for name, k in CASES:
        folder = tmp_path_factory.mktemp("valid")
        BUILDERS[name][k](folder / "take")
        (made[name, k],) = folder.iterdir()
    return made


@pytest.mark.parametrize(("name", "k"), CASES)
@given(data=st.data())
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_broken_file_is_refused_or_read(valid, tmp_path, name, k, data):
    source, target = valid[name, k], tmp_path / valid[name, k].name
    if source.is_dir():
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(source, target)
        files = sorted(file for file in target.rglob("*") if file.is_file())
        bend(data.draw(st.sampled_from(files)), data.draw)
    else:
        shutil.copyfile(source, target)
        bend(target, data.draw)
    for format in data.draw(st.sampled_from([(None,), (None, name)])):
        try:
            views = read_keypoints(target, OPTIONS, format).views
        except Recon3dError as error:
            assert str(tmp_path) in str(error) or "layout" in str(error), error
        else:
            for view in views:
                check(view)
