"""What detectors do to points: errors that last and errors that change, mix-ups of sides, what is hidden or cut off.

``python -m recon3d.monocular.train.noise TAKE`` measures the numbers of `DetectorNoise` on a multi-view take, whose solved motion
stands for the truth. The take's rig must be right (`recon3d calibrate refine`): what cameras are off by would count as the detector's.
"""

import sys
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float
from scipy import optimize

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
# Whose direction decides what a detector makes of a point: from one joint to another.
_LIMB = {
    **{
        f"{side}_{b}": (f"{side}_{a}", f"{side}_{b}")
        for side in ("left", "right")
        for a, b in (("elbow", "wrist"), ("shoulder", "elbow"), ("hip", "knee"), ("knee", "ankle"))
    },
    **{f"{side}_{b}": (f"{side}_knee", f"{side}_ankle") for side in ("left", "right") for b in ("heel", "big_toe", "small_toe")},
    **dict.fromkeys(("left_hip", "right_hip", "pelvis", "spine"), ("right_hip", "left_hip")),
}
_FROM, _TO = ([POINTS.index(_LIMB.get(n, ("right_shoulder", "left_shoulder"))[k]) for n in POINTS] for k in (0, 1))
_WAVES = 8  # that a lasting error is the sum of
_BINS = 12  # of turns of limbs
_SOUND = 4.0  # robust deviations: what errs more is a burst


@dataclass(frozen=True, slots=True)
class DetectorNoise:
    """Sizes of errors, a coordinate, as shares of the person's size in the picture (the diagonal of its box).

    What `measured` finds for the shipped default detector, four cameras of balance4, frames 0 to 49, by the rig that is refined on the
    recording's OpenPose files. How much takes differ, mix-ups and what is hidden do not show in one clear take: they are set.
    """

    lasting: float = 0.0058
    """Median over takes of what a point is off as long as a pose is held: a detector's elbow is not quite that of motion capture."""
    alike: float = 0.9
    """Of directions of a limb (distance on the unit sphere), over which those errors are alike."""
    changing: float = 0.0037
    """Median of what changes."""
    face: float = 4.5
    """Times as much for points of the face at most; balance4's faces are made unrecognisable, so that is a bound, and 1 the other."""
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
    cut_share: float = 0.1
    """Of windows in which the picture ends across the person: below, and a third as often beside."""


def detect(
    clean: Float[np.ndarray, "windows frames points 2"],
    limb: Float[np.ndarray, "windows frames points 3"],
    time: Float[np.ndarray, "windows frames"],
    noise: DetectorNoise,
    rng: np.random.Generator,
) -> tuple[Float[np.ndarray, "windows frames points 2"], Float[np.ndarray, "windows frames points"]]:
    """What a detector makes of points: their places, NaN where it has none, and the sigma that it tells, in the person's size.

    Args:
        clean: where the points are.
        limb: directions of their limbs as the camera sees them (`limbs`).
        time: s.
        noise: of what size.
        rng: decides.
    """
    size, frames, count, _ = clean.shape
    person = _extent(clean)[..., None]
    larger = np.where(_FACE, noise.face ** rng.random((size, 1, 1)), 1.0)
    take = rng.normal(0, noise.spread / np.sqrt(2), (size, 1, 1)) + rng.normal(0, noise.spread / np.sqrt(2), (size, 1, count))
    sigma = np.broadcast_to(noise.changing * larger * np.exp(take), (size, frames, count)).copy()
    sigma *= np.where(bursts(rng, (size, count), frames, noise.burst_share), noise.burst, 1.0)
    lasting = noise.lasting * larger * np.exp(rng.normal(0, noise.lasting_spread, (size, 1, 1)))
    off = _remembered(rng, clean.shape, time, noise.memory_s) * sigma[..., None]
    off += _posed(rng, limb / noise.alike) * lasting[..., None]
    found = clean + off * person[..., None]
    for part in (_ARMS, _LEGS):
        change = bursts(rng, (size, 1), frames, noise.swap_share)
        found = np.where((change & part)[..., None], found[:, :, _SWAPPED], found)
    hidden = bursts(rng, (size, count), frames, noise.hidden_share) if noise.hidden_share else np.zeros(sigma.shape, bool)
    for limb in _LIMBS:
        hidden |= bursts(rng, (size, 1), frames, noise.hidden_share) & limb
    hidden |= _cut(clean, rng, noise.cut_share)
    told = noise.told * np.sqrt(sigma**2 + lasting**2) * np.exp(rng.normal(0, 0.3, sigma.shape))
    return np.where(hidden[..., None], np.nan, found), told


