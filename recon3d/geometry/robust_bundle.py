"""Bundle adjustment of sightings of which some are wrong: mixture weights, annealed, and honest covariance.

A sighting scatters round its point with its sigma (times one factor that is estimated) or lies anywhere
in an area of the image. Expectation maximisation alternates the probability of the first with steps of
the adjustment; the scatter allowed to inliers narrows from what the start leaves to what the data say.
Points are triangulated anew at every width, so that none stays where a bad start put it.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from recon3d.errors import CameraError
from recon3d.geometry.bundle import Motions, PointBundle, PointsAt
from recon3d.geometry.camera import CameraRig
from recon3d.geometry.camera_unknowns import CameraUnknowns, Free
from recon3d.geometry.mixture import Mixture
from recon3d.geometry.schur import Eliminated, SchurSettings, solve_schur
from recon3d.geometry.threads import single_threaded
from recon3d.geometry.triangulation import RobustSettings, triangulate_robust

_RADIUS = 100.0  # sigmas that outliers spread over
_FEWEST = 12  # points


@dataclass(frozen=True, slots=True)
class AdjustSettings:
    """How the adjustment narrows."""

    widths: tuple[float, ...] = (8.0, 4.0, 2.0)
    """Scatter allowed to inliers, in sigmas, before the final one."""
    final_steps: int = 12
    """Rounds of weights and steps at the end."""
    outlier_share: float = 0.12
    """Share of sightings expected to be of something else."""
    known_noise: bool = False
    """The given sigmas are taken as they are; else one factor for all is estimated."""


@dataclass(frozen=True, slots=True, eq=False)
class Adjusted:
    """What the adjustment found.

    Attributes:
        rig: cameras, with the covariance of their poses; that of all free parameters is in `covariance`.
        points: m; NaN where a point was not used.
        inlier: probability of each sighting to be of its point; 0 where absent.
        chi2: squared residual over the variance by the sigmas given; NaN where absent.
        noise: factor between those sigmas and the data's (the median over kinds of points).
        covariance: of the free parameters, in the order of ``cameras``; no step along the gauge.
        gauge: the directions that were held, orthonormal.
        score: log likelihood of the sightings over "all are wrong".
    """

    rig: CameraRig
    free: tuple[Free, ...]
    points: Float[np.ndarray, "points 3"]
    inlier: Float[np.ndarray, "views points"]
    chi2: Float[np.ndarray, "views points"]
    noise: float
    covariance: Float[np.ndarray, "parameters parameters"]
    gauge: Float[np.ndarray, "parameters freedoms"]
    score: float


def adjust(
    rig: CameraRig,
    free: Free | tuple[Free, ...],
    xy: Float[np.ndarray, "views points 2"],
    sigma_px: Float[np.ndarray, "views points"],
    settings: AdjustSettings = AdjustSettings(),
    motions: Motions | None = None,
    kind: Int[np.ndarray, "points"] | None = None,
    uncertain: tuple[Free, ...] | None = None,
) -> Adjusted:
    """Refine cameras on sightings of points.

    Args:
        rig: a start.
        free: which parameters are solved for.
        xy: px; NaN where absent.
        sigma_px: of each coordinate, px.
        settings: how the adjustment narrows.
        motions: where clocks are free, see `PointBundle`.
        kind: of each point (its joint, say): kinds whose detections agree less count less.
        uncertain: parameters that the covariance counts as unknown, where more of them are than are solved for here.

    Raises:
        CameraError: hardly a point fits the cameras, so that there is nothing to refine on.
    """
    of_one_kind: Any = np.zeros(xy.shape[1], dtype=np.int64)
    with single_threaded():
        return _adjust(rig, free, xy, sigma_px, settings, motions, of_one_kind if kind is None else kind, uncertain)


def _adjust(
    rig: CameraRig,
    free: Free | tuple[Free, ...],
    xy: Float[np.ndarray, "views points 2"],
    sigma_px: Float[np.ndarray, "views points"],
    settings: AdjustSettings,
    motions: Motions | None,
    kind: Int[np.ndarray, "points"],
    uncertain: tuple[Free, ...] | None,
) -> Adjusted:
    mixture = Mixture.of(settings.outlier_share, _RADIUS)
    bundle = PointBundle(rig, free, xy, sigma_px, motions)
    cameras, noise = bundle.cameras, np.ones(xy.shape[1])
    for width in settings.widths:
        at, used = _restart(cameras, rig, xy, sigma_px * width, settings)
        for _ in range(3):
            weight = used * mixture.inlier(bundle.chi_square(at), bundle.present, 1 / width**2)
            at, _ = solve_schur(bundle.reweighted(weight), at, SchurSettings(max_steps=2))
        cameras = at.cameras
    at, used = _restart(cameras, rig, xy, sigma_px * noise, settings)
    weight, parameters = np.zeros_like(sigma_px), at.cameras.count - bundle.gauge(at).shape[1]
    for _ in range(settings.final_steps):
        chi2 = bundle.chi_square(at)
        inlier = used * mixture.inlier(chi2 / noise**2, bundle.present)
        if not settings.known_noise:
            noise = _noise(chi2, inlier, parameters, kind)
        change, weight = float(np.abs(inlier - weight).max(initial=0.0)), inlier
        at, report = solve_schur(bundle.reweighted(weight / noise**2), at, SchurSettings(max_steps=2, first_damping=1e-8))
        if change < 1e-3 and report.steps <= 1:
            break
    chi2 = bundle.chi_square(at)
    # More noise makes residuals small and their density low: without the second, the worse of two rigs could win.
    gain = bundle.present * np.logaddexp(0.0, mixture.gain - 2 * np.log(noise) - 0.5 * chi2 / noise**2)
    found = at.cameras.on(rig)
    if uncertain is not None:
        bundle = PointBundle(found, uncertain, xy, sigma_px, motions)
        at = PointsAt(bundle.cameras, at.points)
    final = bundle.reweighted(weight / noise**2)
    gauge = final.gauge(at)
    covariance = Eliminated(final.linearise(at), gauge).covariance()
    if all(f.pose for f in at.cameras.free):
        poses = [k for part in at.cameras.slices for k in range(part.start, part.start + 6)]
        found = replace(found, covariance=covariance[poses][:, poses].copy())
    seen = bundle.present > 0
    return Adjusted(
        rig=found,
        free=at.cameras.free,
        points=np.where(used[0] > 0, at.points, np.nan).T,
        inlier=weight,
        chi2=np.where(seen & (used > 0), chi2, np.nan),
        noise=float(np.median(noise)),
        covariance=covariance,
        gauge=gauge,
        score=float((gain * used).sum()),
    )


def _restart(
    cameras: CameraUnknowns,
    rig: CameraRig,
    xy: Float[np.ndarray, "views points 2"],
    sigma_px: Float[np.ndarray, "views points"],
    settings: AdjustSettings,
) -> tuple[PointsAt, Float[np.ndarray, "1 points"]]:
    """Points as the cameras now see them, and which of them have an answer."""
    robust = RobustSettings(outlier_share=settings.outlier_share, min_confidence=0.9, max_depth_error=0.3)
    found = triangulate_robust(cameras.on(rig), xy, sigma_px, robust)
    used = found.answered
    if used.sum() < _FEWEST:
        raise CameraError(f"only {int(used.sum())} of {len(used)} points fit the cameras: there is nothing to refine them on")
    points = np.where(used[:, None], found.xyz, found.xyz[used].mean(0))
    return PointsAt(cameras, np.ascontiguousarray(points.T)), used[None].astype(float)


def _noise(
    chi2: Float[np.ndarray, "views points"], inlier: Float[np.ndarray, "views points"], parameters: int, kind: Int[np.ndarray, "points"]
) -> Float[np.ndarray, "points"]:
    """Root of the residuals' variance over that of the sigmas: by the inliers left over what was fitted.

    Of each kind of points; a kind of few points is drawn towards all.
    """
    count = int(kind.max(initial=0)) + 1
    square = np.bincount(kind, np.where(inlier > 1e-6, inlier * chi2, 0.0).sum(0), count)
    numbers = np.bincount(kind, 2 * inlier.sum(0) - 3 * np.minimum(inlier.sum(0) / 1.5, 1.0), count)
    numbers -= parameters * numbers / max(float(numbers.sum()), 1e-9)
    if numbers.sum() < 10:
        return np.ones(len(kind))
    numbers = np.maximum(numbers, 0.0)
    own = np.log(np.maximum(square, 1e-6) / np.maximum(numbers, 1e-6))
    # Of logarithms: a mean of variances would be that of the noisiest kind, and draw all others to it.
    usual = float(numbers @ own / numbers.sum())
    each = np.exp((numbers * own + _FEWEST * usual) / (numbers + _FEWEST))
    return np.sqrt(np.maximum(each, 1e-6))[kind]
