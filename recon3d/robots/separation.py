"""Links that must not meet each other or the floor: a limit of Pink's on how fast near shapes may come nearer.

A step may shorten the distance d between two shapes by no more than d less a margin (the velocity damper of Faverjon and
Tournassoud, "A local based approach for path planning of manipulators with a high number of degrees of freedom",
ICRA 1987, with a gain of one). That holds to first order; `Separation.room` says how a step turned out.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from recon3d.robots.model import Robot
from recon3d.robots.shapes import pinocchio

_MARGIN_M = 0.006
_HARD_SHARE = 0.3  # of the margin: no nearer than that, whatever the linearisation said
_SUNK_M = 0.001  # that a shape may lie in the floor
_PUSH_M = 0.002  # by which a step parts two shapes that are nearer than the margin
_NEAR_M, _FAR_M = 0.04, 0.25  # from which distance on a pair is looked after; when steps are long


@dataclass(frozen=True, slots=True, eq=False)
class _Near:
    """Pairs that are near in a configuration."""

    pair: Int[np.ndarray, "near"]
    distance: Float[np.ndarray, "near"]
    ends: Float[np.ndarray, "near 2 3"]
    normal: Float[np.ndarray, "near 3"]  # from the first shape to the second


class Separation:
    """Satisfies Pink's protocol of limits.

    Attributes:
        pushes: whether shapes nearer than the margin must part; when nothing that does is within all other limits, they may
            stay as they are.
        reach: distance from which on a pair is looked after, m.
    """

    def __init__(self, robot: Robot):
        pin = self._pin = pinocchio()
        self._model, self._shapes = robot.model, robot.shapes
        self._data = pin.GeometryData(robot.shapes)
        self.pushes, self.reach = True, _NEAR_M
        objects = robot.shapes.geometryObjects
        # Spheres round the shapes, in their joints: what they do not bring near needs no closer look.
        for shape in objects:
            shape.geometry.computeLocalAABB()
        self._carrier = np.array([int(shape.parentJoint) for shape in objects], np.int64)
        self._centre = np.array([shape.placement.act(np.array(shape.geometry.aabb_center)) for shape in objects]).reshape(-1, 3)
        self._centre[self._carrier == 0] = 0.0
        self._pairs = np.array([(p.first, p.second) for p in robot.shapes.collisionPairs], np.int64).reshape(-1, 2)
        self._joints = self._carrier[self._pairs]
        self._floor = (self._joints == 0).any(1)
        radius = np.array([float(shape.geometry.aabb_radius) for shape in objects])
        self._radii = np.where(self._joints == 0, 0.0, radius[self._pairs]).sum(1)
        # Of shapes that lie close by design the margin is a part of what they have.
        pin.computeDistances(robot.model, robot.model.createData(), robot.shapes, self._data, robot.stand)
        rest = np.array([r.min_distance for r in self._data.distanceResults])
        self._margin = np.where(self._floor, 0.0, np.minimum(_MARGIN_M, 0.5 * np.maximum(rest, 0.0)))
        self._hard = np.where(self._floor, -_SUNK_M, _HARD_SHARE * self._margin)
        self._last: tuple[np.ndarray, float, _Near] | None = None

    def room(self, configuration: Any) -> Float[np.ndarray, "2"]:
        """What the worst pair of links, and the worst link over the floor, has beyond the distance to be kept, m; negative: not kept."""
        near = self._near(configuration)
        left, floor = near.distance - self._hard[near.pair], self._floor[near.pair]
        return np.array([left[~floor].min(initial=_NEAR_M), left[floor].min(initial=_NEAR_M)])

    def compute_qp_inequalities(self, configuration: Any, dt: float) -> tuple[np.ndarray, np.ndarray] | None:
        """Rows G and bounds h of ``G step <= h``; ``dt`` plays no part, since steps are bounded, not speeds."""
        del dt
        pin, data, near = self._pin, configuration.data, self._near(configuration)
        if not len(near.pair):
            return None
        used, which = np.unique(self._joints[near.pair], return_inverse=True)
        frame = pin.ReferenceFrame.LOCAL_WORLD_ALIGNED
        still = np.zeros((6, self._model.nv))
        jacobian = np.stack([pin.getJointJacobian(self._model, data, int(j), frame) if j else still for j in used])
        origin = np.stack([data.oMi[int(j)].translation for j in used])
        which = which.reshape(-1, 2)
        turning = np.cross(near.ends - origin[which], near.normal[:, None])
        wrench = np.concatenate([np.broadcast_to(near.normal[:, None], turning.shape), turning], -1)
        moved = (wrench[:, :, None] @ jacobian[which])[:, :, 0]  # of each of the two points, along the normal
        room = near.distance - self._margin[near.pair]
        return moved[:, 0] - moved[:, 1], np.maximum(room, -_PUSH_M if self.pushes else 0.0)

    def _near(self, configuration: Any) -> _Near:
        if self._last is not None and self._last[1] == self.reach and np.array_equal(self._last[0], configuration.q):
            return self._last[2]
        pin, data = self._pin, configuration.data
        pin.updateGeometryPlacements(self._model, data, self._shapes, self._data)
        poses = np.stack([pose.homogeneous for pose in data.oMi])[self._carrier]
        centre = poses[:, :3, 3] + (poses[:, :3, :3] @ self._centre[..., None])[..., 0]
        ahead = centre[self._pairs[:, 0]] - centre[self._pairs[:, 1]]
        ahead[self._floor, :2] = 0.0
        pair = np.flatnonzero((ahead * ahead).sum(-1) < (self._radii + self.reach) ** 2)
        found = [pin.computeDistance(self._shapes, self._data, k) for k in pair.tolist()]
        distance = np.array([f.min_distance for f in found])
        close = distance < self.reach
        found = [f for f, c in zip(found, close.tolist(), strict=True) if c]
        ends = np.array([(f.getNearestPoint1(), f.getNearestPoint2()) for f in found]).reshape(-1, 2, 3)
        near = _Near(pair[close], distance[close], ends, np.array([f.normal for f in found]).reshape(-1, 3))
        self._last = (configuration.q, self.reach, near)
        return near

    def look(self, far: bool) -> None:
        """Look at what is far as well, for long steps, or at what is near only."""
        self.reach = _FAR_M if far else _NEAR_M
