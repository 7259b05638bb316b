"""From the 2D keypoints of many cameras to 3D: who, how noisy, where."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from recon3d.arrays import whole_rows
from recon3d.errors import CameraError, InputError
from recon3d.geometry import SE3, SO3, Camera, CameraRig
from recon3d.geometry.links import Links
from recon3d.geometry.triangulation import RobustSettings, Verdict, triangulate, triangulate_robust
from recon3d.multiview.agreement import Agreement, judge_agreement
from recon3d.multiview.noise import NoiseScale, estimate_noise
from recon3d.multiview.subject import LIMBS, SubjectTracker
from recon3d.multiview.sync import Seen, Timeline, Views, align_in_time, check_cameras, join, synchronise
from recon3d.records import Keypoints3D, State
from recon3d.records.keypoints3d import concatenate
from recon3d.skeleton import body_links

_SAMPLE_RUNS, _SAMPLE_RUN = 12, 8  # noise is measured on so many runs of so many frames
_PERSON_M = (0.15, 5.0)  # span of a person's limbs, with room for babies and bad rigs
_HOPELESS = 0.25  # median residual over the person's extent: no rig of these cameras fits


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


def subject_only(
    views: Views, tracker: SubjectTracker, min_confidence: float
) -> tuple[Float[np.ndarray, "views frames joints 2"], Float[np.ndarray, "views frames joints"]]:
    """The subject's pixels (NaN where absent or below the confidence) and their sigma."""
    slot = tracker.choose(views)
    pick = np.maximum(slot, 0)[:, :, None, None]
    xy = np.take_along_axis(views.xy, pick[..., None], 2)[:, :, 0].astype(float)
    confidence = np.take_along_axis(views.confidence, pick, 2)[:, :, 0]
    sigma = np.take_along_axis(views.sigma_px, pick, 2)[:, :, 0].astype(float)
    absent = (slot < 0)[:, :, None] | (confidence < min_confidence) | ~np.isfinite(xy).all(-1)
    xy[absent] = np.nan
    return xy, np.where(absent, 1.0, sigma)


def survey(sample: Views, rig: CameraRig, settings: MultiviewSettings) -> Calibrated:
    """Noise of each camera and agreement of the rig, from a sample of the take.

    Raises:
        CameraError: nobody is seen by two cameras, or no reading of the rig fits what they saw.
    """
    tracker = SubjectTracker(rig, settings.min_confidence)
    xy, sigma = subject_only(sample, tracker, settings.min_confidence)
    if (np.isfinite(xy[..., 0]).sum(0) >= 2).sum() == 0:
        _refuse_nobody(sample, rig, settings)
    limbs = [sample.layout.index(name) for name in LIMBS if name in sample.layout.points] or list(range(len(sample.layout)))
    views = len(rig)
    _refuse_hopeless(sample, rig, limbs, xy[:, :, limbs], settings)
    if set(LIMBS) <= set(sample.layout.points):
        _refuse_giants(rig, xy[:, :, limbs])
    noise = estimate_noise(rig, xy[:, :, limbs].reshape(views, -1, 2), sigma[:, :, limbs].reshape(views, -1))
    return Calibrated(noise, judge_agreement(rig, xy, sample.frame, limbs))


