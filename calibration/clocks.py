"""Clocks from motion: how late each camera's stamps are, before any pose is known.

How fast each joint moves in the image rises and falls alike in all views: correlating that gives
candidate offsets for two cameras, and offsets within a second or so are all tried. The epipolar geometry
decides between them and refines the offset below a frame (the sixth unknown of `relative_pose`): at a
wrong offset the points of two cameras fit no pose.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float

from calibration.observed import Track, sample
from recon3d.geometry import Clock, Intrinsics
from recon3d.geometry.epipolar import EpipolarSettings, RelativePose, relative_pose
from recon3d.geometry.threads import single_threaded

_PRIOR = 0.05  # of log likelihood a point, over the range searched
_GRID, _MOST_TRIED = 0.1, 45  # s: the geometry pulls an offset in from half of that
_JUDGED_AGAIN = 4  # of the candidates
_FEWEST_AGREE = 0.35  # of the points of two cameras whose clocks are tied
_STEADY = 4.0  # sigmas that three samples of one joint may bend


@dataclass(frozen=True, slots=True)
class OffsetSettings:
    """How offsets are searched."""

    largest: float = 1.0
    """Offsets searched between two cameras, s."""
    peaks: int = 6
    """Peaks of the correlation that the geometry decides between."""
    frames: int = 160
    """Frames that the best candidates are judged on; a third of them serves for a first look."""
    epipolar: EpipolarSettings = field(default_factory=lambda: EpipolarSettings(samples=100, judged=400, refined=4))
    """Of the relative poses."""


@dataclass(frozen=True, slots=True)
class Offsets:
    """Clocks of the cameras that could be tied to each other, relative to the first of them, and how sure each is.

    Attributes:
        clocks: offsets; None where a camera could not be tied to the others.
        support: share of the points that agree with the offset's geometry; 1 for the first, 0 where there is no clock.
        margin: log likelihood over the next best offset's; infinite for the first, 0 where there is no clock.
    """

    clocks: tuple[Clock | None, ...]
    support: tuple[float, ...]
    margin: tuple[float, ...]


def coarse_offsets(tracks: Sequence[Track], intrinsics: Sequence[Intrinsics], settings: OffsetSettings = OffsetSettings()) -> Offsets:
    """Offsets of the largest group of cameras that can be tied to each other, camera after camera to one that is known already."""
    best: dict[int, tuple[float, float, float]] = {}
    pending = list(range(len(tracks)))
    with single_threaded():
        while len(pending) > len(best):
            group = {pending.pop(0): (0.0, 1.0, float("inf"))}
            queue = deque(group)
            while queue:
                reference = queue.popleft()
                for v in list(pending):
                    found = pair_offset(tracks[reference], tracks[v], intrinsics[reference], intrinsics[v], settings)
                    if found is None or found[1] < _FEWEST_AGREE:
                        continue
                    late, support, margin = found
                    group[v] = group[reference][0] + late, support, margin
                    pending.remove(v)
                    queue.append(v)
            best = max(best, group, key=len)
    known = [best.get(v) for v in range(len(tracks))]
    return Offsets(
        tuple(None if k is None else Clock(k[0]) for k in known),
        tuple(0.0 if k is None else k[1] for k in known),
        tuple(0.0 if k is None else k[2] for k in known),
    )


def pair_offset(
    a: Track, b: Track, lens_a: Intrinsics, lens_b: Intrinsics, settings: OffsetSettings = OffsetSettings()
) -> tuple[float, float, float] | None:
    """What to add to b's stamps to get a's (s), the share of points that agree, and the margin over the runner-up."""
    look = replace(settings, frames=settings.frames // 3, epipolar=replace(settings.epipolar, samples=50, judged=250, polished=500))
    first = [(lag, _judge(a, b, lens_a, lens_b, lag, look)) for lag in _candidates(a, b, settings)]
    starts = sorted(((pose.score / len(pose.inlier), lag + pose.late) for lag, pose in first if pose is not None), reverse=True)
    # Again from where they ended, so that all are judged at their best; per point, since overlaps differ.
    judged = [(lag, _judge(a, b, lens_a, lens_b, lag, settings)) for _, lag in starts[:_JUDGED_AGAIN]]
    # Of two offsets that fit alike (a motion that repeats itself) the smaller is likelier.
    scored = [
        (pose.score / len(pose.inlier) - _PRIOR * abs(lag) / settings.largest, lag + pose.late, pose)
        for lag, pose in judged
        if pose is not None and abs(lag + pose.late) <= 1.1 * settings.largest
    ]
    if not scored:
        return None
    score, late, best = max(scored, key=lambda entry: entry[0])
    others = [other for other, lag, _ in scored if abs(lag - late) > 0.1]
    return late, float(best.inlier.mean()), len(best.inlier) * (score - max(others, default=0.0))


def _judge(a: Track, b: Track, lens_a: Intrinsics, lens_b: Intrinsics, lag: float, settings: OffsetSettings) -> RelativePose | None:
    """The epipolar geometry of two cameras were b's clock late by this."""
    clocks = (Clock(), Clock(lag))
    shared = a.time[(a.time >= b.time[0] + lag) & (a.time <= b.time[-1] + lag)]
    if len(shared) < 8:
        return None
    instants = shared[np.unique(np.linspace(0, len(shared) - 1, min(settings.frames, len(shared))).astype(int))]
    step = 2 * b.step
    seen = sample((a, b), clocks, instants)
    before, after = (sample((b,), (clocks[1],), instants + d).xy[0] for d in (-step, step))
    rays_a, rays_b = lens_a.rays(seen.xy[0]), lens_b.rays(seen.xy[1])
    motion = (lens_b.rays(after) - lens_b.rays(before)) / (2 * step)
    # A stray among the three would be a velocity of metres a frame, with leverage to match.
    bend = np.linalg.norm(before - 2 * seen.xy[1] + after, axis=-1)
    steady = bend < _STEADY * np.sqrt(6) * seen.sigma_px[1]
    usable = np.isfinite(rays_a).all(-1) & np.isfinite(rays_b).all(-1) & steady
    focal = [i.focal for i in (lens_a, lens_b)]
    sigma = [seen.sigma_px[k][usable] / focal[k] for k in (0, 1)]
    # A stamp t of b stands for t + lag + late: the ray that belongs to a's instant is the one late seconds before.
    return relative_pose(rays_a[usable], rays_b[usable], sigma[0], sigma[1], settings.epipolar, motion_b=motion[usable])


