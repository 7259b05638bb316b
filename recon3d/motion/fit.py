"""Poses of a window: the rounds in which scatter, smoothness and contacts are settled."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float
from scipy.ndimage import median_filter

from recon3d.geometry.time_banded import SelectedInverse, TimeFactor
from recon3d.geometry.time_solver import TimeSettings, TimeSolution, solve_in_time
from recon3d.motion.contact import Contacts, find_contacts, foot_points
from recon3d.motion.evidence import Evidence
from recon3d.motion.habits import Habit, learn_habit, well_seen
from recon3d.motion.pose import Freedoms, Pose, free_of
from recon3d.motion.problem import MotionProblem, Unknowns, fitted, plausible_of
from recon3d.motion.smoothness import Grid, estimate_variance, first_variance, local_variance
from recon3d.motion.start import starting_pose
from recon3d.skeleton import Armature

# Scatter allowed to detections (temper), weight of what is usual, share of the smoothness, steps. A start from single
# frames is rough: with all of the smoothness at once steps would be far too long to be straight.
_STAGES = ((0.03, 1.0, 0.01, 2), (1.0, 0.05, 1.0, 2))
_CALM_FRAMES = 5
_REST_WEIGHT = 0.05
_POWER = 2.0  # of the first round of the smoothness: the fixed point is far, and each round goes part of the way
_AGAIN = ((0.1, 6), (1.0, 10))  # scatter, steps, where some limbs start a second time
_WELL_SEEN = 0.995  # of all turns: else the take's habits decide about the others
_SETTLED = 1e-7  # damping where little is left to do
_NO_SHAPE = np.zeros(0)


@dataclass(frozen=True, slots=True, eq=False)
class Manner:
    """How somebody moves over a whole take.

    Attributes:
        variance: of the accelerations of all unknowns.
        rest: heights at which points of the feet rest, m.
    """

    variance: Float[np.ndarray, "k"]
    rest: Float[np.ndarray, "feet"]


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """Poses of some frames, and what they are worth.

    Attributes:
        armature: with the evidence's attachments.
        freedoms: what moves.
        pose: of every frame.
        inverse: covariance of the unknowns.
        contacts: points of feet that stand.
        manner: in which somebody moves.
        factor: of the last equations.
        information: that the evidence gives about each point's place, m^-2.
        habit: what poses are like where too few cameras see them.
        guessed: turns that it decides about in some frames.
    """

    armature: Armature
    freedoms: Freedoms
    pose: Pose
    inverse: SelectedInverse
    contacts: Contacts
    manner: Manner
    factor: TimeFactor
    information: Float[np.ndarray, "frames points 3 3"]
    habit: Habit
    guessed: Bool[np.ndarray, "turns"]


def fit(armature: Armature, evidence: Evidence, longest_s: float, manner: Manner | None = None) -> Fit:
    """Poses of all frames of the evidence.

    Args:
        armature: with the person's sizes.
        evidence: about its points.
        longest_s: frames further apart do not know of each other.
        manner: of the whole take; None to find it here.
    """
    problem = problem_of(armature, evidence, longest_s)
    freedoms, own = problem.freedoms, problem.armature
    start = Unknowns(_calmed(freedoms, freedoms.pose(*starting_pose(own, evidence))), _NO_SHAPE)
    solution = _first(problem, start)
    problem.evidence = evidence.exchanged(own.keypoints(solution.at.pose.on(own)))
    guessed = _guessed(problem)
    if guessed.any():
        solution = _limbs_again(problem, solution)
    at, whole = solution.at, first_variance(freedoms)
    if len(problem.stiffness):
        spread = 1 / problem.stiffness
        inverse = _factor(solution).selected_inverse()
        whole = estimate_variance(problem.grid, freedoms, at.pose, inverse, spread, _POWER) if manner is None else manner.variance
        spread = np.broadcast_to(whole, spread.shape)
        problem.stiffness = 1 / spread
        solution = solve_in_time(problem, at, TimeSettings(1, first_damping=_SETTLED))
        at = solution.at
        problem.stiffness = 1 / local_variance(problem.grid, freedoms, at.pose, _factor(solution).selected_inverse(), spread, whole)
    feet, places = foot_points(own.attachments), own.keypoints(at.pose.on(own))
    problem.contacts = find_contacts(places, evidence.time, feet, None if manner is None else manner.rest)
    return finished(problem, solve_in_time(problem, at, TimeSettings(2, first_damping=_SETTLED)), whole, guessed)


def problem_of(armature: Armature, evidence: Evidence, longest_s: float, freedoms: Freedoms | None = None) -> MotionProblem:
    """The problem of some frames before anything is known of how somebody moves; ``freedoms`` where they are known."""
    if freedoms is None:
        own = fitted(armature, evidence)
        freedoms = Freedoms(own, free_of(own, np.ones(len(own.attachments.points), bool)))
    own = freedoms.armature
    inner = max(len(evidence.time) - 2, 0)
    stiffness = np.broadcast_to(1 / first_variance(freedoms), (inner, freedoms.count))
    grid, habit = Grid.of(evidence.time, longest_s), Habit.usual(freedoms, _REST_WEIGHT)
    return MotionProblem(own, freedoms, evidence, grid, stiffness, habit, plausible=plausible_of(own, evidence))


def finished(
    problem: MotionProblem,
    solution: TimeSolution[Unknowns],
    variance: Float[np.ndarray, "k"],
    guessed: Bool[np.ndarray, "turns"] | None = None,
) -> Fit:
    """What a solution is worth; ``guessed`` turns follow habits that were learned."""
    factor, pose = _factor(solution), solution.at.pose
    own, contacts = problem.armature, problem.contacts
    assert contacts is not None
    information = problem.evidence.support(own.keypoints(pose.on(own))).information
    manner, habit = Manner(variance, contacts.rest), problem.habit
    guessed = np.zeros(problem.freedoms.count - 3, bool) if guessed is None else guessed
    return Fit(own, problem.freedoms, pose, factor.selected_inverse(), contacts, manner, factor, information, habit, guessed)


def _guessed(problem: MotionProblem) -> Bool[np.ndarray, "turns"]:
    """Turns that the take's habits decide about in some frames: many cameras look on, and too few of them see a limb."""
    sound = well_seen(problem.freedoms, problem.evidence)
    alone = problem.plausible is not None and not sound.any()  # of one camera; limbs started where they are likely to be
    if not len(problem.stiffness) or sound.mean() >= _WELL_SEEN or alone:
        return np.zeros(problem.freedoms.count - 3, bool)
    return (problem.freedoms.joint != 0) & ~np.logical_and.reduce(sound, axis=0)


