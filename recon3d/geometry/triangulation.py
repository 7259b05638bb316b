"""Triangulation of many points seen by many cameras at once: linear, maximum likelihood, robust.

Robust triangulation models each sighting as a mixture: with probability 1 - e it scatters round the
true point with the detector's sigma, otherwise it lies anywhere in an area of the image (Torr and
Zisserman 2000, MLESAC). Hypotheses come from pairs of views; the best are refined by expectation
maximisation, and compared by their evidence, the point integrated out (Laplace). Where no hypothesis
is clearly the likeliest, or the views that speak for it fix no depth, the point is refused by name
rather than guessed.
"""

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from jaxtyping import Bool, Float, UInt8

from recon3d.arrays import freeze_fields
from recon3d.errors import ShapeError, TooFewViewsError
from recon3d.geometry import consensus
from recon3d.geometry.camera import CameraRig
from recon3d.geometry.links import Links, weigh
from recon3d.geometry.mixture import Mixture
from recon3d.geometry.sightings import Poses, Sightings, invert_symmetric, predict, sight
from recon3d.geometry.threads import single_threaded

_CHUNK = 98304  # sightings a chunk: fewer, and the calls cost more than the arithmetic; more, and it leaves the cache


MAX_DEPTH_ERROR = 0.03
"""A point whose sigma is more than this share of its distance to the nearest camera has parallel rays."""


class Verdict(enum.IntEnum):
    """What became of a point."""

    ANSWERED = 0
    TOO_FEW_VIEWS = 1
    """Fewer than two cameras saw it."""
    PARALLEL_RAYS = 2
    """The rays that agree are parallel, or opposite, within their noise: no depth."""
    UNDECIDED = 3
    """The views contradict each other, and nothing in them tells which are right."""


@dataclass(frozen=True, slots=True, eq=False)
class Triangulation:
    """Points in the world.

    Attributes:
        xyz: m; NaN where refused.
        covariance: m^2; NaN where refused.
        inlier: probability that a view's sighting is of the point, 0 where absent or refused.
        residual_px: distance of each sighting to the projection, px (through the lens's derivative at
            the sighting); NaN where absent or refused.
        confidence: probability that the answer is the right one among the hypotheses; 0 where refused.
        verdict: `Verdict` of each point.
    """

    xyz: Float[np.ndarray, "points 3"]
    covariance: Float[np.ndarray, "points 3 3"]
    inlier: Float[np.ndarray, "views points"]
    residual_px: Float[np.ndarray, "views points"]
    confidence: Float[np.ndarray, "points"]
    verdict: UInt8[np.ndarray, "points"]

    def __post_init__(self) -> None:
        freeze_fields(self)

    @property
    def answered(self) -> Bool[np.ndarray, "points"]:
        """Points that have a position."""
        return self.verdict == Verdict.ANSWERED


_Chosen: TypeAlias = tuple[consensus.Answer, Float[np.ndarray, "points"]]


@dataclass(frozen=True, slots=True)
class RobustSettings:
    """Priors of robust triangulation."""

    outlier_share: float = 0.1
    """Share of sightings that are not of the point."""
    outlier_radius_sigmas: float = 100.0
    """Radius of the image area that outliers spread over, in sigmas."""
    min_confidence: float = 0.98
    """A point below is refused as undecided."""
    min_linked_confidence: float = 0.997
    """The same with links: where the rest of the body decides as well, more certainty can be asked for."""
    max_depth_error: float = MAX_DEPTH_ERROR
    """A point whose sigma along any direction is more than this share of its distance has parallel rays."""


def triangulate_linear(
    poses: Float[np.ndarray, "views 3 4"],
    x: Float[np.ndarray, "views points"],
    y: Float[np.ndarray, "views points"],
    weight: Float[np.ndarray, "views points"],
) -> Float[np.ndarray, "points 3"]:
    """Weighted algebraic triangulation: one matrix product and a closed-form 3x3 solution a point.

    Args:
        poses: ``cam_from_world`` as 3x4 matrices.
        x: normalised image x, NaN where absent.
        y: normalised image y, NaN where absent.
        weight: of each sighting's two equations, squared (1 / (sigma * depth)^2 for a maximum
            likelihood answer to first order).

    Returns:
        World points, m. NaN or infinite where the equations have no single solution; nothing is
        judged here: `triangulate` and `triangulate_robust` do that.
    """
    return consensus.linear(poses, x, y, weight)


def triangulate(
    rig: CameraRig,
    xy: Float[np.ndarray, "views points 2"],
    sigma_px: Float[np.ndarray, "views points"] | float = 1.0,
    max_depth_error: float = MAX_DEPTH_ERROR,
) -> Triangulation:
    """Maximum likelihood over all views, none rejected: linear start, Gauss-Newton on pixels.

    Raises:
        TooFewViewsError: the rig has fewer than two cameras.
        ShapeError: ``xy`` does not have one view a camera.
    """
    _check(rig, xy)

    def solve(s: Sightings) -> _Chosen:
        return consensus.all_views(s), np.ones(s.count)

    return _in_chunks(rig, xy, sigma_px, solve, 1, 0.0, max_depth_error)


