"""Metres, gravity and floor: what pixels alone do not give a rig.

Scale cues come each with a sigma and are combined by it; how they agree is reported. Up and the floor come
from the feet that stand on it and from the body above them, or from a board that lies on it. A scale that
only the average human body vouches for is used, and said to be unknown.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from calibration.velocity import slopes
from recon3d.arrays import finite_median
from recon3d.errors import CameraError
from recon3d.geometry import SE3, SO3, CameraRig
from recon3d.skeleton import Layout, body_links

Points = Float[np.ndarray, "frames joints 3"]

POPULATION_SHARE = 0.06
"""Spread of body size over adults: what the average body says about scale."""
_STATURE_SHARE = 0.025  # bones of people of one stature differ
_STATURE_M = 1.70  # of the table in skeleton/proportions.toml
_FOOT_M = {"ankle": 0.085, "heel": 0.03, "big_toe": 0.02, "small_toe": 0.02}  # of a point above the floor it stands on
_STILL_M_S = 0.25  # a foot slower than this, and low, stands
_TORN = 6.0  # sigmas between a cue and the others
UP_RAD = np.deg2rad(6)
"""An up that is less certain is none."""
_LEAN_RAD = np.deg2rad(4)  # of the average body axis from the vertical
_UNEVEN_M = 0.02
_FEW_CONTACTS = 10


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
    expected = links.length_m[usable] * (1.0 if stature_m is None else stature_m / _STATURE_M)
    ratio = float(np.median(expected / measured[usable]))
    if stature_m is None:
        return ScaleCue("average body", ratio, POPULATION_SHARE, counts=False)
    return ScaleCue(f"person of {stature_m:.2f} m", ratio, _STATURE_SHARE)


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """Up and the floor as the rig's present axes have them.

    Attributes:
        up: unit vector.
        height: of the floor along it, m.
        sigma_rad: of up.
        contacts: how many times a foot was seen to stand.
        floor: whether the floor is known, not only up.
    """

    up: Float[np.ndarray, "3"]
    height: float
    sigma_rad: float
    contacts: int
    floor: bool


def ground_of(points: Points, time: Float[np.ndarray, "frames"], layout: Layout) -> Ground | None:
    """Up and the floor from a person's joints (m): feet that stand, and the body above them; None if neither is seen."""
    found = _body_axis(points, layout)
    if found is None:
        return None
    axis, lean = found
    feet = [
        (j, next(h for key, h in _FOOT_M.items() if name.endswith(key)))
        for j, name in enumerate(layout.points)
        if name.endswith(tuple(_FOOT_M))
    ]
    if any("heel" in layout.points[j] or "toe" in layout.points[j] for j, _ in feet):
        feet = [(j, h) for j, h in feet if "ankle" not in layout.points[j]]
    if not feet:
        return Ground(axis, float("nan"), lean, 0, False)
    standing, above = _standing(points, time, axis, feet)
    if len(standing) < 3:
        return Ground(axis, float("nan"), lean, len(standing), False)
    basis = np.linalg.svd(axis[None])[2][1:]
    middle = standing.mean(0)
    tilt, height = np.zeros(2), float(np.median((standing - middle) @ axis - above))
    normal = np.eye(3)
    for _ in range(15):
        up = axis + tilt @ basis
        up /= np.linalg.norm(up)
        off = (standing - middle) @ up - above - height
        weight = 1 / (1 + (off / _UNEVEN_M) ** 2) ** 2  # Geman-McClure: a stray point has no say
        # A foot stands for many frames in one place: no more than a few of them are independent.
        weight *= min(1.0, 60 / len(standing)) / _UNEVEN_M**2
        j = np.column_stack([(standing - middle) @ basis.T, -np.ones(len(standing))])
        normal = (j * weight[:, None]).T @ j + np.diag([1 / lean**2] * 2 + [0])
        right = (j * weight[:, None]).T @ off + np.r_[tilt / lean**2, 0]
        step = np.linalg.solve(normal, -right)
        tilt, height = tilt + step[:2], height + float(step[2])
    up = axis + tilt @ basis
    up /= np.linalg.norm(up)
    spread = float(np.sqrt(np.trace(np.linalg.inv(normal)[:2, :2])))
    return Ground(up, height + float(middle @ up), spread, len(standing), True)


