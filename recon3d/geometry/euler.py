"""Angles of rotations about three axes in turn (Euler and Cardan angles)."""

import numpy as np
from jaxtyping import Float

_LOCKED = 1 - 1e-10  # sine of a middle angle at which the other two are about one axis


def euler(rotation: Float[np.ndarray, "*batch 3 3"], order: str) -> Float[np.ndarray, "*batch 3"]:
    """Angles (rad) in the order of their axes: with "ZXY" R = Rz Rx Ry on column vectors.

    Where the middle angle is a right one the first is zero.
    """
    i, j, k = ("XYZ".index(axis) for axis in order)
    sign = 1.0 if (j - i) % 3 == 1 else -1.0
    r = rotation
    sine = sign * r[..., i, k]
    middle = np.arcsin(np.clip(sine, -1.0, 1.0))
    locked = np.abs(sine) > _LOCKED
    first = np.where(locked, 0.0, np.arctan2(-sign * r[..., j, k], r[..., k, k]))
    last = np.where(locked, np.arctan2(sign * r[..., j, i], r[..., j, j]), np.arctan2(-sign * r[..., i, j], r[..., i, i]))
    return np.stack([first, middle, last], -1)


def continuous(angles: Float[np.ndarray, "frames *batch 3"]) -> Float[np.ndarray, "frames *batch 3"]:
    """The same rotations by angles without jumps.

    (a, b, c) and (a + pi, pi - b, c + pi) are one rotation, and so are turns by whole circles: of all these
    each frame takes what lies nearest to the frame before. Without it a knee that bends past 90 degrees flips.
    """
    if len(angles) < 2:
        return angles.copy()
    other = np.stack([angles[..., 0] + np.pi, np.pi - angles[..., 1], angles[..., 2] + np.pi], -1)
    # Which of the two forms lies nearer to the frame before depends on that frame's by turns only.
    changed = _apart(other[1:], angles[:-1]) < _apart(angles[1:], angles[:-1])
    turned = np.logical_xor.accumulate(np.concatenate([np.zeros_like(changed[:1]), changed]), axis=0)
    return np.unwrap(np.where(turned[..., None], other, angles), axis=0)


def _apart(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    off = a - b
    return np.abs(off - 2 * np.pi * np.rint(off / (2 * np.pi))).sum(-1)


def from_euler(angles: Float[np.ndarray, "*batch 3"], order: str) -> Float[np.ndarray, "*batch 3 3"]:
    """Rotations of angles (rad) in the order of their axes."""
    out: np.ndarray = np.broadcast_to(np.eye(3), (*angles.shape[:-1], 3, 3))
    for n, axis in enumerate(order):
        a = "XYZ".index(axis)
        b, c = (a + 1) % 3, (a + 2) % 3
        cos, sin = np.cos(angles[..., n]), np.sin(angles[..., n])
        turn = np.zeros_like(out)
        turn[..., a, a] = 1.0
        turn[..., b, b] = turn[..., c, c] = cos
        turn[..., c, b], turn[..., b, c] = sin, -sin
        out = out @ turn
    return out
