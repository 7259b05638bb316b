"""What detectors do to points: errors that last and errors that change, mix-ups of sides, what is hidden or cut off.

``python -m recon3d.monocular.train.noise TAKE`` measures the numbers of `DetectorNoise` on a multi-view take, whose solved motion
stands for the truth.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from recon3d.monocular.points import POINTS, mirrored
from recon3d.monocular.world import SIGMA_TOLD

_SWAPPED = mirrored(POINTS)


def _named(*parts: str) -> Bool[np.ndarray, "points"]:
    return np.array([any(p in n for p in parts) for n in POINTS])


_ARMS, _LEGS = _named("shoulder", "elbow", "wrist"), _named("hip", "knee", "ankle", "toe", "heel")
_FACE = _named("nose", "eye", "ear")
_LIMBS = tuple(
    _named(*parts) & np.array([n.startswith(side) for n in POINTS])
    for side in ("left", "right")
    for parts in (("elbow", "wrist"), ("knee", "ankle", "toe", "heel"))
)
_SOUND = 4.0  # robust deviations: what errs more is a burst


@dataclass(frozen=True, slots=True)
class DetectorNoise:
    """Sizes of errors, a coordinate, as shares of the person's size in the picture (the diagonal of its box).

    What `measured` finds for the shipped default detector, four cameras of balance4, frames 0 to 49. How much takes differ, mix-ups
    and what is hidden do not show in one clear take: they are set.
    """

    lasting: float = 0.0108
    """Median over takes of what a point is off all the time: a detector's elbow is not quite that of motion capture."""
    changing: float = 0.0039
    """Median of what changes."""
    face: float = 1.8
    """Times as much for points of the face."""
    memory_s: float = 0.085
    """After which a changing error is another one."""
    told: float = SIGMA_TOLD
    """What a detector says of its sigma over what it is."""
    spread: float = 0.6
    """Of the logarithm of the changing errors, from take to take and point to point."""
    lasting_spread: float = 0.35
    """Of the logarithm of the lasting ones."""
    burst: float = 5.0
    """Times as much in bursts."""
    burst_share: float = 0.015
    """Of all points and frames."""
    swap_share: float = 0.01
    """Of frames in which both arms, or both legs, are taken for each other."""
    hidden_share: float = 0.05
    """Of points, and again of whole limbs, that are not there."""


def detect(
    clean: Float[np.ndarray, "windows frames points 2"],
    time: Float[np.ndarray, "windows frames"],
    noise: DetectorNoise,
    rng: np.random.Generator,
) -> tuple[Float[np.ndarray, "windows frames points 2"], Float[np.ndarray, "windows frames points"]]:
    """What a detector makes of points: their places, NaN where it has none, and the sigma that it tells, in the person's size."""
    size, frames, count, _ = clean.shape
    extent = np.nanmax(clean, (1, 2)) - np.nanmin(clean, (1, 2))
    person = np.nan_to_num(np.linalg.norm(extent, axis=-1), nan=1.0)[:, None, None]
    larger = np.where(_FACE, noise.face, 1.0)
    take = rng.normal(0, noise.spread / np.sqrt(2), (size, 1, 1)) + rng.normal(0, noise.spread / np.sqrt(2), (size, 1, count))
    sigma = np.broadcast_to(noise.changing * larger * np.exp(take), (size, frames, count)).copy()
    sigma *= np.where(bursts(rng, (size, count), frames, noise.burst_share), noise.burst, 1.0)
    lasting = noise.lasting * larger * np.exp(rng.normal(0, noise.lasting_spread, (size, 1, 1)))
    off = _remembered(rng, clean.shape, time, noise.memory_s) * sigma[..., None]
    off += rng.normal(size=(size, 1, count, 2)) * lasting[..., None]
    found = clean + off * person[..., None]
    for part in (_ARMS, _LEGS):
        change = bursts(rng, (size, 1), frames, noise.swap_share)
        found = np.where((change & part)[..., None], found[:, :, _SWAPPED], found)
    hidden = bursts(rng, (size, count), frames, noise.hidden_share) if noise.hidden_share else np.zeros(sigma.shape, bool)
    for limb in _LIMBS:
        hidden |= bursts(rng, (size, 1), frames, noise.hidden_share) & limb
    if noise.hidden_share:
        hidden |= _cut(clean, rng)
    told = noise.told * np.sqrt(sigma**2 + lasting**2) * np.exp(rng.normal(0, 0.3, sigma.shape))
    return np.where(hidden[..., None], np.nan, found), told