def sample_of(seen: Sequence[Seen], timeline: Timeline) -> Views:
    """Runs of consecutive frames from all over the take, for `survey`."""
    total = len(timeline.frame)
    runs = min(_SAMPLE_RUNS, -(-total // _SAMPLE_RUN))
    starts = np.linspace(0, max(total - _SAMPLE_RUN, 0), runs).astype(int)
    parts = [np.arange(s, min(s + _SAMPLE_RUN, total)) for s in starts]
    rows = np.unique(np.concatenate(parts))
    cut = Timeline(timeline.frame[rows], timeline.time[rows], timeline.rows[:, rows])
    # In pieces of a run, so that a long take is read where the runs lie and nowhere else.
    return join(list(synchronise(seen, cut, _SAMPLE_RUN)))


def reconstruct_windows(
    windows: Iterable[Views], rig: CameraRig, noise: NoiseScale, settings: MultiviewSettings = MultiviewSettings()
) -> Iterator[Keypoints3D]:
    """3D keypoints of the subject, window by window."""
    tracker = SubjectTracker(rig, settings.min_confidence)
    robust = RobustSettings(outlier_share=settings.outlier_share, min_linked_confidence=settings.min_certainty)
    links: Links | None = None
    for views in windows:
        links = links or body_links(views.layout)
        xy, sigma = subject_only(views, tracker, settings.min_confidence)
        count, frames, joints = xy.shape[:3]
        sigma = sigma * noise.scale[:, None, None]
        found = triangulate_robust(rig, xy.reshape(count, -1, 2), sigma.reshape(count, -1), robust, links)
        used = (found.inlier > 0.5) & np.isfinite(found.residual_px)
        square = np.where(used, found.residual_px, 0.0) ** 2
        answered = found.verdict == Verdict.ANSWERED
        residual = np.where(answered, np.sqrt(square.sum(0) / np.maximum(used.sum(0), 1)), np.nan)
        shape = (frames, 1, joints)
        yield Keypoints3D(
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


def _refuse_nobody(sample: Views, rig: CameraRig, settings: MultiviewSettings) -> None:
    seen = np.isfinite(sample.xy[..., 0]).any(-1).any(-1).sum(1)
    if not seen.any():
        raise CameraError("nobody is seen by any camera")
    if (seen > 0).sum() >= 2:
        for label, other in _readings(rig):
            tracker = SubjectTracker(other, settings.min_confidence)
            xy, _ = subject_only(sample, tracker, settings.min_confidence)
            if (np.isfinite(xy[..., 0]).sum(0) >= 2).mean() > 0.3:
                raise CameraError(f"the cameras agree on nobody as the rig stands, but they do if {label}")
    counts = ", ".join(f"{name}: {n} of {len(sample)}" for name, n in zip(rig.names, seen, strict=True))
    raise CameraError(f"no person is seen alike by two cameras (frames with people: {counts}); is it the right rig?")


def _refuse_hopeless(
    sample: Views, rig: CameraRig, limbs: Sequence[int], xy: Float[np.ndarray, "views frames joints 2"], settings: MultiviewSettings
) -> None:
    """Cameras that do not fit at all are not noise: try the usual misreadings of a rig and name the one that holds."""
    with np.errstate(invalid="ignore"):
        extent = np.linalg.norm(np.fmax.reduce(xy, 2) - np.fmin.reduce(xy, 2), axis=-1)
    size = float(np.median(extent[np.isfinite(extent)]))
    given = _typical_residual(rig, xy)
    if given < _HOPELESS * size:
        return
    said = f"median residual {given:.0f} px" if np.isfinite(given) else "people would stand behind its cameras"
    for label, other in _readings(rig):
        again, _ = subject_only(sample, SubjectTracker(other, settings.min_confidence), settings.min_confidence)
        residual = _typical_residual(other, again[:, :, list(limbs)])
        if residual < 0.5 * _HOPELESS * size:
            raise CameraError(f"the rig does not fit what its cameras saw ({said}); it does ({residual:.0f} px) if {label}")
    raise CameraError(
        f"the rig does not fit what its cameras saw: {said}, for people about {size:.0f} px large. "
        "Are the cameras named rightly, and is it the rig of this recording?"
    )


def _refuse_giants(rig: CameraRig, xy: Float[np.ndarray, "views frames joints 2"]) -> None:
    """A person of hundreds of metres, or of millimetres, is a rig in another unit."""
    points = triangulate(rig, xy.reshape(len(rig), -1, 2), 1.0, max_depth_error=np.inf).xyz.reshape(*xy.shape[1:3], 3)
    whole = points[whole_rows(points).all(1)]
    if not len(whole):
        return
    size = float(np.median(np.linalg.norm(np.ptp(whole, axis=1), axis=-1)))
    if not _PERSON_M[0] < size < _PERSON_M[1]:
        raise CameraError(
            f"the person spans {size:.3g} m from shoulders to ankles and wrists, which nobody does: the rig is not in metres. "
            "Give its unit with --rig-unit mm or cm"
        )


def _typical_residual(rig: CameraRig, xy: Float[np.ndarray, "views frames joints 2"]) -> float:
    """Median distance of detections to the projected solution of all views; infinite if that is behind cameras."""
    flat = xy.reshape(len(rig), -1, 2)
    answer = triangulate(rig, flat, 1.0, max_depth_error=np.inf)
    off = np.linalg.norm(flat - rig.project(answer.xyz), axis=-1)
    tried = np.isfinite(flat[..., 0]) & (np.isfinite(flat[..., 0]).sum(0) >= 2)
    off = np.where(np.isfinite(off), off, np.inf)[tried]
    return float(np.median(off)) if len(off) else np.inf


def _readings(rig: CameraRig) -> list[tuple[str, CameraRig]]:
    """Other readings of the same numbers: inverse poses, and a camera that looks along its -z."""

    flip = SE3(SO3(np.diag([1.0, -1.0, -1.0])), np.zeros(3))
    changes: dict[str, Callable[[SE3], SE3]] = {
        "its transforms are inverted (they are camera to world, not world to camera)": lambda pose: pose.inverse(),
        "its cameras look along their -z axis (OpenGL axes)": lambda pose: flip @ pose,
        "its transforms are inverted and its cameras look along their -z axis": lambda pose: flip @ pose.inverse(),
    }
    return [
        (label, CameraRig(tuple(Camera(c.name, c.intrinsics, change(c.cam_from_world), c.clock) for c in rig)))
        for label, change in changes.items()
    ]
