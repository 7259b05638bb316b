"""Named points of files that know nothing of cameras."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from recon3d.arrays import whole_rows
from recon3d.errors import InputError
from recon3d.records import Keypoints3D, State
from recon3d.skeleton import Layout


def markers(
    names: Sequence[str],
    frame: Int[np.ndarray, "frames"],
    time: Float[np.ndarray, "frames"],
    xyz: Float[np.ndarray, "frames points 3"],
) -> Keypoints3D:
    """One person's points, m; what is NaN is missing. How well they are known is not: their covariance is NaN.

    Raises:
        InputError: names that occur twice.
    """
    twice = sorted({name for name in names if list(names).count(name) > 1})
    if twice:
        raise InputError(f"points occur twice: {', '.join(twice)}")
    known = whole_rows(xyz)[:, None]
    layout = Layout("markers", "Points of a file", tuple(names), np.zeros((0, 2), np.int64), np.arange(len(names)))
    return Keypoints3D(
        layout=layout,
        frame=frame,
        time=time,
        people=np.array([0]),
        xyz=np.where(known[..., None], xyz[:, None], np.nan),
        confidence=known.astype(float),
        covariance=np.full((*known.shape, 3, 3), np.nan),
        views=np.zeros(known.shape, np.uint8),
        state=np.where(known, State.OBSERVED, State.MISSING).astype(np.uint8),
        residual_px=np.full(known.shape, np.nan),
    )
