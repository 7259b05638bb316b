"""What was seen of a view's people, frame by frame, as a record."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Int

from recon3d.detect.blend import blended
from recon3d.detect.detector import Detector
from recon3d.detect.flips import unflipped
from recon3d.detect.neighbours import reread
from recon3d.detect.people import People
from recon3d.records import Keypoints2D, size_sigma_px

_EARLY_S = 1e-3  # rounding of time stamps
_FAR = 2.0  # times the slower network's interval that it tells about
_OUTSIDE = 0.02  # of the image's larger side: points farther out were not seen


@dataclass(frozen=True, slots=True, eq=False)
class Sighting:
    """One person in one frame.

    Attributes:
        person: its id in this view.
        xy: px, in the layout of the detector's card.
        confidence: of each point.
        detail: what the slower network saw, in frames that it ran in.
    """

    person: int
    xy: Float[np.ndarray, "joints 2"]
    confidence: Float[np.ndarray, "joints"]
    detail: People | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """All people of one frame.

    Attributes:
        number: of the frame, from 0, as in the file.
        time: s.
        people: in it.
    """

    number: int
    time: float
    people: tuple[Sighting, ...]


class Sheet:
    """Rows of a view's people that become a `Keypoints2D`."""

    def __init__(self, camera: str, size: tuple[int, int], detector: Detector, neighbours_s: float = 0.0):
        self.camera, self.size, self.detector, self.neighbours_s = camera, size, detector, neighbours_s
        self._rows: list[Row] = []

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, rows: "list[Row]") -> None:
        """The next frames, none or some."""
        self._rows += rows

    def take(self) -> Keypoints2D:
        """All rows so far as a record, flips put right; the sheet is empty afterwards."""
        rows, self._rows = self._rows, []
        card = self.detector.card
        slots = max([1, *(len(row.people) for row in rows)])
        xy = np.full((len(rows), slots, len(card.points), 2), np.nan)
        confidence, person = np.zeros(xy.shape[:3]), np.full(xy.shape[:2], -1, dtype=np.int64)
        for k, row in enumerate(rows):
            for slot, one in enumerate(row.people):
                xy[k, slot], confidence[k, slot], person[k, slot] = one.xy, one.confidence, one.person
        if self.detector.detail is not None:
            xy, confidence = self._with_detail(rows, xy, confidence, person)
        reach = _OUTSIDE * max(self.size)
        with np.errstate(invalid="ignore"):
            out = np.logical_or.reduce((xy < -reach) | (xy > np.array(self.size) - 1 + reach), -1)
            xy, confidence = np.where(out[..., None], np.nan, xy), np.where(out | ~np.isfinite(xy[..., 0]), 0.0, confidence)
            box = np.concatenate([np.fmin.reduce(xy, 2), np.fmax.reduce(xy, 2)], -1)
        seen = Keypoints2D(
            layout=self.detector.layout,
            camera=self.camera,
            size=self.size,
            frame=np.array([row.number for row in rows], dtype=np.int64),
            time=np.array([row.time for row in rows]),
            person_id=person,
            xy=xy.astype(np.float32),
            confidence=confidence.astype(np.float32),
            sigma_px=self._sigma_px(xy, confidence),
            box=box.astype(np.float32),
            score_kind=card.score_kind,
        )
        seen = unflipped(seen)
        return reread(seen, self.neighbours_s, self._sigma_px) if self.neighbours_s > 0 else seen

    def _sigma_px(self, xy: np.ndarray, confidence: np.ndarray) -> Float32[np.ndarray, "frames slots joints"]:
        learned = self.detector.sigma
        if learned is None:
            return size_sigma_px(xy, confidence, self.detector.card.sigma_share)
        return learned.sigma_px(xy, confidence, self.detector.layout.points)

    def _with_detail(
        self,
        rows: "list[Row]",
        xy: Float[np.ndarray, "frames slots joints 2"],
        confidence: Float[np.ndarray, "frames slots joints"],
        person: Int[np.ndarray, "frames slots"],
    ) -> tuple[Float[np.ndarray, "frames slots outputs 2"], Float[np.ndarray, "frames slots outputs"]]:
        """The slower network's points blended in, person by person."""
        assert self.detector.detail is not None
        points = self.detector.detail.card.points
        time = np.array([row.time for row in rows])
        out = np.full((*person.shape, len(self.detector.layout), 2), np.nan)
        score = np.zeros(out.shape[:3])
        steps = np.diff(time)
        longest = _FAR * max(self.detector.recipe.detail_s, float(np.median(steps)) if len(steps) else 0.0) + _EARLY_S
        for identity in np.unique(person[person >= 0]).tolist():
            frame, slot = np.nonzero(person == identity)
            detail_xy, detail_score = np.full((len(frame), len(points), 2), np.nan), np.zeros((len(frame), len(points)))
            for at, (k, own) in enumerate(zip(frame.tolist(), slot.tolist(), strict=True)):
                detail = rows[k].people[own].detail
                if detail is not None:
                    detail_xy[at], detail_score[at] = detail.xy[0], detail.confidence[0]
            seen = (xy[frame, slot], confidence[frame, slot], self.detector.card.points)
            out[frame, slot], score[frame, slot] = blended(time[frame], *seen, detail_xy, detail_score, points, longest)
        return out, score
