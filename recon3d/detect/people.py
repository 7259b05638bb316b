"""Persons found in one image."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from recon3d.arrays import freeze_fields


@dataclass(frozen=True, slots=True, eq=False)
class People:
    """Persons found in one image, or in the square that a network looked at.

    Attributes:
        xy: px, the centre of the top-left pixel is (0, 0).
        confidence: score of each point.
        score: of each person.
        right: of hands, the probability that it is the subject's right one.
    """

    xy: Float[np.ndarray, "people joints 2"]
    confidence: Float[np.ndarray, "people joints"]
    score: Float[np.ndarray, "people"]
    right: Float[np.ndarray, "people"] | None = None

    def __post_init__(self) -> None:
        freeze_fields(self)

    def __len__(self) -> int:
        return len(self.score)

    @staticmethod
    def one(xy: Float[np.ndarray, "joints 2"], confidence: Float[np.ndarray, "joints"]) -> "People":
        """A single person, whose score is the mean of its points'."""
        return People(xy[None], confidence[None], np.array([float(confidence.mean())]))

    def best_first(self, least: float, most: int | None = None) -> "People":
        """Those with at least this score, the best first."""
        order = np.argsort(-self.score, kind="stable")
        order = order[self.score[order] >= least][:most]
        right = None if self.right is None else self.right[order]
        return People(self.xy[order], self.confidence[order], self.score[order], right)
