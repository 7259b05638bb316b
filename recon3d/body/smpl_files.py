"""SMPL-family model files (.pkl, .npz) as arrays, without running anything that is in them.

The .pkl files are pickles of Python 2 with chumpy's arrays: they are read by an unpickler that knows arrays and nothing else.
"""

import pickle
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from recon3d.errors import InputError, all_faults

KINDS = {24: "smpl", 52: "smplh", 55: "smplx"}
"""Models by their joints."""
_NEEDED = ("v_template", "shapedirs", "posedirs", "J_regressor", "weights", "kintree_table", "f")
# As NumPy itself names them: the functions are where they always were, whatever their module is called.
_MAKERS = {"_reconstruct": np.zeros(0).__reduce__()[0], "scalar": np.float64(0).__reduce__()[0]}
_NUMPY: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    **{(f"numpy.{core}.multiarray", name): make for core in ("core", "_core") for name, make in _MAKERS.items()},
}
# A broken pickle fails in as many ways as there are instructions.
_BROKEN = (
    pickle.UnpicklingError, EOFError, ValueError, TypeError, KeyError, IndexError, AttributeError, ImportError, OverflowError,
    MemoryError, OSError, AssertionError, NameError, RecursionError, struct.error,
)  # fmt: skip
_SPARSE = ("csc_matrix", "csr_matrix", "coo_matrix")


class _Chumpy:
    """Stands for chumpy's arrays: holds what they were made of."""

    def __setstate__(self, state: Any) -> None:
        self.held = state.get("x") if isinstance(state, dict) else None


class _Sparse:
    """Stands for SciPy's matrices."""

    def __setstate__(self, state: Any) -> None:
        self.held = state if isinstance(state, dict) else {}

    def array(self, kind: str) -> np.ndarray | None:
        """The whole matrix; None for what is none."""
        parts = [self.held.get(name) for name in ("data", "indices", "indptr")]
        shape = self.held.get("_shape", self.held.get("shape"))
        if not all(isinstance(part, np.ndarray) for part in parts) or not isinstance(shape, tuple):
            return None
        make = sparse.csr_matrix if kind == "csr_matrix" else sparse.csc_matrix
        return make(tuple(parts), shape=shape).toarray()


_MATRICES = {name: type(name, (_Sparse,), {}) for name in _SPARSE}


class _Plain:
    """Stands for a bare object."""


class _Unpickler(pickle.Unpickler):
    """Makes arrays, matrices and containers; refuses all else."""

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        if module_name.partition(".")[0] == "chumpy":
            return _Chumpy
        if module_name.startswith("scipy.sparse") and global_name in _SPARSE:
            return _MATRICES[global_name]
        if (module_name, global_name) in _NUMPY:
            return _NUMPY[module_name, global_name]
        if (module_name, global_name) in (("_codecs", "encode"),):
            return _latin
        if (module_name, global_name) in (("copy_reg", "_reconstructor"), ("copyreg", "_reconstructor")):
            return _remade
        if (module_name, global_name) in (("__builtin__", "object"), ("builtins", "object")):
            return _Plain
        raise pickle.UnpicklingError(f"it wants to run {module_name}.{global_name}")


def _latin(text: object, encoding: object = "latin1") -> bytes:
    """What pickles of bytes by newer Pythons ask `codecs.encode` for."""
    if isinstance(text, str) and encoding in ("latin1", "latin-1"):
        return text.encode("latin1")
    raise pickle.UnpicklingError("it holds text of an unknown kind")


def _remade(kind: Any, base: Any, state: Any) -> Any:
    """Objects of Python 2's protocols."""
    if kind in (_Chumpy, _Plain, *_MATRICES.values()):
        return kind()
    raise pickle.UnpicklingError("it wants to make an object of an unknown kind")


