"""One body for a take: its parameters, together with the poses of some frames."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float

from recon3d.body.fit.known import Known
from recon3d.body.fit.offsets import Offsets
from recon3d.body.fit.problem import BodyProblem
from recon3d.body.fit.skin import SkinEvidence, surfaces_of
from recon3d.body.likeness import like
from recon3d.body.linear import LinearModel
from recon3d.body.marks import Marks
from recon3d.body.model import ShapedBody
from recon3d.errors import InputError
from recon3d.geometry.mixture import Mixture
from recon3d.geometry.time_banded import TimeFactor
from recon3d.geometry.time_solver import TimeSettings, TimeSolution, solve_in_time
from recon3d.motion.evidence import Evidence
from recon3d.motion.habits import Habit
from recon3d.motion.pose import Freedoms, Pose, free_of
from recon3d.motion.problem import Unknowns
from recon3d.motion.sizes import alike
from recon3d.motion.smoothness import Grid, first_variance
from recon3d.motion.start import starting_pose
from recon3d.records import BodyParams, Motion
from recon3d.records.body_params import untold
from recon3d.skeleton import Armature

_LONGEST_S = 0.25  # frames further apart do not know of each other
_NARROWER, _STEPS, _LEAST_REST = 30.0, 12, 0.15
_MOST_EASE = 0.01  # of the smoothness: what is quick would make bodies small
_FIRST, _FIRST_M = 0.03, 0.06  # scatter at first, of detections and of points in space
_FINGERS = ("_cmc", "_mcp", "_pip", "_dip", "_ip")
_WHOLLY = 0.8  # of a point, that a joint carries
_TRIES, _LAST_STEPS = 5, 40
_NEVER_STRAY = 1e15
_SMALLEST, _LARGEST = 0.2, 2.0  # over the usual body: a newborn's and nobody's
_WORTH = 0.05  # cost by which another side of a kink must be better
# A whole step is often too long for the sizes; what a body's sizes gain in the end is little in every frame, up in some and down in others.
_SETTINGS = TimeSettings(_STEPS, min_gain=1e-4, settled=0.05, shorter=0.25)
_ROUNDS, _ROUND_STEPS = 12, 2
_SETTLED, _SETTLED_M = 2e-4, 1e-4


@dataclass(frozen=True, slots=True, eq=False)
class BodyFit:
    """A body, and what it is worth.

    Attributes:
        body: found.
        covariance: of its parameters.
        pose: of the frames it was found on, on its armature.
        time: of these, s.
        informed: share of each parameter's variance that the evidence took away; near 0 where it is only what is usual.
        armature: with the points that there was evidence about, where they lie on this body.
        jitter: share of the detections' sigma that is new in every frame.
        beside_m: median distance of the body's points from where they were found in space.
    """

    body: ShapedBody
    covariance: Float[np.ndarray, "parameters parameters"]
    pose: Pose
    time: Float[np.ndarray, "frames"]
    informed: Float[np.ndarray, "parameters"]
    armature: Armature
    jitter: float
    beside_m: float

    def guessed(self) -> tuple[str, ...]:
        """Parameters that nothing was seen of: what is usual, no measurement."""
        return untold(self.body.model.parameters, self.informed)

    def params(self, motion: Motion) -> BodyParams:
        """For files, with a motion of the body's armature."""
        model = self.body.model
        return BodyParams(model.name, model.parameters, self.body.values.copy(), self.covariance.copy(), self.informed.copy(), motion)


