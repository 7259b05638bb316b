"""Small corrections of cameras, found together with the poses and the sizes of who moves before them.

A camera that was knocked, or whose clock is late, sees every point moved: by one rigid motion of the world, and by what
the point moves in the time that its clock is late. Both are shared by all frames, as sizes are, and stay near zero by a
prior, which also says which of all equally good answers it is: cameras move as little as possible.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from recon3d.arrays import freeze_fields
from recon3d.errors import CameraError
from recon3d.geometry import SE3, CameraRig
from recon3d.geometry.lie import skew
from recon3d.geometry.time_banded import TimeSystem
from recon3d.motion.evidence import Observed, ObservedPiece, Support
from recon3d.motion.problem import MotionProblem, Unknowns

_SHIFT_M, _TURN_RAD, _LATE_S = 0.10, 0.03, 0.005  # priors, one sigma


@dataclass(frozen=True, slots=True, eq=False)
class Corrections:
    """Of a rig's cameras.

    Attributes:
        names: of the cameras.
        twist: the point p stands where a camera takes exp(twist) p to be; m, rad, the translation first.
        late: what a camera stamps t it saw at t + late, s.
    """

    names: tuple[str, ...]
    twist: Float[np.ndarray, "cameras 6"]
    late: Float[np.ndarray, "cameras"]

    def __post_init__(self) -> None:
        freeze_fields(self)

    def of_rig(self, rig: CameraRig) -> CameraRig:
        """The rig with its cameras where they were found to be; clocks are left to `of`."""
        moved = [
            replace(camera, cam_from_world=camera.cam_from_world @ SE3.exp(self.twist[self.names.index(camera.name)])) for camera in rig
        ]
        return replace(rig, cameras=tuple(moved), covariance=None)

    def of(self, seen: Observed) -> Observed:
        """The same detections by corrected cameras, as they were at the times stamped."""
        pieces: list[ObservedPiece] = []
        start = 0
        for piece in seen.pieces:
            time = seen.world.time[start : start + piece.xy.shape[1]]
            start += len(time)
            late = self.late[[self.names.index(name) for name in piece.rig.names]]
            moved = np.gradient(piece.xy, time, axis=1) if len(time) > 1 else np.zeros_like(piece.xy)
            shift = np.nan_to_num(moved) * late[:, None, None, None]
            pieces.append(ObservedPiece(self.of_rig(piece.rig), piece.xy - shift, piece.sigma_px.copy()))
        return Observed(seen.world, tuple(pieces), seen.prior)


@dataclass(slots=True, eq=False)
class Free:
    """Unknowns of everything.

    Attributes:
        all: poses and sizes.
        camera: twist and lateness of every camera.
    """

    all: Unknowns
    camera: Float[np.ndarray, "views 7"]


@dataclass(slots=True, eq=False)
class CameraProblem:
    """For `solve_in_time`: a `MotionProblem` whose cameras are free as well."""

    motion: MotionProblem

    def retract(self, at: Free, step: Float[np.ndarray, "frames k"], shared: Float[np.ndarray, "shared"]) -> Free:
        """Everything moved; a camera's twist from where it is."""
        sizes = len(at.all.shape)
        more = shared[sizes:].reshape(-1, 7)
        twist = (SE3.exp(more[:, :6]) @ SE3.exp(at.camera[:, :6])).log()
        camera = np.concatenate([twist, at.camera[:, 6:] + more[:, 6:]], 1)
        return Free(self.motion.retract(at.all, step, shared[:sizes]), camera)

    def linearise(self, at: Free) -> tuple[TimeSystem, Float[np.ndarray, "frames"]]:
        """Normal equations, cameras last among the shared unknowns, and the cost frame by frame."""
        problem, views = self.motion, len(at.camera)
        body = problem.body(at.all)
        poses = at.all.pose.on(body)
        points = body.keypoints(poses)
        frames, count = points.shape[:2]
        speed = self._speed(points)
        total = Support(np.zeros((frames, count, 3, 3)), np.zeros((frames, count, 3)), np.zeros(frames))
        slopes = np.zeros((views, frames, count, 3, 7))
        own: list[Support] = []
        for v in range(views):
            world = SE3.exp(at.camera[v, :6])
            there = world @ (points + at.camera[v, 6] * speed)
            found = problem.evidence.support_of_view(there, v, problem.temper)
            back = world.rotation.matrix.T
            support = Support(back @ found.information @ back.T, (back @ found.force[..., None])[..., 0], found.cost)
            # In the world as the camera has it: exp(d) p' moves p' by the translation and by -[p']x times the rotation.
            slopes[v, ..., :3], slopes[v, ..., 3:6], slopes[v, ..., 6] = back, -back @ skew(there), speed
            own.append(support)
            total = Support(total.information + support.information, total.force + support.force, total.cost + support.cost)
        system, cost = problem.assemble(at.all, body, poses, points, total)
        f = problem.freedoms
        screws = body.screws(poses, f.joint, f.axes(at.all.pose, poses))
        reach = body.reach(screws, f.joint, poses)
        sizes = None if problem.shape is None else problem.shape.slopes(body, poses)
        return self._with_cameras(system, at, own, slopes, reach, sizes), cost + self._prior(at)[1] / frames

    def _with_cameras(
        self,
        system: TimeSystem,
        at: Free,
        own: list[Support],
        slopes: Float[np.ndarray, "views frames points 3 7"],
        reach: Float[np.ndarray, "frames points 3 k"],
        sizes: Float[np.ndarray, "frames points 3 shapes"] | None,
    ) -> TimeSystem:
        views, few = len(own), len(system.corner)
        shared = few + 7 * views
        border = np.concatenate([system.border, np.zeros((*system.gradient.shape, 7 * views))], 2)
        corner, gradient = np.zeros((shared, shared)), np.zeros(shared)
        corner[:few, :few], gradient[:few] = system.corner, system.shared_gradient
        weight, _ = self._prior(at)
        for v, support in enumerate(own):
            part = slice(few + 7 * v, few + 7 * v + 7)
            pushed = support.information @ slopes[v]
            border[:, :, part] = self.motion.armature.pulled(reach, pushed)
            flat = slopes[v].reshape(-1, 7)
            corner[part, part] = flat.T @ pushed.reshape(-1, 7) + np.diag(weight)
            gradient[part] = flat.T @ support.force.ravel() + weight * at.camera[v]
            if sizes is not None:
                corner[:few, part] = sizes.reshape(-1, few).T @ pushed.reshape(-1, 7)
                corner[part, :few] = corner[:few, part].T
        return replace(system, border=border, corner=corner, shared_gradient=gradient)

    def _speed(self, points: Float[np.ndarray, "frames points 3"]) -> Float[np.ndarray, "frames points 3"]:
        """Of the points, m/s; none across breaks."""
        out, grid = np.zeros_like(points), self.motion.grid
        joined = grid.ahead > 0
        span = (grid.time[2:] - grid.time[:-2])[:, None, None]
        out[1:-1] = np.where(joined[:, None, None], (points[2:] - points[:-2]) / span, 0.0)
        return out

    @staticmethod
    def _prior(at: Free) -> tuple[Float[np.ndarray, "7"], float]:
        weight = np.array([_SHIFT_M] * 3 + [_TURN_RAD] * 3 + [_LATE_S]) ** -2.0
        return weight, 0.5 * float((weight * at.camera**2).sum())


def cameras_of(seen: Observed) -> CameraRig:
    """The one rig of all pieces.

    Raises:
        CameraError: cameras that move: each of their frames would have corrections of its own.
    """
    rigs = [piece.rig for piece in seen.pieces]
    if not rigs or any(rig.names != rigs[0].names for rig in rigs):
        raise CameraError("free_cameras needs cameras that stand: this rig's move, or there are no detections")
    return rigs[0]
