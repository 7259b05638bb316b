"""COCO results: a list with one person an entry, as HRNet, CPN, Lightweight OpenPose, OpenPose and MMPose write it.

A frame is the image's id. A frame in which nobody was found is not in the file. COCO-WholeBody
results have feet, face and hands in lists of their own.
"""

from pathlib import Path
from typing import Any

import numpy as np

from recon3d.io.files import read_json
from recon3d.io.keypoints.found import FoundKeypoints, KeypointOptions
from recon3d.io.keypoints.gather import Gather, entries, frame_of_name, rows_of, whole, xyxy

_WHOLE = ("keypoints", "foot_kpts", "face_kpts", "lefthand_kpts", "righthand_kpts")
_FLAGS = (0, 1, 2)


def is_coco_results(data: Any) -> bool:
    """Whether parsed JSON is a list of people with image ids and categories."""
    return isinstance(data, list) and bool(data) and isinstance(data[0], dict) and {"image_id", "category_id", "keypoints"} <= set(data[0])


def read_coco_results(path: Path, options: KeypointOptions) -> list[FoundKeypoints]:
    """One camera's people."""
    people = Gather(path)
    flags = True
    for k, entry in enumerate(entries(read_json(path), str(path))):
        found = people.attempt(lambda entry=entry, k=k: _person(entry, f"entry {k}"))
        if found is not None:
            frame, points, person, box = found
            flags = flags and bool(np.isin(points[:, 2], _FLAGS).all())
            people.add(frame, points, person, box)
    notes = ("all scores are 0, 1 or 2: taken as flags, which do not tell how sure a point is",) if flags else ()
    return [FoundKeypoints(path, path.stem, None, people.done(), "flag" if flags else "heatmap", notes=notes)]


def _person(entry: dict[str, Any], where: str) -> tuple[int, np.ndarray, int, np.ndarray | None]:
    frame = frame_of_name(entry.get("image_id"), f"{where}, image_id")
    keys = _WHOLE if all(key in entry for key in _WHOLE[1:]) else _WHOLE[:1]
    points = np.concatenate([rows_of(entry.get(key), 3, f"{where}, {key}") for key in keys])
    box = xyxy(entry["bbox"], f"{where}, bbox") if entry.get("bbox") else None
    person = whole(entry["track_id"], f"{where}, track_id") if "track_id" in entry else -1
    return frame, points, person, box
