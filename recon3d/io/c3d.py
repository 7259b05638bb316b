"""C3D, the file of motion capture systems: keypoints as points in mm, z up."""

import errno
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from recon3d.errors import InputError
from recon3d.io.markers import markers
from recon3d.io.tables import frame_rate
from recon3d.records import Keypoints3D

_COUNTED = 65_535  # frames that the header counts to; where more are, parameters say how many
_MAX_LABELS = 255
_BLOCK, _POINT_BYTES = 512, 16
_UNITS_M = {"mm": 0.001, "cm": 0.01, "m": 1.0}


def write_c3d(path: Path, windows: Iterable[Keypoints3D], person: int = 0) -> None:
    """Points in mm, residual -1 where missing, else the uncertainty (sigma) in mm.

    Of more than 65,535 frames TRIAL:ACTUAL_END_FIELD and POINT:LONG_FRAMES say how many there are, as other writers do.

    Raises:
        InputError: nothing to write, or more points than a C3D file can count.
    """
    import ezc3d  # its shared library is needed by nothing else

    parts: list[np.ndarray] = []
    sigmas: list[np.ndarray] = []
    times: list[np.ndarray] = []
    joints: tuple[str, ...] = ()
    for world in windows:
        joints = world.layout.points
        parts.append((1000 * world.xyz[:, person]).astype(np.float32))
        sigmas.append((1000 * world.sigma_m()[:, person]).astype(np.float32))
        times.append(world.time)
    if not parts:
        raise InputError(f"{path}: there is nothing to write")
    time = np.concatenate(times)
    if len(joints) > _MAX_LABELS:
        raise InputError(f"{path}: a C3D file names up to {_MAX_LABELS} points, this layout has {len(joints)}; use another format")
    points = np.zeros((4, len(joints), len(time)))
    residual = np.full((1, len(joints), len(time)), -1.0)
    start = 0
    for xyz, sigma in zip(parts, sigmas, strict=True):
        part = slice(start, start + len(xyz))
        good = np.isfinite(xyz).all(-1).T
        points[:3, :, part] = np.where(good, xyz.transpose(2, 1, 0), 0.0)
        residual[0, :, part] = np.where(good, sigma.T, -1.0)
        start += len(xyz)
    points[3] = 1.0
    file = ezc3d.c3d()
    file["header"]["points"]["frame_rate"] = frame_rate(time)
    parameters = file["parameters"]
    parameters["POINT"]["RATE"]["value"] = [frame_rate(time)]
    parameters["POINT"]["LABELS"]["value"] = list(joints)
    parameters["POINT"]["UNITS"]["value"] = ["mm"]
    file.add_parameter("POINT", "X_SCREEN", "+X")
    file.add_parameter("POINT", "Y_SCREEN", "+Z")
    file.add_parameter("MANUFACTURER", "SOFTWARE", "recon3d")
    if len(time) > _COUNTED:
        file.add_parameter("POINT", "LONG_FRAMES", [float(len(time))])
        for name, count in (("ACTUAL_START_FIELD", 1), ("ACTUAL_END_FIELD", len(time))):
            file.add_parameter("TRIAL", name, [0, 0])
            # Whole numbers of 16 bits, the low word first.
            words = np.array([count & 0xFFFF, count >> 16], np.uint16).view(np.int16)
            parameters["TRIAL"][name]["type"], parameters["TRIAL"][name]["value"] = 2, [int(word) for word in words]
    file["data"]["points"] = points
    file["data"]["meta_points"]["residuals"] = residual
    file["data"]["meta_points"]["camera_masks"] = np.zeros((7, len(joints), len(time)), dtype=bool)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".c3d-") as folder:
        part_file = Path(folder) / "part.c3d"
        file.write(str(part_file))
        _whole(part_file, path, len(joints) * len(time))
        os.replace(part_file, path)


def _whole(part: Path, path: Path, points: int) -> None:
    """ezc3d does not tell when the disk is full.

    Raises:
        OSError: the file is shorter than what it holds.
    """
    with part.open("rb") as stream:
        head = stream.read(18)
    first_block = int.from_bytes(head[16:18], "little") if len(head) == 18 else 0
    if not first_block or part.stat().st_size < (first_block - 1) * _BLOCK + points * _POINT_BYTES:
        raise OSError(errno.ENOSPC, "could not be written whole", str(path))


def read_c3d(path: Path | str) -> Keypoints3D:
    """Points of a C3D file by their labels, in metres and the file's own axes; missing where their residual is negative.

    Raises:
        InputError: no such file, not a C3D file, or one without points or rate.
    """
    import ezc3d

    path = Path(path)
    if not path.is_file():
        raise InputError(f"no such file: {path}")
    try:
        file = ezc3d.c3d(str(path))
    except (OSError, RuntimeError, ValueError, IndexError) as error:
        raise InputError(f"{path} cannot be read as C3D: {error}") from None
    point = file["parameters"]["POINT"]
    unit = (point.get("UNITS", {}).get("value") or [""])[0].strip().lower()
    if unit not in _UNITS_M:
        raise InputError(f"{path}: its unit is {unit!r}, not one of {', '.join(_UNITS_M)}")
    xyz = file["data"]["points"][:3].transpose(2, 1, 0) * _UNITS_M[unit]
    names = [name.strip() for name in point["LABELS"]["value"]][: xyz.shape[1]]
    rate = float(file["header"]["points"]["frame_rate"])
    if not names or not rate > 0:
        raise InputError(f"{path} has no points, or no frame rate")
    missing = file["data"]["meta_points"]["residuals"][0].T < 0
    xyz = np.where(missing[..., None], np.nan, xyz)
    first = int(file["header"]["points"]["first_frame"])
    return markers(names, first + np.arange(len(xyz)), np.arange(len(xyz)) / rate, xyz)
