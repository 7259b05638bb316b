"""OpenSim's tables (.sto, .mot): a header that says the unit of angles, then tab-separated columns by name."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from recon3d.errors import InputError
from recon3d.io.files import atomic, read_text
from recon3d.records import Motion
from recon3d.skeleton.coordinates import ROOT_PLACE, coordinate_values

_ABSURD = 1e9  # what is larger is no angle


def write_mot(path: Path, motion: Motion) -> None:
    """A person's motion as coordinates of its OpenSim model (`recon3d.io.osim`): degrees, metres, y up; without frames of nobody.

    Raises:
        InputError: nobody is there in any frame.
    """
    there = motion.present()
    if not there.any():
        raise InputError(f"{path}: there is nobody in any frame")
    values = coordinate_values(motion.armature, motion.poses())
    columns = {name: (x if name in ROOT_PLACE else np.rad2deg(x))[there] for name, x in values.items()}
    write_sto(path, {"time": motion.time[there], **columns}, path.stem)


def write_sto(path: Path, columns: Mapping[str, np.ndarray], name: str) -> None:
    """Columns of numbers, the first of them ``time``; angles in degrees."""
    rows = np.stack(list(columns.values()), -1)
    head = [name, "version=1", f"nRows={len(rows)}", f"nColumns={len(columns)}", "inDegrees=yes", "endheader"]
    with atomic(path) as file:
        np.savetxt(file, rows, ["%.15g", *["%.9g"] * (rows.shape[1] - 1)], "\t", header="\n".join((*head, "\t".join(columns))), comments="")


def read_sto(path: Path | str) -> dict[str, np.ndarray]:
    """Columns by name. Angles are in degrees, whatever the file has them in.

    Raises:
        InputError: what is no such table, with the line.
    """
    path = Path(path)
    lines = read_text(path).splitlines()
    end = next((k for k, line in enumerate(lines) if line.strip() == "endheader"), -1)
    if end < 0 or end + 1 >= len(lines):
        raise InputError(f"{path} is no STO or MOT file: it has no endheader")
    head = dict(line.split("=", 1) for line in lines[:end] if "=" in line)
    names = lines[end + 1].split()
    rows: list[list[float]] = []
    for number, line in enumerate(lines[end + 2 :], end + 3):
        if not line.strip():
            continue
        try:
            rows.append([float(cell) for cell in line.split()])
        except ValueError as error:
            raise InputError(f"{path}, line {number}: {error}") from None
        if len(rows[-1]) != len(names):
            raise InputError(f"{path}, line {number}: {len(rows[-1])} numbers under {len(names)} names")
    announced = head.get("nRows", "").strip()
    if not rows or (announced.isdigit() and int(announced) != len(rows)):
        raise InputError(f"{path}: {announced or 'some'} rows are announced, {len(rows)} are there")
    table = np.array(rows)
    table = np.where(np.abs(table) < _ABSURD, table, np.nan)
    turned = head.get("inDegrees", "no").strip().lower() == "no"
    lengths = ("time", *ROOT_PLACE)
    return {n: np.rad2deg(table[:, k]) if turned and n not in lengths else table[:, k].copy() for k, n in enumerate(names)}
