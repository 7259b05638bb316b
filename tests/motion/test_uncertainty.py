"""What a motion says of its own errors, where detections' errors are not new in every frame."""

from dataclasses import replace

import numpy as np
import pytest

from recon3d import motion
from recon3d.metrics import coverage
from recon3d.motion import Observed, ObservedPiece
from recon3d.multiview import reconstruct
from recon3d.synthetic import NoiseSettings, make_person, make_rig, make_world
from tests.motion.worlds import hidden_from, noisy

LIMBS = tuple(f"{side}_{part}" for side in ("left", "right") for part in ("elbow", "wrist", "knee", "ankle"))


def solved(seen, layout):
    body = motion.measure([motion.sample(seen)], layout)
    return body, next(motion.solve_windows([seen], body))


def inside(found, world, names, rows):
    own, true = ([m.armature.index(n) for n in names] for m in (found, world.person.motion))
    places = world.person.motion.poses().translation[rows][:, true]
    return coverage(found.poses().translation[rows][:, own], places, found.covariance[rows][:, own][..., :3, :3])


@pytest.mark.parametrize("cameras", [3, 6])
def test_errors_that_last_are_told(cameras):
    """Every camera sees every point beside its place, for a second on end; what is new in a frame is small."""
    rng = np.random.default_rng(cameras)
    world = make_world(
        make_rig("ring", cameras, "none", 2), make_person("gait", 120, 60.0, 2), NoiseSettings(sigma_px=1.5, outliers=0.0, missing=0.0), 2
    )
    shape = (cameras, 1, world.xy.shape[2], 2, 8)
    turn = rng.normal(0, 1 / 0.7, shape) * world.person.motion.time[:, None, None, None] + rng.uniform(0, 2 * np.pi, shape)
    xy = world.xy + 6.0 * np.cos(turn).sum(-1) * np.sqrt(2 / 8)
    detections = [replace(one, xy=v[:, None].astype(np.float32)) for one, v in zip(world.keypoints2d(), xy, strict=True)]
    places, *_ = reconstruct(detections, world.rig)
    seen = Observed(places, (ObservedPiece(world.rig, xy, np.full(xy.shape[:3], np.hypot(1.5, 6.0))),))
    body, found = solved(seen, world.person.layout)
    assert body.jitter < 0.5
    assert inside(found, world, LIMBS, slice(10, 110)) > 0.7  # 0.02 where every frame counts as news
    off = np.linalg.norm(found.poses().translation - world.person.motion.poses().translation, axis=-1)
    told = np.sqrt(np.trace(found.covariance[..., :3, :3], axis1=-2, axis2=-1))
    assert 0.6 < np.median(told) / np.median(off) < 1.6


def test_hidden_for_long_is_more_uncertain_than_for_a_moment():
    world, seen = noisy("gait", 4, 120)
    arm = ("left_elbow", "left_wrist")
    sigma = []
    for rows in (slice(57, 63), slice(40, 80), slice(20, 100)):
        _, found = solved(hidden_from(world, seen, arm, range(4), rows), world.person.layout)
        wrist = found.armature.index("left_wrist")
        sigma.append(np.sqrt(np.trace(found.covariance[60, wrist, :3, :3])))
    assert sigma[0] < 0.5 * sigma[1] < 0.5 * sigma[2] + 1e-9
    assert sigma[2] > 0.04
