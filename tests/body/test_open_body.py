"""The open body: shapes as anny makes them, its pose at rest, its skin."""

from pathlib import Path

import numpy as np
import pytest

from recon3d.body import PHENOTYPES, load_open_body
from recon3d.body.bake import joint_name, packed
from recon3d.errors import InputError
from recon3d.geometry import SE3, SO3
from recon3d.skeleton import load_armature, load_layout

ANNY = Path(__file__).parents[1] / "data" / "anny_bodies.npz"
MODEL = load_open_body()


def sculpted_pose(body):
    """Turns of joints that bring the armature back to the pose in which the model was sculpted."""
    turn, parent = body.bind.rotation.matrix, body.armature.skeleton.parents
    out = np.swapaxes(turn[np.maximum(parent, 0)], -1, -2) @ turn
    out[0] = turn[0]
    return out


def some_pose(body, seed, spread=0.3):
    rng = np.random.default_rng(seed)
    return SO3.exp(rng.normal(0, spread, (len(body.armature.joints), 3)) * body.armature.free).matrix


def test_shapes_are_those_of_anny():
    """Vertices and joints that the anny package (0.6.2) gives for these phenotypes, from newborn to old."""
    with np.load(ANNY) as true:
        for values, places, heads in zip(true["phenotypes"], true["places"], true["heads"], strict=True):
            body = MODEL.shaped(values)
            assert np.abs(body.vertices[true["vertex"]] - places).max() < 1e-4
            own = [MODEL.skeleton.joints.index(joint_name(str(bone))) for bone in true["bones"]]
            assert np.abs(body.bind.translation[own] - heads).max() < 1e-4


def test_skinned_where_it_was_sculpted():
    for age in (-1 / 3, 0.3, 1.0):
        body = MODEL.person(age=age, weight=0.8)
        posed = body.posed(body.bind.translation[:1], sculpted_pose(body)[None])
        np.testing.assert_allclose(posed.vertices()[0], body.vertices, atol=1e-6)
        np.testing.assert_allclose(posed.poses.translation[0], body.bind.translation, atol=1e-9)


def test_at_rest_it_stands_in_a_t_pose():
    body = MODEL.person(gender=0.8, height=0.3)
    at = dict(zip(body.armature.joints, body.armature.rest_positions(), strict=True))
    for side, sign in (("left", 1.0), ("right", -1.0)):
        for a, b in (("shoulder", "elbow"), ("elbow", "wrist"), ("wrist", "middle_mcp"), ("index_mcp", "index_pip")):
            bone = at[f"{side}_{b}"] - at[f"{side}_{a}"]
            assert bone[0] * sign > 0.97 * np.linalg.norm(bone), (side, a)
        for a, b in (("hip", "knee"), ("knee", "ankle")):
            bone = at[f"{side}_{b}"] - at[f"{side}_{a}"]
            assert -bone[2] > 0.99 * np.linalg.norm(bone)
        assert (at[f"{side}_toes"] - at[f"{side}_ankle"])[1] < -0.05  # feet look ahead, along -y
    assert at["head"][2] > at["neck"][2] > at["chest"][2] > at["spine"][2] > 0
    places = body.at_rest().vertices()[0]
    assert np.abs(places[:, 0].max() + places[:, 0].min()) < 0.01
    assert places[np.abs(places[:, 2] - at["left_shoulder"][2]) < 0.1][:, 0].max() > 0.6
    elbow = body.armature.index("left_elbow")
    bent = np.broadcast_to(np.eye(3), (1, len(body.armature.joints), 3, 3)).copy()
    bent[0, elbow] = SO3.exp(np.array([0, 0, -1.5])).matrix  # forward, as the default armature bends it
    wrist = body.posed(np.zeros((1, 3)), bent).poses.translation[0, body.armature.index("left_wrist")]
    assert wrist[1] < at["left_wrist"][1] - 0.15


