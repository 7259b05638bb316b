"""ControlNet and ComfyUI with DWPose or OpenPose: a list of frames with their canvas, or one file a frame.

A frame holds OpenPose's people and ``canvas_width`` and ``canvas_height``, and the points are shares of that canvas
or pixels: no coordinate of people in pixels stays below 1. Identities are not kept.
"""

from pathlib import Path
from typing import Any

import numpy as np

from recon3d.errors import InputError
from recon3d.io.files import read_json
from recon3d.io.keypoints.found import FoundKeypoints, KeypointOptions
from recon3d.io.keypoints.gather import entries, frame_of_name, numbered, whole
from recon3d.io.keypoints.openpose import BY_COUNT, people_in, rows_of_people, with_parts
from recon3d.io.keypoints.telling import told
from recon3d.skeleton import Layout, load_layout


def is_controlnet_frame(data: Any) -> bool:
    """Whether parsed JSON is a frame: people on a canvas."""
    return isinstance(data, dict) and {"people", "canvas_width", "canvas_height"} <= set(data)


def is_controlnet(data: Any) -> bool:
    """Whether parsed JSON is a frame or a list of them."""
    return is_controlnet_frame(data[0] if isinstance(data, list) and data else data)


def read_controlnet(path: Path, options: KeypointOptions) -> list[FoundKeypoints]:
    """One camera's people."""
    frames = dict(_frames(path))
    faulty = [frame for frame, data in frames.items() if not is_controlnet_frame(data)]
    if faulty or not frames:
        raise InputError(f"{path}: frame {faulty[0] if faulty else 0} has no people on a canvas")
    sizes = {tuple(whole(data[key], f"{path}, {key}") for key in ("canvas_width", "canvas_height")) for data in frames.values()}
    if len(sizes) > 1 or min(next(iter(sizes))) <= 0:
        raise InputError(f"{path}: the canvas has {len(sizes)} sizes: one of a video's images was expected")
    people = [people_in(data, path) for data in frames.values()]
    everybody = [person for frame in people for person in frame]
    body = _body(path, [person.body for person in everybody], options.layout)
    if body is None:
        raise InputError(f"nobody is in {path}; name the layout with --layout")
    parts, layout = with_parts(body, everybody)
    rows = rows_of_people(people, np.array(list(frames), dtype=np.int64), layout, parts, str(path))
    shares = bool(len(rows.frame)) and float(np.nan_to_num(np.abs(rows.xy)).max(initial=0.0)) <= 1.0
    width, height = next(iter(sizes))
    return [FoundKeypoints(path, path.stem, layout, rows, "simcc", size=(width, height), normalised=shares)]


def _frames(path: Path) -> list[tuple[int, Any]]:
    if path.is_dir():
        return [(frame, read_json(file)) for frame, file in numbered(path, "*.json")]
    data = read_json(path)
    if isinstance(data, list):
        return list(enumerate(entries(data, str(path))))
    try:
        return [(frame_of_name(path.stem, path.name), data)]
    except InputError:
        return [(0, data)]


def _body(path: Path, bodies: list[np.ndarray], asked: str | None) -> Layout | None:
    if asked is not None:
        return load_layout(asked)
    counts = {len(body) for body in bodies}
    if len(counts) != 1:
        if counts:
            raise InputError(f"{path}: people have {sorted(counts)} points: one layout was expected")
        return None
    found = told(np.array(bodies), BY_COUNT.get(len(bodies[0]), ())) if len(bodies[0]) in BY_COUNT else None
    if found is None:
        raise InputError(f"nothing in {path} tells the layout of its {len(bodies[0])} points; name it with --layout")
    return found
