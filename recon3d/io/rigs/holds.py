"""What a format of others can hold: a writer refuses the rest, it never drops it."""

import logging

import numpy as np
from jaxtyping import Float

from recon3d.errors import CameraError, all_faults
from recon3d.geometry import Camera, CameraRig, Clock


def check_holds(
    rig: CameraRig,
    what: str,
    *,
    coefficients: int = 5,
    fisheye: bool = False,
    skew: bool = True,
    moving: bool = False,
    needs: frozenset[str] = frozenset({"scale"}),
) -> None:
    """Refuse a rig that a format cannot say, with every camera and reason at once.

    Clocks and covariances are in no format but recon3d's own; a clock that is not zero is warned of.

    Args:
        rig: to be written.
        what: the format's name, for the message.
        coefficients: how many of the pinhole model's it has, in OpenCV's order.
        fisheye: whether it has OpenCV's fisheye model.
        skew: whether it has a skew.
        moving: whether a camera may have many poses.
        needs: of "scale", "up" and "floor", what its numbers state.

    Raises:
        CameraError: naming each camera and reason.
    """
    faults = [f"the rig's {u} is unknown, and the format states it" for u in sorted(needs & rig.unknown)]
    for camera in rig:
        i = camera.intrinsics
        if camera.moves and not moving:
            faults.append(f"{camera.name} moves, and the format has one pose a camera")
        if i.model == "fisheye" and not fisheye:
            faults.append(f"{camera.name} has a fisheye lens, and the format has none")
        if i.model == "pinhole" and np.any(i.dist[coefficients:]):
            faults.append(
                f"{camera.name} has the distortion coefficients {_names(i.dist, coefficients)}, and the format has "
                f"{coefficients or 'none'} in OpenCV's order"
            )
        if i.K[0, 1] and not skew:
            faults.append(f"{camera.name} has a skew of {i.K[0, 1]:.4g} px, and the format has none")
        if camera.clock != Clock():
            logging.getLogger(__name__).warning("%s: the clock of camera %s is not written, the format has none", what, camera.name)
    if faults:
        raise CameraError(all_faults(faults, f"the rig cannot be written as {what}:"))


def first_coefficients(camera: Camera, count: int) -> Float[np.ndarray, "count"]:
    """The first coefficients of a lens, zeros after those it has; `check_holds` has seen to the rest."""
    out = np.zeros(count)
    given = camera.intrinsics.dist[:count]
    out[: len(given)] = given
    return out


def row(values: Float[np.ndarray, "..."] | list[float], between: str = ", ") -> str:
    """Numbers in one line, to the last digit of a float64; never like 1e-05, which YAML takes for text."""
    texts = [repr(float(v)) for v in np.ravel(values)]
    return between.join(t if "." in t else t.replace("e", ".0e") for t in texts)


def _names(dist: Float[np.ndarray, "coefficients"], held: int) -> str:
    names = ["k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6", "s1", "s2", "s3", "s4", "tilt_x", "tilt_y"]
    return ", ".join(f"{names[k]} = {dist[k]:.4g}" for k in range(held, len(dist)) if dist[k])
