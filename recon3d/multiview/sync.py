"""Many cameras' keypoints on one time axis: which frames belong together."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from jaxtyping import Bool, Float, Float32, Int

from recon3d.arrays import freeze_fields, windows
from recon3d.errors import CameraError, InputError, all_faults, valid_names
from recon3d.geometry import CameraRig
from recon3d.multiview.between import between
from recon3d.records import Keypoints2D
from recon3d.skeleton import Layout

_MOST_FILLED = 20  # empty frames to real ones
_SAME_FRAME = 0.02  # of a frame interval: nearer than that, a frame is the instant's own
_LONGEST_GAP = 1.6  # frame intervals that are interpolated over
_SAME_INSTANT = 0.51  # of the finest frame interval: the nearest frame is taken, none further away


@dataclass(frozen=True, slots=True, eq=False)
class Views:
    """What all cameras saw at common instants.

    Attributes:
        layout: of all cameras.
        frame: numbers of the reference camera's frames.
        time: s, on the rig's common axis.
        source: number of each camera's own frame; -1 where it has none.
        xy: px, NaN where absent.
        confidence: of the detector, 0 where absent.
        sigma_px: px, NaN where absent.
    """

    layout: Layout
    frame: Int[np.ndarray, "frames"]
    time: Float[np.ndarray, "frames"]
    source: Int[np.ndarray, "views frames"]
    xy: Float32[np.ndarray, "views frames slots joints 2"]
    confidence: Float32[np.ndarray, "views frames slots joints"]
    sigma_px: Float32[np.ndarray, "views frames slots joints"]

    def __post_init__(self) -> None:
        freeze_fields(self)

    def __len__(self) -> int:
        return len(self.frame)


@dataclass(frozen=True, slots=True, eq=False)
class Timeline:
    """The reference camera's frames, and each camera's row for each of them.

    Attributes:
        frame: numbers of the reference camera's frames.
        time: s, on the rig's common axis.
        rows: the nearest frame of each camera; -1 where it has none at that instant.
        neighbour: the row on the other side of the instant; the row itself where none is needed.
        share: of the interval between the two at which the instant lies.
        rows_s: share of a frame interval that one image row of each camera takes (rolling shutter).
    """

    frame: Int[np.ndarray, "frames"]
    time: Float[np.ndarray, "frames"]
    rows: Int[np.ndarray, "views frames"]
    neighbour: Int[np.ndarray, "views frames"]
    share: Float[np.ndarray, "views frames"]
    rows_s: Float[np.ndarray, "views"]

    def __post_init__(self) -> None:
        freeze_fields(self)

    @staticmethod
    def at_frames(frame: Int[np.ndarray, "frames"], time: Float[np.ndarray, "frames"], rows: Int[np.ndarray, "views frames"]) -> "Timeline":
        """Instants that coincide with every camera's frames."""
        return Timeline(frame, time, rows, rows.copy(), np.zeros(rows.shape), np.zeros(len(rows)))

    def take(self, rows: Int[np.ndarray, "some"]) -> "Timeline":
        """Some of the instants."""
        own, beside, share = (a[:, rows].copy() for a in (self.rows, self.neighbour, self.share))
        return Timeline(self.frame[rows], self.time[rows], own, beside, share, self.rows_s.copy())


class Seen(Protocol):
    """One camera's keypoints, in memory (`Keypoints2D`) or read window by window from files."""

    @property
    def camera(self) -> str:
        """Name."""
        ...

    @property
    def layout(self) -> Layout:
        """Of the joints."""
        ...

    @property
    def frame(self) -> Int[np.ndarray, "frames"]:
        """Source frame numbers, rising."""
        ...

    @property
    def time(self) -> Float[np.ndarray, "frames"]:
        """By the camera's own clock, s."""
        ...

    def window(self, part: slice) -> Keypoints2D:
        """Some consecutive frames."""
        ...


def check_cameras(seen: Sequence[Seen], rig: CameraRig) -> CameraRig:
    """The rig of just the cameras that were seen, in the rig's order of them.

    Raises:
        CameraError: names that do not match (both sides are listed), or fewer than two cameras.
        InputError: different layouts.
    """
    names = [view.camera for view in seen]
    unknown = [name for name in names if name not in rig.names]
    faults = [f"no camera {name!r} in the rig" for name in unknown]
    faults += [f"two inputs for camera {name!r}" for name in sorted({n for n in names if names.count(n) > 1})]
    if faults:
        heading = f"cameras do not match: the rig has {valid_names(rig.names)}; the input has {valid_names(names)}:"
        raise CameraError(all_faults(faults, heading))
    if len(names) < 2:
        raise CameraError(f"reconstruction needs two cameras or more; the input has only {valid_names(names)}")
    layouts = {view.layout.name for view in seen}
    if len(layouts) > 1:
        each = ", ".join(f"{v.camera}: {v.layout.name}" for v in seen)
        raise InputError(f"all cameras must have one layout, but these have {each}")
    return rig.select([name for name in rig.names if name in names])


