"""OpenPifPaf: a list of people an image, or for a video one line of JSON a frame.

A video's file is added to: run twice, it holds every frame twice, and the last is taken. Boxes are x, y,
width, height; ids are there where a tracker ran. Detections without points are left out.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from recon3d.errors import InputError
from recon3d.io.files import read_json, read_text
from recon3d.io.keypoints.found import FoundKeypoints, KeypointOptions
from recon3d.io.keypoints.gather import Gather, entries, frame_of_name, numbered, rows_of, whole, xyxy

_KNOWN = ("coco_17", "posetrack_17", "wholebody_133", "car_24", "apollocar_66", "animal_20", "crowdpose_14")
_ENDING = ".predictions.json"


def is_pifpaf_image(data: Any) -> bool:
    """Whether parsed JSON is the list of an image."""
    first = data[0] if isinstance(data, list) and data else None
    return isinstance(first, dict) and {"bbox", "score", "category_id"} <= set(first) and "image_id" not in first and "uv_data" not in first


def is_pifpaf_line(data: Any) -> bool:
    """Whether parsed JSON is a frame of a video."""
    return isinstance(data, dict) and {"frame", "predictions"} <= set(data)


def read_openpifpaf(path: Path, options: KeypointOptions) -> list[FoundKeypoints]:
    """One camera's people, from a folder of images' files, one image's, or a video's."""
    if path.is_dir():
        pattern = f"*{_ENDING}" if any(path.glob(f"*{_ENDING}")) else "*.json"
        return [_found(path, {frame: read_json(file) for frame, file in numbered(path, pattern)}, ())]
    lines = read_text(path).strip().splitlines()
    if lines and lines[0].startswith("{"):
        return [_found(path, *_video(path, lines))]
    try:
        frame = frame_of_name(path.name.removesuffix(_ENDING), path.name)
    except InputError:
        frame = 0
    return [_found(path, {frame: read_json(path)}, ())]


def _video(path: Path, lines: list[str]) -> tuple[dict[int, Any], tuple[str, ...]]:
    frames: dict[int, Any] = {}
    again = 0
    for k, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            data = json.loads(line)
        except (ValueError, RecursionError):
            raise InputError(f"{path}, line {k} is not complete JSON") from None
        if not is_pifpaf_line(data):
            raise InputError(f"{path}, line {k} is no frame of OpenPifPaf: 'frame' and 'predictions' were expected")
        frame = whole(data["frame"], f"{path}, line {k}, frame")
        again += frame in frames
        frames[frame] = data["predictions"]
    return frames, (f"{again} frames are there more than once, as after a second run: the last was taken",) if again else ()


def _found(path: Path, frames: dict[int, Any], notes: tuple[str, ...]) -> FoundKeypoints:
    people = Gather(path)
    for frame, predictions in frames.items():
        people.seen(frame)
        for k, entry in enumerate(entries(predictions, f"{path}, frame {frame}")):
            if "keypoints" in entry:
                found = people.attempt(_person, entry, f"frame {frame}, person {k}")
                if found is not None:
                    people.add(frame, *found)
    rows = people.done()
    name = path.name.removesuffix(".json").removesuffix(".openpifpaf").removesuffix(".predictions")
    return FoundKeypoints(path, name, None, rows, "heatmap", _KNOWN, notes=(*notes, *people.notes))


def _person(entry: dict[str, Any], where: str) -> tuple[np.ndarray, int, np.ndarray | None]:
    points = rows_of(entry["keypoints"], 3, f"{where}, keypoints")
    person = whole(entry["id_"], f"{where}, id_") if entry.get("id_") is not None else -1
    return points, person, xyxy(entry["bbox"], f"{where}, bbox") if entry.get("bbox") else None
