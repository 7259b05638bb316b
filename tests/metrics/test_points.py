import numpy as np
import pytest

from recon3d.metrics import coverage, mpjpe_mm, nees


def test_mean_distance_of_what_was_found():
    truth = np.zeros((3, 3))
    found = np.array([[0.003, 0.004, 0], [0, 0, 0.01], [np.nan] * 3])
    assert mpjpe_mm(found, truth) == pytest.approx(7.5)


def test_honest_covariances():
    rng = np.random.default_rng(0)
    half = rng.normal(size=(20_000, 3, 3)) * 0.01
    covariance = half @ np.swapaxes(half, -1, -2) + 1e-6 * np.eye(3)
    error = (np.linalg.cholesky(covariance) @ rng.normal(size=(20_000, 3, 1)))[..., 0]
    assert nees(error, np.zeros_like(error), covariance).mean() == pytest.approx(3, abs=0.05)
    assert coverage(error, np.zeros_like(error), covariance) == pytest.approx(0.95, abs=0.005)
    assert coverage(2 * error, np.zeros_like(error), covariance) < 0.8
