"""Best rotations between sets of points (Kabsch 1976)."""

import numpy as np
from jaxtyping import Float

from recon3d.arrays import whole_rows
from recon3d.geometry.lie import SO3


def align_directions(
    source: Float[np.ndarray, "*batch points 3"],
    target: Float[np.ndarray, "*batch points 3"],
    weight: Float[np.ndarray, "*batch points"],
) -> SO3:
    """The rotation with ``target ~ R source`` of least weighted squares; never a reflection.

    Directions that the points do not fix (a single vector, say) are turned as little as possible, since
    a small part of the identity is added to the correlation.
    """
    known = whole_rows(source) & whole_rows(target)
    w = np.where(known, weight, 0.0)[..., None]
    a, b = np.where(known[..., None], source, 0.0), np.where(known[..., None], target, 0.0)
    correlation = np.swapaxes(b * w, -1, -2) @ a
    size = np.linalg.norm(correlation, axis=(-2, -1), keepdims=True)
    return SO3.nearest(correlation + 1e-6 * np.where(size > 0, size, 1.0) * np.eye(3))
