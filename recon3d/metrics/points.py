"""Errors of points, and whether their covariances are honest."""

import numpy as np
from jaxtyping import Float

CHI2_95_3 = 7.814727903251179
"""95 % quantile of chi-square with three degrees of freedom."""


def mpjpe_mm(found: Float[np.ndarray, "*batch 3"], truth: Float[np.ndarray, "*batch 3"]) -> float:
    """Mean distance over the points that were found, mm; NaN rows were not."""
    off = 1000 * np.linalg.norm(found - truth, axis=-1)
    return float(np.mean(off[np.isfinite(off)]))


def nees(
    found: Float[np.ndarray, "points 3"], truth: Float[np.ndarray, "points 3"], covariance: Float[np.ndarray, "points 3 3"]
) -> Float[np.ndarray, "found"]:
    """Normalised estimation error squared of the points that were found: 3 on average if covariances are right.

    Bar-Shalom, Li, Kirubarajan, "Estimation with applications to tracking and navigation", 2001, eq. 5.4.2-3.
    """
    good = np.isfinite(found).all(-1)
    error = (found - truth)[good]
    return np.einsum("ni,ni->n", error, np.linalg.solve(covariance[good], error[..., None])[..., 0])


def coverage(
    found: Float[np.ndarray, "points 3"], truth: Float[np.ndarray, "points 3"], covariance: Float[np.ndarray, "points 3 3"]
) -> float:
    """Share of found points whose truth lies inside their 95 % ellipsoid."""
    return float((nees(found, truth, covariance) <= CHI2_95_3).mean())
