"""What there is to say about a take: to a person in a few lines, to a program as `report.json`, to a browser as a page."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from recon3d import io, view
from recon3d.arrays import finite_median
from recon3d.geometry import Camera, CameraRig
from recon3d.multiview import Calibrated, MultiviewSettings
from recon3d.pipeline.take import StoredKeypoints, Take
from recon3d.records import Keypoints3D, Motion, State
from recon3d.records.keypoints3d import concatenate
from recon3d.skeleton import Armature

_PLAYED_FRAMES = 600  # of the skeleton in the page
_JUDGED_FRAMES = 20_000  # frames that medians are taken over
_FEW_VIEWS = 0.15  # share of a joint's frames seen by two views only that is worth a word
_ABSENT = 0.01  # share of instants without a camera's frame that is worth a word
_LONG_GAP_S = 0.25


@dataclass(frozen=True, slots=True)
class Summary:
    """A take in numbers; lists are in the order of ``cameras`` or ``joints``."""

    cameras: list[str]
    joints: list[str]
    frames: int
    seconds: float
    fps: float
    observed: float
    residual_px: float
    sigma_mm: float
    joint_observed: list[float]
    joint_residual_px: list[float]
    joint_sigma_mm: list[float]
    camera_joint_residual_px: list[list[float]]
    camera_seen: list[float]
    camera_residual_px: list[float]
    camera_left_out_px: list[float]
    camera_offset_px: list[list[float]]
    camera_scatter_px: list[float]
    camera_noise_scale: list[float]
    longest_gaps: list[dict[str, Any]]
    bones_m: dict[str, float]
    fit_mm: float
    warnings: list[str]


def summarise(
    seen: Sequence[StoredKeypoints],
    worlds: Sequence[Callable[[], Keypoints3D]],
    motions: Sequence[Callable[[], Motion]],
    known: Calibrated,
    absent: dict[str, float],
    notes: list[str],
    settings: MultiviewSettings,
) -> Summary:
    """Everything the summary and the page say. Of a long take, medians are over every n-th frame."""
    total = sum(len(world()) for world in worlds)
    every = -(-total // _JUDGED_FRAMES)
    history = _History.of(worlds)
    world = concatenate([_thinned(w(), every) for w in worlds])
    armature = motions[0]().armature
    sigma, residual = 1000 * world.sigma_m()[:, 0], world.residual_px[:, 0]
    step = float(np.median(np.diff(history.time))) if total > 1 else 0.0
    gaps = _longest_gaps(history, world.layout.points)
    agreement, joints = known.agreement, len(world.layout)
    return Summary(
        cameras=list(agreement.cameras),
        joints=list(world.layout.points),
        frames=total,
        seconds=float(history.time[-1] - history.time[0]) + step,
        fps=1 / step if step else 0.0,
        observed=float(history.observed.mean()),
        residual_px=finite_median(residual),
        sigma_mm=finite_median(sigma),
        joint_observed=history.observed.mean(0).tolist(),
        joint_residual_px=[finite_median(residual[:, j]) for j in range(joints)],
        joint_sigma_mm=[finite_median(sigma[:, j]) for j in range(joints)],
        camera_joint_residual_px=agreement.joint_residual_px.tolist(),
        camera_seen=_coverage(seen, settings),
        camera_residual_px=agreement.residual_px.tolist(),
        camera_left_out_px=agreement.left_out_px.tolist(),
        camera_offset_px=agreement.offset_px.tolist(),
        camera_scatter_px=agreement.scatter_px.tolist(),
        camera_noise_scale=known.noise.scale.tolist(),
        longest_gaps=gaps,
        bones_m=_bones(armature),
        fit_mm=1000 * finite_median(np.concatenate([_misfit(w(), m())[::every] for w, m in zip(worlds, motions, strict=True)])),
        warnings=[*_warnings(known, world, history.observed, gaps, absent), *notes],
    )


@dataclass(frozen=True, slots=True, eq=False)
class _History:
    """The small arrays of all frames."""

    frame: np.ndarray
    time: np.ndarray
    observed: np.ndarray

    @staticmethod
    def of(worlds: Sequence[Callable[[], Keypoints3D]]) -> "_History":
        rows = [(w.frame, w.time, w.state[:, 0] == State.OBSERVED) for w in (read() for read in worlds)]
        frame, time, observed = (np.concatenate(parts) for parts in zip(*rows, strict=True))
        return _History(frame, time, observed)


def _thinned(world: Keypoints3D, every: int) -> Keypoints3D:
    names = ("frame", "time", "xyz", "confidence", "covariance", "views", "state", "residual_px")
    return replace(world, **{name: getattr(world, name)[::every].copy() for name in names})


def write_report(
    take: Take, summary: Summary, rig: CameraRig, worlds: Sequence[Callable[[], Keypoints3D]], motions: Sequence[Callable[[], Motion]]
) -> tuple[Path, Path]:
    """`report.html` and `report.json`."""
    page, data = take.folder / "report.html", take.folder / "report.json"
    io.write_json(data, asdict(summary))
    every = -(-summary.frames // _PLAYED_FRAMES)
    world = concatenate([_thinned(w(), every) for w in worlds])
    joints = np.concatenate([m().poses().translation[::every] for m in motions])
    scene = view.Scene(
        title=take.folder.resolve().name,
        time=world.time,
        keypoints=world.xyz[:, 0],
        bones=world.layout.bones,
        joints=joints,
        parents=motions[0]().armature.skeleton.parents,
        cameras={c.name: (c.centre, c.cam_from_world.rotation.matrix[2]) for c in map(_at_start, rig)},
    )
    view.write_page(page, asdict(summary), scene)
    return page, data


def _at_start(camera: Camera) -> Camera:
    """The camera as it stands; one that moves where its poses start."""
    return camera if camera.pose_frame is None else camera.at_frame(int(camera.pose_frame[0]))


def _coverage(seen: Sequence[StoredKeypoints], settings: MultiviewSettings) -> list[float]:
    """Share of each camera's frames and joints with a detection, of anybody, above the confidence."""
    shares: list[float] = []
    for camera in seen:
        counts = [(r().confidence >= settings.min_confidence).any(1) for r in camera.readers()]
        shares.append(sum(int(c.sum()) for c in counts) / max(sum(c.size for c in counts), 1))
    return shares


