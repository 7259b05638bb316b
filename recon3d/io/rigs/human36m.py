"""Human3.6M's cameras as JSON, the dataset's names or VideoPose3D's; read only.

``{"<camera>": {"R", "t" (or "T"), "f", "c", "k", "p"}}``: x_cam = R (x - t), so t is the camera's centre. VideoPose3D
writes ``orientation`` (a quaternion w x y z, camera to world), ``translation`` (the centre), ``focal_length``,
``center``, ``radial_distortion``, ``tangential_distortion``, ``res_w`` and ``res_h``. Both have k1 k2 k3 and p1 p2 as in
OpenCV. The unit is mm in the dataset, metres in VideoPose3D: it is told by the cameras' distances.
"""

from pathlib import Path
from typing import Any

import numpy as np

from recon3d.errors import CameraError
from recon3d.geometry import SE3, SO3, Intrinsics
from recon3d.io.files import read_json
from recon3d.io.rigs.found import FoundCamera, FoundRig, Size, array, each_camera, lens_matrix, size_from, table

_KEYS = ({"R", "f", "c", "k", "p"}, {"orientation", "focal_length", "center", "radial_distortion"})


def is_human36m(data: Any) -> bool:
    """Whether these are cameras by name (or in a list) with entries of either kind."""
    listed = list(data.values()) if isinstance(data, dict) else data if isinstance(data, list) else []
    return bool(listed) and any(isinstance(entry, dict) and any(keys <= set(entry) for keys in _KEYS) for entry in listed)


def read_human36m(path: Path, size: Size | None = None) -> FoundRig:
    """Human3.6M cameras from JSON; `size` for files without res_w and res_h (1000 x 1002 or 1000 x 1000 px)."""
    data = read_json(path)
    if isinstance(data, list):
        data = {str(c.get("id", k) if isinstance(c, dict) else k): c for k, c in enumerate(data)}

    def camera(name: str, entry: Any) -> FoundCamera:
        return _camera(name, table(entry, "a camera"), size)

    entries = table(data, f"{path}").items()
    return FoundRig(path, each_camera(entries, camera, path, "Human3.6M cameras", "there is no camera"))


def _camera(name: str, entry: dict[str, Any], size: Size | None) -> FoundCamera:
    def first(*keys: str) -> Any:
        return next((entry[key] for key in keys if key in entry), None)

    if "res_w" in entry and "res_h" in entry:
        size = size_from([entry["res_w"], entry["res_h"]], "res_w and res_h")
    if size is None:
        raise CameraError("res_w and res_h are missing: give the image size with size=(width, height)")
    (fx, fy), (cx, cy) = array(first("f", "focal_length"), (2,), "f"), array(first("c", "center"), (2,), "c")
    k1, k2, k3 = array(first("k", "radial_distortion"), (3,), "k")
    p1, p2 = array(first("p", "tangential_distortion"), (2,), "p")
    centre = array(first("t", "T", "translation"), (3,), "t")
    if "R" in entry:
        rotation = SO3(array(entry["R"], (3, 3), "R"))
    else:
        rotation = SO3.from_wxyz(array(entry.get("orientation"), (4,), "orientation")).inverse()
    intrinsics = Intrinsics(size, lens_matrix(fx, fy, cx, cy), "pinhole", np.array([k1, k2, p1, p2, k3]))
    return FoundCamera(name, intrinsics, SE3(rotation, -(rotation @ centre)))
