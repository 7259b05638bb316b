"""What a person acts on: residuals by camera and pair, coverage, sigmas, what was left out, how scale cues agree."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from calibration.alignment import lay_onto
from calibration.outcome import Evidence, Outcome
from calibration.refine import Refined, centre_covariance
from recon3d.arrays import finite_median
from recon3d.errors import Recon3dError
from recon3d.geometry import CameraRig, Intrinsics
from recon3d.geometry.camera_unknowns import Free
from recon3d.geometry.robust_bundle import AdjustSettings, adjust
from recon3d.geometry.triangulation import triangulate
from recon3d.io.files import write_json
from recon3d.view import write_calibration_page

_GRID = (12, 8)  # cells of the residual field
_SHOWN = 700  # sightings drawn on an image
_CLEAR = 3  # sightings of a cell whose mean is drawn
_FOLDS = 10  # frames, or boards, that are held out together


def summarise(outcome: Outcome, extra: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """All numbers of the report, plain."""
    rig, evidence = outcome.rig, outcome.evidence
    rig = rig.select([name for name in rig.names if name in outcome.adjusted.rig.names])
    residual = evidence.residual_px()
    left_out = leave_one_out(rig, evidence)
    held_out = held_out_px(rig, evidence)
    sigma = pose_sigmas(outcome)
    sigmas = parameter_sigmas(outcome)
    cameras: list[dict[str, Any]] = []
    for v, camera in enumerate(rig):
        known = np.isfinite(evidence.xy[v, :, 0]) & np.isfinite(evidence.points).all(-1)
        cameras.append(
            {
                "name": camera.name,
                "size": list(camera.intrinsics.size),
                "centre": camera.centre,
                "axis": camera.cam_from_world.rotation.matrix[2],
                "residual_px": finite_median(residual[v]),
                "rms_px": float(np.sqrt(np.nanmean(residual[v] ** 2))) if np.isfinite(residual[v]).any() else float("nan"),
                "held_out_px": held_out[v],
                "left_out_px": left_out[v],
                "sightings": int(known.sum()),
                "believed": float((evidence.inlier[v][known] > 0.5).mean()) if known.any() else float("nan"),
                "sigma_deg": sigma[v][0],
                "sigma_mm": sigma[v][1],
                "lens": _lens(camera.intrinsics),
                "sigma": sigmas[v],
                "clock": [camera.clock.offset, camera.clock.drift, camera.clock.line_time],
                "image": _image(evidence, v, camera.intrinsics.size),
            }
        )
    scale = outcome.scale
    return {
        "kind": outcome.kind,
        "cameras": cameras,
        "pairs": _pairs(rig, evidence),
        "refused": dict(outcome.refused),
        "notes": list(outcome.notes),
        "unknown": sorted(outcome.rig.unknown),
        "links": [[a, b, count] for (a, b), count in outcome.links.items()],
        "scale": None
        if scale is None
        else {
            "share": scale.share,
            "known": scale.known,
            "cues": [
                [cue.name, cue.metres / scale.metres, cue.share, apart] for cue, apart in zip(scale.cues, scale.disagreement, strict=True)
            ],
        },
        "ground": None
        if outcome.ground is None
        else {"sigma_deg": float(np.rad2deg(outcome.ground.sigma_rad)), "contacts": outcome.ground.contacts, "floor": outcome.ground.floor},
        "noise": outcome.adjusted.noise,
        "points": _cloud(evidence),
        **(extra or {}),
    }


def movements(refined: Refined) -> dict[str, Any]:
    """What refining adds to a report."""
    rows = [
        {
            "name": m.camera,
            "turned_deg": m.turned_deg,
            "turned_sigma_deg": m.turned_sigma_deg,
            "shifted_mm": 1e3 * m.shifted_m,
            "shifted_sigma_mm": 1e3 * m.shifted_sigma_m,
            "significant": m.significant,
            "bumped": m.bumped,
            "before_px": float(before),
            "after_px": float(after),
        }
        for m, before, after in zip(refined.movements, refined.before_px, refined.after_px, strict=True)
    ]
    return {"movements": rows, "scene_px": [refined.scene_before_px, refined.scene_after_px]}


def write_report(path: Path, summary: dict[str, Any], title: str) -> tuple[Path, Path]:
    """The page, and the numbers beside it as JSON.

    Args:
        path: of both without their ending, which may hold dots; a page's own ending may be there.
        summary: what `summarise` gave.
        title: of the page.
    """
    page, numbers = (path.with_name(path.name.removesuffix(".html") + ending) for ending in (".html", ".json"))
    write_json(numbers, summary)
    write_calibration_page(page, title, summary)
    return page, numbers


def leave_one_out(rig: CameraRig, evidence: Evidence) -> list[float]:
    """Median distance of each camera's sightings to the points that the others alone see, px."""
    if len(rig) < 3:
        return [float("nan")] * len(rig)
    out: list[float] = []
    xy = np.where((evidence.inlier > 0.5)[..., None], evidence.xy, np.nan)
    for v, camera in enumerate(rig):
        others = [k for k in range(len(rig)) if k != v]
        points = triangulate(rig.select([rig.names[k] for k in others]), xy[others], evidence.sigma_px[others], max_depth_error=np.inf).xyz
        out.append(finite_median(np.linalg.norm(camera.project(points) - xy[v], axis=-1)))
    return out


