"""One network in every frame, a slower one now and then: what they differ by changes slowly, so it is interpolated in time.

The slower network also gives the feet, which hang on the ankles that both agree on.
"""

import numpy as np
from jaxtyping import Bool, Float, Int

from recon3d.skeleton import Layout, load_layout, map_layout

WITH_FEET = "body_21"
"""Layout of what comes out."""
_SHARE = 0.3  # of the slower network in a point that both give
_APART = 0.12  # of the person's size: networks that differ by more mean different things
_FEET = ("left_heel", "right_heel", "left_foot_index", "right_foot_index")
_ANKLES = ("left_ankle", "right_ankle", "left_ankle", "right_ankle")


def blended(
    time: Float[np.ndarray, "frames"],
    xy: Float[np.ndarray, "frames joints 2"],
    confidence: Float[np.ndarray, "frames joints"],
    layout: Layout,
    detail_xy: Float[np.ndarray, "frames points 2"],
    detail_confidence: Float[np.ndarray, "frames points"],
    detail: Layout,
    longest_s: float,
) -> tuple[Float[np.ndarray, "frames outputs 2"], Float[np.ndarray, "frames outputs"]]:
    """One person's points in the layout `WITH_FEET`, px, and their scores; feet are NaN where nothing tells them.

    Args:
        time: of the frames, s.
        xy: of the network that ran in every frame, px; NaN where the person was not seen.
        confidence: its scores.
        layout: its points.
        detail_xy: of the slower network, px; NaN in frames that it did not run in.
        detail_confidence: its scores.
        detail: its points.
        longest_s: how far from a frame the slower network may have run to tell anything about it.
    """
    target = load_layout(WITH_FEET)
    body = target.indices(layout.points)
    own = map_layout(detail, layout).positions(detail_xy)
    size = np.linalg.norm(np.nanmax(xy, 1, initial=-np.inf) - np.nanmin(xy, 1, initial=np.inf), axis=-1)
    off = own - xy
    with np.errstate(invalid="ignore"):
        agree = np.linalg.norm(off, axis=-1) < _APART * size[:, None]
    out = np.full((len(time), len(target), 2), np.nan)
    score = np.zeros((len(time), len(target)))
    shift = _through_time(time, np.where(agree[..., None], off, np.where(np.isfinite(own), 0.0, np.nan)), longest_s)
    out[:, body] = xy + _SHARE * np.nan_to_num(shift)
    score[:, body] = confidence
    feet, ankles = target.indices(_FEET), target.indices(_ANKLES)
    hang = detail_xy[:, detail.indices(_FEET)] - detail_xy[:, detail.indices(_ANKLES)]
    hang = np.where(agree[:, layout.indices(_ANKLES), None], hang, np.nan)
    out[:, feet] = out[:, ankles] + _through_time(time, hang, longest_s)
    sure = _through_time(time, np.where(np.isfinite(hang[..., :1]), detail_confidence[:, detail.indices(_FEET), None], np.nan), longest_s)
    score[:, feet] = np.where(np.isfinite(out[:, feet, 0]), np.minimum(np.nan_to_num(sure[..., 0]), score[:, ankles]), 0.0)
    return out, score


def _through_time(
    time: Float[np.ndarray, "frames"], values: Float[np.ndarray, "frames points xy"], longest_s: float
) -> Float[np.ndarray, "frames points xy"]:
    """Linearly between the frames that have values, as they are beyond the last; NaN too far from any."""
    known = np.isfinite(values[..., 0])
    before, after = _nearest(known), len(time) - 1 - _nearest(known[::-1])[::-1]
    points = np.arange(values.shape[1])
    has_before, has_after = before >= 0, after < len(time)
    a, b = before.clip(0), after.clip(None, len(time) - 1)
    has_before &= np.abs(time[:, None] - time[a]) <= longest_s
    has_after &= np.abs(time[b] - time[:, None]) <= longest_s
    width = time[b] - time[a]
    share = np.where(width > 0, (time[:, None] - time[a]) / np.where(width > 0, width, 1.0), 0.0)
    share = np.where(has_before & has_after, share, np.where(has_after, 1.0, 0.0))
    found = (1 - share)[..., None] * np.nan_to_num(values[a, points]) + share[..., None] * np.nan_to_num(values[b, points])
    return np.where((has_before | has_after)[..., None], found, np.nan)


def _nearest(known: Bool[np.ndarray, "frames points"]) -> Int[np.ndarray, "frames points"]:
    """The last frame up to each that is known; -1 before the first."""
    rows = np.where(known, np.arange(len(known))[:, None], -1)
    return np.maximum.accumulate(rows, axis=0)
