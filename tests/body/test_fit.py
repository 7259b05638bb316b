"""Bodies fitted to what was seen of them."""

from dataclasses import replace

import numpy as np
import pytest

from recon3d.body.fit import Known, fit_person, fit_values, points_evidence
from recon3d.body.marks import marks_of_joints, marks_of_vertices
from recon3d.errors import InputError
from recon3d.motion import Observed
from recon3d.records import Keypoints3D, State
from recon3d.skeleton import load_layout
from tests.body.worlds import MODEL, BodyWorld, errors_mm, random_pose, random_values


@pytest.mark.parametrize("seed", [5, 6, 8])
@pytest.mark.parametrize("kind", ["joints", "vertices"])
def test_exact_points_give_the_body_back(kind, seed):
    marks = marks_of_joints(MODEL) if kind == "joints" else marks_of_vertices(MODEL, np.arange(0, len(MODEL.template), 23))
    values = random_values(seed, mean_build=False)
    armature, pose = MODEL.armature(values, marks), random_pose(seed, values)
    found = fit_values(MODEL, points_evidence(marks, MODEL, armature.keypoints(pose.on(armature)), 1e-4), marks)
    ours = found.body.posed(found.pose.translation, found.pose.rotation)
    true = MODEL.shaped(values).posed(pose.translation, pose.rotation)
    assert np.linalg.norm(ours.poses.translation - true.poses.translation, axis=-1).max() < 1e-3
    assert np.linalg.norm(ours.vertices() - true.vertices(), axis=-1).mean() < 1e-3
    assert found.guessed() == ()


def test_a_walk_before_four_cameras():
    values = random_values(1)
    world = BodyWorld("gait", 4, 60, 1, values, missing=0.1)
    found = fit_person(MODEL, [world.observed()], Known(height_m=MODEL.height(values)), loose_m=0.0)
    vertex, joint = errors_mm(found, world)
    assert vertex < 15 and joint < 6
    assert np.isfinite(found.motion.covariance[:, 0]).all()


def test_what_keypoints_cannot_tell_is_said():
    """Where a detector's points may lie beside by a centimetre, they do not weigh anybody; a scale does."""
    values = random_values(1)
    world = BodyWorld("gait", 4, 60, 1, values)
    found = fit_person(MODEL, [world.observed()], Known(height_m=MODEL.height(values)))
    assert "weight" in found.fit.guessed()
    assert MODEL.height(found.fit.body.values) == pytest.approx(MODEL.height(values), rel=0.01)
    heavy = 1010 * MODEL.volume(MODEL.shaped(np.where(np.arange(6) == 3, 0.9, values)).values)
    weighed = fit_person(MODEL, [world.observed()], Known(MODEL.height(values), heavy))
    assert "weight" not in weighed.fit.guessed()
    assert 1010 * MODEL.volume(weighed.fit.body.values) == pytest.approx(heavy, rel=0.05)


def test_one_frame():
    values = random_values(2)
    world = BodyWorld("gait", 8, 10, 2, values, outliers=0.0)
    found = fit_person(MODEL, [world.observed().take(np.array([4]))], loose_m=0.0)
    assert len(found.motion) == 1
    assert errors_mm(found, world, slice(4, 5))[1] < 15


@pytest.mark.parametrize(("height", "weight", "said"), [(172.0, None, "metres"), (None, 0.8, "kg"), (np.nan, None, "metres")])
def test_units_that_nobody_has(height, weight, said):
    with pytest.raises(InputError, match=said):
        Known(height, weight)


def test_no_human_body():
    seen = _in_space(load_layout("ap10k_17"), 5, State.OBSERVED)
    with pytest.raises(InputError, match="ap10k_17 is not of a human body"):
        fit_person(MODEL, [seen])


def test_nobody_there():
    with pytest.raises(InputError, match="nobody is there"):
        fit_person(MODEL, [_in_space(load_layout("coco_17"), 5, State.MISSING)])


def _in_space(layout, frames, state):
    count = len(layout.points)
    shape = (frames, 1, count)
    xyz = np.full((*shape, 3), np.nan) if state == State.MISSING else np.random.default_rng(0).normal(size=(*shape, 3))
    return Observed(
        Keypoints3D(
            layout=layout, frame=np.arange(frames), time=np.arange(frames) / 30, people=np.array([0]), xyz=xyz,
            confidence=np.ones(shape), covariance=np.broadcast_to(1e-4 * np.eye(3), (*shape, 3, 3)).copy(),
            views=np.zeros(shape, np.uint8), state=np.full(shape, state, np.uint8), residual_px=np.zeros(shape),
        )
    )  # fmt: skip


def test_points_of_no_person():
    """A body that explains nothing says so; points in another unit are refused."""
    world = BodyWorld("gait", 4, 12, 1, random_values(1), outliers=0.0)
    seen = world.observed().world
    assert fit_person(MODEL, [Observed(seen)]).fit.beside_m < 0.03
    order = np.random.default_rng(0).permutation(len(seen.layout.points))
    mixed = replace(seen, xyz=seen.xyz[:, :, order], covariance=seen.covariance[:, :, order], state=seen.state[:, :, order])
    assert fit_person(MODEL, [Observed(mixed)]).fit.beside_m > 0.08
    with pytest.raises(InputError, match="their unit is not metres"):
        fit_person(MODEL, [Observed(replace(seen, xyz=1000 * seen.xyz))])


def test_points_far_off_are_not_believed():
    """A fit of points in space in which a wrist is a metre away."""
    values = random_values(3)
    world = BodyWorld("gait", 8, 12, 3, values, outliers=0.0, sigma_px=0.5)
    seen = world.observed()
    xyz = seen.world.xyz.copy()
    xyz[3:9, 0, seen.world.layout.indices(("left_wrist",))[0]] += 1.0
    found = fit_person(MODEL, [Observed(replace(seen.world, xyz=xyz))])
    assert errors_mm(found, world)[1] < 40
