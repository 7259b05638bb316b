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

[covariance]                      # optional: of all cameras' poses together
order = ["cam01"]                 # the cameras in the order of the matrix's rows, 6 a camera
matrix = [[1e-6, 0, 0, 0, 0, 0]]  # of twists of cam_from_world: translation (m) first, then rotation (rad); all 6 rows

A file of lenses alone leaves out rotation and translation of every camera.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from recon3d.errors import CameraError, Recon3dError, all_faults
from recon3d.geometry import SE3, SO3, Camera, CameraRig, Clock, Intrinsics
from recon3d.io.files import atomic, read_toml
from recon3d.io.rigs.holds import row

_KEYS = {"size", "model", "focal", "centre", "skew", "distortion", "rotation", "translation", "clock", "pose_frame"}
_REQUIRED = {"size": 2, "focal": 2, "centre": 2}
_TWIST = 6


def read_rig_toml(path: Path, metres_per_unit: float = 1.0) -> CameraRig:
    """A rig from recon3d's own file; all faults of all cameras at once. Its translations may be in another unit by mistake."""
    return parse_rig_toml(read_toml(path), path, metres_per_unit)


def parse_rig_toml(data: dict[str, Any], path: Path, metres_per_unit: float = 1.0) -> CameraRig:
    """A rig from the entries of `rig.toml`; see `read_rig_toml`."""
    if _lenses_alone(data):
        raise CameraError(
            f"{path} holds lenses, but no poses: find the poses with `recon3d calibrate people`, `recon3d calibrate boards` or "
            "`recon3d calibrate points`"
        )
    if data.get("version") != 1:
        raise CameraError(f"{path}: version must be 1, not {data.get('version')!r}")
    faults: list[str] = [f"unknown entry {key!r}" for key in sorted(set(data) - {"version", "unknown", "cameras", "covariance"})]
    cameras: list[Camera] = []
    tables = data.get("cameras", {})
    unknown = data.get("unknown", [])
    if not isinstance(tables, dict) or not all(isinstance(entry, dict) for entry in tables.values()):
        raise CameraError(f"{path}: 'cameras' must hold one table a camera, like [cameras.cam01]")
    if not isinstance(unknown, list) or not all(isinstance(u, str) for u in unknown):
        faults.append("'unknown' must be a list of words")
        unknown = []
    for name, entry in tables.items():
        found = _faults(name, entry)
        if not found:
            try:
                cameras.append(_camera(name, entry, metres_per_unit))
            except Recon3dError as error:
                found.append(f"{name}: {error}")
        faults += found
    covariance = None
    if "covariance" in data:
        covariance, found = _covariance(data["covariance"], list(tables), metres_per_unit)
        faults += found
    if faults:
        raise CameraError(all_faults(faults, f"{path} cannot be used:"))
    try:
        return CameraRig(tuple(cameras), covariance, frozenset(unknown))
    except CameraError as error:
        raise CameraError(f"{path}: {error}") from None


def _lenses_alone(data: dict[str, Any]) -> bool:
    tables = data.get("cameras")
    entries = list(tables.values()) if isinstance(tables, dict) else []
    poses = {"rotation", "translation", "pose_frame"}
    whole = all(isinstance(e, dict) and set(_REQUIRED) <= set(e) and not poses & set(e) for e in entries)
    return data.get("version") == 1 and bool(entries) and whole


def read_lenses_toml(path: Path) -> dict[str, Intrinsics]:
    """The lenses of a rig.toml, with or without poses.

    Raises:
        CameraError: as for `read_rig_toml`.
    """
    data = read_toml(path)
    if _lenses_alone(data):
        still = {"rotation": [0.0] * 3, "translation": [0.0] * 3}
        data = data | {"cameras": {name: entry | still for name, entry in data["cameras"].items()}}
    return {camera.name: camera.intrinsics for camera in parse_rig_toml(data, path)}


def write_lenses_toml(path: Path, lenses: Mapping[str, Intrinsics]) -> None:
    """Lenses without poses, as a rig.toml that `read_lenses_toml` reads."""
    lines = ["# Lenses without poses: see the module docstring of recon3d.io.rigs.toml.", "version = 1", ""]
    for name, intrinsics in lenses.items():
        lines += [*_lens_lines(name, intrinsics), ""]
    with atomic(path) as stream:
        stream.write("\n".join(lines))


def _lens_lines(name: str, i: Intrinsics) -> list[str]:
    return [
        f'[cameras."{name}"]',
        f"size = [{i.size[0]}, {i.size[1]}]",
        f'model = "{i.model}"',
        f"focal = [{row([i.K[0, 0], i.K[1, 1]])}]",
        f"centre = [{row([i.K[0, 2], i.K[1, 2]])}]",
        f"skew = {float(i.K[0, 1])!r}",
        f"distortion = [{row(i.dist)}]",
    ]


def numbers(value: Any, count: int) -> bool:
    """A list of this many finite numbers."""
    good = isinstance(value, list) and len(value) == count
    return good and all(isinstance(v, int | float) and not isinstance(v, bool) and np.isfinite(v) for v in value)


