"""Who is who from frame to frame in keypoints that do not tell: files of detectors that look at every frame by itself."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from recon3d.arrays import median_row
from recon3d.detect.similarity import matched, oks, spreads
from recon3d.records import Keypoints2D

_ALIKE = 0.2  # similarity below which two are not one person
_LOOSE, _LOOSER_S = 1.5, 0.25  # how much less exact a place becomes with time
_STEADY_S = 0.1  # over which a velocity is averaged
_PATIENCE_S = 1.0  # somebody may go unseen and keep its id
_FEWEST = 3  # points of somebody


@dataclass(slots=True, eq=False)
class _Somebody:
    id: int
    time: float
    xy: Float[np.ndarray, "joints 2"]
    confidence: Float[np.ndarray, "joints"]
    velocity: Float[np.ndarray, "2"]


class Linker:
    """Gives people ids window by window: the likest pairs of each frame and where people should be by then (Hungarian method)."""

    def __init__(self) -> None:
        """Begin with nobody."""
        self._there: list[_Somebody] = []
        self._next = 0

    def link(self, seen: Keypoints2D) -> Keypoints2D:
        """The window with ids; as it is where it has some already."""
        if (seen.person_id >= 0).any():
            return seen
        spread = spreads(seen.layout)
        ids = np.full(seen.person_id.shape, -1, seen.person_id.dtype)
        for f in range(len(seen)):
            time, xy, confidence = float(seen.time[f]), seen.xy[f].astype(float), seen.confidence[f].astype(float)
            slots = np.flatnonzero(np.isfinite(xy[..., 0]).sum(1) >= _FEWEST)
            self._there = [one for one in self._there if time - one.time <= _PATIENCE_S]
            pairs = self._pairs(time, xy[slots], confidence[slots], spread)
            for who, k in pairs:
                _see(who, time, xy[slots[k]], confidence[slots[k]])
                ids[f, slots[k]] = who.id
            for k in sorted(set(range(len(slots))) - {k for _, k in pairs}):
                self._there.append(_Somebody(self._next, time, xy[slots[k]], confidence[slots[k]], np.zeros(2)))
                ids[f, slots[k]] = self._next
                self._next += 1
        return replace(seen, person_id=ids)

    def _pairs(self, time: float, xy: np.ndarray, confidence: np.ndarray, spread: np.ndarray) -> list[tuple[_Somebody, int]]:
        if not self._there or not len(xy):
            return []
        expected = np.stack([one.xy + one.velocity * (time - one.time) for one in self._there])
        loose = np.array([_LOOSE + (time - one.time) / _LOOSER_S for one in self._there])
        alike = oks(expected, np.stack([one.confidence for one in self._there]), xy, confidence, spread, loose)
        return [(self._there[a], b) for a, b in matched(alike, _ALIKE)]


def _see(who: _Somebody, time: float, xy: np.ndarray, confidence: np.ndarray) -> None:
    since = max(time - who.time, 1e-6)
    moved = np.nan_to_num(median_row(xy - who.xy)) / since
    who.velocity = who.velocity + (1 - np.exp(-since / _STEADY_S)) * (moved - who.velocity)
    # Points that are missing now stay where they were expected.
    known: np.ndarray = np.logical_and.reduce(np.isfinite(xy), axis=-1)
    who.xy = np.where(known[:, None], xy, who.xy + moved * since)
    who.confidence = np.where(known, confidence, 0.5 * who.confidence)
    who.time = time