def triangulate_robust(
    rig: CameraRig,
    xy: Float[np.ndarray, "views points 2"],
    sigma_px: Float[np.ndarray, "views points"] | float,
    settings: RobustSettings = RobustSettings(),
    links: Links | None = None,
) -> Triangulation:
    """The likeliest point under outliers, with its covariance, or a verdict why there is none.

    Args:
        rig: cameras in the order of ``xy``.
        xy: px, as detected (distorted); NaN where absent.
        sigma_px: standard deviation of a good detection in each coordinate, px.
        settings: the mixture's priors and what is refused.
        links: roughly known distances between points; then ``points`` are bodies of ``links.count``
            points each, one after the other, and rival answers are told apart by them.

    Raises:
        TooFewViewsError: the rig has fewer than two cameras.
        ShapeError: ``xy`` does not have one view a camera.
    """
    _check(rig, xy)
    mixture = Mixture.of(settings.outlier_share, settings.outlier_radius_sigmas)

    if links is not None and xy.shape[1] % links.count:
        raise ShapeError(f"{xy.shape[1]} points are no whole number of bodies of {links.count} points")

    def solve(s: Sightings) -> _Chosen:
        answer = consensus.best_hypothesis(s, mixture)
        return answer, _choose(s, answer, links, mixture)

    unit, certain = (1, settings.min_confidence) if links is None else (links.count, settings.min_linked_confidence)
    return _in_chunks(rig, xy, sigma_px, solve, unit, certain, settings.max_depth_error)


def _choose(s: Sightings, answer: consensus.Answer, links: Links | None, mixture: Mixture) -> Float[np.ndarray, "points"]:
    """Let the links choose among the candidates; the probability of the chosen ones."""
    weight = weigh(answer.modes, answer.evidence, links)
    kind = weight.argmax(0)
    other = np.flatnonzero(kind > 0)
    if len(other):
        consensus.settle(s, answer, other, answer.modes[kind[other], :, other].T, mixture)
    return weight.max(0)


def _in_chunks(
    rig: CameraRig,
    xy: Float[np.ndarray, "views points 2"],
    sigma_px: Float[np.ndarray, "views points"] | float,
    solve: Callable[[Sightings], _Chosen],
    unit: int,
    min_confidence: float,
    max_depth_error: float,
) -> Triangulation:
    """Run a solver over chunks (whole multiples of ``unit`` points) that stay in cache, and judge its answers."""
    views, count = xy.shape[:2]
    sigma = np.broadcast_to(np.asarray(sigma_px, float), (views, count))
    size = max(1, _CHUNK // views // unit) * unit
    poses = Poses.of_rig(rig)
    xyz, cov = np.full((count, 3), np.nan), np.full((count, 3, 3), np.nan)
    inlier, residual_px = np.zeros((views, count)), np.full((views, count), np.nan)
    sure, verdicts = np.zeros(count), np.zeros(count, np.uint8)
    with single_threaded(), np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        for start in range(0, count, size):
            part = slice(start, start + size)
            s = sight(rig, poses, xy[:, part], sigma[:, part])
            answer, confidence = solve(s)
            covariance = invert_symmetric(answer.normal)
            verdict = np.zeros(s.count, np.uint8)
            verdict[~(confidence >= min_confidence)] = Verdict.UNDECIDED
            verdict[_parallel(s, answer.xyz, covariance, max_depth_error)] = Verdict.PARALLEL_RAYS
            verdict[np.count_nonzero(s.a, axis=0) < 2] = Verdict.TOO_FEW_VIEWS
            good = verdict == Verdict.ANSWERED
            residual = np.sqrt(answer.chi2)
            residual *= sigma[:, part]
            keep = (s.a > 0) & (residual < np.inf) & good
            residual_px[:, part] = np.where(keep, residual, np.nan)
            xyz[part][good], cov[part][good] = answer.xyz.T[good], covariance[good]
            inlier[:, part], sure[part], verdicts[part] = answer.inlier * good, confidence * good, verdict
    return Triangulation(xyz, cov, inlier, residual_px, sure, verdicts)


def _parallel(
    s: Sightings, xyz: Float[np.ndarray, "3 points"], covariance: Float[np.ndarray, "points 3 3"], share: float
) -> Bool[np.ndarray, "points"]:
    """Points whose position is unknown along some direction, or that are behind a camera that sees them."""
    _, _, inverse_depth = predict(s.poses, xyz)
    near = np.where((s.a > 0) & (inverse_depth > 0), inverse_depth, 0.0).max(0)
    variance = np.trace(covariance, axis1=1, axis2=2)
    # The trace bounds the largest variance from above, by at most a factor of three; a singular or
    # indefinite matrix has parallel rays, too.
    return ~((variance > 0) & (np.sqrt(variance) * near < share) & (near > 0))


def _check(rig: CameraRig, xy: Float[np.ndarray, "views points 2"]) -> None:
    if len(rig) < 2:
        raise TooFewViewsError(f"triangulation needs two cameras or more; the rig has only {rig.names[0]}")
    if xy.ndim != 3 or xy.shape[0] != len(rig) or xy.shape[2] != 2:
        raise ShapeError(f"xy must have axes (views points 2) with views={len(rig)}, not shape {xy.shape}")