def align_in_time(seen: Sequence[Seen], rig: CameraRig) -> Timeline:
    """Match frames by time on the rig's axis (clock offset and drift applied).

    The camera with the finest steps leads; before, after and in holes of its recording others add their
    instants. Every camera gives the frame nearest to each instant, none if it is more than half a frame
    away, and the neighbour on the instant's other side, to interpolate with. The timeline starts and
    ends with instants that two cameras have; holes in between are kept as frames without evidence.

    Raises:
        InputError: a camera without frames, or no instant that two cameras share.
    """
    times = [rig[view.camera].clock.to_world(view.time) for view in seen]
    empty = [v.camera for v, t in zip(seen, times, strict=True) if not len(t)]
    if empty:
        raise InputError(f"no frames from {', '.join(empty)}")
    steps = [float(np.median(np.diff(t))) if len(t) > 1 else np.inf for t in times]
    order = sorted(range(len(seen)), key=lambda v: (round(steps[v], 6), -len(times[v])))
    lead, step = order[0], steps[order[0]] if np.isfinite(steps[order[0]]) else 1.0
    instants = times[lead]
    for v in order[1:]:
        instants = np.sort(np.concatenate([instants, times[v][_distance(times[v], instants) > 0.75 * step]]))
    rows = np.full((len(seen), len(instants)), -1, dtype=np.int64)
    for v, time in enumerate(times):
        near = _nearest(time, instants)
        rows[v] = np.where(np.abs(time[near] - instants) <= _SAME_INSTANT * step, near, -1)
    shared = (rows >= 0).sum(0) >= 2
    if not shared.any():
        spans = "; ".join(f"{v.camera} {t[0]:.3f} to {t[-1]:.3f} s" for v, t in zip(seen, times, strict=True))
        raise InputError(f"the cameras share no instant: {spans}. Check the clocks of the rig.")
    first, last = np.flatnonzero(shared)[[0, -1]]
    instants, rows = _without_holes(instants[first : last + 1], rows[:, first : last + 1], step)
    # Numbers are the lead's, continued by its step where it has no frame.
    near = _nearest(times[lead], instants)
    stride = int(np.median(np.diff(seen[lead].frame))) if len(times[lead]) > 1 else 1
    number = seen[lead].frame[near] + stride * np.rint((instants - times[lead][near]) / step).astype(np.int64)
    neighbour, share = rows.copy(), np.zeros(rows.shape)
    rows_s = np.zeros(len(seen))
    for v, time in enumerate(times):
        line = rig[seen[v].camera].clock.line_time
        rows_s[v] = line / steps[v] if np.isfinite(steps[v]) else 0.0
        neighbour[v], share[v] = _neighbours(time, instants, rows[v], bool(line))
    return Timeline(number, instants, rows, neighbour, share, rows_s)


def _neighbours(
    time: Float[np.ndarray, "frames"], instants: Float[np.ndarray, "instants"], rows: Int[np.ndarray, "instants"], always: bool
) -> tuple[Int[np.ndarray, "instants"], Float[np.ndarray, "instants"]]:
    """The frame on the other side of each instant and how far towards it the instant lies; itself where there is none near."""
    there = rows >= 0
    own = np.maximum(rows, 0)
    late = np.where(there, instants - time[own], 0.0)
    beside = np.clip(own + np.where(late >= 0, 1, -1), 0, len(time) - 1)
    gap = time[beside] - time[own]
    usual = float(np.median(np.diff(time))) if len(time) > 1 else 1.0
    share = np.where(gap != 0, late / np.where(gap != 0, gap, 1.0), 0.0)
    usable = there & (gap != 0) & (np.abs(gap) <= _LONGEST_GAP * usual) & ((np.abs(share) > _SAME_FRAME) | always)
    return np.where(usable, beside, rows), np.where(usable, share, 0.0)


def _without_holes(
    instants: Float[np.ndarray, "instants"], rows: Int[np.ndarray, "views instants"], step: float
) -> tuple[Float[np.ndarray, "frames"], Int[np.ndarray, "views frames"]]:
    """Instants at an even pace: where no camera has a frame for a while, frames without rows fill the hole.

    Formats of one frame rate need them; a hole that is out of all proportion is left as it is.
    """
    gap = np.rint(np.diff(instants) / step).astype(np.int64)
    missing = np.maximum(gap - 1, 0)
    if not missing.any() or missing.sum() > _MOST_FILLED * len(instants) + 1000:
        return instants, rows
    after = np.repeat(np.arange(len(gap)), missing)
    nth = np.arange(len(after)) - np.repeat(np.cumsum(missing) - missing, missing) + 1
    filled = instants[after] + nth * (instants[after + 1] - instants[after]) / gap[after]
    merged = np.concatenate([instants, filled])
    order = np.argsort(merged, kind="stable")
    empty = np.full((len(rows), len(filled)), -1, dtype=np.int64)
    return merged[order], np.concatenate([rows, empty], 1)[:, order]


