"""Pose of a rigid thing with known points from one picture each of many frames: PnP of all frames at once.

The start is affine, found by least absolute deviations: the points' places on the thing are sure, so that few wrong
detections, however far off, do not move it (their leverage is that of any other). A flat thing seen from far away has a second
pose, its mirror image in depth (Oberkampf, DeMenthon and Davis 1996): both are refined on pixels, under the mixture of
detections of the point and of anything else, by Gauss-Newton, and compared.

All of it is matrix products over all points and frames at once.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from recon3d.errors import ShapeError, TooFewViewsError
from recon3d.geometry.lie import SE3, SO3, skew
from recon3d.geometry.mixture import Mixture

_solve: Any = np.linalg.solve  # its stubs do not know batches
_FEWEST = 4
_FRAMES = 128  # whose planes fit into a processor's cache
_AFFINE_ROUNDS = 3
_WIDTHS = (2.0, 1.0, 1.0, 1.0, 1.0, 1.0)  # scatter allowed to detections, round by round, in their sigmas
_SETTLED = 0.25  # of a sigma: a round that moves the pose by less is the last, as the next would move it by far less
_LONGEST = 0.5  # of a turn in a step, rad
_LEAST_DEPTH = 0.2  # of the thing's size: nearer is behind the camera
_TINY = 1e-6 * np.eye(6)  # of the information, m^-2, for frames without points
_MIRROR = np.diag([1.0, 1.0, -1.0])
_MANY = 12
_HOPELESS = 20.0  # log likelihood by which a pose is worse, for it not to be followed further
_EYE3, _EYE4, _ONE = np.eye(3), np.eye(4), np.float32(1)
_CROSS = np.stack([skew(e) for e in np.eye(3)]).reshape(3, 9)


@dataclass(frozen=True, slots=True, eq=False)
class RigidPoses:
    """The two most likely poses of every frame, the better one first.

    Attributes:
        cam_from_thing: poses, frames by two; NaN where there is none.
        cost: minus the log likelihood of each; infinite where there is none.
        information: about the better one, of twists about the camera in its axes (m, then rad); nothing where there is none.
        likelier: how much likelier each detection is than one of anything else, by the better one; 0 where there is none.
    """

    cam_from_thing: SE3
    cost: Float[np.ndarray, "frames 2"]
    information: Float[np.ndarray, "frames 6 6"]
    likelier: Float[np.ndarray, "frames points"]

    def covariance(self) -> Float[np.ndarray, "frames 6 6"]:
        """Of the better pose's twist in the thing's own axes (m, then rad), from the points' noise; NaN where there is none."""
        turn, origin = self.cam_from_thing.rotation.matrix[:, 0], self.cam_from_thing.translation[:, 0]
        back, change = turn.swapaxes(1, 2), np.zeros((len(turn), 6, 6))
        change[:, :3, :3] = change[:, 3:, 3:] = back
        change[:, :3, 3:] = -back @ skew(origin)
        return change @ np.linalg.inv(self.information + _TINY) @ change.swapaxes(1, 2)

    def inlier(self) -> Float[np.ndarray, "frames points"]:
        """Probability of each point to be where it was detected, by the better pose."""
        return self.likelier / (1 + self.likelier)


