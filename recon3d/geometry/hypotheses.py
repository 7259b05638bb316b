"""Where a point may be when its views contradict each other: answers of pairs of views, and their rivals."""

import itertools
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from recon3d.arrays import windows
from recon3d.geometry.mixture import Mixture, anneal, polish
from recon3d.geometry.sightings import (
    Poses,
    Sightings,
    ViewPlane,
    chi_square,
    features,
    information,
    solve_symmetric,
)

RIVALS = 2
"""Answers kept beside the best."""
_ANNEAL = (0.2, 0.5, 1.0, 1.0)  # inverse temperatures after a pair's rough start
_ROUGH_TEMPER = 0.3  # a pair's point is off by more than the sightings' own scatter when others judge it
_MAX_PAIRS = 40  # with 10 % outliers and 15 % missing, 40 spread pairs hold a sound one with certainty
_RIVAL_MARGIN = 14.0  # log evidence: a rival further behind has less than one chance in a million
_BLOCK = 65536  # predictions worked on at once
_SAME_CHI2 = 25.0  # two answers within 5 sigma are one


@dataclass(frozen=True, slots=True, eq=False)
class Hypotheses:
    """Candidate points, likeliest first (NaN where there is none), their log evidence, the first one's inliers."""

    modes: Float[np.ndarray, "modes 3 points"]
    evidence: Float[np.ndarray, "modes points"]
    inlier: ViewPlane


def search(s: Sightings, present: ViewPlane, mixture: Mixture) -> Hypotheses:
    """The best points among those of pairs of views, each refined on all views."""
    points, score = _pair_points(s, present, mixture)
    modes = np.full((1 + RIVALS, 3, s.count), np.nan)
    evidence = np.full((1 + RIVALS, s.count), -np.inf)
    inlier = np.zeros((1 + RIVALS, *present.shape))
    todo = np.arange(s.count)
    top = score.max(0)
    for k in range(1 + RIVALS):
        best = score[:, todo].argmax(0)
        value = score[best, todo]
        close = np.isfinite(value) & (value > top[todo] - _RIVAL_MARGIN)
        todo, start = todo[close], points[best[close], :, todo[close]].T
        if not len(todo):
            break
        part, there = s.take(todo), present[:, todo]
        xyz, weight = anneal(part, start, there, mixture, _ANNEAL)
        xyz, normal, chi2 = polish(part, xyz, weight, 1)
        modes[k][:, todo], inlier[k][:, todo] = xyz, weight
        evidence[k][todo] = mixture.evidence(normal, chi2, there, weight)
        # Done with this answer, and with every other pair's point beside it or beside its start.
        for reference in (xyz, start):
            _silence(points, score, todo, reference, normal)
    evidence[~np.isfinite(modes).all(1)] = -np.inf
    order = np.argsort(-evidence, axis=0, kind="stable")
    modes = np.take_along_axis(modes, order[:, None], 0)
    evidence = np.take_along_axis(evidence, order, 0)
    inlier = np.take_along_axis(inlier, order[:1, None], 0)[0]
    twin = _distance(modes[1:] - modes[0], information(s, modes[0], inlier)) < _SAME_CHI2
    evidence[1:][twin] = -np.inf
    return Hypotheses(modes, evidence, inlier)


def _silence(
    points: Float[np.ndarray, "pairs 3 points"],
    score: Float[np.ndarray, "pairs points"],
    columns: Int[np.ndarray, "some"],
    reference: Float[np.ndarray, "3 some"],
    normal: Float[np.ndarray, "rows some"],
) -> None:
    """Take pairs whose point is near a reference out of the running."""
    near = _distance(points[:, :, columns] - reference, normal) < 4 * _SAME_CHI2
    score[:, columns] = np.where(near, -np.inf, score[:, columns])


def _distance(d: Float[np.ndarray, "many 3 points"], normal: Float[np.ndarray, "rows points"]) -> Float[np.ndarray, "many points"]:
    """Squared Mahalanobis length of d under packed information matrices."""
    x, y, z = d[:, 0], d[:, 1], d[:, 2]
    xx, xy, xz, yy, yz, zz = normal[:6]
    return xx * x * x + yy * y * y + zz * z * z + 2 * (xy * x * y + xz * x * z + yz * y * z)


def _pair_points(
    s: Sightings, present: ViewPlane, mixture: Mixture
) -> tuple[Float[np.ndarray, "pairs 3 points"], Float[np.ndarray, "pairs points"]]:
    """The point of each pair of views, and how well all views support it."""
    pairs = np.array(_chosen_pairs(s.poses))
    points = np.empty((len(pairs), 3, s.count))
    score = np.empty((len(pairs), s.count))
    for block in windows(s.count, max(16, _BLOCK // (len(pairs) * s.views))):
        part, there = s.take(block), present[:, block]
        observed = features(part, part.u, part.v)
        own = np.matmul(s.poses.normal_map.transpose(2, 0, 1), observed.transpose(1, 0, 2))
        both = (own[pairs[:, 0]] + own[pairs[:, 1]]).transpose(1, 0, 2).reshape(9, -1)
        xyz, _ = solve_symmetric(both)
        chi2, _ = chi_square(part.tile(len(pairs)), xyz)
        chi2 *= -0.5 * _ROUGH_TEMPER
        chi2 += mixture.gain
        np.fmax(chi2, 0.0, out=chi2)
        support = np.einsum("vpn,vn->pn", chi2.reshape(s.views, len(pairs), -1), there)
        points[:, :, block] = xyz.reshape(3, len(pairs), -1).transpose(1, 0, 2)
        score[:, block] = np.where(there[pairs[:, 0]] * there[pairs[:, 1]] > 0, support, -np.inf)
    return points, score


def _chosen_pairs(poses: Poses) -> list[tuple[int, int]]:
    """All pairs of views, or with many views the best-conditioned ones, spread evenly over the views."""
    axes = poses.matrix[:, 2, :3]
    views = len(axes)
    pairs = list(itertools.combinations(range(views), 2))
    if len(pairs) <= _MAX_PAIRS:
        return pairs
    cosine = np.abs(axes @ axes.T)
    chosen: list[tuple[int, int]] = []
    used = [0] * views
    limit = max(2, 2 * _MAX_PAIRS // views)
    for i, j in sorted(pairs, key=lambda pair: cosine[pair]):
        if used[i] < limit and used[j] < limit:
            chosen.append((i, j))
            used[i], used[j] = used[i] + 1, used[j] + 1
    return chosen
