"""An existing rig, refined on what people in front of it did: how far each camera moved, and when.

The adjustment is that of `people`, from the rig as it is. The world stays with the majority of the
cameras that agree with the old rig, so that a camera that was bumped is told from those that were not.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from calibration.alignment import lay_onto
from calibration.evidence import evidence_of
from calibration.observed import Sampled
from calibration.outcome import Evidence, Outcome
from calibration.people import pose_blocks
from calibration.points import ScenePoints
from calibration.world import moved
from recon3d.arrays import finite_median
from recon3d.geometry import SE3, CameraRig
from recon3d.geometry.camera_unknowns import Free
from recon3d.geometry.robust_bundle import Adjusted, AdjustSettings, adjust
from recon3d.geometry.triangulation import RobustSettings, triangulate, triangulate_robust
from recon3d.records import Keypoints2D

_MOVES = "it moves: its pose in each frame is used as it is, and neither refined nor judged"
_CLEARLY = 0.75  # of the scene's residual
_BLOCK = 20  # frames that a pose is judged on when looking for the moment of a bump
_BUMP_RATIO, _BUMP_DEG = 6.0, 0.15  # over what residuals drift by elsewhere in as many frames; and itself


@dataclass(frozen=True, slots=True)
class RefineSettings:
    """How a rig is refined."""

    frames: int = 400
    """Frames used, of all that were recorded."""
    min_confidence: float = 0.3
    """Detections below are not used."""
    outlier_share: float = 0.15
    """Share of detections expected to be of something else."""
    limbs_only: bool = True
    """Only limb joints decide, where the layout has them: faces and toes are found differently from different sides."""
    noise_range: tuple[float, ...] = (16.0, 8.0, 4.0, 2.0)
    """Scatter allowed while the cameras are still off, in the detector's sigmas."""


@dataclass(frozen=True, slots=True)
class Movement:
    """How far a camera is from where the old rig had it.

    Attributes:
        camera: name.
        turned_deg: rotation.
        turned_sigma_deg: its sigma.
        shifted_m: of the centre.
        shifted_sigma_m: its sigma.
        bumped: time of a sudden move within the take, s; None where there was none.
        bump_deg: how far it turned then.
    """

    camera: str
    turned_deg: float
    turned_sigma_deg: float
    shifted_m: float
    shifted_sigma_m: float
    bumped: float | None
    bump_deg: float

    @property
    def significant(self) -> bool:
        """More than three sigmas."""
        return self.turned_deg > 3 * self.turned_sigma_deg or self.shifted_m > 3 * self.shifted_sigma_m


@dataclass(frozen=True, slots=True, eq=False)
class Refined:
    """The refined rig, and how it differs from the old one.

    Attributes:
        outcome: the rig and its evidence.
        movements: of each camera.
        before_px: median residual of each camera with all views believed, by the old rig.
        after_px: by the new one.
        scene_before_px: median residual of static scene points by the old rig; nan without any.
        scene_after_px: by the new one.
    """

    outcome: Outcome
    movements: tuple[Movement, ...]
    before_px: Float[np.ndarray, "cameras"]
    after_px: Float[np.ndarray, "cameras"]
    scene_before_px: float
    scene_after_px: float


def refine(
    rig: CameraRig, seen: Sequence[Keypoints2D], settings: RefineSettings = RefineSettings(), scene: ScenePoints | None = None
) -> Refined:
    """A rig's poses refined on keypoints; lenses, clocks, scale and the world's axes are kept.

    Static points of the scene are not used for it: they tell whether cameras moved, which makes them fit better,
    or whether the detector sees joints elsewhere from elsewhere, which does not.

    Raises:
        CameraError: cameras that are not the rig's, or keypoints that fit it nowhere.
    """
    used, tracks, sampled = evidence_of(rig, seen, settings.min_confidence, settings.frames)
    sampled = sampled.limbs_only(tracks[0].layout) if settings.limbs_only else sampled
    narrowing = AdjustSettings(widths=settings.noise_range, outlier_share=settings.outlier_share)
    adjusted = adjust(used, Free(), sampled.flat_xy, sampled.flat_sigma, narrowing, kind=sampled.kind)
    return _compared(rig, used, adjusted, sampled, scene)