def _extent(points: Float[np.ndarray, "*frames points 2"]) -> Float[np.ndarray, "*frames"]:
    """The person's size in the picture: the diagonal of its box, frame by frame."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # nobody in a frame
        extent = np.nanmax(points, -2) - np.nanmin(points, -2)
    return np.nan_to_num(np.linalg.norm(extent, axis=-1), nan=1.0)


def limbs(places: Float[np.ndarray, "*frames points 3"]) -> Float[np.ndarray, "*frames points 3"]:
    """For each point the direction of the limb it ends, of the hips or of the shoulders; zeros where unknown."""
    line = places[..., _TO, :] - places[..., _FROM, :]
    return np.nan_to_num(line / np.maximum(np.linalg.norm(line, axis=-1, keepdims=True), 1e-9))


def _posed(rng: np.random.Generator, limb: Float[np.ndarray, "windows frames points 3"]) -> Float[np.ndarray, "windows frames points 2"]:
    """Noise of unit variance that is a smooth function of a limb's direction, another one for each window and point: a Gaussian process
    by random waves (Rahimi and Recht, "Random features for large-scale kernel machines", 2007)."""
    size, _, count, _ = limb.shape
    wave = rng.standard_normal((size, count, 3, 2 * _WAVES), np.float32)
    phase = rng.uniform(0, 2 * np.pi, (size, 1, count, 2 * _WAVES)).astype(np.float32)
    angle = np.moveaxis(np.moveaxis(limb.astype(np.float32), 2, 1) @ wave, 1, 2) + phase
    return np.cos(angle).reshape(*limb.shape[:3], 2, _WAVES).sum(-1) * np.sqrt(2 / _WAVES)


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


def _cut(
    clean: Float[np.ndarray, "windows frames points 2"], rng: np.random.Generator, share: float
) -> Bool[np.ndarray, "windows frames points"]:
    """The image ends somewhere: now and then across the person, below or beside."""
    size = len(clean)
    low, high = np.nanmin(clean, (1, 2)), np.nanmax(clean, (1, 2))
    kind = rng.random(size)
    part = rng.uniform(0.35, 0.95, size)
    below = low[:, 1] + part * (high[:, 1] - low[:, 1])
    out = (kind < share)[:, None, None] & (clean[..., 1] > below[:, None, None])
    right = low[:, 0] + part * (high[:, 0] - low[:, 0])
    return out | ((kind > 1 - share / 3)[:, None, None] & (clean[..., 0] > right[:, None, None]))


def measured(take: Path, last: int = 50) -> dict[str, float]:
    """The numbers of `DetectorNoise` that a take of one person tells, of its frames before ``last``."""
    from recon3d.io import read_keypoints2d, read_motion, read_rig

    motion = read_motion(next((take / "motion").glob("*.npz")))
    places = motion.armature.keypoints(motion.poses())[:last]
    names = motion.armature.attachments.points
    off: dict[bool, list[np.ndarray]] = {False: [], True: []}
    told: list[np.ndarray] = []
    limb: list[np.ndarray] = []
    full = np.full((len(places), len(POINTS), 3), np.nan)
    shown = [k for k, n in enumerate(names) if n in POINTS]
    full[:, [POINTS.index(names[k]) for k in shown]] = places[:, shown]
    for camera in read_rig(take / "rig.toml").cameras:
        seen = read_keypoints2d(take / "keypoints2d" / f"{camera.name}.npz")
        where = camera.project(places)[..., :2]
        size = float(np.median(_extent(where[:, shown])))
        shared = [n for n in seen.layout.points if n in names and n in POINTS]
        error = (seen.xy[:last, 0, seen.layout.indices(shared)] - where[:, [names.index(n) for n in shared]]) / size
        face = np.array([any(p in n for p in ("nose", "eye", "ear")) for n in shared])
        limb.append(limbs(full)[:, [POINTS.index(n) for n in shared]][:, ~face])
        for kind in (False, True):
            off[kind].append(error[:, face == kind])
        told.append((seen.sigma_px[:last, 0, seen.layout.indices(shared)] / size)[:, ~face])
    body = np.stack(off[False])  # cameras frames points 2
    # What is the same all the while is also in the motion, which has three numbers a point for the cameras' two each.
    hidden = (1 - 3 / (2 * len(body))) ** 0.5
    lasting, changing, memory = _split(body, float(np.median(np.diff(motion.time))))
    face_lasting, face_changing, _ = _split(np.stack(off[True]), 1.0)
    lasting, face_lasting = lasting / hidden, face_lasting / hidden
    total = np.hypot(lasting, changing)
    return {
        "lasting": lasting,
        "changing": changing,
        "alike": _alike(body, np.stack(limb)),
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


def _alike(off: Float[np.ndarray, "cameras frames points 2"], limb: Float[np.ndarray, "cameras frames points 3"]) -> float:
    """How far a limb turns until its lasting error is another one, from frames that are further apart than changing errors last.

    Half of the mean square between two errors of one point is what changes, and as much of what lasts as the turn has made new; by
    medians, which bursts do not move.
    """
    turned, apart = [], []
    frames = off.shape[1]
    for lag in range(frames // 3, frames - 1):
        turned.append(np.linalg.norm(limb[:, lag:] - limb[:, :-lag], axis=-1).ravel())
        apart.append((np.square(off[:, lag:] - off[:, :-lag]).mean(-1) / 2).ravel())
    distance, spread = np.concatenate(turned), np.concatenate(apart)
    distance, spread = distance[np.isfinite(spread)], spread[np.isfinite(spread)]
    part = np.array_split(np.argsort(distance), _BINS)
    distance, spread = np.array([distance[p].mean() for p in part]), np.array([np.median(spread[p]) / np.log(2) for p in part])
    tried = np.geomspace(0.1, 3.0, 60)
    misfit = []
    for alike in tried:
        model = np.stack([np.ones(_BINS), -np.expm1(-((distance / alike) ** 2) / 2)], -1)
        misfit.append(optimize.nnls(model, spread)[1])
    return float(tried[np.argmin(misfit)])


if __name__ == "__main__":
    for name, value in measured(Path(sys.argv[1])).items():
        sys.stdout.write(f"{name} {value:.4g}\n")
