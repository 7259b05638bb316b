"""PoseTrack: annotations of 2017 as poseval has them, where every number is in a list, and DCPose's demo.

An image without people holds one with a score of -100, which is left out. A frame is the number of the image.
"""

from pathlib import Path
from typing import Any

import numpy as np

from recon3d.errors import InputError
from recon3d.io.files import read_json
from recon3d.io.keypoints.found import FoundKeypoints, KeypointOptions
from recon3d.io.keypoints.gather import Gather, entries, frame_of_name, number, rows_of, whole, xyxy
from recon3d.skeleton import load_layout

_NOBODY = -100.0
_LAYOUT = "posetrack_15"


def is_annolist(data: Any) -> bool:
    """Whether parsed JSON is PoseTrack17's."""
    return isinstance(data, dict) and isinstance(data.get("annolist"), list)


def is_dcpose(data: Any) -> bool:
    """Whether parsed JSON is of DCPose's demo."""
    first = data["Info"][0] if isinstance(data, dict) and isinstance(data.get("Info"), list) and data["Info"] else None
    return isinstance(first, dict) and "image_path" in first


def read_annolist(path: Path, options: KeypointOptions) -> list[FoundKeypoints]:
    """One camera's people."""
    data = read_json(path)
    if not is_annolist(data):
        raise InputError(f"{path} has no 'annolist'")
    people = Gather(path)
    scores = False
    for n, image in enumerate(entries(data["annolist"], f"{path}, annolist")):
        named = _first(image.get("image"))
        name = _first(named.get("name")) if isinstance(named, dict) else None
        frame = frame_of_name(Path(name).stem if isinstance(name, str) else None, f"{path}, image {n}")
        people.seen(frame)
        for k, rect in enumerate(entries(image.get("annorect") or [], f"{path}, image {n}, annorect")):
            if _first(rect.get("score")) == _NOBODY:
                continue
            found = people.attempt(_person, rect, f"image {n}, person {k}")
            if found is not None:
                points, person, with_scores = found
                scores = scores or with_scores
                people.add(frame, points, person)
    rows = people.done()
    return [FoundKeypoints(path, path.stem, load_layout(_LAYOUT), rows, "heatmap" if scores else "none", notes=people.notes)]


def read_dcpose(path: Path, options: KeypointOptions) -> list[FoundKeypoints]:
    """One camera's people; they have no identities."""
    data = read_json(path)
    if not is_dcpose(data):
        raise InputError(f"{path} is not of DCPose's demo: 'Info' with image paths was expected")
    people = Gather(path)
    for k, entry in enumerate(entries(data["Info"], f"{path}, Info")):
        found = people.attempt(_demo_person, entry, f"entry {k}")
        if found is not None:
            people.add(*found)
    return [FoundKeypoints(path, path.stem.removeprefix("result_"), None, people.done(), "heatmap", ("posetrack_17",))]


def _person(rect: dict[str, Any], where: str) -> tuple[np.ndarray, int, bool]:
    points = np.zeros((len(load_layout(_LAYOUT)), 3))
    held = _first(rect.get("annopoints"))
    listed = entries(held.get("point") or [], f"{where}, point") if isinstance(held, dict) else []
    scores = False
    for point in listed:
        at = whole(point.get("id"), f"{where}, point id")
        if not 0 <= at < len(points):
            raise InputError(f"{where} has point {at}: PoseTrack's go from 0 to {len(points) - 1}")
        scores = scores or "score" in point
        points[at] = [number(point.get(key, 1.0), f"{where}, point {at}, {key}") for key in ("x", "y", "score")]
    person = _first(rect.get("track_id"))
    return points, -1 if person is None else whole(person, f"{where}, track_id"), scores


def _demo_person(entry: dict[str, Any], where: str) -> tuple[int, np.ndarray, int, np.ndarray | None]:
    name = entry.get("image_path")
    frame = frame_of_name(Path(name).stem if isinstance(name, str) else None, f"{where}, image_path")
    points = rows_of(entry.get("keypoints"), 3, f"{where}, keypoints")
    return frame, points, -1, xyxy(entry["bbox"], f"{where}, bbox") if entry.get("bbox") else None


def _first(value: Any) -> Any:
    """What is in a list of one; None of an empty one."""
    return (value[0] if value else None) if isinstance(value, list) else value
