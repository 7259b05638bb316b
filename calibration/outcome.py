"""What a calibration hands back: the rig, the evidence it rests on, and what was left out and why."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from calibration.world import Scale
from recon3d.arrays import freeze_fields
from recon3d.geometry import CameraRig
from recon3d.geometry.robust_bundle import Adjusted
from recon3d.motion.ground import Ground


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What the cameras saw, and what the rig predicts.

    Attributes:
        xy: px; NaN where absent.
        sigma_px: px.
        points: m; NaN where unused.
        predicted: px; NaN where absent or unused.
        inlier: probability of each sighting to be of its point.
    """

    xy: Float[np.ndarray, "views points 2"]
    sigma_px: Float[np.ndarray, "views points"]
    points: Float[np.ndarray, "points 3"]
    predicted: Float[np.ndarray, "views points 2"]
    inlier: Float[np.ndarray, "views points"]

    def __post_init__(self) -> None:
        freeze_fields(self)

    @staticmethod
    def of(
        rig: CameraRig,
        xy: Float[np.ndarray, "views points 2"],
        sigma_px: Float[np.ndarray, "views points"],
        points: Float[np.ndarray, "points 3"],
        inlier: Float[np.ndarray, "views points"],
    ) -> "Evidence":
        """Predictions of a rig beside what was seen."""
        predicted = np.where(np.isfinite(xy), rig.project(points), np.nan)
        return Evidence(np.array(xy, float), np.array(sigma_px, float), np.array(points), predicted, np.array(inlier))

    def residual_px(self) -> Float[np.ndarray, "views points"]:
        """Distance of each sound sighting to its prediction; NaN for the others."""
        off = np.linalg.norm(self.predicted - self.xy, axis=-1)
        return np.where(self.inlier > 0.5, off, np.nan)


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """A calibrated rig and everything there is to say about it.

    Attributes:
        kind: "people", "boards", "points" or "refine".
        rig: cameras; its covariance is of all poses, the rig as a whole held.
        evidence: what it rests on.
        refused: cameras that could not be calibrated, and why.
        notes: what a person should know.
        scale: the cues and how they agree; None where the scale was given.
        ground: how up and the floor were found; None where they were given or are unknown.
        adjusted: the last adjustment, in its own units and axes.
        links: number of shared points (or boards) that relate two cameras.
    """

    kind: str
    rig: CameraRig
    evidence: Evidence
    refused: dict[str, str]
    notes: tuple[str, ...]
    scale: Scale | None
    ground: Ground | None
    adjusted: Adjusted
    links: dict[tuple[str, str], int]
