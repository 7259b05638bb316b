import numpy as np
import pytest

from recon3d.geometry import SO3
from recon3d.geometry.alignment import align_directions

RNG = np.random.default_rng(0)


def test_never_a_reflection():
    points = RNG.normal(size=(20, 3))
    found = align_directions(points, points * [1, 1, -1], np.ones(20))
    assert np.linalg.det(found.matrix) == pytest.approx(1)


def test_directions_with_gaps_and_one_vector():
    a = RNG.normal(size=(5, 4, 3))
    r = SO3.exp(RNG.normal(size=(5, 3)))
    b = (r.matrix[:, None] @ a[..., None])[..., 0]
    b[0, 0] = np.nan
    found = align_directions(a, b, np.ones((5, 4)))
    np.testing.assert_allclose(found.matrix, r.matrix, atol=1e-5)
    single = align_directions(np.array([[1.0, 0, 0]]), np.array([[0.0, 1, 0]]), np.ones(1))
    np.testing.assert_allclose(single @ np.array([1.0, 0, 0]), [0, 1, 0], atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(single.log()), np.pi / 2, atol=1e-3)