def _candidates(a: Track, b: Track, settings: OffsetSettings) -> list[float]:
    """Lags (s) at which the joints' speeds correlate best, at least a tenth of a second apart, and the rest of a short range."""
    step = min(a.step, b.step)
    first = min(a.time[0], b.time[0] - settings.largest)
    last = max(a.time[-1], b.time[-1] + settings.largest)
    axis = np.arange(first, last, step)
    fast = [_activity(track, axis) for track in (a, b)]
    lags = np.arange(-int(settings.largest / step), int(settings.largest / step) + 1)
    score = np.full(len(lags), -1.0)
    for k, lag in enumerate(lags.tolist()):
        score[k] = _correlation(fast[0], np.roll(fast[1], lag, axis=0))
    chosen: list[float] = []
    for k in np.argsort(-score, kind="stable").tolist():
        lag = float(lags[k] * step)
        if all(abs(lag - other) >= 0.1 for other in chosen):
            chosen.append(lag)
        if len(chosen) == settings.peaks:
            break
    grid = np.arange(-settings.largest, settings.largest + _GRID / 2, _GRID)
    return chosen + [float(lag) for lag in grid if len(grid) <= _MOST_TRIED and all(abs(lag - other) > _GRID / 2 for other in chosen)]


def _activity(track: Track, axis: Float[np.ndarray, "instants"]) -> Float[np.ndarray, "instants channels"]:
    """Speed of each joint on an even time axis, in body sizes a second; NaN where unknown."""
    width = max(3 * track.step, 0.05)
    ahead, behind = (sample((track,), (Clock(),), axis + d).xy[0] for d in (width / 2, -width / 2))
    move = (ahead - behind) / (width * track.size)
    return np.concatenate([np.linalg.norm(move, axis=-1), move[..., 1]], 1)


def _correlation(a: Float[np.ndarray, "instants channels"], b: Float[np.ndarray, "instants channels"]) -> float:
    """Mean over the channels of the correlation where both are known."""
    both = np.isfinite(a) & np.isfinite(b)
    count = both.sum(0)
    usable = count > 20
    if not usable.any():
        return -1.0
    n = np.maximum(count, 1)
    x, y = np.where(both, a, 0.0), np.where(both, b, 0.0)
    x, y = np.where(both, x - x.sum(0) / n, 0.0), np.where(both, y - y.sum(0) / n, 0.0)
    norm = np.sqrt((x * x).sum(0) * (y * y).sum(0))
    return float(((x * y).sum(0) / np.maximum(norm, 1e-12))[usable].mean())