def _body_axis(points: Points, layout: Layout) -> tuple[Float[np.ndarray, "3"], float] | None:
    """Mean direction from the ankles (or knees, hips) to the shoulders, and how far it may lean (rad).

    Who bends at the hips, or on one leg, leans: the angle between trunk and legs is what the axis may be off by.
    """

    def middle(joint: str) -> np.ndarray | None:
        sides = [f"{side}_{joint}" for side in ("left", "right")]
        if not all(name in layout.points for name in sides):
            return None
        return 0.5 * (points[:, layout.index(sides[0])] + points[:, layout.index(sides[1])])

    top = middle("shoulder")
    for lower in ("ankle", "knee", "hip"):
        bottom = middle(lower)
        if top is not None and bottom is not None:
            axis = top - bottom
            axis = axis[np.isfinite(axis).all(-1)]
            if len(axis) >= 5:
                unit = axis / np.linalg.norm(axis, axis=-1, keepdims=True)
                mean = np.median(unit, 0)
                return mean / np.linalg.norm(mean), float(np.hypot(_LEAN_RAD, _bend(top, middle("hip"), bottom)))
    return None


def _bend(top: Points | None, hips: Points | None, bottom: Points | None) -> float:
    """Median angle between trunk and legs, rad; 0 where they are not both seen."""
    if top is None or hips is None or bottom is None or hips is bottom:
        return 0.0
    trunk, legs = top - hips, hips - bottom
    size = np.linalg.norm(trunk, axis=-1) * np.linalg.norm(legs, axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        angle = np.arccos(np.clip((trunk * legs).sum(-1) / size, -1, 1))
    return float(np.nan_to_num(finite_median(angle)))


def _standing(
    points: Points, time: Float[np.ndarray, "frames"], axis: Float[np.ndarray, "3"], feet: Sequence[tuple[int, float]]
) -> tuple[Float[np.ndarray, "contacts 3"], Float[np.ndarray, "contacts"]]:
    """Foot points that are slow and low (or, were there none, the lowest), and how far above the floor such a point is."""
    # Over seven frames: the noise of a single step is as fast as a foot.
    speed_of_all = np.linalg.norm(slopes(points, time), axis=-1)
    places: list[np.ndarray] = []
    above: list[np.ndarray] = []
    for joint, height in feet:
        track, speed = points[:, joint], speed_of_all[:, joint]
        level = track @ axis
        known = np.isfinite(level)
        if known.sum() < 10:
            continue
        slow = known & (np.nan_to_num(speed, nan=np.inf) < _STILL_M_S)
        low = level < np.nanquantile(level, 0.05) + 0.10
        chosen = slow & low
        places.append(track[chosen])
        above.append(np.full(int(chosen.sum()), height))
    if sum(len(part) for part in places) < _FEW_CONTACTS:
        return _lowest(points, time, axis, feet)
    return np.concatenate(places), np.concatenate(above)


def _lowest(
    points: Points, time: Float[np.ndarray, "frames"], axis: Float[np.ndarray, "3"], feet: Sequence[tuple[int, float]]
) -> tuple[Float[np.ndarray, "contacts 3"], Float[np.ndarray, "contacts"]]:
    """The lowest foot point of every half second: somebody who never stands still touches the floor all the same."""
    joints = [joint for joint, _ in feet]
    level = points[:, joints] @ axis - np.array([height for _, height in feet])
    places: list[np.ndarray] = []
    above: list[float] = []
    half = np.floor((time - time[0]) / 0.5).astype(int)
    for part in np.unique(half).tolist():
        own = np.where((half == part)[:, None], level, np.nan)
        known = np.sort(own[np.isfinite(own)])
        if len(known) < 20:
            continue
        # Not the very lowest, which is the one with the largest error.
        frame, foot = np.argwhere(own == known[len(known) // 20])[0]
        places.append(points[frame, joints[foot]])
        above.append(feet[foot][1])
    return np.array(places).reshape(-1, 3), np.array(above)


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


def axes_for(up: Float[np.ndarray, "3"], floor: float, origin: Float[np.ndarray, "3"], front: Float[np.ndarray, "3"]) -> SE3:
    """new_from_old for axes with z up from the floor below ``origin``, and -y towards ``front``."""
    z = up / np.linalg.norm(up)
    y = origin - front
    y = y - (y @ z) * z
    if np.linalg.norm(y) < 1e-9:  # the front is straight above: any heading
        y = np.linalg.svd(z[None])[2][1]
    y /= np.linalg.norm(y)
    rotation = SO3(np.stack([np.cross(y, z), y, z]))
    ground = origin - (origin @ z - floor) * z
    return SE3(rotation, -(rotation @ ground))
