"""Feet that stand: still, flat, rolling about what rests, and led smoothly between."""

import numpy as np

from recon3d.geometry import SE3, SO3
from recon3d.robots.planted import planted

SOLE = np.array([[-0.05, 0.0, -0.03], [0.12, 0.0, -0.03]])


def feet(frames, place, pitch, yaw=0.3):
    """Poses of a foot, toes up by ``pitch``."""
    turn = SO3.exp(np.array([0.0, 0.0, yaw])).matrix @ SO3.exp(np.stack([0 * pitch, -pitch, 0 * pitch], -1)).matrix
    return SE3(SO3(turn), np.broadcast_to(place, (frames, 3)).copy())


def points(pose):
    return pose.translation[:, None] + np.einsum("fij,pj->fpi", pose.rotation.matrix, SOLE)


def test_a_foot_that_stands_is_flat_and_still():
    rng = np.random.default_rng(0)
    raw = feet(30, [1.0, 2.0, 0.05], rng.normal(0, 0.05, 30))
    raw = SE3(raw.rotation, raw.translation + rng.normal(0, 0.01, (30, 3)))
    out = points(planted(raw, np.ones((30, 2), bool), SOLE, np.eye(3), np.arange(30) / 60))
    assert np.abs(out - out[0]).max() < 1e-12
    assert np.abs(out[..., 2]).max() < 1e-12
    ahead = out[0, 1] - out[0, 0]
    assert abs(np.arctan2(ahead[1], ahead[0]) - 0.3) < 0.02


def test_it_rolls_over_its_toe_and_its_heel():
    frames = 40
    pitch = np.zeros(frames)
    pitch[:10], pitch[30:] = 0.3, -0.5
    contact = np.ones((frames, 2), bool)
    contact[:10, 1] = contact[30:, 0] = False
    out = points(planted(feet(frames, [0, 0, 0.03], pitch), contact.copy(), SOLE, np.eye(3), np.arange(frames) / 60))
    heel, toe = out[:, 0], out[:, 1]
    assert np.abs(heel[:30] - heel[20]).max() < 1e-12
    assert np.abs(toe[10:] - toe[20]).max() < 1e-12
    assert toe[0, 2] > 0.03
    assert heel[-1, 2] > 0.05
    assert (out[..., 2] > -1e-12).all()


def test_between_stands_it_goes_from_one_to_the_other():
    frames = 60
    walk = np.zeros((frames, 3))
    walk[:, 0] = np.clip((np.arange(frames) - 20) / 20, 0, 1) * 0.6
    walk[:, 2] = 0.03 + 0.1 * np.sin(np.pi * np.clip((np.arange(frames) - 20) / 20, 0, 1)) + 0.02
    contact = np.zeros((frames, 2), bool)
    contact[:21] = contact[40:] = True
    out = planted(SE3(feet(frames, [0, 0, 0], np.zeros(frames)).rotation, walk), contact, SOLE, np.eye(3), np.arange(frames) / 60)
    step = np.linalg.norm(np.diff(out.translation, axis=0), axis=-1)
    assert step.max() < 1.5 * np.linalg.norm(np.diff(walk, axis=0), axis=-1).max()
    assert (points(out)[..., 2] > -1e-9).all()
    assert out.translation[50, 0] - out.translation[10, 0] > 0.55


def test_short_interruptions_are_one_stand_and_no_stand_changes_nothing():
    raw = feet(20, [0, 0, 0.2], np.full(20, 0.2))
    none = planted(raw, np.zeros((20, 2), bool), SOLE, np.eye(3), np.arange(20) / 60)
    np.testing.assert_allclose(none.translation, raw.translation)
    contact = np.ones((20, 2), bool)
    contact[8:10] = False
    raw = SE3(raw.rotation, raw.translation + np.linspace(0, 0.01, 20)[:, None])
    held = points(planted(raw, contact, SOLE, np.eye(3), np.arange(20) / 60))
    assert np.abs(held - held[0]).max() < 1e-12
