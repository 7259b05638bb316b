"""Peaks of heatmaps to a part of a cell, and cells to pixels of the input."""

from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from recon3d.errors import InputError

Grid = Literal["centre", "corner", "ends"]
"""How cells lie over the input: a cell's centre on its block's centre (most networks), on its block's first
pixel (heatmaps of a network without the half-pixel rule, as HRNet's), or first and last on the input's (UDP)."""


def peaks(maps: Float[np.ndarray, "joints rows columns"]) -> tuple[Float[np.ndarray, "joints 2"], Float[np.ndarray, "joints"]]:
    """The highest place of each map in cells (x, y), and its value.

    The place is that of a Gaussian through the cell's neighbours: one step of Newton on the logarithm
    (Zhang 2020, eq. 9), which is exact for a Gaussian; never further than the cell's neighbour.
    """
    joints, _, columns = maps.shape
    flat = maps.reshape(joints, -1)
    best = flat.argmax(1)
    score = flat[np.arange(joints), best]
    at = np.stack([best % columns, best // columns], -1)
    return at + within(maps, at, np.arange(joints)), score.astype(float)


def within(
    maps: Float[np.ndarray, "maps rows columns"], at: Int[np.ndarray, "points 2"], which: Int[np.ndarray, "points"]
) -> Float[np.ndarray, "points 2"]:
    """Where in their cells (x, y) of these maps peaks lie, in cells from the middle."""
    _, rows, columns = maps.shape
    x, y = np.clip(at[:, 0], 1, max(columns - 2, 1)), np.clip(at[:, 1], 1, max(rows - 2, 1))
    if min(rows, columns) < 3:
        return np.zeros((len(at), 2))
    around = np.stack([[maps[which, y + j, x + i] for i in (-1, 0, 1)] for j in (-1, 0, 1)]).astype(float)
    log = np.log(np.maximum(around, 1e-10))
    dx, dy = 0.5 * (log[1, 2] - log[1, 0]), 0.5 * (log[2, 1] - log[0, 1])
    xx, yy = log[1, 2] - 2 * log[1, 1] + log[1, 0], log[2, 1] - 2 * log[1, 1] + log[0, 1]
    xy = 0.25 * (log[2, 2] - log[2, 0] - log[0, 2] + log[0, 0])
    det = xx * yy - xy * xy
    peaked = (det > 1e-9) & (xx < 0) & (around[1, 1] > 0)
    safe = np.where(peaked, det, 1.0)
    step = -np.stack([yy * dx - xy * dy, xx * dy - xy * dx], -1) / safe[:, None]
    inner = (at[:, 0] == x) & (at[:, 1] == y)  # at the border there is nothing to fit on one side
    return np.where((peaked & inner)[:, None], np.clip(step, -1, 1), 0.0)


def local_peaks(
    maps: Float[np.ndarray, "maps rows columns"], least: float, reach: int = 1
) -> tuple[Int[np.ndarray, "points"], Int[np.ndarray, "points 2"], Float[np.ndarray, "points"]]:
    """All cells that are the highest of their surroundings: which map, which cell (x, y), how high."""
    padded = np.pad(maps, ((0, 0), (reach, reach), (reach, reach)), constant_values=-np.inf)
    window = np.lib.stride_tricks.sliding_window_view(padded, (2 * reach + 1, 2 * reach + 1), (1, 2))
    highest = (maps >= window.max((-1, -2))) & (maps >= least)
    which, y, x = np.nonzero(highest)
    return which, np.stack([x, y], -1), maps[which, y, x].astype(float)


def to_input(
    cells: Float[np.ndarray, "*batch 2"], shape: tuple[int, int], size: tuple[int, int], grid: Grid
) -> Float[np.ndarray, "*batch 2"]:
    """Cells (x, y) of a map of so many rows and columns, as pixels of the input.

    Raises:
        InputError: a grid that is none.
    """
    rows, columns = shape
    ratio = np.array([size[0] / columns, size[1] / rows])
    if grid == "centre":
        return (cells + 0.5) * ratio - 0.5
    if grid == "corner":
        return cells * ratio
    if grid == "ends":
        return cells * np.array([(size[0] - 1) / max(columns - 1, 1), (size[1] - 1) / max(rows - 1, 1)])
    raise InputError(f"a decoder's grid must be centre, corner or ends, not {grid!r}")
