"""One module a format; dictionaries from suffix to function are the door.

Add a format with ``KEYPOINT_WRITERS[".xyz"] = write_xyz`` or ``MOTION_WRITERS[".xyz"] = ...``;
a rig's with ``RIG_WRITERS["name"] = ...``.
"""

from collections.abc import Callable, Iterable
from pathlib import Path

from recon3d.errors import InputError, valid_names
from recon3d.io.amass import read_amass, write_amass, write_amass_arrays
from recon3d.io.angles import write_angles_csv, write_angles_parquet
from recon3d.io.bvh import read_bvh, write_bvh
from recon3d.io.c3d import read_c3d, write_c3d
from recon3d.io.densepose import read_densepose
from recon3d.io.fbx import write_fbx
from recon3d.io.files import write_json
from recon3d.io.glb import write_glb
from recon3d.io.glb_onto import humanoid_of, write_glb_onto
from recon3d.io.glb_read import read_glb
from recon3d.io.joints import write_joints_csv, write_joints_npz
from recon3d.io.keypoints import KEYPOINT2D_WRITERS, KEYPOINT_READERS, KeypointOptions, read_keypoints, write_keypoints
from recon3d.io.keypoints.openpose import read_openpose
from recon3d.io.npz import (
    read_association,
    read_body,
    read_keypoints2d,
    read_keypoints3d,
    read_motion,
    write_association,
    write_body,
    write_keypoints2d,
    write_keypoints3d,
    write_motion,
    write_person_npz,
)
from recon3d.io.nwb import write_nwb
from recon3d.io.osim import write_person_osim
from recon3d.io.parquet import write_parquet
from recon3d.io.projects import PROJECT_WRITERS
from recon3d.io.rigs import RIG_READERS, RIG_WRITERS, read_intrinsics, read_rig, write_rig
from recon3d.io.rigs.toml import write_lenses_toml, write_rig_toml
from recon3d.io.ros2 import write_bag, write_mcap
from recon3d.io.scores import read_scores, write_scores
from recon3d.io.side_car import write_joint_side_car, write_project_side_car, write_side_car, write_with_side_car
from recon3d.io.sto import read_sto, write_mot
from recon3d.io.tables import read_trc, write_csv, write_trc
from recon3d.io.truth import read_truth
from recon3d.io.usd import write_usd
from recon3d.records import Animation, JointMotion, Keypoints3D, Motion
from recon3d.records.animation import animation_of, converted

KEYPOINT_WRITERS: dict[str, Callable[[Path, Iterable[Keypoints3D], int], None]] = {
    ".c3d": write_c3d,
    ".csv": write_csv,
    ".npz": write_person_npz,
    ".nwb": write_nwb,
    ".parquet": write_parquet,
    ".trc": write_trc,
}
"""Writers of one person's 3D keypoints, from windows."""
MOTION_WRITERS: dict[str, Callable[[Path, Motion], None]] = {
    ".angles.csv": write_angles_csv,
    ".angles.parquet": write_angles_parquet,
    ".mot": write_mot,
    ".osim": write_person_osim,
}
"""Writers of one person's motion."""
ANIMATION_WRITERS: dict[str, Callable[[Path, Animation], None]] = {
    ".amass.npz": write_amass,
    ".bvh": write_bvh,
    ".fbx": write_fbx,
    ".glb": write_glb,
    ".usda": write_usd,
    ".usdc": write_usd,
    ".usdz": write_usd,
}
"""Writers of a character and its motion."""
ANIMATION_READERS: dict[str, Callable[[Path], Animation]] = {".amass.npz": read_amass, ".bvh": read_bvh, ".glb": read_glb, ".vrm": read_glb}
"""Readers of characters and their motion."""
JOINT_WRITERS: dict[str, Callable[[Path, JointMotion], None]] = {
    ".bag": write_bag,
    ".csv": write_joints_csv,
    ".mcap": write_mcap,
    ".npz": write_joints_npz,
}
"""Writers of a robot's motion."""
_UNITS = {".bvh": 0.01, ".fbx": 0.01}


def write(path: Path | str, data: Keypoints3D | Motion | Animation | JointMotion, person: int = 0) -> None:
    """Write one person's keypoints or motion, or a character's or a robot's, in the format that the suffix names.

    Animation files of a `Motion` are y up, in centimetres (BVH, FBX) or metres, with a side-car ``<name>.json``; an
    `Animation` is written in its own axes and unit where the format can.

    Raises:
        InputError: no writer for this suffix; the message lists those there are.
    """
    path = Path(path)
    two = "".join(path.suffixes[-2:]).lower()
    suffix = two if two in {*MOTION_WRITERS, *ANIMATION_WRITERS} else path.suffix.lower()
    if isinstance(data, Keypoints3D) and suffix in KEYPOINT_WRITERS:
        KEYPOINT_WRITERS[suffix](path, [data], person)
    elif isinstance(data, Motion) and suffix in MOTION_WRITERS:
        MOTION_WRITERS[suffix](path, data)
    elif isinstance(data, Motion | Animation) and suffix in ANIMATION_WRITERS:
        animation = plain_animation(data, suffix) if isinstance(data, Motion) else data
        ANIMATION_WRITERS[suffix](path, animation)
        if isinstance(data, Motion):
            write_side_car(path, data, animation)
    elif isinstance(data, JointMotion) and suffix in JOINT_WRITERS:
        JOINT_WRITERS[suffix](path, data)
    else:
        both = {**MOTION_WRITERS, **ANIMATION_WRITERS}
        choices = {Keypoints3D: KEYPOINT_WRITERS, Motion: both, Animation: ANIMATION_WRITERS, JointMotion: JOINT_WRITERS}[type(data)]
        raise InputError(f"{path.name}: {type(data).__name__} is written as {valid_names(choices)}")


def plain_animation(motion: Motion, suffix: str) -> Animation:
    """A motion by its own joints, in the axes and the unit that are usual in files with this suffix."""
    return converted(animation_of(motion), "y", _UNITS.get(suffix, 1.0))


__all__ = [
    "ANIMATION_READERS",
    "ANIMATION_WRITERS",
    "JOINT_WRITERS",
    "KEYPOINT2D_WRITERS",
    "KEYPOINT_READERS",
    "KEYPOINT_WRITERS",
    "MOTION_WRITERS",
    "PROJECT_WRITERS",
    "RIG_READERS",
    "RIG_WRITERS",
    "KeypointOptions",
    "humanoid_of",
    "plain_animation",
    "read_amass",
    "read_association",
    "read_body",
    "read_bvh",
    "read_c3d",
    "read_densepose",
    "read_glb",
    "read_intrinsics",
    "read_keypoints",
    "read_keypoints2d",
    "read_keypoints3d",
    "read_motion",
    "read_openpose",
    "read_rig",
    "read_scores",
    "read_sto",
    "read_trc",
    "read_truth",
    "write",
    "write_amass",
    "write_amass_arrays",
    "write_association",
    "write_bag",
    "write_body",
    "write_bvh",
    "write_c3d",
    "write_csv",
    "write_fbx",
    "write_glb",
    "write_glb_onto",
    "write_joint_side_car",
    "write_joints_csv",
    "write_joints_npz",
    "write_json",
    "write_keypoints",
    "write_keypoints2d",
    "write_keypoints3d",
    "write_lenses_toml",
    "write_mcap",
    "write_motion",
    "write_project_side_car",
    "write_rig",
    "write_rig_toml",
    "write_scores",
    "write_side_car",
    "write_trc",
    "write_usd",
    "write_with_side_car",
]
