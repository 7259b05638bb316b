"""Faces of one view through time: found by a detector or by a body's head, followed by the mesh of 468 points.

A face that was seen in the frame before is looked at again where it was; the search goes over the picture and ever smaller parts of it,
as the detector finds no face of less than a sixth of what it looks at.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from jaxtyping import Float, UInt8

from recon3d.detect.card import load_card
from recon3d.detect.decoders.outputs import overlaps
from recon3d.detect.network import Network
from recon3d.detect.people import People
from recon3d.records import Frame, Keypoints2D, size_sigma_px
from recon3d.skeleton import Layout

FINDER, MESH = "face_detection", "face_landmark"
HEAD = ("nose", "left_eye", "right_eye", "left_ear", "right_ear")
_WINDOW = 256  # frames
_SEARCH_S, _AGAIN_S = 1.0, 0.1  # between searches where all are there, and where somebody is missed
_SMALLEST_PX = 240  # of the parts that are searched: faces of some 40 px are found
_OVERLAP = 0.3
_LOOKS = 2
_SEEN = 0.3  # score of a body's point of the head
_LEAST_PX = 24.0  # side of a face's box, below which nothing is told from its pixels
_FARTHEST_S = 0.5  # a face that is not seen for longer is another one


_Row: TypeAlias = tuple[int, float, list[tuple[int, np.ndarray, float]]]


@dataclass(slots=True, eq=False)
class _Followed:
    person: int
    xy: Float[np.ndarray, "468 2"]
    time: float


@dataclass(slots=True, eq=False)
class FaceTracker:
    """Follows faces.

    Attributes:
        most: faces at once.
        threads: a network may use.
    """

    most: int = 1
    threads: int = 1
    _finder: Network = field(init=False)
    _mesh: Network = field(init=False)
    _faces: list[_Followed] = field(default_factory=list)
    _searched: float = -np.inf
    _next: int = 0

    def __post_init__(self) -> None:
        self._finder = Network(load_card(FINDER), self.threads)
        self._mesh = Network(load_card(MESH), self.threads)

    @property
    def layout(self) -> Layout:
        """Of the points of a face."""
        return self._mesh.card.points

    @property
    def sigma_share(self) -> float:
        """Sigma of a point over its face's diagonal."""
        return self._mesh.card.sigma_share

    def look(
        self, image: UInt8[np.ndarray, "height width 3"], time: float, heads: Mapping[int, People] = {}, layout: Layout | None = None
    ) -> list[tuple[int, Float[np.ndarray, "468 2"], float]]:
        """Person, points (px) and presence of every face in the next frame.

        Args:
            image: RGB.
            time: s.
            heads: rough points of people's heads by id; then nobody else is looked for.
            layout: of these.
        """
        if layout is not None:
            return self._by_heads(image, time, heads, layout)
        kept: list[_Followed] = []
        out: list[tuple[int, np.ndarray, float]] = []
        for one in self._faces:
            found = self._seen(image, one.xy, np.ones(len(one.xy)), self.layout)
            if found is not None and not _taken(found.xy[0], [xy for _, xy, _ in out]):
                one.xy, one.time = found.xy[0], time
                out.append((one.person, found.xy[0], float(found.score[0])))
                kept.append(one)
            elif time - one.time < _FARTHEST_S:
                kept.append(one)
        self._faces = kept
        if time - self._searched >= (_SEARCH_S if len(out) >= self.most else _AGAIN_S) and (len(out) < self.most or self.most > 1):
            self._searched = time
            out += self._found(image, time, [xy for _, xy, _ in out])
        return sorted(out, key=lambda one: one[0])

    def _by_heads(self, image: np.ndarray, time: float, heads: Mapping[int, People], layout: Layout) -> list[tuple[int, np.ndarray, float]]:
        before = {one.person: one for one in self._faces if time - one.time < _FARTHEST_S}
        out: list[tuple[int, np.ndarray, float]] = []
        for person, head in heads.items():
            last = before.get(person)
            found = None if last is None else self._seen(image, last.xy, np.ones(len(last.xy)), self.layout)
            if found is None or not _holds(found.xy[0], head.xy[0, layout.index("nose")]):
                found = self._closer(image, self._seen(image, head.xy[0], head.confidence[0], layout))
            if found is not None:
                before[person] = _Followed(person, found.xy[0], time)
                out.append((person, found.xy[0], float(found.score[0])))
        self._faces = list(before.values())
        return out

    def _found(self, image: np.ndarray, time: float, known: list[np.ndarray]) -> list[tuple[int, np.ndarray, float]]:
        """New faces, large ones first."""
        out: list[tuple[int, np.ndarray, float]] = []
        for part in _parts(image.shape[1], image.shape[0]):
            left, top, right, bottom = part
            rough = self._finder.people(np.ascontiguousarray(image[top:bottom, left:right]))
            for k in range(len(rough)):
                at = rough.xy[k] + [left, top]
                if _taken(at, [*known, *(xy for _, xy, _ in out)]):
                    continue
                found = self._closer(image, self._seen(image, at, rough.confidence[k], self._finder.card.points))
                if found is None or _taken(found.xy[0], [*known, *(xy for _, xy, _ in out)]):
                    continue
                lost = [one for one in self._faces if one.time < time and _near(one.xy, found.xy[0])]
                person = lost[0].person if lost else self._next
                self._next += not lost
                self._faces = [*(one for one in self._faces if one.person != person), _Followed(person, found.xy[0], time)]
                out.append((person, found.xy[0], float(found.score[0])))
                if len(known) + len(out) >= self.most:
                    return out
        return out

    def _closer(self, image: np.ndarray, found: People | None) -> People | None:
        """Again where the mesh lies: where finders and bodies put the eyes is rough."""
        for _ in range(_LOOKS):
            found = None if found is None else self._seen(image, found.xy[0], np.ones(len(self.layout)), self.layout)
        return found

    def _seen(self, image: np.ndarray, xy: np.ndarray, confidence: np.ndarray, layout: Layout) -> People | None:
        """The mesh where rough points are, if there is a face."""
        eyes = [name for name in ("left_eye", "right_eye") if name in layout.points]
        rows = layout.indices(eyes)
        if eyes and (not np.isfinite(xy[rows]).all() or (confidence[rows] < _SEEN).any()):
            return None
        found = self._mesh.person(image, xy, confidence, layout)
        side = np.ptp(found.xy[0], axis=0).max()
        inside = np.mean((found.xy[0] >= 0) & (found.xy[0] < [image.shape[1], image.shape[0]]))
        return found if found.score[0] >= self._mesh.card.min_score and side >= _LEAST_PX and inside > 0.7 else None


