"""One person's body: what it is, and how it moves."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from recon3d.arrays import freeze_fields
from recon3d.errors import ShapeError
from recon3d.records.motion import Motion

_TOLD = 0.2  # least share of its variance that evidence takes away from a parameter that it tells of


@dataclass(frozen=True, slots=True, eq=False)
class BodyParams:
    """Parameters of a body model for one person, and the motion of its joints.

    Attributes:
        model: its name.
        parameters: names of the numbers that make a shape.
        betas: these numbers.
        covariance: of them.
        informed: share of each one's variance among people that the evidence took away: near 0 where it is only what is usual.
        motion: of the shaped body's armature.
    """

    model: str
    parameters: tuple[str, ...]
    betas: Float[np.ndarray, "parameters"]
    covariance: Float[np.ndarray, "parameters parameters"]
    informed: Float[np.ndarray, "parameters"]
    motion: Motion

    def __post_init__(self) -> None:
        freeze_fields(self)
        if len(self.parameters) != len(self.betas):
            raise ShapeError(f"BodyParams.betas are {len(self.betas)}, its parameters {len(self.parameters)}")


def untold(parameters: tuple[str, ...], informed: Float[np.ndarray, "parameters"]) -> tuple[str, ...]:
    """Parameters that nothing was seen of: what is usual, no measurement."""
    return tuple(name for name, share in zip(parameters, informed.tolist(), strict=True) if share < _TOLD)
