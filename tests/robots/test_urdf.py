"""URDF files: the tree of links against Pinocchio, and files with faults."""

from dataclasses import replace

import numpy as np
import pytest

from recon3d.errors import InputError
from recon3d.records import JointMotion
from recon3d.robots import find_urdf, follow, load_card, load_robot, quality, targets_of
from recon3d.robots.shapes import pinocchio
from recon3d.robots.urdf import read_links
from recon3d.synthetic import make_person

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
        (lambda s: s.replace('name="left_ankle_roll_joint"', 'name="left_ankle_pitch_joint"'), "'left_ankle_pitch_joint' occurs twice"),
        (lambda s: s.replace('lower="-0.087267" upper="2.8798"', 'lower="2" upper="-1"', 1), "lower must not lie over upper"),
        (lambda s: s.replace('velocity="20"', 'velocity="-20"', 1), "must not be negative"),
        (lambda s: s.replace('velocity="20"', "", 1), "needs a number as velocity"),
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


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: replace(c, posture={"left_knee_joint": 40.0}), "left_knee_joint is 40 in the card's posture"),
        (lambda c: replace(c, posture={"left_ankle_pitch_joint": -0.5}), "left foot is not flat"),
        (lambda c: replace(c, pairs={k: (b, a) for k, (a, b) in c.pairs.items()}), "are left and right exchanged"),
        (lambda c: replace(c, pairs={k: (b, a) for k, (a, b) in c.pairs.items()}, posture={}), "are left and right exchanged"),
        (lambda c: replace(c, pairs={**c.pairs, "shoulder": c.pairs["shoulder"][::-1]}), "left shoulder must be to the left"),
    ],
)
def test_a_robot_that_does_not_stand_as_people_do_is_refused(change, message):
    with pytest.raises(InputError, match=message):
        load_robot(G1, change(CARD))


def test_which_way_it_is_modelled_does_not_matter(tmp_path):
    """A base whose x points backwards, as iCub's."""
    text = G1.read_text(encoding="utf-8")
    turned = text.replace('<link name="pelvis">', '<link name="base"/><joint name="turn" type="fixed"><parent link="base"/><child '
                          'link="pelvis"/><origin xyz="0 0 0" rpy="0 0 3.141592653589793"/></joint><link name="pelvis">', 1)  # fmt: skip
    folder = G1.parents[2]
    path = tmp_path / "turned.urdf"
    path.write_text(turned.replace("package://example-robot-data/robots", str(folder)))
    one, two = load_robot(G1, CARD), load_robot(path, CARD)
    for part in one.rest:
        np.testing.assert_allclose(two.rest[part].translation, one.rest[part].translation, atol=1e-9)
        np.testing.assert_allclose(two.rest[part].rotation.matrix, one.rest[part].rotation.matrix, atol=1e-9)


def test_joints_that_mimic_others_stay_as_they_are(tmp_path):
    text = G1.read_text(encoding="utf-8").replace("package://example-robot-data/robots", str(G1.parents[2]))
    place = text.index('<joint name="right_elbow_joint"')
    end = text.index("</joint>", place)
    path = tmp_path / "mimic.urdf"
    path.write_text(text[:end] + '<mimic joint="left_elbow_joint" multiplier="0.5" offset="0.1"/>' + text[end:])
    robot = load_robot(path, CARD)
    moved = follow(robot, targets_of(make_person("dance", 20, 60.0, seed=1).motion, robot))
    left, right = (moved.position[:, robot.joints.index(f"{side}_elbow_joint")] for side in ("left", "right"))
    np.testing.assert_allclose(right, 0.5 * left + 0.1, atol=1e-5)
    assert np.ptp(left) < 1e-5


def test_other_robots():
    card = load_card("talos")
    robot = load_robot(find_urdf(card), card)
    targets = targets_of(make_person("gait", 30, 60.0, seed=1).motion, robot)
    found = quality(robot, follow(robot, targets), targets)
    assert (found.limit_violations, found.collisions) == (0, 0)
    assert found.base_mm < 60


def test_a_robot_that_is_not_installed_says_what_to_do():
    with pytest.raises(InputError, match="--urdf"):
        find_urdf(replace(CARD, urdf=("nobody.urdf",)))