def fit_values(
    model: LinearModel,
    evidence: Evidence,
    marks: Marks | None = None,
    known: Known = Known(),
    start: Float[np.ndarray, "parameters"] | None = None,
    skins: Sequence[SkinEvidence] = (),
    loose_m: float = 0.0,
) -> BodyFit:
    """The body that moves as the evidence has it.

    Args:
        model: whose bodies.
        evidence: about marks of the model.
        marks: these; None for its keypoints.
        known: beforehand.
        start: parameters to start from; None for a body of about the evidence's size.
        skins: what was measured of the skin, in frames of the evidence.
        loose_m: how far points may lie beside the model's own, on this body; 0 where they are its own.
    """
    marks = (model.marks if marks is None else marks).select(evidence.attachments.points)
    values = first_values(model, evidence, marks, known) if start is None else start
    problem, near = problem_of(model, evidence, marks, known, values, bool(skins), loose_m)
    sharp = float(evidence.root_information.max(initial=0.0))  # one over the least sigma
    return solved(
        problem,
        [near, Unknowns(_at_ease(problem.freedoms, near.pose), near.shape)],
        min(_FIRST, (sharp * _FIRST_M) ** -2.0) if sharp else _FIRST,
        skins,
    )


def problem_of(
    model: LinearModel,
    evidence: Evidence,
    marks: Marks,
    known: Known,
    values: Float[np.ndarray, "parameters"],
    skin: bool = False,
    loose_m: float = 0.0,
) -> tuple[BodyProblem, Unknowns]:
    """The problem that `fit_values` solves, before anything is known of the poses, and its start: each frame by itself.

    Args:
        model: whose bodies.
        evidence: about marks of the model.
        marks: these, in the evidence's order.
        known: beforehand.
        values: parameters to start from.
        skin: whether there is evidence about the skin, too.
        loose_m: how far points may lie beside the model's own.
    """
    own = model.armature(values, marks)
    freedoms = Freedoms(own, _free(own, evidence, skin))
    offsets = Offsets.of(marks, loose_m)
    stiffness = np.broadcast_to(1 / first_variance(freedoms), (max(len(evidence.time) - 2, 0), freedoms.count))
    problem = BodyProblem(
        own,
        freedoms,
        evidence,
        Grid.of(evidence.time, _LONGEST_S),
        stiffness,
        Habit.usual(freedoms, 1.0),
        model=model,
        marks=marks,
        offsets=offsets,
        known=known,
    )
    shape = np.concatenate([values, np.zeros(len(offsets.sigma_m))])
    return problem, Unknowns(freedoms.pose(*starting_pose(own, evidence)), shape)


def solved(problem: BodyProblem, starts: Sequence[Unknowns], first: float, skins: Sequence[SkinEvidence] = ()) -> BodyFit:
    """From the better of several starts, frame by frame; where there is evidence about the skin, what it means is settled round by round.

    Args:
        problem: of some frames.
        starts: to go on from.
        first: scatter (temper) that is allowed at first.
        skins: what was measured of the skin.
    """
    stage, at, told = problem, starts[0], _told(problem)
    for k, (temper, rest, ease, steps) in enumerate(_stages(first)):
        weight = np.where(told, rest, 1.0)
        stage = replace(problem, temper=temper, habit=Habit.usual(problem.freedoms, weight), stiffness=ease * problem.stiffness)
        settings = replace(_SETTINGS, max_steps=steps)
        at = _best_of([solve_in_time(stage, one, settings) for one in starts], stage) if k == 0 else solve_in_time(stage, at, settings).at
    jitter = _jitter(stage, at)
    stage = replace(stage, repeated=alike(jitter))
    for _ in range(_ROUNDS if skins else 0):
        before, body = at, problem.model.shaped(problem.values(at))
        stage = replace(stage, surfaces=surfaces_of(problem.model, body, at.pose, problem.evidence.time, skins))
        at = solve_in_time(stage, at, replace(_SETTINGS, max_steps=_ROUND_STEPS)).at
        if (
            np.abs(problem.values(at) - problem.values(before)).max() < _SETTLED
            and np.abs(at.pose.translation - before.pose.translation).max() < _SETTLED_M
        ):
            break
    solution = _beyond_kinks(stage, at)
    factor, values = TimeFactor(solution.system, solution.system.floor()), problem.values(solution.at)
    covariance = stage.repeated * np.linalg.inv(factor.reduced_corner(solution.system, factor.solve(solution.system.border)))
    usual = np.linalg.inv(Known().prior(problem.model, values)[0])
    informed = 1 - np.clip(np.diag(covariance)[: len(values)] / np.diag(usual), 0.0, 1.0)
    return BodyFit(
        problem.model.shaped(values),
        covariance[: len(values), : len(values)],
        solution.at.pose,
        problem.evidence.time,
        informed,
        problem.body(solution.at),
        jitter,
        _beside_m(problem, solution.at),
    )


