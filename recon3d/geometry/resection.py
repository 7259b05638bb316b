"""Pose of one camera from points of known position: PnP with consensus, on unit rays.

Hypotheses by SQPnP (Terzakis and Lourakis 2020, OpenCV's) on small samples, judged and refined under a
mixture of inliers and outliers.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from recon3d.errors import TooFewViewsError
from recon3d.geometry.lie import SE3, SO3
from recon3d.opencv import import_cv2

_solve: Any = np.linalg.solve  # their stubs do not know batches
_pseudo_inverse: Any = np.linalg.pinv
_FEWEST = 4  # points with one pose


@dataclass(frozen=True, slots=True)
class ResectionSettings:
    """How poses are searched."""

    samples: int = 60
    """Hypotheses tried."""
    sample_size: int = 6
    """Points a hypothesis is made from."""
    judged: int = 500
    """Points that hypotheses are judged on."""
    refined: int = 4
    """Best hypotheses that are refined."""
    outlier_share: float = 0.2
    """Share of points expected to be wrong."""
    widest: float = 8.0
    """Refinement starts with this many times the points' scatter."""


@dataclass(frozen=True, slots=True, eq=False)
class Resection:
    """Where a camera stands.

    Attributes:
        cam_from_world: pose.
        inlier: probability of each point to fit.
        score: log likelihood over "all points are wrong".
        covariance: of the pose's twist (left: m, rad), from the points' noise.
    """

    cam_from_world: SE3
    inlier: Float[np.ndarray, "points"]
    score: float
    covariance: Float[np.ndarray, "6 6"]


def resect(
    points: Float[np.ndarray, "points 3"],
    rays: Float[np.ndarray, "points 3"],
    sigma: Float[np.ndarray, "points"],
    settings: ResectionSettings = ResectionSettings(),
    seed: int = 0,
) -> Resection | None:
    """The most likely pose, or None where no hypothesis has the support of six points (of all, where there are fewer).

    Args:
        points: in the world, m.
        rays: unit vectors in the camera's axes.
        sigma: of each ray across itself, rad; the points' own uncertainty included by the caller.
        settings: of the search.
        seed: of the samples.

    Raises:
        TooFewViewsError: fewer than four points, which have more than one pose.
    """
    if len(points) < _FEWEST:
        raise TooFewViewsError(f"the pose of a camera needs four points or more, not {len(points)}")
    rng = np.random.default_rng(seed)
    judged = np.sort(rng.choice(len(points), min(settings.judged, len(points)), replace=False))
    poses = _hypotheses(points, rays, settings, rng)
    if poses is None:
        return None
    few = (points[judged], rays[judged], sigma[judged])
    score = _support(_chi2(poses, *few), settings.outlier_share, settings.widest).sum(-1)
    keep = np.argsort(-score, kind="stable")[: settings.refined]
    poses = SE3(SO3(poses.rotation.matrix[keep]), poses.translation[keep])
    widths = np.geomspace(settings.widest, 1.0, 8)
    poses, _ = _refine(poses, few, widths, settings)
    best = int(np.argmax(_support(_chi2(poses, *few), settings.outlier_share, 1.0).sum(-1)))
    pose = SE3(SO3(poses.rotation.matrix[best][None]), poses.translation[best][None])
    whole = (points, rays, sigma)
    pose, normal = _refine(pose, whole, np.ones(4), settings)
    gain = _support(_chi2(pose, *whole), settings.outlier_share, 1.0)[0]
    if (gain > np.log(2)).sum() < min(6, len(points)):
        return None
    found = SE3(SO3(pose.rotation.matrix[0].copy()), pose.translation[0].copy())
    covariance: Float[np.ndarray, "6 6"] = _pseudo_inverse(normal[0], hermitian=True)
    return Resection(found, 1 - np.exp(-gain), float(gain.sum()), covariance)


