"""What tests of motion share."""

import functools
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from recon3d.motion import Observed, ObservedPiece
from recon3d.multiview import reconstruct
from recon3d.records import Keypoints3D
from recon3d.synthetic import NoiseSettings, Person, World, make_person, make_rig, make_world


def as_world(person: Person, sigma: float = 0.003) -> Keypoints3D:
    """A person's true keypoints as if they had been triangulated."""
    frames, joints = person.keypoints.shape[:2]
    seen = np.isfinite(person.keypoints).all(-1)[:, None]
    return Keypoints3D(
        layout=person.layout,
        frame=np.arange(frames),
        time=person.motion.time.copy(),
        people=np.array([0]),
        xyz=person.keypoints[:, None].copy(),
        confidence=seen.astype(float),
        covariance=np.where(seen[..., None, None], sigma**2 * np.eye(3), np.nan),
        views=(4 * seen).astype(np.uint8),
        state=seen.astype(np.uint8),
        residual_px=np.ones((frames, 1, joints)),
    )


def observed(world: World, found: Keypoints3D) -> Observed:
    """A synthetic world's detections, sigmas as they are."""
    return Observed(found, (ObservedPiece(world.rig, world.xy.copy(), np.full(world.xy.shape[:3], world.sigma_px)),))


@functools.cache
def noisy(kind: str = "gait", cameras: int = 6, frames: int = 120, seed: int = 0, layout: str = "halpe_26") -> tuple[World, Observed]:
    world = make_world(make_rig("ring", cameras, seed=seed), make_person(kind, frames, 60.0, seed, layout), NoiseSettings(), seed)
    found, *_ = reconstruct(world.keypoints2d(), world.rig)
    return world, observed(world, found)


def hidden_from(world: World, seen: Observed, points: Sequence[str], views: Iterable[int], rows: slice) -> Observed:
    """The same with some points hidden from some cameras for some frames, in space as well where fewer than two are left."""
    piece = seen.pieces[0]
    xy = piece.xy.copy()
    for name in points:
        for view in views:
            xy[view, rows, world.person.layout.index(name)] = np.nan
    gone = np.isfinite(xy[..., 0]).sum(0) < 2
    now = seen.world
    xyz, state = now.xyz.copy(), now.state.copy()
    xyz[:, 0][gone], state[:, 0][gone] = np.nan, 0
    return Observed(replace(now, xyz=xyz, state=state), (ObservedPiece(piece.rig, xy, piece.sigma_px.copy()),))
