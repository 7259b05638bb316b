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
_AFFINE_ROUNDS, _CLEAN = 3, 8.0  # maps; what the first may leave at the most, in sigmas, for it to need no second
_ROUNDS, _NARROWER = 24, 2.5
_WIDE, _WIDEST = 0.5, 8.0  # the scatter that is allowed to detections begins at what the affine map leaves, more where it leaves much
_SETTLED = 0.25  # of a sigma: a round that moves the pose by less is the last, as the next would move it by far less
_LONGEST = 0.5  # of a turn in a step, rad
_FLAT = 0.1  # of the extent across: how affine maps change along the third axis is noise then
_LEAST_DEPTH = 0.2  # of the thing's size: nearer is behind the camera
_TINY = 1e-6 * np.eye(6)  # of the information, m^-2, for frames without points
_MIRROR = np.diag([1.0, 1.0, -1.0])
_MANY = 12
_HOPELESS = 20.0  # log likelihood by which a pose is worse, for it not to be followed further
_EYE3, _EYE4, _ONE = np.eye(3), np.eye(4), np.float32(1)
_NARROW = np.ones(1, np.float32)
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
        self._flat = bool(size[2] < _FLAT * size[1])
        self._axes, self._lift = axes, 1e-9 * size[0] ** 2 / len(points) * np.diag([0.0, 1.0, 1.0, 1.0])
        self._columns = np.vstack([centred.T, np.ones(len(points))]).astype(np.float32)
        x = centred
        self._affine = np.column_stack([np.ones(len(x)), x])
        self._moments = (self._affine[:, :, None] * self._affine[:, None]).reshape(len(x), 16)
        self._gain = np.float32(Mixture.of(outlier_share, outlier_radius).gain)

    def poses(self, uv: Float[np.ndarray, "frames 2 points"], weight: Float[np.ndarray, "frames kinds points"]) -> RigidPoses:
        """Of every frame.

        Args:
            uv: normalised, undistorted image points; any number where there is none.
            weight: a, b, c of their information [[a, b], [b, c]], or one number where a = c and b = 0; 0 where there is no detection.
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

    def at(self, pose: SE3, uv: Float[np.ndarray, "frames 2 points"], weight: Float[np.ndarray, "frames kinds points"]) -> RigidPoses:
        """What detections say at given poses, cam_from_thing: nothing is searched."""
        turn = pose.rotation.matrix
        middle = np.concatenate([turn, (pose.translation + turn @ self.middle)[..., None]], -1)
        middle, uv, single = middle.astype(np.float32), uv.astype(np.float32), weight.astype(np.float32)
        normal, _, grown = self._normal(middle, uv, single, _NARROW, np.ones((len(uv), 9, uv.shape[2]), np.float32))
        grown = grown * (weight[:, 0] > 0)
        cost = -np.log1p(grown).sum(1, dtype=float)
        both = SE3(SO3(np.stack([turn, turn], 1)), np.stack([pose.translation, pose.translation], 1))
        return RigidPoses(both, np.stack([cost, cost], 1), normal, grown)

    def _part(self, uv: np.ndarray, weight: np.ndarray) -> RigidPoses:
        # Arrays are in the order: two poses, frames.
        pose = np.empty((2, len(uv), 3, 4))
        pose[0], width = self._start(uv, weight)
        pose[1] = pose[0]
        pose[1, :, :, :3] = _MIRROR @ pose[0, :, :, :3] @ self._flip
        pose, normal, grown = self._refine(pose, uv.astype(np.float32), weight.astype(np.float32), width)
        present = weight[:, 0] > 0
        grown = grown * present
        cost = -np.log1p(grown).sum(2, dtype=float)
        lost = ~((pose[..., 2, 3] > _LEAST_DEPTH * self.size) & (present.sum(1) >= _FEWEST) & np.isfinite(cost))
        if lost.any():
            pose[lost], normal[lost], grown[lost], cost[lost] = np.nan, 0.0, 0.0, np.inf
        swap = cost[1] < cost[0]
        if swap.any():
            for one in (pose, cost, normal, grown):
                one[:, swap] = one[::-1, swap]
        turn = pose[..., :3]
        found = SE3(SO3(turn.swapaxes(0, 1)), (pose[..., 3] - turn @ self.middle).swapaxes(0, 1))
        return RigidPoses(found, cost.T, normal[0], grown[0])

    def _start(self, uv: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Scaled orthographic poses from affine maps of the least absolute deviations, and what these leave, in sigmas.

        For the last map points are put where they would be without perspective: one that is nearer by a share e of the depth is
        seen (1 + e) times as far from the axis (DeMenthon and Davis 1995).
        """
        whole = weight[:, 0] if weight.shape[1] == 1 else 0.5 * (weight[:, 0] + weight[:, 2])
        root, own, flat, solution, near = np.sqrt(whole), whole, uv, np.zeros(0), whole
        lift, rows = whole.sum(1)[:, None, None] * self._lift + 1e-300 * _EYE4, np.empty((len(uv), 3, uv.shape[2]))
        for k in range(_AFFINE_ROUNDS):
            rows[:, 0] = own
            np.multiply(own[:, None], flat, out=rows[:, 1:])
            summed = rows @ self._moments
            solution = _solve(summed[:, 0].reshape(-1, 4, 4) + lift, summed[:, 1:, :4].transpose(0, 2, 1))
            if flat is not uv:
                break
            off = np.abs((self._affine @ solution).transpose(0, 2, 1) - uv).sum(1) * root
            near = 1 / np.maximum(off, 1.0)
            own = whole * near
            if k + 2 == _AFFINE_ROUNDS or off.max() < _CLEAN:
                i, j = solution[:, 1:, 0], solution[:, 1:, 1]
                along = (i[:, None] @ _CROSS).reshape(-1, 3, 3) @ j[:, :, None] / np.sqrt((i * i).sum(1) + 1e-300)[:, None, None]
                flat = uv * (1 + np.clip(self._affine[:, 1:] @ along, -0.5, 0.5).transpose(0, 2, 1))
        mapped = solution[:, 1:].transpose(0, 2, 1)  # 2 x 3
        pose = np.empty((len(uv), 3, 4))
        pose[:, :2, :3], scale = self._of_plane(mapped) if self._flat else _nearest(mapped)
        pose[:, 2, :3] = ((pose[:, 0, :3] @ _CROSS).reshape(-1, 3, 3) @ pose[:, 1, :3, None])[..., 0]
        pose[:, :2, 3], pose[:, 2, 3] = solution[:, 0], 1.0
        pose[:, :, 3] *= (1 / np.maximum(scale, 1e-12))[:, None]
        left = 1 / near.mean(1)
        # Of something flat the affine map does not tell how depth changes along it.
        return pose, left * (_WIDEST if self._flat else np.minimum(_WIDE * left, _WIDEST))

    def _of_plane(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The first two rows of a rotation, and the scale, of something flat: by how much shorter it is one way than the other."""
        left, size, right = np.linalg.svd(rows @ self._axes[:2].T)
        shorter = np.clip(size[:, 1] / np.maximum(size[:, 0], 1e-300), 0.0, 1.0)
        middle = np.zeros((len(rows), 2, 3))
        middle[:, 0, :2] = right[:, 0]
        middle[:, 1, :2], middle[:, 1, 2] = shorter[:, None] * right[:, 1], np.sqrt(1 - shorter**2)
        return left @ middle @ self._axes, size[:, 0]

    def _refine(self, pose: np.ndarray, uv: np.ndarray, weight: np.ndarray, width: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Gauss-Newton from wide to narrow, until the likelier of each frame's two poses stays where it is, and a rival of it.

        Args:
            pose: 3 x 4 of the points' middle, two of every frame.
            uv: as given, in 32 bits.
            weight: the same.
            width: scatter that is allowed to detections at first, of every frame, in sigmas.
        """
        few = bool(((weight[:, 0] > 0).sum(1) < _MANY).any())
        features = np.ones((*pose.shape[:2], 9, uv.shape[2]), np.float32)
        normal = grown = np.zeros(0)
        for _ in range(_ROUNDS):
            narrow = width.max() <= 1.0
            temper = _NARROW if narrow else np.minimum(width**-2, 1.0).astype(np.float32)[:, None]
            normal, force, grown = self._normal(pose.astype(np.float32), uv, weight, temper, features)
            step = _solve(normal, -force)
            if few:
                step *= np.minimum(1.0, _LONGEST / np.maximum(np.abs(step[..., 3:, :]).max(2, keepdims=True), 1e-300))
            pose = _turned(step[..., 3:, 0]) @ pose
            pose[..., 3] += step[..., :3, 0]
            if narrow:
                settled = (step * force).sum((2, 3)) > -(_SETTLED**2)
                if settled.all():
                    break
                if settled.any(0).all():
                    cost = -np.log1p(grown).sum(2)
                    if (settled | (cost > cost[::-1] + _HOPELESS)).all():
                        break
            else:
                width = np.where(width > _NARROWER, width / _NARROWER, 1.0)
        return pose, normal, grown

    def _normal(
        self, pose: np.ndarray, uv: np.ndarray, weight: np.ndarray, temper: np.ndarray, features: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Normal equations of twists about the camera, and how much likelier each detection is than one of anything else.

        A twist (m, w) moves a point in the picture by slopes that are linear in nine features of its place, 1/z, x/z, y/z, xy, xx,
        yy, x, y and 1: normal equations are linear in the weighted products of these. In 32 bits, exact to a thousandth of a pixel.

        Args:
            pose: 3 x 4, of the points' middle; one or several of every frame.
            uv: as given.
            weight: as given.
            temper: one over the square of the scatter that is allowed, in sigmas; 32 bits.
            features: to work in; the last are 1.
        """
        local = pose @ self._columns
        xy, near = features[..., 6:8, :], features[..., :1, :]
        np.divide(_ONE, local[..., 2:, :], out=near)
        np.multiply(local[..., :2, :], near, out=xy)
        np.multiply(xy, near, out=features[..., 1:3, :])
        np.multiply(xy, xy, out=features[..., 4:6, :])
        np.multiply(xy[..., 0, :], xy[..., 1, :], out=features[..., 3, :])
        off = xy - uv
        kinds, lead = weight.shape[-2], pose.shape[:-2]
        push = weight * off if kinds == 1 else weight[..., ::2, :] * off + weight[..., 1:2, :] * off[..., ::-1, :]
        grown = np.exp(self._gain - (0.5 * temper) * (push * off).sum(-2))
        share = (temper * grown / (1 + grown))[..., None, :]
        back = features.swapaxes(-1, -2)
        pushed = features * (weight * share) if kinds == 1 else features[..., None, :, :] * (weight * share)[..., None, :]
        products = (pushed.reshape(*lead, kinds * 9, -1) @ back).reshape(*lead, kinds * 81)
        force = ((push * share) @ back).reshape(*lead, 18) @ _TO_FORCE
        return (products @ _TO_NORMAL[kinds]).reshape(*lead, 6, 6) + _TINY, force[..., None], grown


def _maps() -> tuple[dict[int, Float[np.ndarray, "products 36"]], Float[np.ndarray, "18 6"]]:
    """From weighted products of features to normal equations, by how many weights a point has; and of forces to their slope."""
    u, v = np.zeros((6, 9)), np.zeros((6, 9))  # d picture / d twist of a point, in the features
    u[0, 0], u[2, 1], u[3, 3], u[4, [4, 8]], u[5, 7] = 1, -1, -1, 1, -1
    v[1, 0], v[2, 2], v[3, [5, 8]], v[4, 3], v[5, 6] = 1, -1, -1, 1, 1
    uu, vv = (np.einsum("ip,jq->pqij", one, one).reshape(81, 36) for one in (u, v))
    uv = np.einsum("ip,jq->pqij", u, v).reshape(81, 36) + np.einsum("ip,jq->pqij", v, u).reshape(81, 36)
    return {1: uu + vv, 3: np.concatenate([uu, uv, vv])}, np.concatenate([u.T, v.T])


_TO_NORMAL, _TO_FORCE = _maps()


def _nearest(rows: Float[np.ndarray, "some 2 3"]) -> tuple[Float[np.ndarray, "some 2 3"], Float[np.ndarray, "some"]]:
    """The first two rows of the rotation that is nearest to these but for a scale, and that scale."""
    left, size, right = np.linalg.svd(rows, full_matrices=False)
    return left @ right, 0.5 * size.sum(1)


def _turned(w: Float[np.ndarray, "*batch 3"]) -> Float[np.ndarray, "*batch 3 3"]:
    """Rotations near exp(w), exact to the third power (Cayley)."""
    k = (w @ _CROSS).reshape(*w.shape, 3)
    return _EYE3 + (k + 0.5 * (k @ k)) / (1 + 0.25 * (w * w).sum(-1))[..., None, None]
