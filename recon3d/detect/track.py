"""People of one view through time: found in the whole image now and then, followed by crops in between."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, UInt8

from recon3d.detect.blend import blended
from recon3d.detect.detector import Detector, Speed, card_names_of
from recon3d.detect.people import People
from recon3d.errors import InputError
from recon3d.records import Frame, Keypoints2D, size_sigma_px

_SEEN = 0.2  # score above which a point tells two people apart
_EARLY_S = 1e-3  # rounding of time stamps
_SOME, _BENT = 0.8, 0.1  # a pose is another once a fifth of the joints moved by more than this share of the person
_FAR = 2.0  # times the slower network's interval that it tells about
_SAME_SHARE = 0.25  # of the person's size: two sets of points nearer than this are one person


@dataclass(frozen=True, slots=True)
class TrackSettings:
    """How people are followed in a view."""

    speed: Speed = "default"
    """fast, default or accurate: which networks run."""
    search_s: float = 0.5
    """Seconds between two searches of the whole image for people who came in."""
    max_people: int = 4
    """People followed at once."""
    patience: int = 5
    """Frames that a person may go unseen before it is given up."""

    def __post_init__(self) -> None:
        card_names_of(self.speed)
        for name, least in (("max_people", 1), ("patience", 0)):
            if getattr(self, name) < least:
                raise InputError(f"{name} must be {least} or more, not {getattr(self, name)}")
        if not self.search_s > 0:
            raise InputError(f"search_s must be positive, not {self.search_s}")


@dataclass(slots=True)
class _Track:
    person: int
    xy: Float[np.ndarray, "joints 2"]
    confidence: Float[np.ndarray, "joints"]
    unseen: int = 0
    detailed: float = -np.inf
    """s, when the slower network last ran."""
    detailed_xy: Float[np.ndarray, "joints 2"] | None = None
    """The joints then."""
    detail: People | None = None
    """What it saw, in frames that it ran in."""


class Tracker:
    """The people of one view, followed frame by frame; a new search restarts or adds some."""

    def __init__(self, detector: Detector, settings: TrackSettings = TrackSettings()):
        self.detector, self.settings = detector, settings
        self._tracks: list[_Track] = []
        self._next = 0

    def search(self, image: UInt8[np.ndarray, "height width 3"]) -> People:
        """Everybody in the image, coarsely; nobody is followed yet."""
        return self.detector.multi.people(image)

    def follow_all(self, found: People) -> None:
        """Follow whoever is new among these people, besides those already followed."""
        for k in range(len(found.score)):
            if len(self._tracks) >= self.settings.max_people:
                break
            if not any(_same(t.xy, t.confidence, found.xy[k], found.confidence[k]) for t in self._tracks):
                self._add(found, k)

    def follow_only(self, found: People, k: int) -> None:
        """Follow this one of these people and nobody else; a track that is on it already goes on."""
        mine = [t for t in self._tracks if _same(t.xy, t.confidence, found.xy[k], found.confidence[k])]
        self._tracks = mine[:1]
        if not mine:
            self._add(found, k)

    def step(self, frame: Frame) -> "list[_Track]":
        """The followed people in the next frame."""
        single = self.detector.single
        for track in self._tracks:
            found = single.person(frame.image, track.xy, track.confidence, mirrored=self.detector.mirrored)
            if found.score[0] >= single.card.min_score:
                track.xy, track.confidence, track.unseen = found.xy[0], found.confidence[0], 0
            else:
                track.unseen += 1
        self._drop()
        seen = [t for t in self._tracks if t.unseen == 0]
        return [_Track(t.person, t.xy, t.confidence, detail=self._detail(frame, t)) for t in seen]

    def _detail(self, frame: Frame, track: _Track) -> People | None:
        """What the slower network sees, if it is its turn."""
        detail = self.detector.detail
        late = frame.time >= track.detailed + self.detector.detail_s - _EARLY_S
        if detail is None or not (late or _bent(track.xy, track.detailed_xy)):
            return None
        track.detailed, track.detailed_xy = frame.time, track.xy
        found = detail.person(frame.image, track.xy, track.confidence, self.detector.single.card.points, self.detector.mirrored)
        return found if found.score[0] >= detail.card.min_score else None

    def forget(self) -> None:
        """Follow nobody any more."""
        self._tracks, self._next = [], 0

    @property
    def idle(self) -> bool:
        """Nobody is followed."""
        return not self._tracks

    def _add(self, found: People, k: int) -> None:
        self._tracks.append(_Track(self._next, found.xy[k], found.confidence[k]))
        self._next += 1

    def _drop(self) -> None:
        """Give up who was lost, and the younger of two tracks that fell onto one person."""
        kept: list[_Track] = []
        for track in self._tracks:
            lost = track.unseen > self.settings.patience
            if not lost and not any(_same(k.xy, k.confidence, track.xy, track.confidence) for k in kept):
                kept.append(track)
        self._tracks = kept


def _bent(xy: Float[np.ndarray, "joints 2"], before: Float[np.ndarray, "joints 2"] | None) -> bool:
    """Whether a body has another pose than before: some of its joints moved against the rest of it."""
    if before is None:
        return True
    moved = xy - before
    off = np.linalg.norm(moved - np.median(moved, axis=0), axis=-1)
    return float(np.quantile(off, _SOME)) > _BENT * float(np.ptp(xy, axis=0).max())


def _same(
    a: Float[np.ndarray, "joints 2"], ca: Float[np.ndarray, "joints"], b: Float[np.ndarray, "joints 2"], cb: Float[np.ndarray, "joints"]
) -> bool:
    both = (ca >= _SEEN) & (cb >= _SEEN)
    if both.sum() < 3:
        both = np.ones(len(a), bool)
    size = max(float(np.ptp(a[both], axis=0).max()), float(np.ptp(b[both], axis=0).max()), 1.0)
    return float(np.median(np.linalg.norm(a[both] - b[both], axis=-1))) < _SAME_SHARE * size


def detect_windows(
    frames: Iterable[Frame], camera: str, size: tuple[int, int], tracker: Tracker, window: int = 500
) -> Iterator[Keypoints2D]:
    """Keypoints of everybody in one camera's frames (of this width and height, px), window by window."""
    sheet = Sheet(camera, size, tracker.detector)
    searched = -np.inf
    for frame in frames:
        if frame.time >= searched + tracker.settings.search_s or tracker.idle:
            tracker.follow_all(tracker.search(frame.image))
            searched = frame.time
        sheet.add(frame, tracker.step(frame))
        if len(sheet) == window:
            yield sheet.take()
    if len(sheet):
        yield sheet.take()


