"""C3D, the file of motion capture systems: keypoints as points in mm, z up."""

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from recon3d.errors import InputError
from recon3d.io.tables import frame_rate
from recon3d.records import Keypoints3D

C3D_MAX_FRAMES = 65_535
"""The header counts frames in 16 bits."""
_MAX_LABELS = 255


def write_c3d(path: Path, windows: Iterable[Keypoints3D], person: int = 0) -> None:
    """Points in mm, residual -1 where missing, else the uncertainty (sigma) in mm.

    Raises:
        InputError: more frames or points than a C3D file can count.
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
    if len(joints) > _MAX_LABELS or len(time) > C3D_MAX_FRAMES:
        raise InputError(
            f"{path}: a C3D file counts up to {C3D_MAX_FRAMES} frames and {_MAX_LABELS} points, "
            f"this take has {len(time)} and {len(joints)}; export part of it (--frames), or another format"
        )
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
    file["data"]["points"] = points
    file["data"]["meta_points"]["residuals"] = residual
    file["data"]["meta_points"]["camera_masks"] = np.zeros((7, len(joints), len(time)), dtype=bool)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".c3d-") as folder:
        part_file = Path(folder) / "part.c3d"
        file.write(str(part_file))
        os.replace(part_file, path)
