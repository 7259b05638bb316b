"""BlazePose's world landmarks as a lifter."""

import numpy as np
import pytest

from recon3d import io, pipeline
from recon3d.errors import InputError
from recon3d.monocular import JOINTS, POINTS, PointsOfView
from recon3d.monocular.blazepose import BlazePoseLifter, _as_joints, _root
from recon3d.monocular.lifter import STANDARD_M
from recon3d.pipeline import LiftJob, Settings
from recon3d.pipeline.settings import ExportSettings, LiftSettings
from recon3d.skeleton import load_layout
from tests.worlds import BALANCE4

RNG = np.random.default_rng(0)


def test_the_root_is_where_lines_of_sight_and_the_body_agree():
    joints = RNG.normal(0, 0.3, (5, len(JOINTS), 3))
    joints -= joints[:, :1]
    root = np.array([0.3, -0.2, 4.0]) + RNG.normal(0, 0.2, (5, 3))
    ray = np.full((5, len(POINTS), 2), np.nan)
    for k, name in enumerate(POINTS):
        if name in JOINTS:
            place = joints[:, JOINTS.index(name)] + root
            ray[:, k] = place[:, :2] / place[:, 2:]
    np.testing.assert_allclose(_root(ray, joints), root, atol=1e-6)
    ray[2, 5:] = np.nan
    assert np.isnan(_root(ray, joints)[2]).all()


def test_answers_are_of_the_frames_that_were_looked_at():
    joints = RNG.normal(0, 0.3, (4, len(JOINTS), 3))
    joints -= joints[:, :1]
    joints[1] = np.nan
    lifter = BlazePoseLifter(np.arange(4) / 30, joints)
    place = joints + np.array([0.0, 0.0, 4.0])
    ray = np.full((4, len(POINTS), 2), np.nan)
    for k, name in enumerate(POINTS):
        if name in JOINTS:
            ray[:, k] = place[:, JOINTS.index(name), :2] / place[:, JOINTS.index(name), 2:]
    ray[1] = 0.01 * RNG.normal(size=(len(POINTS), 2))
    found = lifter.lift(PointsOfView(ray, np.full(ray.shape[:2], 0.002), np.arange(4) / 30, np.zeros((4, 3))))
    assert np.isnan(found.joints[1]).all() and np.isnan(found.root[1]).all()
    assert np.isfinite(found.joints[[0, 2, 3]]).all() and np.isfinite(found.covariance[[0, 2, 3]]).all()
    later = lifter.lift(PointsOfView(ray, np.full(ray.shape[:2], 0.002), 10 + np.arange(4) / 30, np.zeros((4, 3))))
    assert np.isnan(later.joints).all()


def test_joints_from_its_points():
    layout = load_layout("mediapipe_33")
    at = {name: RNG.normal(size=3) for name in layout.points}
    found = _as_joints(at)
    hips = 0.5 * (at["left_hip"] + at["right_hip"])
    np.testing.assert_allclose(found[JOINTS.index("left_wrist")], at["left_wrist"] - hips)
    np.testing.assert_allclose(found[JOINTS.index("right_toes")], at["right_foot_index"] - hips)
    assert (found[0] == 0).all()


def test_a_take_lifted_by_it(tmp_path):
    """balance4 from the side, ten frames: upright, turned as the network's own answer is."""
    settings = Settings(export=ExportSettings(("csv",)), lift=LiftSettings(lifter="blazepose", height=1.72))
    video = BALANCE4 / "videos" / "cam03.mp4"
    take = pipeline.lift_take(LiftJob(video, tmp_path / "a", settings, BALANCE4 / "Calib.qca.txt", stop=10, image_fit="letterbox")).take
    theirs = io.read_motion(take.motion("0"))
    own = Settings(export=ExportSettings(("csv",)), lift=LiftSettings(height=1.72))
    pipeline.lift_take(LiftJob(video, tmp_path / "b", own, BALANCE4 / "Calib.qca.txt", stop=10, image_fit="letterbox"))
    ours = io.read_motion(tmp_path / "b" / "motion" / "0.npz")
    a, b = (m.poses().translation - m.translation[:, None] for m in (theirs, ours))
    assert np.median(np.linalg.norm(a - b, axis=-1)) < 0.15
    up = a[:, theirs.armature.index("neck"), 2]
    assert (up > 0.3 * STANDARD_M / 1.32).all()


def test_it_needs_images(tmp_path):
    settings = Settings(lift=LiftSettings(lifter="blazepose"))
    with pytest.raises(InputError, match="needs a video"):
        pipeline.lift_take(LiftJob(BALANCE4 / "openpose" / "cam01", tmp_path / "a", settings, BALANCE4 / "Calib.qca.txt", fps=60.0))