def _jitter(problem: BodyProblem, at: Unknowns) -> float:
    body = problem.body(at)
    return problem.evidence.jitter(body.keypoints(at.pose.on(body)), problem.grid.ahead > 0)


def _beside_m(problem: BodyProblem, at: Unknowns) -> float:
    body, evidence = problem.body(at), problem.evidence
    off = np.linalg.norm(body.keypoints(at.pose.on(body)) - evidence.xyz, axis=-1)[evidence.known]
    return float(np.median(off)) if len(off) else 0.0


def _told(problem: BodyProblem) -> Bool[np.ndarray, "turns"]:
    """Turns that move some point with evidence as a whole: others move it a little, and would explain its noise."""
    armature, at = problem.freedoms.armature, problem.evidence.attachments
    blend = problem.model.armature(problem.model.usual, problem.marks).attachments.blend
    assert blend is not None and blend.count == len(at.points)
    carried = blend.summed(blend.share[:, None] * armature.skeleton.descends()[blend.joint])
    seen = np.logical_or.reduce(problem.evidence.seen, axis=0)
    return np.logical_or.reduce(carried[seen] > _WHOLLY, axis=0)[problem.freedoms.joint]


def _at_ease(freedoms: Freedoms, pose: Pose) -> Pose:
    """Where a pose is and whichever way it faces, with all joints as they usually are: from which none is twisted past its limits."""
    off = freedoms.from_usual(pose)
    return freedoms.with_turns(pose, np.where(freedoms.joint == 0, off, 0.0))


def _best_of(found: Sequence[TimeSolution[Unknowns]], problem: BodyProblem) -> Unknowns:
    """The sizes of the best, and of every frame the pose that costs least with these."""
    shape = min(found, key=lambda one: one.cost).at.shape
    every = [Unknowns(one.at.pose, shape) for one in found]
    best = np.argmin([problem.linearise(one)[1] for one in every], axis=0)
    pose = every[0].pose.take(slice(None))
    for k, one in enumerate(every):
        rows = best == k
        for name in ("translation", "rotation", "angle"):
            getattr(pose, name)[rows] = getattr(one.pose, name)[rows]
    return Unknowns(pose, shape)


def _stages(first: float) -> list[tuple[float, float, float, int]]:
    """Scatter allowed to the evidence narrows, the pose at rest steps back, smoothness comes in (as for `motion.sizes`)."""
    count = 1 + int(np.ceil(np.log(1 / first) / np.log(_NARROWER)))
    scatter = np.geomspace(first, 1.0, count)
    rest, ease = np.geomspace(1.0, _LEAST_REST, count), np.geomspace(0.001, _MOST_EASE, count)
    return [(float(t), float(r), float(e), _STEPS) for t, r, e in zip(scatter, rest, ease, strict=True)]


def _beyond_kinks(problem: BodyProblem, at: Unknowns) -> TimeSolution[Unknowns]:
    """The best of what is found on either side of the values where a parameter changes its direction: least squares stop there."""
    best = solve_in_time(problem, at, _SETTINGS)
    model = problem.model
    tried = {_sides(model, problem.values(best.at))}
    better = True
    while better:
        better = False
        for k, value in _neighbours(model, problem.values(best.at)):
            other = np.where(np.arange(len(best.at.shape)) == k, value, best.at.shape)
            sides = _sides(model, other[: len(model.parameters)])
            if sides in tried:
                continue
            tried.add(sides)
            found = solve_in_time(problem, Unknowns(best.at.pose, other), replace(_SETTINGS, max_steps=_TRIES))
            if found.cost < best.cost - _WORTH:
                best, better = solve_in_time(problem, found.at, _SETTINGS), True
    return solve_in_time(problem, best.at, replace(_SETTINGS, max_steps=_LAST_STEPS))


