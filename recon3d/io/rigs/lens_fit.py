"""A lens of another model as OpenCV's: fitted over the whole image, its error told, refused where it shows."""

import logging
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from recon3d.errors import CameraError
from recon3d.geometry import Intrinsics, lens
from recon3d.geometry.camera import MAX_OFF_AXIS

MAX_ERROR_PX = 0.1
"""The largest error that a detector of keypoints, good to a pixel or so, cannot notice."""
_GOOD_ENOUGH_PX = 0.01  # a longer model would not be seen to be better
_MODELS = (("pinhole", 5), ("pinhole", 8), ("fisheye", 4), ("pinhole", 12))
_LAST_RESORT = ("pinhole", 12)  # many coefficients that others need not take
_COLUMNS = 41


class LensFit(NamedTuple):
    """A fitted lens and its largest error over the image, px."""

    intrinsics: Intrinsics
    error_px: float


def pixel_grid(size: tuple[int, int]) -> Float[np.ndarray, "points 2"]:
    """Pixels all over an image, its corners among them."""
    x, y = np.linspace(0, size[0] - 1, _COLUMNS), np.linspace(0, size[1] - 1, _COLUMNS)
    return np.stack(np.meshgrid(x, y), -1).reshape(-1, 2)


def fit_lens(
    size: tuple[int, int], rays_of: Callable[[Float[np.ndarray, "points 2"]], Float[np.ndarray, "points 3"]], label: str
) -> LensFit:
    """OpenCV's pinhole (5, 8 or 12 coefficients) or fisheye lens that sees what another model sees.

    Args:
        size: of the image, px.
        rays_of: pixels to rays in OpenCV's camera axes, of any length; NaN for a pixel without one.
        label: the model's name, for messages.

    Returns:
        The first model good to 0.01 px, or else the best; 12 coefficients are tried where the others miss 0.1 px.
        Pixels whose rays lie more than 80 degrees off the axis are left out: recon3d has no rays there.

    Raises:
        CameraError: none is good to 0.1 px everywhere in the image; the message names the error.
    """
    px = pixel_grid(size)
    rays = rays_of(px)
    with np.errstate(invalid="ignore"):
        seen = np.isfinite(rays).all(1) & (rays[:, 2] > np.cos(MAX_OFF_AXIS) * np.linalg.norm(rays, axis=1))
    if seen.sum() < 100:
        raise CameraError(f"the {label} lens has rays within 80 degrees of its axis at {seen.mean():.0%} of the image only")
    px, xy = px[seen], rays[seen, :2] / rays[seen, 2:]
    best: LensFit | None = None
    for model, count in _MODELS:
        if (model, count) == _LAST_RESORT and best is not None and best.error_px <= MAX_ERROR_PX:
            break
        fit = _fit(model, count, size, px, xy)
        if fit is not None and (best is None or fit.error_px < best.error_px):
            best = fit
        if best is not None and best.error_px <= _GOOD_ENOUGH_PX:
            break
    if best is None or best.error_px > MAX_ERROR_PX:
        error = f"{best.error_px:.3g} px" if best else "more than can be told"
        raise CameraError(
            f"the {label} lens is not one of OpenCV's: the nearest differs by {error} in this image, allowed are {MAX_ERROR_PX} px. "
            "Undistort the videos with the program that made the calibration, or calibrate the lens anew"
        )
    logging.getLogger(__name__).info("the %s lens was fitted by OpenCV's %s, good to %.2g px", label, best.intrinsics.model, best.error_px)
    return best


def _fit(
    model: str, count: int, size: tuple[int, int], px: Float[np.ndarray, "points 2"], xy: Float[np.ndarray, "points 2"]
) -> LensFit | None:
    """One model by least squares; None where it folds over, so that a pixel has no ray or a wrong one."""
    from scipy.optimize import least_squares  # slow to load, and few rigs need it

    build = lens.pinhole if model == "pinhole" else lens.fisheye

    def residuals(p: Float[np.ndarray, "parameters"]) -> Float[np.ndarray, "residuals"]:
        with np.errstate(all="ignore"):
            xd, yd, _ = build(p[4:])(xy[:, 0], xy[:, 1])
        off = np.concatenate([p[0] * xd + p[2] - px[:, 0], p[1] * yd + p[3] - px[:, 1]])
        return np.nan_to_num(off, nan=1e6, posinf=1e6, neginf=-1e6)

    xd, yd, _ = build(np.zeros(count))(xy[:, 0], xy[:, 1])
    (fx, cx), (fy, cy) = np.polyfit(xd, px[:, 0], 1), np.polyfit(yd, px[:, 1], 1)
    start = np.concatenate([[fx, fy, cx, cy], np.zeros(count)])
    # Differences from both sides: those from one leave the rational model stuck for hundreds of steps.
    found = least_squares(residuals, start, jac="3-point", x_scale="jac", xtol=1e-10, ftol=1e-4, gtol=1e-12, max_nfev=40).x
    if found[0] <= 0 or found[1] <= 0:
        return None
    k = np.array([[found[0], 0, found[2]], [0, found[1], found[3]], [0, 0, 1]])
    intrinsics = Intrinsics(size, k, model, found[4:].copy())
    back, _ = intrinsics.undistort(px)
    if not np.abs(back - xy).max() < 0.1:  # NaN counts as folded over
        return None
    error = np.linalg.norm(residuals(found).reshape(2, -1), axis=0).max()
    return LensFit(intrinsics, float(error))
