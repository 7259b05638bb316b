"""Worlds that calibration is measured on, and the Cramer-Rao bound of each."""

from dataclasses import dataclass, replace

import numpy as np

from calibration.board_views import BoardViews
from calibration.targets import Board
from recon3d.geometry import SO3, CameraRig, Clock
from recon3d.geometry.bundle import PointBundle, PointsAt, TargetBundle, TargetsAt, TargetViews
from recon3d.geometry.camera_unknowns import CameraUnknowns, Free
from recon3d.geometry.schur import Eliminated, SchurSystem
from recon3d.records import Keypoints2D
from recon3d.synthetic import BoardWorld, MotionKind, NoiseSettings, RigKind, World, make_board_world, make_person, make_rig, make_world

BOARD = Board("chessboard", 11, 8, 0.1)


def gait_world(cameras: int, seed: int, kind: MotionKind = "gait", rig: RigKind = "ring", frames: int = 300) -> World:
    """2 px, 10 % outliers (a third mirror or other joints), 15 % missing (half in bursts); 60 frames/s."""
    return make_world(make_rig(rig, cameras, "mild", seed), make_person(kind, frames, 60.0, seed), NoiseSettings(), seed)


def clocked_world(
    cameras: int, seed: int, frames: int = 300, late: float = 0.5, drift: float = 0.0, kind: MotionKind = "gait"
) -> tuple[CameraRig, list[Keypoints2D], list[Clock]]:
    """The same with each camera's clock late by up to ``late`` s and off its pace by up to ``drift``."""
    rng = np.random.default_rng([seed, 7])
    rig = make_rig("ring", cameras, "mild", seed)
    seen: list[Keypoints2D] = []
    clocks: list[Clock] = []
    for v, camera in enumerate(rig):
        clock = Clock(rng.uniform(-late, late), rng.uniform(-drift, drift))
        stamps = np.arange(frames) / 60.0
        person = make_person(kind, seed=seed, time=clock.to_world(stamps))
        world = make_world(rig.select([camera.name]), person, NoiseSettings(), seed * 100 + v)
        seen.append(replace(world.keypoints2d()[0], time=stamps))
        clocks.append(clock)
    return rig, seen, clocks


def board_world(seed: int) -> BoardWorld:
    """A board of 11 x 8 corners, 100 mm apart, in 100 places within 1.2 m of the middle of 8 cameras on a ring; 0.3 px."""
    return make_board_world(make_rig("ring", 8, "mild", seed), BOARD.points, 100, 0.3, seed, reach=1.2)


def board_views(world: BoardWorld) -> list[BoardViews]:
    """What a detector hands on."""
    out: list[BoardViews] = []
    for v, camera in enumerate(world.rig):
        rows = np.flatnonzero(np.isfinite(world.xy[v, :, 0, 0]))
        out.append(BoardViews(camera.name, camera.intrinsics.size, tuple(f"{camera.name} {r}" for r in rows), rows, world.xy[v, rows]))
    return out


@dataclass(frozen=True)
class Bound:
    """Covariance of the free parameters at the truth, and the gauge that both it and errors are measured in."""

    covariance: np.ndarray
    gauge: np.ndarray
    kinds: tuple[str, ...]

    def expected(self, kind: str) -> float:
        """Expected sum of squared errors of a kind of parameters."""
        return float(np.diag(self.covariance)[[k == kind for k in self.kinds]].sum())


def people_bound(world: World, focal: bool = False) -> Bound:
    """Of cameras from points, told which sightings are sound."""
    views = len(world.rig)
    xy = world.xy.reshape(views, -1, 2)
    bundle = PointBundle(world.rig, Free(focal="one" if focal else "fixed"), xy, np.full(xy.shape[:2], world.sigma_px))
    sound = (np.isfinite(xy[..., 0]) & ~world.outlier.reshape(views, -1)).astype(float)
    at = PointsAt(bundle.cameras, np.ascontiguousarray(world.person.keypoints.reshape(-1, 3).T))
    bundle = bundle.reweighted(sound)
    return _bound(bundle.cameras, bundle.linearise(at), bundle.gauge(at))


def board_bound(world: BoardWorld) -> Bound:
    """Of cameras and lenses (focal lengths, principal point, five coefficients) from the board."""
    seen = np.isfinite(world.xy[:, :, 0, 0])
    pairs = np.argwhere(seen)
    count, corners = len(pairs), len(world.points)
    views = TargetViews(
        pairs[:, 0],
        pairs[:, 1],
        np.broadcast_to(world.points.T, (count, 3, corners)),
        world.xy[seen].transpose(0, 2, 1),
        np.full((count, corners), world.sigma_px),
        np.ones((count, corners)),
    )
    bundle = TargetBundle(world.rig, Free(focal="two", centre=True, distortion=(0, 1, 2, 3, 4)), views, world.xy.shape[1])
    at = TargetsAt(bundle.cameras, world.world_from_board)
    return _bound(bundle.cameras, bundle.linearise(at), bundle.gauge(at))


def _bound(cameras: CameraUnknowns, system: SchurSystem, gauge: np.ndarray) -> Bound:
    return Bound(Eliminated(system, gauge).covariance(), gauge, tuple(k for free in cameras.free for k in free.kinds))


def pose_errors(found: CameraRig, truth: CameraRig, gauge: np.ndarray | None = None, scale: bool = True) -> np.ndarray:
    """Twist from each true pose to the found one (m, rad; cameras 6), the world as a whole taken off.

    The worlds are laid onto each other by all cameras; what is left along the gauge is projected out, so that
    errors and covariances are of the same quantities.
    """
    a, b = found.centres(), truth.centres()
    ra = np.stack([c.cam_from_world.rotation.matrix for c in found])
    rb = np.stack([c.cam_from_world.rotation.matrix for c in truth])
    u, _, vt = np.linalg.svd(np.einsum("nki,nkj->ij", rb, ra))
    turn = u @ np.diag([1, 1, np.linalg.det(u @ vt)]) @ vt
    a0, b0 = (a - a.mean(0)) @ turn.T, b - b.mean(0)
    size = float((a0 * b0).sum() / (a0 * a0).sum()) if scale else 1.0
    out = []
    for rotation, centre, camera in zip(ra @ turn.T, size * a0 + b.mean(0), truth, strict=True):
        pose = replace(camera.cam_from_world, rotation=SO3(rotation), translation=-rotation @ centre)
        out.append((pose @ camera.cam_from_world.inverse()).log())
    flat = np.concatenate(out)
    if gauge is not None:
        flat = flat - gauge @ (gauge.T @ flat)
    return flat.reshape(-1, 6)


def worst_error(found: CameraRig, truth: CameraRig) -> tuple[float, float]:
    """Largest rotation error (deg) and centre error (m) of a rig after the best similarity."""
    twists = pose_errors(found, truth.select(found.names))
    a = np.linalg.norm(twists, axis=-1)
    return float(np.rad2deg(np.linalg.norm(twists[:, 3:], axis=1).max())), float(a.max())
