"""What comes out of a network, in the shape that a decoder reads."""

import numpy as np
from jaxtyping import Float

from recon3d.errors import InputError


def squeezed(output: np.ndarray, dimensions: int) -> Float[np.ndarray, "..."]:
    """The output of one image without the axis of images.

    Raises:
        InputError: another number of axes, or several images.
    """
    if output.ndim == dimensions + 1 and output.shape[0] == 1:
        output = output[0]
    if output.ndim != dimensions:
        raise InputError(f"an output with {dimensions} axes for one image was expected, but the network's has shape {output.shape}")
    return np.asarray(output, dtype=np.float64 if output.dtype == np.float64 else np.float32)


def sigmoid(values: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x)), without overflow."""
    return 0.5 * (1 + np.tanh(0.5 * values))


def overlaps(box: Float[np.ndarray, "4"], boxes: Float[np.ndarray, "boxes 4"]) -> Float[np.ndarray, "boxes"]:
    """Intersection over union of a box (x0, y0, x1, y1) with others."""
    low, high = np.maximum(box[:2], boxes[:, :2]), np.minimum(box[2:], boxes[:, 2:])
    shared = np.maximum(high - low, 0).prod(1)
    area = np.maximum(box[2:] - box[:2], 0).prod() + np.maximum(boxes[:, 2:] - boxes[:, :2], 0).prod(1)
    return shared / np.maximum(area - shared, 1e-12)


def kept(boxes: Float[np.ndarray, "boxes 4"], score: Float[np.ndarray, "boxes"], overlap: float) -> list[int]:
    """Rows of the boxes (x0, y0, x1, y1) that no better one covers by more than this intersection over union, best first."""
    order = np.argsort(-score, kind="stable")
    out: list[int] = []
    while len(order):
        best, rest = int(order[0]), order[1:]
        out.append(best)
        order = rest[overlaps(boxes[best], boxes[rest]) <= overlap]
    return out
