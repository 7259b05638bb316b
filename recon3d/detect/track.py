"""People of one view through time: found in the whole image now and then, followed by crops in between.

A person's place in the next frame is predicted from its velocity; what the networks find there is given to
the people by its similarity to the predictions (OKS), one to one, sure finds first and weak ones to whoever
is left (as ByteTrack, Zhang 2022). Who is hidden for a while keeps its id and is searched for where it was heading.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, UInt8

from recon3d.arrays import median_row
from recon3d.detect.between import LOOKS, Seen, between, moves_evenly
from recon3d.detect.detector import RECIPES, Detector, Speed
from recon3d.detect.people import People
from recon3d.detect.sheet import Row, Sheet, Sighting
from recon3d.detect.similarity import matched, oks, spreads
from recon3d.errors import InputError, valid_names
from recon3d.records import Frame, Keypoints2D
from recon3d.skeleton import LIMBS

_EARLY_S = 1e-3  # rounding of time stamps
_SOME, _BENT = 0.8, 0.1  # a pose is another once a fifth of the joints moved by more than this share of the person
_WEAK = 0.5  # times a card's least score of a person: finds that nobody new comes from
_ALIKE = 0.3  # least similarity of a person to its own prediction
_ONE_PERSON = 0.8  # similarity of two finds that are one
_LOOSE, _LOOSER_S = 2.0, 0.15  # predictions are this much less certain than annotators, and that much again after each of these times
_NEAR_S = 0.021  # a frame nearer than this to a look waits whatever the motion
_BLIND_S = 0.1  # a crop is looked at where nobody was seen for up to this long
_AGAIN_S = 0.12  # between searches while somebody is missed
_INERTIA_S = 0.08  # over which velocity is averaged
_COAST_S = 0.3  # after which a hidden person is expected to have stopped


@dataclass(frozen=True, slots=True)
class TrackSettings:
    """How people are followed in a view."""

    speed: Speed = "default"
    """fast, default or accurate: which networks run."""
    detector: str = ""
    """Model card of a network of one's own (a name or the path of a .toml file) instead of those of the speed."""
    search_s: float = 0.5
    """Seconds between two searches of the whole image for people who came in."""
    max_people: int = 6
    """People followed at once."""
    patience_s: float = 1.0
    """Seconds that a person may go unseen and keep its id."""
    neighbours_s: float = 0.0
    """Seconds over which frames around tell a joint whose score drops (blur, occlusion); 0 for never, 0.05 is usual."""

    def __post_init__(self) -> None:
        if self.speed not in RECIPES:
            raise InputError(f"speed must be {valid_names(RECIPES)}, not {self.speed!r}")
        if self.max_people < 1:
            raise InputError(f"max_people must be 1 or more, not {self.max_people}")
        if not self.neighbours_s <= 1.0:
            raise InputError(f"neighbours_s must be at most 1, not {self.neighbours_s}")
        for name, least in (("search_s", 0.0), ("patience_s", -1e-9), ("neighbours_s", -1e-9)):
            if not getattr(self, name) > least:
                raise InputError(f"{name} must be {'positive' if least == 0 else '0 or more'}, not {getattr(self, name)}")


