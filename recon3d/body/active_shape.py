"""A contour that changes as it was seen to change, fitted to masks with holes and noise (active shapes: Cootes et al. 1995).

Points of a contour are at equal steps along it from its top (Baumberg and Hogg 1994).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from recon3d.arrays import freeze_fields
from recon3d.body.outline import Outline, rings_of
from recon3d.errors import InputError
from recon3d.geometry import Camera

_POINTS = 160
_KEPT = 0.98  # share of the variance that modes explain
_ROUNDS = 40
_MOST = 3.0  # standard deviations of a mode
_FEWEST, _SHORTEST = 3, 20
_FARTHEST = 0.15  # of the contour's height: parts of a mask further away are of something else
_SETTLED = 0.05  # px


@dataclass(frozen=True, slots=True, eq=False)
class ContourModel:
    """Contours of somebody, whatever their place and size.

    Attributes:
        mean: points, of height one about the middle.
        modes: ways to change.
        sigma: of each.
    """

    mean: Float[np.ndarray, "points 2"]
    modes: Float[np.ndarray, "modes points 2"]
    sigma: Float[np.ndarray, "modes"]

    def __post_init__(self) -> None:
        freeze_fields(self)

    @staticmethod
    def learned(rings: Sequence[Float[np.ndarray, "points 2"]]) -> "ContourModel":
        """From contours of much the same view and doing.

        Raises:
            InputError: too few, or too short ones.
        """
        if len(rings) < _FEWEST:
            raise InputError(f"a contour model is learned from {_FEWEST} contours or more, not from {len(rings)}")
        shapes = np.stack([_normal(evenly(ring)) for ring in rings])
        mean = shapes.mean(0)
        off = (shapes - mean).reshape(len(shapes), -1)
        _, size, modes = np.linalg.svd(off, full_matrices=False)
        variance = size**2 / max(len(shapes) - 1, 1)
        kept = max(1, int(np.searchsorted(np.cumsum(variance) / max(variance.sum(), 1e-300), _KEPT)) + 1)
        return ContourModel(mean, modes[:kept].reshape(-1, *mean.shape), np.sqrt(variance[:kept]))

    def fitted(self, mask: Bool[np.ndarray, "height width"]) -> "ContourFigure":
        """The contour that lies nearest to a mask's.

        Raises:
            InputError: a mask that shows nobody.
        """
        rings = [ring for ring in rings_of(mask) if len(ring) >= _SHORTEST]
        if not rings:
            raise InputError("the mask shows nobody")
        edge = np.concatenate(rings)
        middle, high = 0.5 * (rings[0].min(0) + rings[0].max(0)), float(np.ptp(rings[0][:, 1]))
        weight, ring = np.zeros(len(self.sigma)), middle + high * self.mean
        flat = self.modes.reshape(len(self.modes), -1)
        for _ in range(_ROUNDS):
            near, sure = _towards(ring, edge, _FARTHEST * high)
            middle, high = _placed(self.mean + np.tensordot(weight, self.modes, 1), near, sure)
            wanted = ((near - middle) / max(high, 1e-9) - self.mean).ravel()
            known = np.repeat(sure, 2)
            system = (flat * known) @ flat.T + np.diag(1e-3 / np.maximum(self.sigma, 1e-9) ** 2 / _POINTS)
            weight = np.linalg.solve(system, (flat * known) @ wanted)
            weight = np.clip(weight, -_MOST * self.sigma, _MOST * self.sigma)
            before, ring = ring, middle + high * (self.mean + np.tensordot(weight, self.modes, 1))
            if np.abs(ring - before).max() < _SETTLED:
                break
        return ContourFigure(ring, weight / np.maximum(self.sigma, 1e-12))


@dataclass(frozen=True, slots=True, eq=False)
class ContourFigure:
    """A contour in one picture.

    Attributes:
        ring: px.
        weight: of each mode, in its standard deviations.
    """

    ring: Float[np.ndarray, "points 2"]
    weight: Float[np.ndarray, "modes"]

    def outline(self, camera: Camera) -> Outline:
        """In the picture that the mask was of, which is this camera's; parts are not known."""
        return Outline(camera.intrinsics.size, (self.ring.copy(),), {})


def evenly(ring: Float[np.ndarray, "points 2"], count: int = _POINTS) -> Float[np.ndarray, "count 2"]:
    """A closed ring by points at equal steps, from its top, clockwise as one sees it.

    Raises:
        InputError: a ring of fewer than three points, or of no length.
    """
    if len(ring) < 3 or not np.isfinite(ring).all() or not np.ptp(ring, axis=0).all():
        raise InputError("a contour needs three points or more, not all on a line")
    x, y = ring.T
    clockwise = (x * np.roll(y, -1) - np.roll(x, -1) * y).sum() > 0  # y looks down
    ring = ring if clockwise else ring[::-1]
    ring = np.roll(ring, -int(ring[:, 1].argmin()), axis=0)
    closed = np.concatenate([ring, ring[:1]])
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(closed, axis=0), axis=1))])
    at = np.linspace(0, along[-1], count, endpoint=False)
    return np.stack([np.interp(at, along, closed[:, k]) for k in range(2)], -1)


def _normal(ring: Float[np.ndarray, "points 2"]) -> Float[np.ndarray, "points 2"]:
    """Of height one, about the middle of its box."""
    return (ring - 0.5 * (ring.min(0) + ring.max(0))) / np.ptp(ring[:, 1])


def _towards(
    ring: Float[np.ndarray, "points 2"], edge: Float[np.ndarray, "many 2"], reach: float
) -> tuple[Float[np.ndarray, "points 2"], Float[np.ndarray, "points"]]:
    """The place on a mask's edge that each point is drawn to, and 1 where there is one near; across the contour before along it."""
    ahead = np.roll(ring, -1, axis=0) - np.roll(ring, 1, axis=0)
    ahead /= np.maximum(np.linalg.norm(ahead, axis=1, keepdims=True), 1e-9)
    off = edge[None] - ring[:, None]
    along, square = np.einsum("pei,pi->pe", off, ahead), np.square(off).sum(-1)
    nearest = (square + 3.0 * along**2).argmin(1)
    rows = np.arange(len(ring))
    return edge[nearest], (square[rows, nearest] < reach**2).astype(float)


def _placed(
    shape: Float[np.ndarray, "points 2"], near: Float[np.ndarray, "points 2"], sure: Float[np.ndarray, "points"]
) -> tuple[Float[np.ndarray, "2"], float]:
    """Where, and how large, a shape lies nearest to some points."""
    share = sure / max(float(sure.sum()), 1e-9)
    centre, other = share @ shape, share @ near
    own = shape - centre
    size = float((share[:, None] * own * (near - other)).sum() / max(float((share[:, None] * own * own).sum()), 1e-12))
    return other - size * centre, size
