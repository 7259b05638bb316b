"""Relative pose of two cameras from what both saw: essential matrices on unit rays, robustly.

Rays, not image points, so that wide lenses and fisheyes are like any other. Hypotheses come from five
points each and are solved and judged all at once; the best are refined on the Sampson distance under a
mixture of inliers and outliers, with the clock's offset as a sixth unknown where the points' motion is known.
"""

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Bool, Float

from recon3d.geometry.five_point import five_point
from recon3d.geometry.lie import SE3, SO3, skew

_solve: Any = np.linalg.solve  # its stubs do not know batches
_PREVIEW = 4  # of the judged points, one in so many rules most hypotheses out
Rays = Float[np.ndarray, "points 3"]


@dataclass(frozen=True, slots=True)
class EpipolarSettings:
    """How relative poses are searched."""

    samples: int = 150
    """Sets of five points tried."""
    judged: int = 500
    """Points that hypotheses are judged on."""
    polished: int = 2000
    """Points that the best are refined on at the end."""
    refined: int = 6
    """Best hypotheses that are refined."""
    outlier_share: float = 0.25
    """Share of pairs of points expected to be wrong."""
    steps: int = 12
    """Of refinement."""


@dataclass(frozen=True, slots=True, eq=False)
class RelativePose:
    """Where the second camera stands as the first sees it.

    Attributes:
        b_from_a: pose with a translation of length 1.
        inlier: probability of each pair of points to be of one thing.
        score: log likelihood over "all pairs are wrong".
        angle: median angle between the rays of sound pairs, rad: what depth can be had from.
        late: what to add to the second camera's clock, s; 0 where not asked for.
    """

    b_from_a: SE3
    inlier: Float[np.ndarray, "points"]
    score: float
    angle: float
    late: float = 0.0


def relative_pose(
    a: Rays,
    b: Rays,
    sigma_a: Float[np.ndarray, "points"],
    sigma_b: Float[np.ndarray, "points"],
    settings: EpipolarSettings = EpipolarSettings(),
    seed: int = 0,
    motion_b: Rays | None = None,
) -> RelativePose | None:
    """The most likely pose of camera b seen from camera a, or None where no hypothesis has support.

    Args:
        a: unit rays in camera a's axes; all finite.
        b: of the same things in camera b's.
        sigma_a: standard deviation of each ray across itself, rad.
        sigma_b: of b's rays.
        settings: of the search.
        seed: of the samples; the same seed gives the same bits.
        motion_b: how b's rays move with time, 1/s; then the clock's offset is solved for as well.
    """
    if len(a) < 16:
        return None
    rng = np.random.default_rng(seed)
    judged = np.sort(rng.choice(len(a), min(settings.judged, len(a)), replace=False))
    sample = rng.integers(0, len(a), (settings.samples, 5))
    essential = five_point(a[sample], b[sample])
    few = (a[judged], b[judged], sigma_a[judged], sigma_b[judged])
    fewer = (part[::_PREVIEW] for part in few)
    preview = _support(_sampson(essential, *fewer), settings.outlier_share, 2.0).sum(-1)
    essential = essential[np.argsort(-preview, kind="stable")[: 8 * settings.refined]]
    if not len(essential):
        return None
    score = _support(_sampson(essential, *few), settings.outlier_share, 2.0).sum(-1)
    best = np.argsort(-score, kind="stable")[: settings.refined]
    rotation, direction = _decompose(essential[best], few[0], few[1], _support(_sampson(essential[best], *few), settings.outlier_share) > 1)
    late = np.zeros(len(best))
    # First on few points, the winners on all.
    few_motion = None if motion_b is None else motion_b[judged]
    rotation, direction, late = _refine(rotation, direction, late, few, few_motion, settings, wide=True)
    score = _support(_sampson(_essential(rotation, direction), *_at_time(few, few_motion, late)), settings.outlier_share).sum(-1)
    keep = np.argsort(-score, kind="stable")[:2]
    whole = (a, b, sigma_a, sigma_b)
    part = np.sort(rng.choice(len(a), min(settings.polished, len(a)), replace=False))
    many, many_motion = (a[part], b[part], sigma_a[part], sigma_b[part]), None if motion_b is None else motion_b[part]
    rotation, direction, late = _refine(rotation[keep], direction[keep], late[keep], many, many_motion, settings, wide=False)
    support = _support(_sampson(_essential(rotation, direction), *_at_time(whole, motion_b, late)), settings.outlier_share)
    first = int(np.argmax(support.sum(-1)))
    gain = support[first]
    sound = gain > np.log(2)
    if sound.sum() < 12:
        return None
    shifted = _at_time(whole, motion_b, late[first : first + 1])[1][0] if motion_b is not None else b
    r, t = _in_front(rotation[first], direction[first], a[sound], shifted[sound])
    seen = np.arccos(np.clip(((a[sound] @ r.T) * shifted[sound]).sum(-1), -1, 1))
    return RelativePose(SE3(SO3(r), t), 1 - np.exp(-gain), float(gain.sum()), float(np.median(seen)), float(late[first]))


