import functools
import shutil

import cv2
import numpy as np
import pytest

from recon3d.detect import Network, Tracker, card_names, detect_windows, load_card, load_detector
from recon3d.detect.session import open_session
from recon3d.errors import InputError
from recon3d.io import KeypointOptions, read_openpose
from recon3d.records import Frame
from recon3d.skeleton import LIMBS, load_layout, map_layout
from recon3d.video import open_video
from tests.worlds import BALANCE4


@functools.cache
def detector():
    return load_detector()


def still(image, number=0):
    return Frame(number, number / 60, image)


@functools.cache
def frame(camera: str, number: int):
    (found,) = open_video(camera, BALANCE4 / "videos" / f"{camera}.mp4").frames(number, number + 1)
    return found.image


def test_cards():
    body = {"blazepose_full", "blazepose_heavy", "blazepose_lite", "movenet_lightning", "movenet_multipose", "movenet_thunder", "posenet"}
    assert set(card_names()) == body | {"hand_landmark", "face_landmark", "face_detection"}
    card = load_card("movenet_thunder")
    assert card.points.name == "coco_17"
    assert card.licence == "Apache-2.0"
    with pytest.raises(InputError, match="movenet_multipose, movenet_thunder, posenet"):
        load_card("movenet")


def test_a_model_file_that_is_another_is_refused(tmp_path):
    card = load_card("movenet_thunder")
    copy = tmp_path / "mine.toml"
    shutil.copy(card.folder / "movenet_thunder.toml", copy)
    with pytest.raises(InputError, match="is not there"):
        open_session(load_card(str(copy)), 1)
    (tmp_path / card.file).write_bytes(b"something else")
    with pytest.raises(InputError, match="sha256"):
        open_session(load_card(str(copy)), 1)


