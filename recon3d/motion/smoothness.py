"""How smoothly somebody moves: accelerations of all unknowns, and their variance, estimated from the take itself.

Every unknown's acceleration is taken as normal with a variance of its own that changes slowly in time. Its
maximum-likelihood estimate given the evidence is found by MacKay's fixed point ("Bayesian interpolation", 1992,
eq. 4.10 with one regulariser an unknown): the sum of squared estimated accelerations over the number of those that
the evidence determines, 1 - (posterior variance) / (prior variance) each.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.ndimage import gaussian_filter1d

from recon3d.geometry.lie import skew
from recon3d.geometry.time_banded import SelectedInverse, TimeSystem
from recon3d.motion.pose import Freedoms, Pose

_TURN_RAD_S2, _ROOT_M_S2 = 30.0, 3.0  # where the search starts: rough enough for anybody
_SWING_HZ, _USUAL_ROOT_M_S2 = 0.85, 3.0  # what is usual: turns that swing through their looseness so often, as in walking
_USUAL_COUNT = 20.0  # what that counts, in accelerations
_LARGEST_SWING = 0.6  # rad; the root may face anywhere
_KERNEL_S = 0.15  # over which accelerations count as alike
_PRIOR_COUNT = 4.0  # what the take's variance counts beside those nearby, in accelerations
_LOCAL_POWER = 1.5
_LEAST, _MOST = 0.01, 100.0  # change of a variance in one round


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """Instants and how second differences are made of them.

    Attributes:
        time: s.
        ahead: factor of the difference to the frame after, 1/s^2; 0 across breaks.
        back: factor of the difference from the frame before.
    """

    time: Float[np.ndarray, "frames"]
    ahead: Float[np.ndarray, "inner"]
    back: Float[np.ndarray, "inner"]

    @staticmethod
    def of(time: Float[np.ndarray, "frames"], longest_s: float) -> "Grid":
        """Neighbours further apart than this do not know of each other."""
        dt = np.diff(time)
        middle = 0.5 * (dt[1:] + dt[:-1])
        joined = (dt[1:] <= longest_s) & (dt[:-1] <= longest_s)
        return Grid(time, joined / (dt[1:] * middle), joined / (dt[:-1] * middle))

    def accelerations(self, step: Float[np.ndarray, "steps k"]) -> Float[np.ndarray, "inner k"]:
        """Of unknowns that differ by these steps from frame to frame."""
        return self.ahead[:, None] * step[1:] - self.back[:, None] * step[:-1]

    def add(
        self,
        system: TimeSystem,
        freedoms: Freedoms,
        pose: Pose,
        stiffness: Float[np.ndarray, "inner k"],
    ) -> Float[np.ndarray, "frames"]:
        """Add the smoothness to normal equations; its cost, frame by frame.

        Slope and curvature are exact to the square of a turn from one frame to the next. (With the curvature of plain
        numbers a body that turns round comes to rest slowly, and windows differ by what is left.)
        """
        if len(pose) < 3:
            return np.zeros(len(pose))
        step = freedoms.difference(pose)
        acceleration = self.accelerations(step)
        push = stiffness * acceleration
        c0, c2 = self.back[:, None], self.ahead[:, None]
        c1 = -(c0 + c2)
        system.gradient[:-2] += push * c0
        system.gradient[1:-1] += push * c1
        system.gradient[2:] += push * c2
        diagonal = system.diagonal()
        diagonal[:-2] += stiffness * c0**2
        diagonal[1:-1] += stiffness * c1**2
        diagonal[2:] += stiffness * c2**2
        system.near[:-2, :, 2] += stiffness * c0 * c1
        system.near[1:-1, :, 2] += stiffness * c1 * c2
        system.far[:-2, :, 2] += stiffness * c0 * c2
        self._correct_balls(system, freedoms, step, stiffness, push)
        return np.pad(0.5 * (push * acceleration).sum(1), 1)

    def _correct_balls(
        self,
        system: TimeSystem,
        freedoms: Freedoms,
        step: Float[np.ndarray, "steps k"],
        stiffness: Float[np.ndarray, "inner k"],
        push: Float[np.ndarray, "inner k"],
    ) -> None:
        """What rotations add to second differences of numbers.

        The step from R to R' is v = log(R' R); to turn R' further by d changes it by J(v) d, to turn R by -J(-v) d, with
        the inverse right Jacobian J (Sola 2018, eq. 144), here to the square of v.
        """
        columns = freedoms.ball_column
        if not len(columns):
            return
        turn = skew(step[:, columns])
        square = turn @ turn / 12
        after, before = 0.5 * turn + square, -(-0.5 * turn + square)  # what J(v) and -J(-v) have beyond 1 and -1
        c0, c2 = self.back[:, None, None, None], self.ahead[:, None, None, None]
        one = np.eye(3)
        # Slopes of an acceleration by the rotations before, at and after it: those of numbers, and the corrections.
        plain = (c0 * one, -(c0 + c2) * one, c2 * one)
        extra = (-c0 * before[:-1], c2 * before[1:] - c0 * after[:-1], c2 * after[1:])
        weight, force = stiffness[:, columns], push[:, columns]
        inner = len(push)
        slope: Float[np.ndarray, "frames balls 3"] = np.zeros((inner + 2, *columns.shape))
        coupled = np.zeros((3, inner + 2, *columns.shape, 3))  # of rotations 0, 1 and 2 frames apart; rows are of the later one
        for a in range(3):
            slope[a : a + inner] += (np.swapaxes(extra[a], -1, -2) @ force[..., None])[..., 0]
            pushed = weight[..., None] * (plain[a] + extra[a])
            numbers = weight[..., None] * plain[a]
            for b in range(a, 3):
                more = np.swapaxes(plain[b] + extra[b], -1, -2) @ pushed
                more -= plain[b] * numbers
                coupled[b - a, a : a + inner] += more
        row, column = np.arange(3)[:, None], np.arange(3)
        system.gradient[:, columns] += slope
        system.block[:, columns[:, :, None], columns[:, None, :]] += coupled[0]
        system.near[:, columns[:, None, :], 2 + row - column] += coupled[1]
        system.far[:, columns[:, None, :], 2 + row - column] += coupled[2]

    def spread(self, inverse: SelectedInverse) -> Float[np.ndarray, "inner k"]:
        """Posterior variance of the accelerations."""
        variance = np.einsum("tii->ti", inverse.block)
        c0, c2 = self.back[:, None], self.ahead[:, None]
        c1 = -(c0 + c2)
        own = c0**2 * variance[:-2] + c1**2 * variance[1:-1] + c2**2 * variance[2:]
        return own + 2 * (c0 * c1 * inverse.near[:-2] + c1 * c2 * inverse.near[1:-1] + c0 * c2 * inverse.far[:-2])


def first_variance(freedoms: Freedoms) -> Float[np.ndarray, "k"]:
    """Of accelerations where the search for them starts."""
    out = np.full(freedoms.count, _TURN_RAD_S2**2)
    out[:3] = _ROOT_M_S2**2
    return out


def usual_variance(freedoms: Freedoms) -> Float[np.ndarray, "k"]:
    """Of accelerations of somebody of whom nothing is known."""
    out = np.full(freedoms.count, _USUAL_ROOT_M_S2**2)
    looseness = np.minimum(freedoms.armature.looseness[freedoms.joint, freedoms.axis], _LARGEST_SWING)
    out[3:] = (looseness * (2 * np.pi * _SWING_HZ) ** 2) ** 2
    return out


def estimate_variance(
    grid: Grid,
    freedoms: Freedoms,
    pose: Pose,
    inverse: SelectedInverse,
    variance: Float[np.ndarray, "inner k"],
    power: float,
) -> Float[np.ndarray, "k"]:
    """One round: each unknown's variance over all frames, left as right; a ``power`` above 1 goes further than one step."""
    squared, count = _sums(grid, freedoms, pose, inverse, variance)
    alike = _alike(freedoms)
    total, counts = alike @ squared.sum(0), alike @ count.sum(0)
    before = np.exp(alike @ np.log(variance).mean(0) / alike.sum(1))
    ratio = (total + _USUAL_COUNT * usual_variance(freedoms)) / (counts + _USUAL_COUNT) / before
    return before * np.clip(ratio**power, _LEAST, _MOST)


