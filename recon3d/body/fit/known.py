"""What is known of somebody's body beforehand: how people differ, and what a tape and a scale said."""

import functools
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from recon3d.body.linear import LinearModel
from recon3d.errors import InputError

_SHORTEST_M, _TALLEST_M = 0.4, 2.6
_LIGHTEST_KG, _HEAVIEST_KG = 2.0, 350.0
_HEIGHT_SIGMA, _WEIGHT_SIGMA = 0.005, 0.03  # of a tape and of scales, with what a body model's own are off by, as shares
KG_M3 = 1010.0
"""Of living people, lungs half full (Durnin and Womersley 1974: 1005 to 1090 without them)."""


@dataclass(frozen=True, slots=True)
class Known:
    """Measured of somebody.

    Attributes:
        height_m: standing.
        weight_kg: of the body.

    Raises:
        InputError: a height or weight that nobody has: of other units.
    """

    height_m: float | None = None
    weight_kg: float | None = None

    def __post_init__(self) -> None:
        if self.height_m is not None and not _SHORTEST_M <= self.height_m <= _TALLEST_M:
            raise InputError(f"a height of {self.height_m} m is nobody's: it must be in metres, from {_SHORTEST_M} to {_TALLEST_M}")
        if self.weight_kg is not None and not _LIGHTEST_KG <= self.weight_kg <= _HEAVIEST_KG:
            raise InputError(f"a weight of {self.weight_kg} kg is nobody's: it must be in kg, from {_LIGHTEST_KG} to {_HEAVIEST_KG}")

    def residuals(self, model: LinearModel, values: Float[np.ndarray, "parameters"]) -> Float[np.ndarray, "many"]:
        """How far a body is from what is known and from usual, in sigmas."""
        return np.concatenate([(values - model.usual) / model.spread, self._told(model, values[None])[0]])

    def _told(self, model: LinearModel, values: Float[np.ndarray, "bodies parameters"]) -> Float[np.ndarray, "bodies told"]:
        """How far bodies are from what was measured, in sigmas."""
        out: list[np.ndarray] = []
        if self.height_m is not None:
            out.append(np.log(model.heights(values) / self.height_m) / _HEIGHT_SIGMA)
        if self.weight_kg is not None:
            volume = np.array([model.volume(one) for one in values])
            out.append(np.log(KG_M3 * volume / self.weight_kg) / _WEIGHT_SIGMA)
        return np.stack(out, -1) if out else np.zeros((len(values), 0))

    def prior(
        self, model: LinearModel, values: Float[np.ndarray, "parameters"]
    ) -> tuple[Float[np.ndarray, "parameters parameters"], Float[np.ndarray, "parameters"], float]:
        """Information, slope of the cost and cost, for least squares near these values."""
        return _prior(self, model, values.tobytes())


@functools.lru_cache(maxsize=8)
def _prior(known: Known, model: LinearModel, held: bytes) -> tuple[np.ndarray, np.ndarray, float]:
    values = np.frombuffer(held)
    now = known.residuals(model, values)
    near, far = model.beside(values)
    told = (known._told(model, far) - known._told(model, near)) / np.diagonal(far - near)[:, None]
    slope = np.concatenate([np.diag(1 / model.spread), told.T])
    return slope.T @ slope, slope.T @ now, 0.5 * float(now @ now)
