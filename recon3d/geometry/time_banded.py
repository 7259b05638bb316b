"""Symmetric systems that are block-banded in time, with unknowns that all frames share as a border.

A frame has k unknowns. Those of one frame are coupled by a full block; those of neighbouring frames and of
frames two apart with themselves and up to two unknowns to either side, as the square of a second difference couples
angles, and rotations of three:

    [ H0  N0  F0         | B0 ]
    [ N0  H1  N1  F1     | B1 ]      H full, N and F banded,
    [ F0  N1  H2  N2  .. | B2 ]      B the border, C the corner.
    [     F1  N2  H3  .. | B3 ]
    [ B0' B1' B2' B3' .. | C  ]

The band has 2k + 2 entries below the diagonal: one banded Cholesky factor (LAPACK's pbtrf) in k (2k)^2 operations a
frame. Its selected inverse (Erisman and Tinney 1975, here by blocks of two frames) holds the covariance of every
frame's unknowns and of the same unknown in frames up to two apart.
"""

import functools
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
from jaxtyping import Float

_linalg: Any = import_module("scipy.linalg")  # which types do not describe
_BAND = {kind: _linalg.get_lapack_funcs(("pbtrf", "pbtrs"), dtype=kind) for kind in (np.dtype(np.float32), np.dtype(np.float64))}
_TRIANGLE = {kind: _linalg.get_blas_funcs("trsm", dtype=kind) for kind in _BAND}


_FEW_FRAMES = 32


@functools.cache
def _lower(size: int) -> tuple[np.ndarray, np.ndarray]:
    return np.tril_indices(size)


@dataclass(slots=True, eq=False)
class TimeSystem:
    """Normal equations ``matrix @ step = -gradient``.

    Attributes:
        block: H of each frame; only its lower triangle is read.
        near: N: [t, j, 2 + d] couples unknown j of frame t with unknown j + d of frame t + 1.
        far: F, the same with frame t + 2.
        gradient: of each frame's unknowns.
        border: B, between each frame's unknowns and the shared ones.
        corner: C, of the shared unknowns.
        shared_gradient: of the shared unknowns.
    """

    block: Float[np.ndarray, "frames k k"]
    near: Float[np.ndarray, "frames k 5"]
    far: Float[np.ndarray, "frames k 5"]
    gradient: Float[np.ndarray, "frames k"]
    border: Float[np.ndarray, "frames k shared"]
    corner: Float[np.ndarray, "shared shared"]
    shared_gradient: Float[np.ndarray, "shared"]

    def diagonal(self) -> Float[np.ndarray, "frames k"]:
        """Of the frames' blocks; writing to it writes to them."""
        return np.einsum("...ii->...i", self.block)

    def floor(self) -> float:
        """Damping that keeps unknowns which nothing constrains from moving, and leaves all others alone."""
        return 1e-9 * float(self.diagonal().max(initial=0.0))

    def settle(self, frames: int) -> None:
        """Make the step of the first frames zero; where they are, others go on feeling by their gradients."""
        diagonal = self.diagonal()[:frames].copy()
        self.block[:frames] = 0.0
        self.diagonal()[:frames] = diagonal
        for part in (self.near, self.far, self.gradient, self.border):
            part[:frames] = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class SelectedInverse:
    """Covariances out of the inverse.

    Attributes:
        block: of each frame's unknowns.
        near: of an unknown in frames t and t + 1.
        far: of an unknown in frames t and t + 2.
    """

    block: Float[np.ndarray, "frames k k"]
    near: Float[np.ndarray, "frames k"]
    far: Float[np.ndarray, "frames k"]


