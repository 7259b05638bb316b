"""What animation programs exchange: joints in any axes and unit, at rest in any orientation, and how they move.

A `Motion` is of a person; an `Animation` is of a character in a file. Local transforms are whole ones
(parent_from_joint), not relative to the rest pose.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from recon3d.arrays import freeze_fields
from recon3d.errors import InputError, ShapeError
from recon3d.geometry import SE3, SO3
from recon3d.geometry.lie import slerp, without_sign_flips
from recon3d.records.motion import Motion

UPS = ("y", "z")
FROM_Z_UP = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])
"""From our world (z up, who faces us faces -y) to y up: x stays, our z becomes y, and who faces -y faces +z."""
_TURNS = {("y", "z"): SO3(FROM_Z_UP.T), ("z", "y"): SO3(FROM_Z_UP)}


@dataclass(frozen=True, slots=True, eq=False)
class Skin:
    """A mesh that joints carry.

    Attributes:
        vertices: in the rest pose, in the animation's world and unit.
        triangles: corners anticlockwise seen from outside.
        joint: up to four joints that carry each vertex.
        weight: their shares; they sum to one.
    """

    vertices: Float[np.ndarray, "vertices 3"]
    triangles: Int[np.ndarray, "triangles 3"]
    joint: Int[np.ndarray, "vertices 4"]
    weight: Float[np.ndarray, "vertices 4"]

    def __post_init__(self) -> None:
        freeze_fields(self)


@dataclass(frozen=True, slots=True, eq=False)
class Animation:
    """A character and its motion.

    Attributes:
        name: of the character.
        joints: names, unique.
        parents: index of each joint's parent, which comes before it; -1 for none.
        rest_place: parent_from_joint at rest.
        rest_turn: parent_from_joint at rest, wxyz.
        tip: where the bone of a last joint ends, in its frame; zero for joints that others hang on.
        time: s.
        moving: joints whose place in their parent's frame changes.
        place: of those, parent_from_joint.
        rotation: wxyz, parent_from_joint, without flips of sign.
        unit_m: metres that a unit is long.
        up: axis of the world that points up, "y" or "z"; right-handed.
        order: of rotations in files that hold angles about three axes and leave the order open (BVH).
        skin: mesh, where there is one.
    """

    name: str
    joints: tuple[str, ...]
    parents: Int[np.ndarray, "joints"]
    rest_place: Float[np.ndarray, "joints 3"]
    rest_turn: Float[np.ndarray, "joints 4"]
    tip: Float[np.ndarray, "joints 3"]
    time: Float[np.ndarray, "frames"]
    moving: Int[np.ndarray, "moving"]
    place: Float[np.ndarray, "frames moving 3"]
    rotation: Float[np.ndarray, "frames joints 4"]
    unit_m: float = 1.0
    up: str = "z"
    order: str = "ZXY"
    skin: Skin | None = None

    def __post_init__(self) -> None:
        freeze_fields(self)
        if len(self.joints) != len(self.parents) or len(set(self.joints)) != len(self.joints):
            raise ShapeError(f"Animation.joints: {len(self.joints)} names, which must be unique, for {len(self.parents)} joints")
        if (self.parents >= np.arange(len(self.parents))).any():
            raise ShapeError("Animation.parents: a parent must come before its joints")
        if self.up not in UPS or not self.unit_m > 0:
            raise ShapeError(f"Animation: up must be y or z and the unit positive, not {self.up!r} and {self.unit_m}")

    def __len__(self) -> int:
        return len(self.time)

    def index(self, joint: str) -> int:
        """Position of a joint by name."""
        if joint not in self.joints:
            raise InputError(f"{self.name} has no joint {joint!r}; it has {', '.join(self.joints)}")
        return self.joints.index(joint)

    def children(self, joint: int) -> list[int]:
        """What hangs on a joint."""
        return np.flatnonzero(self.parents == joint).tolist()

    def rest(self) -> SE3:
        """World poses of all joints at rest, ``(joints,)``."""
        return in_world(SE3(SO3.from_wxyz(self.rest_turn), self.rest_place), self.parents)

    def poses(self) -> SE3:
        """World poses of all joints, ``(frames, joints)``."""
        return in_world(SE3(SO3.from_wxyz(self.rotation), self.places()), self.parents)

    def places(self) -> Float[np.ndarray, "frames joints 3"]:
        """Every joint's place in its parent's frame."""
        out = np.broadcast_to(self.rest_place, (len(self), *self.rest_place.shape)).copy()
        out[:, self.moving] = self.place
        return out


def in_world(local: SE3, parents: Int[np.ndarray, "joints"]) -> SE3:
    """World poses ``(*batch, joints)`` from those in the frames of their parents, which come before them; undoes `in_parents`."""
    turn, place = local.rotation.matrix, local.translation
    world, at = turn.copy(), place.copy()
    depth = np.zeros(len(parents), np.int64)
    for j, parent in enumerate(parents.tolist()):
        depth[j] = depth[parent] + 1 if parent >= 0 else 0
    for level in range(1, int(depth.max(initial=0)) + 1):
        joint = np.flatnonzero(depth == level)
        carrier = world[..., parents[joint], :, :]
        world[..., joint, :, :] = carrier @ turn[..., joint, :, :]
        at[..., joint, :] = at[..., parents[joint], :] + (carrier @ place[..., joint, :, None])[..., 0]
    return SE3(SO3(world), at)


def in_parents(poses: SE3, parents: Int[np.ndarray, "joints"]) -> SE3:
    """Poses ``(*batch, joints)`` in the frames of their parents, from those in the world; those without a parent stay as they are."""
    hung, above = parents >= 0, np.maximum(parents, 0)
    turn, place = poses.rotation.matrix, poses.translation
    up = np.swapaxes(turn[..., above, :, :], -1, -2)
    arm = (up @ (place - place[..., above, :])[..., None])[..., 0]
    return SE3(SO3(np.where(hung[:, None, None], up @ turn, turn)), np.where(hung[:, None], arm, place))


def animation_of(motion: Motion) -> Animation:
    """A person's motion in its own axes (z up, metres); frames without a pose repeat the last one.

    A format without gaps must hold something there; a side-car file says which frames those are.
    """
    armature = motion.armature
    count = len(armature.joints)
    place = armature.rest_offset.copy()
    place[0] = 0.0
    turn = np.zeros((count, 4))
    turn[:, 0] = 1.0
    rotation = _held(motion.rotation)
    rotation = np.where(np.isfinite(rotation), rotation, turn)
    return Animation(
        name=armature.skeleton.name,
        joints=armature.joints,
        parents=armature.skeleton.parents,
        rest_place=place,
        rest_turn=turn,
        tip=np.stack([_tip(motion, j) for j in range(count)]),
        time=motion.time,
        moving=np.zeros(1, np.int64),
        place=np.nan_to_num(_held(motion.translation))[:, None],
        rotation=without_sign_flips(rotation),
    )


def converted(animation: Animation, up: str, unit_m: float) -> Animation:
    """The same in other axes and another unit; frames of joints that were parallel to the world's stay so."""
    turn = _TURNS.get((animation.up, up), SO3.identity()).matrix
    scale = animation.unit_m / unit_m

    def place(values: np.ndarray) -> np.ndarray:
        return scale * (values @ turn.T)

    def rotation(values: np.ndarray) -> np.ndarray:
        # Of turn @ R @ turn' the axis is turned, the angle stays.
        return np.concatenate([values[..., :1], values[..., 1:] @ turn.T], -1)

    skin = animation.skin
    return replace(
        animation,
        rest_place=place(animation.rest_place),
        rest_turn=rotation(animation.rest_turn),
        tip=place(animation.tip),
        place=place(animation.place),
        rotation=rotation(animation.rotation),
        unit_m=unit_m,
        up=up,
        skin=None if skin is None else replace(skin, vertices=place(skin.vertices)),
    )


