"""DeepLabCut's HDF5: one table of pandas, in its "table" or its "fixed" form.

"table" keeps the values of a frame in one row of ``table`` and the names of the columns pickled in an attribute, which is
read without unpickling it (`pickled_names`); "fixed" keeps values, names and frames in arrays of their own. DeepLabCut
names the table ``df_with_missing``, its plug-in for napari ``keypoints``.
"""

from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float

from recon3d.errors import InputError
from recon3d.io.keypoints.hdf5 import held, open_hdf5, strings
from recon3d.io.keypoints.pickled_names import pickled_rows

LEVELS = ("scorer", "individuals", "bodyparts", "coords")
"""Rows of the header; ``individuals`` may be missing."""
Columns: TypeAlias = list[tuple[str, str, str]]
"""Individual, body part and coordinate of each column; one animal's is nameless."""
_KEYS = ("df_with_missing", "keypoints")
_CSV = "; the CSV that DeepLabCut writes beside it (save_as_csv=True, or deeplabcut.analyze_videos_converth5_to_csv) holds the same"


def is_deeplabcut_h5(names: Sequence[str]) -> bool:
    """Whether an HDF5 file with these members is of DeepLabCut."""
    return any(name.startswith(_KEYS[0]) or name == _KEYS[1] for name in names)


def read_h5_table(path: Path) -> tuple[list[list[str]], Columns, Float[np.ndarray, "frames columns"]]:
    """What each row is of, one cell or several as in the CSV; the columns; the values.

    Raises:
        InputError: not such a table, or with names that do more than name; nothing pickled was run.
    """
    with open_hdf5(path) as file:
        key = next((key for key in _KEYS if key in file), None)
        group: Any = file[key] if key is not None else None
        names = set(group) if hasattr(group, "keys") else set()
        if "table" in names:
            index, named, values = _table(group["table"], path)
        elif "block0_values" in names:
            index, named, values = _fixed(group, path)
        else:
            raise InputError(f"{path} is not a table that pandas wrote: 'table' or 'block0_values' was expected in it{_CSV}")
    if values.shape != (len(index), len(named)):
        raise InputError(f"{path} has {values.shape} values for {len(index)} frames and {len(named)} columns{_CSV}")
    return index, _columns(named, path), values


def _table(table: Any, path: Path) -> tuple[list[list[str]], list[dict[str, str]], np.ndarray]:
    fields = table.dtype.names or ()
    blocks = [name for name in (f"values_block_{k}" for k in range(len(fields))) if name in fields]
    if "index" not in fields or len(blocks) + 1 != len(fields):
        raise InputError(f"{path}: {table.name} has {', '.join(fields) or 'no columns'}: index and values_block_0 were expected{_CSV}")
    rows = held(table, path)
    named: list[dict[str, str]] = []
    for block in blocks:
        where = f"{path}: the names of {table.name}/{block}"
        listed = pickled_rows(_raw(table.attrs.get(f"{block}_kind"), where), where)
        named += [_by_level(row, path) for row in listed]
    values = [_numbers(rows[block], f"{path}: {table.name}/{block}").reshape(len(rows), -1) for block in blocks]
    return _cells(rows["index"], f"{path}: {table.name}/index"), named, np.concatenate(values, axis=1)


def _fixed(group: Any, path: Path) -> tuple[list[list[str]], list[dict[str, str]], np.ndarray]:
    named: list[dict[str, str]] = []
    values: list[np.ndarray] = []
    for k in count():
        if f"block{k}_values" not in group:
            break
        items = f"block{k}_items" if f"block{k}_items_level0" in group else "axis0"
        levels = _levels(group, items, path)
        titles = [_text(group[f"{items}_level{n}"].attrs.get("name")) for n in range(len(levels))]
        for row in zip(*levels, strict=True):
            named.append(dict(zip(titles, row, strict=True)) if set(titles) <= set(LEVELS) else _by_level(row, path))
        values.append(_numbers(held(group[f"block{k}_values"], path), f"{path}: block{k}_values"))
    if "axis1" in group:
        index = _cells(held(group["axis1"], path), f"{path}: axis1")
    else:
        index = [list(row) for row in zip(*_levels(group, "axis1", path), strict=True)]
    return index, named, np.concatenate(values, axis=1)


def _levels(group: Any, axis: str, path: Path) -> list[list[str]]:
    """Each level of an axis that has several, spelled out."""
    out = []
    for k in range(sum(name.startswith(f"{axis}_level") for name in group)):
        names, labels = strings(group[f"{axis}_level{k}"], path), held(group[f"{axis}_label{k}"], path)
        if labels.ndim != 1 or labels.dtype.kind not in "iu" or (len(labels) and not (0 <= labels.min() <= labels.max() < len(names))):
            raise InputError(f"{path}: {axis}_label{k} does not say which of {len(names)} names each is")
        out.append([names[label] for label in labels.tolist()])
    if not out or len({len(level) for level in out}) != 1:
        raise InputError(f"{path}: the names of {axis} are not complete{_CSV}")
    return out


def _by_level(row: tuple[str, ...], path: Path) -> dict[str, str]:
    levels = LEVELS if len(row) == len(LEVELS) else (LEVELS[0], *LEVELS[2:])
    if len(row) != len(levels):
        raise InputError(f"{path} has columns of {len(row)} names: scorer, bodyparts and coords were expected, and individuals{_CSV}")
    return dict(zip(levels, row, strict=True))


def _columns(named: list[dict[str, str]], path: Path) -> Columns:
    if not named or any(not {"bodyparts", "coords"} <= set(names) for names in named):
        raise InputError(f"{path} has no columns with bodyparts and coords")
    return [(names.get("individuals", ""), names["bodyparts"], names["coords"]) for names in named]


def _cells(index: np.ndarray, where: str) -> list[list[str]]:
    """Frame numbers or paths of images as the cells of a CSV."""
    if index.ndim == 1 and index.dtype.kind in "iu" and (index >= 0).all():
        return [[str(frame)] for frame in index.tolist()]
    if index.ndim == 1 and index.dtype.kind in "SO":
        found = [_text(name) for name in index.tolist()]
        if all(found):
            return [[name] for name in found]
    raise InputError(f"{where} holds {index.dtype}: numbers of frames or names of images were expected")


def _numbers(values: np.ndarray, where: str) -> np.ndarray:
    if values.dtype.kind not in "fiu":
        raise InputError(f"{where} holds {values.dtype}, not numbers{_CSV}")
    return values.astype(float)


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value if isinstance(value, str) else ""


def _raw(value: Any, where: str) -> bytes:
    if isinstance(value, bytes):
        return bytes(value)
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape")
    raise InputError(f"{where} are missing{_CSV}")
