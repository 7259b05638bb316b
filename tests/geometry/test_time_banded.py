from dataclasses import replace

import numpy as np
import pytest

from recon3d.geometry.time_banded import TimeFactor, TimeSystem


def random_system(frames: int, k: int, shared: int = 0, seed: int = 0) -> tuple[TimeSystem, np.ndarray]:
    """A positive system and the same as one dense matrix."""
    rng = np.random.default_rng(seed)
    size = frames * k
    dense = np.zeros((size + shared, size + shared))
    second = np.array([1.0, -2.0, 1.0])
    for t in range(frames - 2):
        weight = rng.uniform(0.5, 2.0, k)
        for i in range(k):
            rows = [(t + a) * k + i for a in range(3)]
            dense[np.ix_(rows, rows)] += weight[i] * np.outer(second, second)
        if k >= 3:  # a rotation
            three = second[:, None, None] * np.eye(3) + 0.3 * rng.normal(size=(3, 3, 3))
            rows = [(t + a) * k + i for a in range(3) for i in range(3)]
            slope = np.concatenate(list(three), 1)
            dense[np.ix_(rows, rows)] += slope.T @ slope
    half = rng.normal(size=(frames, k + shared, 2 * (k + shared)))
    for t in range(frames):
        own = [*range(t * k, (t + 1) * k), *range(size, size + shared)]
        dense[np.ix_(own, own)] += half[t] @ half[t].T
    frame = [slice(t * k, (t + 1) * k) for t in range(frames)]
    block = np.stack([dense[f, f] for f in frame])
    bands = np.zeros((2, frames, k, 5))
    for t in range(frames):
        for apart in (1, 2):
            for j in range(k):
                for d in range(-2, 3):
                    if t + apart < frames and 0 <= j + d < k:
                        bands[apart - 1, t, j, 2 + d] = dense[frame[t + apart], frame[t]][j + d, j]
    border = np.stack([dense[f, size:] for f in frame])
    gradient = rng.normal(size=(frames, k))
    return TimeSystem(block, *bands, gradient, border, dense[size:, size:].copy(), rng.normal(size=shared)), dense


@pytest.mark.parametrize("frames", [1, 2, 3, 4, 7, 8])
@pytest.mark.parametrize("quick", [False, True])
def test_as_the_dense_system(frames, quick):
    system, dense = random_system(frames, 4)
    factor = TimeFactor(system, quick=quick)
    tolerance = 1e-4 if quick else 1e-10
    np.testing.assert_allclose(
        factor.solve(system.gradient).ravel(), np.linalg.solve(dense, system.gradient.ravel()), rtol=tolerance, atol=tolerance
    )
    inverse, found = np.linalg.inv(dense), factor.selected_inverse()
    for t in range(frames):
        here = slice(4 * t, 4 * t + 4)
        np.testing.assert_allclose(found.block[t], inverse[here, here], atol=tolerance)
        for apart, band in ((1, found.near), (2, found.far)):
            if t + apart < frames:
                np.testing.assert_allclose(band[t], np.diag(inverse[here, 4 * (t + apart) : 4 * (t + apart) + 4]), atol=tolerance)


def test_step_with_shared_unknowns():
    system, dense = random_system(6, 3, shared=2)
    step, shared = TimeFactor(system).step(system)
    want = -np.linalg.solve(dense, np.r_[system.gradient.ravel(), system.shared_gradient])
    np.testing.assert_allclose(np.r_[step.ravel(), shared], want, atol=1e-10)


def test_many_right_hand_sides_at_once():
    system, dense = random_system(5, 3)
    right = np.random.default_rng(1).normal(size=(5, 3, 7))
    np.testing.assert_allclose(TimeFactor(system).solve(right).reshape(15, 7), np.linalg.solve(dense, right.reshape(15, 7)), atol=1e-10)


def test_what_single_precision_cannot_do_is_done_in_double():
    system, _ = random_system(4, 3)
    system.block[:] = np.ones((3, 3)) + 1e-9 * np.eye(3)
    system.near[:], system.far[:] = 0, 0
    assert TimeFactor(system, quick=True).factor.dtype == np.float64


def test_a_matrix_that_is_not_positive():
    system, _ = random_system(4, 3)
    off = system.block.copy()
    off[2, 1, 1] = -5.0
    with pytest.raises(np.linalg.LinAlgError, match="not positive"):
        TimeFactor(replace(system, block=off), quick=True)
    off[2, 1, 1], off[2, 1, 0] = 5.0, 500.0
    with pytest.raises(np.linalg.LinAlgError, match="not positive"):
        TimeFactor(replace(system, block=off), quick=True)
