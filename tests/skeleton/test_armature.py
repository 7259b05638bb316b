import numpy as np
import pytest

from recon3d.errors import LayoutError
from recon3d.geometry import SE3, SO3
from recon3d.skeleton import body_links, load_armature, load_layout
from recon3d.skeleton.armature_file import parse_armature

HUMAN = load_armature()


def random_pose(frames: int, seed: int = 0):
    rng = np.random.default_rng(seed)
    rotation = SO3.exp(rng.normal(size=(frames, len(HUMAN.joints), 3)) * HUMAN.free).matrix
    return SE3(SO3.identity(frames), rng.normal(size=(frames, 3))), rotation


def test_rest_pose_is_a_standing_person_with_arms_spread():
    poses = HUMAN.forward(SE3.identity(1), np.tile(np.eye(3), (1, len(HUMAN.joints), 1, 1)))
    at = {name: poses.translation[0, HUMAN.index(name)] for name in HUMAN.joints}
    assert at["head"][2] > at["pelvis"][2] > at["left_knee"][2] > at["left_ankle"][2]
    assert at["left_wrist"][0] > 0.6 > -0.6 > at["right_wrist"][0]
    points = dict(zip(HUMAN.attachments.points, HUMAN.keypoints(poses)[0], strict=True))
    assert points["nose"][1] < points["left_ear"][1]  # faces -y
    assert points["left_big_toe"][1] < points["left_heel"][1]


def test_mirror():
    offset = HUMAN.rest_offset
    np.testing.assert_allclose(offset[HUMAN.skeleton.mirror] * [-1, 1, 1], offset)
    np.testing.assert_array_equal(HUMAN.skeleton.mirror[HUMAN.skeleton.mirror], np.arange(len(HUMAN.joints)))


def test_bones_keep_their_length():
    root, rotation = random_pose(20)
    place = HUMAN.forward(root, rotation).translation
    for j, parent in enumerate(HUMAN.skeleton.parents):
        if parent >= 0:
            np.testing.assert_allclose(np.linalg.norm(place[:, j] - place[:, parent], axis=-1), np.linalg.norm(HUMAN.rest_offset[j]))


def test_knees_bend_backward_and_elbows_forward():
    rotation = np.tile(np.eye(3), (1, len(HUMAN.joints), 1, 1))
    for joint in ("left_knee", "right_knee", "left_elbow", "right_elbow"):
        j = HUMAN.index(joint)
        bend = HUMAN.bend_axis(j)
        rotation[0, j] = SO3.exp(np.eye(3)[bend] * HUMAN.limit[j, bend].mean()).matrix
    place = HUMAN.forward(SE3.identity(1), rotation).translation[0]
    for side in ("left", "right"):
        assert place[HUMAN.index(f"{side}_ankle"), 1] > 0.2
        assert place[HUMAN.index(f"{side}_wrist"), 1] < -0.1


def test_armature_fits_the_proportions():
    """The default body and the table of distances describe the same person."""
    layout = load_layout("halpe_26")
    links = body_links(layout)
    poses = HUMAN.forward(SE3.identity(1), np.tile(np.eye(3), (1, len(HUMAN.joints), 1, 1)))
    points = dict(zip(HUMAN.attachments.points, HUMAN.keypoints(poses)[0], strict=True))
    for (a, b), length, sigma in zip(links.pairs, links.length_m, links.sigma_m, strict=True):
        have = np.linalg.norm(points[layout.points[a]] - points[layout.points[b]])
        assert abs(have - length) < 2 * sigma, (layout.points[a], layout.points[b], have, length)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, "no .*joint.* entries"),
        ({"joint": [{"name": "a"}, {"name": "b", "parent": "c"}]}, "no joint 'c' before it"),
        ({"joint": [{"name": "a", "colour": 1}]}, "unknown entry 'colour'"),
        ({"joint": [{"name": "a"}], "keypoints": {"k": ["z", [0, 0, 0]]}}, "'z', which is no joint"),
        ({"joint": [{"name": "a"}, {"name": "b"}]}, "no other, is the root"),
        ({"joint": {"name": "a"}}, "tables"),
        ({"joint": [{"name": "a", "offset": [0, 1]}]}, "offset must be three numbers"),
        ({"joint": [{"name": "a", "free": "pitch"}]}, "letters x, y, z"),
        ({"joint": [{"name": "a"}], "keypoints": {"nose": "a"}}, "keypoint 'nose' must be"),
    ],
)
def test_faulty_armatures(data, message):
    with pytest.raises(LayoutError, match=message):
        parse_armature(data, "mine")


def test_an_animal(tmp_path):
    path = tmp_path / "dog.toml"
    path.write_text(
        'name = "dog"\n[[joint]]\nname = "hips"\n[[joint]]\nname = "left_hip"\nparent = "hips"\noffset = [0.1, 0, 0]\n'
        '[keypoints]\nroot_of_tail = ["hips", [0, 0.1, 0]]\nleft_hip = ["left_hip", [0, 0, 0]]\n'
    )
    dog = load_armature(str(path))
    assert dog.joints == ("hips", "left_hip", "right_hip")
    assert dog.rest_offset[2].tolist() == [-0.1, 0, 0]
    with pytest.raises(LayoutError, match="hips, left_hip"):
        dog.index("tail")
    with pytest.raises(LayoutError, match="human"):
        load_armature("dog")
