"""How far each camera's detections scatter from what the cameras agree on, before outliers are judged.

Detectors do not know their own noise, and no calibration is perfect. If a rig is off by 20 px and points
are judged by a sigma of 5 px, two cameras that happen to agree outvote the others for the whole take.
So the scale of the residuals is measured first, with all views believed, then with outliers told apart
at one scale for all cameras: only the spread of a camera may differ, never its right to be heard.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from recon3d.arrays import finite_median, freeze_fields
from recon3d.geometry import CameraRig
from recon3d.geometry.triangulation import RobustSettings, Triangulation, triangulate, triangulate_robust

_MEDIAN_CHI2 = 1.386  # median of chi-square with two degrees of freedom
_ROUNDS = 2
_RANGE = (0.3, 30.0)  # of the scale on a detector's own sigma
_MAX_RATIO = 3.0  # between two cameras' scales: beyond, the quiet ones would decide alone


@dataclass(frozen=True, slots=True, eq=False)
class NoiseScale:
    """Factor on the detector's sigma for each camera, and the residuals it was measured from.

    Attributes:
        scale: factor on ``sigma_px``.
        residual_px: median residual of each camera with all views believed.
        points: number of points it was measured from.
    """

    scale: Float[np.ndarray, "views"]
    residual_px: Float[np.ndarray, "views"]
    points: int

    def __post_init__(self) -> None:
        freeze_fields(self)


def estimate_noise(rig: CameraRig, xy: Float[np.ndarray, "views points 2"], sigma_px: Float[np.ndarray, "views points"]) -> NoiseScale:
    """The scale of each camera's residuals over a sample of the take; 1 where too little was seen to tell."""
    views = len(rig)
    everyone = triangulate(rig, xy, sigma_px, max_depth_error=np.inf)
    with np.errstate(invalid="ignore"):
        residual = np.array([finite_median(everyone.residual_px[v]) for v in range(views)])
    usable = np.isfinite(everyone.residual_px).sum(0) >= 2
    count = int(usable.sum())
    if count < 20:
        return NoiseScale(np.ones(views), residual, count)
    scale = _pooled(everyone, sigma_px)
    answer = everyone
    for _ in range(_ROUNDS):
        answer = triangulate_robust(rig, xy, sigma_px * scale, RobustSettings(min_confidence=0.5, max_depth_error=np.inf))
        scale = min(scale, _pooled(answer, sigma_px))
    own = np.array([_scale(answer, sigma_px, [v]) for v in range(views)])
    own = np.where(np.isfinite(own), own, scale)
    if views == 2:  # two views share their residual: which of them is off cannot be told
        own[:] = scale
    own = np.clip(own, max(own.max() / _MAX_RATIO, _RANGE[0]), _RANGE[1])
    return NoiseScale(own, residual, count)


def _pooled(answer: Triangulation, sigma_px: Float[np.ndarray, "views points"]) -> float:
    scale = _scale(answer, sigma_px, list(range(len(sigma_px))))
    return float(np.clip(scale, *_RANGE)) if np.isfinite(scale) else 1.0


def _scale(answer: Triangulation, sigma_px: Float[np.ndarray, "views points"], rows: list[int]) -> float:
    """Robust scale of some cameras' residuals, the points' own degrees of freedom allowed for."""
    used = (answer.inlier > 0.5) & np.isfinite(answer.residual_px)
    views = used.sum(0)
    # m views give 2 m numbers for 3 unknowns: residuals are smaller than errors by this share.
    share = np.where(views >= 2, (2 * views - 3) / np.maximum(2 * views, 1), np.nan)
    chi2 = (answer.residual_px / sigma_px) ** 2 / share
    return float(np.sqrt(finite_median(chi2[rows][used[rows]]) / _MEDIAN_CHI2))
