"""What a face does: openings and brows as ratios, whatever the head's turn and size."""

import numpy as np
import pytest

from recon3d.geometry import SE3, SO3
from recon3d.head.angles import rotation_of
from recon3d.head.measures import MEASURES, measures_of, on_face_plane
from recon3d.skeleton import load_layout
from tests.head.worlds import FACE_68, lens

LAYOUT = load_layout("face_68")


def seen_of(xyz, angles_deg, distance=0.9):
    """Measures by a camera that sees a face turned so."""
    camera, turn = lens(), rotation_of(np.deg2rad(np.array([angles_deg], float)))
    world = xyz @ turn.matrix[0].T + [0.05, distance, 0.02]
    xy = camera.project(world)[None]
    cam = camera.cam_from_world
    head = SE3(SO3((cam.rotation.matrix @ turn.matrix[0])[None]), (cam @ np.array([0.05, distance, 0.02]))[None])
    flat = on_face_plane(camera.intrinsics.rays(xy), head, xyz[:, 1])
    return {name: float(value[0]) for name, value in measures_of(LAYOUT, flat).items()}


def test_names_and_what_a_calm_face_has():
    calm = seen_of(FACE_68.xyz, (0, 0, 0))
    assert tuple(calm) == MEASURES
    assert calm["left_eye_open"] == pytest.approx(calm["right_eye_open"], abs=0.02)
    assert 0.15 < calm["left_eye_open"] < 0.5 and calm["mouth_open"] < 0.3 and calm["left_brow_up"] > 0.1


def test_they_do_not_depend_on_turn_or_size():
    calm = seen_of(FACE_68.xyz, (0, 0, 0))
    for angles, size in (((30, 10, 15), 1.0), ((-25, -15, -20), 1.2)):
        other = seen_of(size * FACE_68.xyz, angles, 0.9 * size)
        for name in MEASURES:
            assert other[name] == pytest.approx(calm[name], rel=0.02, abs=1e-3), name


def test_a_blink_an_open_mouth_a_raised_brow():
    xyz, at = FACE_68.xyz.copy(), {name: k for k, name in enumerate(FACE_68.points)}
    for upper, lower in ((1, 5), (2, 4)):
        middle = 0.5 * (xyz[at[f"left_eye_{upper}"]] + xyz[at[f"left_eye_{lower}"]])
        xyz[at[f"left_eye_{upper}"]] = xyz[at[f"left_eye_{lower}"]] = middle
    for k in (5, 6, 7):
        xyz[at[f"inner_lip_{k}"], 2] -= 0.03
    for k in range(5):
        xyz[at[f"right_brow_{k}"], 2] += 0.012
    calm, now = seen_of(FACE_68.xyz, (10, 0, 0)), seen_of(xyz, (10, 0, 0))
    assert now["left_eye_open"] < 0.05 and now["right_eye_open"] == pytest.approx(calm["right_eye_open"], rel=0.02)
    assert now["mouth_open"] > calm["mouth_open"] + 0.4
    assert now["right_brow_up"] > calm["right_brow_up"] + 0.12 and now["left_brow_up"] == pytest.approx(calm["left_brow_up"], abs=0.05)


def test_layouts_without_landmarks_have_none():
    assert measures_of(load_layout("coco_17"), np.zeros((3, 17, 2))) == {}
