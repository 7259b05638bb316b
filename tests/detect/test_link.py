"""Ids for keypoints that have none."""

import numpy as np
import pytest

from recon3d.detect import Linker
from recon3d.records import Keypoints2D
from recon3d.skeleton import load_layout

LAYOUT = load_layout("coco_17")
BODY = np.random.default_rng(0).uniform(-60, 60, (17, 2)) * [0.5, 1.5]


def record(places, present=None):
    """People of one shape at these places (frames people 2), slots shuffled in every frame."""
    frames, people = places.shape[:2]
    rng = np.random.default_rng(1)
    xy = (places[:, :, None] + BODY).astype(np.float32)
    confidence = np.full((frames, people, 17), 0.9, np.float32)
    if present is not None:
        xy[~present], confidence[~present] = np.nan, 0
    order = np.stack([rng.permutation(people) for _ in range(frames)])
    take = np.arange(frames)[:, None]
    made = Keypoints2D(
        camera="a", layout=LAYOUT, size=(1920, 1080), score_kind="probability", frame=np.arange(frames), time=np.arange(frames) / 30.0,
        person_id=np.full((frames, people), -1, np.int64), xy=xy[take, order], confidence=confidence[take, order],
        sigma_px=np.full((frames, people, 17), 3.0, np.float32), box=np.zeros((frames, people, 4), np.float32),
    )  # fmt: skip
    return made, order


def owners(linked, order):
    """Id of each true person in every frame."""
    return np.take_along_axis(linked.person_id, np.argsort(order, 1), 1)


def crossing(frames=60):
    t = np.linspace(0, 1, frames)
    return np.stack([np.stack([300 + 600 * t, 400 + 0 * t], -1), np.stack([900 - 600 * t, 520 + 0 * t], -1)], 1)


def test_people_who_cross_keep_their_ids():
    made, order = record(crossing())
    found = owners(Linker().link(made), order)
    assert len(np.unique(found)) == 2 and (found == found[0]).all()


def test_somebody_hidden_for_a_while_comes_back_as_the_same():
    present = np.ones((60, 2), bool)
    present[20:35, 1] = False
    places = crossing()
    places[:, 1] = [1500, 500]
    made, order = record(places, present)
    found = owners(Linker().link(made), order)
    assert (found[:20, 1] == found[0, 1]).all() and (found[35:, 1] == found[0, 1]).all() and (found[20:35, 1] == -1).all()


@pytest.mark.parametrize("cut", [1, 17, 40])
def test_windows_go_on(cut):
    made, _ = record(crossing())
    linker = Linker()
    parts = [linker.link(made.window(slice(0, cut))).person_id, linker.link(made.window(slice(cut, None))).person_id]
    np.testing.assert_array_equal(np.concatenate(parts), Linker().link(made).person_id)


def test_ids_that_there_are_stay():
    made, _ = record(crossing())
    known = Linker().link(made)
    assert Linker().link(known) is known