def _faults(name: str, entry: dict[str, Any]) -> list[str]:
    found = [f"{name}: unknown entry {key!r}" for key in sorted(set(entry) - _KEYS)]
    found += [f"{name}: {key} must be {count} numbers" for key, count in _REQUIRED.items() if not numbers(entry.get(key), count)]
    frames = entry.get("pose_frame")
    if frames is not None and not (isinstance(frames, list) and frames and all(type(f) is int and abs(f) < 2**62 for f in frames)):
        found.append(f"{name}: pose_frame must be a list of whole numbers")
    for key in ("rotation", "translation"):
        value = entry.get(key)
        if frames is None and not numbers(value, 3):
            found.append(f"{name}: {key} must be 3 numbers")
        elif frames is not None and not (isinstance(value, list) and all(numbers(v, 3) for v in value)):
            found.append(f"{name}: {key} must be a row of 3 numbers for every pose_frame")
    dist, clock = entry.get("distortion", []), entry.get("clock", {})
    if not isinstance(dist, list) or not numbers(dist, len(dist)):
        found.append(f"{name}: distortion must be a list of numbers")
    if not isinstance(entry.get("model", "pinhole"), str):
        found.append(f"{name}: model must be a word")
    if not numbers([entry.get("skew", 0.0)], 1):
        found.append(f"{name}: skew must be a number")
    if not isinstance(clock, dict) or set(clock) - {"offset", "drift", "line_time"} or not numbers(list(clock.values()), len(clock)):
        found.append(f"{name}: clock must be a table with the numbers offset, drift and line_time")
    return found


def _camera(name: str, entry: dict[str, Any], metres_per_unit: float) -> Camera:
    (fx, fy), (cx, cy) = entry["focal"], entry["centre"]
    k = np.array([[fx, entry.get("skew", 0.0), cx], [0, fy, cy], [0, 0, 1]], dtype=float)
    width, height = entry["size"]
    dist = np.array(entry.get("distortion", []), dtype=float)
    intrinsics = Intrinsics((int(width), int(height)), k, entry.get("model", "pinhole"), dist)
    pose = SE3(SO3.exp(np.array(entry["rotation"], float)), metres_per_unit * np.array(entry["translation"], float))
    clock = {key: float(value) for key, value in entry.get("clock", {}).items()}
    frames = np.array(entry["pose_frame"]) if "pose_frame" in entry else None
    return Camera(name, intrinsics, pose, Clock(**clock), frames)


def _covariance(entry: Any, names: list[str], metres_per_unit: float) -> tuple[Float[np.ndarray, "twists twists"] | None, list[str]]:
    """The matrix in the order of `names`, in metres, and what is wrong with it."""
    if not isinstance(entry, dict) or set(entry) != {"order", "matrix"}:
        return None, ["covariance must be a table with order and matrix"]
    order, rows = entry["order"], entry["matrix"]
    if not isinstance(order, list) or not all(isinstance(n, str) for n in order) or sorted(order) != sorted(names):
        return None, [f"covariance.order must name every camera once: {', '.join(names)}"]
    size = _TWIST * len(order)
    if not isinstance(rows, list) or len(rows) != size or not all(numbers(r, size) for r in rows):
        return None, [f"covariance.matrix must be {size} rows of {size} numbers, {_TWIST} a camera"]
    matrix = np.array(rows, float)
    if not np.allclose(matrix, matrix.T, rtol=1e-6, atol=1e-12 * float(np.abs(matrix).max())):
        return None, ["covariance.matrix must be symmetric"]
    scale = np.tile(np.repeat([metres_per_unit, 1.0], 3), len(order))
    place = np.concatenate([np.arange(_TWIST) + _TWIST * order.index(name) for name in names])
    return (scale[:, None] * matrix * scale)[np.ix_(place, place)], []


def write_rig_toml(path: Path, rig: CameraRig) -> None:
    """The rig in recon3d's own form, to the last digit of a float64.

    Raises:
        CameraError: its covariance is not of 6 parameters a camera.
    """
    lines = ["# A camera rig: see the module docstring of recon3d.io.rigs.toml for what each entry means.", "version = 1"]
    lines += [f"unknown = [{', '.join(repr(u).replace(chr(39), chr(34)) for u in sorted(rig.unknown))}]", ""]
    for camera in rig:
        pose, clock = camera.cam_from_world, camera.clock
        lines += [
            *_lens_lines(camera.name, camera.intrinsics),
            f"rotation = {_rows(pose.rotation.log())}",
            f"translation = {_rows(pose.translation)}",
            f"clock = {{ offset = {clock.offset!r}, drift = {clock.drift!r}, line_time = {clock.line_time!r} }}",
        ]
        lines += [] if camera.pose_frame is None else [f"pose_frame = {camera.pose_frame.tolist()}"]
        lines.append("")
    if rig.covariance is not None:
        if rig.covariance.shape[0] != _TWIST * len(rig):
            raise CameraError(f"the covariance has {rig.covariance.shape[0]} parameters; rig.toml holds {_TWIST} a camera, of its pose")
        order = ", ".join(f'"{name}"' for name in rig.names)
        lines += ["[covariance]", f"order = [{order}]", f"matrix = {_rows(rig.covariance)}", ""]
    with atomic(path) as stream:
        stream.write("\n".join(lines))


def _rows(values: Float[np.ndarray, "..."]) -> str:
    if values.ndim == 1:
        return f"[{row(values)}]"
    return "[\n" + "".join(f"  [{row(r)}],\n" for r in values) + "]"
