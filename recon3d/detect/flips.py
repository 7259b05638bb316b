"""Left and right of a person exchanged by the detector for some frames, found by how the limbs move and put right.

A limb goes on as it moved: of all ways to exchange left and right frame by frame, the one with the least
bending of the paths is taken (second differences, robust, by dynamic programming over pairs of frames), where
every exchanged frame and every change costs a little. What lasts for seconds without a visible jump is left alone:
from one view nothing tells which side is which.
"""

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float

from recon3d.detect.similarity import person_size
from recon3d.records import Keypoints2D
from recon3d.skeleton import Layout

_GROUPS = {
    "leg": {"knee", "ankle", "heel", "foot", "toe"},
    "arm": {"elbow", "wrist", "hand", "thumb", "index", "pinky"},
    "trunk": {"shoulder", "hip"},
    "head": {"eye", "ear"},
}
"""Points that a detector exchanges together, by words in their names; the first that has one takes it (a foot has an index, too)."""
_TREMBLE = 0.03  # of the person's size: bending that detection alone brings
_ENOUGH = 9.0  # cost of a joint that no path explains
_EXCHANGED, _CHANGE = 0.3, 8.0  # costs of a frame, and of each change
_FEWEST = 4  # frames
_LONGEST_S = 0.1  # between frames: over longer steps limbs do not go on as they moved


def unflipped(seen: Keypoints2D) -> Keypoints2D:
    """The same people with left and right exchanged back where they were exchanged for some frames.

    Only people with an id are followed; points, scores and sigmas move together.
    """
    groups = _groups(seen.layout)
    if not groups or len(seen) < _FEWEST or float(np.median(np.diff(seen.time))) > _LONGEST_S:
        return seen
    values = {name: np.array(getattr(seen, name)) for name in ("xy", "confidence", "sigma_px")}
    for person in np.unique(seen.person_id[seen.person_id >= 0]).tolist():
        frame, slot = np.nonzero(seen.person_id == person)
        if len(frame) < _FEWEST:
            continue
        xy, time = seen.xy[frame, slot].astype(float), seen.time[frame]
        for own, other in groups:
            wrong = _exchanged(time, xy, own, other)
            rows, columns = frame[wrong], slot[wrong]
            if len(rows):
                for array in values.values():
                    mine, theirs = array[rows, columns][:, own], array[rows, columns][:, other]
                    array[rows[:, None], columns[:, None], own] = theirs
                    array[rows[:, None], columns[:, None], other] = mine
    return replace(seen, **values)


def _groups(layout: Layout) -> list[tuple[np.ndarray, np.ndarray]]:
    """Left and right points of each group that the layout has."""
    out: list[tuple[np.ndarray, np.ndarray]] = []
    pairs = [(k, int(m)) for k, m in enumerate(layout.mirror) if m > k]
    for words in _GROUPS.values():
        own = [pair for pair in pairs if words & set(layout.points[pair[0]].split("_"))]
        pairs = [pair for pair in pairs if pair not in own]
        if own:
            left, right = zip(*own, strict=True)
            out.append((np.array(left), np.array(right)))
    return out


def _exchanged(
    time: Float[np.ndarray, "frames"], xy: Float[np.ndarray, "frames joints 2"], own: np.ndarray, other: np.ndarray
) -> Bool[np.ndarray, "frames"]:
    """The frames in which a group's sides are exchanged."""
    cost = _bending(time, xy, own, other)
    frames = len(time)
    unary, change = np.array([0.0, _EXCHANGED]), _CHANGE * (1 - np.eye(2))
    # total[a, b]: least cost with frame t-1 in state a and frame t in state b.
    total = unary[:, None] + unary[None] + change
    came = np.zeros((frames, 2, 2), np.int64)
    for t in range(2, frames):
        through = total[:, :, None] + cost[t - 2]
        came[t] = through.argmin(0)
        total = through.min(0) + unary[None] + change
    state = np.zeros(frames, bool)
    a, b = np.unravel_index(int(total.argmin()), (2, 2))
    state[-1], state[-2] = b == 1, a == 1
    for t in range(frames - 1, 1, -1):
        a, b = came[t, a, b], a
        state[t - 2] = a == 1
    return state


def _bending(
    time: Float[np.ndarray, "frames"], xy: Float[np.ndarray, "frames joints 2"], own: np.ndarray, other: np.ndarray
) -> Float[np.ndarray, "middles 2 2 2"]:
    """Cost of three frames in a row, by whether each is exchanged."""
    both = np.stack([np.concatenate([own, other]), np.concatenate([other, own])])
    sides = xy[:, both]  # frames states joints 2
    step = np.diff(time)
    ratio = (step[1:] / step[:-1])[:, None, None, None, None, None]
    first, second, third = sides[:-2, :, None, None], sides[1:-1, None, :, None], sides[2:, None, None]
    off = np.linalg.norm(third - second - ratio * (second - first), axis=-1)
    size = person_size(xy[2:])[:, None, None, None, None]
    square = (off / (_TREMBLE * size)) ** 2
    cost = np.nansum(square / (1 + square / _ENOUGH), axis=-1)
    return np.where((np.maximum(step[1:], step[:-1]) > _LONGEST_S)[:, None, None, None], 0.0, cost)
