"""A robot's motion: where its base is, and the positions of its joints."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from recon3d.arrays import freeze_fields
from recon3d.errors import ShapeError
from recon3d.geometry import SE3, SO3
from recon3d.records.animation import in_world

FIXED, REVOLUTE, PRISMATIC = 0, 1, 2
"""How a link moves against its parent: not, about an axis, along one."""


@dataclass(frozen=True, slots=True, eq=False)
class Links:
    """The links of a robot as a tree; the first is the base.

    Attributes:
        names: parents first.
        parents: index of each one's parent; -1 for the base.
        kind: `FIXED`, `REVOLUTE` or `PRISMATIC`.
        joint: index of the joint that moves it against its parent; -1 where none does.
        place: of its frame in its parent's with the joint at zero, m.
        turn: likewise, wxyz.
        axis: of the joint, in the link's frame; unit length, zero where there is none.
    """

    names: tuple[str, ...]
    parents: Int[np.ndarray, "links"]
    kind: Int[np.ndarray, "links"]
    joint: Int[np.ndarray, "links"]
    place: Float[np.ndarray, "links 3"]
    turn: Float[np.ndarray, "links 4"]
    axis: Float[np.ndarray, "links 3"]

    def __post_init__(self) -> None:
        freeze_fields(self)
        if len(self.names) != len(self.parents):
            raise ShapeError(f"Links.names has {len(self.names)} names, parents {len(self.parents)}")


@dataclass(frozen=True, slots=True, eq=False)
class JointMotion:
    """Joint positions of a robot through time; world in metres, z up.

    Attributes:
        robot: name.
        joints: names, in the order of the URDF.
        links: of the robot.
        time: s, evenly spaced.
        translation: of the base in the world, m.
        rotation: world_from_base, wxyz, without flips of sign.
        position: of each joint, rad or m.
        present: frames in which the person was there; in the others the robot goes evenly from where it left to where it comes back.
        contact: left and right foot on the floor.
        urdf: text of its URDF.
    """

    robot: str
    joints: tuple[str, ...]
    links: Links
    time: Float[np.ndarray, "frames"]
    translation: Float[np.ndarray, "frames 3"]
    rotation: Float[np.ndarray, "frames 4"]
    position: Float[np.ndarray, "frames joints"]
    present: Bool[np.ndarray, "frames"]
    contact: Bool[np.ndarray, "frames 2"]
    urdf: str = ""

    def __post_init__(self) -> None:
        freeze_fields(self)
        if len(self.joints) != self.position.shape[1]:
            raise ShapeError(f"JointMotion.position has {self.position.shape[1]} joints, there are {len(self.joints)} names")

    def __len__(self) -> int:
        return len(self.time)

    def velocity(self) -> Float[np.ndarray, "frames joints"]:
        """Of the joints, rad/s or m/s: what takes each frame to the next; the last frame's is that before it."""
        if len(self) < 2:
            return np.zeros_like(self.position)
        out = np.diff(self.position, axis=0) / np.diff(self.time)[:, None]
        return np.concatenate([out, out[-1:]])

    def local_poses(self) -> SE3:
        """Of every link in its parent; the base's in the world. ``(frames, links)``."""
        links, frames = self.links, len(self)
        given = np.where(links.joint >= 0, self.position[:, np.maximum(links.joint, 0)], 0.0)[..., None] * links.axis
        turned = SO3.exp(np.where((links.kind == REVOLUTE)[:, None], given, 0.0)).matrix
        rest = SO3.from_wxyz(links.turn).matrix
        moved = np.where((links.kind == PRISMATIC)[:, None], given, 0.0)
        turn = rest @ turned
        place = links.place + np.einsum("lij,flj->fli", rest, moved)
        turn[:, 0], place[:, 0] = SO3.from_wxyz(self.rotation).matrix, self.translation
        return SE3(SO3(turn), place.reshape(frames, -1, 3))

    def poses(self) -> SE3:
        """World poses of all links, ``(frames, links)``."""
        return in_world(self.local_poses(), self.links.parents)
