"""Virtual cameras: what they see does not depend on where in the image the person is, nor on the focal length."""

import numpy as np

from recon3d.geometry import SO3
from recon3d.monocular.virtual import look_at

RNG = np.random.default_rng(0)
BODY = RNG.normal(0, 0.5, (20, 27, 3)) + [0.3, -0.2, 4.0]


def rays(points):
    return points[..., :2] / points[..., 2:]


def test_directions_are_kept():
    view = look_at(rays(BODY))
    seen = np.concatenate([view.xy * view.size, np.ones((20, 27, 1))], -1)
    back = np.einsum("fji,fpj->fpi", view.turn, seen)
    np.testing.assert_allclose(rays(back), rays(BODY), atol=1e-9)
    np.testing.assert_allclose(view.turn @ np.swapaxes(view.turn, -1, -2), np.broadcast_to(np.eye(3), (20, 3, 3)), atol=1e-12)
    assert np.linalg.det(view.turn).min() > 0.999


def test_a_camera_that_turns_sideways_sees_nearly_the_same():
    one = look_at(rays(BODY))
    two = look_at(rays(BODY @ SO3.exp(np.array([0.0, 0.4, 0.0])).matrix.T))
    assert np.abs(one.xy - two.xy).max() < 0.02
    assert abs(one.size - two.size) < 0.01 * one.size


def test_the_focal_length_is_in_the_rays():
    near = look_at(rays(BODY))
    np.testing.assert_allclose(np.linalg.norm(np.ptp(near.xy, axis=1), axis=-1).mean(), 1.0, atol=0.1)


def test_windows_of_a_batch_are_those_of_each():
    both = np.stack([rays(BODY), rays(BODY + [0.5, 0.0, 1.0])])
    both[1, 3:6, 4:9] = np.nan
    together = look_at(both)
    for k in range(2):
        alone = look_at(both[k])
        for name in ("xy", "turn", "size", "shift", "spread"):
            np.testing.assert_allclose(getattr(together, name)[k], getattr(alone, name), atol=1e-12)


def test_frames_without_anything_look_where_their_neighbours_do():
    ray = rays(BODY)
    ray[:3], ray[8:12] = np.nan, np.nan
    view = look_at(ray)
    assert all(np.isfinite(getattr(view, n)).all() for n in ("xy", "turn", "size", "shift", "spread"))
    np.testing.assert_allclose(view.turn[0], view.turn[3], atol=0.02)
    np.testing.assert_allclose(view.turn[9], view.turn[7], atol=0.02)
    assert (view.xy[8:12] == 0).all()
    nothing = look_at(np.full((4, 27, 2), np.nan))
    assert np.isfinite(nothing.xy).all() and np.isfinite(nothing.turn).all()


def test_one_frame():
    assert look_at(rays(BODY[:1])).xy.shape == (1, 27, 2)
