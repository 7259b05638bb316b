"""People through time: who is followed takes its detections first, then come births from what is left."""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.optimize import linear_sum_assignment

from recon3d.geometry import CameraRig
from recon3d.geometry.links import Links
from recon3d.geometry.threads import single_threaded
from recon3d.multiview.people.births import GATE, Birth, Scene, births, meeting_point
from recon3d.multiview.people.bodies import FAR_CHI2, Bodies, Look, compare
from recon3d.multiview.people.evidence import Evidence, Sides, bones_of, prepare, sides_of, telling_points, unlike
from recon3d.multiview.people.identity import Identities, identify
from recon3d.multiview.people.life import Life
from recon3d.multiview.sync import Views
from recon3d.records import Association
from recon3d.skeleton import Layout

_WEAK_CHI2 = 22.0  # below which a detection that is nobody's may have a point or two of somebody
_PATIENCE_S = 0.5  # that somebody whom fewer than two views see is followed on
_CRIB_S, _CRIB_SHARE = 0.1, 0.5  # who is new is given up so soon if fewer of the frames show it
_DOUBT_S, _DOUBT_FRAMES, _DOUBT_GAP_S, _DOUBT_M = 0.4, 4, 0.25, 0.4  # so long two views must agree on whom most others do not see
_SAME_M = 0.15  # median distance below which two people are one


@dataclass(slots=True, eq=False)
class _Doubt:
    """Somebody who may be there: place (m), first and last time (s), and frames in which two views agreed."""

    place: Float[np.ndarray, "3"]
    first: float
    last: float
    count: int


