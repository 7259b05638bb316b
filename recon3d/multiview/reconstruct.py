"""From the 2D keypoints of many cameras to 3D: who, how noisy, where."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from recon3d.errors import InputError
from recon3d.geometry import CameraRig
from recon3d.geometry.links import Links
from recon3d.geometry.triangulation import RobustSettings, Verdict, triangulate_robust
from recon3d.multiview.agreement import Agreement, judge_agreement
from recon3d.multiview.moving import PIECE, Standing, fold_agreement, fold_noise, standing, take
from recon3d.multiview.noise import NoiseScale, estimate_noise
from recon3d.multiview.plausible import refuse_giants, refuse_hopeless, refuse_nobody
from recon3d.multiview.subject import SubjectTracker, subject_only
from recon3d.multiview.sync import Seen, Timeline, Views, align_in_time, check_cameras, join, synchronise
from recon3d.records import Keypoints3D, State
from recon3d.records.keypoints3d import concatenate
from recon3d.skeleton import LIMBS, body_links

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
    window: int = 2000
    """Frames worked on at once; memory grows with it."""

    def __post_init__(self) -> None:
        for name, low, high in (("min_confidence", 0, 1), ("min_certainty", 0, 1), ("outlier_share", 0.001, 0.5)):
            if not low <= getattr(self, name) <= high:
                raise InputError(f"{name} must lie between {low} and {high}, not {getattr(self, name)}")
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


def reconstruct_windows(
    windows: Iterable[Views], rig: CameraRig, noise: NoiseScale, settings: MultiviewSettings = MultiviewSettings()
) -> Iterator[Keypoints3D]:
    """3D keypoints of the subject, window by window."""
    robust = RobustSettings(outlier_share=settings.outlier_share, min_linked_confidence=settings.min_certainty)
    tracker: SubjectTracker | None = None
    links: Links | None = None
    for views in windows:
        links = links or body_links(views.layout)
        parts: list[Keypoints3D] = []
        for piece in standing(views, rig):
            place = None if tracker is None else tracker.place
            if tracker is None or rig.moving:
                tracker = SubjectTracker(piece.rig, settings.min_confidence, place)
            parts.append(_points(piece, tracker, noise, robust, links, settings))
        yield parts[0] if len(parts) == 1 else concatenate(parts)


def _points(
    piece: Standing, tracker: SubjectTracker, noise: NoiseScale, robust: RobustSettings, links: Links, settings: MultiviewSettings
) -> Keypoints3D:
    views = piece.views
    xy, sigma = subject_only(views, tracker, settings.min_confidence)
    count, frames, joints = xy.shape[:3]
    sigma = sigma * noise.scale[piece.owner][:, None, None]
    found = triangulate_robust(piece.rig, xy.reshape(count, -1, 2), sigma.reshape(count, -1), robust, links)
    used = (found.inlier > 0.5) & np.isfinite(found.residual_px)
    square = np.where(used, found.residual_px, 0.0) ** 2
    answered = found.verdict == Verdict.ANSWERED
    residual = np.where(answered, np.sqrt(square.sum(0) / np.maximum(used.sum(0), 1)), np.nan)
    shape = (frames, 1, joints)
    return Keypoints3D(
        layout=views.layout,
        frame=views.frame,
        time=views.time,
        people=np.zeros(1, dtype=np.int64),
        xyz=found.xyz.reshape(*shape, 3),
        confidence=found.confidence.reshape(shape),
        covariance=found.covariance.reshape(*shape, 3, 3),
        views=np.where(answered, used.sum(0), 0).astype(np.uint8).reshape(shape),
        state=np.where(answered, State.OBSERVED, State.MISSING).astype(np.uint8).reshape(shape),
        residual_px=residual.reshape(shape),
    )


def reconstruct(seen: Sequence[Seen], rig: CameraRig, settings: MultiviewSettings = MultiviewSettings()) -> tuple[Keypoints3D, Calibrated]:
    """A whole take at once: 3D keypoints, and what the take says about its cameras."""
    rig = check_cameras(seen, rig)
    ordered = [next(v for v in seen if v.camera == name) for name in rig.names]
    timeline = align_in_time(ordered, rig)
    known = survey(sample_of(ordered, timeline), rig, settings)
    views = synchronise(ordered, timeline, settings.window)
    return concatenate(list(reconstruct_windows(views, rig, known.noise, settings))), known
