"""Points on skin as solvers see them: where skinning puts them, and how they move."""

import numpy as np
import pytest

from recon3d.body import load_open_body
from recon3d.body.marks import marks_of_joints, marks_of_vertices
from recon3d.geometry import SE3, SO3
from recon3d.motion.pose import Freedoms, free_of

MODEL = load_open_body()
VALUES = np.array([0.7, 0.55, 0.4, 0.63, 0.3, 0.8])


def posed(armature, seed, frames=2):
    rng = np.random.default_rng(seed)
    freedoms = Freedoms(armature, free_of(armature, np.ones(len(armature.attachments.points), bool)))
    turns = SO3.exp(rng.normal(0, 0.4, (frames, len(armature.joints), 3)) * armature.free).matrix
    return freedoms, freedoms.pose(rng.normal(0, 1, (frames, 3)), turns)


def marks_of(kind):
    if kind == "keypoints":
        return MODEL.marks
    return marks_of_joints(MODEL) if kind == "joints" else marks_of_vertices(MODEL, np.arange(0, 13718, 97))


def test_points_are_where_skinning_puts_them():
    body = MODEL.shaped(VALUES)
    _, pose = posed(body.armature, 1)
    mesh = body.posed(pose.translation, pose.rotation)
    many = len(MODEL.regressor.points)
    riding = body.armature.keypoints(mesh.poses)
    np.testing.assert_allclose(riding[:, :many], MODEL.regressor.of(mesh.vertices().astype(float)), atol=2e-6)
    means = [[body.armature.index(joint) for joint in joints] for joints in MODEL.joint_points.values()]
    np.testing.assert_allclose(riding[:, many:], np.stack([mesh.poses.translation[:, one].mean(1) for one in means], 1), atol=1e-12)
    some = np.array([13000, 5, 700])
    marked = MODEL.armature(VALUES, marks_of_vertices(MODEL, some))
    np.testing.assert_allclose(marked.keypoints(mesh.poses), mesh.vertices()[:, some], atol=2e-6)
    joints = MODEL.armature(VALUES, marks_of_joints(MODEL, ["left_wrist", "head"]))
    own = [body.armature.index(name) for name in ("left_wrist", "head")]
    np.testing.assert_allclose(joints.keypoints(mesh.poses), mesh.poses.translation[:, own], atol=1e-12)


@pytest.mark.parametrize("kind", ["keypoints", "joints", "vertices"])
def test_how_they_move_with_poses(kind):
    armature = MODEL.armature(VALUES, marks_of(kind))
    freedoms, at = posed(armature, 2)
    poses = at.on(armature)
    screws = armature.screws(poses, freedoms.joint, freedoms.axes(at, poses))
    slopes = armature.reach(screws, freedoms.joint, poses)
    for column in range(freedoms.count):
        step = np.zeros((2, freedoms.count))
        step[:, column] = 1e-6
        moved = [armature.keypoints(freedoms.retract(at, sign * step).on(armature)) for sign in (1, -1)]
        np.testing.assert_allclose((moved[0] - moved[1]) / 2e-6, slopes[..., column], atol=1e-7)
    rng = np.random.default_rng(3)
    points = armature.keypoints(poses)
    half = rng.normal(size=(*points.shape, 3))
    weight, force = half @ np.swapaxes(half, -1, -2), rng.normal(size=points.shape)
    h, g = armature.normal_equations(screws, freedoms.joint, poses, points, weight, force)
    np.testing.assert_allclose(np.tril(h), np.tril(np.einsum("fpik,fpij,fpjl->fkl", slopes, weight, slopes)), atol=1e-7)
    np.testing.assert_allclose(g, np.einsum("fpik,fpi->fk", slopes, force), atol=1e-8)


@pytest.mark.parametrize("kind", ["keypoints", "joints", "vertices"])
def test_how_they_move_with_the_body(kind):
    marks = marks_of(kind)
    armature, shape = MODEL.armature(VALUES, marks), MODEL.shape(VALUES, marks)
    _, at = posed(armature, 4)
    slopes = shape.slopes(armature, at.on(armature))
    for k in range(len(VALUES)):
        step = 2e-4 * (np.arange(len(VALUES)) == k)
        moved = [one.keypoints(at.on(one)) for one in (MODEL.armature(VALUES + sign * step, marks) for sign in (1, -1))]
        np.testing.assert_allclose((moved[0] - moved[1]) / 4e-4, slopes[..., k], atol=1e-4)
        along = shape.apply(armature, step)
        np.testing.assert_allclose(along.keypoints(at.on(along)), moved[0], atol=1e-6)


def test_some_of_the_points():
    armature = MODEL.armature(VALUES)
    chosen = armature.attachments.select(("nose", "left_shoulder", "right_big_toe"))
    every = dict(
        zip(
            armature.attachments.points,
            armature.keypoints(SE3(SO3(np.broadcast_to(np.eye(3), (104, 3, 3))), np.ones((104, 3)))),
            strict=True,
        )
    )
    found = chosen.blend.places(SE3(SO3(np.broadcast_to(np.eye(3), (104, 3, 3))), np.ones((104, 3))))
    np.testing.assert_allclose(found, [every[name] for name in chosen.points])
