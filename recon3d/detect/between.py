"""People in frames that lie between looks: from those looks where they moved evenly, else by further looks."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from recon3d.detect.similarity import person_size
from recon3d.records import Frame

LOOKS = 3
"""That tell whether a person moves evenly."""
_EVEN = 5.0  # sigmas of a sure point that a look may lie off a line, a good part of it since looks tremble
_SURE = 0.3  # score of a joint that tells


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """A person at one time.

    Attributes:
        time: s.
        xy: px.
        confidence: of each point.
    """

    time: float
    xy: Float[np.ndarray, "joints 2"]
    confidence: Float[np.ndarray, "joints"]


def between(
    frames: Sequence[Frame],
    looks: Sequence[Seen],
    joints: Int[np.ndarray, "some"],
    sigma_share: float,
    smooth: float,
    find: Callable[[Frame, Seen], Seen | None],
) -> list[Seen | None]:
    """A person in each of some frames; None where it is not seen.

    Where it did not move evenly the middle frame is looked at, and so on in both halves.

    Args:
        frames: between the last two looks, in order.
        looks: at the person, the last ones.
        joints: that tell whether it moved evenly.
        sigma_share: of a sure point, over the person's size.
        smooth: sigmas that a look may lie off a line where what lies between is told by a parabola.
        find: looks at a frame for the person near a place.
    """
    if not frames:
        return []
    off = _off(looks[-LOOKS:], joints) / sigma_share
    if off <= max(smooth, _EVEN):
        return [_amid(frame.time, looks, bent=off > _EVEN) for frame in frames]
    middle = len(frames) // 2
    found = find(frames[middle], _amid(frames[middle].time, looks))
    earlier = looks if found is None else [*looks[:-1], found]
    later = looks if found is None else [looks[-2], found, looks[-1]]
    return [
        *between(frames[:middle], earlier, joints, sigma_share, smooth, find),
        found,
        *between(frames[middle + 1 :], later, joints, sigma_share, smooth, find),
    ]


def moves_evenly(looks: Sequence[Seen], joints: Int[np.ndarray, "some"], sigma_share: float, smooth: float) -> bool:
    """Whether what lies between a person's last looks, or shortly after, can be told from them; arguments as of `between`."""
    return _off(looks[-LOOKS:], joints) <= max(smooth, _EVEN) * sigma_share


def _amid(time: float, looks: Sequence[Seen], bent: bool = False) -> Seen:
    """Between the last two looks, on the line through them or, bent, on the parabola through the last three."""
    before, after = looks[-2:]
    share = (time - before.time) / (after.time - before.time)
    xy = (1 - share) * before.xy + share * after.xy
    if bent:
        ahead = after.xy - before.xy - (before.xy - looks[-3].xy) * ((after.time - before.time) / (before.time - looks[-3].time))
        xy += ahead * ((time - before.time) * (time - after.time) / ((after.time - before.time) * (after.time - looks[-3].time)))
    return Seen(time, xy, np.minimum(before.confidence, after.confidence))


def _off(looks: Sequence[Seen], joints: Int[np.ndarray, "some"]) -> float:
    """How far some joints of a person are from where two looks before lead to, over its size; infinite where nothing tells.

    Of motion with acceleration a (in squared steps between looks), this is a, and what lies between is off the
    line by a/8 at the most, and off the parabola by a sixteenth of how much a changes in a step.
    """
    if len(looks) < LOOKS:
        return np.inf
    first, before, after = [one.xy[joints] for one in looks]
    step, last = looks[1].time - looks[0].time, looks[2].time - looks[1].time
    off = np.linalg.norm(after - before - (before - first) * (last / step), axis=-1)
    sure = np.logical_and.reduce([one.confidence[joints] >= _SURE for one in looks]) & np.isfinite(off)
    return float(off[sure].max()) / float(person_size(looks[-1].xy)) if sure.any() else np.inf
