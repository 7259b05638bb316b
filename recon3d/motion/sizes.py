"""A person's sizes from a sample of the take: constant, left as right, found together with the poses."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from recon3d.geometry import CameraRig
from recon3d.geometry.time_banded import TimeFactor, TimeSystem
from recon3d.geometry.time_solver import TimeSettings, solve_in_time
from recon3d.motion.cameras import CameraProblem, Corrections, Free, cameras_of
from recon3d.motion.evidence import Evidence, Observed, bridged, gather, joined
from recon3d.motion.fit import Manner, fit
from recon3d.motion.habits import Habit
from recon3d.motion.pose import Freedoms, free_of
from recon3d.motion.prior import body_size
from recon3d.motion.problem import MotionProblem, Unknowns, fitted, plausible_of
from recon3d.motion.smoothness import Grid, first_variance
from recon3d.motion.start import joint_targets, starting_pose
from recon3d.skeleton import Armature
from recon3d.skeleton.shape import Shape, anthropometric

_RUNS, _RUN = 8, 6  # sizes are taken from so many runs of so many frames
_CAMERA_STEPS = 3  # times as many where cameras are free
_STRETCHES, _STRETCH_S = 6, 1.5
_MIN_POINTS = 4
_HELD = 0.002  # of a size that is not to be found
_ALONE = 0.15  # of how far proportions may be usual, with one camera: limbs that point at it look short, in all frames alike
_LONGEST_S = 0.25  # frames further apart are of different runs
# Scatter allowed to detections (temper) narrows; the pose at rest, which keeps limbs in order at first, steps back:
# over many frames it would bend the body to be at rest on average. Smoothness comes in slowly: a start from single
# frames is rough, and far too rough for steps to be straight.
_STAGES = ((0.03, 1.0, 0.001, 2), (1.0, 0.01, 0.3, 3))


@dataclass(frozen=True, slots=True, eq=False)
class Body:
    """Somebody's armature, and how well it is known.

    Attributes:
        armature: with this person's sizes.
        shape: ways in which it might differ.
        covariance: of the numbers of that shape.
        jitter: share of the detections' sigma that is new in every frame.
        manner: of moving, over a take of several windows; a single window shows its own.
        cameras: corrections of them, where they were free.
    """

    armature: Armature
    shape: Shape
    covariance: Float[np.ndarray, "shapes shapes"]
    jitter: float = 1.0
    manner: Manner | None = None
    cameras: Corrections | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """What a take is measured on, out of one window.

    Attributes:
        frames: short runs from all over the window, for sizes.
        stretch: one longer run, for the manner of moving.
    """

    frames: Observed
    stretch: Observed


def sample(seen: Observed) -> Sample:
    """Of a window."""
    seen = bridged(seen)
    there = np.flatnonzero((seen.world.state[:, 0] > 0).sum(1) >= _MIN_POINTS)
    middle = len(there) // 2
    half = int(_STRETCH_S / float(np.median(np.diff(seen.world.time))) / 2) if len(seen) > 1 else 1
    return Sample(seen.take(_runs(there)), seen.take(there[max(middle - half, 0) : middle + half]))


def _runs(there: np.ndarray) -> np.ndarray:
    """Runs of frames out of those in which somebody is there."""
    if len(there) <= _RUNS * _RUN:
        return there
    starts = np.linspace(0, len(there) - _RUN, _RUNS).astype(int)
    return there[np.unique((starts[:, None] + np.arange(_RUN)).ravel())]


def measure_body(
    samples: Sequence[Sample], armature: Armature, longest_s: float, free_cameras: bool = False, stature_sigma: float = 0.0
) -> Body:
    """The person's armature from samples of all windows.

    Args:
        samples: of all windows.
        armature: before anything is measured.
        longest_s: frames further apart do not know of each other.
        free_cameras: correct the cameras with it.
        stature_sigma: how uncertain the armature's size is, as a share, where the evidence cannot tell it (one camera); 0 where it can.
    """
    shape = anthropometric(armature)
    if stature_sigma:
        alone = shape.sigma * _ALONE
        alone[0] = _HELD
        shape = replace(shape, sigma=alone)
    every = short_runs(samples)
    if every is None:
        return Body(armature, shape, np.diag(shape.sigma**2))
    if stature_sigma and every.prior is not None:
        armature = every.prior.proportioned(armature)
    body = _fit(armature, shape, gather(every, armature.attachments), cameras_of(every) if free_cameras else None)
    if stature_sigma:
        body = _as_large(body, armature, stature_sigma)
    return with_manner(body, samples, longest_s)


def short_runs(samples: Sequence[Sample]) -> Observed | None:
    """Frames from all over a take, for sizes; None where nobody is ever there."""
    parts = [one.frames for one in samples if len(one.frames)]
    if not parts:
        return None
    every = joined(parts)
    return every.take(_runs(np.arange(len(every))))


def with_manner(body: Body, samples: Sequence[Sample], longest_s: float) -> Body:
    """The same with its manner of moving, where a take has several windows."""
    stretches = [one.stretch for one in samples if len(one.stretch) > 2]
    if len(samples) == 1 or not stretches:
        return body
    stretch = joined([stretches[k] for k in np.unique(np.linspace(0, len(stretches) - 1, _STRETCHES).astype(int))])
    evidence = gather(stretch if body.cameras is None else body.cameras.of(stretch), body.armature.attachments, body.jitter)
    return replace(body, manner=fit(body.armature, evidence, longest_s).manner)


def alike(jitter: float) -> float:
    """How many times as uncertain sizes are as the frames of a run would have it: as far as errors are the same in all, they are one."""
    return 1 + (_RUN - 1) * (1 - jitter**2)


def _as_large(body: Body, armature: Armature, stature_sigma: float) -> Body:
    """A body of one camera: lengths compared with each other are its own, how large it is is told.

    What a camera alone sees of limbs is short where their turn is not quite right, and lasting errors of a detector look like pose:
    such evidence is not taken for sharper than it says.
    """
    own, ratio = body.armature, body_size(armature) / body_size(body.armature)
    body.covariance[0, 0] += stature_sigma**2
    return replace(body, armature=own.with_sizes(own.rest_offset * ratio, own.attachments.offset * ratio), jitter=1.0)


def _fit(armature: Armature, shape: Shape, evidence: Evidence, cameras: CameraRig | None) -> Body:
    own = fitted(armature, evidence)
    points = [armature.attachments.points.index(p) for p in own.attachments.points]
    held = shape.used(points)
    freedoms = Freedoms(own, free_of(own, np.logical_or.reduce(evidence.seen, axis=0)))
    grid = Grid.of(evidence.time, _LONGEST_S)
    stiffness = np.broadcast_to(1 / first_variance(freedoms), (max(len(evidence.time) - 2, 0), freedoms.count))
    size = np.zeros(len(held.names))
    size[0] = _size_ratio(own, evidence) - 1
    at = Unknowns(freedoms.pose(*starting_pose(held.apply(own, size), evidence)), size)
    plausible = plausible_of(held.apply(own, size), evidence)
    problem = MotionProblem(own, freedoms, evidence, grid, stiffness, Habit.usual(freedoms, 1.0), shape=held, plausible=plausible)
    system: TimeSystem | None = None
    camera = np.zeros((0 if cameras is None else len(cameras), 7))
    for temper, rest, ease, steps in _STAGES:
        stage = replace(problem, temper=temper, habit=Habit.usual(freedoms, rest), stiffness=stiffness * ease)
        if cameras is None:
            solution = solve_in_time(stage, at, TimeSettings(max_steps=steps))
            at, system = solution.at, solution.system
        else:
            free = solve_in_time(CameraProblem(stage), Free(at, camera), TimeSettings(max_steps=_CAMERA_STEPS * steps))
            at, camera, system = free.at.all, free.at.camera, free.system
    assert system is not None
    factor = TimeFactor(system, system.floor())
    reduced = factor.reduced_corner(system, factor.solve(system.border))
    # What the evidence has no part in keeps its prior.
    covariance, value = np.diag(shape.sigma**2), np.zeros(len(shape.names))
    rows = [shape.names.index(name) for name in held.names]
    body = held.apply(own, at.shape)
    jitter = evidence.jitter(body.keypoints(at.pose.on(body)), grid.ahead > 0)
    covariance[np.ix_(rows, rows)], value[rows] = np.linalg.inv(reduced)[: len(rows), : len(rows)] * alike(jitter), at.shape
    corrections = None if cameras is None else Corrections(cameras.names, camera[:, :6].copy(), camera[:, 6].copy())
    return Body(shape.apply(armature, value), shape, covariance, jitter, cameras=corrections)


def _size_ratio(armature: Armature, evidence: Evidence) -> float:
    """How much larger somebody is than the armature: the median over distances between joints that points stand for."""
    target, known = joint_targets(armature, evidence)
    rest = armature.rest_positions()
    shown = np.flatnonzero(known.any(0))
    parents = armature.skeleton.parents.tolist()
    ratio: list[float] = []
    for j in shown.tolist():
        above = parents[j]
        while above >= 0 and above not in shown:
            above = parents[above]
        both = known[:, j] & known[:, above] if above >= 0 else np.zeros(1, bool)
        if both.any():
            seen = np.median(np.linalg.norm(target[both, j] - target[both, above], axis=-1))
            ratio.append(float(seen / np.linalg.norm(rest[j] - rest[above])))
    return float(np.clip(np.median(ratio), 0.2, 5.0)) if ratio else 1.0