def stood(animation: Animation, up: str, unit_m: float) -> Animation:
    """The same character in a world of other axes and another unit: it is turned as a whole, its joints' frames stay its own."""
    world = _TURNS.get((animation.up, up), SO3.identity())
    scale = animation.unit_m / unit_m
    root = animation.parents < 0
    skin = animation.skin

    def turned(wxyz: Float[np.ndarray, "*batch joints 4"]) -> Float[np.ndarray, "*batch joints 4"]:
        out = wxyz.copy()
        if up != animation.up:
            out[..., root, :] = SO3(world.matrix @ SO3.from_wxyz(wxyz[..., root, :]).matrix).wxyz()
        return out

    return replace(
        animation,
        rest_place=scale * np.where(root[:, None], animation.rest_place @ world.matrix.T, animation.rest_place),
        rest_turn=turned(animation.rest_turn),
        tip=scale * animation.tip,
        place=scale * np.where(root[animation.moving][:, None], animation.place @ world.matrix.T, animation.place),
        rotation=without_sign_flips(turned(animation.rotation)),
        unit_m=unit_m,
        up=up,
        skin=None if skin is None else replace(skin, vertices=scale * (skin.vertices @ world.matrix.T)),
    )


def resampled(animation: Animation, fps: float) -> Animation:
    """At another frame rate: places straight, rotations on the shortest way between the frames around."""
    time = animation.time
    if len(time) < 2:
        return animation
    count = int(np.floor((time[-1] - time[0]) * fps + 1e-6)) + 1
    at = time[0] + np.arange(count) / fps
    index: np.ndarray = np.asarray(np.interp(at, time, np.arange(len(time))), float)
    before = np.minimum(np.floor(index), len(time) - 2).astype(np.int64)
    after, share = before + 1, (index - before)[:, None, None]
    place = (1 - share) * animation.place[before] + share * animation.place[after]
    return replace(
        animation, time=at, place=place, rotation=without_sign_flips(slerp(animation.rotation[before], animation.rotation[after], share))
    )


def _held(values: np.ndarray) -> np.ndarray:
    known = np.isfinite(values).all(tuple(range(1, values.ndim)))
    if known.all() or not known.any():
        return values
    last = np.maximum.accumulate(np.where(known, np.arange(len(values)), -1))
    return values[np.where(last >= 0, last, int(np.argmax(known)))]


def _tip(motion: Motion, joint: int) -> Float[np.ndarray, "3"]:
    """Where a last bone ends, in its joint's frame (m, z up): at its keypoints, or on from its own bone."""
    if (motion.armature.skeleton.parents == joint).any():
        return np.zeros(3)
    at = motion.armature.attachments
    mine = at.offset[at.joint == joint]
    if len(mine) and np.linalg.norm(mine, axis=1).max() > 0.02:
        # A bone in the middle of the body ends in the middle, whatever ears it has; a foot between its toes.
        if motion.armature.skeleton.mirror[joint] == joint:
            return mine[np.linalg.norm(mine, axis=1).argmax()] * np.array([0.0, 1.0, 1.0])
        return mine[np.linalg.norm(mine, axis=1) > 0.01].mean(0)
    own = motion.armature.rest_offset[joint]
    size = float(np.linalg.norm(own))
    return own * (0.35 if size > 0.15 else 0.6) if size > 0 else np.array([0.0, 0.0, 0.1])
