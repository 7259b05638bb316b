"""A camera of which little is known: what its lens is taken to be, and where up and the floor are."""

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from recon3d.errors import CameraError
from recon3d.geometry import SE3, SO3, Camera, Intrinsics
from recon3d.motion.ground import Ground, axes_for
from recon3d.records import Motion

USUAL_FOV_DEG = 60.0
"""Along the longer side of the picture: phones have 63 to 70 (less where they steady the picture), webcams 55 to 70."""
ASSUMED_SHARE, TOLD_SHARE = 0.15, 0.03
"""Standard deviation of focal lengths, as a share: of one that is assumed, of one that a file tells."""
FOV_RANGE_DEG = (5.0, 150.0)
_LEVEL = SO3(np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]]))  # cam_from_world of one that looks along +y
_EYE_M = 1.5


def pinhole(size: tuple[int, int], fov_deg: float) -> Intrinsics:
    """A lens without distortion.

    Args:
        size: width and height, px.
        fov_deg: angle of view along the longer side.

    Raises:
        CameraError: an angle that no such lens has.
    """
    if not FOV_RANGE_DEG[0] <= fov_deg <= FOV_RANGE_DEG[1]:
        raise CameraError(f"the field of view is {FOV_RANGE_DEG[0]:.0f} to {FOV_RANGE_DEG[1]:.0f} degrees, not {fov_deg}")
    focal = 0.5 * max(size) / np.tan(np.deg2rad(fov_deg) / 2)
    k = np.array([[focal, 0.0, (size[0] - 1) / 2], [0.0, focal, (size[1] - 1) / 2], [0.0, 0.0, 1.0]])
    return Intrinsics(size, k)


def level(name: str, intrinsics: Intrinsics) -> Camera:
    """A camera that looks straight ahead from the height of eyes, before anything is known of it."""
    return Camera(name, intrinsics, SE3(_LEVEL, -(_LEVEL @ np.array([0.0, 0.0, _EYE_M]))))


def doubting_lens(found: Motion, camera: Camera, share: float) -> Motion:
    """The same, as uncertain as a focal length that is known to this share makes it: distances from the camera grow with it."""
    if not share:
        return found
    away = found.poses().translation - camera.centre
    return replace(found, covariance=found.covariance + share**2 * away[..., :, None] * away[..., None, :])


def stood(camera: Camera, ground: Ground, middle: Float[np.ndarray, "3"]) -> Camera:
    """The camera in axes whose z is up from the floor, with the origin under people and -y towards the camera.

    Args:
        camera: in any axes, metres.
        ground: in the same.
        middle: of the people.
    """
    new_from_old = axes_for(ground.up, ground.height, middle, camera.centre)
    return Camera(camera.name, camera.intrinsics, camera.cam_from_world @ new_from_old.inverse(), camera.clock)
