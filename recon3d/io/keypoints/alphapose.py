"""AlphaPose: one list of people for the whole run, and its imitations of OpenPose and CMU.

The default file has image names, which sort as text, so the frame is the number in the name; frames without
people are not in it. The imitations (``--format open`` and ``cmu``, in one file or one an image under
``sep-json``) have no identities and no boxes.
"""

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from recon3d.errors import InputError
from recon3d.io.files import read_json
from recon3d.io.keypoints.found import FoundKeypoints, KeypointOptions
from recon3d.io.keypoints.gather import Gather, entries, frame_of_name, numbered, rows_of, whole, xyxy
from recon3d.skeleton import load_layout

_KNOWN = ("coco_17", "halpe_26", "halpe_136", "wholebody_133", "halpe_68", "hand_21", "mpii_16")
_NECK = "the neck was set between the shoulders: what AlphaPose writes there is another point, except of its models of 17 points"


def is_alphapose(data: Any) -> bool:
    """Whether parsed JSON is a list of people with image ids, and boxes or identities."""
    first = data[0] if isinstance(data, list) and data else None
    return isinstance(first, dict) and {"image_id", "keypoints", "score"} <= set(first) and bool({"box", "idx"} & set(first))


def is_alphapose_image(data: Any) -> bool:
    """Whether parsed JSON is one image of ``--format open`` or ``cmu``."""
    return isinstance(data, dict) and str(data.get("version")).startswith("AlphaPose") and bool({"people", "bodies"} & set(data))


def is_alphapose_run(data: Any) -> bool:
    """Whether parsed JSON is a whole run of ``--format open`` or ``cmu``, or one image of it."""
    return is_alphapose_image(data) or (isinstance(data, dict) and bool(data) and is_alphapose_image(next(iter(data.values()))))


def read_alphapose(path: Path, options: KeypointOptions) -> list[FoundKeypoints]:
    """One camera's people."""
    people = Gather(path)
    for k, entry in enumerate(entries(read_json(path), str(path))):
        found = people.attempt(_person, entry, f"entry {k}")
        if found is not None:
            people.add(*found)
    rows = people.done()
    return [FoundKeypoints(path, path.stem, None, rows, "heatmap", _KNOWN, notes=people.notes)]


def read_alphapose_open(path: Path, options: KeypointOptions) -> list[FoundKeypoints]:
    """One camera's people, from a file of the run or the folder ``sep-json``."""
    if path.is_dir():
        images = [(frame, read_json(file)) for frame, file in numbered(path, "*.json")]
    else:
        data = read_json(path)
        if not isinstance(data, dict):
            raise InputError(f"{path} is no file of AlphaPose: an object was expected")
        named = {path.name: data} if is_alphapose_image(data) else data
        images = [(frame_of_name(Path(name).stem, str(path)), image) for name, image in named.items()]
    people = Gather(path)
    for frame, image in images:
        people.seen(frame)
        if not is_alphapose_image(image):
            raise InputError(f"{path}: frame {frame} is not one of AlphaPose")
        key, points = ("people", "pose_keypoints_2d") if "people" in image else ("bodies", "joints")
        for k, entry in enumerate(entries(image[key], f"{path}, frame {frame}, {key}")):
            found = people.attempt(rows_of, entry.get(points), 3, f"frame {frame}, person {k}")
            if found is not None:
                people.add(frame, with_neck(found))
    rows = people.done()
    return [FoundKeypoints(path, path.stem, load_layout("coco_18"), rows, "heatmap", notes=(_NECK,))]


def with_neck(points: Float[np.ndarray, "joints 3"]) -> Float[np.ndarray, "joints 3"]:
    """COCO-18 with the neck between the shoulders; absent where one of them is."""
    layout = load_layout("coco_18")
    if len(points) != len(layout):
        return points
    points = points.copy()
    shoulders = points[layout.indices(["left_shoulder", "right_shoulder"])]
    both = bool((shoulders[:, 2] > 0).all())
    points[layout.index("neck")] = [*shoulders[:, :2].mean(0), shoulders[:, 2].min()] if both else [0.0, 0.0, 0.0]
    return points


def _person(entry: dict[str, Any], where: str) -> tuple[int, np.ndarray, int, np.ndarray | None]:
    frame = frame_of_name(entry.get("image_id"), f"{where}, image_id")
    points = rows_of(entry.get("keypoints"), 3, f"{where}, keypoints")
    person = whole(entry["idx"], f"{where}, idx") if entry.get("idx") not in (None, []) else -1
    return frame, points, person, xyxy(entry["box"], f"{where}, box") if entry.get("box") else None
