"""Points of soft skin: each is carried by several joints at once, as linear blend skinning has it."""

import functools
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from recon3d.arrays import freeze_fields
from recon3d.geometry.lie import SE3

_sparse: Any = import_module("scipy.sparse")  # which types do not describe


@dataclass(frozen=True, slots=True, eq=False)
class Blend:
    """``place = sum of share * joint position + joint rotation @ offset`` over a point's parts (m).

    Attributes:
        count: points.
        point: of each part; in order, none left out.
        joint: that carries it.
        share: of it; of every point they sum to one.
        offset: in the joint's frame, m, times the share.
    """

    count: int
    point: Int[np.ndarray, "parts"]
    joint: Int[np.ndarray, "parts"]
    share: Float[np.ndarray, "parts"]
    offset: Float[np.ndarray, "parts 3"]

    def __post_init__(self) -> None:
        freeze_fields(self)

    def select(self, rows: Int[np.ndarray, "some"]) -> "Blend":
        """Some of the points, in this order."""
        first, last = np.searchsorted(self.point, rows), np.searchsorted(self.point, rows, "right")
        many: np.ndarray = last - first
        begins = np.cumsum(many) - many
        own = np.arange(int(many.sum())) + np.repeat(first - begins, many)
        point = np.repeat(np.arange(len(rows)), many)
        return Blend(len(rows), point, self.joint[own], self.share[own], self.offset[own])

    def arms(self, poses: SE3) -> Float[np.ndarray, "*batch parts 3"]:
        """What every part adds to its point's place in the world, m."""
        turned = (poses.rotation.matrix[..., self.joint, :, :] @ self.offset[:, :, None])[..., 0]
        return turned + poses.translation[..., self.joint, :] * self.share[:, None]

    def places(self, poses: SE3) -> Float[np.ndarray, "*batch points 3"]:
        """Of the points in the world, m."""
        return self.summed(self.arms(poses))

    def summed(self, parts: Float[np.ndarray, "*batch parts n"]) -> Float[np.ndarray, "*batch points n"]:
        """Of every point's parts."""
        if not self.count:
            return np.zeros((*parts.shape[:-2], 0, parts.shape[-1]))
        return np.add.reduceat(parts, np.searchsorted(self.point, np.arange(self.count)), axis=-2)

    def slopes(
        self,
        descends: Bool[np.ndarray, "joints joints"],
        screws: Float[np.ndarray, "frames dof 6"],
        owner: Int[np.ndarray, "dof"],
        poses: SE3,
    ) -> Float[np.ndarray, "frames points 3 dof"]:
        """How the points move: a freedom turns and shifts those parts that hang on its joint.

        Args:
            descends: [j, a]: joint j is a, or hangs on it.
            screws: of every degree of freedom, see `Armature.screws`.
            owner: joint of each.
            poses: world_from_joint.
        """
        frames, dof = screws.shape[:2]
        distinct, back = np.unique(owner, return_inverse=True)
        share, gather = _carried(self, descends.tobytes(), len(descends), tuple(distinct.tolist()))
        arms = np.moveaxis(self.arms(poses), 1, 0).reshape(len(self.point), -1)
        held: np.ndarray = (gather @ arms).reshape(self.count, len(distinct), frames, 3)
        p = np.moveaxis(held, (2, 3), (0, 1))[..., back]  # frames 3 points dof
        weight = share[:, back]
        turn, shift = np.moveaxis(screws[..., :3], -1, 0)[:, :, None], np.moveaxis(screws[..., 3:], -1, 0)[:, :, None]
        out = np.empty((frames, self.count, 3, dof))
        for k in range(3):
            i, j = (k + 1) % 3, (k + 2) % 3
            out[:, :, k] = shift[k] * weight + turn[i] * p[:, j] - turn[j] * p[:, i]
        return out


@functools.lru_cache(maxsize=16)
def _carried(blend: Blend, descends: bytes, joints: int, distinct: tuple[int, ...]) -> tuple[Float[np.ndarray, "points owners"], Any]:
    """How much of each point hangs on each of these joints, and what sums the parts that do (points x owners, by parts)."""
    hangs = np.frombuffer(descends, bool).reshape(joints, joints)[blend.joint][:, list(distinct)]
    part, column = np.nonzero(hangs)
    row = blend.point[part] * len(distinct) + column
    many = blend.count * len(distinct)
    gather = _sparse.csr_matrix((np.ones(len(part)), (row, part)), shape=(many, len(blend.point)))
    return np.bincount(row, blend.share[part], many).reshape(blend.count, len(distinct)), gather
