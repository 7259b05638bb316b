"""The one bundle adjustment: cameras together with the points or the rigid targets that they saw.

Which parameters of which camera are free is an argument (`Free`). Residuals are pixels over their
sigma, times the square root of a weight: the weights come from a mixture of inliers and outliers and
are the caller's (`reweighted`). The cost is half the sum of their squares.

Points: planes ``(views, points)``, absent sightings with weight 0. While no lens is free, pixels are
undistorted once and their covariance is carried over, which is exact to first order.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from recon3d.geometry.camera import CameraRig
from recon3d.geometry.camera_unknowns import CameraUnknowns, Free
from recon3d.geometry.lie import SE3
from recon3d.geometry.schur import SchurSystem
from recon3d.geometry.sightings import Poses, sight

_FRAME = 3  # anchored points that fix a world
ViewPlane = Float[np.ndarray, "views points"]


@dataclass(frozen=True, slots=True, eq=False)
class PointsAt:
    """Cameras, and points (m)."""

    cameras: CameraUnknowns
    points: Float[np.ndarray, "3 points"]


@dataclass(frozen=True, slots=True, eq=False)
class Motions:
    """How clocks matter: the points' velocities, and when each sighting was made.

    Attributes:
        velocity: of the points, m/s.
        time: of each sighting by its camera's clock, s; 0 where absent.
        row: of each sighting in its image, px; 0 where absent.
    """

    velocity: Float[np.ndarray, "3 points"]
    time: ViewPlane
    row: ViewPlane


@dataclass(frozen=True, slots=True, eq=False)
class Anchors:
    """What is known of points beforehand.

    Attributes:
        points: m; anything where nothing is known.
        information: 1 / sigma^2 of each coordinate, m^-2; 0 where nothing is known.
    """

    points: Float[np.ndarray, "3 points"]
    information: Float[np.ndarray, "points"]


class PointBundle:
    """Points seen by cameras.

    Args:
        rig: the cameras, with their lenses as they are at the start.
        free: what is solved for, for all cameras or each.
        xy: px; NaN where absent.
        sigma_px: of each coordinate, px.
        motions: needed where a clock is free. A clock's step moves the points along their velocities while
            the pixels stay as they are: with changed clocks the caller samples its keypoints anew.
        anchors: points whose place is known; with three of them the world has a frame.
    """

    def __init__(
        self,
        rig: CameraRig,
        free: Free | tuple[Free, ...],
        xy: Float[np.ndarray, "views points 2"],
        sigma_px: ViewPlane,
        motions: Motions | None = None,
        anchors: Anchors | None = None,
    ):
        self.cameras = CameraUnknowns.of(rig, free)
        self._anchors = anchors
        self._motions = motions
        self._free_lens = any(f.lens for f in self.cameras.free)
        self._clock = tuple((c.offset, c.drift, c.line_time) for c in self.cameras.clock)
        if self._free_lens:
            known = np.isfinite(xy).all(-1) & (sigma_px > 0)
            inverse = np.where(known, 1 / np.where(known, sigma_px, 1.0), 0.0)
            self._u, self._v = (np.where(known, xy[..., k], 0.0) for k in (0, 1))
            self._whitener = (inverse, np.zeros_like(inverse), inverse)
        else:
            s = sight(rig, Poses.of_rig(rig), xy, sigma_px)
            self._u, self._v = s.u, s.v
            first = np.sqrt(s.a)
            below = s.b / np.where(first > 0, first, 1.0)
            self._whitener = (first, below, np.sqrt(np.maximum(s.c - below * below, 0.0)))
        self.present: ViewPlane = (self._whitener[2] > 0).astype(float)
        self.weight: ViewPlane = self.present
        self._scaled = self._whitener

    def reweighted(self, weight: ViewPlane) -> "PointBundle":
        """The same sightings with other weights; absent ones stay at 0."""
        out = object.__new__(PointBundle)
        out.__dict__.update(self.__dict__)
        out.weight = weight * self.present
        root = np.sqrt(out.weight)
        a, b, c = self._whitener
        out._scaled = (a * root, b * root, c * root)
        return out

    def chi_square(self, at: PointsAt) -> ViewPlane:
        """Squared residual over its variance, unweighted; infinite behind a camera, 0 where absent."""
        whole = self.reweighted(self.present)
        residual, front = whole._residuals(at)
        chi2 = (residual * residual).sum(1)
        return np.where(front | (self.present == 0), chi2, np.inf)

    def cost(self, at: PointsAt) -> float:
        """Half the weighted sum of squares; infinite where a sighting that counts has its point behind the camera."""
        residual, front = self._residuals(at)
        if ((self.weight > 1e-6) & ~front).any():
            return float("inf")
        return 0.5 * float(np.vdot(residual, residual)) + self._anchored(at)

    def _anchored(self, at: PointsAt) -> float:
        if self._anchors is None:
            return 0.0
        return 0.5 * float(((at.points - self._anchors.points) ** 2 * self._anchors.information).sum())

    def retract(self, at: PointsAt, border: Float[np.ndarray, "border"], groups: Float[np.ndarray, "3 points"]) -> PointsAt:
        """Cameras and points moved."""
        return PointsAt(at.cameras.retract(border), at.points + groups)

    def gauge(self, at: PointsAt) -> Float[np.ndarray, "border freedoms"]:
        """The seven freedoms of a world without a known frame, or none where a camera stands or points are anchored."""
        if self._anchors is not None and (self._anchors.information > 0).sum() >= _FRAME:
            return np.zeros((at.cameras.count, 0))
        return at.cameras.gauge(scale=True)

    def linearise(self, at: PointsAt) -> SchurSystem:
        """Normal equations, points last."""
        cameras, points = at.cameras, at.points.shape[1]
        views, slices = len(cameras.free), cameras.slices
        border, gradient = np.zeros((cameras.count, cameras.count)), np.zeros(cameras.count)
        cross, blocks = np.zeros((3, cameras.count, points)), np.zeros((3, 3, points))
        own, cost = np.zeros((3, points)), 0.0
        moved = self._moved(at)
        for v in range(views):
            local = cameras.rotation[v] @ moved(v) + cameras.translation[v][:, None]
            residual, columns = self._camera(cameras, v, local, cameras.rotation[v])
            part = slices[v]
            shared, point = columns[:, : part.stop - part.start], columns[:, part.stop - part.start :]
            flat = shared.transpose(1, 0, 2).reshape(shared.shape[1], residual.size)
            border[part, part] = flat @ flat.T
            gradient[part] = flat @ residual.reshape(-1)
            cost += 0.5 * float(np.vdot(residual, residual))
            for i in range(3):
                np.einsum("rp,rnp->np", point[:, i], shared, out=cross[i, part])
                own[i] += (point[:, i] * residual).sum(0)
                for k in range(i + 1):
                    blocks[i, k] += (point[:, i] * point[:, k]).sum(0)
        for i, k in ((0, 1), (0, 2), (1, 2)):
            blocks[i, k] = blocks[k, i]
        if self._anchors is not None:
            for i in range(3):
                blocks[i, i] += self._anchors.information
                own[i] += self._anchors.information * (at.points[i] - self._anchors.points[i])
            cost += self._anchored(at)
        return SchurSystem(border, gradient, cross, blocks, own, cost)

    def _moved(self, at: PointsAt) -> Callable[[int], Float[np.ndarray, "3 points"]]:
        """Points as they are when a camera sees them, by the change of its clock since the start."""
        motions = self._motions

        def points(view: int) -> Float[np.ndarray, "3 points"]:
            if motions is None:
                return at.points
            clock, old = at.cameras.clock[view], self._clock[view]
            late = clock.offset - old[0] + (clock.drift - old[1]) * motions.time[view] + (clock.line_time - old[2]) * motions.row[view]
            return at.points + motions.velocity * late

        return points

    def _residuals(self, at: PointsAt) -> tuple[Float[np.ndarray, "views 2 points"], ViewPlane]:
        cameras, moved = at.cameras, self._moved(at)
        out = np.empty((len(cameras.free), 2, at.points.shape[1]))
        front = np.empty((len(out), out.shape[2]), bool)
        a, b, c = self._scaled
        for v in range(len(out)):
            local = cameras.rotation[v] @ moved(v) + cameras.translation[v][:, None]
            front[v] = local[2] > 0
            inverse = 1 / np.where(front[v], local[2], 1.0)
            x, y = local[0] * inverse, local[1] * inverse
            if self._free_lens:
                x, y = cameras.intrinsics[v].distorted_planes(x, y)
            ex, ey = x - self._u[v], y - self._v[v]
            out[v, 0] = (a[v] * ex + b[v] * ey) * front[v]
            out[v, 1] = c[v] * ey * front[v]
        return out, front

    def _camera(
        self, cameras: CameraUnknowns, v: int, local: Float[np.ndarray, "3 points"], rotation: Float[np.ndarray, "3 3"]
    ) -> tuple[Float[np.ndarray, "2 points"], Float[np.ndarray, "2 columns points"]]:
        """Residuals of one camera and their columns: its free parameters, then the point's three."""
        front = local[2] > 0
        if not front.all():
            local = np.where(front, local, np.array([[0.0], [0.0], [1.0]]))
        a, b, c = (plane[v] * front for plane in self._scaled) if not front.all() else (plane[v] for plane in self._scaled)
        if self._free_lens:
            found = cameras.project(v, local)
            residual = (found.xy - np.stack([self._u[v], self._v[v]])) * a
            by_point, by_lens = found.by_point * a, found.by_lens * a
        else:
            inverse = 1 / local[2]
            x, y = local[0] * inverse, local[1] * inverse
            ex, ey = x - self._u[v], y - self._v[v]
            residual = np.stack([a * ex + b * ey, c * ey])
            p, q, r = a * inverse, b * inverse, c * inverse
            by_point = np.stack([np.stack([p, q, -(p * x + q * y)]), np.stack([np.zeros_like(r), r, -r * y])])
            by_lens = by_point[:, :0]
        return residual, self._columns(cameras, v, local, rotation, by_point, by_lens)

    def _columns(
        self,
        cameras: CameraUnknowns,
        v: int,
        local: Float[np.ndarray, "3 points"],
        rotation: Float[np.ndarray, "3 3"],
        by_point: Float[np.ndarray, "2 3 points"],
        by_lens: Float[np.ndarray, "2 parameters points"],
    ) -> Float[np.ndarray, "2 columns points"]:
        free, motions = cameras.free[v], self._motions
        world = np.einsum("rkp,ki->rip", by_point, rotation)
        parts = [by_point, turned_by(by_point, local)] if free.pose else []
        parts.append(by_lens)
        if free.timed and motions is not None:
            flow = (world * motions.velocity).sum(1, keepdims=True)
            factor = {"offset": 1.0, "drift": motions.time[v], "line_time": motions.row[v]}
            parts += [flow * factor[name] for name in factor if getattr(free, name)]
        return np.concatenate([*parts, world], 1)