def bursts(rng: np.random.Generator, shape: tuple[int, int], frames: int, share: float) -> Bool[np.ndarray, "windows frames points"]:
    """Runs of frames, a share of all, for every window and point."""
    size, count = shape
    length = np.exp(rng.uniform(np.log(1), np.log(max(frames, 2)), (size, count)))
    often = rng.random((size, count)) < np.minimum(share * (frames + length) / length, 1.0)
    start = rng.uniform(-length, frames, (size, count))
    row = np.arange(frames)[None, :, None]
    return often[:, None] & (row >= start[:, None]) & (row < (start + length)[:, None])


def _remembered(
    rng: np.random.Generator, shape: tuple[int, ...], time: Float[np.ndarray, "windows frames"], memory_s: float
) -> Float[np.ndarray, "windows frames points 2"]:
    """Noise of unit variance that fades: a first-order autoregression."""
    out = rng.standard_normal(shape, np.float32)
    keep = np.exp(-np.diff(time, axis=1) / memory_s).astype(np.float32)[..., None, None]
    new = np.sqrt(1 - keep**2)
    for k in range(1, shape[1]):
        out[:, k] = keep[:, k - 1] * out[:, k - 1] + new[:, k - 1] * out[:, k]
    return out


def _cut(clean: Float[np.ndarray, "windows frames points 2"], rng: np.random.Generator) -> Bool[np.ndarray, "windows frames points"]:
    """The image ends somewhere: now and then across the person, below or beside."""
    size = len(clean)
    low, high = np.nanmin(clean, (1, 2)), np.nanmax(clean, (1, 2))
    kind = rng.random(size)
    share = rng.uniform(0.35, 0.95, size)
    below = low[:, 1] + share * (high[:, 1] - low[:, 1])
    out = (kind < 0.1)[:, None, None] & (clean[..., 1] > below[:, None, None])
    right = low[:, 0] + share * (high[:, 0] - low[:, 0])
    return out | ((kind > 0.97)[:, None, None] & (clean[..., 0] > right[:, None, None]))


def measured(take: Path, last: int = 50) -> dict[str, float]:
    """The numbers of `DetectorNoise` that a take of one person tells, of its frames before ``last``."""
    from recon3d.io import read_keypoints2d, read_motion, read_rig

    motion = read_motion(next((take / "motion").glob("*.npz")))
    places = motion.armature.keypoints(motion.poses())[:last]
    names = motion.armature.attachments.points
    off: dict[bool, list[np.ndarray]] = {False: [], True: []}
    told: list[np.ndarray] = []
    for camera in read_rig(take / "rig.toml").cameras:
        seen = read_keypoints2d(take / "keypoints2d" / f"{camera.name}.npz")
        where = camera.project(places)[..., :2]
        size = float(np.median(np.linalg.norm(np.nanmax(where, 1) - np.nanmin(where, 1), axis=-1)))
        shared = [n for n in seen.layout.points if n in names]
        error = (seen.xy[:last, 0, seen.layout.indices(shared)] - where[:, [names.index(n) for n in shared]]) / size
        face = np.array([any(p in n for p in ("nose", "eye", "ear")) for n in shared])
        for kind in (False, True):
            off[kind].append(error[:, face == kind])
        told.append((seen.sigma_px[:last, 0, seen.layout.indices(shared)] / size)[:, ~face])
    body = np.stack(off[False])  # cameras frames points 2
    lasting, changing, memory = _split(body, float(np.median(np.diff(motion.time))))
    face_lasting, face_changing, _ = _split(np.stack(off[True]), 1.0)
    total = np.hypot(lasting, changing)
    return {
        "lasting": lasting,
        "changing": changing,
        "face": float(np.hypot(face_lasting, face_changing) / total),
        "memory_s": memory,
        "told": float(np.nanmedian(np.stack(told))) / total,
        "burst_share": float(np.nanmean(np.abs(body - np.nanmedian(body, 1, keepdims=True)) > _SOUND * changing)),
    }


def _split(off: Float[np.ndarray, "cameras frames points 2"], step_s: float) -> tuple[float, float, float]:
    """What lasts, what changes, and for how long what changes stays alike (s)."""
    middle = np.nanmedian(off, 1, keepdims=True)
    rest = off - middle
    changing = 1.4826 * float(np.nanmedian(np.abs(rest)))
    rest = np.where(np.abs(rest) < _SOUND * changing, rest, np.nan)
    alike = float(np.nanmean(rest[:, 5:] * rest[:, :-5]) / np.nanmean(rest**2))
    return float(np.sqrt(np.nanmean(middle**2))), changing, -5 * step_s / np.log(np.clip(alike, 0.01, 0.99))


if __name__ == "__main__":
    for name, value in measured(Path(sys.argv[1])).items():
        sys.stdout.write(f"{name} {value:.4g}\n")
