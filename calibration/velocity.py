"""Velocities of points from noisy positions."""

import numpy as np
from jaxtyping import Float

_HALF = 3  # samples on each side


def slopes(points: Float[np.ndarray, "frames joints 3"], time: Float[np.ndarray, "frames"]) -> Float[np.ndarray, "frames joints 3"]:
    """Slope of the line through each point's neighbours in time (m/s); NaN where fewer than three are there.

    Only neighbours in the same run of frames count: a slope over a gap is none.
    """
    step = float(np.median(np.diff(time))) if len(time) > 1 else 1.0
    n = np.zeros(points.shape[:2])
    st, stt = np.zeros_like(n), np.zeros_like(n)
    sx, stx = np.zeros_like(points), np.zeros_like(points)
    for shift in range(-_HALF, _HALF + 1):
        rows = np.arange(len(time)) + shift
        inside = (rows >= 0) & (rows < len(time))
        rows = np.clip(rows, 0, len(time) - 1)
        dt = time[rows] - time
        inside &= np.abs(dt - shift * step) < 0.5 * step
        x = points[rows]
        known = inside[:, None] & np.isfinite(x).all(-1)
        x, w = np.where(known[..., None], x, 0.0), known.astype(float)
        n += w
        st += w * dt[:, None]
        stt += w * (dt**2)[:, None]
        sx += x
        stx += x * dt[:, None, None]
    spread = n * stt - st**2
    good = (n >= 3) & (spread > 1e-12)
    slope = (n[..., None] * stx - st[..., None] * sx) / np.where(good, spread, 1.0)[..., None]
    return np.where(good[..., None], slope, np.nan)
