"""Levenberg-Marquardt where most unknowns are small groups that only a shared border connects.

Points or board poses are the groups, cameras the border. The groups are eliminated (Schur complement,
Triggs et al., "Bundle adjustment - a modern synthesis", 2000, section 6.1), so that one system of the
border's size is solved; damping is Marquardt's, a share of each diagonal entry, steered after Nielsen
1999. Arrays over groups keep the group last, so that every operation runs over contiguous memory.
"""

from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
from jaxtyping import Float

from recon3d.geometry.threads import single_threaded

Unknowns = TypeVar("Unknowns")
_EXACT = 1e-16  # cost, in squared sigmas, below which there is nothing left but rounding
_FLOOR = 1e-11  # of a diagonal entry: directions that nothing measures stay where they are


@dataclass(frozen=True, slots=True, eq=False)
class SchurSystem:
    """Normal equations J'WJ and J'Wr at one place, and the cost r'Wr / 2.

    Attributes:
        border: J'WJ of the border with itself.
        border_gradient: J'Wr of the border.
        cross: of each group's unknowns with the border.
        blocks: of each group with itself; symmetric.
        gradient: J'Wr of the groups.
    """

    border: Float[np.ndarray, "border border"]
    border_gradient: Float[np.ndarray, "border"]
    cross: Float[np.ndarray, "size border groups"]
    blocks: Float[np.ndarray, "size size groups"]
    gradient: Float[np.ndarray, "size groups"]
    cost: float


class SchurProblem(Protocol[Unknowns]):
    """What is minimised: the problem knows what its unknowns mean and how a step moves them."""

    def linearise(self, at: Unknowns) -> SchurSystem:
        """Normal equations at a place."""
        ...

    def cost(self, at: Unknowns) -> float:
        """The cost alone; infinite where a point would lie behind a camera."""
        ...

    def retract(self, at: Unknowns, border: Float[np.ndarray, "border"], groups: Float[np.ndarray, "size groups"]) -> Unknowns:
        """The unknowns moved by a step."""
        ...

    def gauge(self, at: Unknowns) -> Float[np.ndarray, "border freedoms"]:
        """Directions of the border that change no residual (with the groups following), orthonormal columns."""
        ...


@dataclass(frozen=True, slots=True)
class SchurSettings:
    """When to stop."""

    max_steps: int = 50
    """Steps that may be accepted."""
    min_gain: float = 1e-6
    """Done when a step lowers the cost by less than this share."""
    first_damping: float = 1e-4
    """Damping of the first step, as a share of the curvature."""


@dataclass(frozen=True, slots=True)
class SchurReport:
    """How the minimisation went."""

    cost: float
    steps: int
    converged: bool
    damping: float


class Eliminated:
    """A system whose groups have been eliminated: solves for steps, and gives covariances."""

    def __init__(self, system: SchurSystem, gauge: Float[np.ndarray, "border freedoms"], damping: float = 0.0):
        size = len(system.blocks)
        lower = np.zeros_like(system.blocks)
        y = np.empty_like(system.cross)
        z = np.empty_like(system.gradient)
        floor = _FLOOR * np.einsum("iig->g", system.blocks) + 1e-300
        for i in range(size):
            pivot = system.blocks[i, i] * (1 + damping) + floor - (lower[i, :i] ** 2).sum(0)
            # A group that one ray fixes only (a point that one view sees) has no second pivot to speak of.
            lower[i, i] = np.sqrt(np.maximum(pivot, floor))
            inverse = 1 / lower[i, i]
            for k in range(i + 1, size):
                lower[k, i] = (system.blocks[k, i] - (lower[k, :i] * lower[i, :i]).sum(0)) * inverse
            np.copyto(y[i], system.cross[i])
            z[i] = system.gradient[i]
            for k in range(i):
                y[i] -= lower[i, k] * y[k]
                z[i] -= lower[i, k] * z[k]
            y[i] *= inverse
            z[i] *= inverse
        self._lower, self._y, self._z = lower, y, z
        reduced = system.border.copy()
        for row in y:
            reduced -= row @ row.T
        self.right: Float[np.ndarray, "border"] = system.border_gradient - np.einsum("dbg,dg->b", y, z, optimize=True)
        self.reduced = reduced
        self._gauge = gauge
        # The gauge is held: a step along it would cost as much as an average one of the same length.
        self.stiffness = max(float(np.trace(reduced)), 1e-300) / max(len(reduced), 1)
        held = reduced + self.stiffness * (gauge @ gauge.T)
        diagonal = np.einsum("ii->i", held)
        diagonal += damping * np.maximum(np.einsum("ii->i", system.border), 0) + _FLOOR * np.einsum("ii->i", system.border) + 1e-300
        self.held: Float[np.ndarray, "border border"] = held

    def step(self) -> tuple[Float[np.ndarray, "border"], Float[np.ndarray, "size groups"]]:
        """The step of the border and of the groups.

        Raises:
            LinAlgError: the reduced system is not positive definite.
        """
        np.linalg.cholesky(self.held)  # refuses what is not positive definite
        border: Float[np.ndarray, "border"] = np.linalg.solve(self.held, -self.right)
        size = len(self._z)
        groups = np.empty_like(self._z)
        for i in reversed(range(size)):
            groups[i] = -(self._z[i] + border @ self._y[i])
            for k in range(i + 1, size):
                groups[i] -= self._lower[k, i] * groups[k]
            groups[i] /= self._lower[i, i]
        return border, groups

    def covariance(self) -> Float[np.ndarray, "border border"]:
        """Of the border, in the gauge where the cameras as a whole do not move (no step along the gauge)."""
        inverse = np.linalg.inv(self.held)
        return 0.5 * (inverse + inverse.T) - self._gauge @ self._gauge.T / self.stiffness


def solve_schur(problem: SchurProblem[Unknowns], at: Unknowns, settings: SchurSettings = SchurSettings()) -> tuple[Unknowns, SchurReport]:
    """Minimise from a start; the same input gives the same bits."""
    with single_threaded():
        system = problem.linearise(at)
        cost, damping, growth, steps, converged = system.cost, settings.first_damping, 2.0, 0, False
        while steps < settings.max_steps and damping < 1e12:
            eliminated = Eliminated(system, problem.gauge(at), damping)
            try:
                border, groups = eliminated.step()
            except np.linalg.LinAlgError:
                damping, growth = damping * growth, growth * 2
                continue
            there = problem.retract(at, border, groups)
            trial = problem.cost(there)
            if not trial < cost:
                # At the bottom a step changes the cost by rounding only.
                if trial - cost <= 1e-12 * cost or cost < _EXACT:
                    converged = True
                    break
                damping, growth = damping * growth, growth * 2
                continue
            expected = -0.5 * float(border @ system.border_gradient + (groups * system.gradient).sum())
            ratio = (cost - trial) / max(expected, 1e-300)
            small = cost - trial <= settings.min_gain * cost
            at, cost, steps = there, trial, steps + 1
            damping, growth = max(damping * max(1 / 10, 1 - (2 * min(ratio, 1.5) - 1) ** 3), 1e-12), 2.0
            if small:
                converged = True
                break
            if steps < settings.max_steps:
                system = problem.linearise(at)
    return at, SchurReport(cost, steps, converged, damping)
