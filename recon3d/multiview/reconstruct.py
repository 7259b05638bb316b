"""From the 2D keypoints of many cameras to 3D: who, how noisy, where."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from recon3d import motion
from recon3d.errors import InputError
from recon3d.geometry import CameraRig
from recon3d.geometry.links import Links
from recon3d.geometry.triangulation import RobustSettings
from recon3d.multiview.agreement import Agreement, judge_agreement
from recon3d.multiview.moving import PIECE, fold_agreement, fold_noise, standing, take
from recon3d.multiview.noise import NoiseScale, estimate_noise
from recon3d.multiview.people import Claim, PeopleTracker
from recon3d.multiview.people.points import answered, claims_of, detections_of, hollow, points_of, slots_of
from recon3d.multiview.plausible import refuse_all, refuse_giants, refuse_hopeless, refuse_nobody
from recon3d.multiview.subject import SubjectTracker, subject_only
from recon3d.multiview.sync import Seen, Timeline, Views, align_in_time, check_cameras, join, synchronise
from recon3d.records import Association, Keypoints3D
from recon3d.records.keypoints3d import concatenate, of_people
from recon3d.skeleton import LIMBS, Layout, body_links

_SAMPLE_RUNS, _SAMPLE_RUN = 8, 6  # noise is measured on so many runs of so many frames


@dataclass(frozen=True, slots=True)
class MultiviewSettings:
    """How people are triangulated."""

    min_confidence: float = 0.3
    """Detections below are not used."""
    outlier_share: float = 0.1
    """Share of detections expected to be of something else."""
    min_certainty: float = 0.997
    """A point is left out when its position is less certain than this."""
    people: int = 0
    """People that are reconstructed at the most, those that were seen most; 0 for all."""
    window: int = 2000
    """Frames worked on at once; memory grows with it."""

    def __post_init__(self) -> None:
        for name, low, high in (("min_confidence", 0, 1), ("min_certainty", 0, 1), ("outlier_share", 0.001, 0.5)):
            if not low <= getattr(self, name) <= high:
                raise InputError(f"{name} must lie between {low} and {high}, not {getattr(self, name)}")
        if self.people < 0:
            raise InputError(f"people must be 0 (all) or more, not {self.people}")
        if self.window < 1:
            raise InputError(f"window must be 1 or more, not {self.window}")


@dataclass(frozen=True, slots=True, eq=False)
class Calibrated:
    """What is measured on a sample of the take before it is reconstructed."""

    noise: NoiseScale
    agreement: Agreement


def survey(sample: Views, rig: CameraRig, settings: MultiviewSettings) -> Calibrated:
    """Noise of each camera and agreement of the rig, from a sample of the take.

    Raises:
        CameraError: nobody is seen by two cameras, or no reading of the rig fits what they saw.
    """
    if rig.moving:
        few = np.unique(np.linspace(0, len(sample) - 1, min(PIECE, len(sample))).astype(int))
        piece = next(standing(take(sample, few), rig))
        known = survey(piece.views, piece.rig, settings)
        return Calibrated(fold_noise(known.noise, piece.owner, len(rig)), fold_agreement(known.agreement, piece.owner, rig.names))
    tracker = SubjectTracker(rig, settings.min_confidence)
    xy, sigma = subject_only(sample, tracker, settings.min_confidence)
    if (np.isfinite(xy[..., 0]).sum(0) >= 2).sum() == 0:
        refuse_nobody(sample, rig, settings.min_confidence)
    limbs = [sample.layout.index(name) for name in LIMBS if name in sample.layout.points] or list(range(len(sample.layout)))
    views = len(rig)
    points = refuse_hopeless(sample, rig, limbs, xy[:, :, limbs], settings.min_confidence)
    if set(LIMBS) <= set(sample.layout.points):
        refuse_giants(points)
    noise = estimate_noise(rig, xy[:, :, limbs].reshape(views, -1, 2), sigma[:, :, limbs].reshape(views, -1))
    return Calibrated(noise, judge_agreement(rig, xy, sample.frame, limbs))


def sample_of(seen: Sequence[Seen], timeline: Timeline) -> Views:
    """Runs of consecutive frames from all over the take, for `survey`."""
    total = len(timeline.frame)
    runs = min(_SAMPLE_RUNS, -(-total // _SAMPLE_RUN))
    starts = np.linspace(0, max(total - _SAMPLE_RUN, 0), runs).astype(int)
    parts = [np.arange(s, min(s + _SAMPLE_RUN, total)) for s in starts]
    rows = np.unique(np.concatenate(parts))
    cut = timeline.take(rows)
    # In pieces of a run, so that a long take is read where the runs lie and nowhere else.
    return join(list(synchronise(seen, cut, _SAMPLE_RUN)))


def people_tracker(rig: CameraRig, layout: Layout, noise: NoiseScale, settings: MultiviewSettings) -> PeopleTracker:
    """What follows everybody through a take's windows; see `PeopleTracker.follow` and `PeopleTracker.identities`."""
    return PeopleTracker(rig, layout, noise.scale, settings.min_confidence)


