"""Ultralytics YOLO-pose: a folder of ``.txt`` files, one a frame with one line a person, or ``to_json`` of each frame.

Lines hold class, box (centre and size) and points in shares of the image, then nothing, the score, the track, or
both, without names: a whole number in all lines is a track. Frames of a video count from 1 and have no leading
zeros; frames without people have no file. Old versions put points below 0.5 at 0, 0 and kept their scores.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from recon3d.errors import InputError
from recon3d.io.files import read_json, read_text
from recon3d.io.keypoints.found import FoundKeypoints, KeypointOptions
from recon3d.io.keypoints.gather import Gather, entries, frame_of_name, numbered, numbers, scored, whole
from recon3d.skeleton import load_layout

_HEAD = 5  # class, box
_FLAGS = (0, 1, 2)
_OF_VIDEO = re.compile(r"^(.*)_([1-9]\d*)$")


def is_yolo_text(text: str) -> bool:
    """Whether the first line of a file is one of a person: a class, a box in shares of the image, points."""
    try:
        values = [float(word) for word in text.splitlines()[0].split()]
    except (ValueError, IndexError):
        return False
    return len(values) > _HEAD + 3 and values[0] >= 0 and values[0].is_integer() and all(0 <= value <= 1 for value in values[1:_HEAD])


def is_yolo_json(data: Any) -> bool:
    """Whether parsed JSON is what ``to_json`` gives for a frame, or a list of those."""
    first = next((entry for entry in data if entry), None) if isinstance(data, list) else None
    first = first[0] if isinstance(first, list) else first
    return isinstance(first, dict) and {"name", "class", "confidence", "box"} <= set(first)


def read_yolo(path: Path, options: KeypointOptions) -> list[FoundKeypoints]:
    """One camera's people."""
    if not path.is_dir():
        return [_read_json(path, _frames(path))]
    if any(path.glob("*.txt")):
        return [_read_labels(path, options)]
    return [_read_json(path, ((frame, read_json(file)) for frame, file in numbered(path, "*.json")))]


def _read_labels(folder: Path, options: KeypointOptions) -> FoundKeypoints:
    files = numbered(folder, "*.txt")
    stems = [_OF_VIDEO.match(file.stem) for _, file in files]
    video = all(stems) and len({found[1] for found in stems if found}) == 1
    people = Gather(folder)
    lines: list[tuple[int, np.ndarray]] = []
    twice = 0
    for frame, file in files:
        people.seen(frame - video)
        text = [line for line in read_text(file).splitlines() if line.strip()]
        twice += len(text) - len(set(text))
        for line in dict.fromkeys(text):  # old versions add to what an earlier run wrote
            values = people.attempt(_values, line, file)
            if values is not None:
                lines.append((frame - video, values))
    width, per_point = _width([len(values) for _, values in lines], options, folder)
    tails = [values[_HEAD + width :] for _, values in lines]
    tracks = all(float(tail[0]).is_integer() for tail in tails if len(tail) == 1)
    flags = True
    for (frame, values), tail in zip(lines, tails, strict=True):
        points = values[_HEAD : _HEAD + width].reshape(-1, per_point)
        points = points if per_point == 3 else np.concatenate([points, (points != 0).any(1, keepdims=True)], axis=1)
        flags = flags and bool(np.isin(points[:, 2], _FLAGS).all())
        centre, half = values[1:3], values[3:5] / 2
        person = tail[-1] if len(tail) == 2 or (len(tail) == 1 and tracks) else -1
        number = people.attempt(whole, float(person), f"frame {frame}, track")
        people.add(frame, points, -1 if number is None else number, np.concatenate([centre - half, centre + half]))
    rows = people.done()
    notes = (*(("frames of a video count from 1: made to count from 0",) if video else ()), *people.notes)
    notes += (f"{twice} lines are there twice, as after a second run: left out",) if twice else ()
    name = folder.parent.name if folder.name == "labels" else folder.name
    kind = "none" if per_point == 2 else "flag" if flags else "heatmap"
    return FoundKeypoints(folder, name, None, rows, kind, normalised=True, notes=notes)


def _values(line: str, file: Path) -> np.ndarray:
    try:
        return np.array([float(word) for word in line.split()])
    except ValueError:
        raise InputError(f"{file.name}: a line holds something that is not a number") from None


def _width(lengths: list[int], options: KeypointOptions, folder: Path) -> tuple[int, int]:
    """How many numbers the points take, and how many a point has: 3, or 2 where the layout that was asked for says so."""
    rest = {length - _HEAD for length in lengths}
    if options.layout is not None:
        count = len(load_layout(options.layout))
        for per_point in (3, 2):
            if rest and all(0 <= length - per_point * count <= 2 for length in rest):
                return per_point * count, per_point
    counts = {length // 3 for length in rest}
    if len(counts) > 1 or min(rest, default=3) < 3:
        raise InputError(
            f"{folder}: people have {sorted(rest)} numbers after their boxes: three for each point and at most two more were expected"
        )
    return 3 * counts.pop() if counts else 3, 3


def _frames(path: Path) -> Iterable[tuple[int, Any]]:
    data = read_json(path)
    if isinstance(data, list) and any(isinstance(entry, list) for entry in data):
        return enumerate(data)
    try:
        return [(frame_of_name(path.stem, path.name), data)]
    except InputError:
        return [(0, data)]


def _read_json(path: Path, frames: Iterable[tuple[int, Any]]) -> FoundKeypoints:
    people = Gather(path)
    largest, bare = 0.0, True
    for frame, listed in frames:
        people.seen(frame)
        for k, entry in enumerate(entries(listed, f"{path}, frame {frame}")):
            found = people.attempt(_person, entry, f"frame {frame}, person {k}")
            if found is not None:
                points, person, box, with_scores = found
                bare = bare and not with_scores
                largest = max(largest, float(np.nan_to_num(points[:, :2]).max(initial=0.0)))
                people.add(frame, points, person, box)
    rows = people.done()
    return FoundKeypoints(path, path.stem, None, rows, "none" if bare else "heatmap", normalised=0 < largest <= 1, notes=people.notes)


def _person(entry: dict[str, Any], where: str) -> tuple[np.ndarray, int, np.ndarray | None, bool]:
    points = entry.get("keypoints")
    if not isinstance(points, dict):
        raise InputError(f"{where} has no keypoints: only a pose model gives them")
    x, y = (numbers(points.get(key), f"{where}, keypoints, {key}").reshape(-1) for key in ("x", "y"))
    if len(x) != len(y):
        raise InputError(f"{where} has {len(x)} x and {len(y)} y")
    score = points.get("visible")
    found = scored(np.stack([x, y], axis=1).tolist(), [1.0] * len(x) if score is None else score, where)
    box = entry.get("box")
    corner = [box.get(key) for key in ("x1", "y1", "x2", "y2")] if isinstance(box, dict) else None
    person = whole(entry["track_id"], f"{where}, track_id") if entry.get("track_id") is not None else -1
    return found, person, None if corner is None else numbers(corner, f"{where}, box"), score is not None
