"""Which format a rig file has, by what it holds."""

import re
from pathlib import Path
from typing import Any

from recon3d.errors import CameraError, InputError
from recon3d.io.files import read_json, read_toml
from recon3d.io.rigs.biocv import looks_like_biocv
from recon3d.io.rigs.human36m import is_human36m
from recon3d.io.rigs.kalibr import KEY as KALIBR_KEY
from recon3d.io.rigs.matlab import is_matlab
from recon3d.io.rigs.opencv import has_lenses, has_poses, names_of
from recon3d.io.rigs.qualisys import told_apart
from recon3d.io.rigs.text import read_rig_text, read_storage, xml_root

_PICKLE = re.compile(rb"\x80[\x02-\x05]|\(dp|\(lp|c[\w.]+\n")
_COLMAP = re.compile(r"(cameras|images|points3D|rigs|frames)\.(txt|bin)")


def format_of(path: Path) -> str:
    """The name of a file's format, or a folder's.

    Raises:
        CameraError: none that is known, or one that cannot be told from another; the message says what to do.
    """
    if path.is_dir():
        return _folder(path)
    try:
        with path.open("rb") as stream:
            start = stream.read(64)
    except OSError:
        start = b""  # reading the text says what is wrong
    if _PICKLE.match(start):
        raise CameraError(
            f"{path} is a pickle (OpenCap?). Nothing is unpickled, as that runs code: open it where you trust it and write its "
            "intrinsicMat, distortion, rotation and translation into one of the formats that are read, such as rig.toml"
        )
    if start.startswith((b"MATLAB", b"\x89HDF")):
        return "matlab"
    if _COLMAP.fullmatch(path.name) and _is_colmap(path.parent):
        return "colmap"
    text = read_rig_text(path).lstrip()
    if "opencv_storage" in text[:400] or text.startswith("%YAML"):
        return _storage(path)
    if text.startswith("<"):
        return _xml(path)
    if text.startswith(("{", "[")) and not re.match(r"\[+[\w\"'.-]+\]+\s*($|\n|#)", text):  # a table of TOML
        return _json(path)
    if looks_like_biocv(text):
        return "biocv"
    if KALIBR_KEY.search(text):
        return "kalibr"
    if re.search(r"^(camera_matrix|image_width)\s*:", text, re.MULTILINE):  # ROS's camera_info
        return "opencv"
    return _toml(path)


def _is_colmap(folder: Path) -> bool:
    return any((folder / f"cameras{e}").is_file() and (folder / f"images{e}").is_file() for e in (".bin", ".txt"))


def _folder(path: Path) -> str:
    if _is_colmap(path):
        return "colmap"
    if (path / "intri.yml").is_file() or (path / "extri.yml").is_file():
        return "easymocap"
    if any(path.glob("*.calib")):
        return "biocv"
    if any(path.glob("*.xml")):
        return "openpose"
    raise InputError(
        f"{path} is a folder, and not one of COLMAP (cameras and images, .bin or .txt), EasyMocap (intri.yml, extri.yml), "
        "bioCV (*.calib) or OpenPose (*.xml): give the file of the rig"
    )


def _storage(path: Path) -> str:
    store = read_storage(path)
    if "CameraMatrix" in store and "Intrinsics" in store:
        return "openpose"
    if not names_of(store) or (has_lenses(store) and has_poses(store)):
        return "opencv"
    if has_poses(store):
        return "easymocap"
    beside = path.with_name(path.name.replace("intri", "extri"))
    return "easymocap" if beside != path and beside.is_file() else "lenses"


def _xml(path: Path) -> str:
    root = xml_root(path)
    if root.find(".//KeyFrames") is not None or root.find(".//Camera[@DEVICEID]") is not None:
        return "vicon"
    if root.tag == "calibrationProfile" or root.find(".//IntrinsicStandardCameraModel") is not None:
        return "optitrack"
    if root.find(".//camera") is None:
        raise CameraError(f"{path} is XML, but there is no <camera> (Qualisys, Theia3D) and no <Camera> (Vicon, OptiTrack) in it")
    told = told_apart(root) if root.find(".//camera/intrinsic") is not None else "qualisys"
    if told is None:
        raise CameraError(
            f"{path} has the tags that Qualisys and Theia3D share, and what it holds does not tell which of the two wrote it: "
            'pass format="qualisys" or format="theia"'
        )
    return told


def _json(path: Path) -> str:
    data = read_json(path)
    if isinstance(data, dict) and any(isinstance(value, dict) and "type_id" in value for value in data.values()):
        return _storage(path)
    if isinstance(data, dict) and "frames" in data:
        return "transforms"
    if isinstance(data, dict) and isinstance(data.get("cameras"), list):
        return "panoptic"
    if is_matlab(data) or (isinstance(data, dict) and any(is_matlab(value) for value in data.values())):
        return "matlab"
    if is_human36m(data):
        return "human36m"
    raise CameraError(f"{path} is JSON, but not of OpenCV, CMU Panoptic ('cameras'), NeRF ('frames'), MATLAB's toStruct or Human3.6M")


def _toml(path: Path) -> str:
    data: dict[str, Any] = read_toml(path)
    return "recon3d" if "version" in data and "cameras" in data else "aniposelib"
