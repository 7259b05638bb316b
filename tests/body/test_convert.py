"""From the open body to a model of the SMPL family and back."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial import KDTree

from recon3d.body import load_open_body, turns_on
from recon3d.body.convert import converted_body
from recon3d.body.smpl import load_smpl
from recon3d.errors import InputError
from recon3d.geometry import SO3
from recon3d.records import Motion
from recon3d.synthetic import make_person
from tests.body.smpl_file import smpl_arrays

OPEN = load_open_body()


def motion_on(body, motion):
    turns = turns_on(body, motion)
    nothing = np.zeros(turns.shape[:2])
    return Motion(0, body.armature, motion.frame.copy(), motion.time.copy(), motion.translation.copy(), SO3(turns).wxyz(),
                  np.zeros((*nothing.shape, 3, 3)), nothing.astype(np.uint8), nothing.copy(), nothing.astype(bool))  # fmt: skip


def meshes(body, motion, rows):
    return body.posed(motion.translation[rows], SO3.from_wxyz(motion.rotation[rows]).matrix).vertices()


def test_the_skins_agree(tmp_path):
    """Also in frames that the shape was not found from; joints of limbs are where they were."""
    np.savez(tmp_path / "SMPL_MALE.npz", **{**smpl_arrays(), "posedirs": np.zeros((13718, 3, 207))})
    model, body = load_smpl(tmp_path / "SMPL_MALE.npz"), OPEN.person(gender=0.2, weight=0.6, height=0.4)
    motion = motion_on(body, make_person("dance", 30, 30.0, 1).motion)
    fit, moved = converted_body(model, body, motion)
    rows = np.array([4, 17, 25])
    for old, new in zip(meshes(body, motion, rows), meshes(fit.body, moved, rows), strict=True):
        assert np.mean(KDTree(old).query(new)[0]) < 0.012
    for joint in ("left_knee", "right_elbow", "left_wrist"):
        a, b = (one.poses().translation[:, one.armature.index(joint)] for one in (motion, moved))
        assert np.median(np.linalg.norm(a - b, axis=1)) < 0.04, joint


def test_what_cannot_be_converted():
    body, person = OPEN.person(), make_person("gait", 5, 30.0, 1).motion
    with pytest.raises(InputError, match="not of a body of open"):
        converted_body(OPEN, body, person)
    motion = motion_on(body, person)
    nobody = replace(motion, translation=np.full((5, 3), np.nan), rotation=np.full_like(motion.rotation, np.nan))
    with pytest.raises(InputError, match="nobody is there"):
        converted_body(OPEN, body, nobody)
