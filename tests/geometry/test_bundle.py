from dataclasses import replace

import numpy as np
import pytest

from recon3d.geometry import SE3, SO3, CameraRig, Clock
from recon3d.geometry.bundle import Anchors, Motions, PointBundle, PointsAt, TargetBundle, TargetsAt, TargetViews
from recon3d.geometry.camera_unknowns import Free
from recon3d.geometry.schur import Eliminated, SchurSettings, solve_schur
from recon3d.synthetic import make_board_world, make_rig

EVERYTHING = Free(focal="two", centre=True, distortion=(0, 1, 2, 3, 4), offset=True, drift=True, line_time=True)


def points_problem(free: Free, lens: str = "mild", cameras: int = 3, count: int = 12, noise: float = 1.0):
    rig = make_rig("ring", cameras, lens, 1)
    rig = replace(rig, cameras=tuple(replace(c, clock=Clock(0.01 * k, 1e-4 * k, 1e-5)) for k, c in enumerate(rig)))
    rng = np.random.default_rng(0)
    points = rng.normal([0, 0, 1], 0.4, (count, 3))
    xy = rig.project(points) + rng.normal(0, noise, (cameras, count, 2))
    xy[0, 0] = np.nan
    shape = xy.shape[:2]
    motions = Motions(rng.normal(0, 1, (3, count)), rng.uniform(0, 5, shape), rng.uniform(0, 1000, shape))
    bundle = PointBundle(rig, free, xy, np.full(shape, 2.0), motions).reweighted(rng.uniform(0.3, 1, shape))
    at = PointsAt(bundle.cameras, np.ascontiguousarray(points.T) + rng.normal(0, 0.01, (3, count)))
    return bundle, at


def targets_problem(free: Free):
    rig = make_rig("ring", 3, "rational", 2)
    world = make_board_world(rig, np.array([[x, y, 0] for y in range(3) for x in range(4)]) * 0.1, 40, 0.3, 1)
    seen = np.argwhere(np.isfinite(world.xy[:, :, 0, 0]))
    xy = world.xy[seen[:, 0], seen[:, 1]].transpose(0, 2, 1)
    weight = np.random.default_rng(1).uniform(0.3, 1, (len(seen), 12))
    shape = np.broadcast_to(world.points.T, (len(seen), 3, 12))
    views = TargetViews(seen[:, 0], seen[:, 1], shape, xy, np.full(weight.shape, 0.5), weight)
    bundle = TargetBundle(rig, free, views, 40)
    moved = SE3.exp(np.random.default_rng(2).normal(0, 0.01, (40, 6))) @ world.world_from_board
    return bundle, TargetsAt(bundle.cameras, moved)


def check_gradient(bundle, at, sizes):
    """Gradient of the cost against finite differences, for every free parameter and every group's unknown."""
    system = bundle.linearise(at)
    np.testing.assert_allclose(system.cost, bundle.cost(at), rtol=1e-12)
    size, groups = system.gradient.shape
    for k, step in enumerate(sizes):
        border = np.zeros(len(sizes))
        border[k] = step
        still = np.zeros((size, groups))
        slope = (bundle.cost(bundle.retract(at, border, still)) - bundle.cost(bundle.retract(at, -border, still))) / (2 * step)
        np.testing.assert_allclose(system.border_gradient[k], slope, rtol=2e-4, atol=1e-5 * np.abs(system.border_gradient[k]).max() + 1e-6)
    for i in range(size):
        for g in range(0, groups, 3):
            move = np.zeros((size, groups))
            move[i, g] = 1e-6
            still = np.zeros(len(sizes))
            slope = (bundle.cost(bundle.retract(at, still, move)) - bundle.cost(bundle.retract(at, still, -move))) / 2e-6
            np.testing.assert_allclose(system.gradient[i, g], slope, rtol=1e-4, atol=1e-3)