def _first(problem: MotionProblem, at: Unknowns) -> TimeSolution[Unknowns]:
    """From poses of single frames to a whole that is smooth."""
    solution: TimeSolution[Unknowns] | None = None
    for temper, rest, ease, steps in _STAGES:
        stage = replace(problem, temper=temper, habit=Habit.usual(problem.freedoms, rest), stiffness=ease * problem.stiffness)
        solution = solve_in_time(stage, at, TimeSettings(steps))
        at = solution.at
    assert solution is not None
    return solution


def _limbs_again(problem: MotionProblem, solution: TimeSolution[Unknowns]) -> TimeSolution[Unknowns]:
    """Where limbs are seen by too few cameras, what the take tells of its habits decides.

    A limb that one camera sees may have turned the wrong way, towards it or away: it starts anew from what the rest of
    the body lets expect.
    """
    freedoms, pose = problem.freedoms, solution.at.pose
    sound = well_seen(freedoms, problem.evidence)
    problem.habit = learn_habit(freedoms, pose, sound, problem.evidence.time)
    expected = problem.habit.expected(freedoms.from_usual(pose), sound)
    at = Unknowns(freedoms.with_turns(pose, expected), _NO_SHAPE)
    for temper, steps in _AGAIN:
        solution = solve_in_time(replace(problem, temper=temper), at, TimeSettings(steps))
        at = solution.at
    return solution


def _calmed(freedoms: Freedoms, pose: Pose) -> Pose:
    """Poses found frame by frame without what single frames got wrong: turns of small parts are mostly noise."""
    off = freedoms.from_usual(pose)
    turning = freedoms.joint != 0
    off[:, turning] = median_filter(off[:, turning], (_CALM_FRAMES, 1), mode="nearest")
    return freedoms.with_turns(pose, off)


def _factor(solution: TimeSolution[Unknowns]) -> TimeFactor:
    return solution.factor or TimeFactor(solution.system, solution.system.floor(), quick=True)
