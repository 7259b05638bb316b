"""3D keypoints as Parquet: one row for each point of each frame, for pandas, Polars, DuckDB and R; needs pyarrow.

Metres, z up; where a point is missing its numbers are null. What they mean is in the file's metadata too.
"""

from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from recon3d.errors import InputError, SetupError
from recon3d.io.files import atomic
from recon3d.records import Keypoints3D, State

_STATES = [State(k).name.lower() for k in range(len(State))]


def write_parquet(path: Path, windows: Iterable[Keypoints3D], person: int = 0) -> None:
    """One person's points, a row group a window.

    Raises:
        SetupError: pyarrow is not installed.
        InputError: there are no frames.
    """
    try:
        arrow: Any = import_module("pyarrow")
        parquet: Any = import_module("pyarrow.parquet")
    except ImportError:
        raise SetupError("Parquet needs pyarrow: pip install 'recon3d[export]'") from None
    with atomic(path, "wb") as stream:
        writer: Any = None
        for world in windows:
            table = _table(arrow, world, person)
            if writer is None:
                about = {"unit": "m", "up": "z", "handed": "right", "layout": world.layout.name, "time": "s"}
                schema = table.schema.with_metadata(about)
                writer = parquet.ParquetWriter(stream, schema)
            writer.write_table(table.replace_schema_metadata(writer.schema.metadata))
        if writer is None:
            raise InputError(f"{path}: there is nothing to write")
        writer.close()


def _table(arrow: Any, world: Keypoints3D, person: int) -> Any:
    frames, points = len(world), len(world.layout)

    def numbers(values: np.ndarray) -> Any:
        flat = np.ascontiguousarray(values).reshape(-1)
        return arrow.array(flat, mask=~np.isfinite(flat))

    names = np.array(world.layout.points, dtype=object)
    indices = arrow.array(np.tile(np.arange(points, dtype=np.int32), frames))
    xyz = world.xyz[:, person]
    columns = {
        "frame": arrow.array(np.repeat(world.frame, points)),
        "time_s": arrow.array(np.repeat(world.time, points)),
        "person": arrow.array(np.full(frames * points, int(world.people[person]))),
        "point": arrow.DictionaryArray.from_arrays(indices, arrow.array(names.tolist())),
        "x_m": numbers(xyz[..., 0]),
        "y_m": numbers(xyz[..., 1]),
        "z_m": numbers(xyz[..., 2]),
        "confidence": numbers(world.confidence[:, person]),
        "sigma_m": numbers(world.sigma_m()[:, person]),
        "views": arrow.array(world.views[:, person].reshape(-1)),
        "state": arrow.DictionaryArray.from_arrays(arrow.array(world.state[:, person].reshape(-1).astype(np.int32)), arrow.array(_STATES)),
    }
    return arrow.table(columns)