@dataclass(slots=True, eq=False)
class PeopleTracker:
    """Follows everybody whom two views see, window by window.

    Attributes:
        rig: cameras; they may move.
        layout: of the detections.
        scale: factor on each camera's sigmas.
        min_confidence: points below are not used.
        lives: of everybody who was followed for more than a moment, by id.
    """

    rig: CameraRig
    layout: Layout
    scale: Float[np.ndarray, "views"]
    min_confidence: float
    lives: dict[int, Life] = field(default_factory=dict)
    _ids: list[int] = field(default_factory=list)
    _next: int = 0
    _doubts: list[_Doubt] = field(default_factory=list)
    _first: float = np.nan
    _now: float = np.nan
    _bodies: Bodies = field(init=False)
    _sides: Sides = field(init=False)
    _bones: Links = field(init=False)

    def __post_init__(self) -> None:
        points = telling_points(self.layout)
        self._bodies = Bodies(np.zeros((0, len(points), 3)))
        self._sides, self._bones = sides_of(self.layout, points), bones_of(self.layout, points)

    def follow(self, views: Views, embedding: Float[np.ndarray, "views frames slots features"] | None = None) -> Association:
        """The next window.

        Args:
            views: what the cameras saw.
            embedding: what each detection looks like (of any re-identification network; NaN where unknown), as
                evidence beside geometry; lengths do not matter.
        """
        evidence = prepare(views, self.rig, self.scale, self.min_confidence, embedding)
        with single_threaded(), np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            rows = [self._step(evidence, k) for k in range(len(evidence))]
        tracks = sorted({one for ids, _, _ in rows for one in ids})
        column = {one: k for k, one in enumerate(tracks)}
        slots = np.full((len(views), len(tracks), len(self.rig)), -1)
        swapped = np.zeros((*slots.shape, self._sides.group.shape[1]), bool)
        for k, (ids, slot, swap) in enumerate(rows):
            at = [column[one] for one in ids]
            slots[k, at], swapped[k, at] = slot.T, swap.transpose(1, 0, 2)
        return Association(views.frame.copy(), np.array(tracks, dtype=np.int64), slots, swapped)

    def identities(self, most: int = 0) -> Identities:
        """Who the people are, after the last window.

        Args:
            most: of them are kept, those that were seen most; 0 for all.
        """
        span = self._now - self._first if np.isfinite(self._now) else 0.0
        return identify(list(self.lives.values()), self._bones, self._sides.mirror, _centres(self.rig), span, most)

    def _step(self, e: Evidence, frame: int) -> tuple[list[int], Int[np.ndarray, "views people"], Bool[np.ndarray, "views people groups"]]:
        """One frame: whom each detection is of."""
        time = float(e.time[frame])
        seconds = time - self._now if np.isfinite(self._now) else 0.0
        self._first, self._now = time if np.isnan(self._first) else self._first, time
        bodies, poses = self._bodies, e.poses(frame)
        uv, variance, there, somebody = e.uv[frame], e.variance[frame], e.there[frame], e.somebody[frame]
        sigma = bodies.move(seconds)
        look = compare(bodies.xyz, sigma, poses, uv, variance, there, self._sides, bodies.fresh)
        seen = e.looks[frame]
        cost = look.cost + unlike(seen[:, :, None], self._looks(seen.shape[-1])) if seen.shape[-1] else look.cost
        slot = assign(np.where(somebody[:, :, None], cost, np.inf))
        swapped = np.zeros((*slot.shape, self._sides.group.shape[1]), bool)
        free = somebody.copy()
        if len(bodies):
            told = bodies.correct(look, slot, seconds)
            views, people = np.nonzero(slot >= 0)
            free[views, slot[views, people]] = False
            # A second find of somebody who has one already is nobody new.
            free &= ~(look.cost.min(2) < GATE)
            swapped[views, people] = look.swapped[views, slot[views, people], people]
        else:
            told = np.zeros((0, uv.shape[2]), int)
        scene = Scene(poses, uv, variance, there, e.low, e.high, self._sides, self._bones, seen)
        ids = list(self._ids)
        if len(bodies):
            self._learn(scene, slot)
            self._record(time, look.showing(e.low, e.high), look.behind, slot, told)
        if np.logical_or.reduce(free, axis=1).sum() >= 2:
            slot, swapped, ids = self._add(scene, free, time, slot, swapped, ids)
        if len(bodies):
            _lend(look, slot)
        if seen.shape[-1]:
            self._remember(seen, slot)
        self._bury(time)
        return ids, slot, swapped

    def _looks(self, features: int) -> Float[np.ndarray, "people features"]:
        """What everybody looked like so far; zero where unknown."""
        out = np.zeros((len(self._ids), features))
        for k, one in enumerate(self._ids):
            if len(self.lives[one].look) == features:
                out[k] = self.lives[one].look
        return out

    def _remember(self, seen: Float[np.ndarray, "views slots features"], slot: Int[np.ndarray, "views people"]) -> None:
        views, people = np.nonzero(slot >= 0)
        for one, look in zip(people.tolist(), seen[views, slot[views, people]], strict=True):
            life = self.lives[self._ids[one]]
            life.look = life.look + look if len(life.look) == len(look) else look

    def _learn(self, scene: Scene, slot: Int[np.ndarray, "views people"]) -> None:
        """Place points that nobody has told yet, where two views do now."""
        unknown = ~np.isfinite(self._bodies.xyz[..., 0])
        if not unknown.any():
            return
        shown = scene.there[np.arange(len(slot))[:, None], np.maximum(slot, 0)] & (slot >= 0)[..., None]
        for person in np.flatnonzero((unknown & (shown.sum(0) >= 2)).any(1)).tolist():
            found = meeting_point(scene, slot[:, person], self._bodies.xyz[person])
            found = np.where(unknown[person][:, None], found, np.nan)
            again = scene.at(found)
            view = np.flatnonzero(slot[:, person] >= 0)
            off = np.where(again.counted[view, slot[view, person], 0], again.chi2[view, slot[view, person], 0], 0.0).max(0)
            good = unknown[person] & (off < FAR_CHI2)
            self._bodies.xyz[person, good] = found[good]
            self._bodies.age[person, good] = 0.0

    def _record(
        self,
        time: float,
        showing: Int[np.ndarray, "people"],
        behind: Int[np.ndarray, "people"],
        slot: Int[np.ndarray, "views people"],
        told: Int[np.ndarray, "people joints"],
    ) -> None:
        seen = (slot >= 0).sum(0)
        lengths = np.linalg.norm(self._bodies.xyz[:, self._bones.pairs[:, 0]] - self._bodies.xyz[:, self._bones.pairs[:, 1]], axis=-1)
        sure = (told[:, self._bones.pairs[:, 0]] >= 2) & (told[:, self._bones.pairs[:, 1]] >= 2)
        lengths = np.where(sure, lengths, np.nan)
        points = (told >= 2).sum(1)
        xyz, velocity = self._bodies.xyz, self._bodies.velocity
        for k, one in enumerate(self._ids):
            facts = int(points[k]), int(behind[k])
            self.lives[one].see(time, int(seen[k]), int(showing[k]), xyz[k], velocity[k], lengths[k], *facts)

    def _add(
        self,
        scene: Scene,
        free: Bool[np.ndarray, "views slots"],
        time: float,
        slot: Int[np.ndarray, "views people"],
        swapped: Bool[np.ndarray, "views people groups"],
        ids: list[int],
    ) -> tuple[Int[np.ndarray, "views everybody"], Bool[np.ndarray, "views everybody groups"], list[int]]:
        """Follow whoever is new."""
        for birth in births(scene, free, GATE):
            if not (birth.sure or self._persists(birth, time)):
                continue
            apart = np.linalg.norm(self._bodies.xyz - birth.xyz, axis=-1)
            if len(apart) and np.nanmin(np.nanmedian(apart, 1), initial=np.inf) < _SAME_M:
                continue
            one, self._next = self._next, self._next + 1
            self._bodies.add(birth.xyz)
            self.lives[one] = Life(one, time, len(self._bones.pairs), np.zeros(scene.looks.shape[-1]))
            lengths = np.linalg.norm(birth.xyz[self._bones.pairs[:, 0]] - birth.xyz[self._bones.pairs[:, 1]], axis=-1)
            showing, points = scene.showing(birth.xyz), int(np.isfinite(birth.xyz[:, 0]).sum())
            self.lives[one].see(time, int((birth.slot >= 0).sum()), showing, birth.xyz, np.zeros_like(birth.xyz), lengths, points, 0)
            self._ids.append(one)
            ids.append(one)
            slot = np.concatenate([slot, birth.slot[:, None]], 1)
            swapped = np.concatenate([swapped, np.zeros((len(slot), 1, swapped.shape[2]), bool)], 1)
        return slot, swapped, ids

    def _persists(self, birth: Birth, time: float) -> bool:
        """Whether somebody whom most views do not see was there all the time lately: false finds do not agree for long."""
        place = np.nanmedian(birth.xyz, axis=0)
        self._doubts = [doubt for doubt in self._doubts if time - doubt.last <= _DOUBT_GAP_S]
        near = [doubt for doubt in self._doubts if np.linalg.norm(doubt.place - place) < _DOUBT_M and doubt.last < time]
        if not near:
            self._doubts.append(_Doubt(place, time, time, 1))
            return False
        doubt = near[0]
        doubt.place, doubt.last, doubt.count = place, time, doubt.count + 1
        return time - doubt.first >= _DOUBT_S and doubt.count >= _DOUBT_FRAMES

    def _bury(self, time: float) -> None:
        """Follow no longer who was not seen by two views for a while, or who is new and hardly seen."""
        lives = [self.lives[one] for one in self._ids]
        stillborn = [life.track for life in lives if life.stillborn(time, _CRIB_S, _CRIB_SHARE)]
        kept = np.array([time - life.last < _PATIENCE_S and life.track not in stillborn for life in lives], bool)
        for one in stillborn:
            del self.lives[one]  # a find of some frames, of which a long take has thousands
        if not kept.all():
            self._bodies.keep(kept)
            self._ids = [one for one, keep in zip(self._ids, kept, strict=True) if keep]


