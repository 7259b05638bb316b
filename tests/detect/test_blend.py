import numpy as np
import pytest

from recon3d.detect import Detector, Network, TrackSettings, load_card, load_detector
from recon3d.detect.blend import WITH_FEET, blended
from recon3d.detect.track import _bent
from recon3d.errors import InputError
from recon3d.skeleton import load_layout

COCO, MEDIAPIPE, TARGET = load_layout("coco_17"), load_layout("mediapipe_33"), load_layout(WITH_FEET)


def walk(frames: int = 25) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A person who drifts to the right: time, the 33 points, and the 17 of them that COCO has."""
    body = np.random.default_rng(0).uniform([100, 100], [300, 700], (33, 2))
    time = np.arange(frames) / 60
    whole = body + np.stack([200 * time, 0 * time], -1)[:, None]
    return time, whole, whole[:, MEDIAPIPE.indices(COCO.points)]


def sparse(values: np.ndarray, step: int) -> np.ndarray:
    out = np.full(values.shape, np.nan)
    out[::step] = values[::step]
    return out


def run(time, xy, detail_xy, longest=0.2, confidence=None):
    confidence = np.full(xy.shape[:2], 0.8) if confidence is None else confidence
    return blended(time, xy, confidence, COCO, detail_xy, np.full(detail_xy.shape[:2], 0.9), MEDIAPIPE, longest)


def test_networks_that_agree_change_nothing_and_give_the_feet():
    time, whole, body = walk()
    xy, score = run(time, body, sparse(whole, 6))
    np.testing.assert_allclose(xy[:, TARGET.indices(COCO.points)], body, atol=1e-9)
    feet = ("left_heel", "right_heel", "left_foot_index", "right_foot_index")
    np.testing.assert_allclose(xy[:, TARGET.indices(feet)], whole[:, MEDIAPIPE.indices(feet)], atol=1e-9)
    np.testing.assert_allclose(score[:, TARGET.indices(feet)], 0.8)


def test_a_lasting_difference_is_shared_in_every_frame():
    time, whole, body = walk()
    xy, _ = run(time, body, sparse(whole + [10.0, -4.0], 6))
    np.testing.assert_allclose(xy[:, TARGET.indices(COCO.points)], body + 0.3 * np.array([10.0, -4.0]), atol=1e-9)


def test_what_changes_is_interpolated():
    time, whole, body = walk(13)
    drift = np.linspace(0, 12, 13)[:, None, None] * [1.0, 0.0]
    xy, _ = run(time, body, sparse(whole + drift, 6))
    np.testing.assert_allclose(xy[:, TARGET.indices(COCO.points)], body + 0.3 * drift, atol=1e-9)


def test_a_flipped_person_is_not_believed():
    time, whole, body = walk()
    xy, score = run(time, body, sparse(whole[:, MEDIAPIPE.mirror], 6))
    np.testing.assert_allclose(xy[:, TARGET.index("left_ankle")], body[:, COCO.index("left_ankle")], atol=1e-9)
    assert np.isnan(xy[:, TARGET.index("left_heel")]).all()
    assert (score[:, TARGET.index("left_heel")] == 0).all()


def test_nothing_is_told_far_from_where_it_was_seen():
    time, whole, body = walk(40)
    detail = np.full(whole.shape, np.nan)
    detail[0] = whole[0] + 10
    xy, _ = run(time, body, detail, longest=0.1)
    near = time <= 0.1 + 1e-9
    ankle, heel = TARGET.index("left_ankle"), TARGET.index("left_heel")
    np.testing.assert_array_equal(np.isfinite(xy[:, heel, 0]), near)
    np.testing.assert_allclose(xy[~near, ankle], body[~near, COCO.index("left_ankle")])


def test_a_person_without_detail_has_no_feet():
    time, whole, body = walk()
    xy, score = run(time, body, np.full(whole.shape, np.nan))
    np.testing.assert_array_equal(xy[:, TARGET.indices(COCO.points)], body)
    assert np.isnan(xy[:, TARGET.index("left_heel")]).all()
    assert score[:, 17:].max() == 0


def test_a_pose_that_changes_is_looked_at_again():
    body = np.random.default_rng(0).uniform([100, 100], [300, 700], (17, 2))
    assert _bent(body, None)
    assert not _bent(body + [80.0, -30.0], body)  # walked on
    assert not _bent(body + np.random.default_rng(1).normal(0, 5, body.shape), body)
    kicked = body.copy()
    kicked[[11, 13, 15, 14]] += [0, 90.0]
    assert _bent(kicked, body)


def test_speeds():
    assert load_detector("fast").layout.name == "coco_17"
    assert load_detector("default").layout.name == WITH_FEET
    assert load_detector("accurate").mirrored
    with pytest.raises(InputError, match="speed must be accurate, default, fast"):
        TrackSettings(**{"speed": "quick"})


def test_the_mirror_image_is_looked_at_too():
    """Of a picture and its mirror image the means are mirror images of each other, to the pixel."""
    net = Network(load_card("movenet_lightning"))
    image = np.random.default_rng(1).integers(0, 255, (200, 200, 3), dtype=np.uint8)
    box, sure = np.array([[20.0, 20.0], [179.0, 179.0]]), np.ones(2)
    there = net.person(image, box, sure, mirrored=True).xy[0]
    back = net.person(np.ascontiguousarray(image[:, ::-1]), box, sure, mirrored=True).xy[0]
    np.testing.assert_allclose(np.c_[199 - back[COCO.mirror, 0], back[COCO.mirror, 1]], there, atol=0.6)
    assert isinstance(Detector(net, net).layout.name, str)