def _hypotheses(
    points: Float[np.ndarray, "points 3"], rays: Float[np.ndarray, "points 3"], settings: ResectionSettings, rng: np.random.Generator
) -> SE3 | None:
    cv2 = import_cv2()
    usable = np.flatnonzero(rays[:, 2] > 0.05)
    if len(usable) < _FEWEST:
        return None
    plane = rays[:, :2] / np.where(rays[:, 2:] > 0.05, rays[:, 2:], 1.0)
    # Of few points some are left out in turn, since one may be wrong.
    size = max(_FEWEST, min(settings.sample_size, len(usable) - 2))
    rotations: list[np.ndarray] = []
    translations: list[np.ndarray] = []
    for _ in range(settings.samples):
        chosen = usable[rng.choice(len(usable), size, replace=False)]
        try:
            found, r, t = cv2.solvePnP(points[chosen], plane[chosen], np.eye(3), None, flags=cv2.SOLVEPNP_SQPNP)
        except cv2.error:  # a sample without a solution
            continue
        if found and np.isfinite(r).all() and np.isfinite(t).all():
            rotations.append(np.ravel(r))
            translations.append(np.ravel(t))
    if not rotations:
        return None
    return SE3(SO3.exp(np.array(rotations)), np.array(translations))


def _local(poses: SE3, points: Float[np.ndarray, "points 3"]) -> Float[np.ndarray, "h points 3"]:
    return points @ np.swapaxes(poses.rotation.matrix, 1, 2) + poses.translation[:, None]


def _chi2(
    poses: SE3, points: Float[np.ndarray, "points 3"], rays: Float[np.ndarray, "points 3"], sigma: Float[np.ndarray, "points"]
) -> Float[np.ndarray, "h points"]:
    """Squared angle between seen and predicted rays over its variance; past 90 degrees it goes on growing."""
    local = _local(poses, points)
    direction = local / np.maximum(np.linalg.norm(local, axis=-1, keepdims=True), 1e-12)
    return ((direction - rays) ** 2).sum(-1) / sigma**2


def _support(chi2: Float[np.ndarray, "h points"], outlier_share: float, widen: float) -> Float[np.ndarray, "h points"]:
    """log(1 + odds) of each point: inlier N(0, 1) in two dimensions, outlier spread over a disc of 100 sigmas."""
    peak = np.log((1 - outlier_share) / outlier_share * 100.0**2 / 2)
    return np.logaddexp(0.0, peak - 0.5 * chi2 / widen**2)


def _refine(
    poses: SE3,
    data: tuple[Float[np.ndarray, "points 3"], Float[np.ndarray, "points 3"], Float[np.ndarray, "points"]],
    widths: Float[np.ndarray, "steps"],
    settings: ResectionSettings,
) -> tuple[SE3, Float[np.ndarray, "h 6 6"]]:
    """Gauss-Newton on angles under the mixture; also the last normal equations."""
    points, rays, sigma = data
    normal = np.zeros((len(poses.translation), 6, 6))
    for width in widths.tolist():
        local = _local(poses, points)
        length = np.maximum(np.linalg.norm(local, axis=-1, keepdims=True), 1e-12)
        direction = local / length
        weight = -np.expm1(-_support(_chi2(poses, points, rays, sigma), settings.outlier_share, width)) / sigma**2
        error = direction - rays
        # d direction / d local = (1 - d d') / length; error' J with rows 3: columns by translation, then rotation.
        across = (np.eye(3) - direction[..., :, None] * direction[..., None, :]) / length[..., None]
        turned = np.cross(local[..., None, :], across)  # row by row: local x (row of across)
        j = np.concatenate([across, turned], -1)
        weighted = j * weight[..., None, None]
        normal = np.einsum("hpri,hprk->hik", weighted, j, optimize=True)
        right = np.einsum("hpri,hpr->hi", weighted, error, optimize=True)
        diagonal = np.einsum("hii->hi", normal)
        lifted = normal + (1e-6 * diagonal + 1e-12 * diagonal.max(-1, keepdims=True) + 1e-300)[..., None] * np.eye(6)
        step: Float[np.ndarray, "h 6"] = -_solve(lifted, right[..., None])[..., 0]
        turn = np.linalg.norm(step[:, 3:], axis=-1, keepdims=True)
        poses = SE3.exp(step * np.minimum(1.0, 0.3 / np.maximum(turn, 1e-12))) @ poses
    return poses, normal