@dataclass(slots=True, eq=False)
class _Track:
    person: int
    time: float
    """s, when it was last seen."""
    xy: Float[np.ndarray, "joints 2"]
    confidence: Float[np.ndarray, "joints"]
    velocity: Float[np.ndarray, "2"] = field(default_factory=lambda: np.zeros(2))
    """px/s, of the whole person."""
    recent: list[Seen] = field(default_factory=list)
    """The last looks."""
    detailed: float = -np.inf
    """s, when the slower network last ran."""
    detailed_xy: Float[np.ndarray, "joints 2"] | None = None
    """The joints then."""
    looks: int = 0
    """Runs of the slower network."""
    born: float = np.inf
    """s, when a search found it; infinite once a look has confirmed it."""

    def predicted(self, time: float) -> Float[np.ndarray, "joints 2"]:
        """Where it should be; who is hidden slows down."""
        ahead = max(time - self.time, 0.0)
        return self.xy + self.velocity * _COAST_S * (1 - np.exp(-ahead / _COAST_S))

    def see(self, time: float, xy: Float[np.ndarray, "joints 2"], confidence: Float[np.ndarray, "joints"]) -> None:
        """Take a find as this person's place now."""
        since = time - self.time
        if since > 0:
            moved = median_row(xy - self.xy) / since
            share = 1 - np.exp(-since / _INERTIA_S)
            self.velocity = self.velocity + share * (np.nan_to_num(moved) - self.velocity)
        self.time, self.xy, self.confidence = time, xy, confidence
        self.recent = [*self.recent[1 - LOOKS :], Seen(time, xy, confidence)]

    def place(self, time: float, found: People, k: int) -> None:
        """Put it where a search found it: coarsely, so that nothing is told about its motion."""
        self.time, self.xy, self.confidence, self.velocity, self.recent = time, found.xy[k], found.confidence[k], np.zeros(2), []