def held_out_px(rig: CameraRig, evidence: Evidence) -> list[float]:
    """Median residual of each camera on half of the points, poses adjusted on the other half."""
    count = evidence.xy.shape[1]
    block = (np.arange(count) * 2 * _FOLDS // max(count, 1)) % 2
    xy = np.where((evidence.inlier > 0.5)[..., None], evidence.xy, np.nan)
    even, odd = np.flatnonzero(block == 0), np.flatnonzero(block == 1)
    try:
        found = adjust(rig, Free(), xy[:, even], evidence.sigma_px[:, even], AdjustSettings(widths=(2.0,), final_steps=3))
        answer = triangulate(found.rig, xy[:, odd], evidence.sigma_px[:, odd], max_depth_error=np.inf)
    except Recon3dError:  # too few points to halve
        return [float("nan")] * len(rig)
    return [finite_median(row) for row in answer.residual_px]


def pose_sigmas(outcome: Outcome) -> list[tuple[float, float]]:
    """Of each camera that was adjusted: orientation (deg) and centre (mm), root of the summed variances."""
    rig = outcome.rig
    if rig.covariance is None or len(rig.covariance) != 6 * len(rig):
        rig = outcome.adjusted.rig
    if rig.covariance is None:
        return [(float("nan"), float("nan"))] * len(outcome.adjusted.rig)
    size = lay_onto(outcome.adjusted.rig, outcome.rig.select(outcome.adjusted.rig.names)).scale if rig is outcome.adjusted.rig else 1.0
    out: list[tuple[float, float]] = []
    for v, camera in enumerate(rig):
        if camera.name not in outcome.adjusted.rig.names:
            continue
        block = rig.covariance[6 * v : 6 * v + 6, 6 * v : 6 * v + 6]
        turn = float(np.sqrt(max(np.trace(block[3:, 3:]), 0)))
        shift = float(np.sqrt(max(np.trace(centre_covariance(camera.cam_from_world, block)), 0)))
        out.append((float(np.rad2deg(turn)), 1e3 * size * shift))
    return out


def parameter_sigmas(outcome: Outcome) -> list[dict[str, list[float]]]:
    """Of each camera: sigma of every lens and clock parameter that was solved for, by kind; px, none, s."""
    spread = np.sqrt(np.maximum(np.diag(outcome.adjusted.covariance), 0))
    out: list[dict[str, list[float]]] = []
    at = 0
    for free in outcome.adjusted.free:
        own: dict[str, list[float]] = {}
        for kind, value in zip(free.kinds, spread[at : at + len(free.kinds)].tolist(), strict=True):
            if kind not in ("translation", "rotation"):
                own.setdefault(kind, []).append(value)
        out.append(own)
        at += len(free.kinds)
    return out


def _lens(i: Intrinsics) -> dict[str, Any]:
    return {"focal": [i.K[0, 0], i.K[1, 1]], "centre": [i.K[0, 2], i.K[1, 2]], "model": i.model, "distortion": i.dist}


def _image(evidence: Evidence, view: int, size: tuple[int, int]) -> dict[str, Any]:
    """Sightings on the image, and the mean residual of each cell."""
    known = np.isfinite(evidence.predicted[view, :, 0]) & np.isfinite(evidence.xy[view, :, 0])
    sound = known & (evidence.inlier[view] > 0.5)
    xy, off = evidence.xy[view, sound], (evidence.xy - evidence.predicted)[view, sound]
    stride = max(1, len(xy) // _SHOWN)
    cell = np.clip((xy / np.array(size) * _GRID).astype(int), 0, np.array(_GRID) - 1)
    index = cell[:, 1] * _GRID[0] + cell[:, 0]
    count = np.bincount(index, minlength=_GRID[0] * _GRID[1])
    mean = [np.bincount(index, off[:, k], _GRID[0] * _GRID[1]) / np.maximum(count, 1) for k in (0, 1)]
    field = [
        [(c % _GRID[0] + 0.5) * size[0] / _GRID[0], (c // _GRID[0] + 0.5) * size[1] / _GRID[1], mean[0][c], mean[1][c], int(count[c])]
        for c in np.flatnonzero(count >= _CLEAR).tolist()
    ]
    stray = evidence.xy[view, known & ~sound]
    return {
        "seen": np.round(xy[::stride], 1),
        "stray": np.round(stray[:: max(1, len(stray) // 200)], 1),
        "field": field,
        "filled": float((count > 0).mean()),
    }


def _pairs(rig: CameraRig, evidence: Evidence) -> list[list[Any]]:
    """For each two cameras: points that both see, and the residual of a solution from those two alone."""
    out: list[list[Any]] = []
    xy = np.where((evidence.inlier > 0.5)[..., None], evidence.xy, np.nan)
    for a in range(len(rig)):
        for b in range(a + 1, len(rig)):
            both = np.flatnonzero(np.isfinite(xy[a, :, 0]) & np.isfinite(xy[b, :, 0]))
            both = both[:: max(1, len(both) // 1000)]
            if not len(both):
                out.append([rig.names[a], rig.names[b], 0, float("nan")])
                continue
            pair = rig.select([rig.names[a], rig.names[b]])
            found = triangulate(pair, xy[[a, b]][:, both], evidence.sigma_px[[a, b]][:, both], max_depth_error=np.inf)
            shared = int((np.isfinite(xy[a, :, 0]) & np.isfinite(xy[b, :, 0])).sum())
            out.append([rig.names[a], rig.names[b], shared, finite_median(found.residual_px)])
    return out


def _cloud(evidence: Evidence) -> Float[np.ndarray, "some 3"]:
    points = evidence.points[np.isfinite(evidence.points).all(-1)]
    return np.round(points[:: max(1, len(points) // 1500)], 3)
