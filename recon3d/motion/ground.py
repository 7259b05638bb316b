"""Up and the floor from people: from feet that stand, and from the bodies above them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from recon3d.arrays import finite_median, slopes
from recon3d.geometry import SE3, SO3
from recon3d.skeleton import Layout

Points = Float[np.ndarray, "frames joints 3"]

UP_RAD = np.deg2rad(6)
"""An up that is less certain is none."""
_FOOT_M = {"ankle": 0.085, "heel": 0.03, "big_toe": 0.02, "small_toe": 0.02, "foot_index": 0.02}  # of a point above the floor it stands on
_STILL_M_S = 0.25  # a foot slower than this, and low, stands
_LEAN_RAD = np.deg2rad(4)  # of the average body axis from the vertical
_UNEVEN_M = 0.02
_FEW_CONTACTS = 10


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
    if any("ankle" not in layout.points[j] for j, _ in feet):
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
