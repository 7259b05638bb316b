"""Depth images as points of the world."""

import numpy as np
from jaxtyping import Float

from recon3d.errors import InputError
from recon3d.geometry.camera import Camera


def points_of_depth(camera: Camera, depth: Float[np.ndarray, "height width"]) -> Float[np.ndarray, "height width 3"]:
    """Where in the world (m) each pixel's ray ends.

    Args:
        camera: that took it; its lens is taken out.
        depth: along the camera's axis, m; NaN or 0 where there is none.

    Returns:
        Points; NaN where there is no depth, or no ray in front of the camera (corners of fisheyes).

    Raises:
        InputError: of another size than the camera's pictures.
    """
    width, height = camera.intrinsics.size
    if depth.shape != (height, width):
        raise InputError(f"a depth image of camera {camera.name} is of {depth.shape[::-1]} px, its pictures of {(width, height)}")
    y, x = np.indices(depth.shape)
    xy = np.stack([x, y], -1).reshape(-1, 2).astype(float)
    normalised, _ = camera.intrinsics.undistort(xy)
    z = np.where(depth > 0, depth, np.nan).reshape(-1, 1)
    there = camera.cam_from_world.inverse() @ np.concatenate([normalised * z, z], -1)
    return there.reshape(height, width, 3)
