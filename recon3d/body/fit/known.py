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
_STEP = 1e-3


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
        out = ((values - model.usual) / model.spread).tolist()
        if self.height_m is not None:
            out.append(np.log(model.height(values) / self.height_m) / _HEIGHT_SIGMA)
        if self.weight_kg is not None:
            out.append(np.log(KG_M3 * model.volume(values) / self.weight_kg) / _WEIGHT_SIGMA)
        return np.array(out)

    def prior(
        self, model: LinearModel, values: Float[np.ndarray, "parameters"]
    ) -> tuple[Float[np.ndarray, "parameters parameters"], Float[np.ndarray, "parameters"], float]:
        """Information, slope of the cost and cost, for least squares near these values."""
        return _prior(self, model, values.tobytes())


@functools.lru_cache(maxsize=8)
def _prior(known: Known, model: LinearModel, held: bytes) -> tuple[np.ndarray, np.ndarray, float]:
    values = np.frombuffer(held)
    now = known.residuals(model, values)
    slope = np.empty((len(now), len(values)))
    slope[: len(values)] = np.diag(1 / model.spread)
    if len(now) > len(values):
        for k, reach in enumerate(_STEP * (model.highest - model.lowest)):
            ends = np.clip([values[k] - reach, values[k] + reach], model.lowest[k], model.highest[k])
            a, b = (known.residuals(model, np.where(np.arange(len(values)) == k, end, values)) for end in ends)
            slope[len(values) :, k] = (b - a)[len(values) :] / (ends[1] - ends[0])
    return slope.T @ slope, slope.T @ now, 0.5 * float(now @ now)
