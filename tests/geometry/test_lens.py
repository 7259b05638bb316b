import cv2
import numpy as np
import pytest

from recon3d.geometry import Intrinsics, lens

FULL = np.array([-0.25, 0.08, 1e-3, -8e-4, 0.01, 0.02, -0.01, 0.005, 0.002, -0.001, 0.001, 0.001, 0.02, -0.03])
K = np.array([[1400.0, 0, 960], [0, 1390, 540], [0, 0, 1]])


def camera(model: str, count: int) -> Intrinsics:
    dist = FULL[:count].copy() if model == "pinhole" else np.array([0.05, -0.01, 0.003, -0.001])[:count]
    return Intrinsics((1920, 1080), K.copy(), model, dist)


CASES = [("pinhole", n) for n in lens.PINHOLE_COUNTS] + [("fisheye", 4), ("fisheye", 0)]


@pytest.mark.parametrize(("model", "count"), CASES)
def test_agrees_with_opencv(model, count):
    rng = np.random.default_rng(count)
    reach = 0.65 if model == "pinhole" else 2.5
    points = np.c_[rng.uniform(-reach, reach, (4000, 2)), np.ones(4000)] * rng.uniform(0.5, 6, (4000, 1))
    i = camera(model, count)
    if model == "pinhole":
        want = cv2.projectPoints(points, np.zeros(3), np.zeros(3), K, i.dist if count else None)[0].reshape(-1, 2)
    else:
        dist = i.dist if count else np.zeros(4)
        want = cv2.fisheye.projectPoints(points[:, None], np.zeros(3), np.zeros(3), K, dist)[0].reshape(-1, 2)
    np.testing.assert_allclose(i.project(points), want, atol=1e-6)


@pytest.mark.parametrize(("model", "count"), CASES)
def test_undistort_after_distort(model, count):
    rng = np.random.default_rng(count)
    reach = 0.65 if model == "pinhole" else 2.5
    points = np.c_[rng.uniform(-reach, reach, (3000, 2)), np.ones(3000)].reshape(30, 100, 3)
    i = camera(model, count)
    back, _ = i.undistort(i.project(points))
    np.testing.assert_allclose(back, points[..., :2], atol=1e-9)
    again = i.project(np.concatenate([back, np.ones((30, 100, 1))], -1))
    np.testing.assert_allclose(again, i.project(points), atol=1e-6)


@pytest.mark.parametrize(("model", "count"), CASES)
def test_jacobian(model, count):
    rng = np.random.default_rng(1)
    x, y = rng.uniform(-0.5, 0.5, (2, 200))
    function = camera(model, count).distortion()
    a, b, c, d = function(x, y)[2]
    step = 1e-6
    right, left = function(x + step, y), function(x - step, y)
    up, down = function(x, y + step), function(x, y - step)
    np.testing.assert_allclose([a, c], [(right[k] - left[k]) / (2 * step) for k in (0, 1)], atol=1e-7)
    np.testing.assert_allclose([b, d], [(up[k] - down[k]) / (2 * step) for k in (0, 1)], atol=1e-7)


def test_fisheye_centre_is_smooth():
    function = camera("fisheye", 4).distortion()
    x, y, (a, b, c, d) = function(np.zeros(1), np.zeros(1))
    np.testing.assert_allclose([x[0], y[0], a[0], b[0], c[0], d[0]], [0, 0, 1, 0, 0, 1], atol=1e-12)


def test_beyond_the_turning_point_there_is_no_inverse():
    i = Intrinsics((1920, 1080), K.copy(), "pinhole", np.array([-0.5, 0, 0, 0, 0.0]))
    # x (1 - x^2 / 2) turns at x = sqrt(2/3), where it is 0.544.
    found, _ = i.undistort(np.array([[960 + 1400 * 0.54, 540], [960 + 1400 * 0.56, 540], [np.nan, 3], [np.inf, 3]]))
    assert np.isfinite(found[0]).all()
    assert np.isnan(found[1:]).any(-1).all()


def test_rays_far_off_the_axis_are_refused_not_guessed():
    i = camera("fisheye", 0)
    wide = np.array([[960 + 1400 * np.deg2rad(79), 540.0], [960 + 1400 * np.deg2rad(85), 540.0]])
    found, _ = i.undistort(wide)
    assert np.isfinite(found[0]).all()
    assert np.isnan(found[1]).any()


def test_any_shape_and_one_point():
    i = camera("pinhole", 5)
    assert i.undistort(np.array([900.0, 500.0]))[0].shape == (2,)
    assert i.undistort(np.zeros((0, 2)))[0].shape == (0, 2)
