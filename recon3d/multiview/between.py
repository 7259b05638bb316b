"""Keypoints between two frames: where a camera's clock is off by part of a frame, or its rows are read one by one."""

from typing import TypeAlias

import numpy as np
from jaxtyping import Float, Float32, Int

from recon3d.records import Keypoints2D

_Plane: TypeAlias = Float32[np.ndarray, "frames slots joints"]
_SAME_SIZE = 0.5  # of a person's extent: two sets of points nearer than this in neighbouring frames are one person
_FURTHEST = 1.6  # shares of a frame interval that a line through two frames is followed


def between(
    near: Keypoints2D,
    other: Keypoints2D,
    share: Float[np.ndarray, "frames"],
    rows_s: Float[np.ndarray, "frames"],
) -> tuple[
    Float32[np.ndarray, "frames slots joints 2"], Float32[np.ndarray, "frames slots joints"], Float32[np.ndarray, "frames slots joints"]
]:
    """Pixels, confidence and sigma at instants between each frame and its neighbour.

    A person whom the neighbour does not show stays where the nearer frame has it. The sigma of a point
    between two frames is that of the mean it is.

    Args:
        near: the nearer frames.
        other: their neighbours, row for row.
        share: of the interval between the two at which the instant lies, 0 at the nearer frame.
        rows_s: share of that interval that one row of a rolling shutter takes, negative where the neighbour comes before;
            0 for a global one.
    """
    match = _matched(near, other)
    pick = np.maximum(match, 0)[:, :, None]
    there = np.take_along_axis(other.xy, pick[..., None], 1)
    confidence = np.take_along_axis(other.confidence, pick, 1)
    sigma = np.take_along_axis(other.sigma_px, pick, 1)
    at = share[:, None, None] - rows_s[:, None, None] * near.xy[..., 1]
    known = (match >= 0)[:, :, None] & np.isfinite(near.xy[..., 0]) & np.isfinite(there[..., 0]) & (np.abs(at) <= _FURTHEST)
    at = np.where(known, at, 0.0).astype(np.float32)
    xy = np.where(known[..., None], near.xy + at[..., None] * (there - near.xy), near.xy)
    spread = np.where(known, np.hypot((1 - at) * near.sigma_px, at * sigma), near.sigma_px)
    return xy, np.where(known, np.minimum(near.confidence, confidence), near.confidence), spread


def _matched(a: Keypoints2D, b: Keypoints2D) -> Int[np.ndarray, "frames slots"]:
    """Slot of the same person in the neighbouring frame, by identity where both have one, else by nearness; -1 for none."""
    identity = (a.person_id[:, :, None] == b.person_id[:, None]) & (a.person_id >= 0)[:, :, None]
    with np.errstate(invalid="ignore"):
        low, high = np.fmin.reduce(a.xy, 2), np.fmax.reduce(a.xy, 2)
        size = np.linalg.norm(high - low, axis=-1)
        off = np.linalg.norm(_middle(a.xy)[:, :, None] - _middle(b.xy)[:, None], axis=-1)
        near = off < _SAME_SIZE * size[:, :, None]
    cost = np.where(identity, -1.0, np.where(near & (a.person_id < 0)[:, :, None], off, np.inf))
    best = cost.argmin(2)
    return np.where(np.isfinite(np.take_along_axis(cost, best[..., None], 2)[..., 0]), best, -1)


def _middle(xy: Float32[np.ndarray, "frames slots joints 2"]) -> Float[np.ndarray, "frames slots 2"]:
    known = np.isfinite(xy[..., :1])
    count = known.sum(2)
    return np.where(count > 0, np.where(known, xy, 0).sum(2) / np.maximum(count, 1), np.nan)
