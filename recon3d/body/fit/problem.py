"""A take's motion and the one body that moves, as one least-squares problem: `motion`'s, with a body model's parameters as sizes."""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from recon3d.body.fit.known import Known
from recon3d.body.fit.offsets import Offsets
from recon3d.body.linear import LinearModel
from recon3d.body.marks import Marks
from recon3d.geometry import SE3
from recon3d.geometry.time_banded import TimeSystem
from recon3d.motion.evidence import Support
from recon3d.motion.problem import MotionProblem, Unknowns
from recon3d.skeleton import Armature


@dataclass(slots=True, eq=False, kw_only=True)
class BodyProblem(MotionProblem):
    """For `solve_in_time`; the numbers of `Unknowns.shape` are the model's parameters, then how far points lie beside.

    Attributes:
        model: whose bodies.
        marks: of it that the evidence is about, in its order.
        offsets: how far its points may lie beside.
        known: of the body beforehand.
        surfaces: more evidence, about the skin.
        repeated: how many frames say the same because detectors err alike in them: what is known beforehand weighs as much more.
    """

    model: LinearModel
    marks: Marks
    offsets: Offsets
    known: Known = field(default_factory=Known)
    surfaces: "tuple[Surface, ...]" = ()
    repeated: float = 1.0

    def body(self, at: Unknowns) -> Armature:
        """The armature of the body that it is taken to be, with the points that there is evidence about."""
        return self.offsets.on(self.model.armature(self.values(at), self.marks), at.shape[len(self.model.parameters) :])

    def values(self, at: Unknowns) -> Float[np.ndarray, "parameters"]:
        """The model's parameters among the unknowns."""
        return at.shape[: len(self.model.parameters)]

    def retract(self, at: Unknowns, step: Float[np.ndarray, "frames k"], shared: Float[np.ndarray, "shapes"]) -> Unknowns:
        """Poses and parameters moved, these within their range."""
        shape, many = at.shape + shared, len(self.model.parameters)
        shape[:many] = np.clip(shape[:many], self.model.lowest, self.model.highest)
        return Unknowns(self.freedoms.retract(at.pose, step), shape)

    def size_slopes(self, at: Unknowns, body: Armature, poses: SE3) -> Float[np.ndarray, "frames points 3 shapes"]:
        """How points move with the parameters."""
        own = self.model.shape(self.values(at), self.marks).slopes(body, poses)
        return np.concatenate([own, self.offsets.slopes(self.marks, poses)], -1) if self.offsets.sigma_m.size else own

    def size_prior(self, at: Unknowns) -> tuple[Float[np.ndarray, "shapes shapes"], Float[np.ndarray, "shapes"], float]:
        """What is known of the body beforehand."""
        many, weight = len(self.model.parameters), self.offsets.sigma_m**-2.0
        beside = at.shape[many:]
        prior = np.zeros((len(at.shape), len(at.shape)))
        prior[:many, :many], push, cost = self.known.prior(self.model, self.values(at))
        prior[many:, many:] = np.diag(weight)
        slope = np.concatenate([push, weight * beside])
        return self.repeated * prior, self.repeated * slope, self.repeated * (cost + 0.5 * float((weight * beside**2).sum()))

    def assemble(
        self, at: Unknowns, body: Armature, poses: SE3, points: Float[np.ndarray, "frames points 3"], support: Support
    ) -> tuple[TimeSystem, Float[np.ndarray, "frames"]]:
        """With the skin's evidence."""
        system, cost = MotionProblem.assemble(self, at, body, poses, points, support)
        screws = body.screws(poses, self.freedoms.joint, self.freedoms.axes(at.pose, poses)) if self.surfaces else None
        for surface in self.surfaces:
            assert screws is not None
            rows = surface.rows
            values = self.values(at)
            own, shape = self.model.armature(values, surface.marks), self.model.shape(values, surface.marks)
            there = SE3(type(poses.rotation)(poses.rotation.matrix[rows]), poses.translation[rows])
            places = own.keypoints(there)
            said = surface.support(places)
            slopes, sizes = own.reach(screws[rows], self.freedoms.joint, there), shape.slopes(own, there)
            pushed = own.pulled(slopes, np.concatenate([said.information @ slopes, said.information @ sizes, said.force[..., None]], -1))
            k, many = slopes.shape[-1], sizes.shape[-1]
            system.block[rows] += pushed[..., :k]
            system.border[rows, :, :many] += pushed[..., k : k + many]
            system.gradient[rows] += pushed[..., -1]
            flat = sizes.reshape(-1, many)
            system.corner[:many, :many] += flat.T @ (said.information @ sizes).reshape(-1, many)
            system.shared_gradient[:many] += flat.T @ said.force.ravel()
            cost[rows] += said.cost
        return system, cost


@dataclass(slots=True, eq=False)
class Surface:
    """Evidence about places of the skin in some frames, as it is taken for near the poses at hand.

    Attributes:
        rows: frames.
        marks: of the skin.
        target: where each is drawn to, m.
        information: of that, m^-2.
        stray_chi2: what is so far off counts half.
    """

    rows: slice
    marks: Marks
    target: Float[np.ndarray, "frames points 3"]
    information: Float[np.ndarray, "frames points 3 3"]
    stray_chi2: float = 9.0

    def support(self, places: Float[np.ndarray, "frames points 3"]) -> Support:
        """What it says."""
        off = places - self.target
        pushed = (self.information @ off[..., None])[..., 0]
        chi2 = (off * pushed).sum(-1)
        share = self.stray_chi2 / (self.stray_chi2 + chi2)
        weight = share**2
        return Support(self.information * weight[..., None, None], pushed * weight[..., None], 0.5 * (chi2 * share).sum(1))
