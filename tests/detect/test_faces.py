"""Faces followed in pictures: found, kept, told apart, lost; and by bodies' heads."""

from pathlib import Path

import cv2
import numpy as np

from recon3d.body import load_open_body
from recon3d.detect import People
from recon3d.detect.faces import FaceTracker, detect_faces
from recon3d.records import Frame, Keypoints2D
from recon3d.skeleton import load_layout
from tests.head.worlds import head_mesh, lens, rendered

PORTRAIT = cv2.imread(str(Path(__file__).parents[1] / "data" / "portrait" / "portrait.jpg"))[..., ::-1].copy()


def canvas(*places, size=(540, 960), face=160):
    """The portrait pasted at places (x, y, width)."""
    out = np.full((*size, 3), 90, np.uint8)
    for x, y, *width in places:
        small = cv2.resize(PORTRAIT, (width[0] if width else face,) * 2, interpolation=cv2.INTER_AREA)
        out[y : y + len(small), x : x + len(small)] = small
    return out


def middle(found):
    return found[1].mean(0)


def test_a_small_face_in_a_large_picture():
    found = FaceTracker().look(canvas((700, 300)), 0.0)
    assert len(found) == 1 and found[0][0] == 0 and found[0][2] > 0.5
    assert 720 < middle(found[0])[0] < 840 and 310 < middle(found[0])[1] < 440


def test_two_faces_keep_their_ids_when_they_move():
    tracker = FaceTracker(2)
    first = tracker.look(canvas((100, 100), (600, 200)), 0.0)
    assert len(first) == 2
    ids = {person: middle((person, xy))[0] for person, xy, _ in first}
    for k in range(1, 8):
        found = tracker.look(canvas((100 + 8 * k, 100 + 4 * k), (600 - 8 * k, 200)), k / 30)
        assert {person for person, _, _ in found} == set(ids)
        for person, xy, _ in found:
            assert abs(xy.mean(0)[0] - ids[person]) < 80
            ids[person] = xy.mean(0)[0]


def test_who_is_hidden_for_a_moment_comes_back_as_the_same():
    tracker = FaceTracker()
    assert [p for p, _, _ in tracker.look(canvas((300, 150)), 0.0)] == [0]
    for k in range(1, 6):
        assert tracker.look(canvas(), k / 30) == []
    assert [p for p, _, _ in tracker.look(canvas((320, 150)), 0.25)] == [0]


def test_no_face_and_pixelated_faces():
    tracker = FaceTracker()
    assert tracker.look(np.random.default_rng(0).integers(0, 255, (360, 640, 3), dtype=np.uint8), 0.0) == []
    tiny = cv2.resize(cv2.resize(PORTRAIT, (9, 9), interpolation=cv2.INTER_AREA), (160, 160), interpolation=cv2.INTER_NEAREST)
    image = canvas()
    image[100:260, 100:260] = tiny
    found = tracker.look(image, 1.0)
    assert not found or found[0][2] < 0.9


def test_a_bodys_head_tells_where_to_look():
    image, layout = canvas((100, 100), (600, 200)), load_layout("coco_17")
    alone = FaceTracker(2).look(image, 0.0)
    right = max(alone, key=lambda one: one[1][:, 0].mean())[1]
    xy, confidence = np.zeros((17, 2)), np.zeros(17)
    for name, point in (("nose", 1), ("left_eye", 263), ("right_eye", 33), ("left_ear", 454), ("right_ear", 234)):
        xy[layout.index(name)], confidence[layout.index(name)] = right[point], 0.9
    found = FaceTracker().look(image, 0.0, {7: People.one(xy, confidence)}, layout)
    assert [person for person, _, _ in found] == [7]
    assert np.median(np.linalg.norm(found[0][1] - right, axis=1)) < 6


def test_a_record_of_a_video():
    camera, vertices = lens((640, 360), 700.0), head_mesh(load_open_body().usual)
    frames = [Frame(k, k / 30, rendered(vertices, (2.0 * k, 0, 0), camera)) for k in range(6)]
    (seen,) = detect_faces(iter(frames), "front", (640, 360), FaceTracker())
    assert isinstance(seen, Keypoints2D) and seen.layout.name == "face_468" and len(seen) == 6
    assert (seen.person_id == 0).all() and np.isfinite(seen.xy).all() and (seen.sigma_px > 0).all()
