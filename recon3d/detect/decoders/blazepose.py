"""BlazePose GHUM: 33 points of one person in a square that is turned so that the trunk stands upright.

The coordinates that the network regresses are coarse; its heatmaps place a point better where they are
sure (MediaPipe does the same, over a square of seven cells).
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from recon3d.detect.card import ModelCard
from recon3d.detect.decoders.outputs import sigmoid
from recon3d.detect.people import People
from recon3d.errors import InputError

OPTIONS = {"refine": True}
_VALUES, _LANDMARKS = 5, 39
_REACH = 3  # cells on each side of the regressed place
_SURE = 0.5  # of a heatmap's cell


def blazepose(outputs: Sequence[np.ndarray], card: ModelCard) -> People:
    """39 landmarks of x, y, z, visibility, presence in px of the crop; a presence of the person; heatmaps."""
    rows = [output.reshape(-1) for output in outputs]
    landmarks = next((row for row in rows if len(row) == _LANDMARKS * _VALUES), None)
    presence = next((row for row in rows if len(row) == 1), None)
    if landmarks is None or presence is None:
        raise InputError(f"model {card.name}: no output of {_LANDMARKS} x {_VALUES} values and one of a single number")
    points = landmarks.reshape(_LANDMARKS, _VALUES).astype(float)
    xy = points[:, :2] - 0.5
    maps = next((output[0] for output in outputs if output.ndim == 4 and output.shape[-1] == _LANDMARKS), None)
    if card.option("refine") and maps is not None:
        xy = refined(xy, sigmoid(maps.astype(float)), card.input)
    joints = len(card.points)
    return People(xy[None, :joints], sigmoid(points[None, :joints, 3]), presence.astype(float))


def refined(
    xy: Float[np.ndarray, "joints 2"], maps: Float[np.ndarray, "rows columns joints"], size: tuple[int, int]
) -> Float[np.ndarray, "joints 2"]:
    """Each point at the mean of its heatmap round where it was regressed, if any cell there is sure.

    Args:
        xy: px of the input.
        maps: probabilities.
        size: width and height of the input, px.
    """
    rows, columns, joints = maps.shape
    ratio = np.array([size[0] / columns, size[1] / rows])
    cell = np.floor((xy + 0.5) / ratio).astype(int)
    step = np.arange(-_REACH, _REACH + 1)
    x, y = cell[:, :1] + step, cell[:, 1:] + step
    inside_x, inside_y = (x >= 0) & (x < columns), (y >= 0) & (y < rows)
    around = maps[y.clip(0, rows - 1)[:, :, None], x.clip(0, columns - 1)[:, None], np.arange(joints)[:, None, None]]
    around = around * (inside_y[:, :, None] & inside_x[:, None])
    total = around.sum((1, 2))
    sure = around.max((1, 2)) >= _SURE
    mean = np.stack([(around.sum(1) * x).sum(1), (around.sum(2) * y).sum(1)], -1) / np.where(total > 0, total, 1.0)[:, None]
    return np.where(sure[:, None], (mean + 0.5) * ratio - 0.5, xy)
