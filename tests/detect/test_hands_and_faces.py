"""Hands and faces: their networks played by graphs of the true shapes, and the shipped ones on pictures."""

import functools
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import cv2
import numpy as np
import pytest

from recon3d.detect import Network, load_card
from recon3d.errors import InputError
from recon3d.skeleton import load_layout
from recon3d.video import open_video
from tests.detect.graphs import network
from tests.worlds import BALANCE4

IMAGE = np.zeros((480, 640, 3), np.uint8)
DATA = Path(__file__).resolve().parents[1] / "data"
HAND, FACE, FACE_6 = (load_layout(name) for name in ("hand_21", "face_468", "face_6"))


def some(layout, **places) -> tuple[np.ndarray, np.ndarray]:
    """Points of a layout of which only these are known, and their scores."""
    xy = np.full((len(layout), 2), np.nan)
    xy[layout.indices(list(places))] = list(places.values())
    return xy, np.isfinite(xy[:, 0]).astype(float)


def with_depth(xy: np.ndarray) -> np.ndarray:
    """What a network would give for pixels of its crop: x, y from the corner of the first pixel, and z."""
    return np.c_[xy + 0.5, np.full(len(xy), 7.0)].reshape(1, -1)


class TestHandGraph:
    def net(self, tmp_path, xy, presence=0.9, side=0.8):
        answers = {"points": with_depth(xy), "presence": np.array([[presence]]), "side": np.array([[side]])}
        return network(tmp_path, "hand", answers, "hand_21", (224, 224), channels_last=True, margin=2.0)

    def test_a_hand_that_points_left(self, tmp_path):
        xy = np.random.default_rng(0).uniform(10, 214, (21, 2))
        rough = some(HAND, wrist=(400, 200), middle_mcp=(300, 200))
        found = self.net(tmp_path, xy).person(IMAGE, *rough)
        # From the wrist to 1.45 of the palm, a tenth of that nearer to the finger tips; up in the crop is left in the image.
        scale = 2 * 145 / 224
        expected = np.stack([xy[:, 1] - 111.5, -(xy[:, 0] - 111.5)], -1) * scale + [400 - 0.6 * 145, 200]
        np.testing.assert_allclose(found.xy[0], expected, atol=1e-3)
        np.testing.assert_allclose(found.confidence, 0.9, rtol=1e-6)
        np.testing.assert_allclose([found.score[0], found.right[0]], [0.9, 0.8], rtol=1e-6)

    def test_fingers_that_bend_leave_the_crop(self, tmp_path):
        net = self.net(tmp_path, np.zeros((21, 2)))
        xy = np.random.default_rng(1).uniform(100, 200, (21, 2))
        bent = xy.copy()
        bent[HAND.indices([f"{finger}_tip" for finger in ("thumb", "index", "middle", "ring", "pinky")])] += 60
        np.testing.assert_allclose(net.crop(bent, np.ones(21), HAND), net.crop(xy, np.ones(21), HAND))

    def test_what_it_refuses(self, tmp_path):
        net = self.net(tmp_path, np.zeros((21, 2)))
        with pytest.raises(InputError, match="needs the wrist and the base of the middle finger"):
            net.person(IMAGE, *some(HAND, wrist=(1, 2), thumb_tip=(3, 4)))
        with pytest.raises(InputError, match="21 x 3 values, a presence and a side were expected"):
            self.net(tmp_path, np.zeros((20, 2))).person(IMAGE, *some(HAND, wrist=(1, 2), middle_mcp=(3, 4)))


