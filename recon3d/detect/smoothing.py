"""Points through time, steadied as far as their motion allows."""

import numpy as np
from jaxtyping import Float

_REACH = 4.0  # widths of the kernel beyond which nothing counts
_LEAST_TOTAL = 1e-6
_RIDGE = 0.005


def steadied(
    at: Float[np.ndarray, "instants"],
    time: Float[np.ndarray, "frames"],
    xy: Float[np.ndarray, "frames points 2"],
    width_s: float,
    noise: Float[np.ndarray, "instants"],
    weight: Float[np.ndarray, "frames points"] | None = None,
) -> Float[np.ndarray, "instants points 2"]:
    """Local polynomials in time (Fan 1996): straight ones where the points move evenly, parabolas where they do not.

    Straight lines steady more, but cut the corners of fast motion; the parabola has its share d2 / (d2 + noise2), d
    being how far the two are apart.

    Args:
        at: instants to tell the points at, s.
        time: of the frames, s.
        xy: px; NaN where absent.
        width_s: standard deviation of the kernel.
        noise: of a point, px, at each instant.
        weight: of each point; 1 where it is not given.

    Returns:
        The points, px; NaN farther than `_REACH` widths from all that is known of one.
    """
    u = (time[None] - at[:, None]) / width_s
    kernel = np.where(np.abs(u) <= _REACH, np.exp(-0.5 * u**2), 0.0)
    known = np.logical_and.reduce(np.isfinite(xy), -1)
    weighed = known.astype(float) if weight is None else known * weight
    values = np.where(known[..., None], xy, 0.0) * weighed[..., None]
    power = np.stack([kernel * u**k for k in range(5)])
    moment = power @ weighed
    right = np.einsum("kij,jpc->kipc", power[:3], values)
    line, bow = _fitted(moment, right, 2), _fitted(moment, right, 3)
    apart = ((bow - line) ** 2).sum(-1)
    share = apart / (apart + noise[:, None] ** 2 + _LEAST_TOTAL)
    told = ((kernel > 0) @ weighed) > 0
    return np.where(told[..., None], line + share[..., None] * (bow - line), np.nan)


def _fitted(
    moment: Float[np.ndarray, "five instants points"], right: Float[np.ndarray, "three instants points 2"], terms: int
) -> Float[np.ndarray, "instants points 2"]:
    """Value at the middle of the polynomial with so many terms; of fewer where there are too few frames."""
    order = np.arange(terms)
    normal = np.moveaxis(moment[order[:, None] + order], (0, 1), (-2, -1))
    # A touch of ridge on slope and bend: where few frames are near it falls back to the mean.
    normal = normal + moment[0][..., None, None] * np.diag([0.0, _RIDGE, _RIDGE][:terms]) + np.diag([1e-12, 1e-12, 1e-12][:terms])
    return np.linalg.solve(normal, np.moveaxis(right[:terms], 0, -2))[..., 0, :]
