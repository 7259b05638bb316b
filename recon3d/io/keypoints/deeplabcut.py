"""DeepLabCut: CSV of an analysed video or of labels, of one animal or several.

Three rows of header (scorer, bodyparts, coords), four with individuals. Parts that only one of the animals can have
are under the individual ``single``: they become points of their own after the animals', of a person of their own.
Labels have x and y without a likelihood and images for rows, in one column or three; where a project crops its
videos, they lie in the cropped image. A filtered file is read like any other.

HDF5 holds the same: `recon3d.io.keypoints.deeplabcut_h5`.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from recon3d.errors import InputError
from recon3d.io.keypoints.csv_tables import numbers_of, read_table
from recon3d.io.keypoints.deeplabcut_h5 import LEVELS, Columns, read_h5_table
from recon3d.io.keypoints.found import FoundKeypoints, KeypointOptions, PeopleRows
from recon3d.io.keypoints.gather import frame_of_name, ids_of_names
from recon3d.io.keypoints.naming import layout_of_names

_SINGLE = "single"


def is_deeplabcut(cells: Sequence[str]) -> bool:
    """Whether the first row of a CSV is a header's."""
    return bool(cells) and cells[0] == "scorer"


def read_deeplabcut(path: Path, options: KeypointOptions) -> list[FoundKeypoints]:
    """One camera's animals; identities as `ids_of_names` has them of the individuals."""
    with open(path, "rb") as stream:
        hdf5 = stream.read(4) == b"\x89HDF"
    index, columns, values = read_h5_table(path) if hdf5 else _from_csv(path)
    frame = _rising(np.array([_frame(cells, path) for cells in index], dtype=np.int64), path)
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


def _from_csv(path: Path) -> tuple[list[list[str]], Columns, Float[np.ndarray, "frames columns"]]:
    table = read_table(path)
    levels: dict[str, list[str]] = {}
    for row in table[: len(LEVELS)]:
        if row[0] in LEVELS:
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
    return [row[:index] for row in body], columns, values


def _frame(cells: list[str], path: Path) -> int:
    name = cells[-1] or next((cell for cell in reversed(cells) if cell), "")
    return frame_of_name(name.rsplit(".", 1)[0] if not name.isdigit() else name, str(path))


def _rising(frame: Int[np.ndarray, "frames"], path: Path) -> Int[np.ndarray, "frames"]:
    if len(np.unique(frame)) < len(frame):
        raise InputError(f"{path} has frames twice, as labels of several videos have: give one video's")
    return frame