class TimeFactor:
    """Cholesky factor of a system without its border.

    Raises:
        np.linalg.LinAlgError: the matrix is not positive.
    """

    def __init__(self, system: TimeSystem, damping: Float[np.ndarray, "frames k"] | float = 0.0, quick: bool = False):
        """Factorise.

        Args:
            system: whose border is left aside.
            damping: added to the diagonal.
            quick: in single precision, scaled to a diagonal of ones; faster, and good enough for a step that
                is checked. Where single precision does not do, double does.
        """
        self.frames, self.k = system.gradient.shape
        self._wide = 2 * self.k + 2
        diagonal = system.diagonal() + damping
        if not diagonal.min() > 0:
            raise np.linalg.LinAlgError("the time system is not positive: its diagonal is not")
        self.scale = 1 / np.sqrt(diagonal) if quick else np.ones_like(diagonal)
        try:
            self.factor = self._factorise(system, diagonal, np.float32 if quick else np.float64)
        except np.linalg.LinAlgError:
            if not quick:
                raise
            self.factor = self._factorise(system, diagonal, np.float64)

    def _factorise(self, system: TimeSystem, diagonal: Float[np.ndarray, "frames k"], kind: Any) -> np.ndarray:
        frames, k = self.frames, self.k
        band: np.ndarray = np.zeros((frames, k, self._wide + 1), kind)
        scaled = system.block * self.scale[:, None, :]
        scaled *= self.scale[:, :, None]
        if frames < _FEW_FRAMES:  # calls count, not bytes
            row, column = _lower(k)
            band[:, column, row - column] = scaled[:, row, column]
        else:
            for i in range(k):
                band[:, i, : k - i] = scaled[:, i:, i]
        band[:, :, 0] = diagonal * self.scale**2
        beside = np.pad(self.scale, ((0, 0), (2, 2)))
        for apart, coupled in ((1, system.near), (2, system.far)):
            # Of a single unknown a frame the entry beside it is the next frame's.
            for d in range(max(-2, 1 - k), min(3, k)):
                size = coupled[: frames - apart, :, 2 + d] * self.scale[: frames - apart] * beside[apart:, 2 + d : 2 + d + k]
                inside = slice(max(0, -d), k - max(0, d))
                band[: frames - apart, inside, apart * k + d] += size[:, inside]
        factorise, _ = _BAND[band.dtype]
        factor, info = factorise(band.reshape(frames * k, self._wide + 1).T, lower=1, overwrite_ab=1)
        if info:
            raise np.linalg.LinAlgError(f"the time system is not positive (unknown {info - 1} of {frames * k})")
        return factor

    def solve(self, right: Float[np.ndarray, "frames k *columns"]) -> Float[np.ndarray, "frames k *columns"]:
        """Of one or many right-hand sides."""
        scale = self.scale.reshape(*self.scale.shape, *([1] * (right.ndim - 2)))
        flat = np.asfortranarray((right * scale).reshape(self.frames * self.k, -1), dtype=self.factor.dtype)
        _, solve = _BAND[self.factor.dtype]
        out, _ = solve(self.factor, flat, lower=1, overwrite_b=1)
        return out.reshape(right.shape) * scale

    def step(self, system: TimeSystem, damping: float = 0.0) -> tuple[Float[np.ndarray, "frames k"], Float[np.ndarray, "shared"]]:
        """The Newton step of the frames' and of the shared unknowns; ``damping`` is a share of the corner's diagonal."""
        if not system.border.shape[2]:
            return -self.solve(system.gradient), np.zeros(0)
        both: np.ndarray = self.solve(np.concatenate([system.border, system.gradient[..., None]], -1))
        lead: np.ndarray = both[..., :-1]
        own: np.ndarray = both[..., -1]
        reduced = self.reduced_corner(system, lead)
        np.einsum("ii->i", reduced)[...] += damping * np.diag(system.corner)
        pull: np.ndarray = system.shared_gradient - np.einsum("tks,tk->s", system.border, own)
        shared: np.ndarray = -np.asarray(np.linalg.solve(reduced, pull), dtype=float)
        return -own - lead @ shared, shared

    @staticmethod
    def reduced_corner(system: TimeSystem, lead: Float[np.ndarray, "frames k shared"]) -> Float[np.ndarray, "shared shared"]:
        """The shared unknowns' information once the frames' are eliminated; ``lead`` is the frames' inverse times the border."""
        k = lead.shape[2]
        return system.corner - system.border.reshape(-1, k).T @ lead.reshape(-1, k)

    def selected_inverse(self) -> SelectedInverse:
        """Covariances in the band: a recursion from the last frames back to the first, two at a time."""
        frames, k = self.frames, self.k
        block, near, far = np.zeros((frames, k, k)), np.zeros((frames, k)), np.zeros((frames, k))
        start = max(frames - 2, 0)
        root = self._inverse_root(start, min(frames, 2) * k)
        later = root.T @ root
        self._store(start, later, block, near)
        while start > 0:
            # Of a single frame at the beginning the next two are the later ones all the same.
            width = 2 if start >= 2 else 1
            first = start - width
            root = self._inverse_root(first, width * k)
            ahead = self._below(first, width * k) @ root
            cross = -(later @ ahead)
            now = root.T @ root
            now -= ahead.T @ cross
            self._store(first, now, block, near)
            near[start - 1] = np.einsum("ii->i", cross[:k, (width - 1) * k :])
            if width == 1:
                far[first] = np.einsum("ii->i", cross[k:, :k])
                break
            far[first], far[first + 1] = np.einsum("ii->i", cross[:k, :k]), np.einsum("ii->i", cross[k:, k:])
            later, start = now, first
        near[:-1] *= self.scale[:-1] * self.scale[1:]
        far[:-2] *= self.scale[:-2] * self.scale[2:]
        return SelectedInverse(block * self.scale[:, None, :] * self.scale[:, :, None], near, far)

    def _inverse_root(self, first: int, size: int) -> np.ndarray:
        """The inverse of the factor's diagonal block from a frame on (with a product quicker than LAPACK's potri)."""
        one = np.eye(size, dtype=self.factor.dtype, order="F")
        # What stands above the block's diagonal belongs elsewhere; it is not looked at.
        return _TRIANGLE[self.factor.dtype](1.0, self._window(first, size, size, 0), one, lower=1, overwrite_b=1)

    def _store(self, first: int, both: np.ndarray, block: np.ndarray, near: np.ndarray) -> None:
        k = self.k
        block[first] = both[:k, :k]
        if len(both) > k:
            block[first + 1], near[first] = both[k:, k:], np.einsum("ii->i", both[:k, k:])

    def _window(self, first: int, rows: int, columns: int, down: int) -> np.ndarray:
        """Rows of the factor from ``down`` below the diagonal entry of a frame's first unknown.

        Entry (c + a, c + b) of the matrix stands at c (w + 1) + w b + a of a band w wide: a matrix by columns.
        """
        step = self.factor.itemsize
        flat = self.factor.T.reshape(-1)[first * self.k * (self._wide + 1) + down :]
        return np.lib.stride_tricks.as_strided(flat, (rows, columns), (step, self._wide * step), writeable=False)

    def _below(self, first: int, size: int) -> np.ndarray:
        """The rows of the two frames after those of the block, as far as the band goes."""
        rows = min(2 * self.k, (self.frames - first) * self.k - size)
        inside = np.tri(size, rows, k=self._wide - size, dtype=self.factor.dtype).T
        return self._window(first, rows, size, size) * inside
