"""Lenses that OpenCV does not have: fitted where the error does not show, refused where it does."""

import logging

import numpy as np
import pytest

from recon3d.errors import CameraError
from recon3d.io import read_intrinsics, read_rig
from recon3d.io.rigs.lens_fit import MAX_ERROR_PX, fit_lens, pixel_grid
from tests.io.rig_files import looking_at, text, vicon_file, vicon_key

SIZE = (1280, 720)
F, CENTRE = np.array([600.0, 604.0]), np.array([640.0, 355.0])


def directions(half_angle: float) -> np.ndarray:
    """Rays (unit vectors) within an angle (degrees) of the axis."""
    angle, turn = np.meshgrid(np.deg2rad(np.linspace(0.5, half_angle, 25)), np.linspace(0, 2 * np.pi, 24))
    return np.stack([np.sin(angle) * np.cos(turn), np.sin(angle) * np.sin(turn), np.cos(angle)], -1).reshape(-1, 3)


# Forward models, as their papers write them.


def omni(rays, xi):
    return rays[:, :2] / (rays[:, 2:] + xi * np.linalg.norm(rays, axis=1, keepdims=True))


def double_sphere(rays, xi, alpha):
    d1 = np.linalg.norm(rays, axis=1, keepdims=True)
    z = rays[:, 2:] + xi * d1
    d2 = np.sqrt((rays[:, :2] ** 2).sum(1, keepdims=True) + z**2)
    return rays[:, :2] / (alpha * d2 + (1 - alpha) * z)


def extended_unified(rays, alpha, beta):
    d = np.sqrt(beta * (rays[:, :2] ** 2).sum(1, keepdims=True) + rays[:, 2:] ** 2)
    return rays[:, :2] / (alpha * d + (1 - alpha) * rays[:, 2:])


def field_of_view(rays, omega):
    xy = rays[:, :2] / rays[:, 2:]
    r = np.linalg.norm(xy, axis=1, keepdims=True)
    return xy * np.arctan(2 * r * np.tan(omega / 2)) / omega / r


def thin_prism_fisheye(rays, k1, k2, p1, p2, k3, k4, sx, sy):
    across = np.linalg.norm(rays[:, :2], axis=1, keepdims=True)
    x, y = (rays[:, :2] / across * np.arctan2(across, rays[:, 2:])).T
    r2 = x * x + y * y
    radial = k1 * r2 + k2 * r2**2 + k3 * r2**3 + k4 * r2**4
    xd = x + x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x) + sx * r2
    yd = y + y * radial + 2 * p2 * x * y + p1 * (r2 + 2 * y * y) + sy * r2
    return np.stack([xd, yd], -1)


def kalibr(folder, model, extra, distortion="none", coefficients=()):
    lines = ["cam0:", f"  camera_model: {model}", f"  intrinsics: {[*extra, *F.tolist(), *CENTRE.tolist()]}"]
    lines += [f"  distortion_model: {distortion}", f"  distortion_coeffs: {list(coefficients)}", f"  resolution: {list(SIZE)}", ""]
    return text(folder, "camchain.yaml", "\n".join(lines))


CASES = [
    ("omni", (0.9,), omni),
    ("ds", (-0.15, 0.55), double_sphere),
    ("eucm", (0.55, 1.05), extended_unified),
]


def assert_fits(lens, xy):
    """The lens sees directions where the other model does, wherever that is in the image."""
    rays = directions(70)
    px = xy(rays) * F + CENTRE
    inside = ((px >= 0) & (px <= np.array(SIZE) - 1)).all(1)
    assert inside.sum() > 150
    off = np.linalg.norm(lens.project(rays[inside]) - px[inside], axis=1)
    assert off.max() < MAX_ERROR_PX
    assert off.max() > 1e-9


@pytest.mark.parametrize(("model", "extra", "forward"), CASES)
def test_kalibr_lenses_by_a_fit(tmp_path, caplog, model, extra, forward):
    caplog.set_level(logging.INFO)
    lens = read_intrinsics(kalibr(tmp_path, model, extra))["cam0"]
    assert_fits(lens, lambda rays: forward(rays, *extra))
    assert f"Kalibr {model}-none lens was fitted" in caplog.text


def test_kalibr_fov(tmp_path):
    lens = read_intrinsics(kalibr(tmp_path, "pinhole", (), "fov", (0.85,)))["cam0"]
    assert_fits(lens, lambda rays: field_of_view(rays, 0.85))


