"""The best point of many sightings, for chunks of points that fit the processor's cache.

`triangulation` is the door; it undistorts, cuts into chunks and judges the answers.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from recon3d.geometry.hypotheses import RIVALS, search
from recon3d.geometry.mixture import Mixture, anneal, polish
from recon3d.geometry.sightings import (
    PointPlane,
    Sightings,
    ViewPlane,
    algebraic_solver,
    chi_square,
    normal_map,
    predict,
    solve_symmetric,
)

_CLEAN_CHI2 = 11.8  # 3 sigma in two dimensions: all sightings below agree, no search
_GRADUAL_STEPS = 3
_MAJORITY = 3.5  # inliers, and their share of the views, above which no other answer can be likelier
_MAJORITY_SHARE = 0.55
_POLISH_STEPS = 1
_CHUNK = 65536  # sightings worked on at once: their planes fit a 1 MiB cache
_SURE = 700.0  # log evidence of an answer that has no rival by construction
_FAR = -1e30  # a stand-in for NaN


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """Points (3, n), normal equations at them (9, n), inlier probability and chi-square a sighting.

    ``modes`` are the best point and its rivals, ``evidence`` their log evidence against that of no
    common point at all (-inf where there is no such rival).
    """

    xyz: Float[np.ndarray, "3 points"]
    normal: Float[np.ndarray, "rows points"]
    inlier: ViewPlane
    chi2: ViewPlane
    modes: Float[np.ndarray, "modes 3 points"]
    evidence: Float[np.ndarray, "modes points"]


def linear(poses: Float[np.ndarray, "views 3 4"], x: ViewPlane, y: ViewPlane, weight: ViewPlane) -> Float[np.ndarray, "3 points"]:
    """Algebraic solution with isotropic weights, in buffers that stay in cache."""
    views, count = x.shape
    maps = normal_map(poses)  # a = c = w, b = 0: four features a view
    four = np.stack([maps[:, 0] + maps[:, 2], maps[:, 3], maps[:, 4], maps[:, 5]], 1).reshape(9, -1)
    out = np.empty((3, count))
    size = max(256, _CHUNK // views)
    whole, planes, normal = np.empty((4, views, size)), np.empty((2, views, size)), np.empty((9, size))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        for start in range(0, count, size):
            part = slice(start, min(start + size, count))
            n = part.stop - start
            f, (u, v), m = (whole, planes, normal) if n == size else (np.empty((4, views, n)), planes[:, :, :n], normal[:, :n])
            # fmax(NaN, c) is c: absent points become a harmless number under zero weight, without a mask.
            np.fmax(x[:, part], _FAR, out=u)
            np.fmax(y[:, part], _FAR, out=v)
            np.multiply(weight[:, part], u != _FAR, out=f[0])
            np.multiply(f[0], u, out=f[1])
            np.multiply(f[0], v, out=f[2])
            np.multiply(f[1], u, out=u)
            np.multiply(f[2], v, out=v)
            np.add(u, v, out=f[3])
            np.matmul(four, f.reshape(4 * views, n), out=m)
            out[:, part], _ = solve_symmetric(m)
    return out


def all_views(s: Sightings) -> Answer:
    """Maximum likelihood with every sighting believed."""
    present = (s.a > 0).astype(float)
    solve = algebraic_solver(s)
    xyz, _ = solve(present)
    for _ in range(2):
        _, _, inverse_depth = predict(s.poses, xyz)
        xyz, _ = solve(inverse_depth * inverse_depth)
    xyz, normal, chi2 = polish(s, xyz, present, steps=3)
    return Answer(xyz, normal, present, chi2, xyz[None], np.full((1, s.count), _SURE))


def best_hypothesis(s: Sightings, mixture: Mixture) -> Answer:
    """The likeliest point of each column, and its rivals."""
    present = (s.a > 0).astype(float)
    views = present.sum(0)
    solve = algebraic_solver(s)
    xyz, _ = solve(present)
    _, _, inverse_depth = predict(s.poses, xyz)
    inverse_depth *= inverse_depth
    xyz, _ = solve(inverse_depth)
    chi2, _ = chi_square(s, xyz)
    chi2[present == 0] = 0.0  # not a product: an absent camera may have the point behind it, at infinity
    worst = chi2.max(0)
    inlier = present.copy()
    modes = np.full((1 + RIVALS, 3, s.count), np.nan)
    evidence = np.full((1 + RIVALS, s.count), -np.inf)
    contested = np.flatnonzero(~(worst < _CLEAN_CHI2) & (views > 2))
    if len(contested):
        part, there = s.take(contested), present[:, contested]
        best, weight = _graduate(part, xyz[:, contested], worst[contested], there, mixture)
        xyz[:, contested], inlier[:, contested] = best, weight
        majority = np.maximum(_MAJORITY, _MAJORITY_SHARE * views[contested])
        unsure = np.flatnonzero(~(weight.sum(0) >= majority))
        if len(unsure):
            found = search(part.take(unsure), there[:, unsure], mixture)
            at = contested[unsure]
            xyz[:, at], inlier[:, at] = found.modes[0], found.inlier
            modes[:, :, at], evidence[:, at] = found.modes, found.evidence
    xyz, normal, chi2 = polish(s, xyz, inlier, _POLISH_STEPS)
    modes[0] = xyz
    evidence[0] = mixture.evidence(normal, chi2, present, inlier)
    evidence -= np.log1p(views * mixture.odds)
    return Answer(xyz, normal, inlier, chi2, modes, evidence)


def settle(s: Sightings, answer: Answer, columns: PointPlane, xyz: Float[np.ndarray, "3 some"], mixture: Mixture) -> None:
    """Put other points in the place of some answers, refined on the sightings that fit them."""
    part = s.take(columns)
    present = (part.a > 0).astype(float)
    chi2, _ = chi_square(part, xyz)
    inlier = mixture.inlier(chi2, present)
    xyz, normal, chi2 = polish(part, xyz, inlier, _POLISH_STEPS)
    answer.xyz[:, columns], answer.normal[:, columns] = xyz, normal
    answer.inlier[:, columns], answer.chi2[:, columns] = inlier, chi2


def _graduate(
    s: Sightings, xyz: Float[np.ndarray, "3 points"], worst: PointPlane, present: ViewPlane, mixture: Mixture
) -> tuple[Float[np.ndarray, "3 points"], ViewPlane]:
    """Expectation maximisation from the answer of all views, the scatter narrowing from the worst residual.

    Graduated non-convexity (Yang et al. 2020): right whenever most views agree, which its result shows.
    """
    temper = np.clip(2 * mixture.gain / worst, 1e-4, 1.0)
    ratio = temper ** (-1.0 / _GRADUAL_STEPS)
    return anneal(s, xyz, present, mixture, [temper * ratio**k for k in range(_GRADUAL_STEPS + 1)])
