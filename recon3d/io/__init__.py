"""One module a format; dictionaries from suffix to function are the door.

Add a format with ``KEYPOINT_WRITERS[".xyz"] = write_xyz`` or ``MOTION_WRITERS[".xyz"] = ...``;
a rig's with ``RIG_WRITERS["name"] = ...``.
"""

from collections.abc import Callable, Iterable
from pathlib import Path

from recon3d.errors import InputError, valid_names
from recon3d.io.angles import write_angles_csv, write_angles_parquet
from recon3d.io.bvh import write_bvh
from recon3d.io.c3d import write_c3d
from recon3d.io.densepose import read_densepose
from recon3d.io.files import write_json
from recon3d.io.glb import write_glb
from recon3d.io.keypoints import KEYPOINT2D_WRITERS, KEYPOINT_READERS, KeypointOptions, read_keypoints, write_keypoints
from recon3d.io.keypoints.openpose import read_openpose
from recon3d.io.npz import (
    read_association,
    read_keypoints2d,
    read_keypoints3d,
    read_motion,
    write_association,
    write_keypoints2d,
    write_keypoints3d,
    write_motion,
)
from recon3d.io.rigs import RIG_READERS, RIG_WRITERS, read_intrinsics, read_rig, write_rig
from recon3d.io.rigs.toml import write_lenses_toml, write_rig_toml
from recon3d.io.scores import read_scores, write_scores
from recon3d.io.tables import write_csv, write_trc
from recon3d.io.truth import read_truth
from recon3d.records import Keypoints3D, Motion

KEYPOINT_WRITERS: dict[str, Callable[[Path, Iterable[Keypoints3D], int], None]] = {
    ".c3d": write_c3d,
    ".csv": write_csv,
    ".trc": write_trc,
}
"""Writers of one person's 3D keypoints, from windows."""
MOTION_WRITERS: dict[str, Callable[[Path, Motion], None]] = {
    ".bvh": write_bvh,
    ".glb": write_glb,
    ".angles.csv": write_angles_csv,
    ".angles.parquet": write_angles_parquet,
}
"""Writers of one person's motion."""


def write(path: Path | str, data: Keypoints3D | Motion, person: int = 0) -> None:
    """Write one person's keypoints or motion in the format that the suffix names.

    Raises:
        InputError: no writer for this suffix; the message lists those there are.
    """
    path = Path(path)
    two = "".join(path.suffixes[-2:]).lower()
    suffix = two if two in MOTION_WRITERS else path.suffix.lower()
    if isinstance(data, Keypoints3D) and suffix in KEYPOINT_WRITERS:
        KEYPOINT_WRITERS[suffix](path, [data], person)
    elif isinstance(data, Motion) and suffix in MOTION_WRITERS:
        MOTION_WRITERS[suffix](path, data)
    else:
        choices = KEYPOINT_WRITERS if isinstance(data, Keypoints3D) else MOTION_WRITERS
        raise InputError(f"{path.name}: {type(data).__name__} is written as {valid_names(choices)}")


__all__ = [
    "KEYPOINT2D_WRITERS",
    "KEYPOINT_READERS",
    "KEYPOINT_WRITERS",
    "MOTION_WRITERS",
    "RIG_READERS",
    "RIG_WRITERS",
    "KeypointOptions",
    "read_association",
    "read_densepose",
    "read_intrinsics",
    "read_keypoints",
    "read_keypoints2d",
    "read_keypoints3d",
    "read_motion",
    "read_openpose",
    "read_rig",
    "read_scores",
    "read_truth",
    "write",
    "write_association",
    "write_bvh",
    "write_c3d",
    "write_csv",
    "write_glb",
    "write_json",
    "write_keypoints",
    "write_keypoints2d",
    "write_keypoints3d",
    "write_lenses_toml",
    "write_motion",
    "write_rig",
    "write_rig_toml",
    "write_scores",
    "write_trc",
]
