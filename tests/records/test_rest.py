from dataclasses import replace

import numpy as np
import pytest

from recon3d.errors import InputError
from recon3d.geometry import SE3
from recon3d.records.rest import in_rest_pose
from recon3d.synthetic import make_person


def test_nothing_moves_but_the_rest_pose():
    motion = make_person("dance", 40).motion
    a = in_rest_pose(motion, "A")
    np.testing.assert_allclose(a.poses().translation, motion.poses().translation, atol=1e-12)
    np.testing.assert_allclose(a.armature.keypoints(a.poses()), motion.armature.keypoints(motion.poses()), atol=1e-12)
    assert in_rest_pose(motion, "T") is motion


def test_arms_rest_down_and_everything_else_as_before():
    motion = make_person("gait", 5).motion
    armature = in_rest_pose(motion, "A").armature
    place = armature.forward(SE3.identity(1), np.tile(np.eye(3), (1, len(armature.joints), 1, 1))).translation[0]
    for side, sign in (("left", 1), ("right", -1)):
        arm = place[armature.index(f"{side}_wrist")] - place[armature.index(f"{side}_shoulder")]
        np.testing.assert_allclose(arm / np.linalg.norm(arm), [sign * np.sqrt(0.5), 0, -np.sqrt(0.5)], atol=1e-9)
    legs = [armature.index(f"left_{name}") for name in ("hip", "knee", "ankle")]
    np.testing.assert_allclose(armature.rest_offset[legs], motion.armature.rest_offset[legs])


def test_gaps_stay_gaps_and_refusals():
    motion = make_person("gait", 5).motion
    holes = motion.rotation.copy(), motion.translation.copy()
    holes[0][2], holes[1][2] = np.nan, np.nan
    a = in_rest_pose(replace(motion, rotation=holes[0], translation=holes[1]), "A")
    assert np.isnan(a.rotation[2]).all() and np.isfinite(a.rotation[[0, 1, 3, 4]]).all()
    with pytest.raises(InputError, match="no rest pose 'Z'"):
        in_rest_pose(motion, "Z")
