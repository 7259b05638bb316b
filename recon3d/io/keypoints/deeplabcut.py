"""DeepLabCut: CSV of an analysed video or of labels, of one animal or several.

Three rows of header (scorer, bodyparts, coords), four with individuals. Parts that only one of the animals can have
are under the individual ``single``: they become points of their own after the animals', of a person of their own.
Labels have x and y without a likelihood and images for rows, in one column or three; where a project crops its
videos, they lie in the cropped image. A filtered file is read like any other.

Of HDF5, only pandas' "fixed" form says its columns in plain arrays; DeepLabCut's own form keeps them pickled, and is
refused: the CSV beside it holds the same.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from recon3d.errors import InputError
from recon3d.io.keypoints.csv_tables import numbers_of, read_table
from recon3d.io.keypoints.found import FoundKeypoints, KeypointOptions, PeopleRows
from recon3d.io.keypoints.gather import frame_of_name, ids_of_names
from recon3d.io.keypoints.hdf5 import held, open_hdf5, strings
from recon3d.io.keypoints.naming import layout_of_names

_LEVELS = ("scorer", "individuals", "bodyparts", "coords")
_SINGLE = "single"
_KEY = "df_with_missing"
_PICKLED = (
    "keeps the names of its columns pickled, which can run any code when read: give the CSV that DeepLabCut writes beside it "
    "(save_as_csv=True, or deeplabcut.analyze_videos_converth5_to_csv)"
)


def is_deeplabcut(cells: Sequence[str]) -> bool:
    """Whether the first row of a CSV is a header's."""
    return bool(cells) and cells[0] == "scorer"


def is_deeplabcut_h5(names: Sequence[str]) -> bool:
    """Whether an HDF5 file with these members is of DeepLabCut."""
    return _KEY in names or any(name.startswith(_KEY) for name in names)


def read_deeplabcut(path: Path, options: KeypointOptions) -> list[FoundKeypoints]:
    """One camera's animals; identities as `ids_of_names` has them of the individuals."""
    with open(path, "rb") as stream:
        hdf5 = stream.read(4) == b"\x89HDF"
    frame, columns, values = _from_h5(path) if hdf5 else _from_csv(path)
    if any(coord == "z" for *_, coord in columns):
        raise InputError(f"{path} holds points in space: 2D keypoints are in the files of the cameras")
    people = list(dict.fromkeys(person for person, _, _ in columns))
    parts = list(dict.fromkeys(part for person, part, _ in columns if person != _SINGLE or people == [_SINGLE]))
    unique = list(dict.fromkeys(part for person, part, _ in columns if person == _SINGLE and people != [_SINGLE]))
    names = parts + [part if part not in parts else f"{_SINGLE}_{part}" for part in unique]
    place = {column: k for k, column in enumerate(columns)}
    if len(place) < len(columns):
        raise InputError(f"{path} has columns twice")
    # A column that is not there is the last one, which is all NaN.
    filled = np.concatenate([values, np.full((len(values), 1), np.nan)], axis=1)
    at = np.full((len(people), len(names), 3), values.shape[1])
    for p, person in enumerate(people):
        own = [(len(parts) + k, part) for k, part in enumerate(unique)] if person == _SINGLE and unique else list(enumerate(parts))
        for k, part in own:
            at[p, k] = [place.get((person, part, coord), values.shape[1]) for coord in ("x", "y", "likelihood")]
    points = filled[:, at]
    bare = not any(coord == "likelihood" for *_, coord in columns)
    # Labels have no likelihood; nor have labels that other programs write among predictions.
    labelled = np.isfinite(points[..., :2]).all(-1) & np.isnan(points[..., 2])
    points[..., 2] = np.where(labelled, 1.0, points[..., 2])
    rows = PeopleRows.of_slots(frame, points, ids_of_names(people))
    layout = layout_of_names(tuple(names))
    return [FoundKeypoints(path, path.stem, layout, rows, "none" if bare else "heatmap")]


Columns = list[tuple[str, str, str]]
"""Individual, body part and coordinate of each column; one animal's is nameless."""


def _from_csv(path: Path) -> tuple[Int[np.ndarray, "frames"], Columns, Float[np.ndarray, "frames columns"]]:
    table = read_table(path)
    levels: dict[str, list[str]] = {}
    for row in table[: len(_LEVELS)]:
        if row[0] in _LEVELS:
            levels[row[0]] = row
    header = len(levels)
    if not {"scorer", "bodyparts", "coords"} <= set(levels):
        raise InputError(f"{path} is not a complete file of DeepLabCut: rows 'scorer', 'bodyparts' and 'coords' were expected")
    index = next((k for k, cell in enumerate(levels["coords"]) if k and cell), 1)  # three where labels' paths are taken apart
    width = len(levels["coords"])
    if any(len(row) != width for row in levels.values()) or width <= index:
        raise InputError(f"{path}: the rows of the header have different lengths, or no columns")
    who = levels.get("individuals", [""] * width)
    columns = list(zip(who[index:], levels["bodyparts"][index:], levels["coords"][index:], strict=True))
    body = table[header:]
    values = numbers_of(body, range(index, width), path, header)
    frame = np.array([_frame(row[:index], path) for row in body], dtype=np.int64)
    return _rising(frame, path), columns, values


def _from_h5(path: Path) -> tuple[Int[np.ndarray, "frames"], Columns, Float[np.ndarray, "frames columns"]]:
    with open_hdf5(path) as file:
        group: Any = file.get(_KEY)
        names = set(group) if hasattr(group, "keys") else set()
        if not {"axis1", "block0_values", "axis0_level0", "axis0_label0"} <= names:
            raise InputError(f"{path} {_PICKLED}")
        count = sum(name.startswith("axis0_level") for name in names)
        levels = [np.array(strings(group[f"axis0_level{k}"], path))[held(group[f"axis0_label{k}"], path)] for k in range(count)]
        values = held(group["block0_values"], path).astype(float)
        frame = held(group["axis1"], path)
        if (
            len(names & {"block1_values"})
            or count not in (3, 4)
            or len({len(level) for level in levels}) != 1
            or values.shape != (len(frame), len(levels[0]))
            or frame.dtype.kind not in "iu"
        ):
            raise InputError(f"{path} {_PICKLED}")
    who = levels[1].tolist() if count == 4 else [""] * values.shape[1]
    columns = list(zip(who, levels[-2].tolist(), levels[-1].tolist(), strict=True))
    return _rising(frame.astype(np.int64), path), columns, values


def _frame(cells: list[str], path: Path) -> int:
    name = cells[-1] or next((cell for cell in reversed(cells) if cell), "")
    return frame_of_name(name.rsplit(".", 1)[0] if not name.isdigit() else name, str(path))


def _rising(frame: Int[np.ndarray, "frames"], path: Path) -> Int[np.ndarray, "frames"]:
    if len(np.unique(frame)) < len(frame):
        raise InputError(f"{path} has frames twice, as labels of several videos have: give one video's")
    return frame