def test_a_faulty_card_lists_everything(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('name = "x"\ncolour = 3\n')
    with pytest.raises(InputError) as caught:
        load_card(str(path))
    assert "'sha256' is missing" in str(caught.value)
    assert "unknown entry 'colour'" in str(caught.value)


def subject(camera: str, number: int) -> np.ndarray:
    """The subject in OpenPose's answer, COCO-17 order: the tallest person."""
    size = (1088, 1920)
    seen = read_openpose(BALANCE4 / "openpose" / camera, camera, KeypointOptions(60.0, size))
    height = np.nan_to_num(seen.box[number, :, 3] - seen.box[number, :, 1])
    return seen.xy[number, height.argmax(), :17]


@pytest.mark.parametrize("number", [0, 60])
def test_the_networks_find_the_person(number):
    single, multi = detector().single, detector().multi
    image, want = frame("cam03", number), subject("cam03", number)
    people = multi.people(image)
    assert len(people.score) >= 1
    coarse = np.linalg.norm(people.xy[0] - want, axis=-1)
    assert np.nanmedian(coarse[5:]) < 40
    low, high = np.nanmin(want, axis=0), np.nanmax(want, axis=0)
    found = single.person(image, np.stack([low, high]), np.ones(2))
    xy, confidence = found.xy[0], found.confidence[0]
    assert confidence[5:].mean() > 0.5
    assert np.nanmedian(np.linalg.norm(xy - want, axis=-1)[5:]) < 20


@pytest.mark.parametrize(
    ("name", "limit_px"),
    [("blazepose_full", 25), ("blazepose_heavy", 25), ("blazepose_lite", 30), ("movenet_lightning", 25), ("posenet", 40)],
)
def test_every_shipped_network_finds_the_person(name, limit_px):
    net, coco = Network(load_card(name)), load_layout("coco_17")
    image, want = frame("cam03", 0), subject("cam03", 0)
    seen = np.isfinite(want[:, 0]).astype(float)
    found = net.people(image) if net.decoder.whole else net.person(image, np.nan_to_num(want), seen, coco)
    xy = map_layout(net.card.points, coco).positions(found.xy[0])
    limbs = coco.indices(LIMBS)
    assert np.nanmedian(np.linalg.norm(xy - want, axis=-1)[limbs]) < limit_px
    # A flip would put left on right: most joints lie nearer to their own than to the other side's.
    own, other = (np.linalg.norm(xy - w, axis=-1)[limbs] for w in (want, want[coco.mirror]))
    assert np.nanmean(own < other) > 0.8


def test_pixel_centres_survive_a_mirror():
    """A point found in a mirrored image lies at width - 1 - x: half a pixel off would show as a shift."""
    single = detector().single
    image = frame("cam03", 0)
    want = subject("cam03", 0)
    corners, sure = np.nanmean(want, axis=0) + np.array([[-385.0, -385.0], [385.0, 385.0]]), np.ones(2)
    found = single.person(image, corners, sure)
    xy, confidence = found.xy[0], found.confidence[0]
    width = image.shape[1]
    flipped = np.c_[width - 1 - corners[:, 0], corners[:, 1]]
    back = single.person(np.ascontiguousarray(image[:, ::-1]), flipped, sure).xy[0]
    mirror = load_card("movenet_thunder").points.mirror
    there = np.c_[width - 1 - back[mirror, 0], back[mirror, 1]]
    sure = confidence > 0.5
    assert abs(np.median((there - xy)[sure, 0])) < 6  # 1.5 px of the network's input


def test_the_crop_follows_the_person():
    video = open_video("cam03", BALANCE4 / "videos" / "cam03.mp4")
    tracker = Tracker(detector())
    (seen,) = detect_windows(video.frames(0, 40), "cam03", video.size, tracker)
    assert seen.frame.tolist() == list(range(40))
    assert (seen.person_id[:, 0] == 0).all()
    for number in (0, 20, 39):
        off = np.linalg.norm(seen.xy[number, 0, :17] - subject("cam03", number), axis=-1)
        assert np.nanmedian(off[5:]) < 20
    assert np.nanmedian(seen.sigma_px) > 3


def test_nobody_in_the_picture():
    tracker = Tracker(detector())
    grey = np.full((480, 640, 3), 128, np.uint8)
    assert len(tracker.detector.multi.people(grey)) == 0
    tracker.follow_all(tracker.search(grey), 0.0)
    assert tracker.idle
    (row,) = tracker.step(still(grey))
    assert row.people == ()


def test_someone_who_leaves_is_given_up():
    tracker = Tracker(detector())
    image = cv2.resize(frame("cam03", 0), (544, 960))
    tracker.follow_all(tracker.search(image), 0.0)
    (row,) = tracker.step(still(image))
    assert len(row.people) == 1
    grey = np.full_like(image, 128)
    for number in range(1, 64):
        tracker.step(still(grey, number))
    assert tracker.idle


def test_two_tracks_never_follow_one_person():
    tracker = Tracker(detector())
    image = cv2.resize(frame("cam03", 0), (544, 960))
    found = tracker.search(image)
    tracker.follow_all(found, 0.0)
    tracker.follow_all(found, 0.0)
    (row,) = tracker.step(still(image))
    assert len(row.people) == 1


def test_a_person_cut_by_the_border_has_no_points_outside():
    """Only the upper half of the person is in the picture: what is outside was not seen."""
    want = subject("cam03", 0)
    hips = int(np.nanmean(want[[11, 12], 1]))
    image = np.ascontiguousarray(frame("cam03", 0)[: hips + 20])
    size = (image.shape[1], image.shape[0])
    (seen,) = detect_windows([still(image, k) for k in range(3)], "cam03", size, Tracker(detector()))
    known = np.isfinite(seen.xy[..., 0])
    assert (seen.xy[known][:, 1] <= size[1] * 1.03).all()
    assert (seen.confidence[~known] == 0).all()
    assert np.nanmedian(np.linalg.norm(seen.xy[0, 0, [5, 6]] - want[[5, 6]], axis=-1)) < 40


def test_a_pixelated_face_leaves_the_body():
    want = subject("cam03", 0)
    image = frame("cam03", 0).copy()
    x, y = np.nanmean(want[:5], axis=0).astype(int)
    face = image[y - 60 : y + 60, x - 60 : x + 60]
    face[:] = cv2.resize(cv2.resize(face, (6, 6), interpolation=cv2.INTER_AREA), (120, 120), interpolation=cv2.INTER_NEAREST)
    (seen,) = detect_windows([still(image)], "cam03", (image.shape[1], image.shape[0]), Tracker(detector()))
    off = np.linalg.norm(seen.xy[0, 0, 5:17] - want[5:], axis=-1)
    assert np.nanmedian(off) < 20
