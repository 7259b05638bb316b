"""Rigs of other systems into `rig.toml`, with the facts that show a wrong unit or axis at a glance."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from recon3d.arrays import freeze_fields
from recon3d.geometry import CameraRig
from recon3d.io import read_rig, write_rig_toml


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
        """Distances and tilts of a rig."""
        centre = rig.centres()
        axis = np.stack([camera.cam_from_world.rotation.matrix[2] for camera in rig])
        tilt = np.arcsin(np.clip(-axis[:, 2], -1, 1)) if "up" not in rig.unknown else np.full(len(axis), np.nan)
        return RigFacts(rig.names, centre, np.linalg.norm(centre[:, None] - centre[None], axis=-1), tilt)


def import_rig(source: Path, target: Path, unit: str | None = None) -> RigFacts:
    """Read any rig that recon3d knows and write it as `rig.toml`.

    Raises:
        CameraError: the source cannot be read; nothing is written.
    """
    rig = read_rig(source, unit)
    write_rig_toml(target, rig)
    return RigFacts.of(rig)
