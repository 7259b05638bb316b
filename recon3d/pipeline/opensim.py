"""A take for OpenSim: markers, models and set-ups in a folder; and, where OpenSim is installed, its own scaling and inverse kinematics."""

import subprocess
import sys
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from recon3d import io
from recon3d.arrays import finite_median, whole_rows
from recon3d.errors import InputError, SetupError
from recon3d.geometry import SE3, SO3
from recon3d.io.osim import write_ik_setup, write_marker_set, write_osim, write_scale_setup
from recon3d.io.sto import read_sto, write_mot
from recon3d.pipeline.export import keypoint_windows
from recon3d.pipeline.take import Take
from recon3d.records import Keypoints3D, Motion
from recon3d.records.keypoints3d import of_people
from recon3d.skeleton import Armature, load_armature
from recon3d.skeleton.armature_file import armature_names
from recon3d.skeleton.coordinates import GROUND, ROOT_PLACE, coordinate_values

_FILES = {
    "model": "generic.osim",
    "marker_set": "markers.xml",
    "markers": "markers.trc",
    "scaled": "scaled.osim",
    "motion": "ik.mot",
}
_TOOL = """
import sys, opensim
opensim.Logger.setLevelString("Error")
opensim.Logger.removeFileSink()
tool = opensim.ScaleTool if sys.argv[1] == "scale.xml" else opensim.InverseKinematicsTool
tool(sys.argv[1]).run()
"""
_KNOWN_M = 0.01  # a marker known as well has weight 1
_HEAVIEST = 20.0


@dataclass(frozen=True, slots=True)
class OpenSimFolder:
    """What was written for one person.

    Attributes:
        person: name.
        folder: of the files.
        off_deg: root mean square difference between OpenSim's angles and ours by coordinate; empty where it did not run.
        marker_mm: root mean square distance of OpenSim's markers from the measured ones; NaN where it did not run.
        ours_mm: likewise of our motion.
    """

    person: str
    folder: Path
    off_deg: dict[str, float]
    marker_mm: float
    ours_mm: float


def opensim_take(take: Take, run: bool = False) -> list[OpenSimFolder]:
    """Every person's ``exports/<person>.opensim/``.

    ``generic.osim`` is the armature in the sizes it is shipped with, ``markers.xml`` and ``markers.trc`` the keypoints, ``scale.xml`` and
    ``ik.xml`` the set-ups of OpenSim's tools, ``person.osim`` the armature in this person's sizes and ``motion.mot`` our motion of it.

    Args:
        take: where from, and where to.
        run: let OpenSim scale the generic model and solve inverse kinematics on the markers, and compare.

    Raises:
        InputError: a take without motion.
        SetupError: ``run`` without OpenSim installed.
    """
    tools = _opensim() if run else None
    out: list[OpenSimFolder] = []
    for name, person in take.people().items():
        if not take.motion(name).is_file():
            raise InputError(f"{take.folder} does not hold motion/{name}.npz; run `recon3d reconstruct` again")
        motion, folder = io.read_motion(take.motion(name)), take.export(name, ".opensim")
        folder.mkdir(parents=True, exist_ok=True)
        world = [of_people(w, [person]) for w in keypoint_windows(take)]
        generic = _generic(motion.armature)
        there = motion.time[motion.present()]
        if not len(there):
            raise InputError(f"person {name} is in no frame of {take.folder}")
        span = (float(there[0]), float(there[-1]))
        io.write_trc(folder / _FILES["markers"], iter(world), 0)
        write_osim(folder / _FILES["model"], generic, "generic")
        write_osim(folder / "person.osim", motion.armature, "person")
        write_marker_set(folder / _FILES["marker_set"], generic)
        write_mot(folder / "motion.mot", motion)
        weights = _weights(world)
        write_scale_setup(folder / "scale.xml", generic, list(weights), _FILES, span)
        write_ik_setup(folder / "ik.xml", generic, weights, _usual(generic), {**_FILES, "model": _FILES["scaled"]}, span)
        io.write_side_car(folder, motion, None, take.source())
        off, theirs, ours = _run(tools, folder, motion, world) if tools is not None else ({}, float("nan"), float("nan"))
        out.append(OpenSimFolder(name, folder, off, theirs, ours))
    return out


def _opensim() -> Any:
    try:
        opensim: Any = import_module("opensim")
    except ImportError:
        raise SetupError("to run OpenSim's tools: pip install 'recon3d[opensim]' (the files themselves need nothing)") from None
    opensim.Logger.setLevelString("Error")
    opensim.Logger.removeFileSink()
    return opensim


