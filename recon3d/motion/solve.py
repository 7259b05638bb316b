"""From a person's detections to its motion: sizes once a take, then poses window by window."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int

from recon3d.arrays import short_gaps, with_neighbours
from recon3d.errors import InputError
from recon3d.geometry import SO3
from recon3d.geometry.lie import without_sign_flips
from recon3d.geometry.threads import single_threaded
from recon3d.motion.evidence import Evidence, Observed, bridged, gather, joined
from recon3d.motion.fit import Fit, fit
from recon3d.motion.sizes import Body, Sample, measure_body, sample
from recon3d.motion.uncertainty import joint_covariance, misfits, states
from recon3d.records import Keypoints3D, Motion
from recon3d.records.keypoints3d import of_people
from recon3d.records.motion import concatenate
from recon3d.skeleton import STATURE_M, Armature, Layout, armature_of, load_armature

_MIN_POINTS = 4  # keypoints below which a frame has no pose
_OVERLAP_S = 0.5  # of neighbouring windows, on either side; evidence further away does not tell


@dataclass(frozen=True, slots=True)
class MotionSettings:
    """How motion is fitted."""

    armature: str = "auto"
    """Name or TOML path of the armature; auto for the layout's own: a human body, unless a shipped one names the layout."""
    longest_gap: float = 0.5
    """Seconds without any detection of somebody, or of a limb, that are bridged."""
    free_cameras: bool = False
    """Correct the cameras' places and clocks a little, together with the motion."""

    def __post_init__(self) -> None:
        if not 0 < self.longest_gap < np.inf:
            raise InputError(f"longest_gap must be positive, not {self.longest_gap}")


@dataclass(frozen=True, slots=True)
class Stature:
    """How tall somebody is taken to be.

    Attributes:
        height_m: standing.
        share: standard deviation of a body's size given that, as a share.
    """

    height_m: float
    share: float

    def of(self, armature: Armature) -> Armature:
        """A human armature as large."""
        ratio = self.height_m / STATURE_M
        return armature.with_sizes(armature.rest_offset * ratio, armature.attachments.offset * ratio)


def chosen_armature(settings: MotionSettings, layout: Layout) -> Armature:
    """The armature that the settings ask for, before anything is measured."""
    return load_armature(armature_of(layout.name) if settings.armature == "auto" else settings.armature)


def measure(samples: Sequence[Sample], layout: Layout, settings: MotionSettings = MotionSettings(), stature: Stature | None = None) -> Body:
    """The person's body from samples of all windows (`sample`); ``stature`` where the evidence cannot tell how large it is."""
    armature = chosen_armature(settings, layout)
    with single_threaded():
        if stature is None:
            return measure_body(samples, armature, settings.longest_gap, settings.free_cameras)
        return measure_body(samples, stature.of(armature), settings.longest_gap, settings.free_cameras, stature.share)


def solve_windows(windows: Iterable[Observed], body: Body, settings: MotionSettings = MotionSettings()) -> Iterator[Motion]:
    """Motion of one person, window by window; each is solved with half a second of its neighbours, so that seams do not show."""
    for before, now, after in with_neighbours(windows):
        yield solve_window(before, now, after, body, settings)


def solve_window(
    before: Observed | None, now: Observed, after: Observed | None, body: Body, settings: MotionSettings = MotionSettings()
) -> Motion:
    """Motion in one window, given its neighbours."""
    head = None if after is None else _near(after, float(now.world.time[-1]) + _OVERLAP_S, first=True)
    tail = None if before is None else _near(before, float(now.world.time[0]) - _OVERLAP_S, first=False)
    parts = [part for part in (tail, now, head) if part is not None]
    start = 0 if tail is None else len(tail)
    with single_threaded():
        return _solve(joined(parts), slice(start, start + len(now)), body, settings)


def solve(people: Mapping[int, Sequence[Observed]], settings: MotionSettings = MotionSettings()) -> dict[int, Motion]:
    """Everybody's motion, of a take that fits into memory; `multiview.reconstruct` and `in_space` make what it is solved from."""
    out: dict[int, Motion] = {}
    for person, windows in people.items():
        body = measure([sample(seen) for seen in windows], windows[0].world.layout, settings)
        out[person] = concatenate(list(solve_windows(windows, body, settings)))
    return out


def in_space(world: Keypoints3D) -> dict[int, list[Observed]]:
    """Everybody of keypoints that are known in space only (markers, a lifter), as evidence."""
    return {person: [Observed(of_people(world, [person]))] for person in world.people.tolist()}


def _near(seen: Observed, limit: float, first: bool) -> Observed | None:
    time = seen.world.time
    rows = np.flatnonzero(time <= limit if first else time >= limit)
    return seen.take(rows) if len(rows) else None


def _solve(seen: Observed, own: slice, body: Body, settings: MotionSettings) -> Motion:
    seen = seen if body.cameras is None else body.cameras.of(seen)
    points = body.armature.attachments.select(seen.world.layout.points).points
    rows = np.flatnonzero(_posed(seen.detected(points), seen.world.time, settings.longest_gap))
    if not len(rows):
        return _motion_of(seen, own, rows, None, body, settings.longest_gap)
    evidence = gather(bridged(seen).take(rows), body.armature.attachments, body.jitter)
    found = fit(body.armature, evidence, settings.longest_gap, body.manner)
    return _motion_of(seen, own, rows, (found, evidence), body, settings.longest_gap)


def _motion_of(
    seen: Observed,
    own: slice,
    rows: Int[np.ndarray, "some"],
    fitted: tuple[Fit, Evidence] | None,
    body: Body,
    longest_s: float,
) -> Motion:
    """The record of some frames.

    Args:
        seen: a window.
        own: its frames that are wanted.
        rows: its frames that were fitted.
        fitted: the fit of those, and the evidence about them; None where there are none.
        body: whose motion it is.
        longest_s: gaps up to this are bridged.
    """
    armature, world = body.armature, seen.world
    frames, joints = len(world), len(armature.joints)
    translation, rotation = np.full((frames, 3), np.nan), np.full((frames, joints, 4), np.nan)
    covariance = np.full((frames, joints, 3, 3), np.nan)
    state, contact = np.zeros((frames, joints), np.uint8), np.zeros((frames, joints), bool)
    misfit = np.full((frames, joints), np.nan)
    if fitted is not None:
        found, evidence = fitted
        translation[rows] = found.pose.translation
        rotation[rows] = SO3(found.pose.rotation).wxyz()
        covariance[rows] = joint_covariance(found, body)
        state[rows] = states(found.armature, found.freedoms, evidence, longest_s)
        misfit[rows] = misfits(found.armature, found.armature.keypoints(found.pose.on(found.armature)), evidence)
        rides = found.armature.attachments.joint[:, None] == np.arange(joints)
        contact[rows] = (found.contacts.held.astype(np.int64) @ rides.astype(np.int64)) > 0
    return Motion(
        person=int(world.people[0]),
        armature=armature,
        frame=world.frame[own].copy(),
        time=world.time[own].copy(),
        translation=translation[own].copy(),
        rotation=without_sign_flips(rotation[own]),
        covariance=covariance[own].copy(),
        state=state[own].copy(),
        misfit=misfit[own].copy(),
        contact=contact[own].copy(),
    )


def _posed(seen: Bool[np.ndarray, "frames points"], time: np.ndarray, longest_s: float) -> Bool[np.ndarray, "frames"]:
    """Frames in which somebody is there: seen, or between two such frames that are not far apart."""
    there = seen.sum(1) >= min(_MIN_POINTS, seen.shape[1])
    return there | short_gaps(there, time, longest_s)
