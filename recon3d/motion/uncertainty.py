"""How well an armature's joints are known: covariance of their places, their turns' spread, and where they come from."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from jaxtyping import Float, UInt8

from recon3d.arrays import short_gaps
from recon3d.geometry import SE3, SO3
from recon3d.motion.evidence import Evidence
from recon3d.motion.fit import Fit
from recon3d.motion.habits import STRENGTH, Habit
from recon3d.motion.pose import Freedoms
from recon3d.motion.sizes import Body
from recon3d.records import State
from recon3d.skeleton import Armature, Attachments
from recon3d.skeleton.shape import Shape

_USUAL_WEIGHT = 0.05  # of what is usual of poses, in a frame that is alone
_FLOOR, _LEAST = 1e-9, 1e-6  # of the information, against frames with little and without any
_PART = 32  # frames
_DIRECTIONS = 12  # in which sizes are most uncertain; the others hardly move points, and cost as much each


def point_covariance(fit: Fit, body: Body) -> Float[np.ndarray, "frames points 3 3"]:
    """Covariance (m^2) of the points that the fit had evidence about."""
    steps = main_steps(fit, body)
    return _covariance(fit, fit.armature, steps, steps, body.jitter)


def joint_covariance(fit: Fit, body: Body, steps: Shape | None = None) -> Float[np.ndarray, "frames joints 3 3"]:
    """Covariance (m^2) of the joints' places; ``steps`` are `main_steps`, where they are known."""
    count = len(fit.armature.joints)
    every = Attachments(fit.armature.joints, np.arange(count), np.zeros((count, 3)), np.zeros(count))
    steps = main_steps(fit, body) if steps is None else steps
    still = replace(steps, point_basis=np.zeros((count, 3, len(steps.names))))
    return _covariance(fit, replace(fit.armature, attachments=every), steps, still, body.jitter)


def pose_covariance(fit: Fit, body: Body) -> Float[np.ndarray, "frames k k"]:
    """Covariance of the unknowns of every frame themselves, with what sizes and lasting errors make uncertain."""
    armature, f, steps = fit.armature, fit.freedoms, main_steps(fit, body)
    poses = fit.pose.on(armature)
    screws = armature.screws(poses, f.joint, f.axes(fit.pose, poses))
    follow = fit.factor.solve(_pulls(fit, steps, poses, screws))
    return fit.inverse.block + _lasting(fit, poses, screws, body.jitter) + follow @ np.swapaxes(follow, -1, -2)


def _pulls(fit: Fit, steps: Shape, poses: SE3, screws: Float[np.ndarray, "frames k 6"]) -> Float[np.ndarray, "frames k steps"]:
    """How steps of the sizes pull at the unknowns of every frame."""
    armature, out = fit.armature, np.empty((*screws.shape[:2], len(steps.names)))
    for rows, there in _in_parts(poses):
        own_slopes = armature.reach(screws[rows], fit.freedoms.joint, there)
        out[rows] = armature.pulled(own_slopes, fit.information[rows] @ steps.slopes(armature, there))
    return out


def _covariance(fit: Fit, riding: Armature, steps: Shape, own: Shape, jitter: float) -> Float[np.ndarray, "frames points 3 3"]:
    """Of the points on an armature.

    Poses are uncertain given the sizes, and sizes are: a step of the sizes moves a point itself, and by the poses
    that follow it, -H^-1 B, for the frames' equations H and their border B with the sizes. To that comes what detections
    are off by for so long that no smoothing finds it.

    Args:
        fit: of a window.
        riding: its armature with the points to judge.
        steps: of the sizes, one sigma each, for the points that there is evidence about.
        own: the same for the points to judge.
        jitter: share of the detections' sigma that is new in every frame.
    """
    armature, f = fit.armature, fit.freedoms
    poses = fit.pose.on(armature)
    screws = armature.screws(poses, f.joint, f.axes(fit.pose, poses))
    known = fit.inverse.block + _lasting(fit, poses, screws, jitter)
    follow = fit.factor.solve(_pulls(fit, steps, poses, screws))
    guesses = _guesses(fit) if fit.guessed.any() else np.zeros((*screws.shape[:2], 0))
    out = np.empty((len(screws), len(riding.attachments.points), 3, 3))
    for rows, there in _in_parts(poses):
        slopes = riding.reach(screws[rows], f.joint, there)
        moved = own.slopes(riding, there) - slopes @ follow[rows, None]
        moved = np.concatenate([moved, slopes @ guesses[rows, None]], -1)
        out[rows] = slopes @ known[rows, None] @ np.swapaxes(slopes, -1, -2) + moved @ np.swapaxes(moved, -1, -2)
    return out


def _in_parts(poses: SE3) -> Iterator[tuple[slice, SE3]]:
    """Some frames at a time, whose Jacobians fit into a processor's cache."""
    for start in range(0, len(poses.translation), _PART):
        rows = slice(start, start + _PART)
        yield rows, SE3(SO3(poses.rotation.matrix[rows]), poses.translation[rows])