def _generic(armature: Armature) -> Armature:
    """The armature as it is shipped; one's own as it is."""
    name = armature.skeleton.name
    return load_armature(name) if name in armature_names() else armature


def _weights(world: list[Keypoints3D]) -> dict[str, float]:
    """Of keypoints that are there at all: the inverse of their usual variance, 1 for a centimetre."""
    sigma = np.concatenate([w.sigma_m()[:, 0] for w in world])
    out: dict[str, float] = {}
    for k, name in enumerate(world[0].layout.points):
        usual = finite_median(sigma[:, k])
        if np.isfinite(usual):
            out[name] = min((_KNOWN_M / max(usual, 1e-6)) ** 2, _HEAVIEST)
    return out


def _usual(armature: Armature) -> dict[str, float]:
    """Coordinates in the most common pose."""
    turn = SO3.exp(armature.usual[None]).matrix
    poses = armature.forward(SE3.identity(1), turn)
    return {name: float(value[0]) for name, value in coordinate_values(armature, poses).items() if name not in ROOT_PLACE}


def _run(opensim: Any, folder: Path, motion: Motion, world: list[Keypoints3D]) -> tuple[dict[str, float], float, float]:
    """Scale, solve, compare."""
    for setup, made in (("scale.xml", _FILES["scaled"]), ("ik.xml", _FILES["motion"])):
        (folder / made).unlink(missing_ok=True)
        # On its own, in the folder: set-ups name files beside them, and OpenSim ends the whole program where it fails.
        done = subprocess.run([sys.executable, "-c", _TOOL, setup], cwd=folder, capture_output=True, text=True, check=False)
        if not (folder / made).is_file():
            said = (done.stdout + done.stderr).strip().splitlines() or ["nothing"]
            fault = next((line for line in said if "error" in line.lower()), said[-1])
            raise InputError(f"{folder / setup}: OpenSim did not write {made}; it said {fault.strip()}")
    theirs, ours = read_sto(folder / _FILES["motion"]), read_sto(folder / "motion.mot")
    rows = _nearest(ours["time"], theirs["time"])
    off: dict[str, float] = {}
    for name, values in ours.items():
        if name in theirs and name not in ("time", *ROOT_PLACE):
            apart = theirs[name] - values[rows]
            apart -= 360 * np.rint(apart / 360)
            off[name] = float(np.sqrt(np.mean(apart**2)))
    names, seen = world[0].layout.points, np.concatenate([w.xyz[:, 0] for w in world])
    mine = motion.armature.attachments.select(names)
    columns = [names.index(point) for point in mine.points]
    places = motion.armature.keypoints(motion.poses())[:, [motion.armature.attachments.points.index(p) for p in mine.points]]
    frames = _nearest(motion.time, theirs["time"])
    moved = _marker_places(opensim, folder / _FILES["scaled"], theirs, mine.points) @ GROUND
    seen = seen[frames][:, columns]
    return off, _rms_mm(moved - seen), _rms_mm(places[frames] - seen)


def _nearest(time: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Row of the time that is nearest to each of others; OpenSim writes fewer digits than it reads."""
    after = np.clip(np.searchsorted(time, wanted), 1, max(len(time) - 1, 1))
    before = after - 1
    after = np.minimum(after, len(time) - 1)
    return np.where(wanted - time[before] <= time[after] - wanted, before, after)


def _marker_places(opensim: Any, model_file: Path, values: dict[str, np.ndarray], markers: tuple[str, ...]) -> np.ndarray:
    """Where OpenSim has the model's markers in every frame, m, its y up."""
    model = opensim.Model(str(model_file))
    state = model.initSystem()
    moving = [model.getCoordinateSet().get(i) for i in range(model.getCoordinateSet().getSize())]
    points = [model.getMarkerSet().get(name) for name in markers]
    out = np.empty((len(values["time"]), len(markers), 3))
    for t in range(len(out)):
        for coordinate in moving:
            value = values[coordinate.getName()][t]
            coordinate.setValue(state, float(value if coordinate.getName() in ROOT_PLACE else np.deg2rad(value)), False)
        model.realizePosition(state)
        out[t] = [point.getLocationInGround(state).to_numpy() for point in points]
    return out


def _rms_mm(off: np.ndarray) -> float:
    """Of whole rows."""
    rows = off[whole_rows(off)]
    return 1000 * float(np.sqrt((rows**2).sum(-1).mean())) if len(rows) else float("nan")
