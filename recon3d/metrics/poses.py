"""Errors of whole poses after what a single camera cannot know was put right."""

import numpy as np
from jaxtyping import Float


def scaled_error(found: Float[np.ndarray, "poses joints 3"], truth: Float[np.ndarray, "poses joints 3"]) -> Float[np.ndarray, "poses"]:
    """Mean distance (mm) of each pose about its root after the best scale: N-MPJPE (Rhodin et al. 2018)."""
    scale = (found * truth).sum((1, 2)) / np.maximum((found * found).sum((1, 2)), 1e-9)
    return 1000 * np.linalg.norm(scale[:, None, None] * found - truth, axis=-1).mean(1)


def aligned_error(found: Float[np.ndarray, "poses joints 3"], truth: Float[np.ndarray, "poses joints 3"]) -> Float[np.ndarray, "poses"]:
    """Mean distance (mm) of each pose after the best similarity (Umeyama 1991): PA-MPJPE."""
    a, b = found - found.mean(1, keepdims=True), truth - truth.mean(1, keepdims=True)
    u, s, vt = np.linalg.svd(np.swapaxes(b, 1, 2) @ a)
    sign = np.ones_like(s)
    sign[:, 2] = np.sign(np.linalg.det(u @ vt))
    turn = (u * sign[:, None]) @ vt
    scale = (s * sign).sum(1) / np.maximum((a * a).sum((1, 2)), 1e-9)
    return 1000 * np.linalg.norm(scale[:, None, None] * (a @ np.swapaxes(turn, 1, 2)) - b, axis=-1).mean(1)