def test_kalibr_omni_with_radtan(tmp_path):
    def forward(rays):
        x, y = omni(rays, 0.9).T
        r2 = x * x + y * y
        k1, k2, p1, p2 = -0.05, 0.01, 3e-5, -2e-5
        radial = 1 + k1 * r2 + k2 * r2**2
        return np.stack([x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x), y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y], -1)

    path = kalibr(tmp_path, "omni", (0.9,), "radtan", (-0.05, 0.01, 3e-5, -2e-5))
    lens = read_intrinsics(path)["cam0"]
    assert_fits(lens, forward)


@pytest.mark.parametrize(
    ("model", "values", "forward"),
    [
        ("FOV", (0.85,), field_of_view),
        ("THIN_PRISM_FISHEYE", (-0.02, 3e-3, 2e-5, -3e-5, 1e-3, -5e-4, 4e-5, -2e-5), thin_prism_fisheye),
    ],
)
def test_colmap_lenses_by_a_fit(tmp_path, model, values, forward):
    numbers = " ".join(map(str, [*F, *(CENTRE + 0.5), *values]))
    text(tmp_path, "cameras.txt", f"1 {model} {SIZE[0]} {SIZE[1]} {numbers}\n")
    text(tmp_path, "images.txt", "1 1 0 0 0 0 0 0 1 a.png\n\n")
    assert_fits(read_rig(tmp_path).cameras[0].intrinsics, lambda rays: forward(rays, *values))


def test_a_lens_that_opencv_is_not_near_to_is_refused_with_its_error(tmp_path):
    values = "0.02 0.1 0.02 -0.02 0 0 0.05 0.05"
    text(tmp_path, "cameras.txt", f"1 THIN_PRISM_FISHEYE 1280 720 600 600 640 360 {values}\n")
    text(tmp_path, "images.txt", "1 1 0 0 0 0 0 0 1 a.png\n\n")
    with pytest.raises(CameraError, match=r"camera 1: the COLMAP THIN_PRISM_FISHEYE lens .* differs by [\d.]+ px") as caught:
        read_rig(tmp_path)
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize(
    ("radial", "k"),
    [
        ('VICON_RADIAL2="ViconRadial2 655.3 351.8 6e-8 2e-14 1e-20"', (6e-8, 2e-14, 1e-20)),
        ('VICON_RADIAL2="ViconRadial2 655.3 351.8 6e-8 2e-14"', (6e-8, 2e-14, 0)),
        ('VICON_RADIAL="6e-8 -3e-14"', (6e-8, -3e-14, 0)),
    ],
)
def test_vicon_lens_is_the_inverse_of_opencvs(tmp_path, radial, k):
    cam = looking_at("v", [3, 0, 1.5], 0, [0] * 5, focal=1500.0)
    lens = read_intrinsics(text(tmp_path, "a.xcp", vicon_file([(cam, [vicon_key(cam, 0, radial)])])))["v"]
    px = np.random.default_rng(0).uniform([0, 0], [1279, 719], (300, 2))
    aspect = cam.K[0, 0] / cam.K[1, 1]
    d = (px - cam.K[:2, 2]) * [1, aspect]
    r2 = (d * d).sum(1, keepdims=True)
    straight = d * (1 + k[0] * r2 + k[1] * r2**2 + k[2] * r2**3) / cam.K[0, 0]
    off = np.linalg.norm(lens.project(np.c_[straight, np.ones(300)]) - px, axis=1)
    assert 1e-9 < off.max() < MAX_ERROR_PX
    # The sign matters: taken as OpenCV's coefficients it would be tens of pixels off.
    assert np.linalg.norm((straight - d / cam.K[0, 0]) * cam.K[0, 0], axis=1).max() > 10


def test_vicon_lens_that_folds_over_is_refused(tmp_path):
    cam = looking_at("v", [3, 0, 1.5], 0, [0] * 5)
    with pytest.raises(CameraError, match="v: the VICON_RADIAL lens"):
        read_rig(text(tmp_path, "a.xcp", vicon_file([(cam, [vicon_key(cam, 0, 'VICON_RADIAL="-3e-6 0"')])])))


def test_a_lens_with_rays_nowhere():
    with pytest.raises(CameraError, match="at 0% of the image"):
        fit_lens(SIZE, lambda px: np.full((len(px), 3), np.nan), "blind")


def test_a_plain_lens_comes_back():
    fit = fit_lens(SIZE, lambda px: np.c_[(px - CENTRE) / F, np.ones(len(px))], "plain")
    np.testing.assert_allclose(fit.intrinsics.K[[0, 1, 0, 1], [0, 1, 2, 2]], [*F, *CENTRE], atol=1e-6)
    assert fit.error_px < 1e-6
    assert pixel_grid(SIZE).min() == 0
    np.testing.assert_array_equal(pixel_grid(SIZE).max(0), [1279, 719])
