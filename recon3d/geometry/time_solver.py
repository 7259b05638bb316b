"""Levenberg-Marquardt over a whole take at once: block-banded in time, with a shared border.

What the unknowns are is the problem's business: it gives normal equations (`TimeSystem`), costs and a retraction,
so that rotations are unknowns too. Every frame has its own damping: where a step makes things worse, the frames around
stay, and the others need not wait for them. A frame that would turn too far in one step, because next to nothing holds
it yet, goes part of the way.
"""

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np
from jaxtyping import Bool, Float

from recon3d.geometry.time_banded import TimeFactor, TimeSystem

Unknowns = TypeVar("Unknowns")


class TimeProblem(Protocol[Unknowns]):
    """A least-squares problem with ``k`` unknowns a frame and some that all frames share."""

    def linearise(self, at: Unknowns) -> tuple[TimeSystem, Float[np.ndarray, "frames"]]:
        """Normal equations, and the cost frame by frame."""
        ...

    def retract(self, at: Unknowns, step: Float[np.ndarray, "frames k"], shared: Float[np.ndarray, "shared"]) -> Unknowns:
        """The unknowns moved by a step."""
        ...


@dataclass(frozen=True, slots=True)
class TimeSettings:
    """When to stop."""

    max_steps: int = 10
    """Factorisations at the most."""
    min_gain: float = 1e-3
    """Done when a step lowers the cost by less than this a frame."""
    first_damping: float = 1e-4
    """As a share of every unknown's own curvature."""
    settled: float = 0.0
    """Done also where frames' costs rise by no more than this, while the whole falls so little."""
    longest: float = 0.5
    """Of a frame's step no component is larger than this."""
    shorter: float = 0.0
    """Share of a step that is tried where a whole one is too long for what all frames share (0 for not):
    for costs that are far from quadratic in it, as no frame's own damping shortens that part."""


@dataclass(frozen=True, slots=True, eq=False)
class TimeSolution(Generic[Unknowns]):
    """What was found.

    Attributes:
        at: the unknowns.
        system: normal equations there.
        cost: there.
        steps: factorisations.
        factor: of the system, where it is at hand.
    """

    at: Unknowns
    system: TimeSystem
    cost: float
    steps: int
    factor: TimeFactor | None = None


_LARGEST_DAMPING = 1e6
_REACH = 8  # frames on either side that share the fate of a frame


def solve_in_time(problem: TimeProblem[Unknowns], at: Unknowns, settings: TimeSettings = TimeSettings()) -> TimeSolution[Unknowns]:
    """Minimise a problem's cost from a start."""
    system, cost = problem.linearise(at)
    frames = len(cost)
    damping, steps = np.full(frames, settings.first_damping), 0
    while steps < settings.max_steps and damping.min(initial=np.inf) < _LARGEST_DAMPING:
        steps += 1
        diagonal = system.diagonal()
        factor = TimeFactor(system, damping[:, None] * diagonal + system.floor(), quick=True)
        step, shared = factor.step(system, float(damping.max(initial=0.0)))
        step *= np.minimum(1.0, settings.longest / np.maximum(np.abs(step).max(1, keepdims=True), 1e-300))
        there = problem.retract(at, step, shared)
        # Nearly every step is taken: to linearise at once is cheaper than to ask for the cost first.
        ahead, trial = problem.linearise(there)
        worse = _worse_around(trial, cost)
        if settings.shorter and not trial.sum() < cost.sum():
            nearer = problem.retract(at, settings.shorter * step, settings.shorter * shared)
            beside, lower = problem.linearise(nearer)
            if lower.sum() < cost.sum():
                there, ahead, trial = nearer, beside, lower
        if not trial.sum() < cost.sum() and not worse.all():  # NaN is no progress either
            part = _mean_around(np.where(worse, 0.0, 1.0))
            there = problem.retract(at, step * np.where(worse, 0.0, part)[:, None], 0.0 * shared)
            ahead, trial = problem.linearise(there)
        damping = np.where(worse, np.maximum(10 * damping, 1e-4), 0.1 * damping)
        if not trial.sum() < cost.sum():
            if np.abs(step).max(initial=0.0) < 1e-9:
                break
            damping = np.maximum(10 * damping, 1e-6)
            continue
        gain, rise = float(cost.sum() - trial.sum()), float((trial - cost).max(initial=0.0))
        at, system, cost = there, ahead, trial
        if gain < settings.min_gain * frames and (not worse.any() or rise < settings.settled):
            break
    return TimeSolution(at, system, float(cost.sum()), steps)


def one_step(
    problem: TimeProblem[Unknowns], at: Unknowns, system: TimeSystem, cost: Float[np.ndarray, "frames"], longest: float = 0.3
) -> TimeSolution[Unknowns]:
    """A single Newton step from near the answer, not looked back at; a start from far is solved as any other.

    Args:
        problem: to solve.
        at: the start.
        system: linearised there.
        cost: there.
        longest: step that is still near.
    """
    factor = TimeFactor(system, system.floor(), quick=True)
    step, shared = factor.step(system)
    if not np.abs(step).max(initial=0.0) < longest:
        return solve_in_time(problem, at, TimeSettings(first_damping=1e-7))
    return TimeSolution(problem.retract(at, step, shared), system, float(cost.sum()), 1, factor)


def _worse_around(trial: Float[np.ndarray, "frames"], cost: Float[np.ndarray, "frames"]) -> Bool[np.ndarray, "frames"]:
    """Frames around which the cost rose."""
    change = np.nan_to_num(trial - cost, nan=1e30, posinf=1e30, neginf=-1e30)
    return _mean_around(change) > 0


def _mean_around(values: Float[np.ndarray, "frames"]) -> Float[np.ndarray, "frames"]:
    total = np.cumsum(np.pad(values, (_REACH + 1, _REACH), mode="edge"))
    return (total[2 * _REACH + 1 :] - total[: -2 * _REACH - 1]) / (2 * _REACH + 1)
