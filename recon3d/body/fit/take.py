"""A body and its motion from a take's detections: one shape for all of it, then poses window by window."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from recon3d.body.fit.known import Known
from recon3d.body.fit.skin import SkinEvidence
from recon3d.body.fit.values import BodyFit, fit_values
from recon3d.body.linear import LinearModel
from recon3d.body.usual import load_usual_poses
from recon3d.errors import InputError
from recon3d.geometry.threads import single_threaded
from recon3d.motion import Body, Observed, Sample, joined, sample, solve_windows
from recon3d.motion.evidence import gather
from recon3d.motion.sizes import short_runs, with_manner
from recon3d.motion.solve import MotionSettings
from recon3d.records import Motion
from recon3d.records.motion import concatenate
from recon3d.skeleton import Layout, armature_of

LOOSE_M = 0.02
"""How far detectors put points beside a body model's."""
_HUMAN = ("human", "human_hands")
_NOBODY = "nobody is there whom a body could be fitted to"
_FEWEST_POINTS = 6  # of a body's keypoints that a layout must name


@dataclass(frozen=True, slots=True, eq=False)
class PersonFit:
    """Somebody's body, and how it moves.

    Attributes:
        fit: the body, and what it is worth.
        motion: of its armature.
    """

    fit: BodyFit
    motion: Motion


@dataclass(frozen=True, slots=True, eq=False)
class PersonBody:
    """Somebody's body, found on a sample of a take.

    Attributes:
        fit: the body, and what it is worth.
        sizes: the same for the motion solver.
    """

    fit: BodyFit
    sizes: Body


def fit_person(
    model: LinearModel,
    windows: Sequence[Observed],
    known: Known = Known(),
    settings: MotionSettings = MotionSettings(),
    loose_m: float = LOOSE_M,
    skins: Sequence[SkinEvidence] = (),
) -> PersonFit:
    """The body and motion of one person, of a take that fits into memory.

    Args:
        model: whose bodies.
        windows: what was seen of one person, window by window: detections in pixels, or points in space where there are none.
        known: of the body beforehand.
        settings: of its motion.
        loose_m: how far keypoints may lie beside the model's own, all the take long; 0 where they are its own.
        skins: what was measured of the skin in some frames.

    Raises:
        InputError: nobody is there, or the keypoints are not those of a human body.
    """
    found = measure_person(model, [sample(window) for window in windows], windows[0].world.layout, known, settings, loose_m, skins, windows)
    motion = concatenate(list(solve_windows(windows, found.sizes, settings)))
    if not np.isfinite(motion.translation).any():
        raise InputError(_NOBODY)
    return PersonFit(found.fit, motion)


def measure_person(
    model: LinearModel,
    samples: Sequence[Sample],
    layout: Layout,
    known: Known = Known(),
    settings: MotionSettings = MotionSettings(),
    loose_m: float = LOOSE_M,
    skins: Sequence[SkinEvidence] = (),
    windows: Iterable[Observed] = (),
) -> PersonBody:
    """The body of one person, from frames from all over a take.

    Args:
        model: whose bodies.
        samples: of each window, `motion.sample`.
        layout: of the keypoints.
        known: of the body beforehand.
        settings: of its motion.
        loose_m: how far keypoints may lie beside the model's own, all the take long; 0 where they are its own.
        skins: what was measured of the skin in some frames.
        windows: in which these frames are; not needed without skins.

    Raises:
        InputError: nobody is there, or the keypoints are not those of a human body.
    """
    check_layout(model, layout)
    every = _with_frames_of(short_runs(samples), windows, skins)
    if every is None or not len(every):
        raise InputError(_NOBODY)
    with single_threaded():
        evidence = gather(every, model.marks_at_rest(), 1.0)
        found = fit_values(model, evidence, known=known, loose_m=loose_m, skins=skins)
        own = found.armature
        sizes = model.shape(found.body.values, model.marks.select(own.attachments.points))
        body = Body(load_usual_poses().of(own), sizes, found.covariance, found.jitter)
        return PersonBody(found, with_manner(body, samples, settings.longest_gap))


def check_layout(model: LinearModel, layout: Layout) -> None:
    """Refuse keypoints that are not of a human body.

    Raises:
        InputError: of an animal, of hands alone.
    """
    shared = [name for name in layout.points if name in model.marks.points]
    if armature_of(layout.name) not in _HUMAN or len(shared) < _FEWEST_POINTS:
        raise InputError(f"layout {layout.name} is not of a human body: a fit needs {_FEWEST_POINTS} of its keypoints")


def _with_frames_of(every: Observed | None, windows: Iterable[Observed], skins: Sequence[SkinEvidence]) -> Observed | None:
    """The sampled frames, and those in which something was measured of the skin."""
    if every is None or not skins:
        return every
    wanted = np.unique([skin.time for skin in skins])
    parts: list[Observed] = []
    for window in windows:
        time = window.world.time
        rows = np.isin(time, every.world.time)
        slack = 0.5 * float(np.median(np.diff(time))) if len(time) > 1 else np.inf
        near = np.abs(time[:, None] - wanted).argmin(0)
        rows[near[np.abs(time[near] - wanted) <= slack]] = True
        if rows.any():
            parts.append(window.take(np.flatnonzero(rows)))
    return joined(parts) if parts else every
