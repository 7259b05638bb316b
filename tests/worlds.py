"""Worlds that tests share."""

import functools
from importlib import resources
from pathlib import Path

from recon3d.motion import solve
from recon3d.multiview import reconstruct
from recon3d.records import Keypoints3D, Motion
from recon3d.synthetic import NoiseSettings, World, make_person, make_rig, make_world

BALANCE4 = Path(str(resources.files("recon3d"))) / "data" / "balance4"


@functools.cache
def gait(cameras: int = 6, frames: int = 60) -> World:
    return make_world(make_rig("ring", cameras), make_person("gait", frames))


@functools.cache
def clean(cameras: int = 4, frames: int = 40, kind: str = "gait") -> World:
    noise = NoiseSettings(sigma_px=0.01, outliers=0, missing=0)
    return make_world(make_rig("ring", cameras), make_person(kind, frames), noise)


@functools.cache
def solved() -> tuple[World, Keypoints3D, Motion]:
    world = gait()
    found, _, people = reconstruct(world.keypoints2d(), world.rig)
    return world, found, solve(people)[0]
