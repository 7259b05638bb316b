"""Who the subject is: in every frame the person that most views agree on.

A hypothesis is one person of one view and one of another. Their limbs are triangulated, and every other
view votes with the person whose limbs lie nearest to the projection, if they lie near. The hypothesis
with the most votes wins; equal ones are decided by closeness to where the subject was before.
"""

import itertools
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int

from recon3d.arrays import windows
from recon3d.geometry import CameraRig
from recon3d.geometry.sightings import Poses, predict
from recon3d.geometry.triangulation import triangulate_linear
from recon3d.multiview.people.evidence import telling_points
from recon3d.multiview.sync import Views
from recon3d.skeleton import LIMBS

_NEAR = 0.08  # of the person's extent in the image: more is another person, or no person
_MIN_JOINTS = 3
_APART_M = 0.5  # two persons' middles are further apart than this
_BLOCK = 2_000_000  # distances worked on at once


@dataclass(slots=True)
class SubjectTracker:
    """Chooses the subject's slot in every view and frame, window by window; remembers where the subject was."""

    rig: CameraRig
    min_confidence: float
    place: Float[np.ndarray, "3"] | None = None
    poses: Poses = field(init=False)

    def __post_init__(self) -> None:
        self.poses = Poses.of_rig(self.rig)

    def choose(self, views: Views) -> Int[np.ndarray, "views frames"]:
        """Slot of the subject, -1 in a view that does not show it."""
        people = np.logical_or.reduce(np.isfinite(views.xy[..., 0]), axis=-1)
        if people.sum(2).max(initial=0) <= 1 and views.xy.shape[2] == 1:
            return np.where(people[:, :, 0], 0, -1)
        out = np.full(people.shape[:2], -1, dtype=np.int64)
        load = len(self.rig) * views.xy.shape[2] ** 3 * len(LIMBS)
        for part in windows(len(views), max(1, _BLOCK // load)):
            out[:, part] = self._choose_block(views, part)
        return out

    def _choose_block(self, views: Views, part: slice) -> Int[np.ndarray, "views frames"]:
        limbs = telling_points(views.layout)
        xy = views.xy[:, part][:, :, :, limbs].astype(float)
        xy[views.confidence[:, part][:, :, :, limbs] < self.min_confidence] = np.nan
        with np.errstate(invalid="ignore"):
            extent = np.linalg.norm(np.fmax.reduce(xy, 3) - np.fmin.reduce(xy, 3), axis=-1)
        rays = np.stack([c.intrinsics.undistort(xy[v])[0] for v, c in enumerate(self.rig)])
        focal = np.array([0.5 * (c.intrinsics.K[0, 0] + c.intrinsics.K[1, 1]) for c in self.rig])
        scale = focal[:, None, None] / np.maximum(np.nan_to_num(extent), 1.0)
        candidates = [_vote(self.poses, rays, scale, i, j) for i, j in itertools.combinations(range(len(xy)), 2)]
        slots = np.concatenate([c.slots for c in candidates])
        votes = np.concatenate([c.votes for c in candidates])
        place = np.concatenate([c.place for c in candidates])
        return self._best(slots, votes, place)

    def _best(
        self,
        slots: Int[np.ndarray, "hypotheses frames views"],
        votes: Float[np.ndarray, "hypotheses frames"],
        place: Float[np.ndarray, "hypotheses frames 3"],
    ) -> Int[np.ndarray, "views frames"]:
        """Per frame the hypothesis of most votes; among as many whole votes, the one nearest to the frame before."""
        if not len(votes):
            return np.full((slots.shape[2], slots.shape[1]), -1)
        best = votes.argmax(0)
        column = np.arange(len(best))
        top = votes[best, column]
        equal = (np.floor(votes) == np.floor(top)) & (votes > 0)
        apart = np.linalg.norm(place - place[best, column], axis=-1) > _APART_M
        contested = (equal & apart).any(0)
        for frame in np.flatnonzero(top > 0) if contested.any() or self.place is None else ():
            if contested[frame] and self.place is not None:
                rows = np.flatnonzero(equal[:, frame])
                distance = np.linalg.norm(place[rows, frame] - self.place, axis=-1)
                near = rows[distance <= distance.min() + _APART_M / 2]
                best[frame] = near[votes[near, frame].argmax()]
            self.place = place[best[frame], frame]
        if (top > 0).any():
            last = int(np.flatnonzero(top > 0)[-1])
            self.place = place[best[last], last]
        chosen = slots[best, column]
        return np.where(top[:, None] > 0, chosen, -1).T


def subject_only(
    views: Views, tracker: SubjectTracker, min_confidence: float
) -> tuple[Float[np.ndarray, "views frames joints 2"], Float[np.ndarray, "views frames joints"]]:
    """The subject's pixels (NaN where absent or below the confidence) and their sigma."""
    slot = tracker.choose(views)
    pick = np.maximum(slot, 0)[:, :, None, None]
    xy = np.take_along_axis(views.xy, pick[..., None], 2)[:, :, 0].astype(float)
    confidence = np.take_along_axis(views.confidence, pick, 2)[:, :, 0]
    sigma = np.take_along_axis(views.sigma_px, pick, 2)[:, :, 0].astype(float)
    absent = (slot < 0)[:, :, None] | (confidence < min_confidence) | ~np.isfinite(xy).all(-1)
    xy[absent] = np.nan
    return xy, np.where(absent, 1.0, sigma)


@dataclass(frozen=True, slots=True)
class _Candidates:
    """Hypotheses from one pair of views: slots (-1: no vote), votes, and where the person is (m)."""

    slots: Int[np.ndarray, "hypotheses frames views"]
    votes: Float[np.ndarray, "hypotheses frames"]
    place: Float[np.ndarray, "hypotheses frames 3"]


def _vote(
    poses: Poses,
    rays: Float[np.ndarray, "views frames slots joints 2"],
    scale: Float[np.ndarray, "views frames slots"],
    i: int,
    j: int,
) -> _Candidates:
    """Every person of view i with every person of view j, and what all views say to it."""
    views, frames, _, joints = rays.shape[:4]
    shown = np.isfinite(rays[..., 0]).sum(-1) >= _MIN_JOINTS
    used = [np.flatnonzero(shown[v].any(0)) for v in (i, j)]  # slots that ever hold somebody
    a, b = np.repeat(used[0], len(used[1])), np.tile(used[1], len(used[0]))
    combos = len(a)
    pair = np.stack([rays[i][:, a], rays[j][:, b]]).reshape(2, -1, 2)
    points = triangulate_linear(poses.matrix[[i, j]], pair[..., 0], pair[..., 1], np.ones(pair.shape[:2]))
    points[:, ~np.isfinite(pair[..., 0]).all(0)] = np.nan
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        u, v, inverse_depth = predict(poses, points)
        u[inverse_depth <= 0] = np.nan
        shape = (views, frames, combos, 1, joints)
        off = (rays[:, :, None, ..., 0] - u.reshape(shape)) ** 2  # views frames combos slots joints
        off += (rays[:, :, None, ..., 1] - v.reshape(shape)) ** 2
        share = np.sqrt(_median(off, _MIN_JOINTS)) * scale[:, :, None]
    nearest_slot = share.argmin(-1)
    nearest = share.min(-1)
    at = np.arange(combos)
    for view, own in ((i, a), (j, b)):
        nearest_slot[view], nearest[view] = own, share[view][:, at, own]
    agrees = nearest < _NEAR
    # Whole votes first; among equal numbers the closer ones.
    closeness = 1 + 0.5 * (1 - np.where(agrees, nearest, 0.0) / _NEAR) / views
    votes = np.where(agrees, closeness, 0.0).sum(0) * (agrees[i] & agrees[j])
    place = points.reshape(3, frames, combos, joints)
    middle = np.nan_to_num(np.stack([_median(axis, 1) for axis in place], -1), posinf=np.nan)
    return _Candidates(np.where(agrees, nearest_slot, -1).transpose(2, 1, 0), votes.T, middle.transpose(1, 0, 2))


def _median(values: Float[np.ndarray, "*batch joints"], least: int) -> Float[np.ndarray, "*batch"]:
    """Median over the joints that are there; infinite where fewer than ``least`` are."""
    ordered = np.sort(values, axis=-1)  # NaN last
    count = np.isfinite(values).sum(-1)
    middle = np.take_along_axis(ordered, np.maximum((count - 1) // 2, 0)[..., None], -1)[..., 0]
    return np.where(count >= least, middle, np.inf)
