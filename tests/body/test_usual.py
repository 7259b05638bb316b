"""How people hold themselves: the shipped statistics, what they do to an armature, and how they are learned."""

import numpy as np
import pytest

from recon3d.body.usual import load_usual_poses
from recon3d.geometry import SO3
from recon3d.motion.habits import learn_habit
from recon3d.motion.pose import Freedoms
from recon3d.pipeline.learn_poses import of_poses
from recon3d.skeleton import load_armature
from recon3d.skeleton.layout import other_side
from tests.body.worlds import MODEL


def test_shipped_statistics():
    poses, armature = load_usual_poses(), MODEL.armature(MODEL.usual)
    assert set(poses.joints) <= set(armature.joints)
    assert {"left_knee", "right_shoulder", "spine"} <= set(poses.joints)
    np.testing.assert_allclose(poses.covariance, poses.covariance.T, atol=1e-9)
    assert np.linalg.eigvalsh(poses.covariance).min() > -1e-6
    knee = np.rad2deg(poses.usual[poses.joints.index("left_knee"), 0])
    assert 20 < knee < 70  # people of these recordings squat, kick and dance
    for k, name in enumerate(poses.joints):
        mirrored = poses.joints.index(other_side(name)) if other_side(name) in poses.joints else k
        np.testing.assert_allclose(poses.usual[mirrored], poses.usual[k] * [1, -1, -1], atol=0.01)


def test_an_armature_that_knows():
    human = load_armature("human")
    own = load_usual_poses().of(human)
    turn = SO3.exp(human.usual[human.index("left_hip")]) @ SO3.exp(own.held[own.index("left_hip")])
    np.testing.assert_allclose(turn.log(), load_usual_poses().usual[load_usual_poses().joints.index("left_hip")], atol=1e-6)
    assert np.linalg.eigvalsh(own.together).min() > 0
    knee, ankle, head = (3 * own.index(name) for name in ("left_knee", "left_ankle", "head"))
    assert own.together[knee, ankle] != 0  # knees go with ankles
    assert np.count_nonzero(own.together[head]) == 1  # what was not learned goes alone, as loose as it was
    assert own.together[head, head] == pytest.approx(human.looseness[human.index("head"), 0] ** 2)


def test_a_limb_that_nobody_ever_sees_is_held_as_people_do():
    """With nothing to learn from, a habit is that of people at large."""
    own = load_usual_poses().of(load_armature("human"))
    freedoms = Freedoms(own, own.free)
    frames = 40
    pose = freedoms.pose(np.zeros((frames, 3)), np.broadcast_to(np.eye(3), (frames, len(own.joints), 3, 3)))
    sound = np.zeros((frames, freedoms.count - 3), bool)
    habit = learn_habit(freedoms, pose, sound, np.arange(frames) / 60)
    turning = freedoms.joint != 0
    np.testing.assert_allclose(habit.mean[0, turning], own.held[freedoms.joint, freedoms.axis][turning], atol=1e-9)
    knee = next(k for k in range(len(turning)) if own.joints[freedoms.joint[k]] == "left_knee" and freedoms.axis[k] == 0)
    ankle = next(k for k in range(len(turning)) if own.joints[freedoms.joint[k]] == "left_ankle" and freedoms.axis[k] == 0)
    assert habit.precision[knee, ankle] != 0


def test_statistics_of_poses_come_back():
    """Of turns drawn with a known mean and correlation, left as right."""
    armature = load_armature("human")
    freedoms = Freedoms(armature, armature.free)
    rng = np.random.default_rng(0)
    turns = {(armature.joints[j], int(a)): k for k, (j, a) in enumerate(zip(freedoms.joint, freedoms.axis, strict=True))}
    off = np.zeros((4000, freedoms.count - 3))
    bend = rng.normal(0, 0.2, (4000, 2))
    for side, column in (("left", 0), ("right", 1)):
        off[:, turns[f"{side}_knee", 0]] = 0.4 + bend[:, column]
        off[:, turns[f"{side}_ankle", 0]] = -0.1 - 0.5 * bend[:, column] + rng.normal(0, 0.05, 4000)
        off[:, turns[f"{side}_hip", 0]] = -0.3 + rng.normal(0, 0.3, 4000)
    still = freedoms.pose(np.zeros((4000, 3)), np.broadcast_to(np.eye(3), (4000, len(armature.joints), 3, 3)))
    pose = freedoms.with_turns(still, off)
    found = of_poses(freedoms, [pose.take(slice(k, k + 40)) for k in range(0, 4000, 40)])
    at = {name: k for k, name in enumerate(found.joints)}
    want = SO3.exp(armature.usual[armature.index("left_hip")]) @ SO3.exp(np.array([-0.3, 0.0, 0.0]))
    np.testing.assert_allclose(found.usual[at["left_hip"]], want.log(), atol=0.02)
    knee, ankle, other = 3 * at["left_knee"], 3 * at["left_ankle"], 3 * at["right_knee"]
    assert found.usual[at["left_knee"], 0] == pytest.approx(armature.usual[armature.index("left_knee"), 0] + 0.4, abs=0.01)
    assert found.covariance[knee, knee] == pytest.approx(0.04, rel=0.1)
    assert found.covariance[knee, ankle] == pytest.approx(-0.02, rel=0.1)
    assert abs(found.covariance[knee, other]) < 0.003
    assert "head" not in at and "left_wrist" not in at