def test_it_moves_as_the_default_armature_does():
    body, human = MODEL.person(), load_armature("human_hands")
    assert set(human.joints) <= set(body.armature.joints)
    own = [body.armature.index(name) for name in human.joints]
    np.testing.assert_array_equal(body.armature.free[own], human.free)
    assert body.armature.free.sum() == human.free.sum()
    rotation = some_pose(body, 1)
    poses = body.posed(np.zeros((1, 3)), rotation[None]).poses
    longer = human.with_sizes(human.rest_offset, human.attachments.offset)
    there = longer.forward(SE3.identity(1), rotation[own][None])  # turns mean the same on both
    np.testing.assert_allclose(there.rotation.matrix[0, 1:5], poses.rotation.matrix[0, own[1:5]], atol=1e-9)


def test_skinning_is_a_weighted_mean_of_rigid_motions():
    body = MODEL.person(age=0.5)
    rotation = np.stack([some_pose(body, seed) for seed in range(3)])
    root = np.random.default_rng(0).normal(size=(3, 3))
    posed = body.posed(root, rotation)
    found, poses, bind = posed.vertices(), posed.poses, body.bind
    assert found.dtype == np.float32
    for vertex in (0, 5000, 13_000):
        rows = np.flatnonzero(body.skin.vertex == vertex)
        true = np.zeros((3, 3))
        for j, weight in zip(body.skin.joint[rows], body.skin.weight[rows], strict=True):
            own = bind.rotation.matrix[j].T @ (body.vertices[vertex] - bind.translation[j])
            true += weight * (poses.rotation.matrix[:, j] @ own + poses.translation[:, j])
        np.testing.assert_allclose(found[:, vertex], true, atol=1e-6)
    total = np.bincount(body.skin.vertex, body.skin.weight)
    np.testing.assert_allclose(total, 1.0, atol=1e-5)


def test_phenotypes_do_what_they_say():
    def height(**values):
        places = MODEL.person(**values).at_rest().vertices()[0]
        return np.ptp(places[:, 2])

    def volume(**values):
        places = MODEL.person(**values).at_rest().vertices()[0].astype(float)
        a, b, c = (places[MODEL.faces[:, k]] for k in range(3))
        return float(np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6)

    assert 0.4 < height(age=-1 / 3) < height(age=0.0) < 0.8 < height(age=1 / 3) < 1.5 < height() < 2.0
    assert height(height=0.0) + 0.2 < height() < height(height=1.0) - 0.1
    assert 0.03 < volume(weight=0.0) < volume() < volume(weight=1.0) < 0.25


@pytest.mark.parametrize(
    ("values", "message"), [({"beard": 1.0}, "no phenotype 'beard'"), ({"age": -0.5}, "age must be"), ({"weight": 1.2}, "weight must be")]
)
def test_phenotypes_that_there_are_not(values, message):
    with pytest.raises(InputError, match=message):
        MODEL.person(**values)


def test_left_and_right_are_mirror_images():
    body = MODEL.person(gender=0.2, weight=0.7)
    offset = body.armature.rest_offset
    np.testing.assert_allclose(offset[MODEL.skeleton.mirror] * [-1, 1, 1], offset, atol=6e-3)
    assert all(
        MODEL.skeleton.joints[m].startswith("right")
        for j, m in zip(MODEL.skeleton.joints, MODEL.skeleton.mirror, strict=True)
        if j.startswith("left")
    )