def local_variance(
    grid: Grid,
    freedoms: Freedoms,
    pose: Pose,
    inverse: SelectedInverse,
    variance: Float[np.ndarray, "inner k"],
    whole: Float[np.ndarray, "k"],
) -> Float[np.ndarray, "inner k"]:
    """Each unknown's variance near each frame, drawn towards that of the whole take: a kick is no walk."""
    squared, count = _sums(grid, freedoms, pose, inverse, variance)
    width = _KERNEL_S / float(np.median(np.diff(grid.time)))
    many = width * np.sqrt(2 * np.pi)
    near = many * gaussian_filter1d(squared, width, axis=0, mode="nearest")
    counts = many * gaussian_filter1d(count, width, axis=0, mode="nearest")
    found = (near + _PRIOR_COUNT * whole) / (counts + _PRIOR_COUNT)
    return variance * np.clip((found / variance) ** _LOCAL_POWER, _LEAST, _MOST)


def _sums(
    grid: Grid, freedoms: Freedoms, pose: Pose, inverse: SelectedInverse, variance: Float[np.ndarray, "inner k"]
) -> tuple[Float[np.ndarray, "inner k"], Float[np.ndarray, "inner k"]]:
    """Squared accelerations and how many of them the evidence determines."""
    acceleration = grid.accelerations(freedoms.difference(pose))
    joined = (grid.ahead > 0)[:, None]
    determined = np.clip(1 - grid.spread(inverse) / variance, 1e-3, 1.0)
    return acceleration**2 * joined, determined * joined


def _alike(freedoms: Freedoms) -> Float[np.ndarray, "k k"]:
    """1 where two unknowns share a variance: an axis of a joint and of its mirror, the root's two level directions."""
    mirror = freedoms.armature.skeleton.mirror
    joint = np.minimum(freedoms.joint, mirror[freedoms.joint])
    key = np.concatenate([[-1, -1, -2], 3 * joint + freedoms.axis])
    return (key[:, None] == key).astype(float)