class TestFaceMeshGraph:
    def net(self, tmp_path, xy, logit=2.0):
        answers = {"points": with_depth(xy).reshape(1, 1, 1, -1), "presence": np.full((1, 1, 1, 1), logit)}
        return network(tmp_path, "face_mesh", answers, "face_468", (192, 192), channels_last=True, margin=1.5)

    @pytest.mark.parametrize("quarter", range(4))
    def test_a_face_however_turned(self, tmp_path, quarter):
        xy = np.random.default_rng(0).uniform(5, 187, (468, 2))
        turn = np.linalg.matrix_power(np.array([[0, -1], [1, 0]]), quarter)
        upright = {"right_eye": (-31.5, 0), "left_eye": (31.5, 0), "mouth": (0, 70), "right_ear": (-70, 10), "left_ear": (70, 10)}
        places = {name: turn @ place + [300, 200] for name, place in upright.items()}
        found = self.net(tmp_path, xy).person(IMAGE, *some(FACE_6, **places), FACE_6)
        scale = 1.5 * 177 / 192  # ten px a cm, chin to forehead 17.7 cm
        expected = ((xy - 95.5) * scale + [0, 32]) @ turn.T + [300, 200]
        np.testing.assert_allclose(found.xy[0], expected, atol=1e-3)
        np.testing.assert_allclose(found.score, 1 / (1 + np.exp(-2.0)))

    def test_from_the_side_the_mouth_tells_what_is_up(self, tmp_path):
        net = self.net(tmp_path, np.zeros((468, 2)))
        to_input = net.crop(*some(FACE_6, right_eye=(200, 100), left_eye=(199, 101), mouth=(200, 170)), FACE_6)
        up = np.linalg.inv(to_input[:, :2]) @ [0, -1]
        assert up[1] < -0.99 * np.linalg.norm(up)

    def test_a_body_gives_its_eyes(self, tmp_path):
        coco = load_layout("coco_17")
        xy, seen = some(coco, right_eye=(290, 200), left_eye=(310, 200), nose=(300, 212))
        to_input = self.net(tmp_path, np.zeros((468, 2))).crop(xy, seen, coco)
        np.testing.assert_allclose(to_input[:, :2], np.eye(2) * 192 / (1.5 * 17.7 * 20 / 6.3))
        with pytest.raises(InputError, match="needs both eyes"):
            self.net(tmp_path, np.zeros((468, 2))).crop(*some(coco, right_eye=(290, 200)), coco)


