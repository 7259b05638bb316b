"""Faces with known points: the head's frame, layouts, mirror images."""

import numpy as np
import pytest

from recon3d.errors import InputError
from recon3d.head.faces import IBUG_68, face_of
from recon3d.skeleton import load_layout


@pytest.mark.parametrize(("layout", "points"), [("face_68", 68), ("face_468", 468), ("wholebody_133", 68), ("coco_17", 5), ("body_25", 5)])
def test_layouts_that_have_a_face(layout, points):
    face = face_of(load_layout(layout))
    assert len(face.points) == len(face.xyz) == points
    assert set(face.points) <= set(load_layout(layout).points)
    assert 0.1 < np.ptp(face.xyz[:, 0]) < 0.2
    at = dict(zip(face.points, face.xyz, strict=True))
    left, right = (next(at[n] for n in names if n in at) for names in (
        ("left_eye", "left_eye_3", "face_left_eye_3", "face_263"), ("right_eye", "right_eye_0", "face_right_eye_0", "face_33"),
    ))  # fmt: skip
    assert left[0] > 0.02 and right[0] < -0.02  # x to the subject's left
    np.testing.assert_allclose(left, right * [-1, 1, 1], atol=2e-3)
    assert left[1] < -0.05 and abs(left[2]) < 0.05  # before the ears, and as high


def test_both_faces_are_alike():
    """300W's points of MediaPipe's face lie where those of the average face do, within what faces differ by."""
    ours, theirs = face_of(load_layout("face_68")), face_of(load_layout("face_468"))
    own = np.linalg.norm(ours.xyz - theirs.xyz[list(IBUG_68)], axis=1)
    assert np.median(own) < 0.006 and own.max() < 0.012
    assert ours.xyz[8, 2] < ours.xyz[30, 2] < ours.xyz[27, 2]  # chin, tip of the nose, bridge
    assert ours.xyz[30, 1] == ours.xyz[:, 1].min()  # nothing before the nose


def test_layouts_without():
    for name in ("hand_21", "ap10k_17", "car_24"):
        with pytest.raises(InputError, match="too few points of a head"):
            face_of(load_layout(name))
