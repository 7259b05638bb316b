"""A body that is like somebody: from the lengths of a skeleton, and from what else is known."""

import numpy as np
from jaxtyping import Float

from recon3d.body.linear import LinearModel
from recon3d.body.model import ShapedBody
from recon3d.errors import InputError
from recon3d.skeleton import Armature

# Distances between joints at rest that bodies are compared by, and how well they agree between skeletons of different makes, as a share:
# joints of limbs are where limbs bend, those of the trunk are a matter of definition.
_DISTANCES = (
    ("hip", "knee", 0.02), ("knee", "ankle", 0.02), ("shoulder", "elbow", 0.03), ("elbow", "wrist", 0.03),
)  # fmt: skip
_ACROSS = (("left_shoulder", "right_shoulder", 0.06), ("pelvis", "left_shoulder", 0.04))
_HEIGHT_SIGMA = 0.005
_STEPS, _DAMPING = 30, 1e-6
_SLOPE_STEP = 0.02  # both ways: phenotypes act along lines with kinks, and usual people stand on one
_SHORTEST_M, _TALLEST_M = 0.4, 2.6


def like(model: LinearModel, armature: Armature, height_m: float | None = None) -> ShapedBody:
    """The most usual body with these lengths.

    What bones do not tell (weight and muscle, and much of gender) stays what is usual.

    Args:
        model: whose bodies.
        armature: of a person, as `motion.measure` finds it.
        height_m: standing, where it is known.

    Raises:
        InputError: an armature that is not a person's, or a height that nobody has.
    """
    if height_m is not None and not _SHORTEST_M <= height_m <= _TALLEST_M:
        raise InputError(f"a height of {height_m} m is nobody's: it must be in metres, from {_SHORTEST_M} to {_TALLEST_M}")
    wanted = _lengths(armature)
    if not np.isfinite(wanted).any():
        raise InputError(f"the armature {armature.skeleton.name} has no limbs that a human body could be compared with")
    values = _solved(model, wanted, height_m)
    return model.shaped(values)


def _solved(model: LinearModel, wanted: Float[np.ndarray, "lengths"], height_m: float | None) -> Float[np.ndarray, "parameters"]:
    lowest, highest = model.lowest, model.highest
    sigma = np.array([s for *_, s in (*_DISTANCES, *_ACROSS)])
    known = np.isfinite(wanted)

    def residuals(values: np.ndarray) -> np.ndarray:
        own = _lengths(model.bare_armature(values))
        parts = [np.log(own[known] / wanted[known]) / sigma[known], (values - model.usual) / model.spread]
        if height_m is not None:
            parts.append(np.array([np.log(model.height(values) / height_m) / _HEIGHT_SIGMA]))
        return np.concatenate(parts)

    values = model.usual.copy()
    cost = float(np.square(residuals(values)).sum())
    damping = _DAMPING
    for _ in range(_STEPS):
        now = residuals(values)
        slope = np.empty((len(now), len(values)))
        for k in range(len(values)):
            ends = [np.clip(values + sign * _SLOPE_STEP * (np.arange(len(values)) == k), lowest, highest) for sign in (-1, 1)]
            slope[:, k] = (residuals(ends[1]) - residuals(ends[0])) / (ends[1][k] - ends[0][k])
        system = slope.T @ slope
        step = -np.linalg.solve(system + damping * np.diag(np.diag(system)), slope.T @ now)
        tried = np.clip(values + step, lowest, highest)
        then = float(np.square(residuals(tried)).sum())
        if then < cost:
            values, cost, damping = tried, then, max(damping / 10, _DAMPING)
        else:
            damping = max(10 * damping, 1e-3)
    return values


def _lengths(armature: Armature) -> Float[np.ndarray, "lengths"]:
    """Distances at rest, m; of limbs the mean of both sides; NaN where a joint is missing."""
    at = dict(zip(armature.joints, armature.rest_positions(), strict=True))
    nowhere = np.full(3, np.nan)

    def between(a: str, b: str) -> float:
        return float(np.linalg.norm(at.get(a, nowhere) - at.get(b, nowhere)))

    limbs = [0.5 * (between(f"left_{a}", f"left_{b}") + between(f"right_{a}", f"right_{b}")) for a, b, _ in _DISTANCES]
    return np.array([*limbs, *(between(a, b) for a, b, _ in _ACROSS)])
