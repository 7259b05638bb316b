"""Motion on other programs' skeletons: the same places, their names, axes and rest poses."""

from dataclasses import replace

import numpy as np
import pytest

from recon3d import io
from recon3d.characters import dressed, load_preset, preset_names
from recon3d.characters.preset import parse_preset
from recon3d.errors import InputError
from recon3d.geometry import SO3
from recon3d.records.animation import FROM_Z_UP, converted
from recon3d.skeleton import load_armature
from recon3d.synthetic import make_person
from tests.io.readers import places_of

WANTED = {"blender", "cmu", "lafan1", "maya", "mixamo", "motionbuilder", "opensim", "rokoko", "smpl", "unity", "unreal", "vrm"}
MOTION = make_person("dance", 41, 60.0).motion


def in_our_world(animation):
    back = FROM_Z_UP if animation.up == "y" else np.eye(3)
    poses = animation.poses()
    return animation.unit_m * poses.translation @ back, back.T @ poses.rotation.matrix


def test_all_presets_are_there():
    assert set(preset_names()) == WANTED
    for name in WANTED:
        preset = load_preset(name)
        assert preset.name == name and preset.about


@pytest.mark.parametrize("name", sorted(WANTED))
def test_places_stay_where_they_were(name):
    preset = load_preset(name)
    animation = dressed(MOTION, preset)
    place, turn = in_our_world(animation)
    ours = MOTION.poses()
    step = round(60 / preset.fps) if preset.fps else 1
    for joint in preset.joints:
        if joint.optional or not joint.source:
            continue
        at, source = animation.index(joint.name), MOTION.armature.index(joint.source)
        if joint.between is None:
            np.testing.assert_allclose(place[:, at], ours.translation[::step, source], atol=1e-9)
        # What turns with our joint keeps one turn to it.
        relative = np.swapaxes(ours.rotation.matrix[::step, source], -1, -2) @ turn[:, at]
        np.testing.assert_allclose(relative, np.broadcast_to(relative[0], relative.shape), atol=1e-9)
        axes = relative[0]
        np.testing.assert_allclose(axes.T @ axes, np.eye(3), atol=1e-9)
        assert np.linalg.det(axes) > 0


@pytest.mark.parametrize("name", sorted(WANTED))
def test_rest_poses_stand_upright(name):
    """Head above feet, left to the left, arms level (T) or down by 45 degrees (A)."""
    preset = load_preset(name)
    animation = dressed(MOTION, preset)
    back = FROM_Z_UP if preset.up == "y" else np.eye(3)
    rest = animation.unit_m * animation.rest().translation @ back
    at = {
        joint.source: rest[animation.index(joint.name)]
        for joint in preset.joints
        if joint.source and joint.between is None and not joint.optional
    }
    assert at["head"][2] > at["left_ankle"][2] + 1
    assert at["left_hip"][0] > at["right_hip"][0] + 0.1
    arm = at["left_wrist"] - at["left_shoulder"]
    angle = np.rad2deg(np.arctan2(-arm[2], arm[0]))
    assert angle == pytest.approx(45 if preset.rest == "A" else 0, abs=0.5)


