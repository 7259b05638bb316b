"""Keypoints as text: CSV with everything recon3d knows, TRC for OpenSim."""

import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from recon3d.errors import InputError
from recon3d.io.files import atomic, read_text
from recon3d.io.markers import markers
from recon3d.records import Keypoints3D, State

Y_UP = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
"""Z-up world to OpenSim's: its x is our y, its y (up) our z, its z our x."""
_ABSURD = 1e9  # what is larger is no place
_STATES = np.array([State(k).name.lower() for k in range(len(State))])


def write_csv(path: Path, windows: Iterable[Keypoints3D], person: int = 0) -> None:
    """One row a frame; for each joint x, y, z in metres (z up), confidence, sigma and state; absent is empty."""
    with atomic(path) as stream:
        for k, world in enumerate(windows):
            if k == 0:
                columns = ["frame", "time_s"]
                for joint in world.layout.points:
                    columns += [f"{joint}_{c}" for c in ("x_m", "y_m", "z_m", "confidence", "sigma_m", "state")]
                stream.write(",".join(columns) + "\n")
            joint = "," + ",".join(["%.6f"] * 3 + ["%.4f", "%.6f", "%s"])
            row = "%d,%.9g" + joint * len(world.layout)
            values = np.concatenate([world.xyz[:, person], world.confidence[:, person, :, None], world.sigma_m()[:, person, :, None]], -1)
            names = _STATES[world.state[:, person]]
            for f in range(len(world)):  # text is written a row at a time
                cells: list[object] = [world.frame[f], world.time[f]]
                for numbers, name in zip(values[f].tolist(), names[f].tolist(), strict=True):
                    cells += numbers
                    cells.append(name)
                stream.write((row % tuple(cells)).replace("nan", "") + "\n")


def write_trc(path: Path, windows: Iterable[Keypoints3D], person: int = 0) -> None:
    """Track Row Column for OpenSim: metres, y up, NaN where a marker is missing.

    Not empty: OpenSim refuses the whole file where the last cell of a line is.

    Raises:
        InputError: the frames have no one rate.
    """
    count, first, rate, joints = 0, 0, 0.0, ()
    with tempfile.TemporaryFile("w+", encoding="utf-8", newline="\n") as body:
        for world in windows:
            if not count:
                first, joints = int(world.frame[0]), world.layout.points
                rate = frame_rate(world.time)
            xyz = world.xyz[:, person] @ Y_UP.T
            line = "%d\t%.15g" + "\t%.6f" * (3 * len(joints))
            rows = np.concatenate([world.time[:, None], xyz.reshape(len(world), -1)], 1).tolist()
            for number, row in zip(world.frame.tolist(), rows, strict=True):
                body.write((line % (number, *row)).replace("nan", "NaN") + "\n")
            count += len(world)
        if not count:
            raise InputError(f"{path}: there is nothing to write")
        body.seek(0)
        with atomic(path) as stream:
            stream.write(f"PathFileType\t4\t(X/Y/Z)\t{path.name}\n")
            stream.write("DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate\tOrigDataStartFrame\tOrigNumFrames\n")
            stream.write(f"{rate:.9g}\t{rate:.9g}\t{count}\t{len(joints)}\tm\t{rate:.9g}\t{first}\t{count}\n")
            stream.write("Frame#\tTime\t" + "".join(f"{joint}\t\t\t" for joint in joints).rstrip("\t") + "\n")
            axes = "\t".join(f"X{k}\tY{k}\tZ{k}" for k in range(1, len(joints) + 1))
            stream.write(f"\t\t{axes}\n\n")
            shutil.copyfileobj(body, stream, 1 << 20)


def read_trc(path: Path | str) -> Keypoints3D:
    """Markers of a TRC file by their names, in metres and our axes (the file's y is up); empty cells are missing.

    Raises:
        InputError: what is not TRC, with the line; a cut file.
    """
    path = Path(path)
    lines = read_text(path).splitlines()
    if len(lines) < 6 or not lines[0].startswith("PathFileType"):
        raise InputError(f"{path} is not a TRC file: it must begin with PathFileType")
    head = dict(zip(lines[1].split(), lines[2].split(), strict=False))
    unit = {"m": 1.0, "mm": 0.001, "cm": 0.01}.get(head.get("Units", ""))
    if unit is None:
        raise InputError(f"{path}, line 3: unit {head.get('Units')!r} is not m, cm or mm")
    names = [cell.strip() for cell in lines[3].split("\t")[2:] if cell.strip()]
    start = next((k for k in range(5, len(lines)) if lines[k].strip()), len(lines))
    rows: list[list[float]] = []
    for number, line in enumerate(lines[start:], start + 1):
        cells = line.rstrip("\n").split("\t")
        if not line.strip():
            continue
        cells = (cells + [""] * (2 + 3 * len(names)))[: 2 + 3 * len(names)]
        try:
            rows.append([float(cell) if cell.strip() else float("nan") for cell in cells])
        except ValueError as error:
            raise InputError(f"{path}, line {number}: {error}") from None
    values = np.array(rows).reshape(len(rows), 2 + 3 * len(names))
    announced = head.get("NumFrames", "")
    if not rows or (announced.isdigit() and int(announced) != len(rows)):
        raise InputError(f"{path}: {announced} frames are announced, {len(rows)} are there")
    values = np.where(np.abs(values) < _ABSURD, values, np.nan)
    if not np.isfinite(values[:, :2]).all():
        row = int(np.flatnonzero(~np.isfinite(values[:, :2]).all(1))[0])
        raise InputError(f"{path}, line {start + 1 + row}: the frame's number or time is no number")
    xyz = unit * values[:, 2:].reshape(len(rows), len(names), 3) @ Y_UP
    return markers(names, values[:, 0].astype(np.int64), values[:, 1].copy(), xyz)


def frame_rate(time: np.ndarray) -> float:
    """Frames a second of evenly spaced stamps; a single frame has 1.

    Raises:
        InputError: time does not rise.
    """
    if len(time) < 2:
        return 1.0
    step = float(np.median(np.diff(time)))
    if not step > 0:
        raise InputError("time stamps do not rise: the frame rate is unknown")
    exact = (len(time) - 1) / float(time[-1] - time[0])
    return exact if abs(exact * step - 1) < 0.01 else 1 / step
