"""One network in every frame, a slower one now and then: what they differ by changes slowly, so it is averaged over time.

The slower network also gives the feet: their distance from the first network's ankles is averaged too, and
what comes of it is steadied, since the ankles of single frames tremble more than feet do.
"""

import numpy as np
from jaxtyping import Bool, Float

from recon3d.detect.smoothing import steadied
from recon3d.skeleton import Layout, load_layout, map_layout

WITH_FEET = "body_21"
"""Layout of what comes out."""
_SHARE = 0.3  # of the slower network in a point that both give
_APART = 0.12  # of the person's size: networks that differ by more mean different things
_SLOW_S = 0.15  # width over which looks of the slower network are averaged
_STEADY_S = 0.04  # width over which feet are
_TREMBLE = 0.01  # of the person's size, of a point in one look
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
    with np.errstate(invalid="ignore"):
        tremble = _TREMBLE * np.nan_to_num(size, nan=1.0, posinf=1.0, neginf=1.0)
    ran = np.logical_or.reduce(np.isfinite(own), (1, 2))
    near = _near(time, ran, longest_s)

    def told(values: Float[np.ndarray, "frames some 2"]) -> Float[np.ndarray, "frames some 2"]:
        """Values of the frames in which the slower network ran, in all frames near one."""
        return np.where(near[:, None, None], steadied(time, time[ran], values[ran], _SLOW_S, tremble), np.nan)

    shift = told(np.where(agree[..., None], off, np.where(np.isfinite(own), 0.0, np.nan)))
    out[:, body] = xy + _SHARE * np.nan_to_num(shift)
    score[:, body] = confidence
    feet, ankles = target.indices(_FEET), layout.indices(_ANKLES)
    sound = agree[:, ankles]
    hang = told(np.where(sound[..., None], detail_xy[:, detail.indices(_FEET)] - xy[:, ankles], np.nan))
    out[:, feet] = np.where(np.isfinite(hang), steadied(time, time, xy[:, ankles] + hang, _STEADY_S, tremble), np.nan)
    sure = told(np.where(sound, detail_confidence[:, detail.indices(_FEET)], np.nan)[..., None].repeat(2, -1))[..., 0]
    score[:, feet] = np.where(np.isfinite(out[:, feet, 0]), np.clip(np.nan_to_num(sure), 0.0, confidence[:, ankles]), 0.0)
    return out, score


def _near(time: Float[np.ndarray, "frames"], ran: Bool[np.ndarray, "frames"], longest_s: float) -> Bool[np.ndarray, "frames"]:
    """Frames near one in which the slower network ran."""
    if not ran.any():
        return np.zeros(len(time), bool)
    instants = time[ran]
    after = np.searchsorted(instants, time).clip(0, len(instants) - 1)
    before = (after - 1).clip(0)
    return np.minimum(np.abs(instants[after] - time), np.abs(instants[before] - time)) <= longest_s
