"""Whole takes as the projects of other programs: cameras, 2D and 3D, everybody: `PROJECT_WRITERS`.

| project | what is in the folder |
|---|---|
| easymocap | ``intri.yml``, ``extri.yml``, ``annots/<camera>/*.json``, ``keypoints3d/*.json``; BODY_25, metres, z up |
| pose2sim | ``calibration/Calib.toml``, ``pose/<camera>_json/*.json``, ``pose-3d/<take>_<person>_<first>-<last>.trc``; metres, y up |

What a layout does not have is 0, 0, 0, 0 in EasyMocap's files and left out of Pose2Sim's, as those programs write it.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from recon3d.arrays import whole_rows
from recon3d.errors import InputError
from recon3d.geometry import CameraRig
from recon3d.io.files import atomic, fresh_folder
from recon3d.io.keypoints.write import write_easymocap as write_annots
from recon3d.io.keypoints.write import write_openpose
from recon3d.io.rigs import write_rig
from recon3d.io.tables import write_trc
from recon3d.records import Keypoints2D, Keypoints3D
from recon3d.records.keypoints3d import of_people
from recon3d.skeleton import load_layout, map_layout

_BODY = "body_25"
_WORDS = {"mid_hip": "Hip", "pelvis": "Hip", "head_top": "Head", "upper_neck": "Neck", "thorax": "Neck"}


def write_easymocap_project(
    path: Path, worlds: Callable[[], Iterable[Keypoints3D]], seen: Sequence[Keypoints2D], rig: CameraRig, people: Mapping[str, int]
) -> None:
    """A folder that EasyMocap's visualisation and SMPL fits start from.

    Args:
        path: of the folder.
        worlds: gives the 3D windows.
        seen: of every camera.
        rig: that the 3D was made with.
        people: ids by name.

    Raises:
        InputError: points that BODY_25 has nothing of.
    """
    body = load_layout(_BODY)
    ids = set(people.values())
    with fresh_folder(path, "keypoints3d") as folder:
        write_rig(folder, rig, "easymocap")
        for view in seen:
            mapping = map_layout(view.layout, body)
            if len(mapping.missing) == len(body):
                raise InputError(f"layout {view.layout.name} has no point of BODY_25, which EasyMocap's projects are in")
            xy, confidence = mapping.positions(view.xy.astype(float)), mapping.confidences(view.confidence.astype(float))
            there = whole_rows(xy)
            moved = replace(
                view,
                layout=body,
                xy=xy.astype(np.float32),
                confidence=np.where(there, confidence, 0.0).astype(np.float32),
                sigma_px=np.where(there, 1.0, np.nan).astype(np.float32),
            )
            write_annots(folder / "annots" / view.camera, moved)
        for world in worlds():
            mapping = map_layout(world.layout, body)
            xyz, confidence = mapping.positions(world.xyz), mapping.confidences(world.confidence)
            there = whole_rows(xyz)
            rows = np.concatenate([np.where(there[..., None], xyz, 0.0), np.where(there, confidence, 0.0)[..., None]], -1).round(6)
            for f, frame in enumerate(world.frame.tolist()):
                found = [
                    {"id": person, "keypoints3d": rows[f, k].tolist()}
                    for k, person in enumerate(world.people.tolist())
                    if person in ids and there[f, k].any()
                ]
                with atomic(folder / "keypoints3d" / f"{frame:06d}.json") as stream:
                    json.dump(found, stream)


def write_pose2sim_project(
    path: Path, worlds: Callable[[], Iterable[Keypoints3D]], seen: Sequence[Keypoints2D], rig: CameraRig, people: Mapping[str, int]
) -> None:
    """A folder that Pose2Sim's filtering, marker augmentation and kinematics start from; arguments as above."""
    with fresh_folder(path, "pose-3d") as folder:
        (folder / "calibration").mkdir()
        write_rig(folder / "calibration" / "Calib.toml", rig, "aniposelib")
        for view in seen:
            write_openpose(folder / "pose" / f"{view.camera}_json", view)
        frames = [world.frame for world in worlds()]
        span = f"{int(frames[0][0])}-{int(frames[-1][-1])}"
        for name, person in people.items():
            named = (_named(of_people(world, [person])) for world in worlds())
            write_trc(folder / "pose-3d" / f"{path.stem}_{name}_{span}.trc", named, 0)


def _named(world: Keypoints3D) -> Keypoints3D:
    """With Pose2Sim's names of markers: RBigToe for right_big_toe."""
    taken: list[str] = []
    for point in world.layout.points:
        side, _, part = point.partition("_")
        name = side[0].upper() + _camel(part) if side in ("left", "right") else _WORDS.get(point, _camel(point))
        taken.append(name if name not in taken else _camel(point))
    return replace(world, layout=replace(world.layout, points=tuple(taken)))


def _camel(words: str) -> str:
    return "".join(word.capitalize() for word in words.split("_"))


PROJECT_WRITERS: dict[
    str, Callable[[Path, Callable[[], Iterable[Keypoints3D]], Sequence[Keypoints2D], CameraRig, Mapping[str, int]], None]
] = {"easymocap": write_easymocap_project, "pose2sim": write_pose2sim_project}
"""Writers of a take's folder for another program, from the path, the 3D windows, the cameras' keypoints, the rig and the people."""
