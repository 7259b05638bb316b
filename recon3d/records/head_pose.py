"""Where a head, or another rigid thing, is through time."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, UInt8

from recon3d.arrays import freeze_fields
from recon3d.errors import ShapeError
from recon3d.geometry import SE3


@dataclass(frozen=True, slots=True, eq=False)
class HeadPose:
    """One head.

    Attributes:
        person: id.
        frame: source numbers.
        time: s.
        world_from_head: poses; NaN where there is none. The head's frame: origin midway between the ears, x to the subject's left,
            y backward, z up.
        covariance: of the pose's twist in the head's axes (m, then rad); NaN where there is no pose.
        residual_px: median distance of the points that fit from where they were detected; NaN where none was.
        views: cameras that saw it.
        state: see `State`, of each frame.
        scale: size over that of the average face.
        scale_sigma: standard deviation of that.
    """

    person: int
    frame: Int[np.ndarray, "frames"]
    time: Float[np.ndarray, "frames"]
    world_from_head: SE3
    covariance: Float[np.ndarray, "frames 6 6"]
    residual_px: Float[np.ndarray, "frames"]
    views: UInt8[np.ndarray, "frames"]
    state: UInt8[np.ndarray, "frames"]
    scale: float = 1.0
    scale_sigma: float = 0.0

    def __post_init__(self) -> None:
        freeze_fields(self)
        if self.world_from_head.translation.shape != (len(self.time), 3):
            raise ShapeError(f"HeadPose.world_from_head are {self.world_from_head.translation.shape[:-1]} poses of {len(self.time)} frames")

    def __len__(self) -> int:
        return len(self.time)
