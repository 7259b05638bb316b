"""Who was followed and is no person of the room: too short, of no human shape, a picture, a mirror image.

Judged on a whole take, so that nobody is refused for a bad moment; what was refused is told with its reason.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Int

from recon3d.geometry.links import Links
from recon3d.multiview.people.births import human_lengths
from recon3d.multiview.people.life import Life

_LEAST_S = 0.25  # that somebody must be seen for (half of a take that is shorter)
_BRIEF_S, _CLEAR_VIEWS = 1.0, 0.6  # who is seen for less must be seen by more of the views
_LEAST_VIEWS, _ENOUGH_VIEWS = 0.45, 2.5  # share of those that have the place in their image; on average, so many are enough
_RUBBER = 0.25  # median scatter of bones over their length: parts of two people
STILL_S = 3.0
"""Who moves less than anybody can for so long is a picture."""
_STILL_M = 0.0025  # of nearly all points
_PIECES = 8  # of a life, whose medians tell whether anything moved
_TOGETHER_S, _MOVED_M = 2.0, 0.4  # people whose ways are compared, and how far they must have gone
_MIRRORED_M, _WORST_M = 0.04, 0.12  # from somebody's mirror image: the median, and nine in ten; who dances alike is farther off


def unlikely(life: Life, bones: Links) -> str | None:
    """Why somebody cannot be a person, from what was seen of it alone; None where nothing speaks against it."""
    if life.showing and life.views < min(_LEAST_VIEWS * life.showing, _ENOUGH_VIEWS * life.frames):
        views, showing = life.views / life.frames, life.showing / life.frames
        return f"seen by {views:.1f} of the {showing:.1f} views that have its place in their image"
    if not len(bones.pairs):
        return None
    length, count = life.lengths()
    length = np.where(count >= min(5, life.seen), length, np.nan)
    if not human_lengths(length[None], bones)[0]:
        return "its limbs have the proportions of no human"
    # Medians over pieces of its life: single frames scatter with the noise.
    mean, pieces, variance = life.pieces()
    known = np.isfinite(mean) & (pieces >= 3)
    if known.sum() >= 4 and np.median(np.sqrt(variance[known]) / mean[known]) > _RUBBER:
        return "its limbs change their lengths: parts of several people"
    return None


def too_short(seconds: float, take_s: float, views: float, showing: float) -> str | None:
    """Why somebody seen for so long by so many of the views that have its place in their image is refused; None where it is not."""
    if seconds < min(_LEAST_S, 0.5 * take_s):
        return f"seen for {seconds:.2f} s only"
    if seconds < min(_BRIEF_S, 0.5 * take_s) and views < min(_CLEAR_VIEWS * showing, _ENOUGH_VIEWS):
        return f"seen for {seconds:.2f} s only, by {views:.1f} of {showing:.1f} views"
    return None


def motionless(life: Life) -> str | None:
    """Whether it stood stiller than anybody can: a picture, a dummy."""
    if life.last - life.first < STILL_S:
        return None
    _, xyz = life.places()
    if len(xyz) < 4 * _PIECES:
        return None
    pieces = np.array_split(xyz, _PIECES)
    middles = np.stack([_middle(piece) for piece in pieces])
    middles = middles[:, np.isfinite(middles).sum(0).min(-1) > 1]  # of joints that are there again and again
    moved = np.sqrt((np.nanstd(middles, 0) ** 2).sum(-1))
    if len(moved) and np.quantile(moved, 0.9) < _STILL_M:
        return f"did not move at all in {life.last - life.first:.1f} s: a picture or a dummy"
    return None


def _middle(values: Float[np.ndarray, "frames joints 3"]) -> Float[np.ndarray, "joints 3"]:
    """Median over the frames; NaN where a joint is never there."""
    known = np.isfinite(values)
    return np.where(known.any(0), np.nanmedian(np.where(known.any(0), values, 0.0), 0), np.nan)


def mirror_images(lives: Sequence[Life], mirror: Int[np.ndarray, "joints"], centres: Float[np.ndarray, "cameras 3"]) -> Mapping[int, str]:
    """Who only repeats in a mirror what somebody else does, by track: those on the far side of the mirror from the cameras."""
    out: dict[int, str] = {}
    for k, a in enumerate(lives):
        for b in lives[k + 1 :]:
            behind = _behind_a_mirror(a, b, mirror, centres)
            if behind is not None:
                out[behind.track] = "moves as somebody's mirror image"
    return out


def _behind_a_mirror(a: Life, b: Life, mirror: Int[np.ndarray, "joints"], centres: Float[np.ndarray, "cameras 3"]) -> Life | None:
    start, stop = max(a.first, b.first), min(a.last, b.last)
    if stop - start < _TOGETHER_S:
        return None
    time, own = a.places()
    inside = (time >= start) & (time <= stop)
    if inside.sum() < 8:
        return None
    time, own = time[inside], own[inside]
    other = _at(b, time)
    with np.errstate(invalid="ignore"):
        here, there = np.nanmedian(own, 1), np.nanmedian(other, 1)
    whole = np.isfinite(here).all(-1) & np.isfinite(there).all(-1)
    own, other, here, there = own[whole], other[whole], here[whole], there[whole]
    if whole.sum() < 8 or np.linalg.norm(np.ptp(here, axis=0)) < _MOVED_M:
        return None
    across = there - here
    normal = across.mean(0) / max(float(np.linalg.norm(across.mean(0))), 1e-9)
    depth = float(np.median(0.5 * (here + there) @ normal))
    image = own[:, mirror] - 2 * ((own[:, mirror] @ normal - depth)[..., None] * normal)
    off = np.linalg.norm(image - other, axis=-1)
    off = off[np.isfinite(off)]
    if not (len(off) and np.median(off) < _MIRRORED_M and np.quantile(off, 0.9) < _WORST_M):
        return None
    return b if np.median(centres @ normal) < depth else a


def _at(life: Life, time: Float[np.ndarray, "instants"]) -> Float[np.ndarray, "instants joints 3"]:
    """Positions at some instants, between those that are known."""
    own, xyz = life.places()
    flat = xyz.reshape(len(own), -1)
    return np.stack([np.interp(time, own, column) for column in flat.T], -1).reshape(len(time), *xyz.shape[1:])
