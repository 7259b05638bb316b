"""Feet on the floor: which points rest there when, and what that says about where they are.

A point of a foot is in contact while it is about as low as it ever rests and stands still. Over the whole of such a
stretch it has one place, which is found together with the poses: the mean of where they put it, at the height at
which that point rests. It is evidence like any other, and like any other it may be wrong: a point that is pulled away
from its place counts less (Geman and McClure).
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.ndimage import gaussian_filter1d

from recon3d.skeleton import Attachments

_FEET = ("heel", "toe", "foot_index", "ankle")
_SPEED = 0.25  # m/s; of a foot that stands, as the first, smooth answer has it
_SMOOTH_S = 0.035  # of the places that speeds are taken from
_HEIGHT = 0.035  # m, above where the point rests
_SHORTEST_S = 0.12
_HELD_M = 0.001  # sigma of a point round its place
_STRAY_CHI2 = 64.0  # eight sigmas off counts half in the slope of the cost
_REST_SHARE = 0.10  # of the lowest heights of a point


@dataclass(frozen=True, slots=True, eq=False)
class Contacts:
    """Points of feet that stand.

    Attributes:
        held: which points in which frames.
        place: where each stands, m; 0 where it does not.
        rest: height at which each point that may stand rests, m; infinite where it never does.
    """

    held: Bool[np.ndarray, "frames points"]
    place: Float[np.ndarray, "frames points 3"]
    rest: Float[np.ndarray, "feet"]

    def support(
        self, points: Float[np.ndarray, "frames points 3"]
    ) -> tuple[Float[np.ndarray, "frames points"], Float[np.ndarray, "frames points 3"], Float[np.ndarray, "frames"]]:
        """Information (the same in all directions, m^-2), force and cost at given places."""
        arm = np.where(self.held[..., None], points - self.place, 0.0)
        chi2 = (arm * arm).sum(-1) / _HELD_M**2
        weight = self.held * (_STRAY_CHI2 / (_STRAY_CHI2 + chi2)) ** 2 / _HELD_M**2
        cost = 0.5 * (chi2 * (_STRAY_CHI2 / (_STRAY_CHI2 + chi2))).sum(1)
        return weight, weight[..., None] * arm, cost


def foot_points(attachments: Attachments) -> Int[np.ndarray, "feet"]:
    """Those points of an armature that may stand on the floor: of the feet, or the ankles where there are none."""
    names = attachments.points
    feet = [k for k, name in enumerate(names) if any(part in name for part in _FEET[:3])]
    return np.array(feet or [k for k, name in enumerate(names) if _FEET[3] in name], dtype=np.int64)


def find_contacts(
    points: Float[np.ndarray, "frames points 3"],
    time: Float[np.ndarray, "frames"],
    feet: Int[np.ndarray, "feet"],
    rest: Float[np.ndarray, "feet"] | None,
) -> Contacts:
    """Contacts of points whose places are known smoothly.

    Args:
        points: m, z up.
        time: s.
        feet: which points may stand.
        rest: height at which each of them rests, m; None to find it here.
    """
    held, place = np.zeros(points.shape[:2], bool), np.zeros_like(points)
    if len(points) < 3 or not len(feet):
        return Contacts(held, place, np.full(len(feet), np.inf))
    own = points[:, feet]
    step = float(np.median(np.diff(time)))
    speed = np.linalg.norm(gaussian_filter1d(own, _SMOOTH_S / step, axis=0, order=1, mode="nearest"), axis=-1) / step
    slow = speed < _SPEED
    rest = resting_heights(own, slow) if rest is None else rest
    low = np.abs(own[..., 2] - rest) < _HEIGHT
    for k, rows in _runs(slow & low):
        if time[rows.stop - 1] - time[rows.start] >= _SHORTEST_S:
            held[rows, feet[k]] = True
            place[rows, feet[k]] = np.median(own[rows, k], axis=0)
            place[rows, feet[k], 2] = rest[k]
    return Contacts(held, place, rest)


def resting_heights(own: Float[np.ndarray, "frames feet 3"], slow: Bool[np.ndarray, "frames feet"]) -> Float[np.ndarray, "feet"]:
    """How high each point is when it rests: low, of the times at which it stands still; above everything else where it never does."""
    out = np.full(own.shape[1], np.inf)
    for k in range(own.shape[1]):
        heights = own[slow[:, k], k, 2]
        if len(heights):
            lowest = np.quantile(heights, _REST_SHARE)
            out[k] = np.median(heights[heights < lowest + _HEIGHT])
    return out


def _runs(flags: Bool[np.ndarray, "frames feet"]) -> list[tuple[int, slice]]:
    """Each stretch of frames in which a foot's flag is set, with which it is."""
    edge = np.zeros((flags.shape[1], len(flags) + 1), bool)
    edge[:, 1:-1] = (flags[1:] != flags[:-1]).T
    edge[:, 0], edge[:, -1] = flags[0], flags[-1]
    foot, row = np.nonzero(edge)
    return [(k, slice(a, b)) for k, a, b in zip(foot[::2].tolist(), row[::2].tolist(), row[1::2].tolist(), strict=True)]