class Sheet:
    """Rows of a view's people that become a `Keypoints2D`."""

    def __init__(self, camera: str, size: tuple[int, int], detector: Detector):
        self.camera, self.size, self.detector = camera, size, detector
        self._rows: list[tuple[int, float, list[_Track]]] = []

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, frame: Frame, people: "list[_Track]") -> None:
        """The people of the next frame."""
        self._rows.append((frame.number, frame.time, people))

    def take(self) -> Keypoints2D:
        """All rows so far as a record; the sheet is empty afterwards."""
        rows, self._rows = self._rows, []
        card = self.detector.single.card
        slots = max([1, *(len(people) for _, _, people in rows)])
        xy = np.full((len(rows), slots, len(card.points), 2), np.nan)
        confidence, person = np.zeros(xy.shape[:3]), np.full(xy.shape[:2], -1, dtype=np.int64)
        for k, (_, _, people) in enumerate(rows):
            for slot, track in enumerate(people):
                xy[k, slot], confidence[k, slot], person[k, slot] = track.xy, track.confidence, track.person
        if self.detector.detail is not None:
            xy, confidence = self._with_detail(rows, xy, confidence, person)
        with np.errstate(invalid="ignore"):
            box = np.concatenate([np.fmin.reduce(xy, 2), np.fmax.reduce(xy, 2)], -1)
        return Keypoints2D(
            layout=self.detector.layout,
            camera=self.camera,
            size=self.size,
            frame=np.array([number for number, _, _ in rows], dtype=np.int64),
            time=np.array([time for _, time, _ in rows]),
            person_id=person,
            xy=xy.astype(np.float32),
            confidence=confidence.astype(np.float32),
            sigma_px=size_sigma_px(xy, confidence, card.sigma_share),
            box=box.astype(np.float32),
            score_kind=card.score_kind,
        )

    def _with_detail(
        self,
        rows: "list[tuple[int, float, list[_Track]]]",
        xy: Float[np.ndarray, "frames slots joints 2"],
        confidence: Float[np.ndarray, "frames slots joints"],
        person: Int[np.ndarray, "frames slots"],
    ) -> tuple[Float[np.ndarray, "frames slots outputs 2"], Float[np.ndarray, "frames slots outputs"]]:
        """The slower network's points blended in, person by person."""
        assert self.detector.detail is not None
        points = self.detector.detail.card.points
        time = np.array([time for _, time, _ in rows])
        out = np.full((*person.shape, len(self.detector.layout), 2), np.nan)
        score = np.zeros(out.shape[:3])
        steps = np.diff(time)
        longest = _FAR * max(self.detector.detail_s, float(np.median(steps)) if len(steps) else 0.0) + _EARLY_S
        for identity in np.unique(person[person >= 0]).tolist():
            frame, slot = np.nonzero(person == identity)
            detail_xy, detail_score = np.full((len(frame), len(points), 2), np.nan), np.zeros((len(frame), len(points)))
            for row, (k, own) in enumerate(zip(frame.tolist(), slot.tolist(), strict=True)):
                detail = rows[k][2][own].detail
                if detail is not None:
                    detail_xy[row], detail_score[row] = detail.xy[0], detail.confidence[0]
            seen = (xy[frame, slot], confidence[frame, slot], self.detector.single.card.points)
            out[frame, slot], score[frame, slot] = blended(time[frame], *seen, detail_xy, detail_score, points, longest)
        return out, score
