"""Points of a model's bodies, ready to be shaped and posed: keypoints, vertices, joints.

A point that is linear in the vertices (sum of w v) moves, under linear blend skinning, as a `Blend`: its part on joint j is
the sum of w s v over its vertices, s their share of that joint. All of that is linear in the model's shapes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int
from scipy import sparse

from recon3d.body.keypoints import Regressor
from recon3d.skeleton.blend import Blend

if TYPE_CHECKING:
    from recon3d.body.linear import LinearModel


@dataclass(frozen=True, eq=False)
class Marks:
    """Points of a model's bodies.

    Attributes:
        points: names.
        point: of each part; in order.
        joint: that carries it.
        share: of it.
        off: how much of its joint's place, as the model was sculpted, is in the vertices: the share, or nothing for joints themselves.
        template: what the vertices of the model's template give to each part, m.
        basis: what each shape adds, m.
    """

    points: tuple[str, ...]
    point: Int[np.ndarray, "parts"]
    joint: Int[np.ndarray, "parts"]
    share: Float[np.ndarray, "parts"]
    off: Float[np.ndarray, "parts"]
    template: Float[np.ndarray, "parts 3"]
    basis: Float[np.ndarray, "shapes parts3"]

    def blend(
        self, weight: Float[np.ndarray, "shapes"], heads: Float[np.ndarray, "joints 3"], turns: Float[np.ndarray, "joints 3 3"]
    ) -> Blend:
        """On the body of these weights, whose joints are there in the sculpted pose."""
        arm = self.template + (weight @ self.basis).reshape(-1, 3) - self.off[:, None] * heads[self.joint]
        return Blend(len(self.points), self.point, self.joint, self.share, np.einsum("pba,pb->pa", turns[self.joint], arm))

    def offset_slopes(
        self, slopes: Float[np.ndarray, "shapes n"], heads: Float[np.ndarray, "joints 3 n"], turns: Float[np.ndarray, "joints 3 3"]
    ) -> Float[np.ndarray, "parts 3 n"]:
        """How the parts' offsets change, where the weights change so and the joints in the sculpted pose with them."""
        many = slopes.shape[1]
        arm = (self.basis.T @ slopes).reshape(-1, 3, many) - self.off[:, None, None] * heads[self.joint]
        return np.einsum("pba,pbn->pan", turns[self.joint], arm)

    def summed(self, parts: Float[np.ndarray, "parts 3 n"]) -> Float[np.ndarray, "points 3 n"]:
        """Of every point's parts."""
        return np.add.reduceat(parts, np.searchsorted(self.point, np.arange(len(self.points))), axis=0)

    def select(self, points: tuple[str, ...]) -> "Marks":
        """Some of the points, in this order."""
        rows = np.array([self.points.index(name) for name in points], np.int64)
        first, last = np.searchsorted(self.point, rows), np.searchsorted(self.point, rows, "right")
        own = np.concatenate([np.arange(a, b) for a, b in zip(first, last, strict=True)])
        point = np.repeat(np.arange(len(rows)), last - first)
        return replace(
            self,
            points=points,
            point=point,
            joint=self.joint[own],
            share=self.share[own],
            off=self.off[own],
            template=self.template[own],
            basis=np.ascontiguousarray(self.basis.reshape(len(self.basis), -1, 3)[:, own].reshape(len(self.basis), -1)),
        )

    def and_more(self, others: "Marks") -> "Marks":
        """These and others of the same model."""
        both = {name: np.concatenate([getattr(self, name), getattr(others, name)]) for name in ("joint", "share", "off", "template")}
        point = np.concatenate([self.point, len(self.points) + others.point])
        return Marks((*self.points, *others.points), point, basis=np.concatenate([self.basis, others.basis], 1), **both)

    def heaviest(self) -> Int[np.ndarray, "points"]:
        """The joint that carries most of each point."""
        order = np.lexsort((-self.share, self.point))
        first = np.searchsorted(self.point[order], np.arange(len(self.points)))
        return self.joint[order][first]


def marks_of_points(model: "LinearModel", regressor: Regressor) -> Marks:
    """Of keypoints."""
    shape = (len(regressor.points), model.skin.count)
    return _marks(model, regressor.points, sparse.csr_matrix((regressor.weight, (regressor.point, regressor.vertex)), shape=shape))


def marks_of_vertices(model: "LinearModel", vertices: Int[np.ndarray, "some"]) -> Marks:
    """Of some vertices."""
    count = len(vertices)
    chosen = sparse.csr_matrix((np.ones(count), (np.arange(count), vertices)), shape=(count, model.skin.count))
    return _marks(model, tuple(map(str, vertices.tolist())), chosen)


def marks_of_joints(model: "LinearModel", names: Sequence[str] | None = None) -> Marks:
    """Of joints themselves: each hangs on itself alone, with no offset."""
    return marks_of_means(model, {name: (name,) for name in (model.skeleton.joints if names is None else names)})


def marks_of_means(model: "LinearModel", points: Mapping[str, Sequence[str]]) -> Marks:
    """Of points that are means of joints."""
    every = model.skeleton.joints
    joint = np.array([every.index(one) for means in points.values() for one in means], np.int64)
    many = np.array([len(means) for means in points.values()], np.int64)
    point = np.repeat(np.arange(len(many)), many)
    count = len(joint)
    nothing = np.zeros((len(model.scale), 3 * count), np.float32)
    return Marks(tuple(points), point, joint, 1.0 / many[point], np.zeros(count), np.zeros((count, 3)), nothing)


def _marks(model: "LinearModel", names: tuple[str, ...], chosen: sparse.csr_matrix) -> Marks:
    """Of points that are linear in the vertices, by points and vertices."""
    chosen = chosen.tocsr()
    chosen.eliminate_zeros()
    used = np.unique(chosen.indices).astype(np.int64)
    row = np.repeat(np.arange(len(names)), np.diff(chosen.indptr))
    own = np.searchsorted(used, chosen.indices)
    first, last = (np.searchsorted(model.skin.vertex, chosen.indices, side) for side in ("left", "right"))
    many = last - first
    entry = np.repeat(np.arange(len(row)), many)
    pair = np.arange(many.sum()) - np.repeat(np.cumsum(many) - many, many) + first[entry]
    weight = chosen.data[entry] * model.skin.weight[pair]
    key = row[entry] * len(model.skeleton.joints) + model.skin.joint[pair]
    distinct, part = np.unique(key, return_inverse=True)
    gather = sparse.csr_matrix((weight, (part, own[entry])), shape=(len(distinct), len(used)))
    point, joint = np.divmod(distinct, len(model.skeleton.joints))
    basis = np.stack([gather @ (one[used].astype(float) * scale) for one, scale in zip(model.basis, model.scale.tolist(), strict=True)])
    share = np.bincount(part, weight)
    return Marks(names, point, joint, share, share.copy(), gather @ model.template[used], basis.astype(np.float32).reshape(len(basis), -1))