def _sides(model: LinearModel, values: Float[np.ndarray, "parameters"]) -> tuple[int, ...]:
    """Between which kinks each parameter is."""
    return tuple(int(np.searchsorted(kinks, value)) for kinks, value in zip(model.kinks(), values, strict=True))


def _neighbours(model: LinearModel, values: Float[np.ndarray, "parameters"]) -> list[tuple[int, float]]:
    """Values on the other side of a kink beside a parameter: as far from it, within the stretch that begins there."""
    out: list[tuple[int, float]] = []
    for k, kinks in enumerate(model.kinks()):
        ends = [float(model.lowest[k]), *kinks, float(model.highest[k])]
        side = int(np.searchsorted(kinks, values[k]))
        for kink, far in ((ends[side], ends[side - 1] if side else None), (ends[side + 1], ends[side + 2] if side < len(kinks) else None)):
            if far is not None:
                reach = np.clip(abs(values[k] - kink), 0.2 * abs(far - kink), 0.8 * abs(far - kink))
                out.append((k, float(kink + np.sign(far - kink) * reach)))
    return out


def points_evidence(
    marks: Marks,
    model: LinearModel,
    xyz: Float[np.ndarray, "frames points 3"],
    sigma_m: float,
    time: Float[np.ndarray, "frames"] | None = None,
) -> Evidence:
    """Marks whose places are known for sure (a mesh's, another body model's), m; NaN where one is not."""
    frames = len(xyz)
    known: Bool[np.ndarray, "frames points"] = np.logical_and.reduce(np.isfinite(xyz), axis=-1)
    root = np.eye(3) / sigma_m * known[..., None, None]
    attachments = model.armature(model.usual, marks).attachments
    when = 10.0 * np.arange(frames) if time is None else time
    return Evidence(
        attachments,
        when,
        np.where(known[..., None], xyz, 0.0),
        known,
        root,
        (),
        np.zeros(known.shape, np.uint8),
        Mixture.of(0.1, 60.0),
        stray_chi2=_NEVER_STRAY,
    )


def first_values(model: LinearModel, evidence: Evidence, marks: Marks, known: Known) -> Float[np.ndarray, "parameters"]:
    """A body of about the evidence's size: the extent of its points, frame by frame, over that of the usual body's."""
    usual = model.armature(model.usual, marks)
    ratio = _size_ratio(usual, evidence)
    if not _SMALLEST < ratio < _LARGEST:
        raise InputError(
            f"the keypoints lie {ratio:.2g} times as far apart as a grown-up's: they are no person's, or their unit is not metres"
        )
    return like(model, replace(usual, rest_offset=ratio * usual.rest_offset), known.height_m).values


def _size_ratio(armature: Armature, evidence: Evidence) -> float:
    at = armature.attachments
    places = armature.rest_positions()[at.joint] + at.offset
    spread = []
    for xyz, there in zip(evidence.xyz, evidence.known, strict=True):
        if there.sum() > 3:
            true, own = (np.sqrt(np.square(p[there] - p[there].mean(0)).sum()) for p in (xyz, places))
            spread.append(true / own)
    return float(np.quantile(spread, 0.9)) if spread else 1.0


def _free(own: Armature, evidence: Evidence, skin: bool) -> Bool[np.ndarray, "joints 3"]:
    """What turns: joints that keypoints tell of, and with evidence about the skin all but fingers, which slip into each other."""
    told = free_of(own, np.logical_or.reduce(evidence.seen, axis=0))
    fingers = np.array([name.endswith(_FINGERS) for name in own.joints])
    return told | (own.free & ~fingers[:, None]) if skin else told