def _sampson(
    essential: Float[np.ndarray, "hypotheses 3 3"],
    a: Float[np.ndarray, "*h points 3"],
    b: Float[np.ndarray, "*h points 3"],
    sigma_a: Float[np.ndarray, "points"],
    sigma_b: Float[np.ndarray, "points"],
) -> Float[np.ndarray, "hypotheses points"]:
    """Squared epipolar error over its variance, to first order (Sampson 1982), on unit rays."""
    line_b, line_a = a @ np.swapaxes(essential, 1, 2), b @ essential
    e = (line_b * b).sum(-1)
    e2 = e * e
    # Noise acts across a ray only: the part of the gradient along it does not count.
    across_a, across_b = (line_a * line_a).sum(-1) - e2, (line_b * line_b).sum(-1) - e2
    return e2 / np.maximum(sigma_a**2 * across_a + sigma_b**2 * across_b, 1e-30)


def _support(chi2: Float[np.ndarray, "*batch points"], outlier_share: float, widen: float = 1.0) -> Float[np.ndarray, "*batch points"]:
    """log(1 + odds) of each pair: inlier N(0, 1), outlier spread evenly over 60 sigmas."""
    peak = np.log((1 - outlier_share) / outlier_share * 60 / np.sqrt(2 * np.pi))
    return np.logaddexp(0.0, peak - 0.5 * chi2 / widen**2)


def _decompose(
    essential: Float[np.ndarray, "hypotheses 3 3"], a: Rays, b: Rays, sound: Bool[np.ndarray, "hypotheses points"]
) -> tuple[Float[np.ndarray, "hypotheses 3 3"], Float[np.ndarray, "hypotheses 3"]]:
    """The one of four poses of each essential matrix that has most sound points in front (Hartley and Zisserman, 9.6.2)."""
    u, _, vt = np.linalg.svd(essential)
    u, vt = u * np.sign(np.linalg.det(u))[:, None, None], vt * np.sign(np.linalg.det(vt))[:, None, None]
    w = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    rotations, directions = np.empty_like(essential), np.empty((len(essential), 3))
    for h in range(len(essential)):
        options = [(u[h] @ turn @ vt[h], sign * u[h, :, 2]) for turn in (w, w.T) for sign in (1.0, -1.0)]
        counts = [_front(r, t, a[sound[h]], b[sound[h]]).sum() for r, t in options]
        rotations[h], directions[h] = options[int(np.argmax(counts))]
    return rotations, directions


def _front(r: Float[np.ndarray, "3 3"], t: Float[np.ndarray, "3"], a: Rays, b: Rays) -> Bool[np.ndarray, "points"]:
    """Which pairs meet in front of both cameras: depths of the midpoint method."""
    ra = a @ r.T
    cross = np.cross(ra, b)
    # depth_b b = depth_a R a + t
    depth_a = (np.cross(b, t) * cross).sum(-1)
    depth_b = (np.cross(ra, t) * cross).sum(-1)
    return (depth_a > 0) & (depth_b > 0)


def _in_front(
    r: Float[np.ndarray, "3 3"], t: Float[np.ndarray, "3"], a: Rays, b: Rays
) -> tuple[Float[np.ndarray, "3 3"], Float[np.ndarray, "3"]]:
    """The same epipolar geometry with the other sign of the translation, where more pairs are in front then."""
    return (r, t) if 2 * _front(r, t, a, b).sum() >= len(a) else (r, -t)