def reconstruct_windows(
    windows: Iterable[tuple[Views, Association]],
    claims: Sequence[Claim],
    rig: CameraRig,
    noise: NoiseScale,
    settings: MultiviewSettings = MultiviewSettings(),
) -> Iterator[Keypoints3D]:
    """3D keypoints of everybody, window by window.

    Args:
        windows: what the cameras saw, and which detections are whose.
        claims: who the tracks are.
        rig: cameras.
        noise: of each of them.
        settings: how people are triangulated.
    """
    robust = RobustSettings(outlier_share=settings.outlier_share, min_linked_confidence=settings.min_certainty)
    links: Links | None = None
    for views, found in windows:
        links = links or body_links(views.layout)
        known = links if len(links.pairs) else None
        people, slot, swapped = slots_of(found, claims)
        parts: list[Keypoints3D] = []
        at = 0
        for piece in standing(views, rig):
            part = slice(at, at + len(piece.views))
            own, turned, scale = slot[piece.owner, part], swapped[piece.owner, part], noise.scale[piece.owner]
            parts.append(points_of(piece.views, piece.rig, people, own, turned, scale, settings.min_confidence, robust, known))
            at = part.stop
        yield parts[0] if len(parts) == 1 else concatenate(parts)


def see_people(
    windows: Iterable[tuple[Views, Association, Keypoints3D]],
    people: Sequence[int],
    claims: Sequence[Claim],
    rig: CameraRig,
    noise: NoiseScale,
    settings: MultiviewSettings = MultiviewSettings(),
) -> Iterator[dict[int, motion.Observed]]:
    """Each person's detections window by window, as motion is solved from; also where a single camera sees somebody.

    Args:
        windows: what the cameras saw, whose it is, and what was triangulated from it.
        people: ids, also of those who are not there in a window.
        claims: who the tracks are.
        rig: cameras.
        noise: of each of them.
        settings: how people are triangulated.
    """
    for views, found, world in windows:
        there, slot, swapped = slots_of(found, claims, 1)
        pieces: dict[int, list[motion.ObservedPiece]] = {person: [] for person in people}
        at = 0
        for piece in standing(views, rig):
            frame = np.arange(len(piece.views))
            for person in people:
                column = np.flatnonzero(there == person)
                part = np.s_[piece.owner, at : at + len(frame)]
                own = slot[part][..., column[0]] if len(column) else np.full((len(piece.rig), len(frame)), -1)
                turned = swapped[part][:, :, column[0]] if len(column) else np.zeros((*own.shape, 1), bool)
                xy, sigma = detections_of(piece.views, frame, own, turned, noise.scale[piece.owner], settings.min_confidence)
                pieces[person].append(motion.ObservedPiece(piece.rig, xy, sigma))
            at += len(frame)
        yield {person: motion.Observed(of_people(world, [person]), tuple(pieces[person])) for person in people}


class Reconstruction(NamedTuple):
    """A take in space.

    Attributes:
        world: 3D keypoints of everybody.
        known: what the take says about its cameras.
        people: everybody's detections, window by window: what `motion.solve` takes.
    """

    world: Keypoints3D
    known: Calibrated
    people: dict[int, list[motion.Observed]]


def reconstruct(seen: Sequence[Seen], rig: CameraRig, settings: MultiviewSettings = MultiviewSettings()) -> Reconstruction:
    """A whole take at once.

    Raises:
        CameraError: cameras that do not match, or nobody whom two of them see.
    """
    rig = check_cameras(seen, rig)
    ordered = [next(v for v in seen if v.camera == name) for name in rig.names]
    timeline = align_in_time(ordered, rig)
    known = survey(sample_of(ordered, timeline), rig, settings)
    tracker = people_tracker(rig, ordered[0].layout, known.noise, settings)
    windows = [(views, tracker.follow(views)) for views in synchronise(ordered, timeline, settings.window)]
    identities = tracker.identities(settings.people)
    refuse_all(identities)
    claims = claims_of(identities)
    worlds = list(reconstruct_windows(windows, claims, rig, known.noise, settings))
    world = concatenate(worlds)
    empty = hollow(answered([world]), len(world))
    people = [person for person in world.people.tolist() if person not in empty]
    triples = ((*window, part) for window, part in zip(windows, worlds, strict=True))
    detections = list(see_people(triples, people, claims, rig, known.noise, settings))
    return Reconstruction(of_people(world, people), known, {person: [part[person] for part in detections] for person in people})
