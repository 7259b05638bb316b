"""Bodies in stages: a model, shaped to one person, posed, and the mesh of it."""

import functools
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from jaxtyping import Float, Int
from scipy import sparse

from recon3d.arrays import freeze_fields
from recon3d.geometry import SE3, SO3
from recon3d.skeleton import Armature

_FRAMES = 16  # whose meshes fit into a processor's cache


class BodyModel(Protocol):
    """What bodies a model can be shaped to: the open body, SMPL and its family."""

    @property
    def name(self) -> str:
        """Of the model."""
        ...

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the numbers that make a shape, in order."""
        ...

    @property
    def faces(self) -> Int[np.ndarray, "faces 3"]:
        """Triangles, counter-clockwise from outside."""
        ...

    @property
    def usual(self) -> Float[np.ndarray, "parameters"]:
        """The parameters of its most usual body."""
        ...

    def shaped(self, values: Float[np.ndarray, "parameters"]) -> "ShapedBody":
        """The body of these parameters."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Skin:
    """How vertices hang on joints.

    Attributes:
        vertex: of each pair of a vertex and a joint that moves it; in order.
        joint: of each pair.
        weight: of each pair; of every vertex they sum to one.
        count: vertices in all.
    """

    vertex: Int[np.ndarray, "pairs"]
    joint: Int[np.ndarray, "pairs"]
    weight: Float[np.ndarray, "pairs"]
    count: int

    def __post_init__(self) -> None:
        freeze_fields(self)

    def bound(self, vertices: Float[np.ndarray, "vertices 3"], joints: int) -> sparse.csr_matrix:
        """Vertices as a linear function of all joints' transforms (3 x 4, transposed, one below the other)."""
        one = np.concatenate([vertices, np.ones((len(vertices), 1))], -1)[self.vertex]
        values = (self.weight[:, None] * one).astype(np.float32)
        column = 4 * self.joint[:, None].astype(np.int32) + np.arange(4, dtype=np.int32)
        row = np.repeat(self.vertex.astype(np.int32), 4)
        return sparse.csr_matrix((values.ravel(), (row, column.ravel())), shape=(self.count, 4 * joints))


@dataclass(frozen=True, slots=True, eq=False)
class PoseBlend:
    """Vertices' corrections before skinning, linear in how far joints are turned (Loper et al. 2015, equation 9).

    Attributes:
        basis: of every component of each joint's turn but for the root's, less that of no turn; m, in the model's pose.
        parents: of the joints.
    """

    basis: Float[np.ndarray, "turns9 vertices3"]
    parents: Int[np.ndarray, "joints"]

    def __post_init__(self) -> None:
        freeze_fields(self)

    def of(self, turn: Float[np.ndarray, "frames joints 3 3"]) -> Float[np.ndarray, "frames vertices 3"]:
        """Corrections; turns are from the model's pose to the world."""
        local = np.swapaxes(turn[:, self.parents[1:]], -1, -2) @ turn[:, 1:] - np.eye(3, dtype=turn.dtype)
        return (local.reshape(len(turn), -1) @ self.basis).reshape(len(turn), -1, 3)


@dataclass(frozen=True, eq=False)
class ShapedBody:
    """One person's body.

    Attributes:
        model: what it was made from.
        values: of the model's parameters.
        vertices: as the model has them, before any pose, m.
        bind: joints as the model has them there: world_from_joint, of joint frames that are parallel to the world's in the armature's
            rest pose.
        armature: that poses are of; its rest pose is the T-pose.
        skin: how vertices hang on its joints.
        blend: how poses correct vertices; None where they do not.
    """

    model: BodyModel
    values: Float[np.ndarray, "parameters"]
    vertices: Float[np.ndarray, "vertices 3"]
    bind: SE3
    armature: Armature
    skin: Skin
    blend: PoseBlend | None = None

    @functools.cached_property
    def _bound(self) -> sparse.csr_matrix:
        return self.skin.bound(self.vertices, len(self.armature.joints))

    def posed(self, root: Float[np.ndarray, "frames 3"], rotation: Float[np.ndarray, "frames joints 3 3"]) -> "PosedBody":
        """In the world.

        Args:
            root: places of the root, m.
            rotation: parent_from_joint of all joints.
        """
        return PosedBody(self, self.armature.forward(SE3(SO3.identity(len(root)), root), rotation))

    def at_rest(self) -> "PosedBody":
        """In the T-pose, the root at the origin."""
        eye = np.broadcast_to(np.eye(3), (1, len(self.armature.joints), 3, 3))
        return self.posed(np.zeros((1, 3)), eye)


@dataclass(frozen=True, slots=True, eq=False)
class PosedBody:
    """One person's body in poses.

    Attributes:
        body: whose it is.
        poses: world_from_joint, frames by joints.
    """

    body: ShapedBody
    poses: SE3

    def vertices(self) -> Float[np.ndarray, "frames vertices 3"]:
        """Linear blend skinning, some frames at a time in one sparse product, m; in 32 bits."""
        moved, bound, count = self.transforms(), self.body._bound, self.body.skin.count
        frames, joints = moved.shape[:2]
        out = np.empty((frames, count, 3), np.float32)
        for start in range(0, frames, _FRAMES):
            part = moved[start : start + _FRAMES]
            stacked = np.ascontiguousarray(part.transpose(1, 3, 0, 2).reshape(4 * joints, -1))
            out[start : start + _FRAMES] = (bound @ stacked).reshape(count, -1, 3).transpose(1, 0, 2)
            if self.body.blend is not None:
                out[start : start + _FRAMES] += self._corrections(self.body.blend, part[..., :3])
        return out

    def _corrections(self, blend: PoseBlend, turn: Float[np.ndarray, "frames joints 3 3"]) -> Float[np.ndarray, "frames vertices 3"]:
        """In the world: each vertex's is turned as the vertex is."""
        frames, joints = turn.shape[:2]
        skin = self.body.skin
        weight = sparse.csr_matrix((skin.weight.astype(np.float32), (skin.vertex, skin.joint)), shape=(skin.count, joints))
        mixed = (weight @ turn.transpose(1, 0, 2, 3).reshape(joints, -1)).reshape(-1, frames, 3, 3)
        return np.einsum("vfab,fvb->fva", mixed, blend.of(turn))

    def transforms(self) -> Float[np.ndarray, "frames joints 3 4"]:
        """From the vertices as the model has them to the world, joint by joint."""
        back = self.body.bind.inverse()
        turn = self.poses.rotation.matrix @ back.rotation.matrix
        place = (self.poses.rotation.matrix @ back.translation[..., None])[..., 0] + self.poses.translation
        return np.concatenate([turn, place[..., None]], -1).astype(np.float32)


def volume(vertices: Float[np.ndarray, "vertices 3"], faces: Int[np.ndarray, "faces 3"]) -> float:
    """Inside a closed mesh, m^3."""
    a, b, c = np.moveaxis(vertices[faces], 1, 0)
    return float(np.einsum("fi,fi->", a, np.cross(b, c)) / 6)
