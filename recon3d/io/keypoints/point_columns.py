"""CSV with columns named for points, a row a frame: MediaPipe as users dump it, and what HRNet's demo writes.

MediaPipe has no file format. Read are tables with x, y and visibility (z is left out) of its landmarks, which are named
(``left_shoulder_x``, ``LEFT_SHOULDER_visibility``), all or some of them, or numbered, then all 33 (``x1``, ``y1``,
``z1``, ``v1``; ``landmark_0_x``, ``lm_0_vis``). A column ``frame`` (``frame_number``, ...) has the frame, ``person_id``
or ``track_id`` the person; other columns are left out. Landmarks of the body in metres, round its hips, are refused:
their tables look the same.

HRNet's ``demo/inference.py`` writes ``pose-data.csv``: x and y of each point, cut to whole pixels, without scores. Its
header begins with ``frame``, but its rows have none, and people of one frame follow one another in its row. It keeps
one frame of several (--inferenceFps), and leaves out those where it finds nobody without saying which.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
from jaxtyping import Float, Int

from recon3d.errors import InputError
from recon3d.io.keypoints.csv_tables import Table, numbers_of, read_table
from recon3d.io.keypoints.found import FoundKeypoints, KeypointOptions, PeopleRows
from recon3d.io.keypoints.gather import frame_of_name, whole
from recon3d.io.keypoints.naming import layout_of_names, plain_name
from recon3d.skeleton import load_layout

_MEDIAPIPE = "mediapipe_33"
_AFTER = re.compile(r"(.+?)[ _.-](x|y|z|v|vis|visibility)$", re.IGNORECASE)
_BEFORE = re.compile(r"(x|y|z|v|vis|visibility)_?(\d+)$", re.IGNORECASE)
_NUMBERED = re.compile(r"(\D*)(\d{1,3})$")
_PREFIX = re.compile(r"^(pose|landmark|lm)[ _.-]", re.IGNORECASE)
_FRAME = frozenset({"frame", "frameid", "frameidx", "frameindex", "framenumber", "framenum", "frameno"})
_PERSON = frozenset({"personid", "trackid"})
_FEWEST = 4  # named landmarks
_PIXELS = 3.0  # landmarks in shares of the image may lie outside it, but not so far
_HIPS = 0.02  # of the image, or metres: no one's hips stay in the corner of an image
_SAME = "several people of one frame have the same id: ids were left out"
_ROWS = "no column says the frame: rows are taken for frames, in order"
_HRNET = (
    "HRNet's demo writes no frame numbers and leaves out frames without people: rows are taken for frames, in order, "
    "at the rate of its --inferenceFps",
    "HRNet's demo cuts coordinates to whole pixels and writes no scores",
)
_Columns: TypeAlias = dict[str, dict[str, int]]
"""Column of each value, x, y and v, of each point."""


def is_mediapipe_csv(cells: Sequence[str]) -> bool:
    """Whether the first row of a CSV names x, y and visibility of MediaPipe's landmarks."""
    return bool(_landmarks(cells))


def is_hrnet_csv(cells: Sequence[str]) -> bool:
    """Whether the first row of a CSV names x and y of points, and nothing else but a frame."""
    return bool(_pairs(cells))


def read_mediapipe_csv(path: Path, options: KeypointOptions) -> list[FoundKeypoints]:
    """One camera's people; landmarks without a column are absent."""
    table = read_table(path, empty_rows=True)
    head, body = (table[0], table[1:]) if table else ([], [])
    columns, layout = _landmarks(head), load_layout(_MEDIAPIPE)
    if not columns or not body:
        raise InputError(f"{path} is no table of MediaPipe's landmarks: columns of x, y and visibility of each were expected, and rows")
    for k, row in enumerate(body):
        if len(row) != len(head):
            raise InputError(f"{path}, row {k + 2} has {len(row)} cells: {len(head)} were expected, as in the first row")
    points = np.full((len(body), len(layout), 3), np.nan)
    wanted = [own[value] for own in columns.values() for value in "xyv"]
    points[:, layout.indices(list(columns))] = _picked(body, wanted, path).reshape(len(body), -1, 3)
    there = np.isfinite(points).all(-1) & (points[..., 2] > 0)
    _refuse_metres(points, there, layout.indices(["left_hip", "right_hip"]), path)
    named = {re.sub(r"[^a-z]", "", cell.lower()): k for k, cell in reversed(list(enumerate(head)))}
    frame_at = next((k for name, k in named.items() if name in _FRAME), None)
    person_at = next((k for name, k in named.items() if name in _PERSON), None)
    frame = np.arange(len(body)) if frame_at is None else _whole_column(body, frame_at, path)
    person = np.full(len(body), -1) if person_at is None else _whole_column(body, person_at, path)
    notes = (_ROWS,) if frame_at is None else ()
    if person_at is not None and len(np.unique(np.stack([frame, person]), axis=1).T) < len(body):
        person, notes = np.full(len(body), -1), (*notes, _SAME)
    known = there.any(1)
    shares = not there.any() or float(np.abs(points[..., :2])[there].max()) < _PIXELS
    rows = PeopleRows.of(frame[known], points[known], person[known], frames=frame)
    return [FoundKeypoints(path, path.stem, layout, rows, "visibility", normalised=shares, notes=notes)]


