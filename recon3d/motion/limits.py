"""How far joints turn: ranges of angles, cones of ball joints' bones, and how far ball joints turn about an axis.

Beyond a limit a turn costs as the square of how far, in sigmas of 0.03 rad; within it nothing.
"""

import numpy as np
from jaxtyping import Float

from recon3d.geometry.time_banded import TimeSystem
from recon3d.motion.pose import Freedoms, Pose

_LIMIT_RAD = 0.03  # sigma of a turn beyond its limit


def add_limits(system: TimeSystem, freedoms: Freedoms, pose: Pose) -> Float[np.ndarray, "frames"]:
    """Add what limits say to normal equations; their cost, frame by frame."""
    f, armature = freedoms, freedoms.armature
    low, high = armature.limit[f.angle_joint, f.angle_axis].T
    over = (np.minimum(pose.angle - low, 0) + np.maximum(pose.angle - high, 0)) / _LIMIT_RAD
    cost = 0.5 * (over * over).sum(1)
    system.gradient[:, f.angle_column] += over / _LIMIT_RAD
    system.diagonal()[:, f.angle_column] += (over != 0) / _LIMIT_RAD**2
    for joint, columns, bone in f.cones:
        cost += _add_cone(system, armature.cone_axis[joint], float(armature.cone[joint]), bone, pose.rotation[:, joint], columns)
    if len(f.twist_joint):
        cost += _add_twists(system, f, pose)
    return cost


def _add_cone(
    system: TimeSystem,
    middle: Float[np.ndarray, "3"],
    half_angle: float,
    bone: Float[np.ndarray, "3"],
    rotation: Float[np.ndarray, "frames 3 3"],
    columns: np.ndarray,
) -> Float[np.ndarray, "frames"]:
    """A ball joint's bone R b further from the middle of its range c than it may be: d angle = c' R [b]x d / sin."""
    back = np.swapaxes(rotation, -1, -2) @ middle  # c in the joint's frame
    angle = np.arccos(np.clip(back @ bone, -1.0, 1.0))
    rows = np.flatnonzero(angle > half_angle)
    cost = np.zeros(len(rotation))
    if len(rows):
        over = (angle[rows] - half_angle) / _LIMIT_RAD
        slope = np.cross(back[rows], bone) / np.maximum(np.sin(angle[rows]), 1e-6)[:, None] / _LIMIT_RAD
        cost[rows] = 0.5 * over * over
        _add_squares(system, rows, columns, over, slope)
    return cost


def _add_twists(system: TimeSystem, f: Freedoms, pose: Pose) -> Float[np.ndarray, "frames"]:
    """Ball joints that turn too far about one of their axes e, whatever swing of that axis follows.

    The turn about e is 2 atan2(v e, w) for the quaternion (w, v), here by 4 w^2 = 1 + trace and 4 w v, which a rotation
    matrix holds without a root. A further turn d changes it by (w (w e + e x v) + (v e) v) d / (w^2 + (v e)^2).
    """
    rotation = pose.rotation[:, f.twist_joint]
    every = np.arange(len(f.twist_joint))
    i, j = (f.twist_axis + 1) % 3, (f.twist_axis + 2) % 3
    sine = rotation[:, every, j, i] - rotation[:, every, i, j]
    cosine = 1 + np.einsum("...ii->...", rotation)
    angle = 2 * np.arctan2(sine, cosine)
    low, high = f.armature.limit[f.twist_joint, f.twist_axis].T
    over = (np.minimum(angle - low, 0) + np.maximum(angle - high, 0)) / _LIMIT_RAD
    rows, which = np.nonzero(over)
    if len(rows):
        r, p, w = rotation[rows, which], sine[rows, which], cosine[rows, which]
        v = np.stack([r[:, 2, 1] - r[:, 1, 2], r[:, 0, 2] - r[:, 2, 0], r[:, 1, 0] - r[:, 0, 1]], -1)
        e = np.eye(3)[f.twist_axis[which]]
        slope = (w[:, None] * (w[:, None] * e + np.cross(e, v)) + p[:, None] * v) / np.maximum(w * w + p * p, 1e-12)[:, None]
        _add_squares(system, rows, f.twist_column[which], over[rows, which], slope / _LIMIT_RAD)
    return 0.5 * (over * over).sum(1)


def _add_squares(
    system: TimeSystem, rows: np.ndarray, columns: np.ndarray, over: Float[np.ndarray, "some"], slope: Float[np.ndarray, "some 3"]
) -> None:
    """Half the squares of numbers with these slopes by three unknowns of their frames; a frame may occur several times."""
    columns = np.broadcast_to(columns, slope.shape)
    np.add.at(system.gradient, (rows[:, None], columns), over[:, None] * slope)
    np.add.at(system.block, (rows[:, None, None], columns[:, :, None], columns[:, None, :]), slope[:, :, None] * slope[:, None, :])