class TestFaceDetectorGraph:
    """640 x 480 in 128 x 128: a fifth of the size, at the top left."""

    def net(self, tmp_path, faces):
        """Each face at several anchors, some of which lie off by as much as others on the other side."""
        rows, logits = np.zeros((896, 16)), np.full(896, -9.0)
        k = np.arange(512) // 2
        anchors = np.stack([k % 16, k // 16], -1) * 8 + 4.0
        for xy, cells, score in faces:
            inside = (xy + 0.5) / 5
            middle, size = inside.mean(0), np.ptp(inside, axis=0)
            for cell, off in cells:
                rows[cell] = np.r_[middle - anchors[cell], size, (inside + off - anchors[cell]).ravel()]
                logits[cell] = score
        answers = {"rows": rows[None], "scores": logits[None, :, None]}
        return network(tmp_path, "face_detector", answers, "face_6", (128, 128), channels_last=True, min_score=0.5)

    def test_two_faces(self, tmp_path):
        face = np.array([[-20, 0], [20, 0], [0, 20], [0, 40], [-40, 5], [40, 5.0]])
        left, right = face + [150, 200], face + [450, 300]
        # Anchors at 30, 40 and 90, 60 px of the input, two in each cell.
        at = [2 * (4 * 16 + 3), 2 * (4 * 16 + 3) + 1, 2 * (7 * 16 + 11)]
        net = self.net(tmp_path, [(left, [(at[0], 0.3), (at[1], -0.3)], 2.0), (right, [(at[2], 0)], 1.0)])
        found = net.people(IMAGE)
        np.testing.assert_allclose(found.xy, [left, right], atol=1e-3)
        np.testing.assert_allclose(found.score, 1 / (1 + np.exp([-2.0, -1.0])), rtol=1e-5)

    def test_the_anchors_of_the_coarse_cells(self, tmp_path):
        rows, logits = np.zeros((896, 16)), np.full(896, -9.0)
        logits[512 + 6 * (2 * 8 + 5) + 4] = 3.0  # row 2, column 5 of cells of 16 px
        rows[:, 2:4] = 10
        answers = {"rows": rows[None], "scores": logits[None, :, None]}
        found = network(tmp_path, "face_detector", answers, "face_6", (128, 128), channels_last=True).people(IMAGE)
        np.testing.assert_allclose(found.xy[0], np.tile([[5.5 * 16 * 5 - 0.5, 2.5 * 16 * 5 - 0.5]], (6, 1)), atol=1e-3)

    def test_nobody(self, tmp_path):
        found = self.net(tmp_path, []).people(IMAGE)
        assert found.xy.shape == (0, 6, 2)

    def test_other_outputs_are_said(self, tmp_path):
        with pytest.raises(InputError, match="896 rows of 16 values and as many scores were expected"):
            network(tmp_path, "face_detector", {"a": np.zeros((1, 400, 16)), "b": np.zeros((1, 400, 1))}, "face_6", (128, 128)).people(
                IMAGE
            )


@functools.cache
def shipped(name: str) -> Network:
    return Network(load_card(name))


def portrait() -> np.ndarray:
    return cv2.imread(str(DATA / "portrait" / "portrait.jpg"))[..., ::-1].copy()


# Clicked in the portrait, px.
EYES_AND_MOUTH = {"right_eye": (99.5, 100.5), "left_eye": (144.5, 104.5), "nose": (118, 127), "mouth": (119, 146)}

# Clicked in frame 5 of cam01, px.
RIGHT_HAND = {"wrist": (274, 707), "middle_mcp": (276, 743), "thumb_tip": (316, 765), "index_tip": (297, 793), "pinky_tip": (259, 771)}


class TestOnPictures:
    def test_a_face_is_found(self):
        found = shipped("face_detection").people(portrait())
        assert len(found) == 1
        want = np.array(list(EYES_AND_MOUTH.values()))
        assert np.linalg.norm(found.xy[0, :4] - want, axis=-1).max() < 8  # the network's own px is 2 of the picture

    @pytest.mark.parametrize("angle", [0, 35, -60])
    def test_its_mesh(self, angle):
        turn = cv2.getRotationMatrix2D((120, 110), angle, 1.0)
        image = cv2.warpAffine(portrait(), turn, (240, 240))
        (face,) = shipped("face_detection").people(image).xy
        mesh = shipped("face_landmark").person(image, face, np.ones(6), FACE_6)
        assert mesh.score[0] > 0.95
        (back,) = (mesh.xy - turn[:, 2]) @ np.linalg.inv(turn[:, :2]).T
        middle = {"right_eye": (33, 133, 159, 145), "left_eye": (263, 362, 386, 374), "nose": (4,), "mouth": (13, 14)}
        for name, points in middle.items():
            off = back[list(points)].mean(0) - EYES_AND_MOUTH[name]
            assert np.linalg.norm(off) < 3.5, (name, off)

    def test_the_mirror_image_of_a_face(self):
        """Point for point, by the layout's mirror map; half a pixel off would show as a shift."""
        image = portrait()
        xy, seen = some(FACE_6, **EYES_AND_MOUTH)
        there = shipped("face_landmark").person(image, xy, seen, FACE_6).xy[0]
        flipped = np.c_[image.shape[1] - 1 - xy[:, 0], xy[:, 1]][FACE_6.mirror]
        back = shipped("face_landmark").person(np.ascontiguousarray(image[:, ::-1]), flipped, seen[FACE_6.mirror], FACE_6).xy[0]
        back = np.c_[image.shape[1] - 1 - back[:, 0], back[:, 1]][FACE.mirror]
        assert np.abs((back - there).mean(0)).max() < 0.5
        assert np.median(np.linalg.norm(back - there, axis=-1)) < 2

    @pytest.mark.parametrize("mirrored", [False, True])
    def test_a_hand(self, mirrored):
        """The subject's right hand from behind, its thumb to the left."""
        (frame,) = open_video("cam01", BALANCE4 / "videos" / "cam01.mp4").frames(5, 6)
        image, (xy, seen) = frame.image, some(HAND, **RIGHT_HAND)
        if mirrored:
            image, xy = np.ascontiguousarray(image[:, ::-1]), np.c_[image.shape[1] - 1 - xy[:, 0], xy[:, 1]]
        found = shipped("hand_landmark").person(image, xy, seen)
        assert found.score[0] > 0.9
        assert found.right[0] < 0.1 if mirrored else found.right[0] > 0.9
        (points,) = found.xy
        if mirrored:
            points = np.c_[image.shape[1] - 1 - points[:, 0], points[:, 1]]
        for name, place in RIGHT_HAND.items():
            assert np.linalg.norm(points[HAND.index(name)] - place) < 12, name  # a third of the palm


def test_the_published_file_and_its_conversion_agree():
    """The same network by ai-edge-litert and by onnxruntime."""
    path = DATA / "face_detection_short_range.tflite"
    card = load_card("face_detection")
    published = Network(replace(card, file=path.name, folder=path.parent, sha256=sha256(path.read_bytes()).hexdigest()))
    image = cv2.resize(portrait(), (128, 128), interpolation=cv2.INTER_AREA)
    for ours, theirs in zip(shipped("face_detection").run(image), published.run(image), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-3)
    np.testing.assert_allclose(published.people(portrait()).xy, shipped("face_detection").people(portrait()).xy, atol=0.01)
