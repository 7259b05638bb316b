"""The facts of a rig that show a wrong unit or axis at a glance."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from recon3d.arrays import freeze_fields
from recon3d.geometry import CameraRig


@dataclass(frozen=True, slots=True, eq=False)
class RigFacts:
    """What a person checks with a tape measure.

    Attributes:
        names: of the cameras.
        centre: position of each, m.
        distance: between each two, m.
        tilt: of each viewing direction below the horizon, rad; nan where up is unknown.
    """

    names: tuple[str, ...]
    centre: Float[np.ndarray, "cameras 3"]
    distance: Float[np.ndarray, "cameras cameras"]
    tilt: Float[np.ndarray, "cameras"]

    def __post_init__(self) -> None:
        freeze_fields(self)

    @staticmethod
    def of(rig: CameraRig) -> "RigFacts":
        """Distances and tilts of a rig; of moving cameras where their poses start."""
        rig = replace(rig, cameras=tuple(c if c.pose_frame is None else c.at_frame(int(c.pose_frame[0])) for c in rig))
        centre = rig.centres()
        axis = np.stack([camera.cam_from_world.rotation.matrix[2] for camera in rig])
        tilt = np.arcsin(np.clip(-axis[:, 2], -1, 1)) if "up" not in rig.unknown else np.full(len(axis), np.nan)
        return RigFacts(rig.names, centre, np.linalg.norm(centre[:, None] - centre[None], axis=-1), tilt)
