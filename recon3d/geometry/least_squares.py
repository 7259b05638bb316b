"""Levenberg-Marquardt on many small dense problems at once.

The problems are independent (one a frame, say) and have the same number of unknowns; each has its own
damping, after Nielsen 1999 (Madsen, Nielsen, Tingleff, "Methods for non-linear least squares
problems", 2004, algorithm 3.16). What the unknowns are is the problem's business: it gives normal
equations, costs, and a retraction of steps, so that rotations and rigid motions are unknowns too.
"""

from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
from jaxtyping import Bool, Float, Int

from recon3d.geometry.threads import single_threaded

Unknowns = TypeVar("Unknowns")


class DenseProblem(Protocol[Unknowns]):
    """Many least-squares problems with ``k`` unknowns each.

    ``rows`` says which problems are meant; ``at`` then holds the unknowns of those alone.
    """

    def linearise(
        self, at: Unknowns, rows: Int[np.ndarray, "some"]
    ) -> tuple[Float[np.ndarray, "some k k"], Float[np.ndarray, "some k"], Float[np.ndarray, "some"]]:
        """J'WJ, J'Wr and the cost r'Wr / 2 of each problem."""
        ...

    def cost(self, at: Unknowns, rows: Int[np.ndarray, "some"]) -> Float[np.ndarray, "some"]:
        """The cost alone."""
        ...

    def take(self, at: Unknowns, rows: Int[np.ndarray, "some"]) -> Unknowns:
        """The unknowns of some problems."""
        ...

    def put(self, at: Unknowns, rows: Int[np.ndarray, "some"], values: Unknowns) -> None:
        """Replace the unknowns of some problems."""
        ...

    def retract(self, at: Unknowns, step: Float[np.ndarray, "some k"]) -> Unknowns:
        """The unknowns moved by a step."""
        ...


@dataclass(frozen=True, slots=True)
class DenseSettings:
    """When to stop."""

    max_steps: int = 20
    """Steps a problem may take."""
    min_gain: float = 1e-4
    """A problem is done when a step lowers its cost by less than this share."""
    first_damping: float = 1e-4
    """Damping of the first step, as a share of the largest curvature."""


@dataclass(frozen=True, slots=True)
class DenseReport:
    """What became of each problem."""

    cost: Float[np.ndarray, "problems"]
    steps: Int[np.ndarray, "problems"]
    converged: Bool[np.ndarray, "problems"]


def solve_dense(problem: DenseProblem[Unknowns], at: Unknowns, count: int, settings: DenseSettings = DenseSettings()) -> DenseReport:
    """Minimise every problem's cost, changing ``at`` in place."""
    rows = np.arange(count)
    cost, steps, done = np.zeros(count), np.zeros(count, np.int64), np.zeros(count, bool)
    with single_threaded():
        h, g, cost[:] = problem.linearise(problem.take(at, rows), rows)
        diagonal = np.einsum("...ii->...i", h).max(1) if count else np.zeros(0)
        damping, growth = settings.first_damping * diagonal, np.full(count, 2.0)
        for _ in range(settings.max_steps):
            if not len(rows):
                break
            lifted = h.copy()
            # Besides the scaled identity a floor keeps unknowns that nothing constrains from moving.
            np.einsum("...ii->...i", lifted)[...] += (damping[rows] + 1e-12 * diagonal[rows] + 1e-300)[:, None]
            step = np.linalg.solve(lifted, -g[..., None])[..., 0]
            there = problem.retract(problem.take(at, rows), step)
            trial = problem.cost(there, rows)
            gain = cost[rows] - trial
            expected = 0.5 * (step * (damping[rows, None] * step - g)).sum(1)
            better = gain > 0
            problem.put(at, rows[better], problem.take(there, np.flatnonzero(better)))
            small = better & (gain <= settings.min_gain * cost[rows])
            ratio = np.where(better, gain / np.maximum(expected, 1e-300), 0.0)
            shrink = np.maximum(1 / 3, 1 - (2 * np.minimum(ratio, 2.0) - 1) ** 3)
            damping[rows] *= np.where(better, shrink, growth[rows])
            growth[rows] = np.where(better, 2.0, 2 * growth[rows])
            cost[rows] = np.where(better, trial, cost[rows])
            steps[rows] += 1
            stuck = ~better & (np.abs(step).max(1) < 1e-7)
            done[rows] = small | stuck
            rows = rows[~done[rows]]
            if len(rows):
                h, g, cost[rows] = problem.linearise(problem.take(at, rows), rows)
    return DenseReport(cost, steps, done)
