from dataclasses import replace

import numpy as np
import pytest

from recon3d.geometry import SO3
from recon3d.motion.pose import Freedoms, free_of
from recon3d.skeleton import load_armature

HUMAN = load_armature()


def random_pose(freedoms: Freedoms, frames: int = 4, seed: int = 0):
    rng = np.random.default_rng(seed)
    rotation = SO3.exp(rng.normal(size=(frames, len(freedoms.armature.joints), 3))).matrix
    return freedoms.pose(rng.normal(size=(frames, 3)), rotation)


FREEDOMS = Freedoms(HUMAN, HUMAN.free)


def test_the_nearest_pose_of_a_pose_is_itself():
    at = random_pose(FREEDOMS)
    again = FREEDOMS.pose(at.translation, at.rotation)
    np.testing.assert_allclose(again.rotation, at.rotation, atol=1e-12)
    np.testing.assert_allclose(again.angle, at.angle, atol=1e-12)


def test_a_step_there_and_back_is_no_step():
    at = random_pose(FREEDOMS)
    step = np.random.default_rng(1).normal(size=(4, FREEDOMS.count))
    back = FREEDOMS.retract(FREEDOMS.retract(at, step), -step)
    np.testing.assert_allclose(back.rotation, at.rotation, atol=1e-12)


def test_the_difference_is_the_step():
    at = random_pose(FREEDOMS, 1)
    step = 0.5 * np.random.default_rng(1).normal(size=(1, FREEDOMS.count))
    both = at.take(np.array([0, 0]))
    there = FREEDOMS.retract(at, step)
    both.translation[1], both.rotation[1], both.angle[1] = there.translation[0], there.rotation[0], there.angle[0]
    np.testing.assert_allclose(FREEDOMS.difference(both), step, atol=1e-12)


def test_turns_off_the_usual_pose_there_and_back():
    at = random_pose(FREEDOMS)
    again = FREEDOMS.with_turns(at, FREEDOMS.from_usual(at))
    np.testing.assert_allclose(again.rotation[:, FREEDOMS.joint], at.rotation[:, FREEDOMS.joint], atol=1e-12)


@pytest.mark.parametrize(
    ("joint", "order"), [("left_knee", [0, 2]), ("left_elbow", [2, 0]), ("left_clavicle", [1, 2]), ("left_hip", [0, 1, 2])]
)
def test_of_two_axes_the_one_along_the_bone_comes_last(joint, order):
    assert HUMAN.axis_order(HUMAN.index(joint)) == order


def test_hinges():
    assert HUMAN.bend_axis(HUMAN.index("left_knee")) == 0
    assert HUMAN.bend_axis(HUMAN.index("right_elbow")) == 2
    assert HUMAN.bend_axis(HUMAN.index("left_clavicle")) is None


def test_slopes_and_normal_equations():
    at = random_pose(FREEDOMS, 3)
    poses = at.on(HUMAN)
    points = HUMAN.keypoints(poses)
    screws = HUMAN.screws(poses, FREEDOMS.joint, FREEDOMS.axes(at, poses))
    slopes = HUMAN.slopes(screws, FREEDOMS.joint, points, HUMAN.attachments.joint)
    for column in range(FREEDOMS.count):
        step = np.zeros((3, FREEDOMS.count))
        step[:, column] = 1e-6
        moved = [HUMAN.keypoints(FREEDOMS.retract(at, sign * step).on(HUMAN)) for sign in (1, -1)]
        np.testing.assert_allclose((moved[0] - moved[1]) / 2e-6, slopes[..., column], atol=1e-8)
    rng = np.random.default_rng(2)
    half = rng.normal(size=(*points.shape, 3))
    weight, force = half @ np.swapaxes(half, -1, -2), rng.normal(size=points.shape)
    h, g = HUMAN.normal_equations(screws, FREEDOMS.joint, poses, points, weight, force)
    np.testing.assert_allclose(np.tril(h), np.tril(np.einsum("fpik,fpij,fpjl->fkl", slopes, weight, slopes)), atol=1e-10)
    np.testing.assert_allclose(g, np.einsum("fpik,fpi->fk", slopes, force), atol=1e-10)
    np.testing.assert_allclose(HUMAN.pulled(slopes, force[..., None])[..., 0], g, atol=1e-10)


def test_only_what_moves_points_is_free():
    body = replace(HUMAN, attachments=HUMAN.attachments.select(("left_hip", "right_hip", "left_knee", "left_ankle", "nose")))
    free = free_of(body, np.ones(5, bool))
    assert free[HUMAN.index("left_knee"), 0] and not free[HUMAN.index("left_knee"), 2]  # the ankle lies on the axis of the twist
    assert not free[HUMAN.index("left_ankle")].any()
    assert not free[HUMAN.index("right_knee")].any() and not free[HUMAN.index("left_shoulder")].any()
    assert free[HUMAN.index("neck")].all()
