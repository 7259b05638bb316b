"""MediaPipe's faces: BlazeFace finds them in an image (Bazarevsky 2019), Face Mesh gives 468 points of one."""

import functools
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from recon3d.detect.card import ModelCard
from recon3d.detect.decoders.outputs import overlaps, sigmoid, squeezed
from recon3d.detect.people import People
from recon3d.errors import InputError

DETECTOR = {"strides": [8, 16, 16, 16], "overlap": 0.3}
_ANCHORS = 2  # of each layer in each cell


def face_mesh(outputs: Sequence[np.ndarray], card: ModelCard) -> People:
    """x, y, z of each point in px of the crop; a logit of there being a face."""
    joints = len(card.points)
    if len(outputs) < 2 or outputs[0].size != 3 * joints or outputs[1].size != 1:
        raise InputError(f"model {card.name}: {joints} x 3 values and a presence were expected, not {[o.shape for o in outputs]}")
    xy = outputs[0].astype(float).reshape(joints, 3)[:, :2] - 0.5
    presence = sigmoid(outputs[1].astype(float).reshape(1))
    return People(xy[None], np.full((1, joints), presence[0]), presence)


def face_detector(outputs: Sequence[np.ndarray], card: ModelCard) -> People:
    """Rows of middle, width and height of a box and then the points, px from an anchor; a logit of each row.

    Boxes that overlap become one, each point the mean weighted by the scores: that is steadier in time than the best alone.
    """
    joints = len(card.points)
    rows, logits = squeezed(outputs[0], 2).astype(float), outputs[1].astype(float).reshape(-1)
    at = _anchors(card.input, tuple(card.option("strides")))
    if rows.shape != (len(at), 4 + 2 * joints) or len(logits) != len(at):
        raise InputError(
            f"model {card.name}: {len(at)} rows of {4 + 2 * joints} values and as many scores were expected, "
            f"but the outputs have shapes {', '.join(str(o.shape) for o in outputs)}"
        )
    score = sigmoid(logits)
    sure = np.flatnonzero(score >= card.min_score)
    sure = sure[np.argsort(-score[sure], kind="stable")]
    score, rows, at = score[sure], rows[sure], at[sure]
    middle, half = at + rows[:, :2], 0.5 * rows[:, 2:4]
    boxes = np.concatenate([middle - half, middle + half], 1)
    points = at[:, None] + rows[:, 4:].reshape(-1, joints, 2) - 0.5  # anchors count from the first pixel's edge
    xy: list[np.ndarray] = []
    best: list[float] = []
    left = np.arange(len(score))
    while len(left):
        one = overlaps(boxes[left[0]], boxes[left]) > float(card.option("overlap"))
        one[0] = True  # a box without an area overlaps not even itself
        xy.append(np.average(points[left[one]], axis=0, weights=score[left[one]]))
        best.append(float(score[left[0]]))
        left = left[~one]
    found = np.array(best)
    return People(np.array(xy).reshape(-1, joints, 2), np.tile(found[:, None], (1, joints)), found)


@functools.cache
def _anchors(size: tuple[int, int], strides: tuple[int, ...]) -> Float[np.ndarray, "anchors 2"]:
    """Middles of the cells, px from the input's corner; layers of one stride share their cells."""
    found: list[np.ndarray] = []
    for stride in dict.fromkeys(strides):
        x, y = (np.arange(-(-length // stride)) for length in size)
        cells = np.stack(np.meshgrid((x + 0.5) * stride, (y + 0.5) * stride), -1).reshape(-1, 2)
        found.append(np.repeat(cells, _ANCHORS * strides.count(stride), axis=0))
    return np.concatenate(found)
