"""One person's motion: joint rotations on an armature of constant bone lengths."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from recon3d.arrays import freeze_fields, whole_rows
from recon3d.errors import ShapeError
from recon3d.geometry import SE3, SO3
from recon3d.skeleton import Armature


@dataclass(frozen=True, slots=True, eq=False)
class Motion:
    """Rotations of an armature's joints through time; world in metres, z up.

    Attributes:
        person: id.
        armature: with this person's lengths.
        frame: numbers of the reference camera's frames.
        time: s, on the rig's common axis.
        translation: of the root in the world, m; NaN in frames where the person was not there.
        rotation: unit quaternions wxyz, parent_from_joint (the root's: world_from_root); NaN likewise.
        covariance: of each joint's place in the world, m^2; NaN likewise.
        state: `State` of each joint's rotation.
        misfit: root mean square residual of the sound detections of the points that ride on a joint, in their sigmas; NaN
            where there are none.
        contact: joints that rest on the floor by a point that rides on them.
    """

    person: int
    armature: Armature
    frame: Int[np.ndarray, "frames"]
    time: Float[np.ndarray, "frames"]
    translation: Float[np.ndarray, "frames 3"]
    rotation: Float[np.ndarray, "frames joints 4"]
    covariance: Float[np.ndarray, "frames joints 3 3"]
    state: UInt8[np.ndarray, "frames joints"]
    misfit: Float[np.ndarray, "frames joints"]
    contact: Bool[np.ndarray, "frames joints"]

    def __post_init__(self) -> None:
        freeze_fields(self)
        if self.rotation.shape[1] != len(self.armature.joints):
            raise ShapeError(
                f"Motion.rotation has {self.rotation.shape[1]} joints, armature {self.armature.skeleton.name} {len(self.armature.joints)}"
            )

    def __len__(self) -> int:
        return len(self.frame)

    def poses(self) -> SE3:
        """World poses of all joints, ``(frames, joints)``."""
        root = SE3(SO3.identity(len(self)), self.translation)
        return self.armature.forward(root, SO3.from_wxyz(self.rotation).matrix)

    def present(self) -> np.ndarray:
        """Frames in which the person was there."""
        return whole_rows(self.translation)


def concatenate(parts: Sequence[Motion]) -> Motion:
    """Windows of one person on one armature, one after the other."""
    names = ("frame", "time", "translation", "rotation", "covariance", "state", "misfit", "contact")
    return replace(parts[0], **{name: np.concatenate([getattr(p, name) for p in parts]) for name in names})
