"""MoveNet: one person in a square, or up to six in the whole image; y, x, score as shares of the input."""

from collections.abc import Sequence

import numpy as np

from recon3d.detect.card import ModelCard
from recon3d.detect.decoders.outputs import squeezed
from recon3d.detect.people import People


def movenet_single(outputs: Sequence[np.ndarray], card: ModelCard) -> People:
    """``(1, 1, 17, 3)``."""
    points = squeezed(outputs[0], 3)[0].astype(float)
    return People.one(points[:, 1::-1] * card.input - 0.5, points[:, 2])


def movenet_multi(outputs: Sequence[np.ndarray], card: ModelCard) -> People:
    """``(1, 6, 56)``: 17 points, box, score; always six, of whom the empty ones score low."""
    rows = squeezed(outputs[0], 2).astype(float)
    points = rows[:, :51].reshape(len(rows), 17, 3)
    found = People(points[..., 1::-1] * card.input - 0.5, points[..., 2], rows[:, 55])
    return found.best_first(card.min_score)