STEP = {
    "translation": 1e-6,
    "rotation": 1e-6,
    "focal": 1e-3,
    "centre": 1e-3,
    "distortion": 1e-6,
    "offset": 1e-6,
    "drift": 1e-7,
    "line_time": 1e-9,
}


def steps(bundle):
    return [STEP[kind] for free in bundle.cameras.free for kind in free.kinds]


@pytest.mark.parametrize("lens", ["mild", "strong", "rational"])
def test_gradient_of_points_with_everything_free(lens):
    bundle, at = points_problem(EVERYTHING, lens)
    check_gradient(bundle, at, steps(bundle))


def test_gradient_of_points_with_a_fisheye():
    bundle, at = points_problem(replace(EVERYTHING, distortion=(0, 1, 2, 3)), "fisheye")
    check_gradient(bundle, at, steps(bundle))


def test_gradient_of_points_with_one_focal_length():
    bundle, at = points_problem(Free(focal="one"))
    check_gradient(bundle, at, steps(bundle))


def test_gradient_of_points_with_poses_and_clocks_alone():
    bundle, at = points_problem(Free(offset=True, drift=True, line_time=True))
    check_gradient(bundle, at, steps(bundle))


def test_gradient_of_targets():
    bundle, at = targets_problem(Free(focal="two", centre=True, distortion=(0, 1, 2, 3, 4, 5)))
    check_gradient(bundle, at, steps(bundle))


@pytest.mark.parametrize("problem", [points_problem, targets_problem])
def test_cross_terms_are_those_of_the_jacobian(problem):
    """J'WJ between a camera and a group: how the group's gradient changes with the camera, at zero residual."""
    if problem is points_problem:
        bundle, at = points_problem(Free(focal="two", centre=True), noise=0.0)
        rig = bundle.cameras
        points = np.random.default_rng(0).normal([0, 0, 1], 0.4, (12, 3)).T
        at = PointsAt(rig, np.ascontiguousarray(points))
    else:
        bundle, at = targets_problem(Free(focal="two", centre=True))
        at, _ = solve_schur(bundle, at, SchurSettings(max_steps=30, min_gain=1e-12))
    system = bundle.linearise(at)
    sizes = steps(bundle)
    for k in range(0, len(sizes), 5):
        border = np.zeros(len(sizes))
        border[k] = 10 * sizes[k]
        still = np.zeros_like(system.gradient)
        up, down = (bundle.linearise(bundle.retract(at, s * border, still)).gradient for s in (1, -1))
        slope = (up - down) / (20 * sizes[k])
        scale = np.abs(system.cross[:, k]).max()
        # Second derivatives times residuals are left out of J'WJ: small where residuals are.
        np.testing.assert_allclose(system.cross[:, k], slope, atol=0.02 * scale)


def test_the_gauge_changes_no_residual():
    bundle, at = points_problem(Free())
    gauge = bundle.gauge(at)
    assert gauge.shape[1] == 7
    system = bundle.linearise(at)
    eliminated = Eliminated(system, gauge)
    assert np.abs(eliminated.reduced @ gauge).max() < 1e-9 * np.abs(eliminated.reduced).max()
    targets, there = targets_problem(Free())
    gauge = targets.gauge(there)
    reduced = Eliminated(targets.linearise(there), gauge).reduced
    assert gauge.shape[1] == 6
    assert np.abs(reduced @ gauge).max() < 1e-9 * np.abs(reduced).max()


