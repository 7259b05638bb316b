"""MATLAB's cameraParameters and stereoParameters as plain structs, from ``.mat`` (up to v7) or JSON; read only.

The centre of the top-left pixel is (1, 1) in MATLAB. ``IntrinsicMatrix`` (before R2022b) is K transposed, ``K`` is K;
``RotationOfCamera2`` multiplies rows from the right, x2 = x1 R + t; ``PoseCamera2`` columns from the left.
"""

from pathlib import Path
from typing import Any

import numpy as np

from recon3d.errors import CameraError, Recon3dError, all_faults
from recon3d.geometry import SE3, SO3, Intrinsics
from recon3d.io.files import read_json
from recon3d.io.mat import read_mat
from recon3d.io.rigs.found import FoundCamera, FoundRig, Size, array, size_from, table, vector

_EXPORT = (
    "MATLAB objects cannot be read outside MATLAB: there, run  p = toStruct(stereoParams); save('calibration.mat', 'p', '-v7')  "
    "(or toStruct(cameraParams))"
)
_METRES = {"m": 1.0, "meters": 1.0, "metres": 1.0, "cm": 0.01, "centimeters": 0.01, "mm": 0.001, "millimeters": 0.001, "millimetres": 0.001}


def is_matlab(entries: Any) -> bool:
    """Whether a struct is a camera of MATLAB or a pair of them."""
    if not isinstance(entries, dict):
        return False
    return "CameraParameters1" in entries or ("RadialDistortion" in entries and ("IntrinsicMatrix" in entries or "K" in entries))


def read_matlab(path: Path, size: Size | None = None) -> FoundRig:
    """A struct of stereoParameters, a rig of two, or of cameraParameters, one lens; the first such struct in the file.

    Args:
        path: of the ``.mat`` or JSON file.
        size: of the images, px, where ImageSize is empty.

    Raises:
        CameraError: also for MATLAB objects, with the commands that export a struct.
    """
    with path.open("rb") as stream:
        start = stream.read(20)
    data = read_mat(path) if start.startswith((b"MATLAB", b"\x89HDF")) else read_json(path)
    structs = [data, *data.values()] if isinstance(data, dict) else []
    found = next((struct for struct in structs if is_matlab(struct)), None)
    if found is None:
        raise CameraError(f"{path} holds no struct of cameraParameters or stereoParameters. {_EXPORT}")
    if "CameraParameters1" not in found:
        return FoundRig(path, (FoundCamera(path.stem, _one(path, found, size), None),))
    return _pair(path, found, size)


def _one(path: Path, entry: dict[str, Any], size: Size | None) -> Intrinsics:
    try:
        return _intrinsics(entry, size)
    except Recon3dError as error:
        raise CameraError(f"{path} cannot be used as MATLAB camera parameters: {error}") from None


def _pair(path: Path, found: dict[str, Any], size: Size | None) -> FoundRig:
    faults: list[str] = []
    cameras: list[FoundCamera] = []
    unit: float | None = None
    for n in (1, 2):
        try:
            entry = table(found.get(f"CameraParameters{n}"), f"CameraParameters{n}")
            unit = _METRES.get(str(entry.get("WorldUnits", found.get("WorldUnits", ""))).lower(), unit)
            pose = SE3.identity() if n == 1 else _pose(found)
            cameras.append(FoundCamera(f"cam{n}", _intrinsics(entry, size), pose))
        except Recon3dError as error:
            faults.append(f"camera {n}: {error}")
    if faults:
        raise CameraError(all_faults(faults, f"{path} cannot be used as MATLAB stereo parameters:"))
    return FoundRig(path, tuple(cameras), unit, frozenset({"up", "floor"}))


def _pose(found: dict[str, Any]) -> SE3:
    if "RotationOfCamera2" in found:
        rotation = array(found["RotationOfCamera2"], (3, 3), "RotationOfCamera2").T
        return SE3(SO3(rotation.copy()), array(found.get("TranslationOfCamera2"), (3,), "TranslationOfCamera2"))
    pose = table(found.get("PoseCamera2"), "RotationOfCamera2 or PoseCamera2")
    rotation = array(pose.get("R"), (3, 3), "PoseCamera2.R")
    return SE3(SO3(rotation), array(pose.get("Translation"), (3,), "PoseCamera2.Translation"))


def _intrinsics(entry: dict[str, Any], size: Size | None) -> Intrinsics:
    k = array(entry["K"], (3, 3), "K") if "K" in entry else array(entry.get("IntrinsicMatrix"), (3, 3), "IntrinsicMatrix").T.copy()
    k[:2, 2] -= 1
    radial = vector(entry.get("RadialDistortion"), "RadialDistortion")
    if len(radial) not in (2, 3):
        raise CameraError(f"RadialDistortion must be 2 or 3 numbers, not {len(radial)}")
    tangential = array(entry.get("TangentialDistortion", [0.0, 0.0]), (2,), "TangentialDistortion")
    stated = vector(entry.get("ImageSize", []), "ImageSize")
    if len(stated):
        height, width = array(stated, (2,), "ImageSize")
        size = size_from([width, height], "ImageSize")
    if size is None:
        raise CameraError("ImageSize is empty: give the image size with size=(width, height)")
    return Intrinsics(size, k, "pinhole", np.array([*radial[:2], *tangential, *radial[2:], *([0.0] * (3 - len(radial)))]))