def as_it_stands(rig: CameraRig, seen: Sequence[Keypoints2D], settings: RefineSettings = RefineSettings()) -> Outcome:
    """What keypoints say of a rig that nothing is changed of.

    Raises:
        CameraError: as for `refine`.
    """
    used, _, sampled = evidence_of(rig, seen, settings.min_confidence, settings.frames)
    narrowing = AdjustSettings(widths=(), outlier_share=settings.outlier_share, final_steps=3)
    still = (Free(pose=False),) * len(used)
    adjusted = adjust(used, still, sampled.flat_xy, sampled.flat_sigma, narrowing, kind=sampled.kind)
    evidence = Evidence.of(used, sampled.flat_xy, sampled.flat_sigma, adjusted.points, adjusted.inlier)
    return Outcome("report", rig, evidence, dict.fromkeys(rig.moving, _MOVES), (), None, None, adjusted, {})


def _compared(rig: CameraRig, used: CameraRig, adjusted: Adjusted, sampled: Sampled, scene: ScenePoints | None) -> Refined:
    fit = lay_onto(adjusted.rig, used)
    new = moved(adjusted.rig, fit.scale, fit.new_from_old)
    points = fit.new_from_old @ (fit.scale * adjusted.points)
    evidence = Evidence.of(new, sampled.flat_xy, sampled.flat_sigma, points, adjusted.inlier)
    before, after = all_views_px(used, sampled), all_views_px(new, sampled)
    turns = [float(np.sqrt(np.trace(block))) for block in pose_blocks(adjusted, 3, 6)]
    shifts = [
        fit.scale * float(np.sqrt(np.trace(centre_covariance(c.cam_from_world, block))))
        for c, block in zip(adjusted.rig, pose_blocks(adjusted, 0, 6), strict=True)
    ]
    movements: list[Movement] = []
    notes: list[str] = []
    moved_within = bumps(new, sampled)
    for v, (a, b) in enumerate(zip(used, new, strict=True)):
        turn = float(np.rad2deg(np.linalg.norm((b.cam_from_world.rotation @ a.cam_from_world.rotation.inverse()).log())))
        shift = float(np.linalg.norm(b.centre - a.centre))
        when, jump = moved_within.get(a.name, (None, 0.0))
        movements.append(Movement(a.name, turn, float(np.rad2deg(turns[v])), shift, shifts[v], when, jump))
        if when is not None:
            notes.append(f"{a.name} was bumped at {when:.2f} s: it turned by {jump:.2f} deg; calibrate before and after apart")
    off = [m for m in movements if m.significant and m.turned_deg > _BUMP_DEG]
    notes += [
        f"{m.camera} is not where the rig has it: {m.turned_deg:.2f} +- {m.turned_sigma_deg:.2f} deg, "
        f"{1e3 * m.shifted_m:.0f} +- {1e3 * m.shifted_sigma_m:.0f} mm"
        for m in off
    ]
    before_scene, after_scene = (float("nan"),) * 2 if scene is None else (scene_px(r, scene) for r in (used, new))
    if scene is not None:
        notes.append(_scene_note(before_scene, after_scene))
    whole = tuple(new[c.name] if c.name in new.names else c for c in rig)
    full = new if len(new) == len(rig) else CameraRig(whole, unknown=rig.unknown)
    moves = dict.fromkeys(rig.moving, _MOVES)
    outcome = Outcome("refine", full, evidence, moves, tuple(notes), None, None, adjusted, {})
    return Refined(outcome, tuple(movements), before, after, before_scene, after_scene)


def centre_covariance(pose: SE3, covariance: Float[np.ndarray, "6 6"]) -> Float[np.ndarray, "3 3"]:
    """Of a camera's centre, from that of its pose's left twist: c = -R' t, so dc = -R' dv for twist (dv, dw) at t."""
    # exp(d) moves t to t + dv + dw x t and R to (1 + dw x) R: c' = -R'(1 - dw x)(t + dv + dw x t) = c - R' dv to first order.
    back = pose.rotation.matrix.T
    return back @ covariance[:3, :3] @ back.T


def all_views_px(rig: CameraRig, sampled: Sampled) -> Float[np.ndarray, "views"]:
    """Median residual of each camera with all views believed alike, px: what an outsider measures."""
    found = triangulate(rig, sampled.flat_xy, np.ones_like(sampled.flat_sigma), max_depth_error=np.inf)
    return np.array([float(np.nanmedian(row)) if np.isfinite(row).any() else np.nan for row in found.residual_px])


