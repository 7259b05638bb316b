"""Armatures: articulated skeletons with rest offsets, degrees of freedom and attached keypoints.

At rest all joint frames are parallel to the world's: x to the subject's left, y backward, z up, arms
spread sideways (T-pose). ``rotation`` of a joint is parent_from_joint; increments are rotation vectors
in the joint's own frame, on the right. A joint with fewer than three degrees of freedom turns about
some of its own axes only.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from recon3d.arrays import freeze_fields
from recon3d.errors import LayoutError, all_faults
from recon3d.geometry.lie import SE3, SO3


@dataclass(frozen=True, slots=True, eq=False)
class Skeleton:
    """What hangs on what.

    Attributes:
        name: of the kind of body.
        joints: names, unique.
        parents: index of each joint's parent, which comes before it; -1 for the one root.
        mirror: index of each joint's mirror image.
    """

    name: str
    joints: tuple[str, ...]
    parents: Int[np.ndarray, "joints"]
    mirror: Int[np.ndarray, "joints"]

    def __post_init__(self) -> None:
        freeze_fields(self)
        faults = [f"{self.joints[j]}: its parent must come before it" for j, parent in enumerate(self.parents.tolist()) if parent >= j]
        if self.parents[0] != -1 or (self.parents[1:] < 0).any():
            faults.append("the first joint, and no other, is the root (parent -1)")
        if len(set(self.joints)) != len(self.joints):
            faults.append("joint names must be unique")
        if faults:
            raise LayoutError(all_faults(faults, f"skeleton {self.name} cannot be used:"))

    def descends(self) -> Bool[np.ndarray, "joints joints"]:
        """[j, a]: joint j is a, or hangs on it."""
        out = np.eye(len(self.joints), dtype=bool)
        for j, parent in enumerate(self.parents.tolist()):
            if parent >= 0:
                out[j] |= out[parent]
        return out


@dataclass(frozen=True, slots=True, eq=False)
class Attachments:
    """Keypoints that ride on joints: ``keypoint = joint position + joint rotation @ offset`` (m)."""

    points: tuple[str, ...]
    joint: Int[np.ndarray, "points"]
    offset: Float[np.ndarray, "points 3"]

    def __post_init__(self) -> None:
        freeze_fields(self)

    def select(self, points: tuple[str, ...]) -> "Attachments":
        """Those of these keypoints that are attached, in the given order."""
        rows = [self.points.index(p) for p in points if p in self.points]
        return Attachments(tuple(self.points[r] for r in rows), self.joint[rows], self.offset[rows])


@dataclass(frozen=True, slots=True, eq=False)
class Armature:
    """A skeleton with sizes and ways to move.

    Attributes:
        skeleton: names and parents.
        rest_offset: from the parent to the joint at rest, m; the root's is zero.
        free: which of its own axes a solver's steps may turn a joint about. One axis keeps a joint a hinge; two
            hold only to first order.
        looseness: standard deviation of each joint's turn from rest in plausible poses, rad; it decides
            only what no keypoint does.
        limit: lowest and highest turn about a free axis, rad, for joints with one free axis.
        attachments: keypoints on it.
    """

    skeleton: Skeleton
    rest_offset: Float[np.ndarray, "joints 3"]
    free: Bool[np.ndarray, "joints 3"]
    looseness: Float[np.ndarray, "joints"]
    limit: Float[np.ndarray, "joints 2"]
    attachments: Attachments

    def __post_init__(self) -> None:
        freeze_fields(self)

    @property
    def joints(self) -> tuple[str, ...]:
        """Names."""
        return self.skeleton.joints

    def index(self, joint: str) -> int:
        """Position of a joint by name."""
        if joint not in self.joints:
            raise LayoutError(f"armature {self.skeleton.name} has no joint {joint!r}; it has {', '.join(self.joints)}")
        return self.joints.index(joint)

    def with_sizes(self, rest_offset: Float[np.ndarray, "joints 3"], attachment_offset: Float[np.ndarray, "points 3"]) -> "Armature":
        """The same body with other lengths."""
        return replace(self, rest_offset=rest_offset, attachments=replace(self.attachments, offset=attachment_offset))

    def rest_positions(self) -> Float[np.ndarray, "joints 3"]:
        """Joint positions at rest, from the root, m."""
        out = np.zeros_like(self.rest_offset)
        for j, parent in enumerate(self.skeleton.parents.tolist()):
            out[j] = self.rest_offset[j] + (out[parent] if parent >= 0 else 0.0)
        return out

    def forward(self, root: SE3, rotation: Float[np.ndarray, "*batch joints 3 3"]) -> SE3:
        """World poses of all joints, ``(*batch, joints)``.

        Args:
            root: world_from_root without the root joint's own rotation.
            rotation: parent_from_joint of every joint, the root's included.
        """
        parents = self.skeleton.parents.tolist()
        turn, place = np.empty_like(rotation), np.empty(rotation.shape[:-1])
        base = root.rotation.matrix
        for j, parent in enumerate(parents):
            if parent < 0:
                turn[..., j, :, :] = base @ rotation[..., j, :, :]
                place[..., j, :] = root.translation
            else:
                np.matmul(turn[..., parent, :, :], rotation[..., j, :, :], out=turn[..., j, :, :])
                place[..., j, :] = place[..., parent, :] + turn[..., parent, :, :] @ self.rest_offset[j]
        return SE3(SO3(turn), place)

    def keypoints(self, poses: SE3) -> Float[np.ndarray, "*batch points 3"]:
        """World positions of the attached keypoints, m."""
        at = self.attachments
        turned = poses.rotation.matrix[..., at.joint, :, :] @ at.offset[:, :, None]
        return poses.translation[..., at.joint, :] + turned[..., 0]

    def columns(self) -> tuple[Int[np.ndarray, "dof"], Int[np.ndarray, "dof"]]:
        """Joint and axis of each rotational degree of freedom, joint by joint."""
        joint, axis = np.nonzero(self.free)
        return joint, axis

    def keypoint_jacobian(self, poses: SE3, points: Float[np.ndarray, "*batch points 3"]) -> Float[np.ndarray, "*batch points 3 dof"]:
        """d keypoint / d (root translation in the world, then each rotational degree of freedom).

        A turn about a joint's axis e moves a point p beyond it by e x (p - joint).
        """
        joint, axis = self.columns()
        axes = poses.rotation.matrix[..., joint, :, axis]  # NumPy puts the paired axis first
        axes = np.moveaxis(axes, 0, -2)
        arm = points[..., :, None, :] - poses.translation[..., None, joint, :]
        beyond = self.skeleton.descends()[self.attachments.joint][:, joint]
        out = np.zeros((*points.shape, 3 + len(joint)))
        out[..., :3] = np.eye(3)
        e = axes[..., None, :, :]
        for k in range(3):  # the cross product by components
            i, j = (k + 1) % 3, (k + 2) % 3
            out[..., k, 3:] = (e[..., i] * arm[..., j] - e[..., j] * arm[..., i]) * beyond
        return out

    def normal_equations(
        self,
        poses: SE3,
        points: Float[np.ndarray, "frames points 3"],
        weight: Float[np.ndarray, "frames points 3 3"],
        force: Float[np.ndarray, "frames points 3"],
    ) -> tuple[Float[np.ndarray, "frames dof dof"], Float[np.ndarray, "frames dof"]]:
        """J'WJ (W symmetric) and J'f of `keypoint_jacobian`, without forming J.

        A point's velocity is linear in the six numbers (angular, linear) of the motion of whatever carries
        it; the 6x6 information of all points beyond a joint is summed first, as the composite rigid body
        algorithm does with inertias (Featherstone 2008, section 6.2).
        """
        joint, axis = self.columns()
        frames, count = points.shape[:2]
        # A point p moves by v + w x p = [-[p]x, 1] (w, v): W [p]x and its like are cross products of rows.
        arm = points[..., None, :]
        turned = np.cross(arm, weight)
        inertia = np.empty((frames, count, 6, 6))
        inertia[..., :3, :3] = np.swapaxes(np.cross(arm, np.swapaxes(turned, -1, -2)), -1, -2)
        inertia[..., 3:, :3], inertia[..., :3, 3:] = turned, np.swapaxes(turned, -1, -2)
        inertia[..., 3:, 3:] = weight
        wrench = np.concatenate([np.cross(points, force), force], -1)
        beyond = self.skeleton.descends()[self.attachments.joint].T.astype(float)
        inertia = (beyond @ inertia.reshape(frames, count, 36)).reshape(frames, -1, 6, 6)
        wrench = beyond @ wrench
        carrier = np.concatenate([np.zeros(3, np.int64), joint])
        screw = np.zeros((frames, len(carrier), 6))
        screw[:, :3, 3:] = np.eye(3)
        screw[:, 3:, :3] = np.moveaxis(poses.rotation.matrix[:, joint, :, axis], 0, 1)
        screw[:, 3:, 3:] = np.cross(poses.translation[:, joint], screw[:, 3:, :3])
        pushed = (inertia[:, carrier] @ screw[..., None])[..., 0]
        above = self.skeleton.descends()[carrier][:, carrier]  # [d, e]: e's joint carries d's
        product = pushed @ np.swapaxes(screw, 1, 2)
        h = np.where(above, product, np.where(above.T, np.swapaxes(product, 1, 2), 0.0))
        return h, (screw * wrench[:, carrier]).sum(-1)
