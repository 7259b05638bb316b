"""Where points of a surface lie in an image whose pixels tell what they show: a part, and coordinates u, v on its chart (Guler 2018)."""

import numpy as np
from jaxtyping import Bool, Float, Int

_REACH = 2  # pixels to each side, that the chart is taken as flat over
_LEAST = 6  # pixels of the part among these
_ROUNDS = 4  # of stepping to where the flat chart has the point
_FLAT = 1e-3  # of the slope's square: a chart whose slopes are more alike tells a line, not a place


def locate(
    part: Int[np.ndarray, "height width"],
    uv: Float[np.ndarray, "height width 2"],
    wanted_part: Int[np.ndarray, "points"],
    wanted_uv: Float[np.ndarray, "points 2"],
) -> tuple[Float[np.ndarray, "points 2"], Float[np.ndarray, "points"]]:
    """For each point of the surface its place (x, y) in the image, and how far off it is from what can be seen.

    The pixel nearest on the chart, and from there to where a plane through its neighbours has the point.

    Args:
        part: that each pixel shows; 0 for none.
        uv: of each pixel on its part; not read where there is none.
        wanted_part: of the points.
        wanted_uv: of the points.

    Returns:
        Places in pixels, NaN where nothing of the part is seen well enough; and distances in pixels from the pixel that shows
        the point (up to 0.7 in the middle of a part, more for a point beyond what is seen; infinite where there is no place).
    """
    xy, there = _nearest(part, uv, wanted_part, wanted_uv)
    at = np.flatnonzero(there)
    places, off = np.full((len(wanted_part), 2), np.nan), np.full(len(wanted_part), np.inf)
    if not len(at):
        return places, off
    pixel, wanted, goal = xy[at], wanted_part[at], wanted_uv[at]
    for _ in range(_ROUNDS):
        step, fits = _step(part, uv, pixel, wanted, goal)
        moved = pixel + np.rint(step.clip(-_REACH, _REACH)).astype(np.int64)
        moved = moved.clip(0, [part.shape[1] - 1, part.shape[0] - 1])
        pixel = np.where((part[moved[:, 1], moved[:, 0]] == wanted)[:, None], moved, pixel)
    step, fits = _step(part, uv, pixel, wanted, goal)
    at, pixel, step = at[fits], pixel[fits], step[fits]
    places[at], off[at] = pixel + step.clip(-1, 1), np.linalg.norm(step, axis=-1)
    return places, off


def _nearest(
    part: Int[np.ndarray, "height width"],
    uv: Float[np.ndarray, "height width 2"],
    wanted_part: Int[np.ndarray, "points"],
    wanted_uv: Float[np.ndarray, "points 2"],
) -> tuple[Int[np.ndarray, "points 2"], Bool[np.ndarray, "points"]]:
    """The pixel (x, y) of a point's part that is nearest to it on the chart, and whether there is one."""
    found, there = np.zeros((len(wanted_part), 2), dtype=np.int64), np.zeros(len(wanted_part), dtype=np.bool_)
    for each in np.unique(wanted_part[wanted_part > 0]).tolist():
        y, x = np.nonzero(part == each)
        points = np.flatnonzero(wanted_part == each)
        if not len(x):
            continue
        seen, goal = uv[y, x], wanted_uv[points]
        # The squared distance without the point's own square, as one product of matrices.
        best = ((seen**2).sum(1) - 2 * goal @ seen.T).argmin(1)
        found[points], there[points] = np.stack([x, y], -1)[best], True
    return found, there


def _step(
    part: Int[np.ndarray, "height width"],
    uv: Float[np.ndarray, "height width 2"],
    pixel: Int[np.ndarray, "points 2"],
    wanted_part: Int[np.ndarray, "points"],
    wanted_uv: Float[np.ndarray, "points 2"],
) -> tuple[Float[np.ndarray, "points 2"], Bool[np.ndarray, "points"]]:
    """How far from a pixel the plane through its part's pixels round it has the point, px, and whether there is such a plane."""
    height, width = part.shape
    side = np.arange(-_REACH, _REACH + 1)
    dx, dy = (grid.ravel() for grid in np.meshgrid(side, side))
    x, y = pixel[:, :1] + dx, pixel[:, 1:] + dy
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    x, y = x.clip(0, width - 1), y.clip(0, height - 1)
    same = inside & (part[y, x] == wanted_part[:, None])
    off = np.where(same[..., None], uv[y, x] - wanted_uv[:, None], 0.0)
    base = np.where(same[..., None], np.stack([np.ones(len(dx)), dx, dy], -1), 0.0)
    normal = np.swapaxes(base, 1, 2) @ base
    fits = (same.sum(1) >= _LEAST) & (np.linalg.det(normal) > 0.5)  # whole numbers: 0 for pixels in a line
    plane = np.linalg.solve(np.where(fits[:, None, None], normal, np.eye(3)), np.swapaxes(base, 1, 2) @ off)
    slope = np.swapaxes(plane[:, 1:], 1, 2)  # of u and v (rows) along x and y
    det = np.linalg.det(slope)
    fits = fits & (np.abs(det) > _FLAT * (slope**2).sum((1, 2)))
    safe = np.where(fits[:, None, None], slope, np.eye(2))
    step = -np.linalg.solve(safe, plane[:, 0, :, None])[..., 0]
    return np.where(fits[:, None], step, 0.0), fits
