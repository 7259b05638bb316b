"""Who is who: across views, through time, and who is nobody. Every case of bad input has a test of its name."""

from dataclasses import replace

import numpy as np
import pytest

from recon3d.errors import ShapeError
from recon3d.geometry import CameraRig
from recon3d.synthetic import make_crowd, make_person, make_rig, make_strollers
from tests.multiview.crowds import QUIET, ROUGH, follow, judged, walker


@pytest.mark.parametrize("seed", [10, 11])
def test_people_who_cross_meet_and_leave(seed):
    rig = make_rig("ring", 5, distance=5.0, seed=seed)
    crowd = make_crowd(rig, make_strollers(4, 400, seed), ROUGH, seed)
    identities, found, _ = follow(list(crowd.seen), rig)
    scores = judged(crowd, found)
    assert len(identities.people) == len({k for k in crowd.owner.ravel().tolist() if k >= 0})
    assert scores.idf1 > 0.98
    assert scores.ghosts == 0
    assert scores.switches == 0
    assert scores.pcp > 0.9


def test_windows_and_the_order_of_cameras_change_nobody():
    rig = make_rig("ring", 4, distance=5.0)
    crowd = make_crowd(rig, make_strollers(3, 200, 3), ROUGH, 3)
    _, whole, _ = follow(list(crowd.seen), rig, 1000)
    _, parts, _ = follow(list(crowd.seen), rig, 37)
    np.testing.assert_array_equal(whole.people, parts.people)
    np.testing.assert_allclose(whole.xyz, parts.xyz, atol=1e-9)
    turned = CameraRig(tuple(reversed(rig.cameras)))
    _, other, _ = follow(list(reversed(crowd.seen)), turned, 1000)
    a, b = (np.sort(np.nanmedian(w.xyz[..., 2], (0, 2))) for w in (whole, other))
    np.testing.assert_allclose(a, b, atol=2e-3)


def test_ids_of_the_detector_that_are_wrong():
    """Ids that are exchanged half way, doubled, or one for everybody change nothing."""
    rig = make_rig("ring", 4, distance=5.0)
    crowd = make_crowd(rig, make_strollers(3, 120, 5), ROUGH, 5)
    _, want, _ = follow(list(crowd.seen), rig)
    rng = np.random.default_rng(0)
    wrong = [replace(record, person_id=rng.integers(0, 2, record.person_id.shape)) for record in crowd.seen]
    _, got, _ = follow(wrong, rig)
    np.testing.assert_array_equal(want.xyz, got.xyz)


def test_two_people_exchanged_in_one_view():
    """Places of a view say nothing: two people who change them for a second stay who they are."""
    rig = make_rig("ring", 4, distance=5.0)
    people = [walker((-1.0, -0.5), (1.0, -0.5), 150, 1), walker((1.0, 0.5), (-1.0, 0.5), 150, 2)]
    crowd = make_crowd(rig, people, QUIET, 1)
    _, found, _ = follow(list(crowd.seen), rig)
    scores = judged(crowd, found)
    assert scores.idf1 == 1
    assert scores.mpjpe_mm < 15


def swapped_sides(record, rows, names):
    """Left and right of some points exchanged in some frames."""
    xy = record.xy.copy()
    points = [k for k, p in enumerate(record.layout.points) if any(n in p for n in names)]
    xy[rows][:, :, points] = xy[rows][:, :, record.layout.mirror[points]]
    part = xy[rows]
    part[:, :, points] = record.xy[rows][:, :, record.layout.mirror[points]]
    xy[rows] = part
    return replace(record, xy=xy)


def test_limbs_exchanged_in_one_view_are_put_right():
    """Three cameras, arms of one exchanged for half a second: all three count again."""
    rig = make_rig("ring", 3)
    person = make_person("on_the_spot", 120, seed=4)
    crowd = make_crowd(rig, [person], QUIET, 4)
    arms, rows = ("shoulder", "elbow", "wrist"), slice(60, 90)
    seen = list(crowd.seen)
    seen[1] = swapped_sides(seen[1], rows, arms)
    _, found, windows = follow(seen, rig, 1000)
    (_, association), *_ = windows
    clean = rig.project(person.keypoints)[1]
    left, right = (person.layout.index(f"{s}_wrist") for s in ("left", "right"))
    apart = np.linalg.norm(clean[rows, left] - clean[rows, right], axis=-1) > 60
    told = association.swapped[rows, 0, 1, 0]
    assert told[apart].mean() > 0.9
    assert association.swapped[:60].mean() < 0.01
    wrists = found.views[rows, 0][:, [left, right]][apart]
    assert (wrists == 3).mean() > 0.85
    off = np.linalg.norm(found.xyz[rows, 0] - person.keypoints[rows], axis=-1)[:, [left, right]]
    assert np.nanmedian(off) < 0.02


