"""How well several people were found and told apart: PCP, MPJPE after assignment, MOTA, IDF1, ghosts."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.optimize import linear_sum_assignment

from recon3d.metrics.points import mpjpe_mm

_FEWEST = 3  # joints that two people must share to be compared
_GHOST = 0.5  # of a person's frames: matched in fewer it is nobody


@dataclass(frozen=True, slots=True, eq=False)
class PeopleScores:
    """What found people are worth.

    Attributes:
        pcp: share of the limbs that count whose ends are, on average, within half of the limb's length.
        mpjpe_mm: mean distance of the joints that count, of people that were matched, mm.
        mota: multiple object tracking accuracy (Bernardin 2008): 1 less misses, false people and switches over people.
        idf1: identification F1 (Ristani 2016).
        ghosts: found identities that are nobody in half of their frames or more.
        switches: changes of the identity that a person was found under.
        match: for each frame and true person the found one's index, -1 for none.
    """

    pcp: float
    mpjpe_mm: float
    mota: float
    idf1: float
    ghosts: int
    switches: int
    match: Int[np.ndarray, "frames persons"]


def judge_people(
    found: Float[np.ndarray, "frames people joints 3"],
    truth: Float[np.ndarray, "frames persons joints 3"],
    limbs: Sequence[tuple[int, int]],
    counted: Bool[np.ndarray, "frames persons joints"] | None = None,
    reach_m: float = 0.5,
) -> PeopleScores:
    """Found people against true ones; each along an axis of its own, NaN where it is not there.

    Args:
        found: m.
        truth: m.
        limbs: pairs of joints.
        counted: joints that PCP and MPJPE count; all that truth has by default.
        reach_m: mean distance of joints within which a found person may be a true one.
    """
    asked = np.logical_and.reduce(np.isfinite(truth), -1)
    if counted is not None:
        asked = asked & counted
    distance = _distances(found, truth)
    match, switches = _matched(distance, reach_m)
    alive, there = np.isfinite(found).all(-1).any(-1), np.isfinite(truth).all(-1).any(-1)
    hits = int((match >= 0).sum())
    misses, wrong = int(there.sum()) - hits, int(alive.sum()) - hits
    near = distance <= reach_m
    overlap = near.sum(0)  # people persons
    rows, columns = linear_sum_assignment(-overlap)
    shared = int(overlap[rows, columns].sum())
    frames = alive.sum(0)
    ghost = (frames > 0) & (near.any(2).sum(0) <= _GHOST * frames)
    taken = np.take_along_axis(found, np.maximum(match, 0)[..., None, None], 1) if found.shape[1] else np.full_like(truth, np.nan)
    taken = np.where((match >= 0)[..., None, None], taken, np.nan)
    total = int(there.sum())
    return PeopleScores(
        pcp=_pcp(taken, truth, limbs, asked),
        mpjpe_mm=mpjpe_mm(taken[asked], truth[asked]) if np.isfinite(taken[asked]).any() else float("nan"),
        mota=1 - (misses + wrong + switches) / total if total else float("nan"),
        idf1=2 * shared / (int(alive.sum()) + total) if total else float("nan"),
        ghosts=int(ghost.sum()),
        switches=switches,
        match=match,
    )


def _distances(
    found: Float[np.ndarray, "frames people joints 3"], truth: Float[np.ndarray, "frames persons joints 3"]
) -> Float[np.ndarray, "frames people persons"]:
    """Mean distance of joints that both have, m; infinite with too few."""
    off = np.linalg.norm(found[:, :, None] - truth[:, None], axis=-1)
    known = np.isfinite(off)
    count = known.sum(-1)
    return np.where(count >= _FEWEST, np.where(known, off, 0.0).sum(-1) / np.maximum(count, 1), np.inf)


def _matched(distance: Float[np.ndarray, "frames people persons"], reach: float) -> tuple[Int[np.ndarray, "frames persons"], int]:
    """Who is who in each frame, those of the frame before kept while they are near (CLEAR); and the switches."""
    frames, people, persons = distance.shape
    match, last = np.full((frames, persons), -1), np.full(persons, -1)
    switches = 0
    for frame in range(frames):
        cost = np.where(distance[frame] <= reach, distance[frame], np.inf)
        taken = np.zeros(people, bool)
        for person in range(persons):
            own = int(last[person])
            if own >= 0 and np.isfinite(cost[own, person]) and not taken[own]:
                match[frame, person], taken[own] = own, True
        free, left = np.flatnonzero(~taken), np.flatnonzero(match[frame] < 0)
        some = np.where(np.isfinite(cost), cost, 1e6)[np.ix_(free, left)]
        for a, b in zip(*linear_sum_assignment(some), strict=True):
            if some[a, b] < 1e6:
                match[frame, left[b]] = free[a]
                switches += int(last[left[b]] >= 0)
        last = np.where(match[frame] >= 0, match[frame], last)
    return match, switches


def _pcp(
    found: Float[np.ndarray, "frames persons joints 3"],
    truth: Float[np.ndarray, "frames persons joints 3"],
    limbs: Sequence[tuple[int, int]],
    counted: Bool[np.ndarray, "frames persons joints"],
) -> float:
    a, b = np.array(limbs).T
    off = np.linalg.norm(found - truth, axis=-1)
    length = np.linalg.norm(truth[:, :, a] - truth[:, :, b], axis=-1)
    asked = counted[:, :, a] & counted[:, :, b]
    right = 0.5 * (off[:, :, a] + off[:, :, b]) <= 0.5 * length  # absent ends are NaN, and wrong
    return float(right[asked].mean()) if asked.any() else float("nan")
