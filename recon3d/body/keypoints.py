"""Keypoints of a body: points that are linear in its vertices, and the joints that they ride on."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy import sparse

from recon3d.arrays import freeze_fields

# The joint that a point rides on where it is not that joint's own, by what its name ends in.
_FACE = ("nose", "eye", "ear", "head_top", "eye_inner", "eye_outer", "mouth_left", "mouth_right")
_RIDES = (
    (_FACE, "head"),
    (("big_toe", "small_toe", "foot_index"), "toes"),
    (("heel",), "ankle"),
    (("mid_hip",), "pelvis"),
    (("thorax",), "chest"),
)


@dataclass(frozen=True, slots=True, eq=False)
class Regressor:
    """Points from vertices.

    Attributes:
        points: names.
        point: of each weight.
        vertex: of each weight.
        weight: of each; of every point they sum to one.
    """

    points: tuple[str, ...]
    point: Int[np.ndarray, "weights"]
    vertex: Int[np.ndarray, "weights"]
    weight: Float[np.ndarray, "weights"]

    def __post_init__(self) -> None:
        freeze_fields(self)

    def with_means(self, **means: Mapping[str, float]) -> "Regressor":
        """More points, each a weighted mean of others."""
        names, point, vertex, weight = list(self.points), [self.point], [self.vertex], [self.weight]
        for name, parts in means.items():
            for one, share in parts.items():
                rows = self.point == self.points.index(one)
                point.append(np.full(rows.sum(), len(names), self.point.dtype))
                vertex.append(self.vertex[rows])
                weight.append(share * self.weight[rows])
            names.append(name)
        return Regressor(tuple(names), np.concatenate(point), np.concatenate(vertex), np.concatenate(weight))

    def with_vertices(self, **vertices: int) -> "Regressor":
        """More points, each a vertex."""
        count = len(self.points)
        return Regressor(
            (*self.points, *vertices),
            np.concatenate([self.point, count + np.arange(len(vertices))]),
            np.concatenate([self.vertex, list(vertices.values())]),
            np.concatenate([self.weight, np.ones(len(vertices))]),
        )

    def of(self, vertices: Float[np.ndarray, "*frames vertices 3"]) -> Float[np.ndarray, "*frames points 3"]:
        """The points of a mesh."""
        matrix = sparse.csr_matrix((self.weight, (self.point, self.vertex)), shape=(len(self.points), vertices.shape[-2]))
        flat = np.moveaxis(vertices, -2, 0).reshape(vertices.shape[-2], -1)
        return np.moveaxis((matrix @ flat).reshape(len(self.points), *vertices.shape[:-2], 3), 0, -2)


def carrier(point: str, joints: tuple[str, ...]) -> str:
    """The joint that a point rides on; "" where its name does not tell."""
    if point in joints and not point.endswith(_FACE):
        return point
    side = point.partition("_")[0] if point.startswith(("left_", "right_")) else ""
    for ends, joint in _RIDES:
        if point.endswith(ends):
            return joint if joint in joints else f"{side}_{joint}"
    return ""
