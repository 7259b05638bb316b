from collections.abc import Callable

import numpy as np
import pytest

from recon3d.geometry import lens
from recon3d.geometry.lens_coefficients import coefficient_jacobian

DIST = np.array([-0.2, 0.06, 1e-3, -7e-4, 0.01, 0.03, -0.02, 0.004, 2e-3, -1e-3, 1.5e-3, 8e-4, 0.02, -0.03])


@pytest.mark.parametrize("count", [0, 4, 5, 8, 12, 14])
def test_every_pinhole_coefficient_against_finite_differences(count: int) -> None:
    x, y = np.random.default_rng(0).uniform(-0.8, 0.8, (2, 50))
    _check("pinhole", lens.pinhole, DIST[:count], x, y)


def test_every_fisheye_coefficient_against_finite_differences_and_at_the_axis() -> None:
    x, y = np.random.default_rng(1).uniform(-3, 3, (2, 50))
    x[0] = y[0] = 0.0
    _check("fisheye", lens.fisheye, np.array([0.02, -0.01, 0.004, -0.001]), x, y)


def _check(model: str, make: Callable[[np.ndarray], lens.Lens], dist: np.ndarray, x: np.ndarray, y: np.ndarray) -> None:
    found = coefficient_jacobian(model, dist, x, y)
    assert found.shape == (2, len(dist), len(x))
    for k in range(len(dist)):
        step = np.zeros(len(dist))
        step[k] = 1e-6
        up, down = make(dist + step)(x, y)[:2], make(dist - step)(x, y)[:2]
        np.testing.assert_allclose(found[:, k], (np.array(up) - np.array(down)) / 2e-6, rtol=1e-5, atol=1e-8)
