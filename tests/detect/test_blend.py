import numpy as np
import pytest

from recon3d.detect import Look, Network, TrackSettings, load_card, load_detector
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
    np.testing.assert_allclose(xy[:, TARGET.indices(feet)], whole[:, MEDIAPIPE.indices(feet)], atol=0.1)
    np.testing.assert_allclose(score[:, TARGET.indices(feet)], 0.8)


def test_a_lasting_difference_is_shared_in_every_frame():
    time, whole, body = walk()
    xy, _ = run(time, body, sparse(whole + [10.0, -4.0], 6))
    np.testing.assert_allclose(xy[:, TARGET.indices(COCO.points)], body + 0.3 * np.array([10.0, -4.0]), atol=1e-9)


def test_what_changes_is_told_in_between():
    time, whole, body = walk(37)
    drift = np.linspace(0, 36, 37)[:, None, None] * [1.0, 0.0]
    xy, _ = run(time, body, sparse(whole + drift, 6))
    np.testing.assert_allclose(xy[:, TARGET.indices(COCO.points)], body + 0.3 * drift, atol=0.4)


def test_looks_that_differ_are_averaged():
    """Three looks in turn, each with its own lasting error: feet get the mean of the errors."""
    time, whole, body = walk(61)
    error = np.array([[9.0, 0.0], [-3.0, 6.0], [0.0, -6.0]])[np.arange(61) // 6 % 3]
    xy, _ = run(time, body, sparse(whole + error[:, None], 6))
    heel = xy[12:-12, TARGET.index("left_heel")] - whole[12:-12, MEDIAPIPE.index("left_heel")]
    np.testing.assert_allclose(heel, np.broadcast_to([2.0, 0.0], heel.shape), atol=1.0)


def test_a_foot_that_kicks_keeps_its_speed():
    """3 Hz, half a person wide: steadying must not cut the swing."""
    time, whole, body = walk(120)
    swing = 120 * np.sin(2 * np.pi * 3 * time)[:, None, None] * [1.0, 0.0]
    feet = [MEDIAPIPE.index(f"left_{part}") for part in ("ankle", "heel", "foot_index")]
    whole[:, feet] += swing
    body[:, COCO.index("left_ankle")] += swing[:, 0]
    xy, _ = run(time, body, sparse(whole, 6))
    off = np.linalg.norm(xy[10:-10, TARGET.index("left_heel")] - whole[10:-10, MEDIAPIPE.index("left_heel")], axis=-1)
    assert off.max() < 0.15 * 120


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
    assert load_detector("accurate").recipe.between_s == 0
    with pytest.raises(InputError, match="speed must be accurate, default, fast"):
        TrackSettings(**{"speed": "quick"})


def test_the_mirror_image_is_looked_at_too():
    """Of a picture and its mirror image the means are mirror images of each other, to the pixel."""
    net = Network(load_card("movenet_lightning"))
    image = np.random.default_rng(1).integers(0, 255, (200, 200, 3), dtype=np.uint8)
    box, sure = np.array([[20.0, 20.0], [179.0, 179.0]]), np.ones(2)
    both = (Look(), Look(mirrored=True))
    there = net.person(image, box, sure, looks=both).xy[0]
    back = net.person(np.ascontiguousarray(image[:, ::-1]), box, sure, looks=both).xy[0]
    np.testing.assert_allclose(np.c_[199 - back[COCO.mirror, 0], back[COCO.mirror, 1]], there, atol=0.6)


@pytest.mark.parametrize("look", [Look(15.0), Look(-15.0), Look(mirrored=True), Look(10.0, mirrored=True)])
def test_a_look_from_another_side_shows_the_same_place(look):
    """Every point comes back to where the crop showed it, however it was turned."""
    net = Network(load_card("movenet_lightning"))
    image = np.zeros((400, 400, 3), np.uint8)
    net.run = lambda looked_at: [drawn(looked_at)]

    def drawn(looked_at):
        rows, columns = np.nonzero(looked_at[..., 0] > 128)
        found = np.zeros((1, 1, 17, 3), np.float32)
        found[..., 0], found[..., 1], found[..., 2] = (rows.mean() + 0.5) / 192, (columns.mean() + 0.5) / 192, 1.0
        return found

    image[150:171, 220:241] = 255
    found = net.person(image, np.array([[100.0, 100.0], [300.0, 300.0]]), np.ones(2), looks=[look])
    np.testing.assert_allclose(found.xy[0], np.broadcast_to([230.0, 160.0], (17, 2)), atol=0.3)