def _longest_gaps(history: _History, joints: Sequence[str]) -> list[dict[str, Any]]:
    """The longest run of missing frames of each joint that has one, longest first."""
    found: list[dict[str, Any]] = []
    for j, joint in enumerate(joints):
        missing = np.concatenate([[False], ~history.observed[:, j], [False]]).astype(np.int8)
        starts, ends = np.flatnonzero(np.diff(missing) == 1), np.flatnonzero(np.diff(missing) == -1)
        if len(starts):
            k = int((ends - starts).argmax())
            a, b = int(starts[k]), int(ends[k])
            length = float(history.time[b - 1] - history.time[a])
            found.append({"joint": joint, "first_frame": int(history.frame[a]), "frames": b - a, "seconds": length})
    return sorted(found, key=lambda gap: -gap["frames"])


def _bones(armature: Armature) -> dict[str, float]:
    length = np.linalg.norm(armature.rest_offset, axis=1)
    return {name: float(length[j]) for j, name in enumerate(armature.joints) if length[j] > 0}


def _misfit(world: Keypoints3D, motion: Motion) -> np.ndarray:
    """Distance of the armature's keypoints to the triangulated ones, (frames, points), m."""
    points = motion.armature.attachments.select(world.layout.points)
    chosen = motion.armature.keypoints(motion.poses())
    columns = [motion.armature.attachments.points.index(p) for p in points.points]
    return np.linalg.norm(chosen[:, columns] - world.xyz[:, 0, world.layout.indices(points.points)], axis=-1)


def _warnings(
    known: Calibrated, world: Keypoints3D, observed: np.ndarray, gaps: list[dict[str, Any]], absent: dict[str, float]
) -> list[str]:
    out: list[str] = []
    a = known.agreement
    if a.disagreeing:
        each = []
        for name in a.disagreeing:
            v = a.cameras.index(name)
            left = f", {a.left_out_px[v]:.0f} px from what the others say" if np.isfinite(a.left_out_px[v]) else ""
            dx, dy = a.offset_px[v]
            each.append(f"{name} by {a.residual_px[v]:.0f} px{left}, on average {dx:+.0f}, {dy:+.0f} px")
        scatter = finite_median(a.scatter_px)
        out.append(
            f"The cameras disagree: {'; '.join(each)}. Single detections scatter by only {scatter:.1f} px from frame to "
            "frame, so most of this stays the same: a camera was moved or calibrated with an error, or the detector "
            "places joints differently from each side. No camera was dropped; 3D points carry the larger uncertainty. "
            "What to do: calibrate the cameras again, and look first whether the one named first was moved since, or two were swapped."
        )
    gone = {name: share for name, share in absent.items() if share > _ABSENT}
    if gone:
        each = ", ".join(f"{name} {100 * share:.0f} %" for name, share in gone.items())
        out.append(f"Cameras without a frame for part of the take: {each}. Those instants rest on the other cameras.")
    few = (world.views[:, 0] == 2).mean(0)
    weak = [world.layout.points[j] for j in np.argsort(-few) if few[j] > _FEW_VIEWS]
    if weak and len(a.cameras) > 2:
        out.append(f"Seen by two cameras only for much of the take, so that nothing checks them: {', '.join(weak[:8])}.")
    never = [p for j, p in enumerate(world.layout.points) if not observed[:, j].any()]
    if never:
        out.append(f"Never reconstructed: {', '.join(never)}.")
    long = [g for g in gaps if g["seconds"] >= _LONG_GAP_S and g["joint"] not in never]
    if long:
        worst = ", ".join(f"{g['joint']} {g['seconds']:.1f} s from frame {g['first_frame']}" for g in long[:5])
        out.append(f"Long gaps, left empty in keypoint files and marked in motion files: {worst}.")
    return out