def _essential(rotation: Float[np.ndarray, "h 3 3"], direction: Float[np.ndarray, "h 3"]) -> Float[np.ndarray, "h 3 3"]:
    return skew(direction) @ rotation


_Data: TypeAlias = tuple[Rays, Rays, Float[np.ndarray, "points"], Float[np.ndarray, "points"]]
_Timed: TypeAlias = tuple[Rays, Float[np.ndarray, "*h points 3"], Float[np.ndarray, "points"], Float[np.ndarray, "points"]]
_Hypotheses: TypeAlias = tuple[Float[np.ndarray, "h 3 3"], Float[np.ndarray, "h 3"], Float[np.ndarray, "h"]]


def _at_time(data: _Data, motion: Rays | None, late: Float[np.ndarray, "h"]) -> _Timed:
    """b's rays as they would be, were its clock corrected: a sighting stamped t was made at t + late."""
    if motion is None:
        return data
    a, b, sigma_a, sigma_b = data
    moved = b - late[:, None, None] * motion
    return a, moved / np.linalg.norm(moved, axis=-1, keepdims=True), sigma_a, sigma_b


def _refine(
    rotation: Float[np.ndarray, "h 3 3"],
    direction: Float[np.ndarray, "h 3"],
    late: Float[np.ndarray, "h"],
    data: _Data,
    motion: Rays | None,
    settings: EpipolarSettings,
    wide: bool,
) -> _Hypotheses:
    """Gauss-Newton on the weighted Sampson distance; the scatter allowed to inliers narrows step by step."""
    widths = np.geomspace(6.0, 1.0, settings.steps) if wide else np.ones(4)
    for width in widths.tolist():
        a, b, sigma_a, sigma_b = _at_time(data, motion, late)
        essential = _essential(rotation, direction)
        line_b, line_a = a @ np.swapaxes(essential, 1, 2), b @ essential
        e = (line_b * b).sum(-1)
        variance = np.maximum(sigma_a**2 * ((line_a * line_a).sum(-1) - e * e) + sigma_b**2 * ((line_b * line_b).sum(-1) - e * e), 1e-30)
        weight = -np.expm1(-_support(np.asarray(e * e / variance), settings.outlier_share, width)) / variance
        turned = a @ np.swapaxes(rotation, 1, 2)
        # e = b . (t x R a): turning R by w adds w . ((b x t) x R a)... = w . (R a x (b x t)); moving t adds d . (R a x b).
        by_rotation = np.cross(turned, np.cross(b, direction[:, None, :]))
        by_direction = np.cross(turned, b)
        basis = _tangent(direction)
        columns = [by_rotation, by_direction @ basis]
        if motion is not None:
            columns.append((-(motion[None] * line_b).sum(-1))[..., None])
        j = np.concatenate(columns, -1)
        weighted = j * weight[..., None]
        normal = np.swapaxes(weighted, 1, 2) @ j
        right = (weighted * e[..., None]).sum(1)
        diagonal = np.einsum("hii->hi", normal)
        normal = normal + (1e-6 * diagonal + 1e-12 * diagonal.max(-1, keepdims=True) + 1e-300)[..., None] * np.eye(normal.shape[-1])
        step: Float[np.ndarray, "h k"] = -_solve(normal, right[..., None])[..., 0]
        size = np.linalg.norm(step[:, :5], axis=-1, keepdims=True)
        step[:, :5] *= np.minimum(1.0, 0.3 / np.maximum(size, 1e-12))
        rotation = SO3.exp(step[:, :3]).matrix @ rotation
        direction = direction + (basis @ step[:, 3:5, None])[..., 0]
        direction = direction / np.linalg.norm(direction, axis=-1, keepdims=True)
        if motion is not None:
            late = late + np.clip(step[:, 5], -0.05, 0.05)
    return rotation, direction, late


def _tangent(direction: Float[np.ndarray, "h 3"]) -> Float[np.ndarray, "h 3 2"]:
    """Two unit vectors across each direction."""
    least = np.eye(3)[np.abs(direction).argmin(-1)]
    first = np.cross(direction, least)
    first /= np.linalg.norm(first, axis=-1, keepdims=True)
    return np.stack([first, np.cross(direction, first)], -1)
