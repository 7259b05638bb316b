"""What is plausible of a person's pose, frame by frame: joints about the pelvis, from what a network has learned of people.

It is no observation. Where cameras see a joint they outweigh it by far; where one camera leaves the depth open, or none sees a
limb, it decides, as far as its covariance lets it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from recon3d.arrays import finite_median, freeze_fields
from recon3d.errors import ShapeError
from recon3d.geometry import SE3
from recon3d.geometry.time_banded import TimeSystem
from recon3d.motion.pose import Freedoms
from recon3d.skeleton import Armature, Attachments, other_side

_ALIKE_S = 0.05  # for which a network's error is about the same one: frames in between tell nothing new
_ODDEST = 1.5  # times as long as usual: longer bones are mistakes
_STRAY_CHI2 = 16.0  # four sigmas off counts half in the slope of the cost


@dataclass(frozen=True, slots=True, eq=False)
class PosePrior:
    """Of a window.

    Attributes:
        joints: names of an armature's joints.
        place: of each about the root, in the world's axes, m of a body of the size ``size_m``; NaN where nothing is known.
        covariance: m^2, likewise.
        size_m: thigh, shank and trunk of the body that places are of.
    """

    joints: tuple[str, ...]
    place: Float[np.ndarray, "frames joints 3"]
    covariance: Float[np.ndarray, "frames joints 3 3"]
    size_m: float

    def __post_init__(self) -> None:
        freeze_fields(self)
        if self.place.shape[1] != len(self.joints):
            raise ShapeError(f"PosePrior.place is of {self.place.shape[1]} joints, not of {len(self.joints)}")

    def take(self, rows: np.ndarray | slice) -> "PosePrior":
        """Some of the frames."""
        return replace(self, place=self.place[rows].copy(), covariance=self.covariance[rows].copy())

    def proportioned(self, armature: Armature) -> Armature:
        """An armature of the same size with this person's proportions: the median length of each bone, left as right.

        A joint that is uncertain is put nearer to its parent than it is; by how much, the covariances tell.
        """
        names, parents = armature.joints, armature.skeleton.parents.tolist()
        place = {name: self.place[:, k] for k, name in enumerate(self.joints)}
        doubt = {name: np.trace(self.covariance[:, k], axis1=-2, axis2=-1) for k, name in enumerate(self.joints)}
        place[names[0]], doubt[names[0]] = np.zeros((len(self.place), 3)), np.zeros(len(self.place))
        length = np.linalg.norm(armature.rest_offset, axis=-1)
        ratio: dict[str, float] = {}
        for j, name in enumerate(names):
            above = names[parents[j]] if parents[j] >= 0 else ""
            if name not in place or above not in place or not length[j]:
                continue
            square = np.square(place[name] - place[above]).sum(-1) + np.maximum(doubt[name] - doubt[above], 0.0)
            found = finite_median(np.sqrt(square)) * body_size(armature) / self.size_m / length[j]
            if np.isfinite(found):
                ratio[name] = float(np.clip(found, 1 / _ODDEST, _ODDEST))
        factor = np.ones(len(names))
        for j, name in enumerate(names):
            both = [ratio[one] for one in (name, other_side(name)) if one in ratio]
            if both:
                factor[j] = float(np.sqrt(both[0] * both[-1]))
        own = armature.with_sizes(armature.rest_offset * factor[:, None], armature.attachments.offset)
        scale = body_size(armature) / body_size(own)
        return own.with_sizes(own.rest_offset * scale, own.attachments.offset)

    def on(self, armature: Armature, time: Float[np.ndarray, "frames"]) -> "Plausible":
        """For one armature, as large as that is."""
        shared = [name for name in self.joints if name in armature.joints]
        columns = [self.joints.index(name) for name in shared]
        own = np.array([armature.joints.index(name) for name in shared], dtype=np.int64)
        scale = body_size(armature) / self.size_m
        known: np.ndarray = np.logical_and.reduce(np.isfinite(self.place[:, columns]), axis=-1)
        step = np.gradient(time) if len(time) > 1 else np.full(1, _ALIKE_S)
        share = np.minimum(step / _ALIKE_S, 1.0)[:, None, None, None]
        covariance = np.where(known[..., None, None], self.covariance[:, columns], np.eye(3)) * scale**2
        information = np.linalg.inv(covariance) * share * known[..., None, None]
        place = np.where(known[..., None], scale * self.place[:, columns], 0.0)
        rides = Attachments(tuple(shared), own, np.zeros((len(own), 3)), np.zeros(len(own)))
        return Plausible(rides, place, information)


@dataclass(frozen=True, slots=True, eq=False)
class Plausible:
    """A prior of poses, for one armature.

    Attributes:
        attachments: the joints.
        place: about the root, m.
        information: m^-2; 0 where nothing is known.
    """

    attachments: Attachments
    place: Float[np.ndarray, "frames joints 3"]
    information: Float[np.ndarray, "frames joints 3 3"]

    def take(self, rows: slice) -> "Plausible":
        """Some of the frames."""
        return replace(self, place=self.place[rows], information=self.information[rows])

    def add(
        self, system: TimeSystem, freedoms: Freedoms, body: Armature, poses: SE3, screws: Float[np.ndarray, "frames k 6"]
    ) -> Float[np.ndarray, "frames"]:
        """Add to normal equations; the cost, frame by frame. What is far from plausible may well be true, and counts less."""
        riding = replace(body, attachments=self.attachments)
        joints = riding.keypoints(poses)
        arm = joints - poses.translation[:, :1] - self.place
        pushed = (self.information @ arm[..., None])[..., 0]
        chi2 = (arm * pushed).sum(-1)
        share = _STRAY_CHI2 / (_STRAY_CHI2 + chi2)
        weight = share**2
        block, gradient = riding.normal_equations(
            screws, freedoms.joint, poses, joints, self.information * weight[..., None, None], pushed * weight[..., None]
        )
        # The root's place moves all of the body: joints about it stay.
        system.block[:, 3:, 3:] += block[:, 3:, 3:]
        system.gradient[:, 3:] += gradient[:, 3:]
        return 0.5 * (chi2 * share).sum(1)


def body_size(armature: Armature) -> float:
    """Thigh, shank and trunk (from the neck down its bones to the root), m: what bodies are compared by."""
    length = np.linalg.norm(armature.rest_offset, axis=-1)
    legs = [length[armature.index(f"{side}_{part}")] for side in ("left", "right") for part in ("knee", "ankle")]
    total, j = 0.5 * float(np.sum(legs)), armature.index("neck")
    while armature.skeleton.parents[j] >= 0:
        total += float(length[j])
        j = int(armature.skeleton.parents[j])
    return total


def in_order(parts: Sequence[PosePrior | None], frames: Sequence[int]) -> PosePrior | None:
    """Of several windows of so many frames, one after the other; in those that have none nothing is known."""
    some = next((part for part in parts if part is not None), None)
    if some is None:
        return None
    count = len(some.joints)
    place = [np.full((n, count, 3), np.nan) if part is None else part.place for part, n in zip(parts, frames, strict=True)]
    covariance = [np.full((n, count, 3, 3), np.nan) if part is None else part.covariance for part, n in zip(parts, frames, strict=True)]
    return replace(some, place=np.concatenate(place), covariance=np.concatenate(covariance))
