"""What detectors would report of a synthetic person: noise, outliers, gaps, all seeded and with truth.

The defaults are those of published comparisons: 2 px noise, 10 % outliers (a third of them the mirror
joint or another joint, the rest 25 to 300 px off), 15 % missing (half of it in bursts of 5 to 30
frames). Confidences are drawn alike for good and bad detections, so that nothing can be learned from them.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from recon3d.arrays import freeze_fields
from recon3d.geometry import CameraRig
from recon3d.records import Keypoints2D
from recon3d.synthetic.people import Person


@dataclass(frozen=True, slots=True)
class NoiseSettings:
    """How detections go wrong."""

    sigma_px: float = 2.0
    """Standard deviation of each coordinate of a good detection."""
    outliers: float = 0.10
    """Share of detections that are of something else."""
    missing: float = 0.15
    """Share of detections that are not there; half of it in bursts."""
    swap_share: float = 1 / 3
    """Share of outliers that are the mirror joint or another joint."""
    near_px: float = 25.0
    """Least distance of the other outliers."""
    far_px: float = 300.0
    """Largest distance."""
    occlusion: bool = False
    """Joints on the far side of the trunk are hidden."""


@dataclass(frozen=True, slots=True, eq=False)
class World:
    """A person, a rig, what the rig's cameras report, and the truth.

    Attributes:
        rig: cameras.
        person: truth in 3D.
        clean: true projections, px.
        xy: detections, px; NaN where missing.
        outlier: which detections are of something else.
    """

    rig: CameraRig
    person: Person
    clean: Float[np.ndarray, "views frames joints 2"]
    xy: Float[np.ndarray, "views frames joints 2"]
    outlier: Bool[np.ndarray, "views frames joints"]
    confidence: Float[np.ndarray, "views frames joints"]
    sigma_px: float

    def __post_init__(self) -> None:
        freeze_fields(self)

    def keypoints2d(self) -> list[Keypoints2D]:
        """The detections as records, one a camera."""
        frames = len(self.person.motion)
        out: list[Keypoints2D] = []
        for v, camera in enumerate(self.rig):
            xy = self.xy[v][:, None].astype(np.float32)
            absent = ~np.isfinite(xy[..., 0])
            with np.errstate(invalid="ignore"):
                low, high = np.fmin.reduce(xy, 2), np.fmax.reduce(xy, 2)
            out.append(
                Keypoints2D(
                    layout=self.person.layout,
                    camera=camera.name,
                    size=camera.intrinsics.size,
                    frame=np.arange(frames),
                    time=self.person.motion.time.copy(),
                    person_id=np.full((frames, 1), -1),
                    xy=xy,
                    confidence=np.where(absent, 0, self.confidence[v][:, None]).astype(np.float32),
                    sigma_px=np.where(absent, np.nan, self.sigma_px).astype(np.float32),
                    box=np.concatenate([low, high], -1),
                    score_kind="synthetic",
                )
            )
        return out


def make_world(rig: CameraRig, person: Person, noise: NoiseSettings = NoiseSettings(), seed: int = 0) -> World:
    """Detections of a person in every camera of a rig."""
    rng = np.random.default_rng([seed, len(rig)])
    clean = rig.project(person.keypoints)
    sizes = np.array([camera.intrinsics.size for camera in rig])[:, None, None]
    with np.errstate(invalid="ignore"):
        outside = ~((clean >= 0) & (clean < sizes)).all(-1)
    missing = outside | _missing(clean.shape[:3], noise.missing, rng)
    if noise.occlusion:
        missing |= hidden_by_trunk(rig, person)
    good = clean + rng.normal(0, noise.sigma_px, clean.shape)
    outlier = (rng.random(clean.shape[:3]) < noise.outliers) & ~missing
    xy = np.where(outlier[..., None], _strays(clean, person, noise, rng), good)
    xy[missing] = np.nan
    confidence = np.where(missing, 0.0, rng.uniform(0.5, 0.95, missing.shape))
    return World(rig, person, clean, xy, outlier, confidence, noise.sigma_px)


def _missing(shape: tuple[int, ...], share: float, rng: np.random.Generator) -> Bool[np.ndarray, "views frames joints"]:
    out = rng.random(shape) < share / 2
    starts = rng.random(shape) < (share / 2) / 17.5 / max(1 - share / 2, 1e-9)
    for view, frame, joint in zip(*np.nonzero(starts), strict=True):
        out[view, frame : frame + int(rng.integers(5, 31)), joint] = True
    return out


def _strays(
    clean: Float[np.ndarray, "views frames joints 2"], person: Person, noise: NoiseSettings, rng: np.random.Generator
) -> Float[np.ndarray, "views frames joints 2"]:
    shape = clean.shape[:3]
    angle, far = rng.uniform(0, 2 * np.pi, shape), rng.uniform(noise.near_px, noise.far_px, shape)
    away = clean + far[..., None] * np.stack([np.cos(angle), np.sin(angle)], -1)
    other = rng.integers(0, shape[2], shape)
    mirror = person.layout.mirror
    paired = np.broadcast_to(mirror != np.arange(len(mirror)), shape)
    other = np.where(paired & (rng.random(shape) < 0.6), mirror, other)
    swapped = np.take_along_axis(clean, other[..., None], 2) + rng.normal(0, noise.sigma_px, clean.shape)
    out = np.where((rng.random(shape) < noise.swap_share)[..., None], swapped, away)
    with np.errstate(invalid="ignore"):
        near = ~(np.linalg.norm(out - clean, axis=-1) >= 10)  # a swap with a joint in the same place is no outlier
    return np.where(near[..., None], away, out)


def hidden_by_trunk(rig: CameraRig, person: Person) -> Bool[np.ndarray, "views frames joints"]:
    """Joints whose ray to a camera passes within 12 cm of the line from hips to neck, in front of the joint."""
    poses = person.motion.poses()
    armature = person.motion.armature
    low, high = (poses.translation[:, armature.index(name)] for name in ("pelvis", "neck"))
    steps = np.linspace(0.1, 0.9, 9)[:, None, None]
    line = low + steps * (high - low)  # steps frames 3
    out = np.zeros((len(rig), *person.keypoints.shape[:2]), bool)
    for v, centre in enumerate(rig.centres()):
        ray = centre - person.keypoints
        length = np.linalg.norm(ray, axis=-1, keepdims=True)
        to_line = line[:, :, None] - person.keypoints[None]
        along = (to_line * (ray / length)[None]).sum(-1)
        off = np.sqrt(np.maximum((to_line**2).sum(-1) - along**2, 0))
        out[v] = ((off < 0.12) & (along > 0.2)).any(0)
    return out