def test_lafan1_is_what_robot_retargeters_read(tmp_path):
    """22 joints in order, ZYX, cm, 30 frames/s; x along bones; who stands has their frames as those readers turn them."""
    still = np.zeros_like(MOTION.rotation)
    still[..., 0] = 1.0
    standing = replace(MOTION, rotation=still, translation=np.tile([0.0, 0.0, 0.95], (len(MOTION), 1)))
    animation = dressed(standing, load_preset("lafan1"))
    io.write(tmp_path / "walk.bvh", animation)
    text = (tmp_path / "walk.bvh").read_text()
    names = [line.split()[1] for line in text.splitlines() if line.split()[0] in ("ROOT", "JOINT")]
    sides = [[f"{s}{part}" for part in ("UpLeg", "Leg", "Foot", "Toe")] for s in ("Left", "Right")]
    arms = [[f"{s}{part}" for part in ("Shoulder", "Arm", "ForeArm", "Hand")] for s in ("Left", "Right")]
    assert names == ["Hips", *sides[0], *sides[1], "Spine", "Spine1", "Spine2", "Neck", "Head", *arms[0], *arms[1]]
    assert text.count("Zrotation Yrotation Xrotation") == 22
    assert "Frames: 21\nFrame Time: 0.033333333\n" in text
    for bone in ("LeftLeg", "RightFoot", "LeftForeArm", "RightHand", "Spine2", "Head"):
        offset = animation.rest_place[animation.index(bone)]
        assert offset[0] > 5
        np.testing.assert_allclose(offset[1:], 0, atol=1.2)  # a spine is not quite straight
    _, turn = in_our_world(animation)
    for joint, x, y in (
        ("Hips", (0, 0, 1), (0, -1, 0)),
        ("Spine2", (0, 0, 1), (0, -1, 0)),
        ("LeftUpLeg", (0, 0, -1), (0, -1, 0)),
        ("RightLeg", (0, 0, -1), (0, -1, 0)),
        ("LeftToe", (0, -1, 0), (0, 0, 1)),
        ("LeftArm", (1, 0, 0), (0, 1, 0)),
        ("RightForeArm", (-1, 0, 0), (0, 1, 0)),
    ):
        own = turn[0, animation.index(joint)]
        np.testing.assert_allclose(own[:, 0], x, atol=0.02)
        np.testing.assert_allclose(own[:, 1], y, atol=0.02)


def test_unreal_has_a_root_on_the_floor():
    animation = dressed(MOTION, load_preset("unreal"))
    assert animation.joints[:2] == ("root", "pelvis") and animation.up == "z" and animation.unit_m == 0.01
    place, turn = in_our_world(animation)
    np.testing.assert_allclose(place[:, 0], 0, atol=1e-12)
    np.testing.assert_allclose(turn[:, 0], np.broadcast_to(np.eye(3), turn[:, 0].shape), atol=1e-12)
    # Epic's offsets: against the bone on the left leg and the right arm, along it on the others.
    for joint, sign in (("calf_l", -1), ("calf_r", 1), ("lowerarm_l", 1), ("lowerarm_r", -1), ("foot_l", -1), ("hand_r", -1)):
        offset = animation.rest_place[animation.index(joint)]
        assert sign * offset[0] > 20
        np.testing.assert_allclose(offset[1:], 0, atol=1e-9)
    assert (animation.rest_place[[animation.index(f"spine_0{k}") for k in range(1, 6)], 0] > 0).all()


@pytest.mark.parametrize("suffix", ["fbx", "glb", "usda", "bvh"])
@pytest.mark.parametrize("name", ["unreal", "mixamo", "lafan1", "blender"])
def test_presets_in_files(tmp_path, name, suffix):
    if (name, suffix) == ("unreal", "bvh"):
        name = "cmu"  # the reader knows no joint that moves below a root; nobody takes Manny in a BVH file
    animation = dressed(MOTION, load_preset(name))
    path = tmp_path / f"a.{suffix}"
    io.write(path, animation)
    joints = tuple(j for j in animation.joints if j != "root")
    unit, up = (1.0, "y") if suffix == "glb" else (animation.unit_m, animation.up)
    place, turn, fps = places_of(path, joints, unit, up)
    want, axes = in_our_world(animation)
    index = [animation.index(j) for j in joints]
    assert fps == pytest.approx(30 if name == "lafan1" else 60, rel=1e-6)
    np.testing.assert_allclose(place, want[:, index], atol=1e-4)
    there = np.isfinite(turn).all((1, 2, 3))
    whole = turn[there] if up == "z" else turn[there] @ FROM_Z_UP.T
    off = np.swapaxes(axes[there][:, index], -1, -2) @ whole
    assert np.rad2deg(np.linalg.norm(SO3(off).log(), axis=-1)).max() < 0.01