class Tracker:
    """The people of one view, followed frame by frame; a new search adds some."""

    def __init__(self, detector: Detector, settings: TrackSettings = TrackSettings()):
        self.detector, self.settings = detector, settings
        points = detector.card.points
        self._spread = spreads(points)
        limbs = [points.index(name) for name in LIMBS if name in points.points]
        # A face trembles more than it moves, and moves with the body.
        self._steady = np.array(limbs or range(len(points)))
        self._tracks: list[_Track] = []
        self._next = 0
        self._now = -np.inf
        self._searched = -np.inf
        self._held: list[Frame] = []
        self._before: Row | None = None
        self._open = True

    def search(self, image: UInt8[np.ndarray, "height width 3"]) -> People:
        """Everybody in the image, coarsely; nobody is followed yet."""
        return self.detector.search(image)

    def due(self, time: float) -> bool:
        """Whether the whole image should be searched at this time, s."""
        if self._held or (self.detector.single is None and self._tracks):
            return False  # a look comes first, or is a search itself
        missed = any(track.time < self._now for track in self._tracks)
        wait = min(_AGAIN_S, self.settings.search_s) if missed or not self._tracks else self.settings.search_s
        return time >= self._searched + wait - _EARLY_S

    def follow_all(self, found: People, time: float) -> None:
        """Follow whoever is new among these people of a frame, and find again who was missed."""
        self._searched, self._open = time, True
        everybody = range(len(found))
        pairs = self._assigned(time, found, everybody)
        self._place_missed(time, found, pairs)
        self._add_others(time, found, set(everybody) - {k for _, k in pairs})

    def follow_only(self, found: People, which: Sequence[int], time: float) -> None:
        """Follow some of these people and none of the others; who is followed and was not found goes on."""
        self._searched, self._open = time, False
        pairs = self._assigned(time, found, range(len(found)))
        wanted = [(track, k) for track, k in pairs if k in which]
        self._place_missed(time, found, wanted)
        others = {id(track) for track, k in pairs if k not in which}
        self._tracks = [track for track in self._tracks if id(track) not in others]
        self._add_others(time, found, set(which) - {k for _, k in wanted})

    def _place_missed(self, time: float, found: People, pairs: "list[tuple[_Track, int]]") -> None:
        for track, k in pairs:
            if track.time < self._now:
                track.place(time, found, k)

    def _add_others(self, time: float, found: People, others: set[int]) -> None:
        for k in sorted(others):
            if len(self._tracks) < self.settings.max_people:
                self._tracks.append(_Track(self._next, time, found.xy[k], found.confidence[k], born=time))
                self._next += 1

    def step(self, frame: Frame) -> list[Row]:
        """Follow people into the next frame; the rows that are finished with it.

        Frames shortly after another are held back; where the next one shows that everybody moved evenly, they
        are what lies between, else the networks look at them after all.
        """
        if self._may_wait(frame):
            self._held.append(frame)
            return []
        before, held, self._held = self._before, self._held, []
        row = Row(frame.number, frame.time, self._look(frame))
        self._before = row
        return [row] if before is None else [*self._fill(held, before, row), row]

    def finish(self) -> list[Row]:
        """The rows of frames that are held back, if any are."""
        held, self._held = self._held, []
        rows = [Row(one.number, one.time, self._look(one)) for one in held]
        self._before = rows[-1] if rows else self._before
        return rows

    def forget(self) -> None:
        """Follow nobody any more."""
        self._tracks, self._next, self._before, self._held, self._searched = [], 0, None, [], -np.inf

    @property
    def idle(self) -> bool:
        """Nobody is followed."""
        return not self._tracks

    def _may_wait(self, frame: Frame) -> bool:
        """Whether the next frame may tell what this one shows: everybody was just seen, and no turn of the slower network is due."""
        recipe, before = self.detector.recipe, self._before
        if before is None or not self._tracks or not 0 < frame.time - before.time <= recipe.between_s:
            return False
        seen = all(track.time == before.time and len(track.recent) > 1 for track in self._tracks)
        late = self.detector.detail is not None and any(frame.time >= t.detailed + recipe.detail_s - _EARLY_S for t in self._tracks)
        share, smooth = self.detector.card.sigma_share, recipe.smooth
        far = frame.time - before.time > _NEAR_S  # so far ahead whoever moves unevenly is elsewhere
        return seen and not late and not (far and any(not moves_evenly(t.recent, self._steady, share, smooth) for t in self._tracks))

    def _look(self, frame: Frame) -> tuple[Sighting, ...]:
        """Run the networks on a frame, and say who is who."""
        if self.detector.single is None:
            found = self.detector.search(frame.image)
        else:
            active = [track for track in self._tracks if frame.time - track.time <= _BLIND_S or track.time == self._now]
            seen = [self.detector.person(frame.image, t.predicted(frame.time), t.confidence) for t in active]
            found = _together(seen, len(self._spread))
        self._now = frame.time
        found = self._distinct(found)
        sure = np.flatnonzero(found.score >= self.detector.card.min_score).tolist()
        weak = np.flatnonzero((found.score < self.detector.card.min_score) & (found.score >= _WEAK * self.detector.card.min_score)).tolist()
        pairs = self._assigned(frame.time, found, sure)
        taken = {id(track) for track, _ in pairs}
        pairs += self._assigned(frame.time, found, weak, [track for track in self._tracks if id(track) not in taken])
        for track, k in pairs:
            track.see(frame.time, found.xy[k], found.confidence[k])
            track.born = np.inf
        self._drop(frame)
        if self.detector.single is None and self._open:
            self._add_others(frame.time, found, set(sure) - {k for _, k in pairs})
            pairs += [(track, -1) for track in self._tracks if track.born == frame.time]
        # Whom a search found and no look confirmed is nobody yet.
        seen_now = {id(track) for track, _ in pairs}
        here = [track for track in self._tracks if id(track) in seen_now]
        return tuple(Sighting(t.person, t.xy, t.confidence, self._detail(frame, t)) for t in here)

    def _fill(self, held: Sequence[Frame], before: Row, after: Row) -> list[Row]:
        """The rows of frames that were held back."""
        earlier = {one.person for one in before.people}
        people: list[list[Sighting]] = [[] for _ in held]
        for track in self._tracks:
            if track.person in earlier and track.time == after.time:
                share, smooth = self.detector.card.sigma_share, self.detector.recipe.smooth
                seen = between(held, track.recent, self._steady, share, smooth, self._find)
                for sightings, one in zip(people, seen, strict=True):
                    if one is not None:
                        sightings.append(Sighting(track.person, one.xy, one.confidence))
        return [Row(frame.number, frame.time, tuple(one)) for frame, one in zip(held, people, strict=True)]

    def _find(self, frame: Frame, near: Seen) -> Seen | None:
        """The person near a place, if the networks see one."""
        single, xy, score = self.detector.single, near.xy, near.confidence
        found = self.detector.search(frame.image) if single is None else self.detector.person(frame.image, xy, score)
        alike = oks(xy[None], score[None], found.xy, found.confidence, self._spread, _LOOSE)[0] * (
            found.score >= self.detector.card.min_score
        )
        if not len(alike) or alike.max() < _ALIKE:
            return None
        return Seen(frame.time, found.xy[alike.argmax()], found.confidence[alike.argmax()])

    def _detail(self, frame: Frame, track: _Track) -> People | None:
        """What the slower network sees, if it is its turn."""
        detail, recipe = self.detector.detail, self.detector.recipe
        late = frame.time >= track.detailed + recipe.detail_s - _EARLY_S
        if detail is None or not (late or _bent(track.xy, track.detailed_xy)):
            return None
        track.detailed, track.detailed_xy = frame.time, track.xy
        look = recipe.detail_looks[track.looks % len(recipe.detail_looks)]
        track.looks += 1
        found = detail.person(frame.image, track.xy, track.confidence, self.detector.card.points, [look])
        return found if found.score[0] >= detail.card.min_score else None

    def _assigned(
        self, time: float, found: People, which: Sequence[int], tracks: "list[_Track] | None" = None
    ) -> "list[tuple[_Track, int]]":
        """Which tracks some of the finds belong to."""
        tracks, which = self._tracks if tracks is None else tracks, list(which)
        if not tracks or not which:
            return []
        loose = np.array([_LOOSE + max(time - track.time, 0.0) / _LOOSER_S for track in tracks])
        xy, score = np.stack([t.predicted(time) for t in tracks]), np.stack([t.confidence for t in tracks])
        alike = oks(xy, score, found.xy[which], found.confidence[which], self._spread, loose)
        return [(tracks[a], which[b]) for a, b in matched(alike, _ALIKE)]

    def _distinct(self, found: People) -> People:
        """Finds that are not of one person; the surest of each."""
        order = np.argsort(-found.score, kind="stable")
        alike = oks(found.xy, found.confidence, found.xy, found.confidence, self._spread)
        kept: list[int] = []
        for k in order.tolist():
            if not (alike[k, kept] >= _ONE_PERSON).any():
                kept.append(k)
        return People(found.xy[kept], found.confidence[kept], found.score[kept])

    def _drop(self, frame: Frame) -> None:
        """Give up who was unseen for too long, or was heading out of the image."""
        size = np.array([frame.image.shape[1], frame.image.shape[0]])
        kept: list[_Track] = []
        for track in self._tracks:
            middle = median_row(track.predicted(frame.time))
            left = track.time < frame.time and bool(((middle < 0) | (middle > size - 1)).any())
            ghost = self.detector.single is not None and frame.time - track.born > _BLIND_S
            if not left and not ghost and frame.time - track.time <= self.settings.patience_s + _EARLY_S:
                kept.append(track)
        self._tracks = kept


