"""Rotations and rigid motions as immutable batched values: SO3 and SE3.

``a_from_b @ b_from_c`` is ``a_from_c``; ``a_from_b @ points_b`` is ``points_a``. Any batch axes
lead. Tangent vectors are rotation vectors in radians; for SE3 the translation comes first, in
metres. Formulas after Sola, Deray, Atchuthan, "A micro Lie theory for state estimation in
robotics", 2018; equation numbers beside the lines.
"""

from dataclasses import dataclass
from typing import overload

import numpy as np
from jaxtyping import Float

_NEARLY_HALF_A_TURN = 2.6  # rad, beyond which the sine loses digits
_SMALL = 1e-8  # squared angle below which the series are exact to float64


def skew(v: Float[np.ndarray, "*batch 3"]) -> Float[np.ndarray, "*batch 3 3"]:
    """The matrix of the cross product: ``skew(a) @ b = a x b``."""
    out = np.zeros((*v.shape[:-1], 3, 3))
    out[..., 0, 1], out[..., 0, 2], out[..., 1, 2] = -v[..., 2], v[..., 1], -v[..., 0]
    out[..., 1, 0], out[..., 2, 0], out[..., 2, 1] = v[..., 2], -v[..., 1], v[..., 0]
    return out


def without_sign_flips(wxyz: Float[np.ndarray, "frames *batch 4"]) -> Float[np.ndarray, "frames *batch 4"]:
    """The same rotations by quaternions whose sign lies nearer to that of the frame before."""
    flip = np.where((wxyz[1:] * wxyz[:-1]).sum(-1, keepdims=True) < 0, -1.0, 1.0)
    return np.concatenate([wxyz[:1], wxyz[1:] * np.cumprod(flip, axis=0)])


def slerp(
    a: Float[np.ndarray, "*batch 4"], b: Float[np.ndarray, "*batch 4"], share: Float[np.ndarray, "*some"]
) -> Float[np.ndarray, "*batch 4"]:
    """Unit quaternions on the shorter great circle from a (share 0) to b (share 1) (Shoemake 1985)."""
    cosine = (a * b).sum(-1, keepdims=True)
    b = np.where(cosine < 0, -b, b)
    angle = np.arccos(np.clip(np.abs(cosine), 0.0, 1.0))
    near = angle < 1e-6
    sine = np.where(near, 1.0, np.sin(angle))
    from_a = np.where(near, 1 - share, np.sin((1 - share) * angle) / sine)
    from_b = np.where(near, share, np.sin(share * angle) / sine)
    out = from_a * a + from_b * b
    return out / np.linalg.norm(out, axis=-1, keepdims=True)


def _angle_terms(
    square: Float[np.ndarray, "*batch"],
) -> tuple[Float[np.ndarray, "*batch"], Float[np.ndarray, "*batch"], Float[np.ndarray, "*batch"]]:
    """sin(t)/t, (1 - cos t)/t^2 and (t - sin t)/t^3 for t = sqrt(square), series near zero."""
    small = square < _SMALL
    safe = np.where(small, 1.0, square)
    angle = np.sqrt(safe)
    a = np.where(small, 1 - square / 6, np.sin(angle) / angle)
    b = np.where(small, 0.5 - square / 24, 2 * np.sin(angle / 2) ** 2 / safe)
    c = np.where(small, 1 / 6 - square / 120, (angle - np.sin(angle)) / (safe * angle))
    return a, b, c


