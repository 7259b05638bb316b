"""Many cameras, and limbs that none of them sees: the lifter tells where they are likely to be."""

from dataclasses import replace

import numpy as np
import pytest

from recon3d import io
from recon3d.metrics import coverage
from recon3d.pipeline import Job, Settings, Take, observed, run
from recon3d.pipeline.settings import ExportSettings
from recon3d.records import State
from recon3d.synthetic import NoiseSettings, make_person, make_rig, make_world

ANKLES = ("left_ankle", "right_ankle")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    world = make_world(
        make_rig("ring", 4, "none", 1), make_person("gait", 120, 30.0, 3, "coco_17"), NoiseSettings(outliers=0.0, missing=0.0), 1
    )
    folder = tmp_path_factory.mktemp("unseen")
    io.write_rig(folder / "rig.toml", world.rig)
    hidden = [world.person.layout.index(name) for name in ANKLES]
    (folder / "keypoints").mkdir()
    for camera, seen in zip(world.rig.cameras, world.keypoints2d(), strict=True):
        xy, confidence = seen.xy.copy(), seen.confidence.copy()
        xy[..., hidden, :], confidence[..., hidden] = np.nan, 0.0
        less = replace(seen, xy=xy, confidence=confidence)
        io.write_keypoints2d(folder / "keypoints" / f"{camera.name}.npz", [lambda less=less: less])
    return world, folder


def solved(folder, name):
    settings = Settings(export=ExportSettings(("csv",)))
    run(Job(folder / "rig.toml", (str(folder / "keypoints"),), folder / name, settings))
    return io.read_motion(Take(folder / name).motion("0"))


def test_a_prior_never_an_observation(world, monkeypatch):
    """That it helps with people, whose ankles are not where an armature's usual pose has them, `make bench ONLY=lifting` shows."""
    made, folder = world
    found = solved(folder, "with")
    own, true = ([m.armature.index(n) for n in ANKLES] for m in (found, made.person.motion))
    assert (found.state[:, own] == State.INFERRED).all()
    off = found.poses().translation[:, own] - made.person.motion.poses().translation[:, true]
    assert np.median(np.linalg.norm(off, axis=-1)) < 0.2
    assert coverage(off, np.zeros_like(off), found.covariance[:, own]) > 0.7
    monkeypatch.setattr(observed, "with_expected", lambda seen, lifter: seen)
    without = solved(folder, "without")
    assert np.abs(found.poses().translation - without.poses().translation)[:, own].max() > 0.01
    elbow = found.armature.index("left_elbow")
    assert np.abs(found.poses().translation - without.poses().translation)[:, elbow].max() < 0.01  # what is seen stays
