"""How a distorted ray moves with each coefficient of its lens: what calibration solves for."""

import numpy as np
from jaxtyping import Float

from recon3d.geometry import lens


def coefficient_jacobian(
    model: str, dist: Float[np.ndarray, "coefficients"], x: Float[np.ndarray, "points"], y: Float[np.ndarray, "points"]
) -> Float[np.ndarray, "2 coefficients points"]:
    """d(xd, yd) / d(coefficient) at normalised points, in OpenCV's order of coefficients.

    The count of coefficients says which there are: a lens of none has none to solve for.
    """
    if not len(dist):
        return np.zeros((2, 0, len(x)))
    return _fisheye(x, y, len(dist)) if model == "fisheye" else _pinhole(dist, x, y)


def _pinhole(
    dist: Float[np.ndarray, "coefficients"], x: Float[np.ndarray, "points"], y: Float[np.ndarray, "points"]
) -> Float[np.ndarray, "2 coefficients points"]:
    c = np.zeros(14)
    c[: len(dist)] = dist
    r2 = x * x + y * y
    r4 = r2 * r2
    r6 = r4 * r2
    below = 1 + c[5] * r2 + c[6] * r4 + c[7] * r6
    radial = (1 + c[0] * r2 + c[1] * r4 + c[4] * r6) / below
    zero = np.zeros_like(x)
    along_x = [r2 / below, r4 / below, r6 / below, -radial * r2 / below, -radial * r4 / below, -radial * r6 / below]
    k1, k2, k3, k4, k5, k6 = ((x * g, y * g) for g in along_x)
    p1, p2 = (2 * x * y, r2 + 2 * y * y), (r2 + 2 * x * x, 2 * x * y)
    prism = [(r2, zero), (r4, zero), (zero, r2), (zero, r4)]
    flat = np.array([k1, k2, p1, p2, k3, k4, k5, k6, *prism])[: min(len(dist), 12)]
    out = np.moveaxis(flat, 1, 0)
    if len(dist) < 14:
        return out
    untilted = lens.pinhole(c[:12])
    u, v, _ = untilted(x, y)
    tilt, d_tilt = lens.tilt_matrix(c[12], c[13]), lens.tilt_derivatives(c[12], c[13])
    homogeneous = np.stack([u, v, np.ones_like(u)])
    p = tilt @ homogeneous
    px, py = p[0] / p[2], p[1] / p[2]
    a, b = (tilt[0, :2, None] - px * tilt[2, :2, None]) / p[2], (tilt[1, :2, None] - py * tilt[2, :2, None]) / p[2]
    bent = np.stack([a[0] * out[0] + a[1] * out[1], b[0] * out[0] + b[1] * out[1]])
    turned: list[np.ndarray] = []
    for d in d_tilt:
        q = d @ homogeneous
        turned.append(np.stack([(q[0] - px * q[2]) / p[2], (q[1] - py * q[2]) / p[2]]))
    return np.concatenate([bent, np.stack(turned, 1)], 1)


def _fisheye(x: Float[np.ndarray, "points"], y: Float[np.ndarray, "points"], count: int) -> Float[np.ndarray, "2 coefficients points"]:
    r = np.hypot(x, y)
    t = np.arctan(r)
    safe = np.where(r < 1e-12, 1.0, r)
    powers = np.stack([t ** (2 * k + 3) for k in range(count)]) / safe
    return np.stack([powers * x, powers * y])
