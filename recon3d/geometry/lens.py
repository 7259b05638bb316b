"""Lens models of OpenCV: from a normalised ray to a distorted one, its derivative, and back.

Points are normalised: ``(x, y) = (X / Z, Y / Z)`` in the camera's axes. The pinhole model takes
OpenCV's 4, 5, 8, 12 or 14 coefficients ``k1 k2 p1 p2 [k3 [k4 k5 k6 [s1 s2 s3 s4 [tx ty]]]]``; the
fisheye model takes 4 (Kannala and Brandt 2006). Both are those of OpenCV's documentation of
`calib3d`. x and y are separate arrays: a hot path reads whole planes. Lenses of several cameras work
as one on planes with a row for each: a few points in many cameras cost little more than in one.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float

Plane: TypeAlias = Float[np.ndarray, "*batch"]
"""One coordinate of many points."""
Jacobian: TypeAlias = tuple[Plane, Plane, Plane, Plane]
"""d(xd, yd) / d(x, y), row by row."""
Lens: TypeAlias = Callable[[Plane, Plane], tuple[Plane, Plane, Jacobian]]

PINHOLE_COUNTS = (0, 4, 5, 8, 12, 14)
FISHEYE_COUNT = 4
_MORE_STEPS = 14
_LAST_STEP = 1e-6  # Newton's next step would be its square: 1e-12, or 1e-9 px at any real focal length
_NEAR_RADII, _NEAR_IMAGE = np.linspace(0, 1.6, 24), 1.2  # what lenses short of a fisheye need
_RADII = np.concatenate([np.linspace(0, 2, 257), np.geomspace(2.01, 60, 96)])


def pinhole(dist: Float[np.ndarray, "*lenses coefficients"]) -> Lens:
    """The rational, tangential, thin-prism and tilted-sensor model with these coefficients; of one lens, or a row a lens."""
    k1, k2, p1, p2, k3, k4, k5, k6, s1, s2, s3, s4, tilt_x, tilt_y = _each(dist, 14)
    rational, prism, tilted = (bool(np.any(dist[..., part])) for part in (slice(5, 8), slice(8, 12), slice(12, 14)))
    tilt = tilt_matrix(tilt_x, tilt_y)

    def distort(x: Plane, y: Plane) -> tuple[Plane, Plane, Jacobian]:
        xx, yy, xy = x * x, y * y, x * y
        r2 = xx + yy
        radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
        slope = k1 + r2 * (2 * k2 + 3 * k3 * r2)  # d radial / d r2
        if rational:
            below = 1 + r2 * (k4 + r2 * (k5 + r2 * k6))
            slope = (slope - radial / below * (k4 + r2 * (2 * k5 + 3 * k6 * r2))) / below
            radial = radial / below
        xd = x * radial + 2 * p1 * xy + p2 * (r2 + 2 * xx)
        yd = y * radial + p1 * (r2 + 2 * yy) + 2 * p2 * xy
        cross = 2 * xy * slope + 2 * (p1 * x + p2 * y)
        jxx = radial + 2 * xx * slope + 2 * p1 * y + 6 * p2 * x
        jyy = radial + 2 * yy * slope + 6 * p1 * y + 2 * p2 * x
        jxy, jyx = cross, cross
        if prism:
            xd, yd = xd + r2 * (s1 + s2 * r2), yd + r2 * (s3 + s4 * r2)
            tx, ty = 2 * (s1 + 2 * s2 * r2), 2 * (s3 + 2 * s4 * r2)
            jxx, jxy = jxx + tx * x, jxy + tx * y
            jyx, jyy = jyx + ty * x, jyy + ty * y
        if tilted:
            return _homography(tilt, xd, yd, (jxx, jxy, jyx, jyy))
        return xd, yd, (jxx, jxy, jyx, jyy)

    return distort


def fisheye(dist: Float[np.ndarray, "*lenses coefficients"]) -> Lens:
    """The equidistant model with a polynomial in the angle; of one lens, or a row a lens."""
    k1, k2, k3, k4 = _each(dist, FISHEYE_COUNT)

    def distort(x: Plane, y: Plane) -> tuple[Plane, Plane, Jacobian]:
        r2 = x * x + y * y
        r = np.sqrt(r2)
        near = r < 1e-7
        safe = np.where(near, 1.0, r)
        t = np.arctan(r)
        t2 = t * t
        bent = t * (1 + t2 * (k1 + t2 * (k2 + t2 * (k3 + t2 * k4))))
        speed = (1 + t2 * (3 * k1 + t2 * (5 * k2 + t2 * (7 * k3 + 9 * k4 * t2)))) / (1 + r2)  # d bent / d r
        scale = np.where(near, 1.0, bent / safe)
        growth = np.where(near, 0.0, (speed - scale) / (safe * safe))
        jxy = growth * x * y
        return x * scale, y * scale, (scale + growth * x * x, jxy, jxy, scale + growth * y * y)

    return distort


def _each(dist: Float[np.ndarray, "*lenses coefficients"], count: int) -> Sequence[Any]:
    """Every coefficient, those left out too: numbers of one lens, columns of several."""
    if dist.ndim == 1:
        return [*dist.tolist(), *[0.0] * (count - len(dist))]
    return [dist[:, k : k + 1] if k < dist.shape[1] else 0.0 for k in range(count)]


def undistort(lens: Lens, xd: Plane, yd: Plane) -> tuple[Plane, Plane, Jacobian]:
    """Inverse of a lens by Newton's method on all points at once; NaN where it does not converge.

    Returns the normalised point and the lens's Jacobian there, which is what a covariance in pixels
    is carried over with. A distorted point beyond the lens's turning point has no inverse: it comes
    back as NaN, not as the nearest value.
    """
    x, y = _start(lens, xd, yd)
    x, y, _, _ = _newton(lens, xd, yd, x, y)
    x, y, jacobian, step = _newton(lens, xd, yd, x, y)
    slow = np.logical_not(step < _LAST_STEP) & np.isfinite(xd + yd)
    if slow.any():  # a few points far out, or without an inverse: the rest need not wait for them
        flat = [np.atleast_1d(plane) for plane in (xd, yd, x, y, *jacobian)]
        stuck = np.flatnonzero(np.atleast_1d(slow).any(tuple(range(slow.ndim - 1))))
        tx, ty, px, py = (plane[..., stuck] for plane in flat[:4])
        px, py, inner, last = _newton(lens, tx, ty, px, py)
        for _ in range(_MORE_STEPS):
            if (last < _LAST_STEP).all():
                break
            px, py, inner, last = _newton(lens, tx, ty, px, py)
        fails = np.logical_not((last < _LAST_STEP) & (inner[0] * inner[3] - inner[1] * inner[2] > 0))
        px[fails], py[fails] = np.nan, np.nan
        shaped = [plane.copy() for plane in flat[2:]]
        for plane, values in zip(shaped, (px, py, *inner), strict=True):
            plane[..., stuck] = values
        x, y, a, b, c, d = (plane.reshape(np.shape(xd)) for plane in shaped)
        jacobian = (a, b, c, d)
    return x, y, jacobian


def _newton(lens: Lens, xd: Plane, yd: Plane, x: Plane, y: Plane) -> tuple[Plane, Plane, Jacobian, Plane]:
    """One damped step: the new point, the Jacobian at the old one, and the length of the step."""
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        ex, ey, (a, b, c, d) = lens(x, y)
        ex -= xd
        ey -= yd
        inverse = 1 / (b * c - a * d)
        dx, dy = (d * ex - b * ey) * inverse, (a * ey - c * ex) * inverse
        step = np.abs(dx) + np.abs(dy)
        # A step longer than the point is from the axis has left the lens's monotone range.
        limit = 0.5 * (1 + np.abs(x) + np.abs(y))
        if (step > limit).any():
            damp = np.minimum(1.0, limit / step)
            dx, dy = dx * damp, dy * damp
        return x + dx, y + dy, (a, b, c, d), step


def _start(lens: Lens, xd: Plane, yd: Plane) -> tuple[Plane, Plane]:
    """A start for Newton: along the ray's own direction, the radius whose image is nearest."""
    # The radial profile, its monotone part inverted by interpolation in the squared radius. It puts
    # Newton into the right basin, which a plain start (x = xd) misses for strong fisheyes.
    square = xd * xd
    square += yd * yd
    top = np.sqrt(np.fmax.reduce(square, axis=None, initial=0.0))
    profiles = _profiles(lens, near=True)
    if not (top < _NEAR_IMAGE and all(whole and squares[-1] > top * top for squares, _, whole in profiles)):
        profiles = _profiles(lens, near=False)
    if len(profiles) == 1:
        grow = np.interp(square, *profiles[0][:2])
    else:
        grow = np.empty_like(square)
        for k, (squares, growth, _) in enumerate(profiles):
            grow[k] = np.interp(square[k], squares, growth)
    return xd * grow, yd * grow


