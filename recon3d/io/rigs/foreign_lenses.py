"""Lens models that OpenCV does not have, from a point of the image plane to a ray: what `fit_lens` fits.

A point is normalised, (u - u0) / f; a ray is in OpenCV's camera axes, of any length, NaN where the model has none.
"""

import numpy as np
from jaxtyping import Float

from recon3d.geometry import lens

Points = Float[np.ndarray, "points 2"]
Rays = Float[np.ndarray, "points 3"]


def fov_rays(xy: Points, omega: float) -> Rays:
    """The field-of-view model (Devernay and Faugeras 2001, eq. 14): r_d = atan(2 r tan(omega / 2)) / omega."""
    rd = np.linalg.norm(xy, axis=1)
    if abs(omega) < 1e-9:
        return _plane(xy)
    angle = rd * omega
    with np.errstate(divide="ignore", invalid="ignore"):
        grow = np.where(rd > 0, np.tan(angle) / (2 * rd * np.tan(omega / 2)), omega / (2 * np.tan(omega / 2)))
    return _plane(xy * np.where(np.abs(angle) < np.pi / 2, grow, np.nan)[:, None])


def omni_rays(xy: Points, xi: float) -> Rays:
    """The unified model (Mei and Rives 2007, eq. 4)."""
    r2 = (xy * xy).sum(1)
    with np.errstate(invalid="ignore"):
        grow = (xi + np.sqrt(1 + (1 - xi * xi) * r2)) / (r2 + 1)
    return np.concatenate([xy * grow[:, None], (grow - xi)[:, None]], 1)


def double_sphere_rays(xy: Points, xi: float, alpha: float) -> Rays:
    """The double sphere model (Usenko, Demmel, Cremers 2018, eq. 46 to 49)."""
    r2 = (xy * xy).sum(1)
    with np.errstate(invalid="ignore"):
        z = (1 - alpha * alpha * r2) / (alpha * np.sqrt(1 - (2 * alpha - 1) * r2) + 1 - alpha)
        grow = (z * xi + np.sqrt(z * z + (1 - xi * xi) * r2)) / (z * z + r2)
    return np.concatenate([xy * grow[:, None], (grow * z - xi)[:, None]], 1)


def extended_unified_rays(xy: Points, alpha: float, beta: float) -> Rays:
    """The extended unified model (Khomutenko, Garcia, Martinet 2016; Usenko 2018, eq. 34)."""
    r2 = (xy * xy).sum(1)
    with np.errstate(invalid="ignore"):
        z = (1 - beta * alpha * alpha * r2) / (alpha * np.sqrt(1 - (2 * alpha - 1) * beta * r2) + 1 - alpha)
    return np.concatenate([xy, z[:, None]], 1)


def thin_prism_fisheye_rays(xy: Points, p: dict[str, float]) -> Rays:
    """COLMAP's THIN_PRISM_FISHEYE: the equidistant image of the ray, bent radially, tangentially and by a thin prism."""

    def bend(x: lens.Plane, y: lens.Plane) -> tuple[lens.Plane, lens.Plane, lens.Jacobian]:
        r2 = x * x + y * y
        radial = r2 * (p["k1"] + r2 * (p["k2"] + r2 * (p["k3"] + r2 * p["k4"])))
        slope = 2 * (p["k1"] + r2 * (2 * p["k2"] + r2 * (3 * p["k3"] + r2 * 4 * p["k4"])))  # of radial, by x: slope x
        p1, p2 = p["p1"], p["p2"]
        xd = x + x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x) + p["sx1"] * r2
        yd = y + y * radial + 2 * p2 * x * y + p1 * (r2 + 2 * y * y) + p["sy1"] * r2
        a = 1 + radial + slope * x * x + 2 * p1 * y + 6 * p2 * x + 2 * p["sx1"] * x
        b = slope * x * y + 2 * p1 * x + 2 * p2 * y + 2 * p["sx1"] * y
        c = slope * x * y + 2 * p2 * y + 2 * p1 * x + 2 * p["sy1"] * x
        d = 1 + radial + slope * y * y + 2 * p2 * x + 6 * p1 * y + 2 * p["sy1"] * y
        return xd, yd, (a, b, c, d)

    x, y, _ = lens.undistort(bend, xy[:, 0].copy(), xy[:, 1].copy())
    angle = np.hypot(x, y)
    with np.errstate(divide="ignore", invalid="ignore"):
        across = np.where(angle > 0, np.sin(angle) / angle, 1.0)
    return np.stack([x * across, y * across, np.cos(angle)], -1)


def _plane(xy: Points) -> Rays:
    return np.concatenate([xy, np.ones((len(xy), 1))], 1)