def test_people_who_hug():
    """Two people a hand's breadth apart for two seconds, who then go on: nobody is exchanged or lost."""
    frames = 300
    t = np.linspace(0, 1, frames)
    x = np.interp(t, [0, 0.3, 0.7, 1], [1.6, 0.16, 0.16, 1.6])
    people = [
        make_person("path", frames, seed=1, stature=1.62, path=np.stack([x, 0.3 * t], -1)),
        make_person("path", frames, seed=2, stature=1.85, path=np.stack([-x, 0.3 * t], -1)),
    ]
    rig = make_rig("ring", 5, distance=5.0)
    crowd = make_crowd(rig, people, ROUGH, 7)
    identities, found, _ = follow(list(crowd.seen), rig)
    scores = judged(crowd, found)
    assert len(identities.people) == 2
    assert scores.idf1 > 0.98
    assert scores.switches == 0


@pytest.mark.parametrize("fps", [10.0, 25.0, 120.0])
def test_slow_and_fast_cameras(fps):
    frames = round(4 * fps)
    people = [walker((-1.5, -0.4), (1.5, -0.3), frames, 1, fps), walker((1.5, 0.4), (-1.5, 0.3), frames, 2, fps)]
    rig = make_rig("ring", 5, distance=5.0)
    crowd = make_crowd(rig, people, ROUGH, 2)
    _, found, _ = follow(list(crowd.seen), rig)
    scores = judged(crowd, found)
    assert scores.idf1 > 0.98
    assert scores.pcp > 0.95


def test_who_left_is_known_by_its_bones():
    """Three people of different sizes leave one after the other, and come back at other places in another order."""
    frames, out = 600, 4.5
    t = np.linspace(0, 10, frames)
    people = []
    for k, stature in enumerate((1.55, 1.70, 1.85)):
        back = 7.0 - 0.8 * k
        way = np.interp(t, [0, 2 + 0.4 * k, 3 + 0.4 * k, back, back + 1, 10], [0, 0.2, out, out, 0.4, 0])
        turn = np.where(t < 5, 2.1 * k, 2.1 * k + 2.0)
        people.append(make_person("path", frames, seed=k, stature=stature, path=np.stack([way * np.cos(turn), way * np.sin(turn)], -1)))
    rig = make_rig("ring", 6, distance=5.0)
    crowd = make_crowd(rig, people, ROUGH, 3)
    identities, found, _ = follow(list(crowd.seen), rig)
    assert len(identities.people) == 3
    assert any(len(one.tracks) > 1 for one in identities.people)
    assert judged(crowd, found).idf1 > 0.98


def test_looks_tell_twins_apart():
    """Two people of the same bones leave and come back by each other's door: geometry cannot know, an embedding can."""
    frames = 420
    t = np.linspace(0, 7, frames)
    way = np.interp(t, [0, 1.5, 2.5, 4.5, 5.5, 7], [0.8, 1.2, 4.6, 4.6, 1.2, 0.8])
    angle = np.where(t < 3.5, 0.0, np.pi)
    paths = [np.stack([way * np.cos(angle + k * np.pi), way * np.sin(angle + k * np.pi)], -1) for k in range(2)]
    people = [make_person("path", frames, seed=5, path=path) for path in paths]
    rig = make_rig("ring", 5, distance=5.0)
    crowd = make_crowd(rig, people, QUIET, 5)
    rng = np.random.default_rng(0)
    faces = rng.normal(0, 1, (2, 16))
    looks = np.where(
        (crowd.owner >= 0)[..., None], faces[np.maximum(crowd.owner, 0)] + rng.normal(0, 0.3, (*crowd.owner.shape, 16)), np.nan
    )
    _, found, _ = follow(list(crowd.seen), rig, embedding=looks)
    assert judged(crowd, found).idf1 > 0.98
    with pytest.raises(ShapeError, match="embedding"):
        follow(list(crowd.seen), rig, embedding=looks[:, :, :1])
