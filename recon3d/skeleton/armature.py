"""Armatures: articulated skeletons with rest offsets, degrees of freedom and attached keypoints.

At rest all joint frames are parallel to the world's: x to the subject's left, y backward, z up, arms
spread sideways (T-pose). ``rotation`` of a joint is parent_from_joint; increments are rotation vectors
in the joint's own frame, on the right. A joint with fewer than three degrees of freedom turns about
some of its own axes only.
"""

import functools
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Int

from recon3d.arrays import freeze_fields
from recon3d.errors import LayoutError, ShapeError, all_faults
from recon3d.geometry.lie import SE3, SO3
from recon3d.skeleton.blend import Blend

_LEAST_SHARE = 0.02  # of a point on skin: a joint that carries less does not move it
_FRAMES = 32  # whose Jacobians fit into a processor's cache
Plane: TypeAlias = Float[np.ndarray, "frames points"]


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
        return _descends(self)

    def levels(self) -> list[tuple[Int[np.ndarray, "some"], Int[np.ndarray, "some"]]]:
        """Joints with their parents, one step further from the root each time, the root left out."""
        return _levels(self)


@functools.lru_cache(maxsize=64)
def _descends(skeleton: Skeleton) -> Bool[np.ndarray, "joints joints"]:
    out = np.eye(len(skeleton.joints), dtype=bool)
    for j, parent in enumerate(skeleton.parents.tolist()):
        if parent >= 0:
            out[j] |= out[parent]
    out.flags.writeable = False
    return out


@functools.lru_cache(maxsize=64)
def _levels(skeleton: Skeleton) -> list[tuple[Int[np.ndarray, "some"], Int[np.ndarray, "some"]]]:
    depth = _descends(skeleton).sum(1)
    rows = [np.flatnonzero(depth == d) for d in range(2, int(depth.max()) + 1)]
    return [(joint, skeleton.parents[joint]) for joint in rows]


@dataclass(frozen=True, slots=True, eq=False)
class Attachments:
    """Keypoints that ride on joints: ``keypoint = joint position + joint rotation @ offset`` (m).

    Attributes:
        points: names.
        joint: that each rides on.
        offset: in the joint's frame, m.
        loose: how far (one sigma) its place on somebody's body may lie from that, m; 0 for points that define their joint.
        blend: where they truly are, of points on skin that several joints carry; ``joint`` and ``offset`` are then what they
            come nearest to.
    """

    points: tuple[str, ...]
    joint: Int[np.ndarray, "points"]
    offset: Float[np.ndarray, "points 3"]
    loose: Float[np.ndarray, "points"]
    blend: Blend | None = None

    def __post_init__(self) -> None:
        freeze_fields(self)

    def select(self, points: tuple[str, ...]) -> "Attachments":
        """Those of these keypoints that are attached, in the given order."""
        rows = [self.points.index(p) for p in points if p in self.points]
        blend = None if self.blend is None else self.blend.select(np.array(rows, np.int64))
        return Attachments(tuple(self.points[r] for r in rows), self.joint[rows], self.offset[rows], self.loose[rows], blend)


