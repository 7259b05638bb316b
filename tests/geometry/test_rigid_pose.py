"""Poses of rigid things from one picture each: against truth, laws, odd input."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recon3d.errors import ShapeError, TooFewViewsError
from recon3d.geometry import SE3, SO3
from recon3d.geometry.rigid_pose import RigidPoints

BOX = np.array([[x, y, z] for x in (-0.1, 0.1) for y in (-0.08, 0.08) for z in (-0.05, 0.05)] + [[0.02, 0.03, 0.09]])


def seen(points, pose, noise=0.0, seed=0):
    local = points @ pose.rotation.matrix.swapaxes(1, 2) + pose.translation[:, None]
    uv = local[..., :2] / local[..., 2:]
    return np.ascontiguousarray((uv + np.random.default_rng(seed).normal(0, noise, uv.shape)).swapaxes(1, 2))


def poses(count, seed, far=2.0):
    rng = np.random.default_rng(seed)
    return SE3(SO3.exp(rng.normal(0, 1.5, (count, 3))), np.stack([*rng.uniform(-0.3, 0.3, (2, count)), rng.uniform(0.6, far, count)], 1))


def first(found):
    return found.cam_from_thing.rotation.matrix[:, 0], found.cam_from_thing.translation[:, 0]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 300))
def test_exact_points_give_the_pose_back(seed, count):
    truth = poses(count, seed)
    weight = np.full((count, 1, len(BOX)), 1e4**2)
    turn, place = first(RigidPoints(BOX).poses(seen(BOX, truth), weight))
    np.testing.assert_allclose(turn, truth.rotation.matrix, atol=2e-3)
    np.testing.assert_allclose(place, truth.translation, atol=2e-3)


def test_a_world_that_is_turned_and_points_in_another_order():
    truth, rng = poses(50, 1), np.random.default_rng(2)
    weight = np.full((50, 1, len(BOX)), 500.0**2)
    turn, place = first(RigidPoints(BOX).poses(seen(BOX, truth, 1e-3), weight))
    order, move = rng.permutation(len(BOX)), SE3(SO3.exp(np.array([0.3, -0.2, 0.5])), np.array([0.4, 0.1, -0.2]))
    other = RigidPoints((move @ BOX)[order])
    turn2, place2 = first(other.poses(np.ascontiguousarray(seen(BOX, truth, 1e-3)[:, :, order]), weight))
    np.testing.assert_allclose(turn2 @ move.rotation.matrix, turn, atol=2e-3)
    np.testing.assert_allclose(turn2 @ move.translation + place2, place, atol=2e-3)


def test_uncertainty_is_what_noise_does():
    truth = SE3(SO3(np.repeat(poses(1, 3).rotation.matrix, 3000, 0)), np.repeat(poses(1, 3).translation, 3000, 0))
    sigma = 1e-3
    weight = np.full((3000, 1, len(BOX)), sigma**-2)
    found = RigidPoints(BOX, 1e-3).poses(seen(BOX, truth, sigma, 4), weight)
    turn, place = first(found)
    back = truth.rotation.matrix.swapaxes(1, 2)
    twist = np.concatenate([(back @ (place - truth.translation)[..., None])[..., 0], SO3(back @ turn).log()], 1)
    said = np.median(found.covariance(), axis=0)
    np.testing.assert_allclose(np.sqrt(np.diag(np.cov(twist.T))), np.sqrt(np.diag(said)), rtol=0.12)
    near = np.einsum("fi,fij,fj->f", twist, np.linalg.inv(found.covariance()), twist) < 12.59
    assert abs(near.mean() - 0.95) < 0.02


def test_lenses_that_are_not_even():
    """Weights as 2 x 2 matrices: the same answer where they are even, a better one where one direction is known worse."""
    truth, rng = poses(400, 5), np.random.default_rng(6)
    uv = seen(BOX, truth)
    uv[:, 0] += rng.normal(0, 0.004, uv[:, 0].shape)
    uv[:, 1] += rng.normal(0, 0.0005, uv[:, 1].shape)
    solver = RigidPoints(BOX, 1e-3)
    even = np.full((400, 1, len(BOX)), 0.003**-2)
    three = np.concatenate([even, 0 * even, even], 1)
    np.testing.assert_allclose(first(solver.poses(uv, three))[0], first(solver.poses(uv, even))[0], atol=1e-3)
    right = np.concatenate([np.full_like(even, 0.004**-2), 0 * even, np.full_like(even, 0.0005**-2)], 1)

    def off(weight):
        return np.median(np.linalg.norm(SO3(truth.rotation.matrix.swapaxes(1, 2) @ first(solver.poses(uv, weight))[0]).log(), axis=1))

    assert off(right) < 0.85 * off(even)


def test_wrong_points_and_missing_ones():
    truth, rng = poses(300, 7, 1.2), np.random.default_rng(8)
    points = rng.uniform(-0.1, 0.1, (40, 3))
    uv, weight = seen(points, truth, 1e-3, 9), np.full((300, 1, 40), 1e6)
    bad, gone = rng.random((300, 40)) < 0.15, rng.random((300, 40)) < 0.3
    uv.swapaxes(1, 2)[bad] += rng.uniform(-0.3, 0.3, (bad.sum(), 2))
    weight[:, 0][gone], uv.swapaxes(1, 2)[gone] = 0.0, 0.0
    found = RigidPoints(points).poses(uv, weight)
    off = np.linalg.norm(SO3(truth.rotation.matrix.swapaxes(1, 2) @ first(found)[0]).log(), axis=1)
    assert np.quantile(off, 0.98) < 0.05
    assert found.inlier()[gone].max() == 0.0
    clear = bad & ~gone & (np.abs(uv - seen(points, truth)).max(1) > 0.02)
    assert found.inlier()[clear].mean() < 0.02 and found.inlier()[~bad & ~gone].mean() > 0.95


def test_something_flat_has_two_poses():
    """From far away both explain what is seen; the better one is right more often than not, and the right one is among them."""
    flat = np.array([[x, y, 0.0] for x in (-0.1, 0.0, 0.1) for y in (-0.1, 0.0, 0.1)])
    rng = np.random.default_rng(10)
    turn = SO3.exp(np.stack([*rng.uniform(-0.8, 0.8, (2, 200)), np.zeros(200)], 1))
    truth = SE3(turn, np.tile([0.0, 0.0, 3.0], (200, 1)))
    found = RigidPoints(flat).poses(seen(flat, truth, 5e-4, 11), np.full((200, 1, 9), 5e-4**-2))
    off = np.stack(
        [
            np.linalg.norm(SO3(truth.rotation.matrix.swapaxes(1, 2) @ found.cam_from_thing.rotation.matrix[:, k]).log(), axis=1)
            for k in (0, 1)
        ]
    )
    assert (off.min(0) < 0.25).mean() > 0.97
    assert (off[0] < 0.25).mean() > 0.6
    assert (found.cost[:, 0] <= found.cost[:, 1]).all()


def test_frames_in_which_nothing_can_be_told():
    truth = poses(4, 12)
    uv, weight = seen(BOX, truth), np.full((4, 1, len(BOX)), 1e6)
    weight[1, 0, 3:] = 0.0  # three points
    weight[2] = 0.0
    uv[3] = np.random.default_rng(0).uniform(-1, 1, uv[3].shape)
    found = RigidPoints(BOX).poses(uv, weight)
    turn, place = first(found)
    np.testing.assert_allclose(turn[0], truth.rotation.matrix[0], atol=1e-3)
    for k in (1, 2):
        assert np.isnan(turn[k]).all() and np.isnan(place[k]).all() and np.isinf(found.cost[k]).all()
        assert not found.inlier()[k].any() and np.isnan(found.covariance()[k]).all()
    assert np.isfinite(found.cost[0]).all()


def test_things_that_have_no_pose():
    with pytest.raises(TooFewViewsError, match="4 points"):
        RigidPoints(BOX[:3])
    with pytest.raises(ShapeError, match="one line"):
        RigidPoints(np.arange(5.0)[:, None] * np.ones(3))
