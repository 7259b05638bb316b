"""One image of a video."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8


@dataclass(frozen=True, slots=True)
class Frame:
    """One image.

    Attributes:
        number: from 0, as in the file.
        time: s from the file's first frame, by its own time stamps.
        image: RGB; maybe not contiguous in memory.
    """

    number: int
    time: float
    image: UInt8[np.ndarray, "height width 3"]