def _centres(rig: CameraRig) -> Float[np.ndarray, "cameras 3"]:
    """Where the cameras are, m; of one that moves the middle of its way."""
    ways = [camera.cam_from_world.inverse().translation.reshape(-1, 3) for camera in rig]
    return np.stack([np.median(way, axis=0) for way in ways])


def _lend(look: Look, slot: Int[np.ndarray, "views everybody"]) -> None:
    """Give who has none in a view a detection of nobody's with a few points where they should be: the others are outliers."""
    people = look.cost.shape[2]
    seen = slot[:, :people] >= 0
    placed = seen.sum(0) >= 2  # whose place is not known now comes near to everything
    lacking = (placed & ~seen).any(1)
    if not lacking.any():
        return
    free = np.logical_or.reduce(look.counted, axis=(2, 3))
    view, person = np.nonzero(slot >= 0)
    free[view, slot[view, person]] = False
    if not (np.logical_or.reduce(free, axis=1) & lacking).any():
        return
    count = look.counted.sum(-1)
    cost = np.where((count > 0) & placed, (look.chi2 * look.counted).sum(-1) / np.maximum(count, 1), np.inf)
    for view in np.flatnonzero((slot[:, :people] < 0).any(1) & (cost < _WEAK_CHI2).any((1, 2))).tolist():
        own = np.where(slot[view, :people] < 0, cost[view], np.inf)
        own[slot[view][slot[view] >= 0]] = np.inf
        for _ in range(people):
            found, person = np.unravel_index(int(own.argmin()), own.shape)
            if not own[found, person] < _WEAK_CHI2:
                break
            slot[view, person] = found
            own[found], own[:, person] = np.inf, np.inf


def assign(cost: Float[np.ndarray, "views slots people"]) -> Int[np.ndarray, "views people"]:
    """Each view's detections to people, one to one, at the least total cost; -1 where none is within the gate."""
    views, slots, people = cost.shape
    if not people or not slots:
        return np.full((views, people), -1)
    near = cost < GATE
    out = np.where(near.any(1), cost.argmin(1), -1)
    for view in np.flatnonzero((near.sum(1).max(1) > 1) | (near.sum(2).max(1) > 1)).tolist():
        # Nobody is worth the gate: a detection is left rather than given to somebody far away.
        rows, columns = linear_sum_assignment(np.minimum(cost[view], GATE))
        good = near[view, rows, columns]
        out[view] = -1
        out[view, columns[good]] = rows[good]
    return out
