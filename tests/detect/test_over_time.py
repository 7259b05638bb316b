"""What frames around tell about a frame: flips and joints that were hidden."""

import numpy as np
import pytest

from recon3d.detect.flips import _groups, unflipped
from recon3d.detect.neighbours import reread
from recon3d.records import Keypoints2D, size_sigma_px
from recon3d.skeleton import layout_names, load_layout
from tests.detect.test_track import BODY

COCO = load_layout("coco_17")
LEGS = ["left_knee", "right_knee", "left_ankle", "right_ankle"]


def record(xy, confidence=None, fps=60.0, person=0):
    frames = len(xy)
    confidence = np.full(xy.shape[:3], 0.8) if confidence is None else confidence
    return Keypoints2D(
        layout=COCO,
        camera="cam",
        size=(1920, 1080),
        frame=np.arange(frames),
        time=np.arange(frames) / fps,
        person_id=np.full(xy.shape[:2], person),
        xy=xy.astype(np.float32),
        confidence=confidence.astype(np.float32),
        sigma_px=size_sigma_px(xy, confidence, 0.01),
        box=np.concatenate([xy.min(2), xy.max(2)], -1).astype(np.float32),
    )


def by_size(xy, confidence):
    return size_sigma_px(xy, confidence, 0.01)


def walker(frames=240, seed=0, noise=4.0):
    """Somebody who walks through the picture, seen from the side: the legs swing past each other; about 600 px tall."""
    rng, time = np.random.default_rng(seed), np.arange(frames) / 60
    swing = 110 * np.sin(2 * np.pi * time)
    xy = np.broadcast_to(BODY * [0.35, 1], (frames, 17, 2)) + np.stack([200 + 250 * time, 400 + 0 * time], -1)[:, None]
    for name, sign, share in (("ankle", 1, 1.0), ("knee", 1, 0.5), ("wrist", -1, 0.7), ("elbow", -1, 0.35)):
        xy[:, COCO.index(f"left_{name}"), 0] += sign * share * swing
        xy[:, COCO.index(f"right_{name}"), 0] -= sign * share * swing
    return xy, (xy + rng.normal(0, noise, xy.shape))[:, None]


def exchanged(xy, rows, names):
    out = xy.copy()
    at = COCO.indices(names)
    out[rows[:, None], :, at] = xy[rows[:, None], :, COCO.mirror[at]]
    return out


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("length", [1, 3, 12, 25])
def test_legs_that_were_exchanged_are_put_right(seed, length):
    _, noisy = walker(seed=seed)
    start = int(np.random.default_rng(100 + seed).choice([8, 38, 68, 98]))  # legs apart
    rows = np.arange(start, start + length)
    got = unflipped(record(exchanged(noisy, rows, LEGS)))
    wrong = np.linalg.norm(got.xy - noisy, axis=-1).max((1, 2)) > 1e-3
    assert wrong.mean() < 0.02


@pytest.mark.parametrize("seed", range(5))
def test_the_whole_person_exchanged_for_a_moment(seed):
    _, noisy = walker(seed=seed)
    rows = np.arange(70, 76)
    got = unflipped(record(exchanged(noisy, rows, COCO.points)))
    wrong = np.linalg.norm(got.xy - noisy, axis=-1)[rows][:, 0]
    limbs = COCO.indices(["left_ankle", "right_ankle", "left_wrist", "right_wrist"])
    assert (wrong[:, limbs] < 1e-3).mean() > 0.95


@pytest.mark.parametrize("seed", range(10))
def test_crossing_legs_are_left_alone(seed):
    _, noisy = walker(seed=seed)
    got = unflipped(record(noisy))
    assert (np.linalg.norm(got.xy - noisy, axis=-1).max((1, 2)) > 1e-3).mean() < 0.02


def test_scores_move_with_their_points():
    _, noisy = walker()
    sure = np.full((240, 1, 17), 0.9)
    sure[:, :, COCO.index("left_ankle")] = 0.5
    rows = np.arange(8, 20)
    flipped = sure.copy()
    at = COCO.indices(LEGS)
    flipped[rows[:, None], :, at] = sure[rows[:, None], :, COCO.mirror[at]]
    got = unflipped(record(exchanged(noisy, rows, LEGS), flipped))
    np.testing.assert_allclose(got.confidence, sure, atol=1e-6)


def test_people_without_ids_and_short_records_stay():
    _, noisy = walker()
    flipped = exchanged(noisy, np.arange(8, 12), LEGS)
    same = unflipped(record(flipped, person=-1))
    np.testing.assert_array_equal(same.xy, flipped.astype(np.float32))
    short = record(flipped[8:11])
    np.testing.assert_array_equal(unflipped(short).xy, short.xy)


def test_a_hidden_joint_is_read_from_the_frames_around():
    truth, noisy = walker(noise=2.0)
    rng = np.random.default_rng(3)
    wrist = COCO.index("left_wrist")
    score = np.full((240, 1, 17), 0.8)
    hidden = np.r_[40:43, 90:92, 150:154]
    noisy[hidden, 0, wrist] += rng.normal(0, 60, (len(hidden), 2))
    score[hidden, 0, wrist] = 0.15
    before = record(noisy, score)
    got = reread(before, 0.05, by_size)
    off = np.linalg.norm(got.xy[hidden, 0, wrist] - truth[hidden, wrist], axis=-1)
    assert np.median(off) < 6
    others = np.ones((240, 1, 17), bool)
    others[hidden, 0, wrist] = False
    np.testing.assert_array_equal(got.xy[others], before.xy[others])
    np.testing.assert_array_equal(got.confidence[others], before.confidence[others])
    assert (got.confidence[hidden, 0, wrist] < 0.6).all()  # second hand: surer than before, less than seen
    assert (got.confidence[hidden, 0, wrist] > 0.4).all()
    assert (got.sigma_px[hidden, 0, wrist] > got.sigma_px[0, 0, wrist]).all()


def test_what_no_frame_on_both_sides_shows_is_not_invented():
    _, noisy = walker(noise=2.0)
    score = np.full((240, 1, 17), 0.8)
    score[:10, 0, 9] = 0.1
    noisy[:10, 0, 9] = np.nan
    got = reread(record(np.nan_to_num(noisy, nan=0.0), score), 0.05, by_size)
    assert (got.confidence[:10, 0, 9] < 0.2).all()


def test_slow_recordings_are_left_alone():
    """At 5 frames a second limbs swing through half a period between frames: nothing can be told."""
    _, noisy = walker(frames=480)
    slow = record(noisy[::12], fps=5.0)
    np.testing.assert_array_equal(unflipped(slow).xy, slow.xy)


@pytest.mark.parametrize("name", layout_names())
def test_a_point_is_in_one_group(name):
    points = np.concatenate([np.zeros(0, int), *(np.concatenate(pair) for pair in _groups(load_layout(name)))])
    assert len(set(points.tolist())) == len(points)


def test_toes_go_with_the_legs_and_not_with_the_arms():
    layout = load_layout("body_21")
    toe = layout.index("left_foot_index")
    groups = [set(np.concatenate(pair).tolist()) for pair in _groups(layout)]
    (own,) = [group for group in groups if toe in group]
    assert layout.index("left_knee") in own
    assert layout.index("left_wrist") not in own
    assert not _groups(load_layout("car_24"))