def scene_px(rig: CameraRig, scene: ScenePoints) -> float:
    """Median residual of static points, px: their places solved for, the cameras as they are."""
    rows = [scene.cameras.index(name) for name in rig.names if name in scene.cameras]
    used = rig.select([scene.cameras[k] for k in rows])
    found = triangulate(used, scene.xy[rows], np.ones((len(rows), scene.xy.shape[1])), max_depth_error=np.inf)
    return finite_median(found.residual_px)


def _scene_note(before: float, after: float) -> str:
    fits = f"static points of the scene, which were not used, fit the old rig to {before:.1f} px and the refined one to {after:.1f} px"
    if after < _CLEARLY * before:
        return f"{fits}: the cameras did move; a detector's bias would not mend what does not move"
    if after > before / _CLEARLY:
        return f"{fits}: the refined poses follow a bias of the detector, keep the old rig"
    return f"{fits}: they do not tell whether cameras moved or the detector is biased by the view"


def bumps(rig: CameraRig, sampled: Sampled) -> dict[str, tuple[float, float]]:
    """Cameras that moved against the others within the take: when (s), and by how much (deg).

    With three cameras or fewer nothing tells which of them it was.
    """
    found: dict[str, tuple[float, float]] = {}
    trusted = list(range(len(rig)))
    steps = _steps(rig, sampled, trusted)
    while steps and len(trusted) > 3:
        # One camera that moved makes all that are judged by it seem to: it is the one without which fewest do.
        without = {v: _steps(rig, sampled, [k for k in trusted if k != v]) for v in trusted}
        moved_one = min(trusted, key=lambda v: (sum(s[2] for s in without[v].values()), -steps.get(v, (0.0, 0.0, 0.0))[2]))
        when, degrees, _ = steps.get(moved_one) or max(steps.values(), key=lambda s: s[2])
        found[rig.names[moved_one]] = (when, degrees)
        trusted.remove(moved_one)
        steps = without[moved_one]
    return found


def _steps(rig: CameraRig, sampled: Sampled, trusted: Sequence[int]) -> dict[int, tuple[float, float, float]]:
    """Of each camera against the others among these, where there is a clear one."""
    steps = {v: _step(rig, sampled, v, [k for k in trusted if k != v]) for v in trusted}
    return {v: step for v, step in steps.items() if step is not None}


def _step(rig: CameraRig, sampled: Sampled, view: int, others: list[int]) -> tuple[float, float, float] | None:
    """The moment at which a camera's residuals against the others jump, by how much (deg), and how clearly.

    A detector's bias drifts with the person; a bump is a jump far beyond what it drifts in as many frames.
    """
    frames, joints = sampled.xy.shape[1:3]
    if frames < 4 * _BLOCK:
        return None
    rest = rig.select([rig.names[v] for v in others])
    found = triangulate_robust(rest, sampled.flat_xy[others], sampled.flat_sigma[others] * 2, RobustSettings(min_confidence=0.9))
    camera = rig.cameras[view]
    off = (sampled.flat_xy[view] - camera.project(found.xyz)).reshape(frames, joints, 2)
    middle = np.stack([[finite_median(off[f, :, k]) for k in (0, 1)] for f in range(frames)])
    blocks = np.lib.stride_tricks.sliding_window_view(middle, _BLOCK, axis=0)  # starts 2 frames
    level = np.stack([[finite_median(row) for row in block] for block in blocks])
    jump = np.linalg.norm(level[_BLOCK:] - level[:-_BLOCK], axis=1)
    known = np.isfinite(jump)
    if known.sum() < 2 * _BLOCK:
        return None
    best = int(np.nanargmax(jump))
    focal = camera.intrinsics.focal
    degrees = float(np.rad2deg(jump[best] / focal))
    far = known & (np.abs(np.arange(len(jump)) - best) >= _BLOCK)
    usual = finite_median(jump[far]) if far.any() else float("nan")
    clarity = float(jump[best]) / max(usual, 0.2)
    if degrees < _BUMP_DEG or not clarity > _BUMP_RATIO:
        return None
    at = best + _BLOCK  # the first frame after
    return float(0.5 * (sampled.instant[at - 1] + sampled.instant[at])), degrees, clarity
