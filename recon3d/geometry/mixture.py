"""The mixture that robust triangulation judges sightings by, and refinement of points under it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from recon3d.geometry.sightings import (
    PointPlane,
    Sightings,
    ViewPlane,
    algebraic_solver,
    chi_square,
    information,
    solve_symmetric,
)


@dataclass(frozen=True, slots=True)
class Mixture:
    """Inliers scatter normally round the point; outliers lie anywhere in an area of the image.

    Attributes:
        gain: log of (inlier density at zero residual over outlier density), both with their priors.
        odds: (1 - e) / e, for the share e of outliers.
        log_volume: of the ball that points lie in, whose radius looks as large as the outliers' area, in
            cubes of a sighting's sigma at the point.
    """

    gain: float
    odds: float
    log_volume: float

    @staticmethod
    def of(outlier_share: float, radius_sigmas: float) -> "Mixture":
        """From the share of outliers and the radius, in sigmas, of the area that they spread over."""
        # Inlier: N(0, sigma^2) in two dimensions, peak 1 / (2 pi sigma^2). Outlier: 1 / (pi radius^2).
        odds = (1 - outlier_share) / outlier_share
        log_volume = np.log(4 * np.pi / 3 * radius_sigmas**3)
        return Mixture(float(np.log(odds * radius_sigmas**2 / 2)), odds, float(log_volume))

    def inlier(self, chi2: ViewPlane, present: ViewPlane, temper: PointPlane | float = 1.0) -> ViewPlane:
        """Posterior probability of being an inlier; ``temper`` < 1 widens the inliers' scatter."""
        p = chi2 * (0.5 * temper)
        p -= self.gain
        np.fmin(p, 80.0, out=p)
        np.exp(p, out=p)
        p += 1
        np.divide(present, p, out=p)
        return p

    def evidence(self, normal: Float[np.ndarray, "rows points"], chi2: ViewPlane, present: ViewPlane, inlier: ViewPlane) -> PointPlane:
        """Log evidence of a point against "all sightings are outliers", the point integrated out (Laplace).

        It does not depend on the scale of the world or the noise: positions are measured in sigmas of a
        sighting at the point, sqrt(2 n / trace) for n inliers.
        """
        _, det = solve_symmetric(normal)
        # log(1 + exp(x)) by max(x, 0): they differ by log 2 at most, where inlier and outlier are even.
        support = chi2 * -0.5
        support += self.gain
        np.maximum(support, 0.0, out=support)
        support *= present
        supporters = inlier.sum(0)
        unit = (normal[0] + normal[3] + normal[5]) / np.maximum(2 * supporters, 1e-9)  # 1 / sigma^2, m^-2
        relative = np.maximum(det, 1e-300) / np.maximum(unit, 1e-100) ** 3
        spread = 0.5 * (3 * np.log(2 * np.pi) - np.log(np.maximum(relative, 1e-300))) - self.log_volume
        # A point that fewer than two sightings support is no answer at all.
        return np.where((det > 0) & (supporters > 1.5), support.sum(0) + np.minimum(spread, 0.0), -np.inf)


def anneal(
    s: Sightings,
    xyz: Float[np.ndarray, "3 points"],
    present: ViewPlane,
    mixture: Mixture,
    tempers: Sequence[PointPlane | float],
) -> tuple[Float[np.ndarray, "3 points"], ViewPlane]:
    """Expectation maximisation from a start: the scatter allowed to inliers narrows step by step."""
    solve = algebraic_solver(s)
    chi2, inverse_depth = chi_square(s, xyz)
    for temper in tempers:
        weight = mixture.inlier(chi2, present, temper)
        inverse_depth *= inverse_depth
        weight *= inverse_depth
        xyz, _ = solve(weight)
        chi2, inverse_depth = chi_square(s, xyz)
    return xyz, mixture.inlier(chi2, present)


def polish(
    s: Sightings, xyz: Float[np.ndarray, "3 points"], inlier: ViewPlane, steps: int
) -> tuple[Float[np.ndarray, "3 points"], Float[np.ndarray, "rows points"], ViewPlane]:
    """Gauss-Newton on pixels with fixed weights: point, the last step's normal equations, chi-squares after it.

    The start is within a fraction of a sigma of the answer, where a step is exact to second order.
    """
    normal = np.zeros((9, s.count))
    for _ in range(steps):
        normal = information(s, xyz, inlier)
        step, _ = solve_symmetric(normal)
        step[~np.isfinite(step)] = 0.0  # a singular point has no step; its covariance refuses it later
        xyz = xyz + step
    chi2, _ = chi_square(s, xyz)
    return xyz, normal, chi2
