"""URDF files: the tree of links against Pinocchio, and files with faults."""

from dataclasses import replace

import numpy as np
import pytest

from recon3d.errors import InputError
from recon3d.records import JointMotion
from recon3d.robots import find_urdf, load_card, load_robot
from recon3d.robots.model import pinocchio
from recon3d.robots.urdf import read_links

CARD = load_card("g1")
G1 = find_urdf(CARD)


def motion_of(path, position, frames=5):
    _, joints, links = read_links(path)
    turn = np.tile([1.0, 0, 0, 0], (frames, 1))
    return JointMotion(
        "robot", joints, links, np.arange(frames) / 60, np.zeros((frames, 3)), turn, position,
        np.ones(frames, bool), np.zeros((frames, 2), bool),
    )  # fmt: skip


def test_links_are_where_pinocchio_has_them():
    pin = pinocchio()
    model = pin.buildModelFromUrdf(str(G1), pin.JointModelFreeFlyer())
    data = model.createData()
    _, joints, links = read_links(G1)
    assert len(joints) == 29
    position = np.random.default_rng(0).uniform(-0.5, 0.5, (5, 29))
    poses = motion_of(G1, position).poses()
    for t in range(5):
        q = pin.neutral(model)
        for name, value in zip(joints, position[t], strict=True):
            q[model.joints[model.getJointId(name)].idx_q] = value
        pin.framesForwardKinematics(model, data, q)
        for k, name in enumerate(links.names):
            pose = data.oMf[model.getFrameId(name)]
            np.testing.assert_allclose(poses.translation[t, k], pose.translation, atol=1e-9)
            np.testing.assert_allclose(poses.rotation.matrix[t, k], pose.rotation, atol=1e-9)


def test_sliding_joints(tmp_path):
    text = """<robot name="lift"><link name="base"/><link name="cart"/><joint name="up" type="prismatic"><parent link="base"/>
    <child link="cart"/><origin xyz="1 0 0" rpy="0 0 1.5707963267948966"/><axis xyz="2 0 0"/><limit lower="0" upper="1" velocity="1"
    effort="1"/></joint></robot>"""
    (tmp_path / "lift.urdf").write_text(text)
    moved = motion_of(tmp_path / "lift.urdf", np.full((5, 1), 0.5))
    np.testing.assert_allclose(moved.poses().translation[:, 1], np.tile([1.0, 0.5, 0.0], (5, 1)), atol=1e-12)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s[:5000], "is no URDF"),
        (lambda s: s.replace("<robot", "<model", 1).replace("</robot>", "</model>"), "not <robot>"),
        (lambda s: s.replace('<parent link="pelvis"/>', '<parent link="nowhere"/>', 1), "there is no link 'nowhere'"),
        (lambda s: s.replace('type="revolute"', 'type="planar"', 1), "of type 'planar'"),
        (lambda s: s.replace('<child link="left_knee_link"/>', '<child link="right_knee_link"/>', 1), "hangs on two joints"),
        (lambda s: s.replace('<axis xyz="0 1 0"/>', '<axis xyz="0 nan 0"/>', 1), "a number cannot be read"),
        (lambda s: s.replace('<axis xyz="0 1 0"/>', '<axis xyz="0 0 0"/>', 1), "is zero"),
        (lambda s: s.replace("left_knee_link", "left_shin"), "has no link 'left_knee_link'"),
        (lambda s: s.replace("left_knee_joint", "left_shin_joint"), "has no joint 'left_knee_joint'"),
        (lambda s: s, "is not there"),  # its meshes
        (lambda s: "", "is no URDF"),
    ],
)
def test_faulty_files_are_refused_by_name(tmp_path, change, message):
    path = tmp_path / "robot.urdf"
    path.write_text(change(G1.read_text(encoding="utf-8")))
    with pytest.raises(InputError, match=message) as told:
        load_robot(path, CARD)
    assert "robot.urdf" in str(told.value)


def test_the_floor_is_under_both_soles():
    robot = load_robot(G1, CARD)
    for k, side in enumerate(("left", "right")):
        heel, toe = robot.rest[f"{side}_foot"] @ robot.sole[k]
        assert heel[2] == pytest.approx(toe[2], abs=1e-3)
        assert toe[0] - heel[0] == pytest.approx(0.18, abs=0.01)


def test_a_robot_that_is_not_installed_says_what_to_do():
    with pytest.raises(InputError, match="--urdf"):
        find_urdf(replace(CARD, urdf=("nobody.urdf",)))
