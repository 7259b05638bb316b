"""Metres, gravity and floor: what pixels alone do not give a rig.

Scale cues come each with a sigma and are combined by it; how they agree is reported. Up and the floor come
from the feet that stand on it and from the body above them, or from a board that lies on it. A scale that
only the average human body vouches for is used, and said to be unknown.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from recon3d.arrays import finite_median
from recon3d.errors import CameraError
from recon3d.geometry import SE3, CameraRig
from recon3d.skeleton import STATURE_M, Layout, body_links

Points = Float[np.ndarray, "frames joints 3"]

POPULATION_SHARE = 0.06
"""Spread of body size over adults: what the average body says about scale."""
_STATURE_SHARE = 0.025  # bones of people of one stature differ
_TORN = 6.0  # sigmas between a cue and the others


@dataclass(frozen=True, slots=True)
class ScaleCue:
    """Something that says how long a unit is.

    Attributes:
        name: for the report.
        metres: a unit, by this cue.
        share: sigma of that, as a share of it.
        counts: whether the scale counts as known by it; the average body alone does not.
    """

    name: str
    metres: float
    share: float
    counts: bool = True


@dataclass(frozen=True, slots=True)
class Scale:
    """The cues together.

    Attributes:
        metres: a unit.
        share: sigma of that, as a share.
        known: whether anything but the average body said so.
        cues: what they were.
        disagreement: of each cue with the others together, in sigmas; nan for a single one.
    """

    metres: float
    share: float
    known: bool
    cues: tuple[ScaleCue, ...]
    disagreement: tuple[float, ...]


def combine(cues: Sequence[ScaleCue]) -> Scale:
    """Weighted mean of logarithms.

    Raises:
        CameraError: a cue that is not a positive number.
    """
    bad = [cue.name for cue in cues if not (np.isfinite(cue.metres) and cue.metres > 0 and cue.share > 0)]
    if bad:
        raise CameraError(f"scale from {', '.join(bad)}: not a positive length with a positive sigma")
    if not cues:
        return Scale(1.0, float("inf"), False, (), ())
    logs, weight = np.log([cue.metres for cue in cues]), 1 / np.array([cue.share for cue in cues]) ** 2
    mean, share = float((logs * weight).sum() / weight.sum()), float(1 / np.sqrt(weight.sum()))
    apart: list[float] = []
    for k, cue in enumerate(cues):
        rest = np.arange(len(cues)) != k
        if not rest.any():
            apart.append(float("nan"))
            continue
        other = float((logs[rest] * weight[rest]).sum() / weight[rest].sum())
        apart.append(float(abs(logs[k] - other) / np.hypot(cue.share, 1 / np.sqrt(weight[rest].sum()))))
    # Cues that contradict each other say nothing that could be relied on.
    torn = any(cue.counts and off > _TORN for cue, off in zip(cues, apart, strict=True))
    return Scale(float(np.exp(mean)), share, any(cue.counts for cue in cues) and not torn, tuple(cues), tuple(apart))


def distance_cue(name: str, measured: float, true_m: float, sigma_m: float) -> ScaleCue:
    """A length whose true value was taped: between two cameras, of a wand, of a bone.

    Raises:
        CameraError: a length of nothing.
    """
    if not (np.isfinite(measured) and measured > 0 and true_m > 0):
        raise CameraError(f"scale from {name}: it has no length, or was not seen")
    return ScaleCue(name, true_m / measured, sigma_m / true_m)


def body_cue(points: Points, layout: Layout, stature_m: float | None = None) -> ScaleCue | None:
    """Scale from the distances between a person's joints, for a person of known stature or of average build."""
    links = body_links(layout)
    if not len(links.pairs):
        return None
    length = np.linalg.norm(points[:, links.pairs[:, 0]] - points[:, links.pairs[:, 1]], axis=-1)
    measured = np.array([finite_median(length[:, k]) for k in range(length.shape[1])])
    usable = np.isfinite(measured) & (measured > 0)
    if usable.sum() < 4:
        return None
    expected = links.length_m[usable] * (1.0 if stature_m is None else stature_m / STATURE_M)
    ratio = float(np.median(expected / measured[usable]))
    if stature_m is None:
        return ScaleCue("average body", ratio, POPULATION_SHARE, counts=False)
    return ScaleCue(f"person of {stature_m:.2f} m", ratio, _STATURE_SHARE)


def moved(rig: CameraRig, metres: float, new_from_old: SE3) -> CameraRig:
    """The rig in units of this many metres, then in other axes; its covariance follows."""
    old_from_new = new_from_old.inverse()
    cameras = tuple(
        replace(c, cam_from_world=replace(c.cam_from_world, translation=c.cam_from_world.translation * metres) @ old_from_new) for c in rig
    )
    covariance = rig.covariance
    if covariance is not None:
        size = np.tile(np.r_[np.full(3, metres), np.ones(3)], len(rig))
        covariance = covariance * np.outer(size, size)
    return replace(rig, cameras=cameras, covariance=covariance)
