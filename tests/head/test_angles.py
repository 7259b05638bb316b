"""Yaw, pitch and roll: the stated convention, there and back, their uncertainty."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recon3d.geometry import SO3
from recon3d.head.angles import angles_of, forward_of, rotation_of, sigmas_of

ANGLE = st.floats(-1.2, 1.2)


@given(ANGLE, ANGLE, ANGLE)
def test_there_and_back(yaw, pitch, roll):
    angles = np.array([[yaw, pitch, roll]])
    np.testing.assert_allclose(angles_of(rotation_of(angles)), angles, atol=1e-9)


@pytest.mark.parametrize(
    ("angles", "forward", "top"),
    [
        ((0, 0, 0), (0, -1, 0), (0, 0, 1)),
        ((90, 0, 0), (1, 0, 0), (0, 0, 1)),  # to the subject's left
        ((0, 90, 0), (0, 0, 1), (0, 1, 0)),  # looks up
        ((0, 0, 90), (0, -1, 0), (1, 0, 0)),  # tilts towards the left shoulder
    ],
)
def test_what_they_mean(angles, forward, top):
    turn = rotation_of(np.deg2rad(np.array([angles], float)))
    np.testing.assert_allclose(forward_of(turn)[0], forward, atol=1e-12)
    np.testing.assert_allclose(turn.matrix[0] @ [0, 0, 1], top, atol=1e-12)


def test_no_jumps_and_gaps():
    angles = np.zeros((100, 3))
    angles[:, 0] = np.linspace(0, 3 * np.pi, 100)
    turn = rotation_of(angles).matrix.copy()
    turn[40:45] = np.nan
    found = angles_of(SO3(turn))
    assert np.isnan(found[40:45]).all()
    np.testing.assert_allclose(found[45:, 0], angles[45:, 0], atol=1e-9)


def test_sigmas_are_those_of_angles():
    """Against angles of turns drawn from the covariance."""
    rng = np.random.default_rng(0)
    angles = np.array([[0.5, -0.4, 0.3]])
    root = 0.02 * rng.normal(size=(3, 3))
    covariance = np.zeros((1, 6, 6))
    covariance[0, 3:, 3:] = root @ root.T
    drawn = rotation_of(angles).matrix[0] @ SO3.exp(rng.normal(size=(40_000, 3)) @ root.T).matrix
    many = angles_of(SO3(drawn))
    np.testing.assert_allclose(sigmas_of(angles, covariance)[0], many.std(0), rtol=0.03)
    locked = np.array([[0.0, np.pi / 2, 0.0]])
    assert np.isinf(sigmas_of(locked, covariance)).all()
