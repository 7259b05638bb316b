"""MMPose: predictions of the Inferencer, one list an image or one list of frames a video, and of the demo scripts.

Frames count from 0 in the Inferencer's files and from 1 in the demos', whose arrays json_tricks wrote and which
name the points. A box is nested one level too deep. Scores of RTMPose are SimCC peaks and exceed 1.
"""

from pathlib import Path
from typing import Any

import numpy as np

from recon3d.errors import InputError
from recon3d.io.files import read_json
from recon3d.io.keypoints.found import FoundKeypoints, KeypointOptions
from recon3d.io.keypoints.gather import Gather, corners, entries, frame_of_name, numbered, scored, whole
from recon3d.io.keypoints.naming import layout_of_names
from recon3d.skeleton import Layout

_KNOWN = (
    "coco_17",
    "ap10k_17",
    "halpe_26",
    "wholebody_133",
    "hand_21",
    "animal_pose_20",
    "crowdpose_14",
    "mpii_16",
    "face_68",
    "halpe_136",
    "posetrack_17",
)


def is_mmpose_demo(data: Any) -> bool:
    """Whether parsed JSON is of a demo script."""
    return isinstance(data, dict) and {"meta_info", "instance_info"} <= set(data)


def is_mmpose_video(data: Any) -> bool:
    """Whether parsed JSON is a list of frames of the Inferencer."""
    return isinstance(data, list) and bool(data) and isinstance(data[0], dict) and {"frame_id", "instances"} <= set(data[0])


def is_mmpose_image(data: Any) -> bool:
    """Whether parsed JSON is an image's list of people."""
    return isinstance(data, list) and bool(data) and isinstance(data[0], dict) and {"keypoints", "keypoint_scores"} <= set(data[0])


def read_mmpose(path: Path, options: KeypointOptions) -> list[FoundKeypoints]:
    """One camera's people, from a video's file, an image's, or a folder of images' files."""
    frames, first, layout = _frames(path)
    people = Gather(path)
    for number, instances in frames:
        frame = number - first
        people.seen(frame)
        for k, entry in enumerate(entries(instances, f"{path}, frame {number}")):
            found = people.attempt(_person, entry, f"frame {number}, person {k}")
            if found is not None:
                people.add(frame, *found)
    rows = people.done()
    notes = (*(("frames of a demo's file count from 1: made to count from 0",) if first else ()), *people.notes)
    return [FoundKeypoints(path, path.stem.removeprefix("results_"), layout, rows, "simcc", _KNOWN, notes=notes)]


def _frames(path: Path) -> tuple[list[tuple[int, Any]], int, Layout | None]:
    """Frame numbers and what is in them, the number of the first image, and the layout where it is said."""
    if path.is_dir():
        return [(frame, read_json(file)) for frame, file in numbered(path, "*.json")], 0, None
    data = read_json(path)
    if is_mmpose_demo(data):
        listed, first, layout = data["instance_info"], 1, _layout(data["meta_info"])
    elif is_mmpose_video(data):
        listed, first, layout = data, 0, None
    else:
        try:
            return [(frame_of_name(path.stem, path.name), data)], 0, None
        except InputError:
            return [(0, data)], 0, None
    frames = [
        (whole(entry.get("frame_id"), f"{path}, entry {k}, frame_id"), entry.get("instances"))
        for k, entry in enumerate(entries(listed, f"{path}, instance_info"))
    ]
    if len({frame for frame, _ in frames}) < len(frames):
        raise InputError(f"{path} has frames twice")
    return frames, first, layout


def _layout(meta: Any) -> Layout | None:
    names = meta.get("keypoint_id2name") if isinstance(meta, dict) else None
    if not isinstance(names, dict) or not names:
        return None
    listed = [names.get(str(k)) for k in range(len(names))]
    return layout_of_names(tuple(map(str, listed))) if all(isinstance(name, str) for name in listed) else None


def _person(entry: dict[str, Any], where: str) -> tuple[np.ndarray, int, np.ndarray | None]:
    points = scored(entry.get("keypoints"), entry.get("keypoint_scores"), f"{where}, keypoints")
    person = whole(entry["track_id"], f"{where}, track_id") if entry.get("track_id") is not None else -1
    return points, person, corners(entry["bbox"], f"{where}, bbox") if entry.get("bbox") else None