def test_covariance_is_that_of_the_whole_system_with_the_gauge_held():
    """Schur complement, gauge and inverse at once, against the pseudo-inverse of the dense system."""
    bundle, at = points_problem(Free())
    system = bundle.linearise(at)
    n, points = len(system.border), at.points.shape[1]
    dense = np.zeros((n + 3 * points, n + 3 * points))
    dense[:n, :n] = system.border
    for p in range(points):
        part = slice(n + 3 * p, n + 3 * p + 3)
        dense[part, part] = system.blocks[:, :, p]
        dense[:n, part] = system.cross[:, :, p].T
        dense[part, :n] = system.cross[:, :, p]
    gauge = bundle.gauge(at)
    held = np.zeros((len(dense), 7))
    held[:n] = gauge
    whole = np.block([[dense, held], [held.T, np.zeros((7, 7))]])
    expected = np.linalg.inv(whole)[:n, :n]
    np.testing.assert_allclose(Eliminated(system, gauge).covariance(), expected, atol=1e-7 * np.abs(expected).max())


def test_adjusting_exact_sightings_finds_the_truth_again():
    rig = make_rig("ring", 4, "mild", 0)
    points = np.random.default_rng(0).normal([0, 0, 1], 0.5, (60, 3))
    xy = rig.project(points)
    bundle = PointBundle(rig, Free(focal="two", centre=True), xy, np.ones(xy.shape[:2]))
    rng = np.random.default_rng(1)
    pushed = bundle.cameras.retract(np.tile(np.r_[rng.normal(0, 0.02, 6), 8, 8, 4, 4], 4))
    at, report = solve_schur(bundle, PointsAt(pushed, np.ascontiguousarray(points.T) + rng.normal(0, 0.02, (3, 60))))
    assert report.converged
    assert bundle.cost(at) < 1e-12


def test_the_same_input_gives_the_same_bits():
    runs = []
    for _ in range(2):
        bundle, at = points_problem(Free(), count=200)
        runs.append(solve_schur(bundle, at)[0])
    assert np.array_equal(runs[0].points, runs[1].points)
    assert np.array_equal(runs[0].cameras.rotation, runs[1].cameras.rotation)


def test_anchored_points_fix_the_world():
    rig = make_rig("ring", 3, "mild", 0)
    points = np.random.default_rng(0).normal([0, 0, 1], 0.5, (20, 3))
    xy = rig.project(points)
    anchors = Anchors(np.ascontiguousarray(points.T), np.r_[np.full(6, 1e6), np.zeros(14)])
    bundle = PointBundle(rig, Free(), xy, np.ones(xy.shape[:2]), anchors=anchors)
    pushed = bundle.cameras.retract(np.tile([0.05, 0, 0, 0, 0.02, 0], 3))
    at, _ = solve_schur(bundle, PointsAt(pushed, anchors.points + 0.01))
    np.testing.assert_allclose(at.cameras.on(rig).centres(), rig.centres(), atol=1e-5)
    assert bundle.gauge(at).shape[1] == 0


def test_a_point_behind_a_camera_is_refused_not_stepped_through():
    bundle, at = points_problem(Free())
    behind = PointsAt(at.cameras, at.points + np.array([[50.0], [0], [0]]))
    assert bundle.cost(behind) == np.inf
    assert np.isinf(bundle.chi_square(behind)).any()


def test_a_camera_that_stands_has_no_columns():
    free = (Free(pose=False), Free(), Free())
    _, at = points_problem(Free())
    still = PointBundle(at.cameras.on(make_rig("ring", 3, "mild", 1)), free, np.full((3, 12, 2), 500.0), np.ones((3, 12)))
    assert still.cameras.count == 12
    assert still.gauge(PointsAt(still.cameras, at.points)).shape[1] == 0
    moved = still.cameras.retract(np.full(12, 0.01))
    assert np.array_equal(moved.rotation[0], still.cameras.rotation[0])


def test_rotations_stay_rotations_over_many_steps():
    cameras = PointBundle(make_rig("ring", 2), Free(), np.full((2, 3, 2), 500.0), np.ones((2, 3))).cameras
    for _ in range(300):
        cameras = cameras.retract(np.full(12, 0.3))
    for rotation in cameras.rotation:
        np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    rig = cameras.on(CameraRig(make_rig("ring", 2).cameras))
    assert isinstance(rig.cameras[0].cam_from_world.rotation, SO3)