def test_fingers_where_there_are_some():
    hands = load_armature("human_hands")
    count = len(hands.joints)
    rotation = np.zeros((3, count, 4))
    rotation[..., 0] = 1.0
    names = ("covariance", "state", "misfit", "contact")
    shapes = {"covariance": (3, count, 3, 3), "state": (3, count), "misfit": (3, count), "contact": (3, count)}
    parts = {n: np.zeros(shapes[n], getattr(MOTION, n).dtype) for n in names}
    motion = replace(
        MOTION, armature=hands, frame=MOTION.frame[:3], time=MOTION.time[:3], translation=MOTION.translation[:3], rotation=rotation, **parts
    )
    assert len(dressed(motion, load_preset("mixamo")).joints) == 22 + 30
    unreal = dressed(motion, load_preset("unreal"))
    assert "index_03_r" in unreal.joints
    offset = unreal.rest_place[[unreal.index("middle_02_l"), unreal.index("middle_02_r")], 0]
    assert offset[0] > 1 and offset[1] < -1


def test_amass_and_back(tmp_path):
    animation = dressed(MOTION, load_preset("smpl"))
    io.write(tmp_path / "a.amass.npz", animation)
    read = io.read_amass(tmp_path / "a.amass.npz")
    same = converted(animation, "z", 1.0)
    order = [same.index(name) for name in read.joints]
    np.testing.assert_allclose(np.abs((read.rotation * same.rotation[:, order]).sum(-1)), 1, atol=1e-9)
    np.testing.assert_allclose(read.place[:, 0], MOTION.translation, atol=1e-9)
    data = dict(np.load(tmp_path / "a.amass.npz"))
    # SMPL's axes stand on their x in AMASS's world: who stands upright is turned by a right angle.
    assert data["root_orient"].shape == (41, 3) and data["poses"].shape == (41, 165)
    for drop in (("mocap_frame_rate", "poses"), ("mocap_framerate", "root_orient", "pose_body")):
        np.savez(tmp_path / "b.npz", **{k: v for k, v in data.items() if k not in drop})
        np.testing.assert_allclose(io.read_amass(tmp_path / "b.npz").rotation, read.rotation, atol=1e-12)
    for drop in ("trans", "mocap"):
        np.savez(tmp_path / "b.npz", **{k: v for k, v in data.items() if drop not in k})
        with pytest.raises(InputError, match="needs trans"):
            io.read_amass(tmp_path / "b.npz")
    np.savez(tmp_path / "b.npz", **{**data, "trans": data["trans"][:5]})
    with pytest.raises(InputError, match=r"\(5, 3\)"):
        io.read_amass(tmp_path / "b.npz")
    (tmp_path / "c.npz").write_bytes((tmp_path / "b.npz").read_bytes()[:300])
    with pytest.raises(InputError, match="not complete"):
        io.read_amass(tmp_path / "c.npz")
    with pytest.raises(InputError, match="preset smpl"):
        io.write(tmp_path / "d.amass.npz", dressed(MOTION, load_preset("unity")))


def test_faults_are_told():
    with pytest.raises(InputError, match=r"unreal, vrm"):
        load_preset("daz")
    quadruped = make_person("gait", 5).motion
    with pytest.raises(InputError, match=r"needs joints"):
        dressed(replace(quadruped, armature=_renamed(quadruped.armature)), load_preset("unity"))
    with pytest.raises(InputError) as told:
        parse_preset(
            {
                "up": "x",
                "colour": "red",
                "joint": [
                    {"name": "a", "source": "pelvis"},
                    {"name": "b", "parent": "c", "source": "spine", "axes": ["up", "sideways"]},
                    {"name": "a", "parent": "nobody", "source": "chest"},
                ],
            },
            "mine.toml",
        )
    for part in ("mine.toml", "colour", "up must be", "axes must be", "'a' occurs twice", "nobody"):
        assert part in str(told.value)


def _renamed(armature):
    skeleton = replace(armature.skeleton, joints=tuple(f"x_{j}" for j in armature.joints))
    return replace(armature, skeleton=skeleton)
