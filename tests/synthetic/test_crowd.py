import numpy as np
import pytest

from recon3d.errors import InputError
from recon3d.synthetic import CrowdSettings, NoiseSettings, hidden_by_others, make_crowd, make_person, make_rig, make_strollers

CLEAN = CrowdSettings(NoiseSettings(sigma_px=0.01, outliers=0.0, missing=0.0), false=0.0)


def crowd(settings=CLEAN, people=4, frames=200, seed=0):
    return make_crowd(make_rig("ring", 5, distance=5.0), make_strollers(people, frames, seed), settings, seed)


def test_who_walks_a_path_faces_where_it_goes():
    time = np.arange(240) / 60
    path = np.stack([1.2 * time, 0.3 * np.sin(time)], -1)
    person = make_person("path", 240, path=path)
    toe, heel = (person.layout.index(n) for n in ("left_big_toe", "left_heel"))
    forward = (person.keypoints[:, toe] - person.keypoints[:, heel])[:-1, :2]
    step = np.diff(person.motion.translation[:, :2], axis=0)
    cosine = (forward * step).sum(-1) / np.linalg.norm(forward, axis=-1) / np.linalg.norm(step, axis=-1)
    assert np.median(cosine) > 0.9
    np.testing.assert_allclose(person.motion.translation[:, :2], path)
    assert abs(np.nanmin(person.keypoints[..., 2], 1)).max() < 0.06
    with pytest.raises(InputError, match="a path of one place a frame"):
        make_person("path", 240, path=path[:10])
    with pytest.raises(InputError, match="a path"):
        make_person("gait", 240, path=path)


def test_every_place_shows_whom_it_says():
    made = crowd()
    clean = made.rig.project(np.nan_to_num(made.people).reshape(-1, 3)).reshape(5, *made.people.shape[:3], 2)
    for v, seen in enumerate(made.seen):
        frame, slot = np.nonzero(made.owner[v] >= 0)
        off = np.linalg.norm(seen.xy[frame, slot] - clean[v, frame, made.owner[v, frame, slot]], axis=-1)
        assert np.nanmax(off) < 0.1
        assert (np.isfinite(seen.xy[..., 0]).any(-1) == (made.owner[v] != -1)).all()


def test_places_are_in_no_order():
    owner = crowd().owner[0]
    assert len({tuple(row) for row in owner.tolist()}) > 10


def test_people_cross_and_leave():
    made = crowd(frames=900)
    middle = made.people[:, :, :, :2].mean(2)
    apart = np.linalg.norm(middle[:, :, None] - middle[:, None], axis=-1)
    apart[:, np.arange(4), np.arange(4)] = np.inf
    assert np.nanmin(apart) < 0.5
    there = np.isfinite(middle[..., 0])
    assert 0.3 < there[:, 2].mean() < 0.95
    assert there[:, [0, 1, 3]].all()
    step = np.linalg.norm(np.diff(middle, axis=0), axis=-1) * 60
    assert np.nanmax(step) < 4


def test_bodies_hide_what_is_behind_them():
    rig = make_rig("ring", 4, "none")
    front = make_person("on_the_spot", 3).keypoints
    away = -rig.centres()[0] * [1, 1, 0] / np.linalg.norm(rig.centres()[0][:2])
    layout = make_person("on_the_spot", 3).layout
    hidden = hidden_by_others(rig, np.stack([front, front + 0.8 * away], 1), layout)
    assert not hidden[0, :, 0].any()
    trunk = layout.indices(["mid_hip", "neck"]) if "mid_hip" in layout.points else layout.indices(["neck", "nose"])
    assert hidden[0, :, 1][:, trunk].all()
    assert hidden[2, :, 0][:, trunk].all()  # from the other side it is the other way round
    assert not hidden[2, :, 1].any()


def test_false_people_are_as_many_as_asked_for():
    made = crowd(CrowdSettings(false=0.05), frames=600)
    for owner in made.owner:
        assert (owner == -2).sum() / (owner >= 0).sum() == pytest.approx(0.05, abs=0.02)
    assert (crowd().owner != -2).all()


def test_seeds():
    a, b, c = crowd(seed=1), crowd(seed=1), crowd(seed=2)
    np.testing.assert_array_equal(a.seen[0].xy, b.seen[0].xy)
    assert a.seen[0].xy.shape != c.seen[0].xy.shape or not np.array_equal(a.seen[0].xy, c.seen[0].xy, equal_nan=True)
