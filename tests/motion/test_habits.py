import numpy as np

from recon3d import motion
from recon3d.geometry import SO3
from recon3d.motion.habits import Habit, learn_habit
from recon3d.motion.pose import Freedoms
from recon3d.records import State
from recon3d.skeleton import load_armature
from recon3d.synthetic import make_person
from tests.motion.worlds import hidden_from, noisy

HUMAN = load_armature()
FREEDOMS = Freedoms(HUMAN, HUMAN.free)
LEG = ("left_knee", "left_ankle", "left_heel", "left_big_toe", "left_small_toe")


def walking(frames=300):
    true = make_person("gait", frames, seed=2).motion
    return FREEDOMS.pose(true.translation, SO3.from_wxyz(true.rotation).matrix), true.time


def column(joint, axis):
    return int(np.flatnonzero((FREEDOMS.joint == HUMAN.index(joint)) & (FREEDOMS.axis == axis))[0])


def test_a_leg_is_foretold_from_the_arms():
    pose, time = walking()
    sound = np.ones((300, FREEDOMS.count - 3), bool)
    knee = column("left_knee", 0)
    sound[:, [knee, column("left_hip", 0)]] = False
    habit = learn_habit(FREEDOMS, pose, sound, time)
    off = FREEDOMS.from_usual(pose)
    wrong = off.copy()
    wrong[~sound] += 1.0
    found = habit.expected(wrong, sound)
    np.testing.assert_array_equal(found[sound], off[sound])
    error = np.sqrt(((found - off)[:, knee] ** 2).mean())
    assert error < 0.4 * off[:, knee].std()  # taught by the right knee alone


def test_with_little_to_learn_from_it_is_the_usual_pose():
    pose, time = walking(2)
    sound = np.zeros((2, FREEDOMS.count - 3), bool)
    habit = learn_habit(FREEDOMS, pose, sound, time)
    np.testing.assert_allclose(habit.mean, 0, atol=1e-9)
    value = np.linalg.eigvalsh(habit.precision)
    assert value.min() > -1e-9 and np.isfinite(value).all()


def test_the_root_has_no_habit():
    for habit in (
        Habit.usual(FREEDOMS, 1.0),
        learn_habit(FREEDOMS, *[walking()[0]], np.ones((300, FREEDOMS.count - 3), bool), walking()[1]),
    ):
        assert not habit.precision[:3].any()


def test_a_leg_hidden_for_half_a_second():
    world, seen = noisy("gait", 8, 240)
    rows = slice(100, 130)
    found = motion.solve({0: [hidden_from(world, seen, LEG, range(8), rows)]})[0]
    ankle = found.armature.index("left_ankle")
    off = np.linalg.norm(found.poses().translation[rows, ankle] - world.person.motion.poses().translation[rows, ankle], axis=-1)
    assert off.mean() < 0.06
    assert (found.state[rows, found.armature.index("left_knee")] != State.OBSERVED).all()
    sigma = np.sqrt(np.trace(found.covariance[:, ankle], axis1=1, axis2=2) / 3)
    assert sigma[110:120].min() > 3 * np.median(sigma[:90])  # and it says that it does not know


def test_an_arm_that_one_camera_sees():
    world, seen = noisy("gait", 8, 240)
    found = motion.solve({0: [hidden_from(world, seen, ("left_elbow", "left_wrist"), range(1, 8), slice(None))]})[0]
    wrist = found.armature.index("left_wrist")
    off = np.linalg.norm(found.poses().translation[:, wrist] - world.person.motion.poses().translation[:, wrist], axis=-1)
    assert off.mean() < 0.06
    assert (found.state[:, wrist] == State.OBSERVED).mean() > 0.6
