"""What is known of somebody who was followed: when, by how many views, how large, where."""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int

from recon3d.arrays import finite_median

_PIECE_S, _MOST_PIECES = 0.25, 16  # whose medians tell how much lengths scatter
_VOTES = 3  # samples that outvote a wrong one
_PIECE_SAMPLES = 5  # at the least, where there are several pieces
_SAMPLES = 512  # of lengths and of places; when they are full every second is dropped


@dataclass(slots=True, eq=False)
class Life:
    """One track's facts, gathered frame by frame.

    Attributes:
        track: its id.
        first: s, when it was first seen.
        bones: number of lengths.
        look: sum of what its detections look like; of no features where nobody says.
        last: s, when two views last saw it.
        frames: that it was followed in, up to the last.
        seen: of these, frames in which two views or more saw it.
        views: sum of the views that saw it in these frames.
        showing: sum of the views that had its place in their image.
    """

    track: int
    first: float
    bones: int
    look: Float[np.ndarray, "features"] = field(default_factory=lambda: np.zeros(0))
    last: float = field(init=False)
    frames: int = 0
    seen: int = 0
    views: int = 0
    showing: int = 0
    behind: int = 0
    """Sum of the cameras that it was behind of."""
    points: int = 0
    """Sum of the points that two views told."""
    start: Float[np.ndarray, "joints 3"] | None = None
    """m, where it was first seen."""
    end: Float[np.ndarray, "joints 3"] | None = None
    """m, where it was last seen by two views."""
    end_velocity: Float[np.ndarray, "joints 3"] | None = None
    """m/s, then."""
    _lengths: list[Float[np.ndarray, "bones"]] = field(default_factory=list)
    _places: list[tuple[float, Float[np.ndarray, "joints 3"]]] = field(default_factory=list)
    _stride: int = 1
    _unsure: tuple[int, int, int, int] = (0, 0, 0, 0)
    """Frames, views, showing and behind since two views last saw it: they count once two do again."""

    def __post_init__(self) -> None:
        self.last = self.first

    def see(
        self,
        time: float,
        views: int,
        showing: int,
        xyz: Float[np.ndarray, "joints 3"],
        velocity: Float[np.ndarray, "joints 3"],
        lengths: Float[np.ndarray, "bones"],
        told: int,
        behind: int,
    ) -> None:
        """One more frame: by how many views it is seen, where, how many points two views told, how many cameras it is behind of."""
        self._unsure = _sum(self._unsure, (1, views, showing, behind))
        if views < 2:
            return
        self.frames, self.views, self.showing, self.behind = _sum((self.frames, self.views, self.showing, self.behind), self._unsure)
        self._unsure = (0, 0, 0, 0)
        self.last, self.end = time, xyz
        if self.start is None:
            self.start = xyz
        self.end_velocity = velocity
        if self.seen % self._stride == 0:
            self._lengths.append(lengths)
            self._places.append((time, xyz))
            if len(self._lengths) >= _SAMPLES:
                self._lengths, self._places = self._lengths[::2], self._places[::2]
                self._stride *= 2
        self.seen += 1
        self.points += told

    def stillborn(self, time: float, crib_s: float, share: float) -> bool:
        """Whether it is new and was hardly seen since."""
        return self.last - self.first < crib_s <= time - self.first and self.seen < share * (self.frames + self._unsure[0])

    def lengths(self) -> tuple[Float[np.ndarray, "bones"], Int[np.ndarray, "bones"]]:
        """Median of each bone (m; NaN where never seen), and how often it was measured."""
        values = np.array(self._lengths).reshape(len(self._lengths), self.bones)
        middle = np.array([finite_median(column) for column in values.T])
        return middle, np.isfinite(values).sum(0)

    def pieces(self) -> tuple[Float[np.ndarray, "bones"], Float[np.ndarray, "bones"], Float[np.ndarray, "bones"]]:
        """Mean over pieces of its life of each bone's median there (m), how many pieces tell it, and their variance (NaN with one)."""
        values = np.array(self._lengths).reshape(len(self._lengths), self.bones)
        count = int(np.clip((self.last - self.first) / _PIECE_S, 1, min(_MOST_PIECES, max(len(values) // _PIECE_SAMPLES, 1))))
        medians = np.array([[_told(column) for column in part.T] for part in np.array_split(values, count)])
        told = np.isfinite(medians)
        number = told.sum(0)
        mean = np.where(told, medians, 0.0).sum(0) / np.maximum(number, 1)
        variance = (np.where(told, medians - mean, 0.0) ** 2).sum(0) / np.maximum(number - 1, 1)
        return np.where(number > 0, mean, np.nan), number.astype(float), np.where(number > 1, variance, np.nan)

    def places(self) -> tuple[Float[np.ndarray, "samples"], Float[np.ndarray, "samples joints 3"]]:
        """Times (s) and positions (m) from all over its life."""
        return np.array([t for t, _ in self._places]), np.stack([xyz for _, xyz in self._places])


def _sum(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    return a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3]


def _told(lengths: Float[np.ndarray, "samples"]) -> float:
    """Median; NaN of too few to outvote a wrong one."""
    return finite_median(lengths) if np.isfinite(lengths).sum() >= _VOTES else float("nan")