def _together(people: Sequence[People], joints: int) -> People:
    if not people:
        return People(np.zeros((0, joints, 2)), np.zeros((0, joints)), np.zeros(0))
    return People(*(np.concatenate([getattr(one, name) for one in people]) for name in ("xy", "confidence", "score")))


def _bent(xy: Float[np.ndarray, "joints 2"], before: Float[np.ndarray, "joints 2"] | None) -> bool:
    """Whether a body has another pose than before: some of its joints moved against the rest of it."""
    if before is None:
        return True
    moved = xy - before
    off = np.linalg.norm(moved - median_row(moved), axis=-1)
    return float(np.nanquantile(off, _SOME)) > _BENT * float(np.nanmax(np.fmax.reduce(xy, 0) - np.fmin.reduce(xy, 0)))


def detect_windows(
    frames: Iterable[Frame], camera: str, size: tuple[int, int], tracker: Tracker, window: int = 500
) -> Iterator[Keypoints2D]:
    """Keypoints of everybody in one camera's frames (of this width and height, px), window by window."""
    sheet = Sheet(camera, size, tracker.detector, tracker.settings.neighbours_s)
    for frame in frames:
        if tracker.due(frame.time):
            sheet.add(tracker.finish())
            tracker.follow_all(tracker.search(frame.image), frame.time)
        sheet.add(tracker.step(frame))
        if len(sheet) >= window:
            yield sheet.take()
    sheet.add(tracker.finish())
    if len(sheet):
        yield sheet.take()