def test_baking_puts_parents_first():
    rng = np.random.default_rng(0)
    model = {
        "template_vertices": rng.normal(size=(4, 3)), "faces": [[0, 1, 2]], "texture_coordinates": rng.random((4, 2)),
        "face_texture_coordinate_indices": [[0, 1, 2]], "blendshapes": rng.normal(size=(2, 4, 3)), "bone_parents": [2, 0, -1],
        "bone_labels": ["upperleg01.L", "finger2-1.R", "root"], "template_bone_heads": np.arange(9).reshape(3, 3),
        "bone_heads_blendshapes": rng.normal(size=(2, 3, 3)), "vertex_bone_indices": [[0, 1], [2, 0], [1, 0], [2, 0]],
        "vertex_bone_weights": [[0.5, 0.5], [1, 0], [1, 0], [1, 0]], "stacked_phenotype_blend_shapes_mask": np.ones((3, 26)),
        "phenotype_blendshape_projection": rng.normal(size=(3, 2)), "coco_names": ["nose"], "coco_reg_idx": [[0, 1]], "coco_reg_w": [1.0],
    }  # fmt: skip
    found = packed(model)
    assert found["joints"].tolist() == ["pelvis", "left_hip", "right_index_mcp"]
    assert found["parents"].tolist() == [-1, 0, 1]
    np.testing.assert_array_equal(found["heads"][:, 0], [6, 0, 3])
    assert found["skin_joint"].tolist() == [1, 2, 0, 2, 0]
    back = found["basis"] * found["basis_scale"][:, None, None]
    np.testing.assert_allclose(back, model["blendshapes"], atol=1e-4)
    assert MODEL.parameters == PHENOTYPES


def test_sizes_follow_phenotypes():
    values = MODEL.usual + np.array([0.1, -0.05, 0.1, -0.2, 0.1, 0.2])
    shape, body = MODEL.shape(values), MODEL.shaped(values)
    step = np.array([0.02, -0.01, 0.03, 0.02, -0.02, 0.01])
    near, true = shape.apply(body.armature, step), MODEL.shaped(values + step).armature
    changed = np.abs(true.rest_offset - body.armature.rest_offset).max()
    assert changed > 0.002
    assert np.abs(near.rest_offset - true.rest_offset).max() < 0.1 * changed
    assert np.abs(near.attachments.offset - true.attachments.offset).max() < 0.1 * changed


def test_points_ride_where_the_mesh_has_them():
    """On skin that bends, in poses that people take; shoulders' points are 35 mm off any single joint then."""
    body = MODEL.person(weight=0.6)
    rotation = np.stack([some_pose(body, seed) for seed in range(20)])
    posed = body.posed(np.zeros((20, 3)), rotation)
    names = MODEL.regressor.points
    on_skin, riding = MODEL.regressor.of(posed.vertices().astype(float)), body.armature.keypoints(posed.poses)[:, : len(names)]
    off = np.linalg.norm(on_skin - riding, axis=-1)
    assert off.max() < 1e-5
    assert {"left_heel", "right_small_toe", "mid_hip", "head_top"} <= set(names)
    rest = dict(zip(MODEL.marks.points, body.armature.keypoints(body.at_rest().poses)[0], strict=True))
    assert rest["left_wrist"][0] > rest["left_elbow"][0] > rest["left_shoulder"][0] > 0
    assert rest["head_top"][2] > rest["nose"][2] > rest["left_shoulder"][2]
    assert rest["nose"][1] < rest["left_ear"][1]  # faces look ahead, along -y
    assert rest["left_big_toe"][1] < rest["left_heel"][1]
    assert rest["left_hand_index_tip"][0] > rest["left_hand_index_dip"][0] > rest["left_index"][0] > rest["left_hand_wrist"][0]
    assert rest["left_hand_thumb_tip"][1] < rest["left_hand_pinky_tip"][1]  # palms look down
    assert rest["left_eye_outer"][0] > rest["left_eye"][0] > rest["left_eye_inner"][0] > 0 > rest["right_eye_inner"][0]
    assert rest["left_eye"][2] > rest["nose"][2] > rest["mouth_left"][2] and rest["mouth_left"][0] > 0
    assert rest["left_big_toe"][0] < rest["left_foot_index"][0] < rest["left_small_toe"][0]


@pytest.mark.parametrize("layout", ["coco_17", "body_23", "body_25", "halpe_26", "mediapipe_33", "halpe_68", "smpl_24"])
def test_layouts_have_their_points(layout):
    lacking = set(load_layout(layout).points) - set(MODEL.marks.points)
    assert lacking <= {"head"}  # which is another place in every layout
