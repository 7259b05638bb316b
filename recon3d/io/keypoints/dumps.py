"""Dumps of detectors that have no file format: MediaPipe, rtmlib, and recon3d's own layout of them.

What recon3d would have written, where no program decides it::

    {"format": "recon3d-dump", "model": "movenet", "fps": 30, "size": [1920, 1080], "layout": "coco_17",
     "normalised": false, "frames": [{"frame": 0, "people": [{"id": 1, "keypoints": [[x, y, score], ...],
     "box": [x0, y0, x1, y1]}]}]}

``fps``, ``size``, ``layout``, ``normalised``, ``id`` and ``box`` may be missing.

MediaPipe: a list with an entry a frame, which is null, the landmarks of a person (objects with x, y, visibility and
presence, in shares of the image), a list of such, or an object with ``pose_landmarks``, ``landmark`` or
``landmarks``. rtmlib: a list with an object a frame of ``keypoints`` (people, points, 2) and ``scores`` (people,
points). rtmlib takes the whole image for a person where it finds none; that phantom is left out, told by its box or,
where boxes were not saved, by where its points lie (`recon3d.io.keypoints.whole_image`). Either object may have ``frame``.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from recon3d.errors import InputError
from recon3d.io.files import read_json
from recon3d.io.keypoints.found import FoundKeypoints, KeypointOptions, Size
from recon3d.io.keypoints.gather import Gather, corners, entries, number, numbers, rows_of, scored, whole
from recon3d.io.keypoints.whole_image import is_of_whole_image
from recon3d.skeleton import load_layout

OWN_DUMP = "recon3d-dump"
_KIND = {"mediapipe": "visibility", "rtmpose": "simcc", "rtmlib": "simcc", "rtmw": "simcc", "rtmo": "simcc", "dwpose": "simcc"}
_LISTS = ("pose_landmarks", "landmark", "landmarks", "hand_landmarks")
_RTMLIB = ("coco_17", "ap10k_17", "halpe_26", "wholebody_133", "openpose_134", "hand_21")
_MEDIAPIPE = ("mediapipe_33", "hand_21")
_PIXELS = 3.0  # landmarks in shares of the image may lie outside it, but not so far
_PHANTOM = (
    "rtmlib gives a person for every frame, the whole image where it found nobody: no boxes were saved, and none was told by its "
    "points (the image size must be given, and coordinates not be rounded to whole pixels): such people may still be in"
)


def is_own_dump(data: Any) -> bool:
    """Whether parsed JSON is the layout above."""
    return isinstance(data, dict) and data.get("format") == OWN_DUMP


def is_rtmlib(data: Any) -> bool:
    """Whether parsed JSON is a frame with keypoints and scores, or a list of them."""
    first = data[0] if isinstance(data, list) and data else data
    return isinstance(first, dict) and {"keypoints", "scores"} <= set(first)


def is_mediapipe(data: Any) -> bool:
    """Whether parsed JSON is a list of frames with landmarks."""
    first = next((entry for entry in data if entry), None) if isinstance(data, list) else None
    if isinstance(first, dict):
        return bool(set(_LISTS) & set(first))
    while isinstance(first, list) and first:
        first = first[0]
    return isinstance(first, dict) and {"x", "y"} <= set(first) and "name" not in first


def read_own_dump(path: Path, options: KeypointOptions) -> list[FoundKeypoints]:
    """One camera's people."""
    data = read_json(path)
    if not is_own_dump(data):
        raise InputError(f"{path} does not say that its format is {OWN_DUMP}")
    people = Gather(path)
    for k, entry in enumerate(entries(data.get("frames"), f"{path}, frames")):
        frame = whole(entry.get("frame"), f"{path}, frame {k} of the list, frame")
        people.seen(frame)
        for n, person in enumerate(entries(entry.get("people"), f"{path}, frame {frame}, people")):
            found = people.attempt(_own_person, person, f"frame {frame}, person {n}")
            if found is not None:
                people.add(frame, *found)
    rows = people.done()
    fps = number(data["fps"], f"{path}, fps") if data.get("fps") is not None else None
    size = _size(data["size"], path) if data.get("size") is not None else None
    KeypointOptions(fps, size)  # refuses what cannot be
    layout = load_layout(str(data["layout"])) if data.get("layout") is not None else None
    shares, kind = data.get("normalised") is True, _KIND.get(str(data.get("model")), "heatmap")
    return [FoundKeypoints(path, path.stem, layout, rows, kind, size=size, fps=fps, normalised=shares, notes=people.notes)]


