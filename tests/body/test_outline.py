"""Sticks, cardboard, contours and meshes in a picture, by one API."""

import numpy as np
import pytest

from recon3d.body.active_shape import ContourModel, evenly
from recon3d.body.outline import PARTS, MeshFigure, filled, rings_of
from recon3d.body.planar import CardboardFigure, StickFigure
from recon3d.errors import InputError
from tests.body.worlds import MODEL, BodyWorld


def overlap(a, b):
    return (a & b).sum() / (a | b).sum()


@pytest.fixture(scope="module")
def world():
    return BodyWorld("gait", 4, 12, 2, MODEL.usual)


def figures(world, row):
    """Of the same person: every kind, as each is made."""
    armature, poses = world.body.armature, world.mesh.poses
    camera = world.rig.cameras[0]
    points = armature.keypoints(poses)[row]
    xy = dict(zip(armature.attachments.points, camera.project(points), strict=True))
    return MeshFigure(world.mesh, row), CardboardFigure(xy), StickFigure(armature, poses, row)


def test_a_mesh_and_its_parts(world):
    camera, row = world.rig.cameras[0], 5
    outline = MeshFigure(world.mesh, row).outline(camera)
    truth = world.masks([row])[0].inside
    assert overlap(outline.mask(), truth) > 0.97  # holes are filled
    labels = outline.labels()
    assert ((labels > 0) & truth).sum() > 0.95 * truth.sum()
    at = dict(zip(world.body.armature.joints, camera.project(world.mesh.poses.translation[row]), strict=True))
    for part, (first, last) in {"left_thigh": ("left_hip", "left_knee"), "right_forearm": ("right_elbow", "right_wrist")}.items():
        if part in outline.parts:
            middle = 0.4 * at[first] + 0.6 * at[last]
            ring = np.concatenate(outline.parts[part])
            assert np.linalg.norm(ring.mean(0) - middle) < 0.5 * np.linalg.norm(at[first] - at[last]), part
    assert {"head", "trunk"} <= set(outline.parts)


def test_one_way_to_ask_all_of_them(world):
    camera, row = world.rig.cameras[0], 5
    mesh, cardboard, sticks = (figure.outline(camera) for figure in figures(world, row))
    for outline in (mesh, cardboard, sticks):
        assert outline.size == camera.intrinsics.size
        assert set(outline.parts) <= set(PARTS) and outline.mask().any()
        assert outline.labels().max() <= len(PARTS)
    assert overlap(cardboard.mask(), mesh.mask()) > 0.6
    assert (sticks.mask() & mesh.mask()).sum() > 0.85 * sticks.mask().sum()  # bones are inside


@pytest.mark.parametrize("seed", range(4))
def test_cardboard_over_people_who_move(seed):
    world = BodyWorld("dance", 4, 8, seed, MODEL.usual)
    shares = []
    for camera_number in range(4):
        camera = world.rig.cameras[camera_number]
        points = world.body.armature.keypoints(world.mesh.poses)[4]
        xy = dict(zip(world.body.armature.attachments.points, camera.project(points), strict=True))
        truth = MeshFigure(world.mesh, 4).outline(camera).mask()
        if truth.any():
            shares.append(overlap(CardboardFigure(xy).outline(camera).mask(), truth))
    assert np.median(shares) > 0.55


def test_cardboard_of_half_a_person():
    xy = {"left_shoulder": np.array([100.0, 100]), "left_elbow": np.array([100.0, 160]), "left_wrist": np.array([100.0, np.nan])}
    from recon3d.synthetic import make_rig

    outline = CardboardFigure(xy).outline(make_rig("ring", 4, "none", 0).cameras[0])
    assert set(outline.parts) == {"left_upper_arm"}
    with pytest.raises(InputError, match="both ends of a limb"):
        CardboardFigure({"nose": np.zeros(2)})


def test_a_contour_learned_and_fitted():
    """From other people who walk; to a mask with holes and noise, nearer than the mean contour and than the mask itself."""
    rings = []
    for seed in range(8):
        other = BodyWorld("gait", 4, 40, seed, MODEL.usual)
        rings += [rings_of(other.masks([row])[0].inside)[0] for row in range(0, 40, 5)]
    model = ContourModel.learned(rings)
    world = BodyWorld("gait", 4, 40, 21, MODEL.usual)
    camera = world.rig.cameras[0]
    ours, means = [], []
    for row in (3, 18, 33):
        truth = world.masks([row])[0].inside
        rng, damaged = np.random.default_rng(row), truth.copy()
        rows, columns = np.nonzero(truth)
        for _ in range(3):
            k = rng.integers(len(rows))
            damaged[max(rows[k] - 8, 0) : rows[k] + 8, max(columns[k] - 8, 0) : columns[k] + 8] = False
        found = model.fitted(damaged).outline(camera)
        ours.append(overlap(found.mask(), truth))
        box = rings_of(damaged)[0]
        middle, high = 0.5 * (box.min(0) + box.max(0)), np.ptp(box[:, 1])
        means.append(overlap(filled([middle + high * model.mean], camera.intrinsics.size), truth))
    assert np.median(ours) > 0.7
    assert np.median(ours) > np.median(means) + 0.05


def test_steps_along_a_contour():
    square = np.array([[0.0, 0.0], [4.0, 0.0], [4.0, 4.0], [0.0, 4.0]])
    even = evenly(square[[2, 1, 0, 3]], 16)
    np.testing.assert_allclose(np.linalg.norm(np.diff(even, axis=0), axis=1), 1.0)
    assert even[0, 1] == 0 and even[:4, 1].max() == 0  # from the top, clockwise
    for bad in (square[:2], np.zeros((5, 2)), np.full((5, 2), np.nan)):
        with pytest.raises(InputError, match="three points"):
            evenly(bad)


def test_what_contours_refuse():
    square = np.array([[0.0, 0.0], [4.0, 0.0], [4.0, 4.0], [0.0, 4.0]])
    with pytest.raises(InputError, match="3 contours or more"):
        ContourModel.learned([square])
    model = ContourModel.learned([square, square * [1.0, 1.1], square * [1.2, 1.0]])
    with pytest.raises(InputError, match="shows nobody"):
        model.fitted(np.zeros((20, 20), bool))
