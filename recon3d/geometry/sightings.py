"""What many cameras saw of many points, in the form that the solvers over points work on.

A sighting is a normalised, undistorted image point with the 2x2 information (inverse covariance)
that its pixel sigma gives it there. A camera's rows r1, r2, r3 of ``cam_from_world`` give the
prediction u = (r1 X) / (r3 X), v = (r2 X) / (r3 X). Every normal equation of a point is then linear
in six numbers a sighting, so that one matrix product serves all points: with W = [[a, b], [b, c]],

    sum W-weighted (r1 - u r3, r2 - v r3) outer products
      = a r1r1 + b {r1r2} + c r2r2 - (au + bv) {r1r3} - (bu + cv) {r2r3} + (auu + 2buv + cvv) r3r3.

Planes are ``(views, points)``: coordinates apart, so that each operation runs over contiguous memory.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float

from recon3d.geometry.camera import CameraRig

ViewPlane: TypeAlias = Float[np.ndarray, "views points"]
PointPlane: TypeAlias = Float[np.ndarray, "points"]
Solution: TypeAlias = tuple[Float[np.ndarray, "3 points"], PointPlane]
_PAIRS = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))  # of the symmetric 3x3, row by row


@dataclass(frozen=True, slots=True, eq=False)
class Poses:
    """Where the cameras are, prepared once for all chunks of points.

    Attributes:
        matrix: ``cam_from_world`` as 3x4.
        rotation_rows: all r1, r2, r3, camera by camera.
        rows_by_axis: all r1, then all r2, then all r3, transposed.
        normal_map: from the six features of every view to the normal equations, see `normal_map`.
    """

    matrix: Float[np.ndarray, "views 3 4"]
    rotation_rows: Float[np.ndarray, "rows 3"]
    rows_by_axis: Float[np.ndarray, "3 rows"]
    normal_map: Float[np.ndarray, "9 6 views"]

    @staticmethod
    def of(matrix: Float[np.ndarray, "views 3 4"]) -> "Poses":
        """From ``cam_from_world`` matrices."""
        rotation = matrix[:, :, :3]
        by_axis = np.ascontiguousarray(rotation.transpose(1, 0, 2).reshape(-1, 3).T)
        return Poses(matrix, np.ascontiguousarray(rotation.reshape(-1, 3)), by_axis, normal_map(matrix))

    @staticmethod
    def of_rig(rig: CameraRig) -> "Poses":
        """Of a rig's cameras."""
        return Poses.of(np.stack([c.cam_from_world.matrix()[:3] for c in rig.cameras]))


@dataclass(frozen=True, slots=True, eq=False)
class Sightings:
    """Normalised points (0 where absent) and their information (0 where absent)."""

    poses: Poses
    u: ViewPlane
    v: ViewPlane
    a: ViewPlane
    b: ViewPlane
    c: ViewPlane

    @property
    def views(self) -> int:
        """Number of cameras."""
        return len(self.u)

    @property
    def count(self) -> int:
        """Number of points."""
        return self.u.shape[1]

    def take(self, index: Any) -> "Sightings":
        """The same views of some of the points."""
        return Sightings(self.poses, *(plane[:, index] for plane in (self.u, self.v, self.a, self.b, self.c)))

    def tile(self, times: int) -> "Sightings":
        """All points over again, several times."""
        return Sightings(self.poses, *(np.tile(plane, times) for plane in (self.u, self.v, self.a, self.b, self.c)))


def sight(
    rig: CameraRig,
    poses: Poses,
    xy: Float[np.ndarray, "views points 2"],
    sigma_px: Float[np.ndarray, "views points"],
) -> Sightings:
    """Undistort all pixels and carry their sigma over.

    Args:
        rig: one camera a view, in the order of ``xy``.
        poses: of the same rig.
        xy: px; NaN where a camera saw nothing.
        sigma_px: standard deviation of each coordinate, px.
    """
    planes = [np.zeros(xy.shape[:2]) for _ in range(5)]
    px, py = np.array(xy[..., 0], float), np.array(xy[..., 1], float)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        for views, (x, y, (p, q, r, s)) in rig.undistorted_planes(px, py):
            weight = 1 / (sigma_px[views] * sigma_px[views])
            rows = (x, y, weight * (p * p + r * r), weight * (p * q + r * s), weight * (q * q + s * s))
            absent = ~(np.abs(x + y) * (rows[2] + rows[4]) < np.inf)
            for plane, values in zip(planes, rows, strict=True):
                plane[views] = values
                if absent.any():
                    plane[views][absent] = 0.0
    return Sightings(poses, *planes)


def normal_map(poses: Float[np.ndarray, "views 3 4"]) -> Float[np.ndarray, "9 6 views"]:
    """The matrix from the six features of each view to the normal equations.

    Rows: the six entries of the symmetric 3x3, then the three of the right-hand side's negative.
    """
    r = poses[:, :, :3]
    out = np.empty((9, 6, len(poses)))
    for row, (i, j) in enumerate(_PAIRS):
        out[row] = _feature_products(r[:, :, i], r[:, :, j])
    for i in range(3):
        out[6 + i] = _feature_products(r[:, :, i], poses[:, :, 3])
    return out


def _feature_products(p: Float[np.ndarray, "views 3"], q: Float[np.ndarray, "views 3"]) -> Float[np.ndarray, "6 views"]:
    mixed = [p[:, i] * q[:, j] + p[:, j] * q[:, i] for i, j in ((0, 1), (0, 2), (1, 2))]
    return np.stack([p[:, 0] * q[:, 0], mixed[0], p[:, 1] * q[:, 1], -mixed[1], -mixed[2], p[:, 2] * q[:, 2]])


