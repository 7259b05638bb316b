"""The same motion on an armature that rests with its arms down: what programs expect that bind meshes in an A-pose."""

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from recon3d.errors import InputError
from recon3d.geometry.lie import SO3
from recon3d.records.motion import Motion

REST_POSES = ("T", "A")
_DOWN = np.deg2rad(45.0)


def in_rest_pose(motion: Motion, rest: str) -> Motion:
    """Positions stay as they are; offsets at rest and rotations become those of the other rest pose.

    Joints beyond the shoulders rest turned down by 45 degrees about the y axis, with frames parallel to the world's as
    those of all joints at rest are: with A the turn from T to A, an offset o of a child becomes A o, and a rotation R
    between parent and child A_parent R A_child'. Free axes, limits and ranges stay those of the T-pose.

    Raises:
        InputError: a rest pose that there is none of, or an armature without shoulders.
    """
    if rest not in REST_POSES:
        raise InputError(f"no rest pose {rest!r}; there are {', '.join(REST_POSES)}")
    if rest == "T":
        return motion
    armature = motion.armature
    lacking = [name for name in ("left_shoulder", "right_shoulder") if name not in armature.joints]
    if lacking:
        raise InputError(f"armature {armature.skeleton.name} has no {' and no '.join(lacking)} to rest in an A-pose")
    turn = _turns(motion)
    parents = armature.skeleton.parents
    above = np.where((parents >= 0)[:, None, None], turn[np.maximum(parents, 0)], np.eye(3))
    offset = (above @ armature.rest_offset[..., None])[..., 0]
    points = (turn[armature.attachments.joint] @ armature.attachments.offset[..., None])[..., 0]
    known = motion.present()
    rotation = np.full_like(motion.rotation, np.nan)
    matrix = SO3.from_wxyz(motion.rotation[known]).matrix
    rotation[known] = SO3(above @ matrix @ np.swapaxes(turn, -1, -2)).wxyz()
    return replace(motion, armature=armature.with_sizes(offset, points), rotation=rotation)


def _turns(motion: Motion) -> Float[np.ndarray, "joints 3 3"]:
    """From T to A, of every joint."""
    armature = motion.armature
    vector = np.zeros((len(armature.joints), 3))
    beyond = armature.skeleton.descends()
    for side, sign in (("left", 1.0), ("right", -1.0)):
        vector[beyond[:, armature.index(f"{side}_shoulder")], 1] = sign * _DOWN
    return SO3.exp(vector).matrix
