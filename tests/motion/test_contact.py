import numpy as np

from recon3d import motion
from recon3d.motion.contact import find_contacts, foot_points
from recon3d.motion.evidence import bridged, gather
from recon3d.motion.fit import fit
from recon3d.skeleton import load_armature, load_layout
from tests.motion.worlds import noisy

HUMAN = load_armature()


def steps(frames=120, height=0.03, seed=0):
    """A point that stands for half a second, and swings for half."""
    rng = np.random.default_rng(seed)
    time = np.arange(frames) / 60
    swing = np.clip(np.mod(time, 1.0) - 0.5, 0, 0.5) * 2
    forward = np.floor(time) + swing * swing * (3 - 2 * swing)
    point = np.stack([forward, 0 * time, height + 0.1 * np.sin(np.pi * swing)], -1)
    return time, point[:, None] + 0.001 * rng.normal(size=(frames, 1, 3)), swing == 0


def test_a_foot_that_stands():
    time, point, stands = steps()
    found = find_contacts(point, time, np.array([0]), None)
    assert (found.held[:, 0] & stands).sum() > 0.85 * stands.sum()
    assert (found.held[:, 0] & ~stands).sum() < 0.1 * stands.sum()
    assert abs(found.rest[0] - 0.03) < 0.002
    np.testing.assert_allclose(found.place[found.held[:, 0], 0, 2], found.rest[0])


def test_a_foot_held_still_in_the_air_does_not_stand():
    time, point, _ = steps()
    point[-40:, 0] = point[-41, 0] + [0, 0, 0.4]  # lifted and held there
    found = find_contacts(point, time, np.array([0]), None)
    assert not found.held[-30:].any()


def test_a_known_height_is_kept_to():
    time, point, _ = steps()
    assert not find_contacts(point, time, np.array([0]), np.array([0.2])).held.any()


def test_who_never_stands_and_who_has_no_feet():
    time = np.arange(60) / 60
    running = np.stack([3 * time, 0 * time, 0.1 + 0 * time], -1)[:, None]
    assert not find_contacts(running, time, np.array([0]), None).held.any()
    assert not find_contacts(running, time, np.zeros(0, int), None).held.any()
    assert not find_contacts(running[:2], time[:2], np.array([0]), None).held.any()


def test_which_points_may_stand():
    halpe, coco = (HUMAN.attachments.select(load_layout(name).points) for name in ("halpe_26", "coco_17"))
    assert {halpe.points[k] for k in foot_points(halpe)} == {
        f"{s}_{p}" for s in ("left", "right") for p in ("heel", "big_toe", "small_toe")
    }
    assert {coco.points[k] for k in foot_points(coco)} == {"left_ankle", "right_ankle"}


def test_pull_is_the_slope_of_the_cost():
    time, point, _ = steps()
    found = find_contacts(point, time, np.array([0]), None)
    _, force, cost = found.support(point)
    for k in range(3):
        moved = point.copy()
        moved[10, 0, k] += 1e-7
        assert abs((found.support(moved)[2].sum() - cost.sum()) / 1e-7 - force[10, 0, k]) < 1e-2 * np.abs(force).max() + 1


def test_feet_do_not_slide_nor_sink():
    world, seen = noisy("steps", 8, 120)
    body = motion.measure([motion.sample(seen)], seen.world.layout)
    found = fit(body.armature, gather(bridged(seen), body.armature.attachments, body.jitter), 0.5)
    points = found.armature.keypoints(found.pose.on(found.armature))
    k = found.armature.attachments.points.index("left_heel")
    true = world.person.motion
    stands = true.contact[:, true.armature.index("left_ankle")]
    assert (found.contacts.held[stands, k]).mean() > 0.8
    slide = np.linalg.norm(np.diff(points[:, k], axis=0), axis=-1)[stands[1:] & stands[:-1]]
    assert 0 < slide.mean() < 0.0015
    assert np.abs(points[stands, k, 2] - world.person.keypoints[stands, world.person.layout.index("left_heel"), 2]).mean() < 0.004
