"""A mesh drawn over an image, shaded as if lit from the camera."""

import numpy as np
from jaxtyping import Float, Int, UInt8

from recon3d.geometry import Camera
from recon3d.geometry.raster import front_faces

_AMBIENT = 0.35
_OPACITY = 0.75
_NEAR_M = 0.05  # vertices nearer to the camera, or behind it, are left out
COLOURS = ((110, 170, 230), (240, 170, 100), (130, 205, 140), (225, 130, 170), (185, 160, 230), (225, 210, 110))
"""RGB, one a person."""


def draw_mesh(
    image: UInt8[np.ndarray, "height width 3"],
    vertices: Float[np.ndarray, "vertices 3"],
    faces: Int[np.ndarray, "faces 3"],
    camera: Camera,
    colour: tuple[int, int, int] = COLOURS[0],
    opacity: float = _OPACITY,
) -> UInt8[np.ndarray, "height width 3"]:
    """A copy of an image with a mesh over it.

    Args:
        image: RGB, of the camera's size.
        vertices: in the world, m.
        faces: counter-clockwise from outside.
        camera: that the image is of.
        colour: RGB.
        opacity: of the mesh.
    """
    own = camera.cam_from_world @ vertices
    corners = np.where(own[:, 2:] > _NEAR_M, camera.project(vertices), np.nan)
    size = (image.shape[1], image.shape[0])
    face = front_faces(corners, np.maximum(own[:, 2], _NEAR_M), faces, size)
    there = face >= 0
    if not there.any():
        return image.copy()
    a, b, c = np.moveaxis(own[faces], 1, 0)
    across = np.cross(b - a, c - a)
    across /= np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-12)
    towards = -(a + b + c)
    towards /= np.maximum(np.linalg.norm(towards, axis=1, keepdims=True), 1e-12)
    light = _AMBIENT + (1 - _AMBIENT) * np.abs(np.einsum("fi,fi->f", across, towards))
    out = image.copy()
    shade = light[face[there], None] * np.array(colour, float)
    out[there] = np.rint(opacity * shade + (1 - opacity) * image[there]).astype(np.uint8)
    return out
