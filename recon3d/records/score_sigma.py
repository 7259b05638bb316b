"""What a detector's score says about how far off a point is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
from jaxtyping import Float, Float32

from recon3d.arrays import freeze_fields
from recon3d.errors import InputError, all_faults
from recon3d.records.keypoints2d import Keypoints2D, box_diagonal

_LEAST_PX = 1.0
_MOST = 5.0


@dataclass(frozen=True, slots=True, eq=False)
class ScoreSigma:
    """Sigma of a point over the diagonal of its person's box, by score and by point.

    Between the scores that it was learned at it is interpolated. Above them it stays; below it grows with the
    root of the score, as that of a matched filter does, up to five times.

    Attributes:
        score: rising.
        share: of the diagonal, at each score.
        points: factor for each point by name; 1 for the others.
    """

    score: Float[np.ndarray, "knots"]
    share: Float[np.ndarray, "knots"]
    points: Mapping[str, float] = field(default_factory=dict[str, float])

    def __post_init__(self) -> None:
        freeze_fields(self)
        if not (len(self.score) and (np.diff(self.score) > 0).all()):
            raise InputError(f"scores must be listed rising, not {self.score.tolist()}")
        if not ((self.share > 0).all() and all(value > 0 for value in self.points.values())):
            raise InputError("shares and factors of points must be positive")

    def share_of(self, score: Float[np.ndarray, "*batch"]) -> Float[np.ndarray, "*batch"]:
        """Sigma over the diagonal at any score, of a point whose factor is 1."""
        lowest = float(self.score[0])
        below = np.sqrt(np.clip(lowest / np.maximum(score, 1e-9), 1.0, _MOST**2)) if lowest > 0 else 1.0
        return np.interp(score, self.score, self.share) * below

    def sigma_px(
        self, xy: Float[np.ndarray, "*batch joints 2"], confidence: Float[np.ndarray, "*batch joints"], names: Sequence[str]
    ) -> Float32[np.ndarray, "*batch joints"]:
        """Standard deviation of each coordinate, px; NaN where absent.

        Args:
            xy: px; NaN where absent.
            confidence: scores.
            names: of the joints.
        """
        factor = np.array([self.points.get(name, 1.0) for name in names])
        share = self.share_of(confidence) * factor
        sigma = np.maximum(share * box_diagonal(xy)[..., None], _LEAST_PX)
        return np.where(np.logical_and.reduce(np.isfinite(xy), -1), sigma, np.nan).astype(np.float32)

    def of(self, seen: Keypoints2D) -> Float32[np.ndarray, "frames slots joints"]:
        """Sigma of all points of a record, px."""
        return self.sigma_px(seen.xy, seen.confidence, seen.layout.points)

    def as_table(self) -> dict[str, Any]:
        """Plain values, as in a file."""
        return {"score": self.score.tolist(), "share": self.share.tolist(), "points": dict(self.points)}


def parse_score_sigma(data: Any, where: str) -> ScoreSigma:
    """From the table of a file: ``score`` and ``share``, lists of one length, and ``points``, a table of factors.

    Raises:
        InputError: all that is wrong with it.
    """
    if not isinstance(data, dict):
        raise InputError(f"{where} must be a table")
    table = cast(dict[str, Any], data)
    faults = [f"unknown entry {key!r}" for key in sorted(set(table) - {"score", "share", "points"})]
    lists: dict[str, list[float]] = {}
    for key in ("score", "share"):
        value = table.get(key)
        if isinstance(value, list) and value and all(_number(v) for v in cast(list[Any], value)):
            lists[key] = [float(v) for v in cast(list[Any], value)]
        else:
            faults.append(f"{key} must be a list of numbers")
    given: Any = table.get("points", {})
    points = cast(dict[str, Any], given) if isinstance(given, dict) else {}
    if not isinstance(given, dict) or not all(_number(v) for v in points.values()):
        faults.append("points must be a table of numbers")
    if not faults and len(lists["score"]) != len(lists["share"]):
        faults.append(f"{len(lists['score'])} scores, but {len(lists['share'])} shares")
    if faults:
        raise InputError(all_faults(faults, f"{where} cannot be used:"))
    try:
        return ScoreSigma(np.array(lists["score"]), np.array(lists["share"]), {k: float(v) for k, v in points.items()})
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and bool(np.isfinite(value))