@functools.lru_cache(maxsize=512)
def _profiles(lens: Lens, near: bool) -> list[tuple[Float[np.ndarray, "radii"], Float[np.ndarray, "radii"], bool]]:
    """Of each lens squared image radii as far as they rise, what undistorted radii are of them, and whether they rise all the way."""
    radii = _NEAR_RADII if near else _RADII
    out: list[tuple[Float[np.ndarray, "radii"], Float[np.ndarray, "radii"], bool]] = []
    for image in np.atleast_2d(np.hypot(*lens(radii, np.zeros_like(radii))[:2])):
        rising = image[1:] > image[:-1]
        end = len(image) if rising.all() else int(np.argmin(rising)) + 1
        out.append((image[1:end] ** 2, radii[1:end] / image[1:end], end == len(radii)))
    return out


def tilt_matrix(tilt_x: Any, tilt_y: Any) -> Float[np.ndarray, "3 3 *lenses"]:
    """The homography of a sensor tilted by these angles (rad) about x and y; numbers, or columns of several lenses."""
    if np.ndim(tilt_x):
        pairs = zip(np.ravel(tilt_x).tolist(), np.ravel(tilt_y).tolist(), strict=True)
        return np.stack([tilt_matrix(*pair) for pair in pairs], -1)[..., None]
    about_x, about_y = _turns(tilt_x, tilt_y)
    rotation = about_y @ about_x
    return _straighten(rotation) @ rotation


