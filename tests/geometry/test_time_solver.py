"""The solver on a problem that can be checked: rotations about one axis, noisy, smooth, with an offset that all share."""

from dataclasses import dataclass

import numpy as np

from recon3d.geometry.time_banded import TimeSystem
from recon3d.geometry.time_solver import TimeSettings, solve_in_time


@dataclass
class Angles:
    """Unknown angles seen as (cos, sin) of angle + offset; the first is seen as itself, too."""

    seen: np.ndarray
    stiffness: float

    def retract(self, at, step, shared):
        return at[0] + step[:, 0], at[1] + shared

    def linearise(self, at):
        angle, offset = at
        total = angle + offset
        residual = np.stack([np.cos(total), np.sin(total)], -1) - self.seen
        slope = np.stack([-np.sin(total), np.cos(total)], -1)
        frames = len(angle)
        pull = (slope * residual).sum(-1)
        one, none = np.ones((frames, 1, 1)), np.zeros((frames, 1, 5))
        system = TimeSystem(one, none, none.copy(), pull[:, None].copy(), one.copy(), np.array([[frames + 1.0]]), pull.sum() + offset)
        second = np.diff(angle, 2)
        for k, c in enumerate((1.0, -2.0, 1.0)):
            system.gradient[k : frames - 2 + k, 0] += self.stiffness * c * second
            system.block[k : frames - 2 + k, 0, 0] += self.stiffness * c * c
        system.near[:-2, :, 2] += -2 * self.stiffness
        system.near[1:-1, :, 2] += -2 * self.stiffness
        system.far[:-2, :, 2] += self.stiffness
        return system, 0.5 * ((residual**2).sum(1) + self.stiffness * np.pad(second**2, 1) + offset[0] ** 2 / frames)


def test_smooth_angles():
    time = np.arange(200)
    truth = 0.02 * time + np.sin(time / 30)
    rng = np.random.default_rng(0)
    noisy = truth + 0.2 * rng.normal(size=200)
    problem = Angles(np.stack([np.cos(noisy), np.sin(noisy)], -1), 300.0)
    solution = solve_in_time(problem, (noisy.copy(), np.zeros(1)), TimeSettings(30))
    assert abs(solution.at[0] + solution.at[1] - truth).mean() < 0.4 * abs(noisy - truth).mean()
    assert abs(solution.system.gradient).max() < 1e-2
    assert abs(solution.system.shared_gradient).max() < 1e-2


def test_a_worse_step_is_not_taken():
    problem = Angles(np.tile([1.0, 0.0], (5, 1)), 1.0)
    far = np.full(5, 2.5)  # beyond a right angle the curvature is wrong
    solution = solve_in_time(problem, (far, np.zeros(1)), TimeSettings(50))
    assert solution.cost <= problem.linearise((far, np.zeros(1)))[1].sum()
    assert abs(np.cos(solution.at[0] + solution.at[1]) - 1).max() < 1e-3


def test_steps_are_bounded():
    problem = Angles(np.tile([0.0, 1.0], (5, 1)), 0.0)
    once = solve_in_time(problem, (np.zeros(5), np.zeros(1)), TimeSettings(1, longest=0.1))
    assert abs(once.at[0]).max() <= 0.1 + 1e-12
