"""What a mesh covers of a picture: its silhouette, and the face that is in front at every pixel. Pixel centres are at integers."""

import numpy as np
from jaxtyping import Bool, Float, Int


def silhouette(
    corners: Float[np.ndarray, "vertices 2"], faces: Int[np.ndarray, "faces 3"], size: tuple[int, int]
) -> Bool[np.ndarray, "height width"]:
    """Pixels whose centre some triangle covers.

    Args:
        corners: vertices in the picture, px; NaN for those that are behind the camera.
        faces: triangles; those with such a vertex are left out.
        size: width and height of the picture, px.
    """
    width, height = size
    _, row, first, last = _spans(corners[faces], size)
    # Covered are pixels behind more beginnings than ends of spans of their row.
    stride = width + 1
    count = np.bincount(row * stride + first, minlength=height * stride) - np.bincount(row * stride + last + 1, minlength=height * stride)
    return np.cumsum(count.reshape(height, stride), 1)[:, :width] > 0


def front_faces(
    corners: Float[np.ndarray, "vertices 2"],
    depth: Float[np.ndarray, "vertices"],
    faces: Int[np.ndarray, "faces 3"],
    size: tuple[int, int],
) -> Int[np.ndarray, "height width"]:
    """The nearest face at every pixel, -1 where there is none.

    Args:
        corners: vertices in the picture, px; NaN for those that are behind the camera.
        depth: of each, along the camera's axis.
        faces: triangles; the depth of each is that of its middle: they are small.
        size: width and height of the picture, px.
    """
    width, height = size
    face, row, first, last = _spans(corners[faces], size)
    near = 1 / depth[faces].mean(1)
    many = last - first + 1
    total = int(many.sum())
    pixel: Int[np.ndarray, "pixels"] = np.repeat(row * width + first, many) + np.arange(total) - np.repeat(np.cumsum(many) - many, many)
    owner = np.repeat(face, many)
    order = np.argsort(near[owner], kind="stable")  # the nearest is written last
    out = np.full(height * width, -1, np.int64)
    out[pixel[order]] = owner[order]
    return out.reshape(height, width)


def _spans(
    triangle: Float[np.ndarray, "faces 3 2"], size: tuple[int, int]
) -> tuple[Int[np.ndarray, "spans"], Int[np.ndarray, "spans"], Int[np.ndarray, "spans"], Int[np.ndarray, "spans"]]:
    """Face, row, first and last column of every run of pixel centres in a triangle's row, inside the picture."""
    width, height = size
    sound = np.flatnonzero(np.logical_and.reduce(np.isfinite(triangle), axis=(1, 2)) & (np.abs(triangle).max((1, 2)) < 1e6))
    t = triangle[sound]
    low = np.clip(np.ceil(t[..., 1].min(1)), 0, height).astype(np.int64)
    high = np.clip(np.floor(t[..., 1].max(1)), -1, height - 1).astype(np.int64)
    many = np.maximum(high - low + 1, 0)
    own, total = np.repeat(np.arange(len(t)), many), int(many.sum())
    row: Int[np.ndarray, "spans"] = low[own] + np.arange(total) - np.repeat(np.cumsum(many) - many, many)
    left, right = np.full(len(row), np.inf), np.full(len(row), -np.inf)
    y = row.astype(float)
    for a, b in ((0, 1), (1, 2), (2, 0)):
        x0, y0, x1, y1 = t[own, a, 0], t[own, a, 1], t[own, b, 0], t[own, b, 1]
        crosses = (np.minimum(y0, y1) <= y) & (y <= np.maximum(y0, y1))
        flat = y0 == y1
        share = np.where(flat, 0.0, (y - y0) / np.where(flat, 1.0, y1 - y0))
        x = x0 + share * (x1 - x0)
        left = np.where(crosses, np.minimum(left, np.where(flat, np.minimum(x0, x1), x)), left)
        right = np.where(crosses, np.maximum(right, np.where(flat, np.maximum(x0, x1), x)), right)
    there = np.isfinite(left) & np.isfinite(right)
    first = np.clip(np.ceil(np.where(there, left, 1.0)), 0, width).astype(np.int64)
    last = np.clip(np.floor(np.where(there, right, 0.0)), -1, width - 1).astype(np.int64)
    kept = there & (first <= last)
    return sound[own[kept]], row[kept], first[kept], last[kept]
