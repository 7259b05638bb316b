"""Five points, relative pose, resection, and the robust adjustment over them."""

import numpy as np
import pytest

from recon3d.errors import CameraError, TooFewViewsError
from recon3d.geometry import SE3, SO3
from recon3d.geometry.camera_unknowns import Free
from recon3d.geometry.epipolar import relative_pose
from recon3d.geometry.five_point import five_point
from recon3d.geometry.lie import skew
from recon3d.geometry.resection import resect
from recon3d.geometry.robust_bundle import AdjustSettings, adjust
from recon3d.synthetic import make_rig
from tests.worlds import gait

SIGMA = 2 / 950


def two_views(seed=0, count=400, flat=False, noise=0.0, baseline=(1.0, 0.2, 0.1)):
    rng = np.random.default_rng(seed)
    points = rng.uniform(-1, 1, (count, 3)) + np.array([0, 0, 5.0])
    if flat:
        points[:, 2] = 5 + 0.3 * points[:, 0]
    pose = SE3(SO3.exp(rng.normal(0, 0.2, 3)), np.array(baseline))
    rays = [p / np.linalg.norm(p, axis=1, keepdims=True) for p in (points, pose @ points)]
    rays = [r + rng.normal(0, noise, r.shape) for r in rays]
    return [r / np.linalg.norm(r, axis=1, keepdims=True) for r in rays], pose


def angles(found, pose):
    turn = np.linalg.norm((found.rotation.inverse() @ pose.rotation).log())
    direction = found.translation @ pose.translation / np.linalg.norm(pose.translation)
    return np.rad2deg(turn), np.rad2deg(np.arccos(np.clip(direction, -1, 1)))


@pytest.mark.parametrize("flat", [False, True])
def test_five_points_hold_the_essential_matrix(flat):
    (a, b), pose = two_views(flat=flat)
    found = five_point(a[:50].reshape(10, 5, 3), b[:50].reshape(10, 5, 3))
    truth = skew(pose.translation) @ pose.rotation.matrix
    truth /= np.linalg.norm(truth)
    nearest = np.minimum(np.abs(found - truth).max((1, 2)), np.abs(found + truth).max((1, 2)))
    assert (nearest < 1e-6).sum() >= 8  # one sample each
    # Every solution, right or not, is essential: two equal singular values and a zero.
    values = np.linalg.svd(found, compute_uv=False)
    np.testing.assert_allclose(values[:, 0], values[:, 1], atol=1e-6)
    np.testing.assert_allclose(values[:, 2], 0, atol=1e-6)


def test_relative_pose_with_a_third_of_the_pairs_wrong():
    (a, b), pose = two_views(noise=SIGMA / 3)
    rng = np.random.default_rng(1)
    wrong = rng.random(len(a)) < 0.33
    b[wrong] = rng.normal([0, 0, 3], 1, (wrong.sum(), 3))
    b /= np.linalg.norm(b, axis=1, keepdims=True)
    sigma = np.full(len(a), SIGMA)
    found = relative_pose(a, b, sigma, sigma)
    turn, direction = angles(found.b_from_a, pose)
    assert turn < 0.5
    assert direction < 2
    assert found.inlier[~wrong].mean() > 0.9
    assert found.inlier[wrong].mean() < 0.2
    again = relative_pose(a, b, sigma, sigma)
    assert np.array_equal(again.b_from_a.rotation.matrix, found.b_from_a.rotation.matrix)


def test_relative_pose_of_two_cameras_that_face_each_other():
    world = gait(6, 60)
    a, b = world.rig.cameras[0], world.rig.cameras[3]
    clean = world.clean.reshape(6, -1, 2)
    rays = [c.intrinsics.rays(clean[k]) for k, c in ((0, a), (3, b))]
    sigma = np.full(len(rays[0]), SIGMA)
    found = relative_pose(*rays, sigma, sigma)
    turn, direction = angles(found.b_from_a, b.cam_from_world @ a.cam_from_world.inverse())
    assert max(turn, direction) < 0.1
    assert np.rad2deg(found.angle) > 120


def test_relative_pose_of_a_late_clock():
    """Rays that moved on since: the offset is found with the pose."""
    (a, b), pose = two_views(count=800, noise=SIGMA / 10)
    motion = np.random.default_rng(2).normal(0, 0.3, b.shape)
    late = 0.02
    moved = b + late * motion
    moved /= np.linalg.norm(moved, axis=1, keepdims=True)
    sigma = np.full(len(a), SIGMA)
    found = relative_pose(a, moved, sigma, sigma, motion_b=motion)
    assert abs(found.late - late) < 1e-3
    assert max(angles(found.b_from_a, pose)) < 1


def test_too_few_pairs_have_no_pose():
    (a, b), _ = two_views(count=15)
    assert relative_pose(a, b, np.full(15, SIGMA), np.full(15, SIGMA)) is None