def detect_faces(
    frames: Iterable[Frame], camera: str, size: tuple[int, int], tracker: FaceTracker, bodies: Keypoints2D | None = None
) -> Iterator[Keypoints2D]:
    """Faces of a video, window by window, in MediaPipe's 468 points.

    Args:
        frames: rising.
        camera: its name.
        size: width and height, px.
        tracker: follows them.
        bodies: 2D keypoints of the same frames; faces are then these people's, by their ids.
    """
    rows: list[_Row] = []
    for frame in frames:
        if bodies is None:
            found = tracker.look(frame.image, frame.time)
        else:
            found = tracker.look(frame.image, frame.time, _heads(bodies, frame.number), bodies.layout)
        rows.append((frame.number, frame.time, found))
        if len(rows) == _WINDOW:
            yield _record(rows, camera, size, tracker)
            rows = []
    if rows:
        yield _record(rows, camera, size, tracker)


def _heads(bodies: Keypoints2D, number: int) -> dict[int, People]:
    row = int(np.searchsorted(bodies.frame, number))
    if row == len(bodies) or bodies.frame[row] != number:
        return {}
    out: dict[int, People] = {}
    for slot in np.flatnonzero(np.isfinite(bodies.xy[row]).any((1, 2))).tolist():
        person = int(bodies.person_id[row, slot])
        confidence = np.where(np.isfinite(bodies.xy[row, slot, :, 0]), bodies.confidence[row, slot], 0.0).astype(float)
        out[person if person >= 0 else slot] = People.one(bodies.xy[row, slot].astype(float), confidence)
    return out


def _record(rows: list[_Row], camera: str, size: tuple[int, int], tracker: FaceTracker) -> Keypoints2D:
    slots, points = max([1, *(len(found) for _, _, found in rows)]), len(tracker.layout)
    xy, person = np.full((len(rows), slots, points, 2), np.nan), np.full((len(rows), slots), -1, np.int64)
    confidence = np.zeros(xy.shape[:3])
    for k, (_, _, found) in enumerate(rows):
        for slot, (who, at, score) in enumerate(found):
            xy[k, slot], confidence[k, slot], person[k, slot] = at, score, who
    box = np.concatenate([np.fmin.reduce(xy, 2), np.fmax.reduce(xy, 2)], -1)
    return Keypoints2D(
        layout=tracker.layout,
        camera=camera,
        size=size,
        frame=np.array([number for number, _, _ in rows], np.int64),
        time=np.array([time for _, time, _ in rows], float),
        person_id=person,
        xy=xy.astype(np.float32),
        confidence=confidence.astype(np.float32),
        sigma_px=size_sigma_px(xy, confidence, tracker.sigma_share),
        box=box.astype(np.float32),
        score_kind="presence",
    )


def _parts(width: int, height: int) -> Iterator[tuple[int, int, int, int]]:
    """The whole picture, then squares that overlap by half, ever smaller."""
    yield 0, 0, width, height
    side = min(width, height)
    while side >= _SMALLEST_PX:
        lefts, tops = (
            np.unique(np.linspace(0, length - side, max(1, -(-2 * (length - side) // side) + 1)).astype(int)) for length in (width, height)
        )
        yield from ((int(left), int(top), int(left) + side, int(top) + side) for top in tops for left in lefts)
        side //= 2


def _box(xy: np.ndarray) -> Float[np.ndarray, "4"]:
    return np.concatenate([np.nanmin(xy, 0), np.nanmax(xy, 0)])


def _taken(xy: np.ndarray, others: list[np.ndarray]) -> bool:
    """Whether this face is one of others: points of the finder lie within a mesh's box."""
    middle = np.nanmean(xy, 0)
    return any(_holds(other, middle) or overlaps(_box(xy), _box(other)[None])[0] > _OVERLAP for other in others)


def _holds(face: np.ndarray, place: np.ndarray) -> bool:
    low, high = np.nanmin(face, 0), np.nanmax(face, 0)
    return bool(((place >= low) & (place <= high)).all())


def _near(a: np.ndarray, b: np.ndarray) -> bool:
    size = np.ptp(b, axis=0).max()
    return bool(np.linalg.norm(a.mean(0) - b.mean(0)) < size)