def features(s: Sightings, u: ViewPlane, v: ViewPlane, weight: ViewPlane | None = None) -> Float[np.ndarray, "6 views points"]:
    """The six features of each sighting at the image points (u, v), observed or predicted."""
    out = np.empty((6, *u.shape))
    if weight is None:
        out[0], out[1], out[2] = s.a, s.b, s.c
    else:
        np.multiply(s.a, weight, out=out[0])
        np.multiply(s.b, weight, out=out[1])
        np.multiply(s.c, weight, out=out[2])
    np.multiply(out[0], u, out=out[3])
    np.multiply(out[1], v, out=out[5])
    out[3] += out[5]
    np.multiply(out[1], u, out=out[4])
    np.multiply(out[2], v, out=out[5])
    out[4] += out[5]
    np.multiply(out[4], v, out=out[5])
    out[5] += out[3] * u
    return out


def predict(poses: Poses, xyz: Float[np.ndarray, "3 points"]) -> tuple[ViewPlane, ViewPlane, ViewPlane]:
    """Predicted u, v and the inverse depth (1/m) of points in every view; depth behind is kept negative."""
    local = (poses.rotation_rows @ xyz).reshape(len(poses.matrix), 3, xyz.shape[1])
    local += poses.matrix[:, :, 3:]
    inverse_depth = 1 / local[:, 2]
    return local[:, 0] * inverse_depth, local[:, 1] * inverse_depth, inverse_depth


def chi_square(s: Sightings, xyz: Float[np.ndarray, "3 points"]) -> tuple[ViewPlane, ViewPlane]:
    """Squared residual over its variance a sighting (infinite behind a camera), and the inverse depth."""
    ex, ey, inverse_depth = predict(s.poses, xyz)
    ex -= s.u
    ey -= s.v
    chi2 = s.b * ey
    chi2 *= 2
    chi2 += s.a * ex
    chi2 *= ex
    ey *= ey
    ey *= s.c
    chi2 += ey
    behind = inverse_depth <= 0
    if behind.any():
        chi2[behind] = np.inf
    return chi2, inverse_depth


def solve_symmetric(
    m: Float[np.ndarray, "rows points"],
) -> Solution:
    """x with M x = -g for the packed normal equations (six of M, three of g), and det M; closed form."""
    xx, xy, xz, yy, yz, zz, g0, g1, g2 = m
    c00, c01, c02 = yy * zz - yz * yz, xz * yz - xy * zz, xy * yz - xz * yy
    c11, c12, c22 = xx * zz - xz * xz, xy * xz - xx * yz, xx * yy - xy * xy
    det = xx * c00 + xy * c01 + xz * c02
    out = np.empty((3, m.shape[1]))
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = -1 / det
    out[0] = (c00 * g0 + c01 * g1 + c02 * g2) * scale
    out[1] = (c01 * g0 + c11 * g1 + c12 * g2) * scale
    out[2] = (c02 * g0 + c12 * g1 + c22 * g2) * scale
    return out, det


def invert_symmetric(m: Float[np.ndarray, "rows points"]) -> Float[np.ndarray, "points 3 3"]:
    """Inverse of the packed symmetric 3x3 (first six rows) as full matrices."""
    xx, xy, xz, yy, yz, zz = m[:6]
    c00, c01, c02 = yy * zz - yz * yz, xz * yz - xy * zz, xy * yz - xz * yy
    c11, c12, c22 = xx * zz - xz * xz, xy * xz - xx * yz, xx * yy - xy * xy
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = 1 / (xx * c00 + xy * c01 + xz * c02)
    full = np.stack([c00, c01, c02, c01, c11, c12, c02, c12, c22], -1) * scale[:, None]
    return full.reshape(-1, 3, 3)


def algebraic_solver(s: Sightings) -> Callable[[ViewPlane], Solution]:
    """A function from weights (views, points) to the weighted algebraic solution of all points.

    With weights of inverse squared depth it minimises the pixel error to first order (the iterated
    linear method of Hartley and Sturm 1997, section 4.2).
    """
    maps = s.poses.normal_map.reshape(9, -1)
    observed = features(s, s.u, s.v)
    buffer = np.empty_like(observed)

    def solve(weight: ViewPlane) -> Solution:
        np.multiply(observed, weight, out=buffer)
        return solve_symmetric(maps @ buffer.reshape(-1, s.count))

    return solve


def information(s: Sightings, xyz: Float[np.ndarray, "3 points"], weight: ViewPlane) -> Float[np.ndarray, "rows points"]:
    """Gauss-Newton normal equations at xyz: six of J'WJ, three of its gradient J'W(prediction - observation)."""
    u, v, inverse_depth = predict(s.poses, xyz)
    inverse_depth *= inverse_depth > 0
    w = weight * inverse_depth
    ex, ey = u - s.u, v - s.v
    p, q, r = np.empty_like(u), np.empty_like(u), np.empty_like(u)
    np.multiply(s.a, ex, out=p)
    p += s.b * ey
    np.multiply(s.b, ex, out=q)
    q += s.c * ey
    p *= w
    q *= w
    np.multiply(u, p, out=r)
    r += v * q
    np.negative(r, out=r)
    w *= inverse_depth
    f = features(s, u, v, w)
    out = np.empty((9, s.count))
    np.matmul(s.poses.normal_map[:6].reshape(6, -1), f.reshape(-1, s.count), out=out[:6])
    np.matmul(s.poses.rows_by_axis, np.concatenate([p, q, r]), out=out[6:])
    return out
