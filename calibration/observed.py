"""What each camera saw of one moving thing: a person's joints, a wand's ends, a marker.

A `Track` is one camera's evidence by its own clock. `sample` brings all cameras to common instants,
interpolating keypoints in time; nothing is made up where a camera saw nothing.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from recon3d.arrays import finite_median, freeze_fields
from recon3d.errors import InputError
from recon3d.geometry import Clock
from recon3d.records import Keypoints2D
from recon3d.skeleton import LIMBS, Layout

_JUMP = 0.6  # of a person's extent: further from one frame to the next is somebody else
_LONGEST_GAP = 1.6  # frame intervals that are interpolated over
_FEWEST_LIMBS = 8
_SAME = 1e-3  # of a frame interval: no interpolation needed


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """One camera's view of one person.

    Attributes:
        camera: name.
        layout: names of the joints.
        time: s, by the camera's own clock.
        xy: px; NaN where absent.
        sigma_px: of each coordinate, px; NaN where absent.
        confidence: the detector's scores; 0 where absent.
    """

    camera: str
    layout: Layout
    time: Float[np.ndarray, "frames"]
    xy: Float[np.ndarray, "frames joints 2"]
    sigma_px: Float[np.ndarray, "frames joints"]
    confidence: Float[np.ndarray, "frames joints"]

    def __post_init__(self) -> None:
        freeze_fields(self)

    @property
    def step(self) -> float:
        """Median time between frames, s."""
        return float(np.median(np.diff(self.time))) if len(self.time) > 1 else 1.0

    @property
    def roaming(self) -> float:
        """How far the joints wander over the recording, in body sizes."""
        return _roaming(self.xy) / self.size

    @property
    def size(self) -> float:
        """Median extent of the person in the image, px; at least one."""
        return max(float(np.nan_to_num(finite_median(_extent(self.xy)))), 1.0)


@dataclass(frozen=True, slots=True, eq=False)
class Sampled:
    """All cameras at common instants.

    Attributes:
        instant: s, on the common axis.
        xy: px; NaN where absent.
        sigma_px: px; larger or smaller by interpolation; 1 where absent.
        confidence: scores, the lower of the two where a point is interpolated; 0 where absent.
        time: of each sighting by its camera's clock, s.
    """

    instant: Float[np.ndarray, "frames"]
    xy: Float[np.ndarray, "views frames joints 2"]
    sigma_px: Float[np.ndarray, "views frames joints"]
    confidence: Float[np.ndarray, "views frames joints"]
    time: Float[np.ndarray, "views frames"]

    def __post_init__(self) -> None:
        freeze_fields(self)

    @property
    def flat_xy(self) -> Float[np.ndarray, "views points 2"]:
        """Frames and joints as one axis."""
        return self.xy.reshape(len(self.xy), -1, 2)

    @property
    def flat_sigma(self) -> Float[np.ndarray, "views points"]:
        """Frames and joints as one axis, px."""
        return self.sigma_px.reshape(len(self.xy), -1)

    def without_repeats(self) -> "Sampled":
        """Frames that repeat the one before them in every camera count once: they are no new evidence."""
        if len(self.instant) < 2:
            return self
        same = np.nan_to_num(self.xy[:, 1:], nan=-1) == np.nan_to_num(self.xy[:, :-1], nan=-1)
        again = np.append(False, np.logical_and.reduce(same, axis=(0, 2, 3)))
        xy = self.xy.copy()
        xy[:, again] = np.nan
        return replace(self, xy=xy)

    def limbs_only(self, layout: Layout) -> "Sampled":
        """The limb joints alone, where the layout has most of them."""
        keep = [layout.index(name) for name in LIMBS if name in layout.points]
        if len(keep) < _FEWEST_LIMBS:
            return self
        names = ("xy", "sigma_px", "confidence")
        return replace(self, **{name: getattr(self, name)[:, :, keep].copy() for name in names})

    @property
    def kind(self) -> Int[np.ndarray, "points"]:
        """Which joint each point is, with frames and joints as one axis."""
        return np.tile(np.arange(self.xy.shape[2]), self.xy.shape[1])


def tracks_of(seen: Keypoints2D, min_confidence: float = 0.3, most: int = 3) -> list[Track]:
    """The people of one camera, the one with most evidence first.

    Slots are joined by the tracker's identities where it gave some, else by nearness from frame to frame.
    """
    xy = np.where((seen.confidence >= min_confidence)[..., None], seen.xy, np.nan).astype(float)
    slots = _identities(seen) if (seen.person_id >= 0).any() else _followed(xy)
    found: list[tuple[float, Track]] = []
    for identity in np.unique(slots[slots >= 0]).tolist():
        mine = slots == identity
        rows, slot = mine.any(1), mine.argmax(1)
        own = np.full((len(xy), *xy.shape[2:]), np.nan)
        sigma, score = np.full(own.shape[:2], np.nan), np.zeros(own.shape[:2])
        own[rows] = xy[rows, slot[rows]]
        sigma[rows], score[rows] = seen.sigma_px[rows, slot[rows]], seen.confidence[rows, slot[rows]]
        absent = ~np.isfinite(own[..., 0])
        sigma[absent], score[absent] = np.nan, 0.0
        # Who moves about tells more about cameras than who stands: an onlooker comes last.
        evidence = float(np.isfinite(own[..., 0]).sum()) * (1.0 + _roaming(own))
        found.append((evidence, Track(seen.camera, seen.layout, np.array(seen.time, float), own, sigma, score)))
    found.sort(key=lambda pair: -pair[0])
    return [track for evidence, track in found[:most] if evidence > 0]


def refuse_copies(tracks: Sequence[Track]) -> None:
    """Two cameras that saw the very same pixels are one camera's files, given twice.

    Raises:
        InputError: which cameras.
    """
    for a, b in itertools.combinations(tracks, 2):
        if a.xy.shape == b.xy.shape and np.isfinite(a.xy).any() and np.array_equal(a.xy, b.xy, equal_nan=True):
            raise InputError(f"cameras {a.camera} and {b.camera} hold the very same keypoints: one camera's files were given twice")


def _roaming(xy: Float[np.ndarray, "frames joints 2"]) -> float:
    """How far the joints wander over the recording, px: the median of their scatter over time."""
    known = np.isfinite(xy[..., :1])
    count = np.maximum(known.sum(0), 1)
    mean = np.where(known, xy, 0).sum(0) / count
    scatter = np.sqrt((np.where(known, xy - mean, 0) ** 2).sum((0, 2)) / count[:, 0])
    return float(np.median(scatter[known[..., 0].any(0)])) if known.any() else 0.0


def _identities(seen: Keypoints2D) -> Int[np.ndarray, "frames slots"]:
    return np.where(np.isfinite(seen.xy[..., 0]).any(-1), seen.person_id, -1)


def _followed(xy: Float[np.ndarray, "frames slots joints 2"]) -> Int[np.ndarray, "frames slots"]:
    """Slots joined from frame to frame, each to the nearest person before it."""
    there = np.logical_or.reduce(np.isfinite(xy[..., 0]), axis=-1)
    if xy.shape[1] == 1:
        return np.where(there, 0, -1)
    out = np.full(there.shape, -1)
    middle = _middle(xy)
    extent = _extent(xy)
    places: dict[int, tuple[np.ndarray, float]] = {}
    for frame in range(len(xy)):
        slots = np.flatnonzero(there[frame])
        options = sorted(
            (float(np.linalg.norm(middle[frame, s] - place) / max(size, 1.0)), int(s), identity)
            for s in slots
            for identity, (place, size) in places.items()
        )
        taken: set[int] = set()
        for distance, slot, identity in options:
            if distance < _JUMP and out[frame, slot] < 0 and identity not in taken:
                out[frame, slot] = identity
                taken.add(identity)
        for slot in slots:
            if out[frame, slot] < 0:
                out[frame, slot] = len(places)
            places[int(out[frame, slot])] = (middle[frame, slot], float(np.nan_to_num(extent[frame, slot])))
    return out


def _middle(xy: Float[np.ndarray, "*batch joints 2"]) -> Float[np.ndarray, "*batch 2"]:
    known = np.isfinite(xy[..., :1])
    return np.where(known, xy, 0).sum(-2) / np.maximum(known.sum(-2), 1)


def _extent(xy: Float[np.ndarray, "*batch joints 2"]) -> Float[np.ndarray, "*batch"]:
    with np.errstate(invalid="ignore"):
        return np.linalg.norm(np.fmax.reduce(xy, -2) - np.fmin.reduce(xy, -2), axis=-1)


def instants_for(tracks: Sequence[Track], clocks: Sequence[Clock], frames: int, run: int = 30) -> Float[np.ndarray, "frames"]:
    """Common instants: the frames of the camera with the finest steps, of the time that two cameras share.

    Of a longer recording runs of consecutive frames from all over it are taken, so that velocities and
    drifts can be had: never more than ``frames`` in all.

    Raises:
        InputError: no time that two cameras share.
    """
    times = [clock.to_world(track.time) for clock, track in zip(clocks, tracks, strict=True)]
    lead = min(range(len(tracks)), key=lambda v: (round(tracks[v].step, 6), -len(times[v])))
    count = sum(((times[lead] >= t[0]) & (times[lead] <= t[-1])).astype(int) for t in times if len(t))
    usable = np.flatnonzero(np.asarray(count) >= 2)
    if not len(usable):
        spans = "; ".join(f"{t.camera} {w[0]:.2f} to {w[-1]:.2f} s" for t, w in zip(tracks, times, strict=True) if len(w))
        raise InputError(f"the cameras share no time: {spans}")
    if len(usable) > frames:
        run = min(run, frames)
        runs = max(frames // run, 1)
        starts = np.linspace(0, len(usable) - run, runs).astype(int)
        usable = usable[np.unique((starts[:, None] + np.arange(run)).ravel())]
    return times[lead][usable]


def sample(tracks: Sequence[Track], clocks: Sequence[Clock], instants: Float[np.ndarray, "frames"]) -> Sampled:
    """All cameras at common instants, by linear interpolation between neighbouring frames.

    The sigma of a point between two frames is that of the mean it is: sqrt((1 - a)^2 s0^2 + a^2 s1^2).
    A rolling shutter's line time delays each point by its row.
    """
    joints = len(tracks[0].layout)
    shape = (len(tracks), len(instants), joints)
    xy, sigma, score, time = np.full((*shape, 2), np.nan), np.ones(shape), np.zeros(shape), np.zeros(shape[:2])
    for v, (track, clock) in enumerate(zip(tracks, clocks, strict=True)):
        time[v] = (instants - clock.offset) / (1 + clock.drift)
        if len(track.time) < 2:
            continue
        asked = np.broadcast_to(time[v][:, None], shape[1:])
        found, scatter, least = _interpolated(track, asked)
        if clock.line_time:
            row = np.where(np.isfinite(found[..., 1]), found[..., 1], 0.0)
            found, scatter, least = _interpolated(track, asked - clock.line_time * row)
        xy[v], sigma[v], score[v] = found, np.where(np.isfinite(scatter), scatter, 1.0), least
    return Sampled(np.array(instants, float), xy, sigma, score, time)


def _interpolated(
    track: Track, asked: Float[np.ndarray, "frames joints"]
) -> tuple[Float[np.ndarray, "frames joints 2"], Float[np.ndarray, "frames joints"], Float[np.ndarray, "frames joints"]]:
    """Places, sigmas and scores."""
    after = np.clip(np.searchsorted(track.time, asked), 1, len(track.time) - 1)
    before = after - 1
    joint = np.broadcast_to(np.arange(asked.shape[1]), asked.shape)
    width = track.time[after] - track.time[before]
    share = (asked - track.time[before]) / width
    share = np.where(np.abs(share) < _SAME, 0.0, np.where(np.abs(share - 1) < _SAME, 1.0, share))
    outside = (share < 0) | (share > 1) | ((width > _LONGEST_GAP * track.step) & (share > 0) & (share < 1))
    a, b = track.xy[before, joint], track.xy[after, joint]
    sa, sb = track.sigma_px[before, joint], track.sigma_px[after, joint]
    ca, cb = track.confidence[before, joint], track.confidence[after, joint]
    # At a frame itself the neighbour may be missing.
    a, sa, ca = np.where((share == 1)[..., None], b, a), np.where(share == 1, sb, sa), np.where(share == 1, cb, ca)
    b, sb, cb = np.where((share == 0)[..., None], a, b), np.where(share == 0, sa, sb), np.where(share == 0, ca, cb)
    found = a + share[..., None] * (b - a)
    scatter = np.where(outside, np.nan, np.hypot((1 - share) * sa, share * sb))
    found = np.where(outside[..., None], np.nan, found)
    return found, scatter, np.where(np.isfinite(found[..., 0]), np.minimum(ca, cb), 0.0)
