"""Worlds of boards and people that the tests of calibration share."""

import functools
from dataclasses import replace

import numpy as np

from calibration.board_views import BoardViews
from calibration.targets import Board
from recon3d.geometry import CameraRig, Clock
from recon3d.records import Keypoints2D
from recon3d.synthetic import BoardWorld, NoiseSettings, make_board_world, make_person, make_rig, make_world

BOARD = Board("chessboard", 9, 6, 0.08)


@functools.cache
def board_world(cameras: int = 4, frames: int = 60, seed: int = 0, columns: int = 9) -> BoardWorld:
    return make_board_world(make_rig("ring", cameras, "mild", seed), Board("chessboard", columns, 6, 0.08).points, frames, 0.2, seed, 1.0)


def board_views(world: BoardWorld, frames: slice | list[int] | None = None) -> list[BoardViews]:
    out = []
    for v, camera in enumerate(world.rig):
        rows = np.flatnonzero(np.isfinite(world.xy[v, :, 0, 0]))
        out.append(
            BoardViews(camera.name, camera.intrinsics.size, tuple(f"{camera.name} {r}" for r in rows), rows, world.xy[v, rows].copy())
        )
    return out


def lenses(rig: CameraRig) -> dict:
    return {camera.name: camera.intrinsics for camera in rig}


@functools.cache
def clocked(cameras: int = 3, frames: int = 240, seed: int = 0, fps: tuple[float, ...] = (60.0,), line_time: float = 0.0):
    """A walking person through cameras whose clocks are late, at frame rates of their own."""
    rng = np.random.default_rng([seed, 3])
    rig = make_rig("ring", cameras, "mild", seed)
    seen: list[Keypoints2D] = []
    clocks: list[Clock] = []
    for v, camera in enumerate(rig):
        rate = fps[v % len(fps)]
        clock = Clock(rng.uniform(-0.4, 0.4) if v else 0.0)
        stamps = np.arange(round(frames * rate / 60)) / rate
        world = make_world(
            rig.select([camera.name]), make_person("gait", seed=seed, time=clock.to_world(stamps)), NoiseSettings(), seed * 10 + v
        )
        seen.append(replace(world.keypoints2d()[0], time=stamps))
        clocks.append(clock)
    return rig, seen, clocks


def pose_error(found: CameraRig, truth: CameraRig) -> tuple[float, float]:
    """Largest rotation (deg) and centre (m) error after the best similarity of all cameras."""
    truth = truth.select(found.names)
    a, b = found.centres(), truth.centres()
    ra = np.stack([c.cam_from_world.rotation.matrix for c in found])
    rb = np.stack([c.cam_from_world.rotation.matrix for c in truth])
    u, _, vt = np.linalg.svd(np.einsum("nki,nkj->ij", rb, ra))
    turn = u @ np.diag([1, 1, np.linalg.det(u @ vt)]) @ vt
    a0, b0 = (a - a.mean(0)) @ turn.T, b - b.mean(0)
    size = (a0 * b0).sum() / (a0 * a0).sum()
    cosine = (np.einsum("nij,nij->n", ra @ turn.T, rb) - 1) / 2
    return float(np.rad2deg(np.arccos(np.clip(cosine, -1, 1))).max()), float(np.linalg.norm(size * a0 - b0, axis=1).max())