def read_hrnet_csv(path: Path, options: KeypointOptions) -> list[FoundKeypoints]:
    """One camera's people; the order of several is no identity."""
    table = read_table(path)
    names = _pairs(table[0]) if table else ()
    if not names:
        raise InputError(f"{path} is not of HRNet's demo: columns of x and y of each point were expected, after 'frame' or not")
    width = 2 * len(names)
    extra = {len(row) % width for row in table[1:]}
    if len(table) < 2 or len(extra) > 1 or not extra <= {0, 1}:
        raise InputError(f"{path}: rows of {width} values for each person were expected, all with a frame before them or all without")
    framed = extra == {1}
    frame: list[int] = []
    points: list[np.ndarray] = []
    for k, row in enumerate(table[1:]):
        number = frame_of_name(row[0], f"{path}, row {k + 2}, frame") if framed else k
        places = numbers_of([row], range(int(framed), len(row)), path, k + 1).reshape(-1, len(names), 2)
        frame += [number] * len(places)
        points.append(np.concatenate([places, np.isfinite(places).all(-1, keepdims=True)], axis=-1))
    rows = PeopleRows.of(np.array(frame, dtype=np.int64), np.concatenate(points))
    notes = _HRNET[1:] if framed else _HRNET
    return [FoundKeypoints(path, path.stem, layout_of_names(names), rows, "none", notes=notes)]


def _landmarks(cells: Sequence[str]) -> _Columns:
    """The columns of MediaPipe's landmarks by the names of its layout; none where they are not all sure."""
    found: _Columns = {}
    for k, cell in enumerate(cells):
        name, value = _name_and_value(cell.strip())
        own = found.setdefault(name, {})
        if name and value in own:
            return {}
        own[value] = k
    found = {name: own for name, own in found.items() if {"x", "y", "v"} <= set(own)}
    points = load_layout(_MEDIAPIPE).points
    numbers = [(match[1], int(match[2])) for match in map(_NUMBERED.match, found) if match is not None]
    if len(numbers) == len(found) == len(points) and len({prefix for prefix, _ in numbers}) == 1:
        by_number = {number: own for (_, number), own in zip(numbers, found.values(), strict=True)}
        if sorted(by_number) in (list(range(len(points))), list(range(1, len(points) + 1))):
            return {point: by_number[number] for point, number in zip(points, sorted(by_number), strict=True)}
    plain = {plain_name(_PREFIX.sub("", name)): own for name, own in found.items()}
    return plain if len(plain) == len(found) >= _FEWEST and set(plain) <= set(points) else {}


def _name_and_value(cell: str) -> tuple[str, str]:
    """Of a column's name: the landmark's name or number, and x, y, z or v; both empty of another column."""
    after, before = _AFTER.match(cell), _BEFORE.match(cell)
    if after is not None:
        return after[1], after[2].lower()[0]
    return (before[2], before[1].lower()[0]) if before is not None else ("", "")


def _pairs(cells: Sequence[str]) -> tuple[str, ...]:
    """Names of points whose x and y follow one another, and nothing else does."""
    cells = [cell.strip() for cell in cells]
    cells = cells[1:] if cells and cells[0].lower() == "frame" else cells
    names = tuple(cell.removesuffix("_x") for cell in cells[::2])
    wanted = [f"{name}_{value}" for name in names for value in "xy"]
    return names if len(names) >= _FEWEST and wanted == cells and len(set(names)) == len(names) and all(names) else ()


def _picked(body: Table, columns: list[int], path: Path) -> Float[np.ndarray, "rows columns"]:
    return numbers_of([[row[column] for column in columns] for row in body], range(len(columns)), path, 1)


def _whole_column(body: Table, column: int, path: Path) -> Int[np.ndarray, "rows"]:
    values = _picked(body, [column], path)[:, 0]
    if not np.isfinite(values).all():
        raise InputError(f"{path}, row {int(np.argmin(np.isfinite(values))) + 2} has no whole number for its frame or person")
    return np.array([whole(value, f"{path}, row {k + 2}") for k, value in enumerate(values.tolist())], dtype=np.int64)


def _refuse_metres(points: Float[np.ndarray, "rows 33 3"], there: np.ndarray, hips: Int[np.ndarray, "2"], path: Path) -> None:
    """MediaPipe's world landmarks have their origin between the hips, in every frame."""
    seen = there[:, hips].all(1)
    if seen.any() and float(np.abs(points[seen][:, hips, :2].mean(1)).max()) < _HIPS:
        raise InputError(
            f"{path}: the middle of the hips is the origin in every row, as of MediaPipe's world landmarks, which are metres: "
            "the landmarks in the image (pose_landmarks) are needed"
        )
