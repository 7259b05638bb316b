"""A take's motion as one least-squares problem: evidence, smoothness, limits, contacts, rest; and the body's sizes."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from recon3d.geometry import SE3
from recon3d.geometry.time_banded import TimeSystem
from recon3d.motion.contact import Contacts
from recon3d.motion.evidence import Evidence, Support
from recon3d.motion.habits import Habit
from recon3d.motion.limits import add_limits
from recon3d.motion.pose import Freedoms, Pose
from recon3d.motion.prior import Plausible
from recon3d.motion.smoothness import Grid
from recon3d.skeleton import Armature
from recon3d.skeleton.shape import Shape


@dataclass(slots=True, eq=False)
class Unknowns:
    """Poses of all frames, and what the body is like.

    Attributes:
        pose: of every frame.
        shape: numbers of the body's `Shape`; empty where it is not solved for.
    """

    pose: Pose
    shape: Float[np.ndarray, "shapes"]


@dataclass(slots=True, eq=False)
class MotionProblem:
    """For `solve_in_time`.

    Attributes:
        armature: with the evidence's attachments; sizes are those of shape zero.
        freedoms: what moves.
        evidence: about its points.
        grid: of its frames.
        stiffness: one over the variance of every acceleration.
        habit: what poses are like where nobody sees them.
        temper: see `Evidence.support`.
        shape: ways in which the body may differ, where they are solved for.
        contacts: points of feet that stand.
        settled: frames at the beginning that stay as they are.
        plausible: what is plausible of poses.
    """

    armature: Armature
    freedoms: Freedoms
    evidence: Evidence
    grid: Grid
    stiffness: Float[np.ndarray, "inner k"]
    habit: Habit
    temper: float = 1.0
    shape: Shape | None = None
    contacts: Contacts | None = None
    settled: int = 0
    plausible: Plausible | None = None

    def body(self, at: Unknowns) -> Armature:
        """The armature as large as it is taken to be."""
        return self.armature if self.shape is None else self.shape.apply(self.armature, at.shape)

    def retract(self, at: Unknowns, step: Float[np.ndarray, "frames k"], shared: Float[np.ndarray, "shapes"]) -> Unknowns:
        """Poses and shape moved."""
        return Unknowns(self.freedoms.retract(at.pose, step), at.shape + shared)

    def linearise(self, at: Unknowns) -> tuple[TimeSystem, Float[np.ndarray, "frames"]]:
        """Normal equations, and the cost frame by frame; that of the sizes is shared evenly."""
        body = self.body(at)
        poses = at.pose.on(body)
        points = body.keypoints(poses)
        return self.assemble(at, body, poses, points, self.evidence.support(points, self.temper))

    def assemble(
        self, at: Unknowns, body: Armature, poses: SE3, points: Float[np.ndarray, "frames points 3"], support: Support
    ) -> tuple[TimeSystem, Float[np.ndarray, "frames"]]:
        """The same from what the evidence says about the points."""
        f = self.freedoms
        cost = support.cost + self._hold(points, support)
        screws = body.screws(poses, f.joint, f.axes(at.pose, poses))
        system = self._of_points(at, body, poses, screws, points, support)
        cost += self.grid.add(system, f, at.pose, self.stiffness)
        cost += self._add_habit(system, at.pose) + add_limits(system, f, at.pose) + self.size_prior(at)[2] / len(points)
        if self.plausible is not None:
            cost += self.plausible.add(system, f, body, poses, screws)
        if self.settled:
            system.settle(self.settled)
        return system, cost

    def _hold(self, points: Float[np.ndarray, "frames points 3"], support: Support) -> Float[np.ndarray, "frames"]:
        """Add what contacts say."""
        if self.contacts is None:
            return np.zeros(len(points))
        weight, force, cost = self.contacts.support(points)
        np.einsum("...ii->...i", support.information)[...] += weight[..., None]
        support.force[...] += force
        return cost

    def _add_habit(self, system: TimeSystem, pose: Pose) -> Float[np.ndarray, "frames"]:
        """The gradient of |log R|^2 / 2 is log R itself; curvature is taken at zero."""
        off = self.freedoms.from_usual(pose)
        system.gradient[:, 3:] += (off - self.habit.mean) @ self.habit.precision
        system.block[:, 3:, 3:] += self.habit.precision
        return self.habit.cost(off)

    def _of_points(
        self,
        at: Unknowns,
        body: Armature,
        poses: SE3,
        screws: Float[np.ndarray, "frames k 6"],
        points: Float[np.ndarray, "frames points 3"],
        support: Support,
    ) -> TimeSystem:
        """What the evidence about points says, and what is known of the sizes."""
        f, sizes = self.freedoms, self.size_slopes(at, body, poses)
        many = 0 if sizes is None else sizes.shape[-1]
        slopes = None if sizes is None else body.reach(screws, f.joint, poses)
        block, gradient = body.normal_equations(screws, f.joint, poses, points, support.information, support.force, slopes)
        nothing = np.zeros((*gradient.shape, 5))
        border, corner, push = np.zeros((*gradient.shape, many)), np.zeros((many, many)), np.zeros(many)
        if sizes is not None and slopes is not None:
            pushed = support.information @ sizes
            border = body.pulled(slopes, pushed)
            prior, force, _ = self.size_prior(at)
            corner = sizes.reshape(-1, many).T @ pushed.reshape(-1, many) + prior
            push = support.force.reshape(-1) @ sizes.reshape(-1, many) + force
        return TimeSystem(block, nothing, nothing.copy(), gradient, border, corner, push)

    def size_slopes(self, at: Unknowns, body: Armature, poses: SE3) -> Float[np.ndarray, "frames points 3 shapes"] | None:
        """How points move with the sizes; None where these are known."""
        return None if self.shape is None else self.shape.slopes(body, poses)

    def size_prior(self, at: Unknowns) -> tuple[Float[np.ndarray, "shapes shapes"], Float[np.ndarray, "shapes"], float]:
        """What is known of the sizes beforehand: its information, the slope of its cost, its cost."""
        if self.shape is None:
            return np.zeros((0, 0)), np.zeros(0), 0.0
        prior = self.shape.sigma**-2.0
        return np.diag(prior), prior * at.shape, 0.5 * float((prior * at.shape**2).sum())


def plausible_of(armature: Armature, evidence: Evidence) -> Plausible | None:
    """The evidence's prior for an armature."""
    return None if evidence.prior is None else evidence.prior.on(armature, evidence.time)


def fitted(armature: Armature, evidence: Evidence) -> Armature:
    """An armature with only those attachments that there is evidence about, in its order."""
    own = armature.attachments.select(evidence.attachments.points)
    return replace(armature, attachments=own)
