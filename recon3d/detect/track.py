"""People of one view through time: found in the whole image now and then, followed by crops in between."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

from recon3d.detect.card import ModelCard
from recon3d.detect.network import Network
from recon3d.detect.people import People
from recon3d.errors import InputError
from recon3d.records import Frame, Keypoints2D, size_sigma_px

_SEEN = 0.2  # score above which a point tells two people apart
_SAME_SHARE = 0.25  # of the person's size: two sets of points nearer than this are one person


@dataclass(frozen=True, slots=True)
class TrackSettings:
    """How people are followed in a view."""

    search_s: float = 0.5
    """Seconds between two searches of the whole image for people who came in."""
    max_people: int = 4
    """People followed at once."""
    patience: int = 5
    """Frames that a person may go unseen before it is given up."""

    def __post_init__(self) -> None:
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


class Tracker:
    """The people of one view, followed frame by frame; a new search restarts or adds some."""

    def __init__(self, single: Network, multi: Network, settings: TrackSettings = TrackSettings()):
        self.single, self.multi, self.settings = single, multi, settings
        self._tracks: list[_Track] = []
        self._next = 0

    def search(self, image: UInt8[np.ndarray, "height width 3"]) -> People:
        """Everybody in the image, coarsely; nobody is followed yet."""
        return self.multi.people(image)

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

    def step(self, image: UInt8[np.ndarray, "height width 3"]) -> "list[_Track]":
        """The followed people in the next frame."""
        for track in self._tracks:
            found = self.single.person(image, track.xy, track.confidence)
            if found.score[0] >= self.single.card.min_score:
                track.xy, track.confidence, track.unseen = found.xy[0], found.confidence[0], 0
            else:
                track.unseen += 1
        self._drop()
        return [_Track(t.person, t.xy, t.confidence) for t in self._tracks if t.unseen == 0]

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
    sheet = Sheet(camera, size, tracker.single.card)
    searched = -np.inf
    for frame in frames:
        if frame.time >= searched + tracker.settings.search_s or tracker.idle:
            tracker.follow_all(tracker.search(frame.image))
            searched = frame.time
        sheet.add(frame, tracker.step(frame.image))
        if len(sheet) == window:
            yield sheet.take()
    if len(sheet):
        yield sheet.take()


class Sheet:
    """Rows of a view's people that become a `Keypoints2D`."""

    def __init__(self, camera: str, size: tuple[int, int], card: ModelCard):
        self.camera, self.size, self.card = camera, size, card
        self._rows: list[tuple[int, float, list[_Track]]] = []

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, frame: Frame, people: "list[_Track]") -> None:
        """The people of the next frame."""
        self._rows.append((frame.number, frame.time, people))

    def take(self) -> Keypoints2D:
        """All rows so far as a record; the sheet is empty afterwards."""
        rows, self._rows = self._rows, []
        joints = len(self.card.points)
        slots = max([1, *(len(people) for _, _, people in rows)])
        xy = np.full((len(rows), slots, joints, 2), np.nan)
        confidence, person = np.zeros((len(rows), slots, joints)), np.full((len(rows), slots), -1, dtype=np.int64)
        for k, (_, _, people) in enumerate(rows):
            for slot, track in enumerate(people):
                xy[k, slot], confidence[k, slot], person[k, slot] = track.xy, track.confidence, track.person
        return Keypoints2D(
            layout=self.card.points,
            camera=self.camera,
            size=self.size,
            frame=np.array([number for number, _, _ in rows], dtype=np.int64),
            time=np.array([time for _, time, _ in rows]),
            person_id=person,
            xy=xy.astype(np.float32),
            confidence=confidence.astype(np.float32),
            sigma_px=size_sigma_px(xy, confidence, self.card.sigma_share),
            box=np.concatenate([xy.min(2), xy.max(2)], -1).astype(np.float32),
            score_kind=self.card.score_kind,
        )
