"""The person that rtmlib gives where it found nobody: it then takes the whole image for a person's box.

RTMPose places a point in one of twice as many bins as its input has pixels, on each axis. So all points of a box lie on a
grid, whose origin and spacing follow from the box. The whole image's is known from its size; a coordinate of another box
falls on it in one of a hundred cases or so, all of a person's never. Only a box exactly as wide or as high as the image
shares the spacing, and then its middle must lie on the grid as well: a few of a hundred such boxes are taken for it.
"""

import numpy as np
from jaxtyping import Float

_INPUTS = ((192, 256), (288, 384), (256, 256))
"""Width and height of what rtmlib's networks take, px: people and animals, larger ones, hands."""
_PADDING = 1.25  # of a box, before it is widened to the input's shape
_BINS = 2.0  # a pixel of the input
_OFF = 0.01  # px; files may hold two decimals
_FEWEST = 10  # points; of fewer, chance is no longer out of the question even where coordinates are whole numbers
_BETWEEN = 1  # points that may lie off the grid: OpenPose's neck is the middle of the shoulders


def is_of_whole_image(points: Float[np.ndarray, "joints 3"], size: tuple[int, int]) -> bool:
    """Whether a person's points were found in the whole image, not in a box.

    Args:
        points: x, y, px, and score; 0 where a point is absent.
        size: of the image, px.
    """
    with np.errstate(invalid="ignore"):
        known = np.isfinite(points).all(-1) & (points[:, 2] > 0) & (np.abs(points[:, :2]) < 1e6).all(-1)
    xy = points[known, :2]
    if len(xy) < _FEWEST:
        return False
    for width, height in _INPUTS:
        wide = _PADDING * max(size[0], size[1] * width / height)
        box = np.array([wide, wide * height / width])
        spacing = box / (_BINS * np.array([width, height]))
        place = xy - (np.array(size) - box) / 2
        on_grid = (np.abs(place - np.round(place / spacing) * spacing) < _OFF).all(-1)
        if (~on_grid).sum() <= _BETWEEN:
            return True
    return False