@dataclass(frozen=True, slots=True, eq=False)
class SO3:
    """Rotations, as matrices ``(*batch, 3, 3)``."""

    matrix: Float[np.ndarray, "*batch 3 3"]

    @staticmethod
    def identity(*batch: int) -> "SO3":
        """No rotation, in any batch shape."""
        return SO3(np.broadcast_to(np.eye(3), (*batch, 3, 3)))

    @staticmethod
    def nearest(matrix: Float[np.ndarray, "*batch 3 3"]) -> "SO3":
        """The rotation nearest to a matrix (Kabsch 1976); never a reflection."""
        u, _, vt = np.linalg.svd(matrix)
        sign = np.ones((*matrix.shape[:-2], 1, 3))
        sign[..., 0, 2] = np.sign(np.linalg.det(u @ vt))
        return SO3((u * sign) @ vt)

    @staticmethod
    def exp(vector: Float[np.ndarray, "*batch 3"]) -> "SO3":
        """Rotation vector (rad) to rotation (Sola 2018, eq. 134, Rodrigues)."""
        vector = np.asarray(vector, float)
        a, b, _ = _angle_terms((vector * vector).sum(-1))
        k = skew(vector)
        return SO3(np.eye(3) + a[..., None, None] * k + b[..., None, None] * (k @ k))

    def log(self) -> Float[np.ndarray, "*batch 3"]:
        """Rotation vector (rad), of length at most pi; exact at 0 and at pi (there through the quaternion)."""
        m = self.matrix
        # Twice the axis times the sine, and the cosine.
        axis = np.stack([m[..., 2, 1] - m[..., 1, 2], m[..., 0, 2] - m[..., 2, 0], m[..., 1, 0] - m[..., 0, 1]], -1)
        sine = 0.5 * np.sqrt((axis * axis).sum(-1))
        angle = np.arctan2(sine, 0.5 * (m[..., 0, 0] + m[..., 1, 1] + m[..., 2, 2] - 1))
        scale = np.where(sine > 1e-9, 0.5 * angle / np.where(sine > 1e-9, sine, 1.0), 0.5)
        out = axis * scale[..., None]
        far = angle > _NEARLY_HALF_A_TURN
        if far.any():
            out[far] = SO3(m[far])._log_by_quaternion()
        return out

    def _log_by_quaternion(self) -> Float[np.ndarray, "*batch 3"]:
        q = self.wxyz()
        length = np.linalg.norm(q[..., 1:], axis=-1)
        half = np.arctan2(length, q[..., 0])
        small = length < 1e-9
        scale = np.where(small, 2.0, 2 * half / np.where(small, 1.0, length))
        return q[..., 1:] * scale[..., None]

    @staticmethod
    def from_wxyz(wxyz: Float[np.ndarray, "*batch 4"]) -> "SO3":
        """From quaternions, real part first; they need not be of unit length."""
        q = wxyz / np.linalg.norm(wxyz, axis=-1, keepdims=True)
        w, v = q[..., 0, None, None], q[..., 1:]
        k = skew(v)
        return SO3(np.eye(3) + 2 * w * k + 2 * (k @ k))

    def wxyz(self) -> Float[np.ndarray, "*batch 4"]:
        """Unit quaternions with a real part that is not negative (Shepperd's choice of the largest term)."""
        m = self.matrix
        d0, d1, d2 = m[..., 0, 0], m[..., 1, 1], m[..., 2, 2]
        squares = np.stack([1 + d0 + d1 + d2, 1 + d0 - d1 - d2, 1 - d0 + d1 - d2, 1 - d0 - d1 + d2], -1)
        x, y, z = m[..., 2, 1] - m[..., 1, 2], m[..., 0, 2] - m[..., 2, 0], m[..., 1, 0] - m[..., 0, 1]
        xy, xz, yz = m[..., 0, 1] + m[..., 1, 0], m[..., 0, 2] + m[..., 2, 0], m[..., 1, 2] + m[..., 2, 1]
        rows = np.stack(
            [
                np.stack([squares[..., 0], x, y, z], -1),
                np.stack([x, squares[..., 1], xy, xz], -1),
                np.stack([y, xy, squares[..., 2], yz], -1),
                np.stack([z, xz, yz, squares[..., 3]], -1),
            ],
            -2,
        )
        best = squares.argmax(-1)[..., None, None]
        q: np.ndarray = np.take_along_axis(rows, best, -2)[..., 0, :]
        return q * (np.where(q[..., :1] < 0, -1.0, 1.0) / np.linalg.norm(q, axis=-1, keepdims=True))

    def inverse(self) -> "SO3":
        """b_from_a of a_from_b."""
        return SO3(np.swapaxes(self.matrix, -1, -2))

    @overload
    def __matmul__(self, other: "SO3") -> "SO3": ...
    @overload
    def __matmul__(self, other: Float[np.ndarray, "*batch 3"]) -> Float[np.ndarray, "*batch 3"]: ...
    def __matmul__(self, other: "SO3 | Float[np.ndarray, '*batch 3']") -> "SO3 | Float[np.ndarray, '*batch 3']":
        if isinstance(other, SO3):
            return SO3(self.matrix @ other.matrix)
        return (self.matrix @ other[..., None])[..., 0]

    @staticmethod
    def left_jacobian(vector: Float[np.ndarray, "*batch 3"]) -> Float[np.ndarray, "*batch 3 3"]:
        """J with exp(v + dv) = exp(J dv) @ exp(v) to first order (Sola 2018, eq. 145)."""
        vector = np.asarray(vector, float)
        _, b, c = _angle_terms((vector * vector).sum(-1))
        k = skew(vector)
        return np.eye(3) + b[..., None, None] * k + c[..., None, None] * (k @ k)

    @staticmethod
    def left_jacobian_inverse(vector: Float[np.ndarray, "*batch 3"]) -> Float[np.ndarray, "*batch 3 3"]:
        """Inverse of `left_jacobian` (Sola 2018, eq. 146)."""
        vector = np.asarray(vector, float)
        square = (vector * vector).sum(-1)
        a, b, _ = _angle_terms(square)
        small = square < 1e-6  # (1 - a / 2b) cancels to half the digits here; the series is exact
        safe = np.where(small, 1.0, square)
        d = np.where(small, 1 / 12 + square / 720, (1 - a / (2 * b)) / safe)
        k = skew(vector)
        return np.eye(3) - 0.5 * k + d[..., None, None] * (k @ k)


