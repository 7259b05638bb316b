"""Which layout points are in, by where they lie: read in the wrong order, a body's bones criss-cross it.

The number of points alone tells a layout only where no other has as many.
"""

import functools

import numpy as np
from jaxtyping import Float, Int

from recon3d.skeleton import Layout, layout_names, load_layout

_CLEARLY_SHORTER = 0.75  # of the mean bone; 0.35 between BODY_25 and 25B on the recording that recon3d comes with
_ENOUGH = 0.1  # score of a point that counts
_ABSURD = 1e6  # px
_PEOPLE = 2000


@functools.cache
def layouts_of(count: int) -> tuple[str, ...]:
    """Names of the layouts that have so many points."""
    return tuple(name for name in layout_names() if len(load_layout(name)) == count)


def told(people: Float[np.ndarray, "people joints 3"], names: tuple[str, ...]) -> Layout | None:
    """The one of these layouts that the people's x, y, score are in; None where it does not show."""
    if len(names) == 1:
        return load_layout(names[0])
    clear = [name for name in names if all(_shorter(people[:_PEOPLE], name, other) for other in names if other != name)]
    return load_layout(clear[0]) if len(clear) == 1 else None


def _shorter(people: Float[np.ndarray, "people joints 3"], name: str, other: str) -> bool:
    """Whether the bones of one layout are clearly shorter than the other's, of those that the two do not share."""
    a, b = (load_layout(n).bones for n in (name, other))
    pairs_a, pairs_b = ({tuple(sorted(bone)) for bone in bones.tolist()} for bones in (a, b))
    own, others = (np.array(sorted(bones), dtype=np.int64).reshape(-1, 2) for bones in (pairs_a - pairs_b, pairs_b - pairs_a))
    return _bone_length(people, own) < _CLEARLY_SHORTER * _bone_length(people, others)


def _bone_length(people: Float[np.ndarray, "people joints 3"], between: Int[np.ndarray, "bones 2"]) -> float:
    """Mean over the bones, each person's in units of its size; infinite where none is seen."""
    with np.errstate(invalid="ignore", over="ignore"):
        good = np.abs(people).max(-1) < _ABSURD
        good &= (people[..., 2] > _ENOUGH) & (np.abs(people[..., :2]).max(-1) > 0)
        xy = np.where(good[..., None], people[..., :2], np.nan)
        size = np.linalg.norm(np.fmax.reduce(xy, 1) - np.fmin.reduce(xy, 1), axis=-1)
        bones = np.linalg.norm(xy[:, between[:, 0]] - xy[:, between[:, 1]], axis=-1) / np.where(size > 0, size, np.nan)[:, None]
    return float(np.nanmean(bones)) if np.isfinite(bones).any() else float("inf")
