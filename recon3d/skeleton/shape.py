"""What may differ between the bodies of one armature: sizes that are linear in a few numbers.

``rest_offset + joint_basis @ shape`` and ``attachment offset + point_basis @ shape``, with a normal prior on each
number. A body model's own shape fits in as well as bone lengths do.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from recon3d.arrays import freeze_fields
from recon3d.geometry.lie import SE3
from recon3d.skeleton.armature import Armature
from recon3d.skeleton.layout import other_side

_STATURE = 0.25  # standard deviation of a body's size, as a share
_SIDES = 0.01  # by which a bone and its mirror image differ from their mean
_BONE = 0.07  # of a bone's length beside it: segment lengths over statures vary by 3 to 6 percent


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """Ways in which bodies differ.

    Attributes:
        names: of them.
        joint_basis: change of each rest offset, m.
        point_basis: change of each attachment's offset, m.
        sigma: standard deviation of each, round zero.
        part_basis: change of the offset of each part of points on skin (`Blend`), m.
    """

    names: tuple[str, ...]
    joint_basis: Float[np.ndarray, "joints 3 shapes"]
    point_basis: Float[np.ndarray, "points 3 shapes"]
    sigma: Float[np.ndarray, "shapes"]
    part_basis: Float[np.ndarray, "parts 3 shapes"] | None = None

    def __post_init__(self) -> None:
        freeze_fields(self)

    def apply(self, armature: Armature, shape: Float[np.ndarray, "shapes"]) -> Armature:
        """The armature that a shape makes of this one."""
        at, rest = armature.attachments, armature.rest_offset + self.joint_basis @ shape
        offset = at.offset + self.point_basis @ shape
        if at.blend is None or self.part_basis is None:
            return armature.with_sizes(rest, offset)
        blend = replace(at.blend, offset=at.blend.offset + self.part_basis @ shape)
        return replace(armature, rest_offset=rest, attachments=replace(at, offset=offset, blend=blend))

    def slopes(self, armature: Armature, poses: SE3) -> Float[np.ndarray, "frames points 3 shapes"]:
        """d keypoint / d shape; of an armature whose poses in the world these are."""
        turn = poses.rotation.matrix
        moved = np.zeros((*turn.shape[:-1], len(self.names)))
        for joint, parent in armature.skeleton.levels():
            moved[:, joint] = moved[:, parent] + turn[:, parent] @ self.joint_basis[joint]
        at = armature.attachments
        if at.blend is not None and self.part_basis is not None:
            own = at.blend.share[:, None, None] * moved[:, at.blend.joint] + turn[:, at.blend.joint] @ self.part_basis
            return at.blend.summed(own.reshape(*own.shape[:2], -1)).reshape(len(turn), at.blend.count, 3, -1)
        return moved[:, at.joint] + turn[:, at.joint] @ self.point_basis

    def used(self, points: Sequence[int]) -> "Shape":
        """For some of the points; ways that move neither joints nor these are as unknown after as before, and left out."""
        basis = self.point_basis[list(points)]
        kept = np.flatnonzero(self.joint_basis.any((0, 1)) | basis.any((0, 1)))
        names = tuple(self.names[k] for k in kept)
        return Shape(names, self.joint_basis[..., kept].copy(), basis[..., kept].copy(), self.sigma[kept].copy())


def anthropometric(armature: Armature) -> Shape:
    """Stature, bones along their own direction, left nearly as right; points that ride off their joints, left as right."""
    names, joints, points, sigma = ["stature"], [armature.rest_offset], [armature.attachments.offset], [_STATURE]
    mirror = armature.skeleton.mirror.tolist()
    for j, name in enumerate(armature.joints):
        if armature.rest_offset[j].any() and j <= mirror[j]:
            column = np.zeros_like(armature.rest_offset)
            for each in {j, mirror[j]}:
                column[each] = armature.rest_offset[each]
            names.append(name.removeprefix("left_"))
            joints.append(column)
            points.append(np.zeros_like(armature.attachments.offset))
            sigma.append(_BONE)
            if j != mirror[j]:
                names.append(f"{names[-1]}.side")
                joints.append(column * np.where(np.arange(len(mirror)) == j, 1.0, -1.0)[:, None])
                points.append(np.zeros_like(armature.attachments.offset))
                sigma.append(_SIDES)
    at = armature.attachments
    for p, name in enumerate(at.points):
        other = at.points.index(other_side(name)) if other_side(name) in at.points else p
        if at.loose[p] and p <= other:
            for k in range(3):
                if other == p and k == 0 and not at.offset[p, 0]:
                    continue  # in the middle of the body
                column = np.zeros_like(at.offset)
                column[other, k] = -1.0 if k == 0 else 1.0
                column[p, k] = 1.0
                names.append(f"{name.removeprefix('left_')}.{'xyz'[k]}")
                joints.append(np.zeros_like(armature.rest_offset))
                points.append(column)
                sigma.append(float(at.loose[p]))
    return Shape(tuple(names), np.stack(joints, -1), np.stack(points, -1), np.array(sigma))
