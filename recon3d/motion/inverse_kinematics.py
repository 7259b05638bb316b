"""Whole-body inverse kinematics: all joints of every frame fitted to the evidence by Levenberg-Marquardt.

Unknowns of a frame: the root's position (m) and a rotation vector in each joint's own frame for its
free axes (rad). Residuals: keypoints off their attachments, weighted by their covariance and by how
well they fit (Geman and McClure); joints off rest, in units of their looseness, which decides only
what no keypoint does; hinges beyond their limits.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from recon3d.geometry import SE3, SO3
from recon3d.geometry.least_squares import DenseSettings, solve_dense
from recon3d.motion.evidence import Evidence
from recon3d.skeleton import Armature

_STRAY_CHI2 = 25.0  # a keypoint 5 sigma off counts half in the slope of the cost
_REST_WEIGHT = 0.05  # of the prior, in evidence of one sigma
_LIMIT_RAD = 0.03  # sigma of a hinge beyond its limit


@dataclass(slots=True, eq=False)
class Pose:
    """Unknowns of some frames."""

    translation: Float[np.ndarray, "frames 3"]
    rotation: Float[np.ndarray, "frames joints 3 3"]


class PoseProblem:
    """The frames' least-squares problems, for `solve_dense`."""

    def __init__(self, armature: Armature, evidence: Evidence):
        self.armature = armature
        self.evidence = evidence
        self.joint, self.axis = armature.columns()
        self.fitted = replace(armature, attachments=evidence.attachments)
        root = evidence.root_information
        self.information = np.swapaxes(root, -1, -2) @ root
        self.turning = np.flatnonzero(armature.free.any(1))
        self.hinges = np.flatnonzero(armature.free.sum(1) == 1)
        self.hinge_axis = armature.free[self.hinges].argmax(1)

    def take(self, at: Pose, rows: Int[np.ndarray, "some"]) -> Pose:
        """Unknowns of some frames."""
        return Pose(at.translation[rows], at.rotation[rows])

    def put(self, at: Pose, rows: Int[np.ndarray, "some"], values: Pose) -> None:
        """Replace those of some frames."""
        at.translation[rows], at.rotation[rows] = values.translation, values.rotation

    def retract(self, at: Pose, step: Float[np.ndarray, "some k"]) -> Pose:
        """Root moved, joints turned about their own free axes."""
        turn = np.zeros((*at.rotation.shape[:2], 3))
        turn[:, self.joint, self.axis] = step[:, 3:]
        rotation = at.rotation.copy()
        rotation[:, self.turning] = rotation[:, self.turning] @ SO3.exp(turn[:, self.turning]).matrix
        return Pose(at.translation + step[:, :3], rotation)

    def cost(self, at: Pose, rows: Int[np.ndarray, "some"]) -> Float[np.ndarray, "some"]:
        """Half the robust sum of squares of each frame."""
        _, _, chi2 = self._points(at, rows)
        vector = SO3(at.rotation[:, self.turning]).log()
        return self._total(chi2, vector)

    def linearise(
        self, at: Pose, rows: Int[np.ndarray, "some"]
    ) -> tuple[Float[np.ndarray, "some k k"], Float[np.ndarray, "some k"], Float[np.ndarray, "some"]]:
        """Normal equations and cost of each frame."""
        poses, points, chi2 = self._points(at, rows)
        weight = (_STRAY_CHI2 / (_STRAY_CHI2 + chi2)) ** 2
        information = self.information[rows] * weight[..., None, None]
        force = (information @ (points - self.evidence.xyz[rows])[..., None])[..., 0]
        h, g = self.fitted.normal_equations(poses, points, information, force)
        vector = SO3(at.rotation[:, self.turning]).log()
        self._add_prior(h, g, vector)
        return h, g, self._total(chi2, vector)

    def _points(
        self, at: Pose, rows: Int[np.ndarray, "some"]
    ) -> tuple[SE3, Float[np.ndarray, "some points 3"], Float[np.ndarray, "some points"]]:
        root = SE3(SO3.identity(len(at.translation)), at.translation)
        poses = self.armature.forward(root, at.rotation)
        points = self.fitted.keypoints(poses)
        residual = (self.evidence.root_information[rows] @ (points - self.evidence.xyz[rows])[..., None])[..., 0]
        return poses, points, (residual * residual).sum(-1)

    def _total(self, chi2: Float[np.ndarray, "some points"], vector: Float[np.ndarray, "some turning 3"]) -> Float[np.ndarray, "some"]:
        kernel = chi2 * (_STRAY_CHI2 / (_STRAY_CHI2 + chi2))
        rest = (vector / self.armature.looseness[self.turning, None]) ** 2
        over = self._beyond(vector) / _LIMIT_RAD
        # The root's heading has no rest.
        return 0.5 * (kernel.sum(1) + _REST_WEIGHT * rest[:, self.turning != 0].sum((1, 2)) + (over * over).sum(1))

    def _beyond(self, vector: Float[np.ndarray, "some turning 3"]) -> Float[np.ndarray, "some hinges"]:
        column = np.searchsorted(self.turning, self.hinges)
        angle = vector[:, column, self.hinge_axis]
        low, high = self.armature.limit[self.hinges].T
        return np.minimum(angle - low, 0) + np.maximum(angle - high, 0)

    def _add_prior(
        self,
        h: Float[np.ndarray, "some k k"],
        g: Float[np.ndarray, "some k"],
        vector: Float[np.ndarray, "some turning 3"],
    ) -> None:
        """Rest and limits. The gradient of |log R|^2 / 2 is log R itself; curvature is taken at rest."""
        column = 3 + np.arange(len(self.joint))
        place = np.searchsorted(self.turning, self.joint)
        stiff = _REST_WEIGHT / self.armature.looseness[self.joint] ** 2
        stiff[self.joint == 0] = 0.0
        g[:, column] += stiff * vector[:, place, self.axis]
        h[:, column, column] += stiff
        first = {int(j): k for k, j in reversed(list(enumerate(self.joint)))}
        at = 3 + np.array([first[int(j)] for j in self.hinges], dtype=np.int64)
        over = self._beyond(vector) / _LIMIT_RAD**2
        g[:, at] += over
        h[:, at, at] += (over != 0) / _LIMIT_RAD**2


def fit_pose(armature: Armature, evidence: Evidence, start: Pose, settings: DenseSettings) -> Pose:
    """Refine every frame's pose from a start."""
    pose = Pose(start.translation.copy(), start.rotation.copy())
    solve_dense(PoseProblem(armature, evidence), pose, len(pose.translation), settings)
    return pose
