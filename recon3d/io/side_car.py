"""What animation files cannot hold, in a ``.json`` beside them: which joints were seen when, and which feet stood."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from recon3d.io.files import write_json
from recon3d.io.tables import frame_rate
from recon3d.records import Animation, JointMotion, Keypoints3D, Motion, State

_AXES: dict[str, dict[str, object]] = {
    ".angles.csv": {"unit": "deg"},
    ".angles.parquet": {"unit": "deg"},
    ".c3d": {"unit": "mm", "up": "z", "handed": "right"},
    ".csv": {"unit": "m", "up": "z", "handed": "right"},
    ".npz": {"unit": "m", "up": "z", "handed": "right"},
    ".nwb": {"unit": "m", "up": "z", "handed": "right"},
    ".parquet": {"unit": "m", "up": "z", "handed": "right"},
    ".easymocap": {"unit": "m", "up": "z", "handed": "right", "layout": "body_25"},
    ".pose2sim": {"unit": "m", "up": "y in pose-3d", "handed": "right"},
    ".trc": {"unit": "m", "up": "y", "handed": "right"},
    ".mot": {"unit": "m, deg", "up": "y", "handed": "right"},
    ".opensim": {"unit": "m, deg in .mot", "up": "y", "handed": "right"},
    ".osim": {"unit": "m, rad", "up": "y", "handed": "right"},
}


def write_side_car(path: Path, motion: Motion, animation: Animation | None = None, source: Mapping[str, Any] | None = None) -> None:
    """``<name>.json`` beside a file.

    Args:
        path: of the file.
        motion: that was written.
        animation: as which it was, where it was one.
        source: where it comes from: take and settings.
    """
    told: dict[str, object] = {"person": motion.person, "armature": motion.armature.skeleton.name, **_axes_of(path)}
    if animation is not None:
        told |= {
            "unit_m": animation.unit_m,
            "up": animation.up,
            "handed": "right",
            "character": animation.name,
            "frames": len(animation),
            "frame_rate": frame_rate(animation.time),
            "joints": list(animation.joints),
        }
    write_json(path.with_name(path.name + ".json"), {**told, **side_car(motion), "source": dict(source or {})})


def write_with_side_car(
    writer: Callable[[Path, Iterable[Keypoints3D], int], None], path: Path, windows: Iterable[Keypoints3D], source: Mapping[str, Any]
) -> None:
    """One person's keypoints, written by a writer of windows, with ``<name>.json`` beside the file."""
    frames: list[np.ndarray] = []
    times: list[np.ndarray] = []
    states: list[np.ndarray] = []
    points: tuple[str, ...] = ()

    def noted() -> Iterator[Keypoints3D]:
        nonlocal points
        for world in windows:
            points = world.layout.points
            frames.append(world.frame)
            times.append(world.time)
            states.append(world.state[:, 0])
            yield world

    writer(path, noted(), 0)
    frame, time, state = (np.concatenate(parts) for parts in (frames, times, states))
    told = {
        **_axes_of(path),
        "frames": len(frame),
        "frame_rate": frame_rate(time),
        "first_source_frame": int(frame[0]),
        "first_time_s": float(time[0]),
        "points": list(points),
        "states": {point: _runs(_names()[state[:, k]]) for k, point in enumerate(points)},
    }
    write_json(path.with_name(path.name + ".json"), {**told, "source": dict(source)})


def write_project_side_car(path: Path, people: Mapping[str, int], source: Mapping[str, Any]) -> None:
    """``<name>.json`` beside a whole take's folder."""
    write_json(path.with_name(path.name + ".json"), {**_axes_of(path), "people": dict(people), "source": dict(source)})


def _axes_of(path: Path) -> dict[str, object]:
    """Unit and axes of formats that have them fixed."""
    suffix = next((s for s in _AXES if path.name.endswith(s)), "")
    return dict(_AXES.get(suffix, {}))


def _names() -> np.ndarray:
    return np.array([State(k).name.lower() for k in range(len(State))])


def write_joint_side_car(path: Path, robot: JointMotion, motion: Motion, source: Mapping[str, Any]) -> None:
    """``<name>.json`` beside a file of a robot's motion: units, conventions, the states of the person's joints, what was measured."""
    told: dict[str, object] = {
        "person": motion.person,
        "robot": robot.robot,
        "unit": "m, rad",
        "up": "z",
        "handed": "right",
        "quaternion": "world_from_root; x y z w in CSV and ROS, w x y z in npz",
        "frames": len(robot),
        "frame_rate": frame_rate(robot.time),
        "joints": list(robot.joints),
        "absent": [[a, b] for a, b, there in _runs(robot.present) if not there],
        "planted": {side: [[a, b] for a, b, held in _runs(robot.contact[:, k]) if held] for k, side in enumerate(("left", "right"))},
    }
    write_json(path.with_name(path.name + ".json"), {**told, **side_car(motion), "source": dict(source)})


def side_car(motion: Motion) -> dict[str, object]:
    """State of every joint, and its contact with the floor, as runs ``[first frame, last frame, state]``.

    Frames are those of the motion, counted from 0. What is missing is no pose at all: programs that must show one show the last.
    """
    names = _names()
    states = {joint: _runs(names[motion.state[:, j]]) for j, joint in enumerate(motion.armature.joints)}
    contacts = {
        joint: [[a, b] for a, b, held in _runs(motion.contact[:, j]) if held]
        for j, joint in enumerate(motion.armature.joints)
        if motion.contact[:, j].any()
    }
    return {
        "first_source_frame": int(motion.frame[0]),
        "first_time_s": float(motion.time[0]),
        "motion_frames": len(motion),
        "motion_frame_rate": frame_rate(motion.time),
        "states": states,
        "contacts": contacts,
    }


def _runs(values: np.ndarray) -> list[list[object]]:
    edges = np.flatnonzero(np.concatenate([[True], values[1:] != values[:-1]]))
    ends = [*(edges[1:] - 1).tolist(), len(values) - 1]
    return [[a, b, values[a].item()] for a, b in zip(edges.tolist(), ends, strict=True)]
