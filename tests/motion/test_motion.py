from dataclasses import replace

import numpy as np
import pytest

from recon3d import motion
from recon3d.geometry import SO3
from recon3d.motion.evidence import gather
from recon3d.motion.inverse_kinematics import Pose, PoseProblem
from recon3d.motion.start import starting_pose
from recon3d.multiview import reconstruct
from recon3d.records import Keypoints3D, State
from recon3d.skeleton import load_armature, load_layout
from recon3d.synthetic import make_person
from tests.worlds import clean, solved

ARMATURE = load_armature()


def as_world(person, sigma=0.003):
    frames, joints = person.keypoints.shape[:2]
    seen = np.isfinite(person.keypoints).all(-1)[:, None]
    shape = (frames, 1, joints)
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
        residual_px=np.ones(shape),
    )


@pytest.mark.parametrize("kind", ["gait", "dance", "jump", "fall", "crouch", "on_the_spot"])
@pytest.mark.parametrize("layout", ["halpe_26", "body_25", "coco_17"])
def test_kinematics_there_and_back(kind, layout):
    person = make_person(kind, 90, seed=3, layout=layout)
    world = as_world(person)
    found = motion.solve(world)[0]
    points = found.armature.attachments.select(world.layout.points).points
    columns = [found.armature.attachments.points.index(p) for p in points]
    off = np.linalg.norm(found.armature.keypoints(found.poses())[:, columns] - world.xyz[:, 0, world.layout.indices(points)], axis=-1)
    assert np.nanmedian(off) < 0.012
    assert np.nanquantile(off, 0.98) < 0.05


def test_lengths_are_constant_symmetric_and_right():
    person = make_person("gait", 120, seed=5, stature=1.85)
    found = motion.solve(as_world(person))[0]
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
        assert sides[0] == pytest.approx(sides[1])


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
        np.testing.assert_allclose(vector[:, ~solution.armature.free[j]], 0, atol=1e-9)
        angle = vector[:, solution.armature.free[j]][:, 0]
        low, high = solution.armature.limit[j]
        assert (angle > low - 0.1).all()
        assert (angle < high + 0.1).all()


def test_gradient_of_the_pose_problem():
    person = make_person("dance", 8)
    evidence = gather(as_world(person, 0.01), 0, ARMATURE)
    start = Pose(*starting_pose(ARMATURE, evidence))
    rng = np.random.default_rng(0)
    problem = PoseProblem(ARMATURE, evidence)
    rows = np.arange(8)
    k = 3 + len(problem.joint)
    at = problem.retract(start, 0.05 * rng.normal(size=(8, k)))
    _, g, cost = problem.linearise(at, rows)
    np.testing.assert_allclose(cost, problem.cost(at, rows))
    for d in range(k):
        step = np.zeros((8, k))
        step[:, d] = 1e-6
        slope = (problem.cost(problem.retract(at, step), rows) - problem.cost(problem.retract(at, -step), rows)) / 2e-6
        np.testing.assert_allclose(slope, g[:, d], rtol=2e-4, atol=2e-4 * np.abs(g).max())


def test_windows_do_not_show():
    world = as_world(make_person("gait", 90))
    armature = motion.measure([world], 0)
    (whole,) = motion.solve_windows([world], 0, armature)
    names = ("frame", "time", "xyz", "confidence", "covariance", "views", "state", "residual_px")
    parts = [replace(world, **{n: getattr(world, n)[p] for n in names}) for p in (slice(0, 40), slice(40, 90))]
    joined = np.concatenate([m.translation for m in motion.solve_windows(parts, 0, armature)])
    np.testing.assert_allclose(joined, whole.translation, atol=1e-9)


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
    found = motion.solve(world)[0]
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
    found = motion.solve(world)[0]
    assert np.isnan(found.translation[:45]).all()
    assert (found.state[:45] == State.MISSING).all()
    assert np.isfinite(found.translation[45:]).all()
    assert found.present().tolist() == [False] * 45 + [True] * 15


def test_a_child_and_one_frame():
    child = make_person("gait", 1, stature=1.1)
    found = motion.solve(as_world(child))[0]
    assert np.isfinite(found.translation).all()
    many = motion.solve(as_world(make_person("gait", 60, stature=1.1)))[0]
    thigh = np.linalg.norm(many.armature.rest_offset[many.armature.index("left_knee")])
    assert thigh == pytest.approx(
        np.linalg.norm(make_person("gait", 60, stature=1.1).motion.armature.rest_offset[many.armature.index("left_knee")]), abs=0.01
    )


def test_nobody():
    world = as_world(make_person("gait", 5))
    found = motion.solve(hide(world, world.layout.points, slice(None)))[0]
    assert np.isnan(found.rotation).all()


def test_quaternions_are_continuous():
    found = motion.solve(as_world(make_person("dance", 200)))[0]
    dots = (found.rotation[1:] * found.rotation[:-1]).sum(-1)
    assert (dots > 0).all()


def test_a_layout_with_few_points():
    person = make_person("gait", 30, layout="mpii_16")
    assert load_layout("mpii_16").points == person.layout.points
    found = motion.solve(as_world(person))[0]
    assert np.isfinite(found.rotation).all()


def test_from_pixels_without_noise():
    world = clean()
    found, _ = reconstruct(world.keypoints2d(), world.rig)
    solution = motion.solve(found)[0]
    off = np.linalg.norm(solution.poses().translation - world.person.motion.poses().translation, axis=-1)
    assert np.median(off) < 0.015
