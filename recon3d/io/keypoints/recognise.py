"""Which format a file of 2D keypoints has, by what it holds."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from recon3d.errors import InputError
from recon3d.io.files import read_json, read_text
from recon3d.io.keypoints.alphapose import is_alphapose, is_alphapose_image, is_alphapose_run
from recon3d.io.keypoints.arrays import is_array, npz_names
from recon3d.io.keypoints.coco import is_coco_annotations, is_coco_results
from recon3d.io.keypoints.controlnet import is_controlnet, is_controlnet_frame
from recon3d.io.keypoints.csv_tables import first_row
from recon3d.io.keypoints.deepcut import is_deeppose
from recon3d.io.keypoints.deeplabcut import is_deeplabcut
from recon3d.io.keypoints.deeplabcut_h5 import is_deeplabcut_h5
from recon3d.io.keypoints.dumps import is_mediapipe, is_own_dump, is_rtmlib
from recon3d.io.keypoints.easymocap import camera_folders, is_easymocap
from recon3d.io.keypoints.hdf5 import hdf5_names
from recon3d.io.keypoints.mmpose import is_mmpose_demo, is_mmpose_image, is_mmpose_video
from recon3d.io.keypoints.openpifpaf import is_pifpaf_image, is_pifpaf_line
from recon3d.io.keypoints.openpose import is_openpose, openpose_cameras
from recon3d.io.keypoints.openpose_storage import is_storage_frame, storage_files
from recon3d.io.keypoints.point_columns import is_hrnet_csv, is_mediapipe_csv
from recon3d.io.keypoints.posetrack import is_annolist, is_dcpose
from recon3d.io.keypoints.sleap import is_sleap_csv
from recon3d.io.keypoints.tfjs import is_tfjs
from recon3d.io.keypoints.ultralytics import is_yolo_json, is_yolo_text

_JSON: tuple[tuple[str, Callable[[Any], bool]], ...] = (
    ("recon3d-dump", is_own_dump),
    ("alphapose", is_alphapose),
    ("alphapose-open", is_alphapose_run),
    ("coco", is_coco_results),
    ("coco-annotations", is_coco_annotations),
    ("posetrack", is_annolist),
    ("dcpose", is_dcpose),
    ("mmpose", is_mmpose_demo),
    ("mmpose", is_mmpose_video),
    ("mmpose", is_mmpose_image),
    ("ultralytics", is_yolo_json),
    ("openpifpaf", is_pifpaf_line),
    ("openpifpaf", is_pifpaf_image),
    ("tfjs", is_tfjs),
    ("controlnet", is_controlnet),
    ("rtmlib", is_rtmlib),
    ("mediapipe", is_mediapipe),
    ("array", is_array),
)
"""Of parsed JSON, in the order in which they are asked: the more special ones first."""
_IN_FOLDERS: tuple[tuple[str, Callable[[Any], bool]], ...] = (
    ("alphapose-open", is_alphapose_image),
    ("controlnet", is_controlnet_frame),
    ("openpose", is_openpose),
    ("easymocap", is_easymocap),
    ("mmpose", is_mmpose_image),
    ("ultralytics", is_yolo_json),
    ("openpifpaf", is_pifpaf_image),
    ("tfjs", is_tfjs),
)
"""Of a file of a folder with one a frame."""
_PICKLE = "pickled objects, which can run any code when read: have the program write JSON, CSV or plain arrays"
_FIRST = 100  # entries of a list
_BETWEEN = " \t\r\n,"
_LOOKED_AT = 200  # files of a folder, where nobody is in the first


def format_of(path: Path) -> str:
    """The name of a file's format, or a folder's.

    Raises:
        InputError: none that is known, or one that cannot be told from another; the message says what to do.
    """
    if path.is_dir():
        return _folder(path)
    try:
        with open(path, "rb") as stream:
            head = stream.read(16)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    if head.startswith(b"PK"):
        return _archive(path)
    if head.startswith(b"\x89HDF"):
        return _hdf5(path)
    if head.startswith(b"\x93NUMPY"):
        return "array"
    if head.startswith(b"MATLAB"):
        return "mpii-mat"
    if head[:1] == b"\x80":
        raise InputError(f"{path} holds {_PICKLE}")
    text = read_text(path).lstrip()
    return _json(path, text) if text[:1] in ("", "[", "{") else _text(path, text)


def _beginning(text: str) -> list[Any] | None:
    """The first entries of a long list, so that only its reader parses the whole; None of what is short, or no list."""
    if not text.startswith("["):
        return None
    decoder, found, at = json.JSONDecoder(), [], 1
    while len(found) < _FIRST:
        while at < len(text) and text[at] in _BETWEEN:
            at += 1
        try:
            value, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            return None
        found.append(value)
    return found


def _is_densepose(data: Any) -> bool:
    """Whether parsed JSON is a list of DensePose results."""
    return isinstance(data, list) and bool(data) and isinstance(data[0], dict) and {"uv_data", "uv_shape"} <= set(data[0])


def _json(path: Path, text: str) -> str:
    try:
        line, _, rest = text.partition("\n")
        if rest.strip() and line.startswith("{") and is_pifpaf_line(json.loads(line)):
            return "openpifpaf"
    except (ValueError, RecursionError):
        pass  # not one line
    first = _beginning(text)
    for name, fits in _JSON if first is not None else ():
        if fits(first):
            return name
    data = read_json(path)
    for name, fits in _JSON:
        if fits(data):
            return name
    if _is_densepose(data):
        raise InputError(
            f"{path} holds results of DensePose, which say what each pixel shows, not keypoints: recon3d.io.densepose reads them"
        )
    if is_openpose(data) or is_easymocap(data) or is_storage_frame(text):
        raise InputError(f"{path} is one frame of many: give the folder")
    if data in ([], {}):
        raise InputError(f"{path} holds nobody, and nothing that tells its format")
    raise InputError(f"{path} is JSON, but of none of the formats of 2D keypoints that are read; name it with --format if it is one")


def _text(path: Path, text: str) -> str:
    cells = first_row(text)
    tests = (
        ("deeplabcut", is_deeplabcut),
        ("sleap-csv", is_sleap_csv),
        ("mediapipe-csv", is_mediapipe_csv),
        ("hrnet-csv", is_hrnet_csv),
        ("deeppose", is_deeppose),
    )
    for name, fits in tests:
        if fits(cells):
            return name
    if is_yolo_text(text) or is_storage_frame(text):
        raise InputError(f"{path} is one frame of many: give the folder")
    raise InputError(f"{path} is text, but of none of the formats of 2D keypoints that are read; name it with --format if it is one")


def _archive(path: Path) -> str:
    names = npz_names(path)
    if "positions_2d" in names:
        raise InputError(f"{path} is of VideoPose3D and holds {_PICKLE}")
    if any(name.endswith("data.pkl") for name in names):
        raise InputError(f"{path} was written by torch.save and holds {_PICKLE}")
    if "kind" in names or not names:
        return "recon3d"
    return "deepcut" if "pose" in names else "array"


def _hdf5(path: Path) -> str:
    names = hdf5_names(path)
    if {"metadata", "frames", "instances"} <= set(names):
        return "sleap"
    if {"tracks", "node_names"} <= set(names):
        return "sleap-analysis"
    if is_deeplabcut_h5(names):
        return "deeplabcut"
    raise InputError(f"{path} is HDF5 with {', '.join(names[:8]) or 'nothing'} in it: SLEAP's and DeepLabCut's are read")


def own_files(path: Path) -> list[Path]:
    """recon3d's own files in a folder, or in the one of a take that holds them; none where others lie among them."""
    inside = path / "keypoints2d"
    files = sorted((inside if inside.is_dir() else path).glob("*.npz"))
    return files if files and all(_archive(file) == "recon3d" for file in files) else []


def _folder(path: Path) -> str:
    storage = storage_files(path)[1]
    if storage and is_storage_frame(read_text(storage[0])):
        return "openpose-storage"
    files = sorted(path.glob("*.json"))
    for file in files[:_LOOKED_AT]:
        data = read_json(file)
        for name, fits in _IN_FOLDERS:
            if fits(data):
                return name
    if any(path.glob("*_pose.npz")):
        return "deepcut"
    if own_files(path):
        return "recon3d"
    first = next((file for file in sorted(path.glob("*.txt"))), None)
    if first is not None and is_yolo_text(read_text(first)):
        return "ultralytics"
    if not files:
        inside = next((file for folder in camera_folders(path) for file in sorted(folder.glob("*.json"))), None)
        if inside is not None and is_easymocap(read_json(inside)):
            return "easymocap"
        if openpose_cameras(path):
            return "openpose"
    raise InputError(f"{path} is a folder, and what it holds is none of the formats of 2D keypoints that are read")