def turned_by(by_point: Float[np.ndarray, "2 3 *points"], at: Float[np.ndarray, "3 *points"]) -> Float[np.ndarray, "2 3 *points"]:
    """Derivative by a rotation vector of something whose derivative by a point is known: at x (row)."""
    out = np.empty_like(by_point)
    for i, (j, k) in enumerate(((1, 2), (2, 0), (0, 1))):
        out[:, i] = at[j] * by_point[:, k] - at[k] * by_point[:, j]
    return out


@dataclass(frozen=True, slots=True, eq=False)
class TargetsAt:
    """Cameras, and a pose ``world_from_target`` for each frame that shows a rigid target."""

    cameras: CameraUnknowns
    targets: SE3


@dataclass(frozen=True, slots=True, eq=False)
class TargetViews:
    """Images of rigid targets.

    Attributes:
        view: which camera took it.
        frame: which target pose it shows; a camera shows a frame once at most.
        shape: the target's points in its own axes, m.
        xy: px.
        sigma_px: px.
        weight: 0 where a point was not seen.
    """

    view: Int[np.ndarray, "images"]
    frame: Int[np.ndarray, "images"]
    shape: Float[np.ndarray, "images 3 points"]
    xy: Float[np.ndarray, "images 2 points"]
    sigma_px: Float[np.ndarray, "images points"]
    weight: Float[np.ndarray, "images points"]

    def take(self, rows: Int[np.ndarray, "some"]) -> "TargetViews":
        """Some of the images."""
        fields = ("view", "frame", "shape", "xy", "sigma_px", "weight")
        return TargetViews(*(getattr(self, name)[rows] for name in fields))


