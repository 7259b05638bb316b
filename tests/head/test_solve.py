"""Head poses of takes: accuracy, uncertainty, several cameras, odd input."""

from dataclasses import replace

import numpy as np
import pytest

from recon3d.errors import InputError
from recon3d.geometry import SE3, SO3
from recon3d.head.solve import Face, FaceView, HeadSettings, solve_head
from recon3d.records import State
from tests.head.worlds import EXACT_68, FACE_68, off_deg, take

ALONE = HeadSettings(smooth=False)


@pytest.mark.parametrize(("views", "alone", "moved"), [(1, 2.0, 0.9), (3, 1.0, 0.5)])
def test_a_head_that_turns(views, alone, moved):
    truth, seen = take(1, views)
    single, smooth = solve_head(EXACT_68, seen, ALONE), solve_head(EXACT_68, seen)
    assert np.median(off_deg(single.world_from_head.rotation, truth.rotation)) < alone
    off = off_deg(smooth.world_from_head.rotation, truth.rotation)
    assert np.median(off) < moved and off.max() < 8
    assert (smooth.state == State.OBSERVED).all() and (smooth.views == views).all()
    assert 1.5 < np.median(smooth.residual_px) < 3.0
    turned = (SO3(smooth.world_from_head.rotation.matrix.swapaxes(1, 2)) @ truth.rotation).log()
    chi2 = np.einsum("fi,fij,fj->f", turned, np.linalg.inv(smooth.covariance[:, 3:, 3:]), turned)
    assert (chi2 < 7.815).mean() > 0.85


def test_several_cameras_tell_the_size():
    truth, seen = take(2, 3, scale=1.08)
    found = solve_head(EXACT_68, seen)
    assert found.scale == pytest.approx(1.08, abs=0.006) and found.scale_sigma < 0.006
    assert np.median(np.linalg.norm(found.world_from_head.translation - truth.translation, axis=1)) < 0.003
    one = solve_head(EXACT_68, seen[:1])
    assert one.scale == pytest.approx(1.0, abs=0.02) and one.scale_sigma > 0.05  # a camera cannot: how far it is, is as uncertain
    away = np.linalg.norm(one.world_from_head.translation - truth.translation, axis=1)
    said = np.sqrt(np.trace(one.covariance[:, :3, :3], axis1=1, axis2=2))
    assert np.median(away / said) < 2.5


def test_cameras_of_other_frame_rates():
    truth, seen = take(3, 2)
    half = seen[1]
    rows = np.arange(0, len(half.time), 2)
    other = FaceView(half.camera, half.time[rows], half.frame[rows], half.xy[rows], half.sigma_px[rows])
    found = solve_head(EXACT_68, [seen[0], other])
    assert len(found) == len(truth.translation)
    assert set(found.views.tolist()) == {1, 2}
    assert np.median(off_deg(found.world_from_head.rotation, truth.rotation)) < 0.8


def test_gaps_stay_gaps():
    truth, seen = take(4, 1)
    xy = seen[0].xy.copy()
    xy[50:80] = np.nan
    found = solve_head(EXACT_68, [replace(seen[0], xy=xy)])
    assert np.isnan(found.world_from_head.translation[50:80]).all() and (found.state[50:80] == State.MISSING).all()
    assert np.median(off_deg(SO3(found.world_from_head.rotation.matrix[:50]), SO3(truth.rotation.matrix[:50]))) < 1.2


def test_a_far_face_does_not_flip():
    """A flat thing far away has two poses; time decides."""
    flat = Face("board", tuple("abcdefghi"), np.array([[x, 0.0, z] for x in (-0.1, 0, 0.1) for z in (-0.1, 0, 0.1)]), np.zeros(9))
    truth, seen = take(5, 1, face=flat, outliers=0.0, sigma=0.7)
    found = solve_head(flat, seen)
    off = off_deg(found.world_from_head.rotation, truth.rotation)
    turned = off_deg(SO3(truth.rotation.matrix[1:]), SO3(truth.rotation.matrix[:-1]))
    jumps = off_deg(SO3(found.world_from_head.rotation.matrix[1:]), SO3(found.world_from_head.rotation.matrix[:-1]))
    assert np.median(off) < 6
    assert jumps.max() < turned.max() + 20 and (off < 15).mean() > 0.75


def test_half_a_face_and_landmarks_in_another_order():
    truth, seen = take(6, 1, outliers=0.0)
    half = seen[0].xy.copy()
    half[:, EXACT_68.xyz[:, 0] > 0.005] = np.nan  # profile
    found = solve_head(EXACT_68, [replace(seen[0], xy=half)])
    assert np.median(off_deg(found.world_from_head.rotation, truth.rotation)) < 2.5
    order = np.random.default_rng(0).permutation(68)
    mixed = EXACT_68.select(tuple(EXACT_68.points[k] for k in order))
    same = solve_head(mixed, [replace(seen[0], xy=seen[0].xy[:, order])])
    np.testing.assert_allclose(same.world_from_head.rotation.matrix, solve_head(EXACT_68, seen).world_from_head.rotation.matrix, atol=2e-3)


def test_a_face_of_ones_own_is_less_certain():
    """Landmarks beside the average face: uncertainty grows with how large it is in the picture."""
    _, seen = take(7, 1)
    exact, usual = solve_head(EXACT_68, seen, ALONE), solve_head(FACE_68, seen, ALONE)
    assert np.median(usual.covariance[:, 3, 3]) > 1.2 * np.median(exact.covariance[:, 3, 3])


def test_what_is_refused():
    _, seen = take(8, 1, frames=5)
    with pytest.raises(InputError, match="no frame of any camera shows"):
        solve_head(EXACT_68, [replace(seen[0], xy=np.full_like(seen[0].xy, np.nan))])
    with pytest.raises(InputError, match="has 68"):
        solve_head(EXACT_68, [replace(seen[0], xy=seen[0].xy[:, :60], sigma_px=seen[0].sigma_px[:, :60])])


def test_one_frame():
    truth, seen = take(9, 1, frames=1)
    found = solve_head(EXACT_68, seen)
    assert isinstance(found.world_from_head, SE3) and len(found) == 1
    assert off_deg(found.world_from_head.rotation, truth.rotation)[0] < 6
