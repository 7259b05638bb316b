from dataclasses import replace

import numpy as np
import pytest

from recon3d import motion
from recon3d.geometry import SO3
from recon3d.multiview import reconstruct
from recon3d.records import State
from recon3d.skeleton import load_layout
from recon3d.synthetic import make_person
from tests.motion.worlds import as_world, noisy
from tests.worlds import clean, solved


@pytest.mark.parametrize("kind", ["gait", "dance", "jump", "fall", "crouch", "on_the_spot"])
@pytest.mark.parametrize("layout", ["halpe_26", "body_25", "coco_17"])
def test_kinematics_there_and_back(kind, layout):
    person = make_person(kind, 90, seed=3, layout=layout)
    world = as_world(person)
    found = motion.solve(motion.in_space(world))[0]
    points = found.armature.attachments.select(world.layout.points).points
    columns = [found.armature.attachments.points.index(p) for p in points]
    off = np.linalg.norm(found.armature.keypoints(found.poses())[:, columns] - world.xyz[:, 0, world.layout.indices(points)], axis=-1)
    assert np.nanmedian(off) < 0.012
    assert np.nanquantile(off, 0.98) < 0.05


def test_lengths_are_constant_symmetric_and_right():
    person = make_person("gait", 120, seed=5, stature=1.85)
    found = motion.solve(motion.in_space(as_world(person)))[0]
    place = found.poses().translation
    for joint in ("elbow", "wrist", "knee", "ankle"):
        sides = []
        for side in ("left", "right"):
            j = found.armature.index(f"{side}_{joint}")
            length = np.linalg.norm(place[:, j] - place[:, found.armature.skeleton.parents[j]], axis=-1)
            assert np.ptp(length) < 1e-12
            sides.append(length[0])
            truth = np.linalg.norm(person.motion.armature.rest_offset[j])
            assert abs(length[0] - truth) < 0.004
        assert sides[0] == pytest.approx(sides[1], abs=0.004)  # left nearly as right


def test_a_reconstructed_person():
    world, found, solution = solved()
    truth = world.person.motion.poses().translation
    off = np.linalg.norm(solution.poses().translation - truth, axis=-1)
    limbs = [solution.armature.index(f"{s}_{j}") for s in ("left", "right") for j in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")]
    assert 0.002 < np.median(off[:, limbs]) < 0.02
    head, ankle = solution.armature.index("head"), solution.armature.index("left_ankle")
    place = solution.poses().translation
    assert (place[:, head, 2] > place[:, ankle, 2] + 1).all()
    assert found.layout.name == "halpe_26"


def test_hinges_stay_hinges():
    _, _, solution = solved()
    for joint in ("left_knee", "right_knee", "left_elbow", "right_elbow"):
        j = solution.armature.index(joint)
        vector = SO3.from_wxyz(solution.rotation[:, j]).log()
        bend = solution.armature.bend_axis(j)
        assert np.abs(np.delete(vector, bend, 1)).max() < np.deg2rad(20)  # a little twist
        angle = vector[:, bend]
        low, high = solution.armature.limit[j, bend]
        assert (angle > low - 0.1).all()
        assert (angle < high + 0.1).all()


def test_windows_do_not_show():
    _, seen = noisy("gait", 4, 400)
    parts = [seen.take(np.arange(a, b)) for a, b in ((0, 130), (130, 260), (260, 400))]
    body = motion.measure([motion.sample(part) for part in parts], seen.world.layout)
    (whole,) = motion.solve_windows([seen], body)
    joined = list(motion.solve_windows(parts, body))
    assert [len(m) for m in joined] == [130, 130, 140]
    off = np.linalg.norm(np.concatenate([m.poses().translation for m in joined]) - whole.poses().translation, axis=-1)
    assert off.mean() < 1e-4
    assert off.max() < 0.01


def hide(world, points, frames):
    xyz, state, covariance, confidence = world.xyz.copy(), world.state.copy(), world.covariance.copy(), world.confidence.copy()
    for point in points:
        j = world.layout.index(point)
        xyz[frames, 0, j], covariance[frames, 0, j], state[frames, 0, j], confidence[frames, 0, j] = np.nan, np.nan, 0, 0
    return replace(world, xyz=xyz, state=state, covariance=covariance, confidence=confidence)


def test_states_say_what_was_seen():
    person = make_person("gait", 120)
    leg = ["left_knee", "left_ankle", "left_heel", "left_big_toe", "left_small_toe"]
    world = hide(as_world(person), leg, slice(20, 40))
    world = hide(world, leg, slice(60, 120))
    found = motion.solve(motion.in_space(world))[0]
    knee = found.armature.index("left_knee")
    assert (found.state[:20, knee] == State.OBSERVED).all()
    assert (found.state[20:40, knee] == State.INTERPOLATED).all()
    assert (found.state[60:, knee] == State.INFERRED).all()
    assert (found.state[:, found.armature.index("right_knee")] == State.OBSERVED).all()
    ankle = found.armature.index("left_ankle")
    off = np.linalg.norm(found.poses().translation[20:40, ankle] - person.motion.poses().translation[20:40, ankle], axis=-1)
    assert off.max() < 0.35  # bridged, roughly


def test_frames_without_the_person_have_no_pose():
    world = as_world(make_person("gait", 60))
    world = hide(world, world.layout.points, slice(0, 45))
    found = motion.solve(motion.in_space(world))[0]
    assert np.isnan(found.translation[:45]).all()
    assert (found.state[:45] == State.MISSING).all()
    assert np.isfinite(found.translation[45:]).all()
    assert found.present().tolist() == [False] * 45 + [True] * 15


def test_a_child_and_one_frame():
    child = make_person("gait", 1, stature=1.1)
    found = motion.solve(motion.in_space(as_world(child)))[0]
    assert np.isfinite(found.translation).all()
    many = motion.solve(motion.in_space(as_world(make_person("gait", 60, stature=1.1))))[0]
    thigh = np.linalg.norm(many.armature.rest_offset[many.armature.index("left_knee")])
    assert thigh == pytest.approx(
        np.linalg.norm(make_person("gait", 60, stature=1.1).motion.armature.rest_offset[many.armature.index("left_knee")]), abs=0.01
    )


def test_nobody():
    world = as_world(make_person("gait", 5))
    found = motion.solve(motion.in_space(hide(world, world.layout.points, slice(None))))[0]
    assert np.isnan(found.rotation).all()


def test_quaternions_are_continuous():
    found = motion.solve(motion.in_space(as_world(make_person("dance", 200))))[0]
    dots = (found.rotation[1:] * found.rotation[:-1]).sum(-1)
    assert (dots > 0).all()


def test_a_layout_with_few_points():
    person = make_person("gait", 30, layout="mpii_16")
    assert load_layout("mpii_16").points == person.layout.points
    found = motion.solve(motion.in_space(as_world(person)))[0]
    assert np.isfinite(found.rotation).all()


def test_from_pixels_without_noise():
    world = clean()
    _, _, people = reconstruct(world.keypoints2d(), world.rig)
    solution = motion.solve(people)[0]
    off = np.linalg.norm(solution.poses().translation - world.person.motion.poses().translation, axis=-1)
    assert np.median(off) < 0.015
