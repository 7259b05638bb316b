import numpy as np
import pytest

from recon3d.geometry import SO3
from recon3d.geometry.alignment import align_directions, align_similarity

RNG = np.random.default_rng(0)


def test_similarity_there_and_back():
    points = RNG.normal(size=(20, 3))
    r, t = SO3.exp(np.array([0.3, -1.0, 2.0])), np.array([1.0, 2, 3])
    scale, motion = align_similarity(points, r @ (2.5 * points) + t)
    assert scale == pytest.approx(2.5)
    np.testing.assert_allclose(motion.rotation.matrix, r.matrix, atol=1e-12)
    np.testing.assert_allclose(motion.translation, t, atol=1e-12)
    assert align_similarity(points, r @ points, scaled=False)[0] == 1.0


def test_never_a_reflection():
    points = RNG.normal(size=(20, 3))
    _, motion = align_similarity(points, points * [1, 1, -1])
    assert np.linalg.det(motion.rotation.matrix) == pytest.approx(1)


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
