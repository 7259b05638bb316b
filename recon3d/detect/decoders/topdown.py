"""Networks that look at one person's crop: heatmaps, SimCC and direct regression.

Heatmaps: HRNet, CPN, DeepCut, ViTPose. SimCC: RTMPose, DWPose. Regression: DeepPose. Positions come
back in pixels of the crop.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from recon3d.detect.card import ModelCard
from recon3d.detect.decoders.outputs import squeezed
from recon3d.detect.decoders.peaks import peaks, to_input
from recon3d.detect.people import People
from recon3d.errors import InputError

HEATMAP = {"grid": "centre", "logits": False, "offsets": False}
SIMCC = {"scores": "least", "smooth": False}
REGRESSION = {"range": "unit"}


def heatmap(outputs: Sequence[np.ndarray], card: ModelCard) -> People:
    """One map a point, ``(joints, rows, columns)`` or joints last.

    With ``offsets`` (DeepCut's location refinement) the second output moves each peak: two maps a point
    (x, y) in units of the option's value, px; the peak's own cell is then not refined.
    """
    maps = _maps(outputs[0], len(card.points))
    if card.option("logits"):
        maps = 1 / (1 + np.exp(-maps))
    grid, scale = card.option("grid"), card.option("offsets")
    if not scale:
        cells, score = peaks(maps)
        return People.one(to_input(cells, maps.shape[1:], card.input, grid), score)
    joints, rows, columns = maps.shape
    best = maps.reshape(joints, -1).argmax(1)
    cells = np.stack([best % columns, best // columns], -1).astype(float)
    moves = _maps(outputs[1], 2 * joints).reshape(joints, 2, -1)[np.arange(joints), :, best] * float(scale)
    return People.one(to_input(cells, (rows, columns), card.input, grid) + moves, maps.reshape(joints, -1).max(1).astype(float))


def simcc(outputs: Sequence[np.ndarray], card: ModelCard) -> People:
    """One row of bins a point for x and one for y (Li 2022); bin k of n lies at pixel k * width / n.

    The score is the lower of the two peaks (MMPose) or their mean (rtmlib); it is a logit without a bound.
    """
    x, y = (squeezed(output, 2) for output in outputs[:2])
    bins = [values.argmax(1) + _parabola(values) for values in (x, y)]
    ratio = np.array([card.input[0] / x.shape[1], card.input[1] / y.shape[1]])
    tops = np.stack([x.max(1), y.max(1)])
    score = tops.min(0) if card.option("scores") == "least" else tops.mean(0)
    return People.one(np.stack(bins, -1) * ratio, np.maximum(score, 0.0).astype(float))


def regression(outputs: Sequence[np.ndarray], card: ModelCard) -> People:
    """Coordinates themselves: shares of the crop ("unit"), shares from its middle ("centred"), or pixels ("px").

    Two values a point, or three of which the last is a score; without one the score is 1.
    """
    joints = len(card.points)
    values = np.asarray(outputs[0], float).reshape(-1)
    if len(values) not in (2 * joints, 3 * joints):
        raise InputError(f"model {card.name}: {len(values)} values for {joints} points: two or three a point were expected")
    rows = values.reshape(joints, -1)
    size, kind = np.array(card.input, float), card.option("range")
    if kind not in ("unit", "centred", "px"):
        raise InputError(f"model {card.name}: the decoder's range must be unit, centred or px, not {kind!r}")
    xy = rows[:, :2] if kind == "px" else (rows[:, :2] + (0.5 if kind == "centred" else 0.0)) * size - 0.5
    return People.one(xy, rows[:, 2] if rows.shape[1] == 3 else np.ones(joints))


def _parabola(values: Float[np.ndarray, "joints bins"]) -> Float[np.ndarray, "joints"]:
    """Part of a bin by which the peak of a parabola through the highest and its neighbours is off."""
    joints, bins = values.shape
    best = np.clip(values.argmax(1), 1, max(bins - 2, 1))
    rows = np.arange(joints)
    a, b, c = values[rows, best - 1], values[rows, best], values[rows, best + 1]
    bend = a - 2 * b + c
    inner = (values.argmax(1) == best) & (bend < 0)
    return np.where(inner, 0.5 * (a - c) / np.where(bend < 0, bend, -1.0), 0.0)


def _maps(output: np.ndarray, count: int) -> Float[np.ndarray, "maps rows columns"]:
    """Maps first, whichever way the network has them."""
    maps = squeezed(output, 3)
    if maps.shape[0] != count and maps.shape[2] == count:
        maps = maps.transpose(2, 0, 1)
    if maps.shape[0] != count:
        raise InputError(f"{count} heatmaps were expected, but the network's output has shape {output.shape}")
    return maps
