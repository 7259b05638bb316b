"""OpenPose's ``--write_keypoint``: matrices of OpenCV's FileStorage in YAML, XML or JSON, one file a frame.

``<name>_pose.yml`` holds ``pose_0`` and, of several cameras that OpenPose saw at once, ``pose_1``, ...: people by points
by x, y, score; an empty matrix where nobody is. ``_face``, ``_hand_left`` and ``_hand_right`` beside it are the same
people's. As in ``--write_json`` (`recon3d.io.keypoints.openpose`), people have no order that means anything.
"""

import re
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from recon3d.errors import InputError, all_faults
from recon3d.io.files import read_json, read_text
from recon3d.io.keypoints.found import FoundKeypoints, KeypointOptions, PeopleRows
from recon3d.io.keypoints.gather import numbered, numbers, whole
from recon3d.io.keypoints.openpose import OpenPosePerson, body_layout, rows_of_people, with_parts
from recon3d.io.rigs.text import xml_root

_ENDINGS = ("yml", "yaml", "xml", "json")
_PARTS = {"left_hand_": "hand_left", "right_hand_": "hand_right", "face_": "face"}
_MAX_FAULTS = 8
_HEAD = re.compile(r'\bpose_0"?\s*[:>]|<pose_0\b')
_YAML = re.compile(r"^(\w+): !!opencv-matrix\s+rows: (\d+)\s+cols: (\d+)\s+dt: (\S+)\s+data: \[([^\]]*)\]", re.MULTILINE)
_DIGITS = 10
_Frame: TypeAlias = list[list[OpenPosePerson]]
"""People of each camera."""


def is_storage_frame(text: str) -> bool:
    """Whether the beginning of a file is that of a frame's bodies."""
    return _HEAD.search(text[:400]) is not None


def storage_files(folder: Path) -> tuple[str, list[Path]]:
    """The ending of the files with bodies, and these; none where the folder has no such files."""
    for ending in _ENDINGS:
        files = sorted(folder.glob(f"*_pose.{ending}"))
        if files:
            return ending, files
    return "", []


def read_openpose_storage(path: Path, options: KeypointOptions) -> list[FoundKeypoints]:
    """All cameras of a folder; they share the layout, for one network saw them all."""
    ending, _ = storage_files(path) if path.is_dir() else ("", [])
    if not ending:
        raise InputError(f"{path} is no folder with files *_pose.yml, .xml or .json, one a frame")
    files = numbered(path, f"*_pose.{ending}")
    frames: list[_Frame] = []
    faults: list[str] = []
    for _, file in files:
        try:
            frames.append(_frame(file, ending))
        except InputError as error:
            faults.append(str(error))
    if faults:
        more = [f"... and {len(faults) - _MAX_FAULTS} more"] if len(faults) > _MAX_FAULTS else []
        raise InputError(all_faults(faults[:_MAX_FAULTS] + more, f"files of {path} cannot be used:"))
    everybody = [person for frame in frames for people in frame for person in people]
    numbers = np.array([number for number, _ in files], dtype=np.int64)
    views = max(len(frame) for frame in frames)
    names = [path.name] if views == 1 else [f"cam_{view}" for view in range(views)]
    if not everybody:
        nobody = PeopleRows.of(np.zeros(0, dtype=np.int64), np.zeros((0, 1, 3)), frames=numbers)
        return [FoundKeypoints(path, name, None, nobody, "heatmap") for name in names]
    prefixes, layout = with_parts(body_layout([p.body for p in everybody], path, names[0], options.layout), everybody)
    out = []
    for view, name in enumerate(names):
        people = [frame[view] if view < len(frame) else [] for frame in frames]
        rows = rows_of_people(people, numbers, layout, prefixes, f"camera {name}: files of {path}")
        out.append(FoundKeypoints(path, name, layout, rows, "heatmap"))
    return out


def _frame(file: Path, ending: str) -> _Frame:
    bodies = _people(file, "pose")
    stem = file.name.removesuffix(f"_pose.{ending}")
    beside = {prefix: file.with_name(f"{stem}_{part}.{ending}") for prefix, part in _PARTS.items()}
    parts = {prefix: _people(other, _PARTS[prefix]) for prefix, other in beside.items() if other.is_file()}
    out: _Frame = []
    for view, people in enumerate(bodies):
        own = {prefix: views[view] for prefix, views in parts.items() if view < len(views)}
        for prefix, values in own.items():
            if len(values) not in (0, len(people)):
                raise InputError(f"{beside[prefix]} has {len(values)} people, {file.name} {len(people)}")
        out.append([OpenPosePerson(body, {p: v[k] for p, v in own.items() if len(v)}, -1) for k, body in enumerate(people)])
    return out


def _people(file: Path, part: str) -> list[np.ndarray]:
    """People, points, 3 of each camera."""
    store = _matrices(file)
    out: list[np.ndarray] = []
    while f"{part}_{len(out)}" in store:
        where = f"{file}: {part}_{len(out)}"
        rows, columns, kind, data = store[f"{part}_{len(out)}"]
        shape = (whole(_number(rows), f"{where}, rows"), whole(_number(columns), f"{where}, cols"))
        if 0 in shape:
            out.append(np.zeros((0, 0, 3)))
            continue
        values = _values(data, where)
        if min(shape) < 0 or str(kind).strip('"') not in ("3f", "3d") or values.size != 3 * shape[0] * shape[1]:
            raise InputError(f"{where} is no matrix of people by points by x, y, score")
        out.append(values.reshape(*shape, 3))
    if not out:
        raise InputError(f"{file} has no {part}_0, which OpenPose writes for its first camera")
    return out


def _matrices(file: Path) -> dict[str, tuple[Any, Any, Any, Any]]:
    """Rows, columns, kind of number and data of each matrix of a file, as they are written."""
    text = read_text(file).lstrip()
    if text.startswith("{"):
        data = read_json(file)
        found = {name: entry for name, entry in data.items() if isinstance(entry, dict)}
        return {name: (entry.get("rows"), entry.get("cols"), entry.get("dt"), entry.get("data")) for name, entry in found.items()}
    if text.startswith("<"):
        nodes = {node.tag: [(node.findtext(key) or "").strip() for key in ("rows", "cols", "dt", "data")] for node in xml_root(file)}
        return {name: (rows, columns, kind, data) for name, (rows, columns, kind, data) in nodes.items()}
    # OpenCV writes a matrix always alike; a general reader of YAML takes 20 times as long, and there is a file a frame.
    return {found[1]: (found[2], found[3], found[4], found[5]) for found in _YAML.finditer(text)}


def _number(value: Any) -> Any:
    return int(value) if isinstance(value, str) and value.isdecimal() and len(value) < _DIGITS else value


def _values(data: Any, where: str) -> np.ndarray:
    """Numbers, in text with or without commas between them, or in a list."""
    if not isinstance(data, str):
        return numbers(data, where)
    try:
        return np.array(data.replace(",", " ").split(), dtype=float)
    except ValueError as error:
        raise InputError(f"{where}: {error}") from None