def _nearest(time: Float[np.ndarray, "frames"], instants: Float[np.ndarray, "instants"]) -> Int[np.ndarray, "instants"]:
    """Row of the stamp nearest to each instant."""
    after = np.clip(np.searchsorted(time, instants), 0, len(time) - 1)
    before = np.maximum(after - 1, 0)
    return np.where(np.abs(time[before] - instants) < np.abs(time[after] - instants), before, after)


def _distance(time: Float[np.ndarray, "frames"], instants: Float[np.ndarray, "instants"]) -> Float[np.ndarray, "frames"]:
    """From each stamp to the nearest instant, s."""
    return np.abs(instants[_nearest(instants, time)] - time)


def synchronise(seen: Sequence[Seen], timeline: Timeline, window: int) -> Iterator[Views]:
    """Windows of at most this many instants; ``seen`` in the order of the rig."""
    for part in windows(len(timeline.frame), window):
        rows, beside, share = timeline.rows[:, part], timeline.neighbour[:, part], timeline.share[:, part]
        found = [_rows(view, *both) for view, *both in zip(seen, rows, beside, strict=True)]
        slots = max([1, *(f.xy.shape[1] for f, *_ in found if f is not None)])
        shape = (len(seen), rows.shape[1], slots, len(seen[0].layout))
        xy, sigma = np.full((*shape, 2), np.nan, np.float32), np.full(shape, np.nan, np.float32)
        confidence = np.zeros(shape, np.float32)
        for v, (view, there, at, next_to) in enumerate(found):
            if view is not None:
                own = view.xy.shape[1]
                xy[v, there, :own], sigma[v, there, :own] = view.xy[at], view.sigma_px[at]
                confidence[v, there, :own] = view.confidence[at]
                if (at != next_to).any():
                    toward = np.sign(next_to - at) * timeline.rows_s[v]  # a later row is further from the next frame
                    moved = between(_taken(view, at), _taken(view, next_to), share[v, there], toward)
                    xy[v, there, :own], confidence[v, there, :own], sigma[v, there, :own] = moved
        source = np.stack([np.where(own >= 0, view.frame[np.maximum(own, 0)], -1) for view, own in zip(seen, rows, strict=True)])
        yield Views(seen[0].layout, timeline.frame[part].copy(), timeline.time[part].copy(), source, xy, confidence, sigma)


def _taken(view: Keypoints2D, rows: Int[np.ndarray, "some"]) -> Keypoints2D:
    """Some frames of a window, in any order; their numbers count from 0."""
    names = ("person_id", "xy", "confidence", "sigma_px", "box")
    count = np.arange(len(rows))
    return replace(view, frame=count, time=count.astype(float), **{name: getattr(view, name)[rows] for name in names})


def _rows(
    view: Seen, rows: Int[np.ndarray, "frames"], beside: Int[np.ndarray, "frames"]
) -> tuple[Keypoints2D | None, Bool[np.ndarray, "frames"], Int[np.ndarray, "some"], Int[np.ndarray, "some"]]:
    """The smallest window that holds these rows, which instants have one, and where they and their neighbours are in it."""
    there = rows >= 0
    if not there.any():
        return None, there, rows[:0], rows[:0]
    both = np.concatenate([rows[there], beside[there]])
    first, last = int(both.min()), int(both.max())
    return view.window(slice(first, last + 1)), there, rows[there] - first, beside[there] - first


def join(parts: Sequence[Views]) -> Views:
    """Windows one after the other; slots are padded to the largest number of people."""
    slots = max(part.xy.shape[2] for part in parts)

    def padded(array: np.ndarray, fill: float) -> np.ndarray:
        pad = [(0, 0)] * array.ndim
        pad[2] = (0, slots - array.shape[2])
        return np.pad(array, pad, constant_values=fill)

    return Views(
        parts[0].layout,
        np.concatenate([p.frame for p in parts]),
        np.concatenate([p.time for p in parts]),
        np.concatenate([p.source for p in parts], 1),
        np.concatenate([padded(p.xy, np.nan) for p in parts], 1),
        np.concatenate([padded(p.confidence, 0.0) for p in parts], 1),
        np.concatenate([padded(p.sigma_px, np.nan) for p in parts], 1),
    )
