"""What there is to say about a take: to a person in a few lines, to a program as `report.json`, to a browser as a page."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recon3d import io, view
from recon3d.arrays import finite_median
from recon3d.geometry import Camera, CameraRig
from recon3d.multiview import Calibrated, MultiviewSettings, Somebody
from recon3d.pipeline.person import Person, PersonSummary, summarise_person
from recon3d.pipeline.take import StoredKeypoints, Take
from recon3d.records import Keypoints3D
from recon3d.records.keypoints3d import concatenate, of_people, thinned
from recon3d.skeleton import joint_angles

_PLAYED_FRAMES = 600  # of the skeletons in the page
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
    fit_mm: float
    people: list[PersonSummary]
    refused: list[dict[str, Any]]
    camera_joint_residual_px: list[list[float]]
    camera_seen: list[float]
    camera_residual_px: list[float]
    camera_left_out_px: list[float]
    camera_offset_px: list[list[float]]
    camera_scatter_px: list[float]
    camera_noise_scale: list[float]
    warnings: list[str]


def summarise(
    seen: Sequence[StoredKeypoints],
    worlds: Sequence[Callable[[], Keypoints3D]],
    people: Sequence[Person],
    refused: Sequence[Somebody],
    known: Calibrated,
    absent: dict[str, float],
    notes: list[str],
    settings: MultiviewSettings,
) -> Summary:
    """Everything the summary and the page say. Of a long take, medians are over every n-th frame."""
    total = sum(len(world()) for world in worlds)
    every = -(-total // _JUDGED_FRAMES)
    time = np.concatenate([world().time for world in worlds])
    each = [summarise_person(person, worlds, every) for person in people]
    step = float(np.median(np.diff(time))) if total > 1 else 0.0
    agreement = known.agreement
    frames = np.array([one.last_frame - one.first_frame + 1 for one in each], float)
    return Summary(
        cameras=list(agreement.cameras),
        joints=list(worlds[0]().layout.points),
        frames=total,
        seconds=float(time[-1] - time[0]) + step,
        fps=1 / step if step else 0.0,
        observed=float(np.average([one.observed for one in each], weights=frames)),
        residual_px=finite_median(np.array([one.residual_px for one in each])),
        sigma_mm=finite_median(np.array([one.sigma_mm for one in each])),
        fit_mm=finite_median(np.array([one.fit_mm for one in each])),
        people=each,
        refused=[{"id": one.id, "first_s": one.first, "last_s": one.last, "views": one.views, "reason": one.reason} for one in refused],
        camera_joint_residual_px=agreement.joint_residual_px.tolist(),
        camera_seen=_coverage(seen, settings),
        camera_residual_px=agreement.residual_px.tolist(),
        camera_left_out_px=agreement.left_out_px.tolist(),
        camera_offset_px=agreement.offset_px.tolist(),
        camera_scatter_px=agreement.scatter_px.tolist(),
        camera_noise_scale=known.noise.scale.tolist(),
        warnings=[*_warnings(known, absent), *_about_people(each, list(worlds[0]().layout.points), len(agreement.cameras)), *notes],
    )


def write_report(
    take: Take, summary: Summary, rig: CameraRig, worlds: Sequence[Callable[[], Keypoints3D]], people: Sequence[Person]
) -> tuple[Path, Path]:
    """`report.html` and `report.json`."""
    page, data = take.folder / "report.html", take.folder / "report.json"
    io.write_json(data, asdict(summary))
    every = -(-summary.frames // _PLAYED_FRAMES)
    world = concatenate([thinned(of_people(w(), [person.id for person in people]), every) for w in worlds])
    scene = view.Scene(
        title=take.folder.resolve().name,
        time=world.time,
        names=tuple(person.name for person in people),
        keypoints=world.xyz,
        bones=world.layout.bones,
        joints=np.stack([np.concatenate([m().poses().translation[::every] for m in person.motions]) for person in people], 1),
        parents=people[0].motions[0]().armature.skeleton.parents,
        angles=tuple(_angles(person, every) for person in people),
        cameras={c.name: (c.centre, c.cam_from_world.rotation.matrix[2]) for c in map(_at_start, rig)},
    )
    view.write_page(page, asdict(summary), scene)
    return page, data


def _angles(person: Person, every: int) -> dict[str, np.ndarray]:
    """Joint angles of every n-th frame of each window."""
    parts = [joint_angles(m.armature, m.poses()) for m in (read() for read in person.motions)]
    return {name: np.concatenate([part[name][::every] for part in parts]) for name in parts[0]}


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


def _warnings(known: Calibrated, absent: dict[str, float]) -> list[str]:
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
    return out


def _about_people(people: Sequence[PersonSummary], joints: list[str], cameras: int) -> list[str]:
    """What is suspicious about single people; with one of them its name is not told."""
    out: list[str] = []
    for one in people:
        whose = "" if len(people) == 1 else f"{one.name}: "
        few = np.array(one.joint_two_views)
        weak = [joints[j] for j in np.argsort(-few).tolist() if few[j] > _FEW_VIEWS]
        if weak and cameras > 2:
            out.append(f"{whose}Seen by two cameras only for much of the take, so that nothing checks them: {', '.join(weak[:8])}.")
        never = [name for name, share in zip(joints, one.joint_observed, strict=True) if not share]
        if never:
            out.append(f"{whose}Never reconstructed: {', '.join(never)}.")
        long = [g for g in one.longest_gaps if g["seconds"] >= _LONG_GAP_S and g["joint"] not in never]
        if long:
            worst = ", ".join(f"{g['joint']} {g['seconds']:.1f} s from frame {g['first_frame']}" for g in long[:5])
            out.append(f"{whose}Long gaps, left empty in keypoint files and marked in motion files: {worst}.")
    return out
