"""Whom several cameras saw."""

from dataclasses import replace

import pytest

from calibration.observed import tracks_of
from calibration.subject import choose_subject
from recon3d.synthetic import make_person, make_rig, make_world


@pytest.fixture(scope="module")
def seen():
    """One person in three cameras, and an onlooker in the first."""
    rig = make_rig("ring", 3)
    tracks = [tracks_of(s)[0] for s in make_world(rig, make_person("gait", 160)).keypoints2d()]
    other = tracks_of(make_world(rig, make_person("dance", 160, seed=3)).keypoints2d()[0])[0]
    return rig, [[other, tracks[0]], [tracks[1]], [tracks[2]]]


def part(track, rows, later=0.0):
    parts = {name: getattr(track, name)[rows] for name in ("xy", "sigma_px", "confidence")}
    return replace(track, time=track.time[rows] + later, **parts)


def test_two_cameras_that_never_recorded_at_once(seen):
    """The first runs all the time, one of the others ends before the last begins: the person is found all the same."""
    rig, (first, (second,), (third,)) = seen
    cut = [first, [part(second, slice(0, 75))], [part(third, slice(80, 160))]]
    chosen = choose_subject(cut, [c.intrinsics for c in rig], synchronous=True)
    assert chosen == [first[1], cut[1][0], cut[2][0]]


def test_cameras_none_of_which_recorded_at_once(seen):
    rig, (first, *_) = seen
    apart = [first, *([part(t, slice(None), 100.0 * k)] for k, (t,) in enumerate(seen[1][1:], 1))]
    assert len(choose_subject(apart, [c.intrinsics for c in rig], synchronous=True)) == 3
