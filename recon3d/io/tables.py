"""Keypoints as text: CSV with everything recon3d knows, TRC for OpenSim."""

import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from recon3d.errors import InputError
from recon3d.io.files import atomic
from recon3d.records import Keypoints3D, State

Y_UP = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
"""Z-up world to OpenSim's: its x is our y, its y (up) our z, its z our x."""
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
    """Track Row Column for OpenSim: metres, y up, absent cells empty.

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
            line = "%d\t%.9g" + "\t%.6f" * (3 * len(joints))
            rows = np.concatenate([world.time[:, None], xyz.reshape(len(world), -1)], 1).tolist()
            for number, row in zip(world.frame.tolist(), rows, strict=True):
                body.write((line % (number, *row)).replace("nan", "") + "\n")
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
