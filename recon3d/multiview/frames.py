"""Keypoints whose image is not the calibrated one: scaled, or letterboxed, back into the rig's pixels."""

from dataclasses import replace
from typing import Literal

import numpy as np
from jaxtyping import UInt8

from recon3d.errors import CameraError
from recon3d.geometry import Camera
from recon3d.opencv import import_cv2
from recon3d.records import Keypoints2D

ImageFit = Literal["refuse", "scale", "letterbox", "crop"]
_SAME_ASPECT = 0.002


def to_rig_pixels(seen: Keypoints2D, camera: Camera, fit: ImageFit = "refuse") -> Keypoints2D:
    """Keypoints in the pixels that the camera was calibrated in.

    An image of the same shape is scaled. One of another shape is refused, unless it is said how it came
    about: "scale" (stretched in each direction), "letterbox" (the calibrated image scaled to fit, with
    bars), or "crop" (its middle cut out at full size).
    """
    if seen.size == camera.intrinsics.size:
        return seen
    scale, bar = _fitted(seen.size, camera, fit, seen.camera)
    xy = ((seen.xy.astype(float) + 0.5 - bar) / scale - 0.5).astype(np.float32)
    box = ((seen.box.astype(float) + 0.5 - np.tile(bar, 2)) / np.tile(scale, 2) - 0.5).astype(np.float32)
    sigma = (seen.sigma_px / np.float32(np.sqrt(scale.prod()))).astype(np.float32)
    return replace(seen, xy=xy, box=box, sigma_px=sigma, size=camera.intrinsics.size)


def check_fit(size: tuple[int, int], camera: Camera, fit: ImageFit = "refuse") -> None:
    """Refuse images of another shape than the calibrated one, unless it is said how they came about.

    Raises:
        CameraError: as `to_rig_pixels`.
    """
    if size != camera.intrinsics.size:
        _fitted(size, camera, fit, camera.name)


def to_rig_image(
    image: UInt8[np.ndarray, "height width 3"], camera: Camera, fit: ImageFit = "refuse"
) -> UInt8[np.ndarray, "rows columns 3"]:
    """An image in the pixels that the camera was calibrated in; ``fit`` as of `to_rig_pixels`."""
    have, want = (image.shape[1], image.shape[0]), camera.intrinsics.size
    if have == want:
        return image
    scale, bar = _fitted(have, camera, fit, camera.name)
    matrix = np.column_stack([np.diag(scale), (0.5 * scale + bar - 0.5)])
    cv2 = import_cv2()
    return cv2.warpAffine(image, matrix, want, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)


def _fitted(size: tuple[int, int], camera: Camera, fit: ImageFit, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Pixels of an image per pixel of the rig in both directions, and the bars before its first."""
    want, have = np.array(camera.intrinsics.size, float), np.array(size, float)
    same = abs(np.log((want[0] / want[1]) / (have[0] / have[1]))) < _SAME_ASPECT
    if fit == "refuse" and not same:
        raise CameraError(
            f"camera {name}: the rig is for images of {want[0]:.0f} x {want[1]:.0f} px, the input has "
            f"{have[0]:.0f} x {have[1]:.0f} px, which is another shape. Say how it came about with "
            "--image-fit scale, letterbox or crop"
        )
    if same or fit == "scale":
        return have / want, np.zeros(2)
    if fit == "letterbox":
        scale = np.full(2, (have / want).min())
        return scale, 0.5 * (have - scale * want)
    return np.ones(2), 0.5 * (have - want)