def read_smpl_file(path: Path) -> dict[str, np.ndarray]:
    """A model's arrays, those that make it checked: float64, faces int64.

    Raises:
        InputError: no such file, not of a model of the family, or one with code in it; all that is wrong at once.
    """
    if not path.is_file():
        raise InputError(
            f"no such file: {path} (SMPL's are to be had at smpl.is.tue.mpg.de and smpl-x.is.tue.mpg.de, each under its licence)"
        )
    held = _npz(path) if zipfile.is_zipfile(path) else _pickle(path)
    lacking = [name for name in _NEEDED if name not in held]
    if lacking:
        raise InputError(f"{path} is no model of the SMPL family: it lacks {', '.join(lacking)}")
    faults = _faults(held)
    if faults:
        raise InputError(all_faults(faults, f"{path} cannot be used:"))
    out = held | {name: held[name].astype(np.int64 if name in ("f", "kintree_table") else float) for name in _NEEDED}
    out["kintree_table"][0, 0] = -1
    return out


def _npz(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files if name in _NEEDED or _of_numbers(archive, name)}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} cannot be read: {error}") from None


def _of_numbers(archive: Any, name: str) -> bool:
    """Whether it can be read without unpickling."""
    try:
        return np.issubdtype(archive[name].dtype, np.number)
    except ValueError:
        return False


def _pickle(path: Path) -> dict[str, np.ndarray]:
    try:
        with open(path, "rb") as stream:
            held = _Unpickler(stream, encoding="latin1").load()
    except _BROKEN as error:
        raise InputError(f"{path} cannot be read as a model of the SMPL family: {error}") from None
    if not isinstance(held, Mapping):
        raise InputError(f"{path} is no model of the SMPL family: it holds a {type(held).__name__}")
    out: dict[str, np.ndarray] = {}
    for name, value in held.items():
        if isinstance(value, _Chumpy):
            value = value.held
        if isinstance(value, _Sparse):
            value = value.array(type(value).__name__)
        if isinstance(value, np.ndarray):
            out[str(name)] = value
    return out


def _faults(held: Mapping[str, np.ndarray]) -> list[str]:
    """What does not fit together."""
    faults = [f"{name} is not of numbers" for name in _NEEDED if not np.issubdtype(held[name].dtype, np.number)]
    if faults:
        return faults
    faults = [f"{name} has numbers that are not finite" for name in _NEEDED if not np.isfinite(held[name]).all()]
    many = held["v_template"].shape[0] if held["v_template"].ndim == 2 else 0
    joints = held["weights"].shape[1] if held["weights"].ndim == 2 else 0
    wanted = {
        "v_template": (many, 3),
        "weights": (many, joints),
        "J_regressor": (joints, many),
        "kintree_table": (2, joints),
        "posedirs": (many, 3, 9 * (joints - 1)),
    }
    faults += [f"{name} is of shape {held[name].shape}, not {shape}" for name, shape in wanted.items() if held[name].shape != shape]
    shapes, faces = held["shapedirs"], held["f"]
    if shapes.ndim != 3 or shapes.shape[:2] != (many, 3) or not shapes.shape[2]:
        faults.append(f"shapedirs is of shape {shapes.shape}, not ({many}, 3, shapes)")
    if faces.ndim != 2 or faces.shape[1] != 3 or not faces.size or faces.min() < 0 or faces.max() >= many:
        faults.append(f"f, of shape {faces.shape}, is not of triangles of {many} vertices")
    if joints not in KINDS:
        kinds = ", ".join(f"{count} ({kind})" for count, kind in KINDS.items())
        faults.append(f"it has {joints} joints; models of the family have {kinds}")
    elif not faults:
        parents = held["kintree_table"][0].astype(np.int64)
        if (parents[1:] < 0).any() or (parents[1:] >= np.arange(1, joints)).any():
            faults.append("kintree_table does not name parents before their children")
        weights = held["weights"]
        if (weights < -1e-6).any() or np.abs(weights.sum(1) - 1).max() > 1e-2:
            faults.append("weights do not sum to one")
    return faults
