"""The one change of axes from our world (z up) to that of animation formats (y up, facing +z)."""

import numpy as np
from jaxtyping import Float

from recon3d.geometry import SO3
from recon3d.records import Motion

FROM_Z_UP = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])
"""x stays, our z becomes y (up), and who faces our -y faces +z."""


def y_up(motion: Motion) -> tuple[Float[np.ndarray, "frames 3"], Float[np.ndarray, "frames joints 3 3"], Float[np.ndarray, "joints 3"]]:
    """Root positions (m), joint rotations and rest offsets (m) in y-up axes; frames without a pose repeat the last one.

    A format without gaps must hold something there; a side-car file says which frames those are.
    """
    place, quaternion = _held(motion.translation), _held(motion.rotation)
    rotation = FROM_Z_UP @ SO3.from_wxyz(quaternion).matrix @ FROM_Z_UP.T
    return place @ FROM_Z_UP.T, rotation, motion.armature.rest_offset @ FROM_Z_UP.T


def _held(values: np.ndarray) -> np.ndarray:
    known = np.isfinite(values).all(tuple(range(1, values.ndim)))
    if known.all() or not known.any():
        return np.nan_to_num(values, nan=0.0) if not known.any() else values
    last = np.maximum.accumulate(np.where(known, np.arange(len(values)), -1))
    return values[np.where(last >= 0, last, int(np.argmax(known)))]


def tip_offset(motion: Motion, joint: int) -> Float[np.ndarray, "3"]:
    """Where a last bone ends, in its joint's frame (m, z up): its farthest keypoint, or on from its own bone."""
    at = motion.armature.attachments
    mine = at.offset[at.joint == joint]
    if len(mine) and np.linalg.norm(mine, axis=1).max() > 0.02:
        return mine[np.linalg.norm(mine, axis=1).argmax()] * np.array([0.0, 1.0, 1.0])
    own = motion.armature.rest_offset[joint]
    size = float(np.linalg.norm(own))
    return own * (0.35 if size > 0.15 else 0.6) if size > 0 else np.array([0.0, 0.0, 0.1])