@dataclass(frozen=True, slots=True, eq=False)
class Armature:
    """A skeleton with sizes and ways to move.

    Attributes:
        skeleton: names and parents.
        rest_offset: from the parent to the joint at rest, m; the root's is zero.
        free: which of its own axes a solver's steps may turn a joint about. One axis keeps a joint a hinge; two
            hold only to first order.
        usual: turn from rest (rotation vector, or angles of joints with one or two free axes) in the most common pose, rad.
        looseness: standard deviation of each joint's turn from that in plausible poses, axis by axis, rad; it decides
            only what no keypoint does.
        limit: lowest and highest turn about each axis, rad; of a ball joint the part of its turn from rest that is about
            that axis, whatever swing of the axis follows.
        cone: how far a ball joint's bone may lie from the middle of its range, rad; pi for no limit.
        cone_axis: unit vector of that middle, in the parent's frame.
        attachments: keypoints on it.
        held: mean turn off the usual one of people at large, where it was learned; rotation vectors or angles, rad.
        together: covariance of all joints' turns about that, joint by joint and axis by axis, rad^2. They take the place of ``looseness``
            where what is usual decides.
    """

    skeleton: Skeleton
    rest_offset: Float[np.ndarray, "joints 3"]
    free: Bool[np.ndarray, "joints 3"]
    usual: Float[np.ndarray, "joints 3"]
    looseness: Float[np.ndarray, "joints 3"]
    limit: Float[np.ndarray, "joints 3 2"]
    cone: Float[np.ndarray, "joints"]
    cone_axis: Float[np.ndarray, "joints 3"]
    attachments: Attachments
    held: Float[np.ndarray, "joints 3"] | None = None
    together: Float[np.ndarray, "axes axes"] | None = None

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

    def axis_order(self, joint: int) -> list[int]:
        """A joint's free axes in the order in which it turns about them; of two that along its bone comes last."""
        free = np.flatnonzero(self.free[joint]).tolist()
        along = self._along_bone(joint)
        return sorted(free, key=lambda axis: axis == along) if len(free) == 2 else free

    def bend_axis(self, joint: int) -> int | None:
        """The axis of a hinge, which may twist about its bone as well; None of other joints."""
        order = self.axis_order(joint)
        hinge = len(order) == 1 or (len(order) == 2 and order[1] == self._along_bone(joint))
        return order[0] if hinge else None

    def bone(self, joint: int) -> Float[np.ndarray, "3"]:
        """Unit vector of a joint's bone in its frame at rest; zero where nothing hangs on it."""
        ends = self.rest_offset[self.skeleton.parents == joint].sum(0)
        length = float(np.linalg.norm(ends))
        return ends / length if length else ends

    def _along_bone(self, joint: int) -> int | None:
        """The axis that a joint's bone lies on."""
        bone = np.abs(self.rest_offset[self.skeleton.parents == joint]).sum(0)
        return int(bone.argmax()) if bone.max() > 0.9 * np.linalg.norm(bone) and bone.any() else None

    def with_sizes(self, rest_offset: Float[np.ndarray, "joints 3"], attachment_offset: Float[np.ndarray, "points 3"]) -> "Armature":
        """The same body with other lengths; not of bodies with skin, whose model gives them."""
        if self.attachments.blend is not None:
            raise ShapeError(f"lengths of {self.skeleton.name} come from its model, with the skin")
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
        turn, place = np.empty_like(rotation), np.empty(rotation.shape[:-1])
        turn[..., 0, :, :] = root.rotation.matrix @ rotation[..., 0, :, :]
        place[..., 0, :] = root.translation
        for joint, parent in self.skeleton.levels():
            carrier = turn[..., parent, :, :]
            turn[..., joint, :, :] = carrier @ rotation[..., joint, :, :]
            place[..., joint, :] = place[..., parent, :] + (carrier @ self.rest_offset[joint][..., None])[..., 0]
        return SE3(SO3(turn), place)

    def keypoints(self, poses: SE3) -> Float[np.ndarray, "*batch points 3"]:
        """World positions of the attached keypoints, m."""
        at = self.attachments
        if at.blend is not None:
            return at.blend.places(poses)
        turned = poses.rotation.matrix[..., at.joint, :, :] @ at.offset[:, :, None]
        return poses.translation[..., at.joint, :] + turned[..., 0]

    def screws(
        self, poses: SE3, joint: Int[np.ndarray, "turns"], axes: Float[np.ndarray, "frames turns 3"]
    ) -> Float[np.ndarray, "frames dof 6"]:
        """Motion (angular, linear at the world's origin) that each degree of freedom gives to what it carries.

        The root's translation along the world's axes comes first, then turns of joints about axes in the world.
        """
        out = np.zeros((len(axes), 3 + len(joint), 6))
        out[:, :3, 3:] = np.eye(3)
        out[:, 3:, :3] = axes
        place = poses.translation[:, joint]
        for k in range(3):
            i, j = (k + 1) % 3, (k + 2) % 3
            out[:, 3:, 3 + k] = place[..., i] * axes[..., j] - place[..., j] * axes[..., i]
        return out

    def slopes(
        self,
        screws: Float[np.ndarray, "frames dof 6"],
        joint: Int[np.ndarray, "turns"],
        places: Float[np.ndarray, "frames some 3"],
        carrier: Int[np.ndarray, "some"],
    ) -> Float[np.ndarray, "frames some 3 dof"]:
        """How places that ride on these joints move: v + w x p of every degree of freedom that carries them."""
        owner = np.concatenate([np.zeros(3, np.int64), joint])
        carried = self.skeleton.descends()[carrier][:, owner].astype(float)
        turn, shift = np.moveaxis(screws[..., :3], -1, 0)[:, :, None], np.moveaxis(screws[..., 3:], -1, 0)[:, :, None]
        p = np.moveaxis(places, -1, 0)[..., None]
        out = np.empty((*places.shape, len(owner)))
        for k in range(3):
            i, j = (k + 1) % 3, (k + 2) % 3
            out[:, :, k] = (shift[k] + turn[i] * p[j] - turn[j] * p[i]) * carried
        return out

    def carries(self) -> Bool[np.ndarray, "points joints"]:
        """Which joints the attached keypoints hang on, parents and their parents included."""
        at, descends = self.attachments, self.skeleton.descends()
        if at.blend is None:
            return descends[at.joint]
        strong = at.blend.share[:, None] * descends[at.blend.joint]
        return at.blend.summed(strong) > _LEAST_SHARE

    def reach(
        self, screws: Float[np.ndarray, "frames dof 6"], joint: Int[np.ndarray, "turns"], poses: SE3
    ) -> Float[np.ndarray, "frames points 3 dof"]:
        """How the attached keypoints move with every degree of freedom: their Jacobian."""
        at = self.attachments
        if at.blend is None:
            return self.slopes(screws, joint, self.keypoints(poses), at.joint)
        return at.blend.slopes(self.skeleton.descends(), screws, np.concatenate([np.zeros(3, np.int64), joint]), poses)

    def normal_equations(
        self,
        screws: Float[np.ndarray, "frames dof 6"],
        joint: Int[np.ndarray, "turns"],
        poses: SE3,
        points: Float[np.ndarray, "frames points 3"],
        weight: Float[np.ndarray, "frames points 3 3"],
        force: Float[np.ndarray, "frames points 3"],
        slopes: Float[np.ndarray, "frames points 3 dof"] | None = None,
    ) -> tuple[Float[np.ndarray, "frames dof dof"], Float[np.ndarray, "frames dof"]]:
        """J'WJ (W symmetric; the lower triangle) and J'f of the keypoints' Jacobian J, without forming it.

        A point's velocity is linear in the six numbers (angular, linear) of the motion of whatever carries
        it; the 6x6 information of all points beyond a joint is summed first, as the composite rigid body
        algorithm does with inertias (Featherstone 2008, section 6.2). Points that several joints carry are summed one by one,
        by their ``slopes`` (`reach`), which may be given where they are at hand.
        """
        if self.attachments.blend is not None:
            both = np.empty((len(screws), screws.shape[1], screws.shape[1] + 1))
            for start in range(0, len(screws), _FRAMES):
                part = slice(start, start + _FRAMES)
                there = SE3(SO3(poses.rotation.matrix[part]), poses.translation[part])
                own = self.reach(screws[part], joint, there) if slopes is None else slopes[part]
                both[part] = self.pulled(own, np.concatenate([weight[part] @ own, force[part, ..., None]], -1))
            return both[..., :-1], both[..., -1]
        frames, count = points.shape[:2]
        owner = np.concatenate([np.zeros(3, np.int64), joint])
        descends = self.skeleton.descends()
        x, y, z = (np.ascontiguousarray(points[..., k]) for k in range(3))
        w = {(i, j): np.ascontiguousarray(weight[..., i, j]) for i in range(3) for j in range(i + 1)}
        w |= {(j, i): plane for (i, j), plane in w.items()}
        # A point p moves by v + w x p = [-[p]x, 1] (w, v): the 6x6 is [[p]x W [p]x', [p]x W; ., W], lower triangle by rows.
        m = {(i, k): plane for k in range(3) for i, plane in enumerate(_crossed((x, y, z), (w[0, k], w[1, k], w[2, k])))}
        top = {(i, j): _crossed((x, y, z), (m[i, 0], m[i, 1], m[i, 2]))[j] for i in range(3) for j in range(i + 1)}
        f = (np.ascontiguousarray(force[..., 0]), np.ascontiguousarray(force[..., 1]), np.ascontiguousarray(force[..., 2]))
        planes = [top[i, j] for i in range(3) for j in range(i + 1)]
        for i in range(3):
            planes += [m[k, i] for k in range(3)] + [w[i, j] for j in range(i + 1)]
        planes += [*_crossed((x, y, z), f), *f]
        carried = descends[self.attachments.joint][:, owner].astype(float)
        summed = (np.stack(planes).reshape(-1, count) @ carried).reshape(27, frames, len(owner))
        screw = np.ascontiguousarray(np.moveaxis(screws, -1, 0))
        pushed = np.zeros((frames, len(owner), 6))
        row = 0
        for i in range(6):
            for j in range(i + 1):
                pushed[..., i] += summed[row] * screw[j]
                if i != j:
                    pushed[..., j] += summed[row] * screw[i]
                row += 1
        h = pushed @ np.swapaxes(screws, 1, 2)
        h *= descends[owner][:, owner]  # [d, e]: e's joint carries d's, which comes after it
        return h, (summed[21:] * screw).sum(0)

    def pulled(
        self, slopes: Float[np.ndarray, "frames points 3 dof"], force: Float[np.ndarray, "frames points 3 many"]
    ) -> Float[np.ndarray, "frames dof many"]:
        """J'f of many forces on points with these slopes."""
        frames, count = force.shape[:2]
        flat = slopes.reshape(frames, 3 * count, -1)
        return np.swapaxes(flat, 1, 2) @ force.reshape(frames, 3 * count, -1)


def _crossed(a: tuple[Plane, Plane, Plane], b: tuple[Plane, Plane, Plane]) -> tuple[Plane, Plane, Plane]:
    """a x b by coordinates."""
    return a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]
