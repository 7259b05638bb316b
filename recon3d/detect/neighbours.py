"""A joint that blur or a short occlusion hid, read again from the frames around it.

The idea of DCPose (Liu 2021) without its network: the frames before and after vote for where the joint is, each
with its score, along the path that they describe.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from recon3d.detect.similarity import person_size
from recon3d.detect.smoothing import steadied
from recon3d.records import Keypoints2D

_DROP = 0.6  # times the score of the frames around: below it a joint is read again
_SURE = 0.3  # score of the frames around that is worth reading
_SECOND_HAND = 0.7  # times their score: what was not seen in its own frame
_TREMBLE = 0.01  # of the person's size


def reread(seen: Keypoints2D, reach_s: float, sigma_px: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Keypoints2D:
    """The same people with joints whose score drops read again from frames near in time.

    Args:
        seen: people with ids; others stay as they are.
        reach_s: width over which frames vote, s; they must lie on both sides, within twice of it.
        sigma_px: sigma from points and scores.
    """
    xy, confidence = seen.xy.astype(float), seen.confidence.astype(float)
    for person in np.unique(seen.person_id[seen.person_id >= 0]).tolist():
        frame, slot = np.nonzero(seen.person_id == person)
        time, own, score = seen.time[frame], xy[frame, slot], confidence[frame, slot]
        kernel = np.exp(-0.5 * ((time[:, None] - time) / reach_s) ** 2) * (np.abs(time[:, None] - time) <= 2 * reach_s)
        np.fill_diagonal(kernel, 0.0)
        good = np.where(score >= _SURE, score, 0.0)
        weight = np.maximum(kernel @ (good > 0), 1e-9)
        around = (kernel @ good) / weight
        later = time[:, None] < time
        both = (((kernel * later) @ good) > 0) & (((kernel * ~later) @ good) > 0)
        again = both & (score < _DROP * around)
        if again.any():
            told = steadied(time, time, np.where(good[..., None] > 0, own, np.nan), reach_s, _TREMBLE * person_size(own), good**2)
            again &= np.isfinite(told[..., 0])
            xy[frame, slot] = np.where(again[..., None], told, own)
            confidence[frame, slot] = np.where(again, _SECOND_HAND * around, score)
    return replace(
        seen,
        xy=xy.astype(np.float32),
        confidence=confidence.astype(np.float32),
        sigma_px=np.where(confidence == seen.confidence, seen.sigma_px, sigma_px(xy, confidence)),
    )
