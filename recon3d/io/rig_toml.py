"""`rig.toml`, recon3d's own file of a camera rig.

version = 1
unknown = []                      # of "scale", "up", "floor": what the world does not have

[cameras.cam01]                   # in the rig's order
size = [1920, 1080]               # px
model = "pinhole"                 # or "fisheye"
focal = [1400.0, 1400.0]          # px
centre = [959.5, 539.5]           # px; the centre of the top-left pixel is (0, 0)
skew = 0.0                        # px; optional
distortion = [-0.1, 0.02, 0, 0, 0]  # OpenCV's order
rotation = [0.0, 0.0, 0.0]        # rotation vector of cam_from_world, rad
translation = [0.0, 0.0, 3.0]     # of cam_from_world, m
clock = { offset = 0.0, drift = 0.0, line_time = 0.0 }  # s; optional
pose_frame = [0, 1]               # only of a moving camera: source frames; rotation and translation are then lists of rows
"""

from pathlib import Path
from typing import Any

import numpy as np

from recon3d.errors import CameraError, all_faults
from recon3d.geometry import SE3, SO3, Camera, CameraRig, Clock, Intrinsics
from recon3d.io.files import atomic, read_toml

_KEYS = {"size", "model", "focal", "centre", "skew", "distortion", "rotation", "translation", "clock"}
_REQUIRED = {"size": 2, "focal": 2, "centre": 2, "rotation": 3, "translation": 3}


def read_rig_toml(path: Path) -> CameraRig:
    """A rig from recon3d's own file; all faults of all cameras at once."""
    return parse_rig_toml(read_toml(path), path)


def parse_rig_toml(data: dict[str, Any], path: Path, metres_per_unit: float = 1.0) -> CameraRig:
    """A rig from the entries of `rig.toml`; its translations may be in another unit by mistake."""
    if data.get("version") != 1:
        raise CameraError(f"{path}: version must be 1, not {data.get('version')!r}")
    faults: list[str] = [f"unknown entry {key!r}" for key in sorted(set(data) - {"version", "unknown", "cameras"})]
    cameras: list[Camera] = []
    tables = data.get("cameras", {})
    unknown = data.get("unknown", [])
    if not isinstance(tables, dict) or not all(isinstance(entry, dict) for entry in tables.values()):
        raise CameraError(f"{path}: 'cameras' must hold one table a camera, like [cameras.cam01]")
    if not isinstance(unknown, list) or not all(isinstance(u, str) for u in unknown):
        faults.append("'unknown' must be a list of words")
        unknown = []
    for name, entry in tables.items():
        found = [f"{name}: unknown entry {key!r}" for key in sorted(set(entry) - _KEYS)]
        found += [f"{name}: {key} must be {count} numbers" for key, count in _REQUIRED.items() if not numbers(entry.get(key), count)]
        dist, clock = entry.get("distortion", []), entry.get("clock", {})
        if not isinstance(dist, list) or not numbers(dist, len(dist)):
            found.append(f"{name}: distortion must be a list of numbers")
        if not isinstance(entry.get("model", "pinhole"), str):
            found.append(f"{name}: model must be a word")
        if not numbers([entry.get("skew", 0.0)], 1):
            found.append(f"{name}: skew must be a number")
        if not isinstance(clock, dict) or set(clock) - {"offset", "drift", "line_time"} or not numbers(list(clock.values()), len(clock)):
            found.append(f"{name}: clock must be a table with the numbers offset, drift and line_time")
        if not found:
            try:
                cameras.append(_camera(name, entry, metres_per_unit))
            except CameraError as error:
                found.append(f"{name}: {error}")
        faults += found
    if faults:
        raise CameraError(all_faults(faults, f"{path} cannot be used:"))
    return CameraRig(tuple(cameras), unknown=frozenset(unknown))


def numbers(value: Any, count: int) -> bool:
    """A list of this many finite numbers."""
    good = isinstance(value, list) and len(value) == count
    return good and all(isinstance(v, int | float) and not isinstance(v, bool) and np.isfinite(v) for v in value)


def _camera(name: str, entry: dict[str, Any], metres_per_unit: float) -> Camera:
    (fx, fy), (cx, cy) = entry["focal"], entry["centre"]
    k = np.array([[fx, entry.get("skew", 0.0), cx], [0, fy, cy], [0, 0, 1]], dtype=float)
    width, height = entry["size"]
    dist = np.array(entry.get("distortion", []), dtype=float)
    intrinsics = Intrinsics((int(width), int(height)), k, entry.get("model", "pinhole"), dist)
    pose = SE3(SO3.exp(np.array(entry["rotation"], float)), metres_per_unit * np.array(entry["translation"], float))
    clock = {key: float(value) for key, value in entry.get("clock", {}).items()}
    return Camera(name, intrinsics, pose, Clock(**clock))


def write_rig_toml(path: Path, rig: CameraRig) -> None:
    """The rig in recon3d's own form, to the last digit of a float64."""
    lines = ["# A camera rig: see the module docstring of recon3d.io.rig_toml for what each entry means.", "version = 1"]
    lines += [f"unknown = [{', '.join(repr(u).replace(chr(39), chr(34)) for u in sorted(rig.unknown))}]", ""]
    for camera in rig:
        i, pose, clock = camera.intrinsics, camera.cam_from_world, camera.clock
        lines += [
            f'[cameras."{camera.name}"]',
            f"size = [{i.size[0]}, {i.size[1]}]",
            f'model = "{i.model}"',
            f"focal = {_row([i.K[0, 0], i.K[1, 1]])}",
            f"centre = {_row([i.K[0, 2], i.K[1, 2]])}",
            f"skew = {float(i.K[0, 1])!r}",
            f"distortion = {_row(i.dist)}",
            f"rotation = {_row(pose.rotation.log())}",
            f"translation = {_row(pose.translation)}",
            f"clock = {{ offset = {clock.offset!r}, drift = {clock.drift!r}, line_time = {clock.line_time!r} }}",
            "",
        ]
    with atomic(path) as stream:
        stream.write("\n".join(lines))


def _row(values: Any) -> str:
    return "[" + ", ".join(repr(float(v)) for v in values) + "]"
