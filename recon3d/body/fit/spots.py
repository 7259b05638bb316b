"""Vertices that were seen at known places of a picture: what DensePose tells (Guler 2018), where a table says which vertex is where."""

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from recon3d.arrays import freeze_fields
from recon3d.body.linear import LinearModel
from recon3d.errors import InputError, all_faults, valid_names
from recon3d.geometry import Camera
from recon3d.geometry.charts import locate
from recon3d.io.densepose import DensePose

_PARTS = 24
_CLOSE_PX = 1.0  # a vertex further than this from the pixel that shows it is at a part's rim, or hidden
_MOST = 400  # vertices of a picture
_SIGMA_SHARE = 0.02  # of the longer side of a person's box: how far off the places are taken to be; assumed


@dataclass(frozen=True, slots=True, eq=False)
class Spots:
    """Vertices of a model seen in a picture.

    Attributes:
        time: s.
        camera: that took it.
        vertex: of the model.
        xy: where, px.
        sigma_px: standard deviation of each coordinate.
    """

    time: float
    camera: Camera
    vertex: Int[np.ndarray, "spots"]
    xy: Float[np.ndarray, "spots 2"]
    sigma_px: Float[np.ndarray, "spots"]

    def __post_init__(self) -> None:
        freeze_fields(self)
        if not (np.isfinite(self.xy).all() and (self.sigma_px > 0).all()):
            raise InputError(f"spots of camera {self.camera.name} must be numbers, their sigmas above 0: leave out what was not seen")


@dataclass(frozen=True, slots=True, eq=False)
class SurfaceMap:
    """Where vertices lie on DensePose's charts.

    Attributes:
        vertex: of the model.
        part: 1 to 24.
        uv: 0 to 1 on the part.
    """

    vertex: Int[np.ndarray, "spots"]
    part: Int[np.ndarray, "spots"]
    uv: Float[np.ndarray, "spots 2"]

    def __post_init__(self) -> None:
        freeze_fields(self)

    def spots(self, seen: DensePose, camera: Camera, time: float) -> Spots | None:
        """The vertices that DensePose saw of somebody; None where there are none."""
        xy, off = locate(seen.part.astype(np.int64), np.nan_to_num(seen.uv), self.part, self.uv)
        rows = np.flatnonzero(off < _CLOSE_PX)
        if not len(rows):
            return None
        rows = rows[:: -(-len(rows) // _MOST)]
        sigma = _SIGMA_SHARE * float(max(seen.part.shape))
        return Spots(time, camera, self.vertex[rows], xy[rows] + np.floor(seen.box[:2]), np.full(len(rows), sigma))


def read_surface_map(path: Path, model: LinearModel) -> SurfaceMap:
    """Of an .npz file with ``vertex``, ``part`` and ``uv``; DensePose's own table is of SMPL's vertices and under SMPL's licence.

    Raises:
        InputError: no such file, or it does not fit the model.
    """
    if not zipfile.is_zipfile(path):
        raise InputError(f"{path} is not a file of NumPy's arrays (.npz)")
    try:
        with np.load(path, allow_pickle=False) as file:
            held: dict[str, Any] = {name: file[name] for name in file.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} cannot be read: {error}") from None
    if not {"vertex", "part", "uv"} <= set(held):
        raise InputError(f"{path} must hold vertex, part and uv; it has {valid_names(held)}")
    vertex, part, uv = held["vertex"], held["part"], held["uv"]
    faults: list[str] = []
    if vertex.ndim != 1 or part.shape != vertex.shape or uv.shape != (*vertex.shape, 2) or not len(vertex):
        raise InputError(f"{path}: vertex and part must be n numbers, uv n x 2; they are {vertex.shape}, {part.shape}, {uv.shape}")
    if not np.issubdtype(vertex.dtype, np.integer) or vertex.min() < 0 or vertex.max() >= model.skin.count:
        faults.append(f"vertices must be whole numbers from 0 to {model.skin.count - 1}, those of the model {model.name}")
    if not np.issubdtype(part.dtype, np.integer) or part.min() < 1 or part.max() > _PARTS:
        faults.append(f"parts must be whole numbers from 1 to {_PARTS}")
    if not np.issubdtype(uv.dtype, np.number) or not ((uv >= 0) & (uv <= 1)).all():
        faults.append("uv must be from 0 to 1")
    if faults:
        raise InputError(all_faults(faults, f"{path} cannot be used:"))
    return SurfaceMap(vertex.astype(np.int64), part.astype(np.int64), uv.astype(float))
