"""Yaw, pitch and roll of a head, and where it looks.

R = Rz(yaw) Rx(-pitch) Ry(roll) in the world (z up) on the head's axes (x to its left, y backward, z up): first turned to the subject's
left (yaw), then up (pitch), then tilted towards the left shoulder (roll). All are zero where the face looks along -y: into the lens,
for a camera that looks along +y. Yaw and roll are free of jumps; at a pitch of 90 degrees they are one.
"""

import numpy as np
from jaxtyping import Float

from recon3d.geometry.euler import continuous, euler
from recon3d.geometry.lie import SO3

NAMES = ("yaw", "pitch", "roll")
_SIGN = np.array([1.0, -1.0, 1.0])


def angles_of(world_from_head: SO3) -> Float[np.ndarray, "frames 3"]:
    """Yaw, pitch, roll, rad; NaN where there is no pose."""
    matrix = world_from_head.matrix
    out = np.full((len(matrix), 3), np.nan)
    there = np.isfinite(matrix[:, 0, 0])
    out[there] = continuous(euler(matrix[there], "ZXY")) * _SIGN
    return out


def rotation_of(angles: Float[np.ndarray, "frames 3"]) -> SO3:
    """Of yaw, pitch, roll, rad."""
    axes = np.eye(3)
    yaw, pitch, roll = (SO3.exp(angles[:, k : k + 1] * _SIGN[k] * axis) for k, axis in enumerate((axes[2], axes[0], axes[1])))
    return yaw @ pitch @ roll


def forward_of(world_from_head: SO3) -> Float[np.ndarray, "frames 3"]:
    """Unit vectors in the world along which the face looks."""
    return -world_from_head.matrix[..., 1]


def sigmas_of(angles: Float[np.ndarray, "frames 3"], covariance: Float[np.ndarray, "frames 6 6"]) -> Float[np.ndarray, "frames 3"]:
    """Standard deviations of yaw, pitch and roll, rad, from the pose's covariance; infinite where the pitch is a right angle.

    Args:
        angles: yaw, pitch, roll, rad.
        covariance: of the twist in the head's axes.
    """
    pitch, roll = -angles[:, 1], angles[:, 2]
    # A turn w in the head's axes is Ry' Rx' e_z dyaw + Ry' e_x dpitch + e_y droll.
    c, s, cp, sp = np.cos(roll), np.sin(roll), np.cos(pitch), np.sin(pitch)
    nothing, one = np.zeros_like(c), np.ones_like(c)
    columns = np.stack(
        [np.stack([-cp * s, sp, cp * c], -1), np.stack([c, nothing, s], -1), np.stack([nothing, one, nothing], -1)], -1
    )  # of yaw, pitch, roll
    locked = np.abs(cp) < 1e-6
    safe = np.where(locked[:, None, None] | ~np.logical_and.reduce(np.isfinite(columns), axis=(1, 2))[:, None, None], np.eye(3), columns)
    back = np.linalg.inv(safe)
    variance = np.einsum("fij,fjk,fik->fi", back, covariance[:, 3:, 3:], back)
    return np.where(locked[:, None], np.inf, np.sqrt(variance))