def _lasting(fit: Fit, poses: SE3, screws: Float[np.ndarray, "frames k 6"], jitter: float) -> Float[np.ndarray, "frames k k"]:
    """Covariance of poses by detections' errors that stay as they are.

    An error that does not change moves the pose as if the frame were alone: smoothness does not resist it. With information A a
    frame, sharpened by 1 / jitter^2 for what is new, the lasting share 1 - jitter^2 of each detection's variance gives
    H^-1 A H^-1 (1 - jitter^2) / jitter^2, H = A and what is usual.
    """
    f = fit.freedoms
    if jitter >= 1.0:
        return np.zeros_like(fit.inverse.block)
    points = fit.armature.keypoints(poses)
    half, _ = fit.armature.normal_equations(screws, f.joint, poses, points, fit.information, np.zeros_like(points))
    half = np.tril(half)  # all that it fills
    seen = half + np.swapaxes(np.tril(half, -1), -1, -2)
    whole = seen.copy()
    whole[:, 3:, 3:] += Habit.usual(f, _USUAL_WEIGHT).precision
    whole += (_FLOOR * np.einsum("fii->f", seen)[:, None, None] / f.count + _LEAST) * np.eye(f.count)
    inverse = np.linalg.inv(whole)
    return (1 - jitter**2) / jitter**2 * inverse @ seen @ inverse


def _guesses(fit: Fit) -> Float[np.ndarray, "frames k guesses"]:
    """How poses follow where habits are not what they are taken for, one sigma each way.

    A limb that is hidden is held otherwise than usual for as long as it is hidden: many such frames know no more than one.
    """
    weak = 3 + np.flatnonzero(fit.guessed)
    precision = np.zeros((fit.freedoms.count, fit.freedoms.count))
    precision[3:, 3:] = fit.habit.precision
    spread = np.linalg.cholesky(np.linalg.inv(precision[np.ix_(weak, weak)]) * STRENGTH)
    push = precision[:, weak] @ spread
    return fit.factor.solve(np.broadcast_to(push, (len(fit.pose), *push.shape)).copy())


def misfits(armature: Armature, points: Float[np.ndarray, "frames points 3"], evidence: Evidence) -> Float[np.ndarray, "frames joints"]:
    """Root mean square residual, in sigmas, of the sound detections of points that ride on each joint; NaN where none do."""
    total, count = evidence.misfit(points)
    rides = (armature.attachments.joint[:, None] == np.arange(len(armature.joints))).astype(float)
    square, many = total @ rides, count @ rides
    return np.sqrt(np.where(many > 0, square / np.maximum(many, 1.0), np.nan))


def states(armature: Armature, freedoms: Freedoms, evidence: Evidence, longest_s: float) -> UInt8[np.ndarray, "frames joints"]:
    """Where each joint's turn comes from.

    Observed where a keypoint that it moves is seen; interpolated between frames at most ``longest_s`` apart in which
    one is; else inferred from the rest of the body and what is usual.
    """
    at = armature.attachments
    moves = armature.carries().T  # joint moves point
    moves &= at.offset.any(1) | (at.joint[None] != np.arange(len(armature.joints))[:, None])
    seen = (evidence.seen.astype(np.int64) @ moves.T.astype(np.int64)) > 0
    turning = np.zeros(len(armature.joints), bool)
    turning[freedoms.joint] = True
    for j, parent in enumerate(armature.skeleton.parents.tolist()):
        if not turning[j] and parent >= 0:
            # What cannot turn is as well known as what carries it; what could, but no keypoint tells how, is not.
            seen[:, j] = seen[:, parent] & (not armature.free[j].any())
    between = short_gaps(seen, evidence.time, longest_s)
    return np.where(seen, State.OBSERVED, np.where(between, State.INTERPOLATED, State.INFERRED)).astype(np.uint8)


def main_steps(fit: Fit, body: Body) -> Shape:
    """The uncertain directions of the sizes that move points most, one sigma long each; for the fit's own points."""
    own = body.shape
    value, vector = np.linalg.eigh(body.covariance)
    steps = vector * np.sqrt(np.maximum(value, 0.0))
    rows = [body.armature.attachments.points.index(p) for p in fit.armature.attachments.points]
    every = Shape(own.names, own.joint_basis @ steps, own.point_basis[rows] @ steps, np.ones(len(own.names)))
    sample = fit.pose.take(np.unique(np.linspace(0, len(fit.pose) - 1, 20).astype(int)))
    moved = (every.slopes(fit.armature, sample.on(fit.armature)) ** 2).mean((0, 1, 2))
    main = np.sort(np.argsort(-moved)[:_DIRECTIONS])
    names = tuple(own.names[k] for k in main)
    return Shape(names, every.joint_basis[..., main].copy(), every.point_basis[..., main].copy(), every.sigma[main].copy())