def read_rtmlib(path: Path, options: KeypointOptions) -> list[FoundKeypoints]:
    """One camera's people."""
    people = Gather(path)
    dropped, boxless = 0, False
    data = read_json(path)
    for place, entry in enumerate(entries([data] if isinstance(data, dict) else data, str(path))):
        frame = whole(entry.get("frame", place), f"{path}, entry {place}, frame")
        people.seen(frame)
        listed, scores, boxes = (entry.get(key) or [] for key in ("keypoints", "scores", "bboxes"))
        if not (isinstance(listed, list) and isinstance(scores, list) and len(listed) == len(scores)):
            raise InputError(f"{path}, entry {place}: as many lists of scores as of keypoints were expected")
        for k, (xy, score) in enumerate(zip(listed, scores, strict=True)):
            where = f"frame {frame}, person {k}"
            box = people.attempt(corners, boxes[k], where) if len(boxes) == len(listed) else None
            boxless = boxless or box is None
            found = people.attempt(scored, xy, score, where)
            if found is None:
                continue
            # Of several people, all have a box of their own.
            if len(listed) == 1 and options.size is not None and _is_whole_image(box, found, options.size):
                dropped += 1
            else:
                people.add(frame, found, -1, box)
    rows = people.done()
    notes = (f"rtmlib took the whole image for a person in {dropped} frames: left out",) if dropped else ()
    notes += (_PHANTOM,) if boxless and not dropped else ()
    return [FoundKeypoints(path, path.stem, None, rows, "simcc", _RTMLIB, notes=(*notes, *people.notes))]


def read_mediapipe(path: Path, options: KeypointOptions) -> list[FoundKeypoints]:
    """One camera's people; the order of several is no identity."""
    data = read_json(path)
    if not isinstance(data, list):
        raise InputError(f"{path}: a list with an entry a frame was expected")
    people = Gather(path)
    for place, entry in enumerate(data):
        frame = whole(entry.get("frame", place), f"{path}, entry {place}, frame") if isinstance(entry, dict) else place
        people.seen(frame)
        for k, landmarks in enumerate(_landmarks(entry)):
            found = people.attempt(_landmark_rows, landmarks, f"frame {frame}, person {k}")
            if found is not None:
                people.add(frame, found)
    rows = people.done()
    there = rows.confidence > 0
    shares = not there.any() or float(np.nan_to_num(np.abs(rows.xy))[there].max()) < _PIXELS
    return [FoundKeypoints(path, path.stem, None, rows, "visibility", _MEDIAPIPE, normalised=shares)]


def _own_person(person: dict[str, Any], where: str) -> tuple[np.ndarray, int, np.ndarray | None]:
    points = rows_of(person.get("keypoints"), 3, f"{where}, keypoints")
    identity = whole(person["id"], f"{where}, id") if person.get("id") is not None else -1
    return points, identity, corners(person["box"], f"{where}, box") if person.get("box") else None


def _size(value: Any, path: Path) -> Size:
    if isinstance(value, list) and len(value) == 2:
        return whole(value[0], f"{path}, size"), whole(value[1], f"{path}, size")
    raise InputError(f"{path}: size must be [width, height]")


def _is_whole_image(box: np.ndarray | None, points: np.ndarray, size: Size) -> bool:
    return is_of_whole_image(points, size) if box is None else bool((np.abs(box - [0, 0, *size]) <= 1).all())


def _landmarks(entry: Any) -> Iterator[Any]:
    """The landmark list of each person of a frame."""
    while isinstance(entry, dict):
        key = next((key for key in _LISTS if key in entry), None)
        entry = entry[key] if key is not None else None
    if isinstance(entry, list) and entry:
        if isinstance(entry[0], dict) and not set(_LISTS) & set(entry[0]):
            yield entry
        else:
            for one in entry:
                yield from _landmarks(one) if isinstance(one, dict) else [one]
    elif entry not in (None, []):
        yield entry


def _landmark_rows(landmarks: Any, where: str) -> np.ndarray:
    listed = entries(landmarks, where)
    rows = [[point.get("x"), point.get("y"), point.get("visibility", 1.0), point.get("presence", 1.0)] for point in listed]
    found = numbers(rows, where).reshape(-1, 4)
    presence = found[:, 3] if (found[:, 3] > 0).any() else np.ones(len(found))  # older versions leave it at 0
    return np.concatenate([found[:, :2], np.fmin(found[:, 2], presence)[:, None]], axis=1)
