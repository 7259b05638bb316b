"""Trunks of all sources mean the same."""

import numpy as np

from recon3d.monocular.points import JOINTS
from recon3d.monocular.train.trunk import known_then, with_default_trunk
from recon3d.skeleton import load_armature
from recon3d.synthetic import make_person

HUMAN = load_armature("human")


def recorded(kind="gait", frames=40):
    """A recording of the default body, as motion capture has it."""
    motion = make_person(kind, frames, 30.0, seed=2, stature=1.70).motion
    poses = motion.poses()
    top = motion.armature.keypoints(poses)[:, motion.armature.attachments.points.index("head_top")]
    return np.stack([poses.translation[:, motion.armature.index(n)] if n != "head_top" else top for n in JOINTS], 1)


def at(joints, name):
    return joints[:, JOINTS.index(name)]


def test_the_default_body_stays_as_it_is():
    joints = recorded()
    found = with_default_trunk(joints, np.zeros(len(joints), int), "any")
    off = np.linalg.norm(found - joints, axis=-1).max(0)
    # Random proportions of the synthetic person apart: limbs exactly, the trunk to some centimetres.
    for name in ("left_shoulder", "right_wrist", "left_hip", "right_toes", "left_ankle"):
        assert off[JOINTS.index(name)] == 0
    assert off.max() < 0.06


def test_a_neck_elsewhere_and_a_pelvis_higher_up_mean_the_same():
    joints = recorded()
    clip = np.zeros(len(joints), int)
    usual = with_default_trunk(joints, clip, "any")
    other = joints.copy()
    up = at(joints, "neck") - at(joints, "spine")
    up /= np.linalg.norm(up, axis=-1, keepdims=True)
    other[:, JOINTS.index("neck")] -= 0.08 * up
    other[:, JOINTS.index("pelvis")] += 0.09 * up
    found = with_default_trunk(other, clip, "any")
    assert np.abs(found - usual).max() < 0.02
    np.testing.assert_allclose(at(found, "pelvis"), 0.5 * (at(joints, "left_hip") + at(joints, "right_hip")))


def test_a_lost_piece_of_the_spine_comes_back():
    """As in expmap: neck and shoulders on the end of the lumbar spine."""
    joints = recorded()
    clip = np.zeros(len(joints), int)
    lost = at(joints, "chest") - at(joints, "spine")
    short = joints.copy()
    upper = [k for k, n in enumerate(JOINTS) if any(p in n for p in ("neck", "head", "clavicle", "shoulder", "elbow", "wrist"))]
    short[:, upper] -= lost[:, None]
    found = with_default_trunk(short, clip, "cmu_expmap")
    np.testing.assert_allclose(at(found, "left_wrist"), at(joints, "left_wrist"), atol=1e-9)
    assert np.linalg.norm(at(found, "neck") - at(with_default_trunk(joints, clip, "any"), "neck"), axis=-1).max() < 0.01


def test_what_is_derived_is_known():
    known = np.zeros((2, len(JOINTS)), bool)
    found = known_then(known)
    assert found[:, JOINTS.index("spine")].all() and not found[:, JOINTS.index("head_top")].any()
    assert not known.any()
