"""A virtual camera that looks at the person: any focal length and any place in the image mean the same to the lifter.

Its axis goes through the middle of what is seen of the person, frame by frame; its roll is that of the real camera.
What it sees is divided by the person's usual size in the window. The turns are known, so nothing is lost by them.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

_LOOKS = 2  # the middle of what is seen is another one once the camera looks there
_LEAST = 1e-3  # of a person's size, as a tangent


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """What virtual cameras see.

    Attributes:
        xy: of the points, in the person's size; 0 where absent.
        turn: virtual_from_camera.
        size: of the person, as a tangent of the angle; one for a window.
        shift: of the axis from the window's middle, in that size.
        spread: size in each frame over that of the window, logarithm.
    """

    xy: Float[np.ndarray, "*batch frames points 2"]
    turn: Float[np.ndarray, "*batch frames 3 3"]
    size: Float[np.ndarray, "*batch"]
    shift: Float[np.ndarray, "*batch frames 2"]
    spread: Float[np.ndarray, "*batch frames"]


def look_at(ray: Float[np.ndarray, "*batch frames points 2"]) -> View:
    """Turn to the person.

    Args:
        ray: of each point at depth one of the real camera, x right, y down; NaN where absent. In frames without any point
            the camera looks where it looked in the nearest frame that has some.
    """
    seen: np.ndarray = np.logical_and.reduce(np.isfinite(ray), axis=-1)
    axis = _middle(ray, seen)
    bearing = np.concatenate([np.where(seen[..., None], ray, 0.0), np.ones((*ray.shape[:-1], 1))], -1)
    for _ in range(_LOOKS):
        turn = _turns(axis)
        turned = np.einsum("...ij,...pj->...pi", turn, bearing)
        ahead = np.maximum(turned[..., 2:], 0.1)
        found = np.concatenate([_middle(turned[..., :2] / ahead, seen), np.ones((*axis.shape[:-1], 1))], -1)
        aim = (np.swapaxes(turn, -1, -2) @ found[..., None])[..., 0]
        axis = aim[..., :2] / np.maximum(aim[..., 2:], 0.1)
    turn = _turns(axis)
    turned = np.einsum("...ij,...pj->...pi", turn, bearing)
    # What lies beside or behind a virtual camera is not seen by it.
    seen = seen & (turned[..., 2] > 0.1)
    xy = np.where(seen[..., None], turned[..., :2] / np.maximum(turned[..., 2:], 0.1), 0.0)
    extent = np.where(np.logical_or.reduce(seen, axis=-1), np.linalg.norm(_extent(xy, seen), axis=-1), np.nan)
    size = np.maximum(_median(extent), _LEAST)
    whole = np.concatenate([axis, np.ones((*axis.shape[:-1], 1))], -1)
    whole /= np.linalg.norm(whole, axis=-1, keepdims=True)
    mean = whole.mean(-2)
    towards = np.einsum("...ij,...fj->...fi", _turns(mean[..., :2] / np.maximum(mean[..., 2:], 0.1)), whole)
    shift = towards[..., :2] / np.maximum(towards[..., 2:], 0.1) / size[..., None, None]
    spread = np.log(np.maximum(np.where(np.isfinite(extent), extent, size[..., None]), _LEAST) / size[..., None])
    return View(xy / size[..., None, None, None], turn, size, shift, spread)


def _middle(ray: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Of the box round the points of each frame; where there are none, of the nearest frame that has some."""
    low = np.where(seen[..., None], ray, np.inf).min(-2)
    high = np.where(seen[..., None], ray, -np.inf).max(-2)
    some: np.ndarray = np.logical_or.reduce(seen, axis=-1)
    middle = np.where(some[..., None], 0.5 * (np.where(some[..., None], low, 0.0) + np.where(some[..., None], high, 0.0)), 0.0)
    frames = ray.shape[-3]
    row = np.arange(frames)
    before = np.maximum.accumulate(np.where(some, row, -1), axis=-1)
    after = np.minimum.accumulate(np.where(some, row, 2 * frames)[..., ::-1], axis=-1)[..., ::-1]
    nearest = np.where((row - before <= after - row) & (before >= 0) | (after >= frames), before, after)
    nearest = np.clip(nearest, 0, frames - 1)
    return np.take_along_axis(middle, nearest[..., None], axis=-2)


def _turns(axis: np.ndarray) -> np.ndarray:
    """Rows: right, down and forward of a camera with the real one's roll that looks along an axis."""
    forward = np.concatenate([axis, np.ones((*axis.shape[:-1], 1))], -1)
    forward /= np.linalg.norm(forward, axis=-1, keepdims=True)
    right = np.stack([forward[..., 2], np.zeros_like(forward[..., 0]), -forward[..., 0]], -1)  # down x forward
    right /= np.linalg.norm(right, axis=-1, keepdims=True)
    x, y, z = forward[..., 0], forward[..., 1], forward[..., 2]
    down = np.stack([y * right[..., 2], z * right[..., 0] - x * right[..., 2], -y * right[..., 0]], -1)  # forward x right
    return np.stack([right, down, forward], -2)


def _extent(xy: np.ndarray, seen: np.ndarray) -> np.ndarray:
    low = np.where(seen[..., None], xy, np.inf).min(-2)
    high = np.where(seen[..., None], xy, -np.inf).max(-2)
    some: np.ndarray = np.logical_or.reduce(seen, axis=-1)
    return np.where(some[..., None], high - low, 0.0)


def _median(values: np.ndarray) -> np.ndarray:
    """Along the last axis, of what is finite; 0 where nothing is."""
    ordered = np.sort(values, axis=-1)  # NaN last
    count: np.ndarray = np.add.reduce(np.isfinite(values), axis=-1)
    middle = np.take_along_axis(ordered, np.maximum(count - 1, 0)[..., None] // 2, axis=-1)[..., 0]
    return np.where(count > 0, middle, 0.0)