class RigidPoints:
    """A thing's points, prepared once for many frames.

    Args:
        points: on the thing, m.
        outlier_share: of detections that are of something else.
        outlier_radius: in sigmas, of the area that these are spread over.

    Raises:
        TooFewViewsError: fewer than four points.
        ShapeError: all points in one line, which can be turned about it.
    """

    def __init__(self, points: Float[np.ndarray, "points 3"], outlier_share: float = 0.1, outlier_radius: float = 60.0):
        if len(points) < _FEWEST:
            raise TooFewViewsError(f"a pose needs {_FEWEST} points or more, not {len(points)}")
        self.middle: Float[np.ndarray, "3"] = points.mean(0)
        centred = points - self.middle
        _, size, axes = np.linalg.svd(centred, full_matrices=False)
        if size[1] < 1e-6 * size[0]:
            raise ShapeError("the points of a thing must not lie in one line")
        self.size = float(size[0] / np.sqrt(len(points)))
        # What is flat may be flipped: mirrored in depth and across its plane.
        self._flip = np.eye(3) - 2 * np.outer(axes[2], axes[2])
        self._lift = (1e-6 if size[2] < 1e-3 * size[1] else 1e-12) * len(points) * _EYE4
        self._columns = np.vstack([centred.T, np.ones(len(points))]).astype(np.float32)
        x = centred
        self._affine = np.column_stack([np.ones(len(x)), x])
        self._moments = (self._affine[:, :, None] * self._affine[:, None]).reshape(len(x), 16)
        self._mixture = Mixture.of(outlier_share, outlier_radius)

    def poses(self, uv: Float[np.ndarray, "frames 2 points"], weight: Float[np.ndarray, "frames 3 points"]) -> RigidPoses:
        """Of every frame.

        Args:
            uv: normalised, undistorted image points; any number where there is none.
            weight: a, b, c of their information [[a, b], [b, c]]; 0 where there is no detection.
        """
        parts = [self._part(uv[k : k + _FRAMES], weight[k : k + _FRAMES]) for k in range(0, max(len(uv), 1), _FRAMES)]
        if len(parts) == 1:
            return parts[0]
        pose = SE3(
            SO3(np.concatenate([p.cam_from_thing.rotation.matrix for p in parts])),
            np.concatenate([p.cam_from_thing.translation for p in parts]),
        )
        names = ("cost", "information", "likelier")
        return RigidPoses(pose, *(np.concatenate([getattr(p, name) for p in parts]) for name in names))

    def _part(self, uv: np.ndarray, weight: np.ndarray) -> RigidPoses:
        frames = len(uv)
        first = self._start(uv, weight)
        both = np.concatenate([first, first])
        both[frames:, :, :3] = _MIRROR @ first[:, :, :3] @ self._flip
        twice = [np.concatenate([one, one]).astype(np.float32, copy=False) for one in (uv, weight)]
        pose, normal, grown, cost = self._refine(both, *twice)
        # In the order: poses by frames.
        pose, cost = pose.reshape(2, frames, 3, 4), cost.reshape(2, frames)
        normal, grown = normal.reshape(2, frames, 6, 6), grown.reshape(2, frames, -1)
        present = weight[:, 0] > 0
        lost = ~((pose[..., 2, 3] > _LEAST_DEPTH * self.size) & (present.sum(1) >= _FEWEST) & np.isfinite(cost))
        if lost.any():
            cost = np.where(lost, np.inf, cost)
            pose[lost], normal[lost], grown[lost] = np.nan, 0.0, 0.0
        swap = cost[1] < cost[0]
        if swap.any():
            for one in (pose, cost, normal, grown):
                one[:, swap] = one[::-1, swap]
        turn = pose[..., :3]
        found = SE3(SO3(turn.swapaxes(0, 1)), (pose[..., 3] - turn @ self.middle).swapaxes(0, 1))
        return RigidPoses(found, cost.T, normal[0], grown[0] * present)

    def _start(self, uv: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """Scaled orthographic poses from affine maps of the least absolute deviations.

        For the last map points are put where they would be without perspective: one that is nearer by a share e of the depth is
        seen (1 + e) times as far from the axis (DeMenthon and Davis 1995).
        """
        whole = weight[:, 0] if weight.shape[1] == 1 else 0.5 * (weight[:, 0] + weight[:, 2])
        root, own, flat, solution = np.sqrt(whole), whole, uv, np.zeros(0)
        for k in range(_AFFINE_ROUNDS):
            normal = (own @ self._moments).reshape(-1, 4, 4) + self._lift
            solution = _solve(normal, ((own[:, None] * flat) @ self._affine).transpose(0, 2, 1))
            if k + 1 < _AFFINE_ROUNDS:
                off = np.abs((self._affine @ solution).transpose(0, 2, 1) - uv).sum(1)
                own = whole / np.maximum(off * root, 1.0)
                if k + 2 == _AFFINE_ROUNDS:
                    i, j = solution[:, 1:, 0], solution[:, 1:, 1]
                    along = (i[:, None] @ _CROSS).reshape(-1, 3, 3) @ j[:, :, None] / np.sqrt((i * i).sum(1) + 1e-300)[:, None, None]
                    flat = uv * (1 + np.clip(self._affine[:, 1:] @ along, -0.5, 0.5).transpose(0, 2, 1))
        left, size, right = np.linalg.svd(solution[:, 1:].transpose(0, 2, 1), full_matrices=False)
        pose = np.empty((len(uv), 3, 4))
        np.matmul(left, right, out=pose[:, :2, :3])
        pose[:, 2, :3] = ((pose[:, 0, :3] @ _CROSS).reshape(-1, 3, 3) @ pose[:, 1, :3, None])[..., 0]
        pose[:, :2, 3], pose[:, 2, 3] = solution[:, 0], 1.0
        pose[:, :, 3] *= (2 / np.maximum(size.sum(1), 1e-12))[:, None]
        return pose

    def _refine(self, pose: np.ndarray, uv: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, ...]:
        """Gauss-Newton from wide to narrow, until the likelier of each frame's two poses stay where they are.

        Args:
            pose: 3 x 4, of all frames, then their other poses.
            uv: as given, twice.
            weight: the same.
        """
        frames, few = len(pose) // 2, bool(((weight[:, 0] > 0).sum(1) < _MANY).any())
        features = np.ones((len(pose), 9, uv.shape[2]), np.float32)
        normal = grown = np.zeros(0)
        for k, width in enumerate(_WIDTHS):
            normal, force, grown = self._normal(pose, uv, weight, width**-2, features)
            step = _solve(normal, -force)
            if few:
                step *= np.minimum(1.0, _LONGEST / np.maximum(np.abs(step[:, 3:]).max(1, keepdims=True), 1e-300))
            pose = _turned(step[:, 3:, 0]) @ pose
            pose[:, :, 3] += step[:, :3, 0]
            if k:
                gain = -(step * force).sum((1, 2)).reshape(2, frames)
                if (gain.max(0) < _SETTLED**2).all():
                    break
                cost = -np.log1p(grown).sum(1).reshape(2, frames)
                if ((gain < _SETTLED**2) | (cost > cost[::-1] + _HOPELESS)).all():
                    break
        return pose, normal, grown, -np.log1p(grown).sum(1, dtype=float)

    def _normal(self, pose: np.ndarray, uv: np.ndarray, weight: np.ndarray, temper: float, features: np.ndarray) -> tuple[np.ndarray, ...]:
        """Normal equations of twists about the camera, and how much likelier each detection is than one of anything else.

        A twist (m, w) moves a point in the picture by slopes that are linear in nine features of its place, 1/z, x/z, y/z, xy, xx,
        yy, x, y and 1: normal equations are linear in the weighted products of these. In 32 bits, exact to a thousandth of a pixel.

        Args:
            pose: 3 x 4, of the points' middle.
            uv: as given.
            weight: as given.
            temper: one over the square of the scatter that is allowed, in sigmas.
            features: to work in; the last are 1.
        """
        local = pose.astype(np.float32) @ self._columns
        xy, near = features[:, 6:8], features[:, :1]
        np.divide(_ONE, local[:, 2:], out=near)
        np.multiply(local[:, :2], near, out=xy)
        np.multiply(xy, near, out=features[:, 1:3])
        np.multiply(xy, xy, out=features[:, 4:6])
        np.multiply(xy[:, 0], xy[:, 1], out=features[:, 3])
        off = xy - uv
        push = weight * off if weight.shape[1] == 1 else weight[:, ::2] * off + weight[:, 1:2] * off[:, ::-1]
        grown = np.exp(np.float32(self._mixture.gain) - np.float32(0.5 * temper) * (push * off).sum(1))
        share = (np.float32(temper) * grown / (1 + grown))[:, None]
        kinds, count, back = weight.shape[1], len(uv), features.transpose(0, 2, 1)
        pushed = (features[:, None] * (weight * share)[:, :, None]).reshape(count, kinds * 9, -1)
        products = (pushed @ back).reshape(count, kinds * 81)
        force = ((push * share) @ back).reshape(count, 18) @ _TO_FORCE
        return (products @ _TO_NORMAL[kinds]).reshape(count, 6, 6) + _TINY, force[..., None], grown


def _maps() -> tuple[dict[int, Float[np.ndarray, "products 36"]], Float[np.ndarray, "18 6"]]:
    """From weighted products of features to normal equations, by how many weights a point has; and of forces to their slope."""
    u, v = np.zeros((6, 9)), np.zeros((6, 9))  # d picture / d twist of a point, in the features
    u[0, 0], u[2, 1], u[3, 3], u[4, [4, 8]], u[5, 7] = 1, -1, -1, 1, -1
    v[1, 0], v[2, 2], v[3, [5, 8]], v[4, 3], v[5, 6] = 1, -1, -1, 1, 1
    uu, vv = (np.einsum("ip,jq->pqij", one, one).reshape(81, 36) for one in (u, v))
    uv = np.einsum("ip,jq->pqij", u, v).reshape(81, 36) + np.einsum("ip,jq->pqij", v, u).reshape(81, 36)
    return {1: uu + vv, 3: np.concatenate([uu, uv, vv])}, np.concatenate([u.T, v.T])


_TO_NORMAL, _TO_FORCE = _maps()


def _turned(w: Float[np.ndarray, "some 3"]) -> Float[np.ndarray, "some 3 3"]:
    """Rotations near exp(w), exact to the third power (Cayley)."""
    k = (w @ _CROSS).reshape(-1, 3, 3)
    return _EYE3 + (k + 0.5 * (k @ k)) / (1 + 0.25 * (w * w).sum(1))[:, None, None]