def tilt_derivatives(tilt_x: float, tilt_y: float) -> tuple[Float[np.ndarray, "3 3"], Float[np.ndarray, "3 3"]]:
    """`tilt_matrix` differentiated by each angle."""
    about_x, about_y = _turns(tilt_x, tilt_y)
    cx, sx, cy, sy = np.cos(tilt_x), np.sin(tilt_x), np.cos(tilt_y), np.sin(tilt_y)
    rotation = about_y @ about_x
    d_x = about_y @ np.array([[0, 0, 0], [0, -sx, cx], [0, -cx, -sx]])
    d_y = np.array([[-sy, 0, -cy], [0, 0, 0], [cy, 0, -sy]]) @ about_x
    last = np.diag([0.0, 0.0, 1.0])  # constant in `_straighten`
    first, second = ((_straighten(d) - last) @ rotation + _straighten(rotation) @ d for d in (d_x, d_y))
    return first, second


def _turns(tilt_x: float, tilt_y: float) -> tuple[Float[np.ndarray, "3 3"], Float[np.ndarray, "3 3"]]:
    cx, sx, cy, sy = np.cos(tilt_x), np.sin(tilt_x), np.cos(tilt_y), np.sin(tilt_y)
    return np.array([[1, 0, 0], [0, cx, sx], [0, -sx, cx]]), np.array([[cy, 0, -sy], [0, 1, 0], [sy, 0, cy]])


def _straighten(rotation: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, "3 3"]:
    return np.array([[rotation[2, 2], 0, -rotation[0, 2]], [0, rotation[2, 2], -rotation[1, 2]], [0, 0, 1]])


def _homography(h: Float[np.ndarray, "3 3 *lenses"], x: Plane, y: Plane, inner: Jacobian) -> tuple[Plane, Plane, Jacobian]:
    w = h[2, 0] * x + h[2, 1] * y + h[2, 2]
    px = (h[0, 0] * x + h[0, 1] * y + h[0, 2]) / w
    py = (h[1, 0] * x + h[1, 1] * y + h[1, 2]) / w
    a, b = (h[0, 0] - px * h[2, 0]) / w, (h[0, 1] - px * h[2, 1]) / w
    c, d = (h[1, 0] - py * h[2, 0]) / w, (h[1, 1] - py * h[2, 1]) / w
    ixx, ixy, iyx, iyy = inner
    return px, py, (a * ixx + b * iyx, a * ixy + b * iyy, c * ixx + d * iyx, c * ixy + d * iyy)
