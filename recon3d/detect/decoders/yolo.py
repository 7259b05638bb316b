"""YOLO-pose from version 8: one row a cell of the grid, box and points in pixels of the input."""

from collections.abc import Sequence

import numpy as np

from recon3d.detect.card import ModelCard
from recon3d.detect.decoders.outputs import kept, squeezed
from recon3d.detect.people import People
from recon3d.errors import InputError

OPTIONS = {"overlap": 0.7}


def yolo_pose(outputs: Sequence[np.ndarray], card: ModelCard) -> People:
    """``(5 + 3 joints, cells)``, or rows of end-to-end models, ``(people, 6 + 3 joints)``: x0, y0, x1, y1, score, class first.

    YOLO's pixels begin at the edge of the first one: half a pixel is taken off.
    """
    joints = len(card.points)
    values = squeezed(outputs[0], 2).astype(float)
    whole = values.shape[1] == 6 + 3 * joints
    if not whole and values.shape[0] != 5 + 3 * joints:
        raise InputError(
            f"model {card.name}: an output of {5 + 3 * joints} rows, or of {6 + 3 * joints} columns, was expected for {joints} points "
            f"and one class; it has shape {outputs[0].shape}"
        )
    rows = values if whole else values.T
    rows = rows[rows[:, 4] >= card.min_score]
    points = rows[:, 6 if whole else 5 :].reshape(len(rows), joints, 3)
    found = People(points[..., :2] - 0.5, points[..., 2].clip(0, 1), rows[:, 4])
    if whole:
        return found.best_first(card.min_score)
    middle, half = rows[:, :2], 0.5 * rows[:, 2:4]
    best = kept(np.concatenate([middle - half, middle + half], 1), rows[:, 4], float(card.option("overlap")))
    return People(found.xy[best], found.confidence[best], found.score[best])
