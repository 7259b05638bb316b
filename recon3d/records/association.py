"""Whose each detection is: what several people are triangulated from."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int

from recon3d.arrays import freeze_fields


@dataclass(frozen=True, slots=True, eq=False)
class Association:
    """Which detections are whose, over a window.

    Attributes:
        frame: numbers of the reference camera's frames.
        track: ids of those who were followed; one person may be several tracks.
        slot: of each of them in each view, -1 where it is not seen.
        swapped: arms, legs of a detection whose left and right are exchanged.
    """

    frame: Int[np.ndarray, "frames"]
    track: Int[np.ndarray, "tracks"]
    slot: Int[np.ndarray, "frames tracks views"]
    swapped: Bool[np.ndarray, "frames tracks views groups"]

    def __post_init__(self) -> None:
        freeze_fields(self)

    def __len__(self) -> int:
        return len(self.frame)
