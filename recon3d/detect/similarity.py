"""How alike two sets of keypoints are, and which people of one frame are which of the frame before."""

import numpy as np
from jaxtyping import Float
from scipy.optimize import linear_sum_assignment

from recon3d.skeleton import Layout

_SPREAD = {
    "nose": 0.026, "eye": 0.025, "ear": 0.035, "shoulder": 0.079, "elbow": 0.072, "wrist": 0.062, "hip": 0.107, "knee": 0.087,
    "ankle": 0.089, "heel": 0.089,
}  # fmt: skip
"""Standard deviation of annotators over the person's size, by COCO (Ronchi 2017)."""
_OTHER_SPREAD = 0.09
_SEEN = 0.2  # score above which a point tells two people apart
_LEAST_PX = 24.0  # a ball or a marker is no larger than its points, which are one
_FEW = 3  # points seen in both: with fewer all count


def spreads(layout: Layout) -> Float[np.ndarray, "joints"]:
    """COCO's constant of each point: two sigma over the square root of the person's area."""
    return np.array([2 * _SPREAD.get(name.removeprefix("left_").removeprefix("right_"), _OTHER_SPREAD) for name in layout.points])


def person_size(xy: Float[np.ndarray, "*batch joints 2"]) -> Float[np.ndarray, "*batch"]:
    """Square root of the area of the box round a person's points, px; a thin box is as one a quarter as wide, and none is below 24 px."""
    extent = np.fmax.reduce(xy, -2) - np.fmin.reduce(xy, -2)
    longest = extent.max(-1)
    return np.sqrt(np.maximum(extent.prod(-1), 0.25 * longest**2)).clip(_LEAST_PX)


def oks(
    a: Float[np.ndarray, "some joints 2"],
    a_score: Float[np.ndarray, "some joints"],
    b: Float[np.ndarray, "others joints 2"],
    b_score: Float[np.ndarray, "others joints"],
    spread: Float[np.ndarray, "joints"],
    loose: Float[np.ndarray, "some"] | float = 1.0,
) -> Float[np.ndarray, "some others"]:
    """Object keypoint similarity (COCO), 1 for the same points, of every pair.

    Args:
        a: points of some people, px.
        a_score: of each.
        b: points of others, px.
        b_score: of each.
        spread: of each point over the person's size, see `spreads`.
        loose: factor on the spread of each of ``a``: how unsure it is where they are.
    """
    size = np.minimum(person_size(a)[:, None], person_size(b)[None]) if len(a) and len(b) else np.ones((len(a), len(b)))
    both = (a_score[:, None] >= _SEEN) & (b_score[None] >= _SEEN)
    finite = np.logical_and.reduce(np.isfinite(a), -1)[:, None] & np.logical_and.reduce(np.isfinite(b), -1)[None]
    counted = np.where(both.sum(-1, keepdims=True) >= _FEW, both, True) & finite
    square = np.nan_to_num(((a[:, None] - b[None]) ** 2).sum(-1), nan=0.0)
    reach = size[..., None] * spread * np.broadcast_to(np.asarray(loose, float), (len(a),))[:, None, None]
    return (np.exp(-0.5 * square / reach**2) * counted).sum(-1) / np.maximum(counted.sum(-1), 1)


def matched(similarity: Float[np.ndarray, "some others"], least: float) -> list[tuple[int, int]]:
    """Pairs of the largest total similarity, each once (Hungarian method), without those below the least."""
    rows, columns = linear_sum_assignment(-similarity)
    return [(a, b) for a, b in zip(rows.tolist(), columns.tolist(), strict=True) if similarity[a, b] >= least]
