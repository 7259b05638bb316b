import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from recon3d.geometry import SE3, SO3
from recon3d.geometry.lie import skew

vectors = arrays(float, st.sampled_from([(3,), (2, 3), (2, 4, 3)]), elements=st.floats(-1.7, 1.7))
scales = st.sampled_from([1.0, 1e-4, 1e-9, 0.0])


@given(vectors, scales)
def test_exp_log(v, scale):
    np.testing.assert_allclose(SO3.exp(v * scale).log(), v * scale, atol=1e-7)


@given(vectors)
def test_matrices_are_rotations(v):
    m = SO3.exp(v).matrix
    np.testing.assert_allclose(m @ np.swapaxes(m, -1, -2), np.broadcast_to(np.eye(3), m.shape), atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(m), 1, atol=1e-12)


@given(vectors)
def test_quaternions_there_and_back(v):
    r = SO3.exp(v)
    q = r.wxyz()
    assert (q[..., 0] >= 0).all()
    np.testing.assert_allclose(SO3.from_wxyz(q).matrix, r.matrix, atol=1e-12)
    np.testing.assert_allclose(SO3.from_wxyz(-3 * q).matrix, r.matrix, atol=1e-12)


@pytest.mark.parametrize("angle", [np.pi, np.pi - 1e-9, np.pi - 1e-5])
@pytest.mark.parametrize("axis", [[1, 0, 0], [0, 1, 0], [0.6, 0, -0.8], [-0.36, 0.48, 0.8]])
def test_half_turns(angle, axis):
    r = SO3.exp(angle * np.array(axis, float))
    np.testing.assert_allclose(SO3.exp(r.log()).matrix, r.matrix, atol=1e-8)
    np.testing.assert_allclose(np.linalg.norm(r.log()), angle, atol=1e-8)


@given(vectors, vectors)
def test_group_laws(a, b):
    a, b = np.broadcast_arrays(a.reshape(-1, 3)[0], b.reshape(-1, 3)[0])
    x, y = SE3.exp(np.r_[a, b]), SE3.exp(np.r_[b, a])
    p = a - 2 * b
    np.testing.assert_allclose((x @ y) @ p, x @ (y @ p), atol=1e-10)
    np.testing.assert_allclose((x @ x.inverse()).matrix(), np.eye(4), atol=1e-10)
    np.testing.assert_allclose(SE3.from_matrix(x.matrix()) @ p, x @ p, atol=1e-12)


@given(arrays(float, (4, 6), elements=st.floats(-1.5, 1.5)), scales)
def test_twists_there_and_back(twist, scale):
    np.testing.assert_allclose(SE3.exp(twist * scale).log(), twist * scale, atol=1e-7)


@given(vectors, scales)
def test_left_jacobian(v, scale):
    v = v * scale
    j = SO3.left_jacobian(v)
    np.testing.assert_allclose(j @ SO3.left_jacobian_inverse(v), np.broadcast_to(np.eye(3), j.shape), atol=1e-8)
    step = 1e-6 * np.array([0.3, -0.5, 0.8])
    moved = (SO3.exp(v + step) @ SO3.exp(v).inverse()).log() / 1e-6
    np.testing.assert_allclose(moved, j @ (step / 1e-6), atol=1e-5)


def test_skew_is_the_cross_product():
    a, b = np.random.default_rng(0).normal(size=(2, 5, 3))
    np.testing.assert_allclose((skew(a) @ b[..., None])[..., 0], np.cross(a, b))
