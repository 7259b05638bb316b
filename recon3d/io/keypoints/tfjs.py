"""TensorFlow.js: PoseNet and pose-detection (MoveNet, BlazePose), which name every point.

Neither package writes files. People save what it returned for an image, a list of poses, one file a frame,
or one list of such lists for a video; a frame is then its place in the list.
"""

from pathlib import Path
from typing import Any

import numpy as np

from recon3d.errors import InputError
from recon3d.io.files import read_json
from recon3d.io.keypoints.found import FoundKeypoints, KeypointOptions
from recon3d.io.keypoints.gather import Gather, entries, frame_of_name, numbered, numbers, whole
from recon3d.io.keypoints.naming import layout_of_names

_MOST_POSES = 20  # of one image that either package gives


def is_pose(data: Any) -> bool:
    """Whether parsed JSON is one pose: named points with scores."""
    points = data.get("keypoints") if isinstance(data, dict) else None
    return isinstance(points, list) and bool(points) and isinstance(points[0], dict) and bool({"part", "name"} & set(points[0]))


def is_tfjs(data: Any) -> bool:
    """Whether parsed JSON is a pose, a list of them, or one of such lists."""
    if is_pose(data):
        return True
    if not isinstance(data, list):
        return False
    filled = next((entry for entry in data if entry), None)
    return is_pose(filled) or (isinstance(filled, list) and is_pose(filled[0]))


def read_tfjs(path: Path, options: KeypointOptions) -> list[FoundKeypoints]:
    """One camera's people."""
    people = Gather(path)
    names: set[tuple[str, ...]] = set()
    for frame, poses in _frames(path):
        people.seen(frame)
        for k, pose in enumerate(entries(poses, f"{path}, frame {frame}")):
            found = people.attempt(_person, pose, f"frame {frame}, pose {k}")
            if found is not None:
                named, points, person, box = found
                names.add(named)
                people.add(frame, points, person, box)
    if len(names) > 1:
        raise InputError(f"{path}: poses have different points, or in different order")
    rows = people.done()
    layout = layout_of_names(next(iter(names))) if names else None
    return [FoundKeypoints(path, path.stem, layout, rows, "heatmap", notes=people.notes)]


def _frames(path: Path) -> list[tuple[int, Any]]:
    if path.is_dir():
        data = [(frame, read_json(file)) for frame, file in numbered(path, "*.json")]
        return [(frame, [poses] if is_pose(poses) else poses) for frame, poses in data]
    data = read_json(path)
    if not isinstance(data, list):
        return [(0, [data])]
    if any(isinstance(entry, list) for entry in data):
        return list(enumerate([] if entry is None else entry for entry in data))
    if len(data) > _MOST_POSES:
        raise InputError(
            f"{path} lists {len(data)} poses, of one image or of as many frames: put those of each frame in a list of their own"
        )
    try:
        return [(frame_of_name(path.stem, path.name), data)]
    except InputError:
        return [(0, data)]


def _person(pose: dict[str, Any], where: str) -> tuple[tuple[str, ...], np.ndarray, int, np.ndarray | None]:
    points = entries(pose.get("keypoints"), f"{where}, keypoints")
    names = [str(point.get("part", point.get("name"))) for point in points]
    places = [point["position"] if isinstance(point.get("position"), dict) else point for point in points]
    rows = [[place.get("x"), place.get("y"), point.get("score")] for place, point in zip(places, points, strict=True)]
    box = pose.get("box")
    corners = [box.get(key) for key in ("xMin", "yMin", "xMax", "yMax")] if isinstance(box, dict) else None
    person = whole(pose["id"], f"{where}, id") if pose.get("id") is not None else -1
    found = numbers(rows, f"{where}, keypoints").reshape(-1, 3)
    return tuple(names), found, person, None if corners is None else numbers(corners, f"{where}, box")
