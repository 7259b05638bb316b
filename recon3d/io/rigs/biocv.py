"""bioCV's ``.calib``: one text file of numbers a camera, world to camera, mm.

Line by line: width; height; the three rows of K; the three rows of [R | t], or four with 0 0 0 1; the
distortion in OpenCV's order. Blank lines lie between the parts.
"""

import re
from pathlib import Path

import numpy as np

from recon3d.errors import CameraError
from recon3d.geometry import SE3, SO3, CameraRig, Intrinsics
from recon3d.io.files import atomic
from recon3d.io.rigs.found import FoundCamera, FoundRig, Size, array, each_camera, size_from, vector
from recon3d.io.rigs.holds import check_holds, first_coefficients, row
from recon3d.io.rigs.text import read_rig_text

_SEPARATORS = re.compile(r"[\s,]+")


def lines_of(text: str) -> list[list[str]]:
    """The words of each line that is not blank."""
    return [_SEPARATORS.split(line.strip()) for line in text.splitlines() if line.strip()]


def looks_like_biocv(text: str) -> bool:
    """Two lines of one number, then three of three, then four in a line."""
    return [len(words) for words in lines_of(text[:4000])[:6]] == [1, 1, 3, 3, 3, 4]


def read_biocv(path: Path, size: Size | None = None) -> FoundRig:
    """bioCV's folder of ``.calib`` files, or one file: then that camera alone. `size` is not needed."""
    files = sorted(path.glob("*.calib")) if path.is_dir() else [path]
    entries = [(file.stem, file) for file in files]
    return FoundRig(path, each_camera(entries, _camera, path, "a bioCV calibration", "there is no *.calib in the folder"), 0.001)


def _camera(name: str, file: Path) -> FoundCamera:
    lines = lines_of(read_rig_text(file))
    if len(lines) not in (9, 10):
        raise CameraError(f"{file.name} has {len(lines)} lines of numbers, not 9 (or 10 with a pose of four rows)")
    size = size_from([*lines[0], *lines[1]], "width and height")
    k = array([word for line in lines[2:5] for word in line], (3, 3), "K (lines 3 to 5)")
    pose = array([word for line in lines[5:8] for word in line], (3, 4), "[R | t] (lines 6 to 8)")
    return FoundCamera(name, Intrinsics(size, k, "pinhole", vector(lines[-1], "the distortion")), SE3(SO3(pose[:, :3]), pose[:, 3]))


def write_biocv(path: Path, rig: CameraRig) -> None:
    """As bioCV's folder: pinhole lenses of 5 coefficients, one pose a camera, mm."""
    check_holds(rig, "a bioCV calibration")
    for camera in rig:
        i, pose = camera.intrinsics, camera.cam_from_world
        rows = np.c_[pose.rotation.matrix, 1000 * pose.translation]
        lines = [str(i.size[0]), str(i.size[1]), *(row(r, " ") for r in i.K), "", *(row(r, " ") for r in rows)]
        with atomic(path / f"{camera.name}.calib") as stream:
            stream.write("\n".join([*lines, "", row(first_coefficients(camera, 5), " "), ""]))
