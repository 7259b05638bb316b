from dataclasses import replace

import numpy as np
import pytest

from recon3d.geometry import SO3
from recon3d.geometry.time_banded import TimeFactor, TimeSystem
from recon3d.motion.pose import Freedoms
from recon3d.motion.smoothness import Grid, estimate_variance, first_variance, local_variance
from recon3d.skeleton import load_armature

HUMAN = load_armature()
FREEDOMS = Freedoms(HUMAN, HUMAN.free)


def moving(frames, speed, fps=60.0, seed=0):
    """Every unknown moves at a speed of its own."""
    rng = np.random.default_rng(seed)
    time = np.arange(frames) / fps
    start = FREEDOMS.pose(np.zeros((1, 3)), SO3.exp(0.3 * rng.normal(size=(1, len(HUMAN.joints), 3))).matrix)
    rate = speed * rng.normal(size=FREEDOMS.count)
    return time, FREEDOMS.retract(start.take(np.zeros(frames, int)), time[:, None] * rate)


def test_a_steady_movement_has_no_acceleration():
    time, pose = moving(20, 2.0)
    acceleration = Grid.of(time, 0.5).accelerations(FREEDOMS.difference(pose))
    np.testing.assert_allclose(acceleration, 0, atol=1e-6)


def test_uneven_time_stamps():
    time = np.array([0.0, 0.01, 0.05, 0.06, 0.1])
    pose = FREEDOMS.pose(np.stack([3 * time**2, 0 * time, 2 * time], -1), np.tile(np.eye(3), (5, len(HUMAN.joints), 1, 1)))
    acceleration = Grid.of(time, 0.5).accelerations(FREEDOMS.difference(pose))
    np.testing.assert_allclose(acceleration[:, 0], 6.0, atol=1e-9)
    np.testing.assert_allclose(acceleration[:, 1:3], 0, atol=1e-9)


def test_across_a_break_nothing_is_asked():
    time = np.concatenate([np.arange(5) / 60, 3 + np.arange(5) / 60])
    grid = Grid.of(time, 0.5)
    assert (grid.ahead > 0).tolist() == [True] * 3 + [False] * 2 + [True] * 3
    np.testing.assert_array_equal(grid.ahead > 0, grid.back > 0)


@pytest.mark.parametrize("level", [5.0, 60.0])
def test_variance_is_found_again(level):
    """Random accelerations of known size, seen through noise: the fixed point comes near from anywhere."""
    rng = np.random.default_rng(3)
    frames, step = 500, 1 / 60
    time = step * np.arange(frames)
    noise = 0.01
    truth = np.zeros((frames, FREEDOMS.count))
    kick = level * rng.normal(size=truth.shape) * step**2
    for t in range(2, frames):
        truth[t] = 2 * truth[t - 1] - truth[t - 2] + kick[t] - 0.02 * (truth[t - 1] - truth[t - 2]) - 0.002 * truth[t - 1]
    still = FREEDOMS.pose(np.zeros((frames, 3)), np.tile(np.eye(3), (frames, len(HUMAN.joints), 1, 1)))
    angles = FREEDOMS.angle_column
    seen = truth + noise * rng.normal(size=truth.shape)
    grid = Grid.of(time, 0.5)
    whole = first_variance(FREEDOMS)
    for _ in range(8):
        spread = np.broadcast_to(whole, (frames - 2, FREEDOMS.count))
        only = replace_turns(still, seen)
        block = np.zeros((frames, FREEDOMS.count, FREEDOMS.count))
        np.einsum("...ii->...i", block)[...] = noise**-2
        band = np.zeros((frames, FREEDOMS.count, 5))
        system = TimeSystem(block, band, band.copy(), np.zeros_like(seen), np.zeros((*seen.shape, 0)), np.zeros((0, 0)), np.zeros(0))
        grid.add(system, FREEDOMS, only, 1 / spread)
        factor = TimeFactor(system)
        smooth = FREEDOMS.retract(only, -factor.solve(system.gradient))
        inverse = factor.selected_inverse()
        whole = estimate_variance(grid, FREEDOMS, smooth, inverse, spread, 1.5)
    assert np.median(np.sqrt(whole[angles])) == pytest.approx(level, rel=0.35)
    near = local_variance(grid, FREEDOMS, smooth, inverse, spread, whole)
    assert np.median(np.sqrt(near[:, angles])) == pytest.approx(level, rel=0.5)


def replace_turns(pose, values):
    """The pose with angles (and nothing else) as given."""
    turns = FREEDOMS.from_usual(pose)
    turns[:, FREEDOMS.angle_column - 3] += values[:, FREEDOMS.angle_column]
    return FREEDOMS.with_turns(replace(pose), turns)


def test_left_and_right_share_their_variance():
    time, pose = moving(60, 0.5)
    block = np.tile(1e4 * np.eye(FREEDOMS.count), (60, 1, 1))
    band = np.zeros((60, FREEDOMS.count, 5))
    system = TimeSystem(
        block, band, band.copy(), np.zeros((60, FREEDOMS.count)), np.zeros((60, FREEDOMS.count, 0)), np.zeros((0, 0)), np.zeros(0)
    )
    spread = np.broadcast_to(first_variance(FREEDOMS), (58, FREEDOMS.count))
    found = estimate_variance(Grid.of(time, 0.5), FREEDOMS, pose, TimeFactor(system).selected_inverse(), spread, 1.0)
    by_name = {(HUMAN.joints[j], a): found[3 + k] for k, (j, a) in enumerate(zip(FREEDOMS.joint, FREEDOMS.axis, strict=True))}
    for (joint, axis), value in by_name.items():
        if joint.startswith("left_"):
            assert by_name[joint.replace("left_", "right_"), axis] == pytest.approx(value)
