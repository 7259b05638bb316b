"""From an image to what a network looks at, and back: 2 x 3 matrices on pixel centres."""

import numpy as np
from jaxtyping import Float, UInt8

from recon3d.opencv import import_cv2

Affine = Float[np.ndarray, "2 3"]
"""``input_from_image``: the pixel of the network's input that shows a pixel of the image."""


def box_crop(centre: Float[np.ndarray, "2"], extent: Float[np.ndarray, "2"], size: tuple[int, int]) -> Affine:
    """An upright crop of the input's shape that holds a box.

    Args:
        centre: of the box, px of the image.
        extent: width and height of the box, px of the image.
        size: width and height of the input, px.
    """
    scale = float(min(size[0] / extent[0], size[1] / extent[1]))
    # Pixel centres at integers: the crop's middle lies between its two middle pixels.
    middle = 0.5 * (np.array(size, float) - 1)
    return np.column_stack([np.eye(2) * scale, middle - scale * centre])


def turned_crop(centre: Float[np.ndarray, "2"], up: Float[np.ndarray, "2"], side: float, size: tuple[int, int]) -> Affine:
    """A square crop in which a direction of the image points up.

    Args:
        centre: px of the image.
        up: direction in the image; of length 0 it is the image's own.
        side: of the square, px of the image.
        size: width and height of the input, px.
    """
    angle = float(np.arctan2(up[0], -up[1])) if np.any(up) else 0.0
    c, s = np.cos(angle), np.sin(angle)
    turn = np.array([[c, s], [-s, c]]) * (size[0] / side)
    return np.column_stack([turn, 0.5 * (np.array(size, float) - 1) - turn @ centre])


def turned(to_input: Affine, angle: float, size: tuple[int, int]) -> Affine:
    """What a crop shows turned round its middle, by radians clockwise as seen.

    Args:
        to_input: of the crop.
        angle: rad.
        size: width and height of the input, px.
    """
    c, s = np.cos(angle), np.sin(angle)
    turn, middle = np.array([[c, -s], [s, c]]), 0.5 * (np.array(size, float) - 1)
    return np.column_stack([turn @ to_input[:, :2], turn @ (to_input[:, 2] - middle) + middle])


def letterboxed(
    image: UInt8[np.ndarray, "height width 3"], size: tuple[int, int], multiple: int | None = None
) -> tuple[UInt8[np.ndarray, "rows columns 3"], Affine]:
    """The whole image as large as it fits, black beyond its right and lower edge, and how it got there.

    Args:
        image: RGB.
        size: width and height of the input, px.
        multiple: where given, the input is only as large as the image needs, rounded up to multiples of this.
    """
    cv2 = import_cv2()
    whole = np.array([image.shape[1], image.shape[0]])
    small = np.maximum(np.rint(whole * (np.array(size) / whole).min()).astype(int), 1)
    canvas = np.array(size) if multiple is None else -(-small // multiple) * multiple
    out = np.zeros((canvas[1], canvas[0], 3), np.uint8)
    shrink = (small < whole).any()
    source, order = _in_memory(image)
    resized = cv2.resize(source, small.tolist(), interpolation=cv2.INTER_AREA if shrink else cv2.INTER_LINEAR)
    out[: small[1], : small[0]] = resized[..., order]
    scale = small / whole
    return out, np.column_stack([np.diag(scale), 0.5 * scale - 0.5])


def warped(image: UInt8[np.ndarray, "height width 3"], to_input: Affine, size: tuple[int, int]) -> UInt8[np.ndarray, "rows columns 3"]:
    """What the network looks at; black outside the image."""
    source, order = _in_memory(image)
    out = import_cv2().warpAffine(source, to_input, size, flags=import_cv2().INTER_LINEAR)
    return np.ascontiguousarray(out[..., order])


def _in_memory(image: UInt8[np.ndarray, "height width 3"]) -> tuple[UInt8[np.ndarray, "height width 3"], slice]:
    """The image with its colours in the order in which they lie in memory, which OpenCV reads without a copy, and how to put them right."""
    return (image[..., ::-1], slice(None, None, -1)) if image.strides[-1] < 0 else (image, slice(None))


def back(to_input: Affine, xy: Float[np.ndarray, "*batch 2"]) -> Float[np.ndarray, "*batch 2"]:
    """Pixels of the input as pixels of the image."""
    return (xy - to_input[:, 2]) @ np.linalg.inv(to_input[:, :2]).T
