"""CMU Panoptic's ``calibration_<sequence>.json``: cm, world to camera, a world whose y points down."""

from pathlib import Path
from typing import Any

import numpy as np

from recon3d.errors import CameraError
from recon3d.geometry import SE3, SO3, CameraRig, Intrinsics
from recon3d.io.files import read_json, write_json
from recon3d.io.rigs.found import Z_UP_FROM_Y_DOWN, FoundCamera, FoundRig, Size, array, each_camera, size_from, table, vector
from recon3d.io.rigs.holds import check_holds, first_coefficients


def read_panoptic(path: Path, size: Size | None = None) -> FoundRig:
    """CMU Panoptic JSON, every camera of it. `size` is not needed: the file has it."""
    data = read_json(path)
    listed = data.get("cameras") if isinstance(data, dict) else None
    if not isinstance(listed, list):
        raise CameraError(f"{path}: 'cameras' must be a list")
    entries = [(str(c.get("name", f"camera {k + 1}")) if isinstance(c, dict) else f"camera {k + 1}", c) for k, c in enumerate(listed)]
    cameras = each_camera(entries, _camera, path, "a Panoptic calibration", "there is no camera in 'cameras'")
    return FoundRig(path, cameras, 0.01).in_world(Z_UP_FROM_Y_DOWN)


def _camera(name: str, entry: Any) -> FoundCamera:
    entry = table(entry, "a camera")
    k, dist = array(entry.get("K"), (3, 3), "K"), vector(entry.get("distCoef"), "distCoef")
    pose = SE3(SO3(array(entry.get("R"), (3, 3), "R")), array(entry.get("t"), (3,), "t"))
    return FoundCamera(name, Intrinsics(size_from(entry.get("resolution"), "resolution"), k, "pinhole", dist), pose)


def write_panoptic(path: Path, rig: CameraRig) -> None:
    """As CMU Panoptic's JSON: pinhole lenses of 5 coefficients, one pose a camera, a metric world with z up."""
    check_holds(rig, "a Panoptic calibration", needs=frozenset({"scale", "up", "floor"}))
    cameras: list[dict[str, Any]] = []
    for k, camera in enumerate(rig):
        pose = camera.cam_from_world @ Z_UP_FROM_Y_DOWN
        cameras.append(
            {
                "name": camera.name,
                "type": "hd",
                "resolution": list(camera.intrinsics.size),
                "panel": 0,
                "node": k,
                "K": camera.intrinsics.K,
                "distCoef": first_coefficients(camera, 5),
                "R": pose.rotation.matrix,
                "t": np.reshape(pose.translation * 100, (3, 1)),
            }
        )
    write_json(path, {"calibDataSource": "recon3d", "cameras": cameras})