def test_unrelated_rays_have_no_support():
    rng = np.random.default_rng(0)
    a, b = rng.normal([0, 0, 2], 1, (2, 300, 3))
    a, b = (r / np.linalg.norm(r, axis=1, keepdims=True) for r in (a, b))
    found = relative_pose(a, b, np.full(300, SIGMA / 10), np.full(300, SIGMA / 10))
    assert found is None or found.inlier.mean() < 0.2


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_resection(share):
    rig = make_rig("ring", 1)
    camera = rig.cameras[0]
    rng = np.random.default_rng(0)
    points = rng.normal([0, 0, 1], 0.5, (200, 3))
    xy = camera.project(points) + rng.normal(0, 1, (200, 2))
    wrong = rng.random(200) < share
    xy[wrong] += rng.uniform(50, 300, (wrong.sum(), 2))
    found = resect(points, camera.intrinsics.rays(xy), np.full(200, 1 / 950))
    error = (found.cam_from_world @ camera.cam_from_world.inverse()).log()
    assert np.abs(error).max() < 0.01
    # The error is what the covariance says, in both directions.
    nees = error @ np.linalg.solve(found.covariance, error)
    assert 0.2 < nees < 25
    assert (found.inlier[~wrong] > 0.5).mean() > 0.95


def test_resection_of_a_plane_and_of_four_points():
    camera = make_rig("ring", 1).cameras[0]
    flat = np.array([[x, y, 0.0] for x in (-0.5, 0, 0.5) for y in (-0.4, 0.3)])
    for points in (flat, flat[[0, 1, 4, 5]]):
        found = resect(points, camera.intrinsics.rays(camera.project(points)), np.full(len(points), 1 / 950))
        np.testing.assert_allclose(found.cam_from_world.matrix(), camera.cam_from_world.matrix(), atol=1e-4)
    with pytest.raises(TooFewViewsError, match="four points"):
        resect(flat[:3], camera.intrinsics.rays(camera.project(flat[:3])), np.full(3, 1 / 950))


def test_adjustment_with_outliers_is_honest():
    """From 2 deg and 5 cm off, 10 % outliers: errors as large as the covariance says, the noise found."""
    world = gait(6, 100)
    rng = np.random.default_rng(0)
    cameras = tuple(
        type(c)(c.name, c.intrinsics, SE3.exp(np.r_[rng.normal(0, 0.03, 3), rng.normal(0, 0.02, 3)]) @ c.cam_from_world) for c in world.rig
    )
    xy = world.xy.reshape(6, -1, 2)
    start = type(world.rig)(cameras)
    found = adjust(start, Free(), xy, np.full(xy.shape[:2], 1.0))  # told half of the noise
    assert 1.9 < found.noise < 2.1
    assert found.rig.covariance.shape == (36, 36)
    wrong = world.outlier.reshape(6, -1) & np.isfinite(found.points).all(-1)
    sound = np.isfinite(xy[..., 0]) & ~world.outlier.reshape(6, -1) & np.isfinite(found.points).all(-1)
    assert found.inlier[wrong].mean() < 0.05
    assert found.inlier[sound].mean() > 0.95


def test_a_noisy_kind_of_point_counts_less():
    """Half of the points eight times noisier than said: as good as with the true sigmas, and the covariance says so."""
    rig, kind = make_rig("ring", 4, "none"), np.arange(400) % 2
    truth = np.where(kind == 1, 8.0, 1.0)

    def errors(sigma: np.ndarray, given: np.ndarray | None) -> tuple[float, float]:
        squares, ratios = [], []
        for seed in range(6):
            rng = np.random.default_rng(seed)
            points = rng.uniform([-1, -1, 0], [1, 1, 2], (400, 3))
            xy = rig.project(points) + rng.normal(0, 1, (4, 400, 2)) * truth[:, None]
            found = adjust(rig, Free(), xy, np.broadcast_to(sigma, (4, 400)), AdjustSettings(widths=(3.0,)), kind=given)
            steps = [(a.cam_from_world @ b.cam_from_world.inverse()).log() for a, b in zip(found.rig, rig, strict=True)]
            off = np.concatenate(steps)
            off -= found.gauge @ (found.gauge.T @ off)
            squares.append(off @ off)
            ratios.append(off @ np.linalg.pinv(found.covariance, rcond=1e-9) @ off / (len(off) - found.gauge.shape[1]))
        return float(np.mean(squares)), float(np.mean(ratios))

    oracle, _ = errors(truth, None)
    learned, ratio = errors(np.ones(400), kind)
    assert learned < 1.3 * oracle
    assert 0.7 < ratio < 1.4


def test_nothing_to_adjust_on_is_said():
    rig = make_rig("ring", 3)
    xy = np.random.default_rng(0).uniform(0, 1000, (3, 100, 2))
    with pytest.raises(CameraError, match="points fit the cameras"):
        adjust(rig, Free(), xy, np.full((3, 100), 0.5), AdjustSettings(widths=(2.0,)))