@dataclass(frozen=True, slots=True, eq=False)
class SE3:
    """Rigid motions: ``x_a = rotation @ x_b + translation`` (m)."""

    rotation: SO3
    translation: Float[np.ndarray, "*batch 3"]

    @staticmethod
    def identity(*batch: int) -> "SE3":
        """No motion, in any batch shape."""
        return SE3(SO3.identity(*batch), np.zeros((*batch, 3)))

    @staticmethod
    def from_matrix(matrix: Float[np.ndarray, "*batch 4 4"]) -> "SE3":
        """From homogeneous matrices; their last row is not looked at."""
        return SE3(SO3(matrix[..., :3, :3]), matrix[..., :3, 3])

    def matrix(self) -> Float[np.ndarray, "*batch 4 4"]:
        """Homogeneous matrices."""
        out = np.zeros((*self.translation.shape[:-1], 4, 4))
        out[..., :3, :3] = self.rotation.matrix
        out[..., :3, 3] = self.translation
        out[..., 3, 3] = 1
        return out

    @staticmethod
    def exp(twist: Float[np.ndarray, "*batch 6"]) -> "SE3":
        """Twist (translation m, rotation rad) to motion (Sola 2018, eq. 172)."""
        twist = np.asarray(twist, float)
        v = SO3.left_jacobian(twist[..., 3:])
        return SE3(SO3.exp(twist[..., 3:]), (v @ twist[..., :3, None])[..., 0])

    def log(self) -> Float[np.ndarray, "*batch 6"]:
        """Twist (translation m, rotation rad) (Sola 2018, eq. 173)."""
        w = self.rotation.log()
        v = SO3.left_jacobian_inverse(w) @ self.translation[..., None]
        return np.concatenate([v[..., 0], w], -1)

    def inverse(self) -> "SE3":
        """b_from_a of a_from_b."""
        back = self.rotation.inverse()
        return SE3(back, -(back @ self.translation))

    @overload
    def __matmul__(self, other: "SE3") -> "SE3": ...
    @overload
    def __matmul__(self, other: Float[np.ndarray, "*batch 3"]) -> Float[np.ndarray, "*batch 3"]: ...
    def __matmul__(self, other: "SE3 | Float[np.ndarray, '*batch 3']") -> "SE3 | Float[np.ndarray, '*batch 3']":
        if isinstance(other, SE3):
            return SE3(self.rotation @ other.rotation, self.rotation @ other.translation + self.translation)
        return self.rotation @ other + self.translation