class TargetBundle:
    """Rigid targets (calibration boards) seen by cameras."""

    def __init__(self, rig: CameraRig, free: Free | tuple[Free, ...], views: TargetViews, frames: int):
        self.cameras = CameraUnknowns.of(rig, free)
        self.frames = frames
        self._views = views
        self._own = [views.take(np.flatnonzero(views.view == v)) for v in range(len(rig))]
        self._root = [np.sqrt(own.weight) / own.sigma_px for own in self._own]

    def reweighted(self, weight: Float[np.ndarray, "images points"]) -> "TargetBundle":
        """The same images with other weights."""
        out = object.__new__(TargetBundle)
        out.__dict__.update(self.__dict__)
        out._views = replace(self._views, weight=weight)
        out._own = [out._views.take(np.flatnonzero(self._views.view == v)) for v in range(len(self._own))]
        out._root = [np.sqrt(own.weight) / own.sigma_px for own in out._own]
        return out

    def residuals(self, at: TargetsAt) -> Float[np.ndarray, "images 2 points"]:
        """Predicted less seen, px; NaN behind the camera."""
        out = np.empty(self._views.xy.shape)
        for v, own in enumerate(self._own):
            local = self._local(at, v)[1]
            with np.errstate(invalid="ignore"):
                local = np.where(local[2] > 0, local, np.nan)
            found = at.cameras.project(v, local.reshape(3, -1)).xy.reshape(2, *local.shape[1:])
            out[self._views.view == v] = found.transpose(1, 0, 2) - own.xy
        return out

    def cost(self, at: TargetsAt) -> float:
        """Half the weighted sum of squares; infinite where a target reaches behind a camera that sees it."""
        total = 0.0
        for v, own in enumerate(self._own):
            if not len(own.view):
                continue
            local = self._local(at, v)[1]
            if ((local[2] <= 1e-6) & (own.weight > 0)).any():
                return float("inf")
            depth = np.where(own.weight > 0, local[2], 1.0)
            px, py = at.cameras.intrinsics[v].distorted_planes(local[0] / depth, local[1] / depth)
            ex, ey = (px - own.xy[:, 0]) * self._root[v], (py - own.xy[:, 1]) * self._root[v]
            total += 0.5 * float(np.sum(ex * ex) + np.sum(ey * ey))
        return total if np.isfinite(total) else float("inf")

    def retract(self, at: TargetsAt, border: Float[np.ndarray, "border"], groups: Float[np.ndarray, "6 frames"]) -> TargetsAt:
        """Cameras and target poses moved, each by a twist from the left."""
        return TargetsAt(at.cameras.retract(border), SE3.exp(groups.T) @ at.targets)

    def gauge(self, at: TargetsAt) -> Float[np.ndarray, "border freedoms"]:
        """The six freedoms of a world without a known frame; the targets know their size."""
        return at.cameras.gauge(scale=False)

    def linearise(self, at: TargetsAt) -> SchurSystem:
        """Normal equations, target poses last."""
        cameras = at.cameras
        border, gradient = np.zeros((cameras.count, cameras.count)), np.zeros(cameras.count)
        cross, blocks = np.zeros((6, cameras.count, self.frames)), np.zeros((6, 6, self.frames))
        own_gradient, cost = np.zeros((6, self.frames)), 0.0
        for v, part in enumerate(cameras.slices):
            own = self._own[v]
            images, points = own.weight.shape
            if not images:
                continue
            world, local = self._local(at, v)
            local = np.where(own.weight > 0, local, np.array([0.0, 0.0, 1.0])[:, None, None])
            found = cameras.project(v, local.reshape(3, -1))
            root = self._root[v].reshape(-1)
            residual = (found.xy - own.xy.transpose(1, 0, 2).reshape(2, -1)) * root
            by_point = found.by_point * root
            turned = [by_point, turned_by(by_point, local.reshape(3, -1))] if cameras.free[v].pose else []
            by_world = np.einsum("rkp,ki->rip", by_point, cameras.rotation[v])
            of_camera = np.concatenate([*turned, found.by_lens * root], 1)
            of_target = np.concatenate([by_world, turned_by(by_world, world.reshape(3, -1))], 1)
            flat = of_camera.transpose(1, 0, 2).reshape(of_camera.shape[1], residual.size)
            border[part, part] = flat @ flat.T
            gradient[part] = flat @ residual.reshape(-1)
            cost += 0.5 * float(np.vdot(residual, residual))
            # Image by image: (images, rows of both coordinates and all points, columns).
            a = (
                of_camera.reshape(2, of_camera.shape[1], images, points)
                .transpose(2, 1, 0, 3)
                .reshape(images, of_camera.shape[1], 2 * points)
            )
            b = of_target.reshape(2, 6, images, points).transpose(2, 1, 0, 3).reshape(images, 6, 2 * points)
            r = residual.reshape(2, images, points).transpose(1, 0, 2).reshape(images, 2 * points, 1)
            cross[:, part, own.frame] = (b @ a.transpose(0, 2, 1)).transpose(1, 2, 0)
            blocks[:, :, own.frame] += (b @ b.transpose(0, 2, 1)).transpose(1, 2, 0)
            own_gradient[:, own.frame] += (b @ r)[..., 0].T
        return SchurSystem(border, gradient, cross, blocks, own_gradient, cost)

    def _local(self, at: TargetsAt, v: int) -> tuple[Float[np.ndarray, "3 images points"], Float[np.ndarray, "3 images points"]]:
        """The targets' points in the world and in one camera's axes, m."""
        own = self._own[v]
        world = at.targets.rotation.matrix[own.frame] @ own.shape + at.targets.translation[own.frame][..., None]
        local = at.cameras.rotation[v] @ world + at.cameras.translation[v][:, None]
        return world.transpose(1, 0, 2), local.transpose(1, 0, 2)
