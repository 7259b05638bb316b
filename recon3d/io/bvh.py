"""BVH: a hierarchy of joints with Euler angles in degrees.

The format has no unit and no axes: what is written has those of the animation, and what is read those that the reader
is told. A joint's frame at rest is its parent's, whatever an animation says of it: its whole turn is in the angles.
"""

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from recon3d.errors import InputError, all_faults
from recon3d.geometry import SO3
from recon3d.geometry.euler import continuous, euler, from_euler
from recon3d.geometry.lie import without_sign_flips
from recon3d.io.files import atomic, read_text
from recon3d.io.tables import frame_rate
from recon3d.records.animation import Animation

_CHUNK = 2000  # frames of text at once
_MAX_DEPTH = 500


def write_bvh(path: Path, animation: Animation) -> None:
    """An animation; the order of rotations is its own: with "ZXY" R = Rz Rx Ry on column vectors."""
    joints: list[int] = []
    order = animation.order
    lines = ["HIERARCHY"]
    rotations = " ".join(f"{axis}rotation" for axis in order)
    moving = set(animation.moving.tolist())

    def visit(joint: int, depth: int) -> None:
        tab = "\t" * depth
        joints.append(joint)
        x, y, z = animation.rest_place[joint] if depth else np.zeros(3)
        kept = joint in moving or not depth
        lines.append(f"{tab}{'JOINT' if depth else 'ROOT'} {animation.joints[joint]}")
        lines.append(f"{tab}{{")
        lines.append(f"{tab}\tOFFSET {x:.6f} {y:.6f} {z:.6f}")
        lines.append(f"{tab}\tCHANNELS {6 if kept else 3} {'Xposition Yposition Zposition ' if kept else ''}{rotations}")
        below = animation.children(joint)
        for child in below:
            visit(child, depth + 1)
        if not below:
            x, y, z = animation.tip[joint]
            lines.extend([f"{tab}\tEnd Site", f"{tab}\t{{", f"{tab}\t\tOFFSET {x:.6f} {y:.6f} {z:.6f}", f"{tab}\t}}"])
        lines.append(f"{tab}}}")

    roots = np.flatnonzero(animation.parents < 0).tolist()
    if len(roots) != 1:
        raise InputError(f"{path}: BVH holds one root; {animation.name} has {len(roots)}")
    visit(roots[0], 0)
    angles = np.rad2deg(continuous(euler(SO3.from_wxyz(animation.rotation[:, joints]).matrix, order)))
    places = animation.places() if moving else None
    with atomic(path) as stream:
        stream.write("\n".join(lines))
        stream.write(f"\nMOTION\nFrames: {len(animation)}\nFrame Time: {1 / frame_rate(animation.time):.9f}\n")
        for start in range(0, len(animation), _CHUNK):
            rows = slice(start, start + _CHUNK)
            columns: list[np.ndarray] = []
            for k, joint in enumerate(joints):
                if joint in moving or not k:
                    columns.append(
                        places[rows, joint] if places is not None else np.tile(animation.rest_place[joint], (len(angles[rows]), 1))
                    )
                columns.append(angles[rows, k])
            values = np.concatenate(columns, 1)
            line = " ".join(["%.6f"] * values.shape[1]) + "\n"
            stream.write((line * len(values)) % tuple(values.ravel().tolist()))


class _Joint(NamedTuple):
    name: str
    parent: int
    channels: list[str]


def read_bvh(path: Path | str, unit_m: float = 0.01, up: str = "y") -> Animation:
    """A BVH file of one hierarchy; joints may have channels of place and any order of rotations.

    Args:
        path: the file.
        unit_m: metres that its unit is long: most files are in centimetres, some in metres or inches.
        up: its axis that points up.

    Raises:
        InputError: what is not BVH, with the line; a cut file.
    """
    path = Path(path)
    text = read_text(path)
    head, found, tail = text.partition("MOTION")
    if "HIERARCHY" not in head or not found:
        raise InputError(f"{path} is not a BVH file: it has no {'MOTION' if 'HIERARCHY' in head else 'HIERARCHY'}")
    joints, offset, tip = _hierarchy(path, head)
    count = re.match(r"\s*Frames:\s*(\d+)\s*Frame Time:\s*(\S+)\s*", tail)
    if count is None:
        raise InputError(f"{path}: MOTION must go on with 'Frames:' and 'Frame Time:'")
    frames, step = int(count[1]), _number(path, count[2], "Frame Time")
    width = sum(len(j.channels) for j in joints)
    values = _values(path, tail[count.end() :], frames, width)
    rotation = np.zeros((frames, len(joints), 4))
    moving: list[int] = []
    place: list[np.ndarray] = []
    column = 0
    for k, joint in enumerate(joints):
        own = values[:, column : column + len(joint.channels)]
        column += len(joint.channels)
        turns = [n for n, channel in enumerate(joint.channels) if channel.endswith("rotation")]
        order = "".join(joint.channels[n][0].upper() for n in turns)
        rotation[:, k] = SO3(from_euler(np.deg2rad(own[:, turns]), order)).wxyz()
        shifts = [n for n, channel in enumerate(joint.channels) if channel.endswith("position")]
        if shifts:
            at = np.tile(offset[k], (frames, 1))
            for n in shifts:
                at[:, "XYZ".index(joint.channels[n][0].upper())] = own[:, n]
            moving.append(k)
            place.append(at)
    still = np.zeros((len(joints), 4))
    still[:, 0] = 1.0
    return Animation(
        name=path.stem,
        joints=tuple(j.name for j in joints),
        parents=np.array([j.parent for j in joints], dtype=np.int64),
        rest_place=offset,
        rest_turn=still,
        tip=tip,
        time=np.arange(frames) * step,
        moving=np.array(moving, dtype=np.int64),
        place=np.stack(place, 1) if place else np.zeros((frames, 0, 3)),
        rotation=without_sign_flips(rotation),
        unit_m=unit_m,
        up=up,
    )


def _hierarchy(path: Path, text: str) -> tuple[list[_Joint], np.ndarray, np.ndarray]:
    joints: list[_Joint] = []
    offset: list[list[float]] = []
    tip: dict[int, list[float]] = {}
    stack: list[int] = []  # -1 stands for an end site
    faults: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.replace("{", " { ").replace("}", " } ").split()
        while words:
            word = words.pop(0)
            if word in ("ROOT", "JOINT"):
                parent = next((s for s in reversed(stack) if s >= 0), -1)
                if word == "ROOT" and joints:
                    raise InputError(f"{path}, line {number}: a second hierarchy; write one file a character")
                joints.append(_Joint(" ".join(words) or f"joint{len(joints)}", parent, []))
                offset.append([0.0, 0.0, 0.0])
                words, opened = [], len(joints) - 1
                stack.append(opened)
            elif word == "End":
                words = [w for w in words if w != "Site"]
                stack.append(-1)
            elif word == "OFFSET" and stack and len(words) >= 3:
                xyz = [_number(path, w, f"line {number}") for w in words[:3]]
                words = words[3:]
                if stack[-1] < 0:
                    tip[next((s for s in reversed(stack) if s >= 0), 0)] = xyz
                else:
                    offset[stack[-1]] = xyz
            elif word == "CHANNELS" and stack and stack[-1] >= 0 and words and words[0].isdigit():
                many = int(words[0])
                names = words[1 : many + 1]
                wrong = [n for n in names if not re.fullmatch(r"[XYZxyz](position|rotation)", n)]
                if wrong or len(names) != many:
                    faults.append(f"line {number}: {many} channels are announced, named are {' '.join(names) or 'none'}")
                joints[stack[-1]].channels.extend(names)
                words = words[many + 1 :]
            elif word == "}":
                if stack:
                    stack.pop()
            elif word not in ("{", "HIERARCHY"):
                faults.append(f"line {number}: {word!r} is not expected here")
                words = []
            if len(stack) > _MAX_DEPTH:
                raise InputError(f"{path}, line {number}: joints are nested too deeply")
    if not joints:
        faults.append("there are no joints")
    if len({j.name for j in joints}) != len(joints):
        faults.append("joint names occur twice")
    for joint in joints:
        turns = [c[0].upper() for c in joint.channels if c.endswith("rotation")]
        if len(turns) != len(set(turns)):
            faults.append(f"joint {joint.name} turns twice about one axis")
    if faults:
        raise InputError(all_faults(faults, f"{path} cannot be read as BVH:"))
    tips = np.array([tip.get(k, [0.0, 0.0, 0.0]) for k in range(len(joints))])
    return joints, np.array(offset), tips


def _values(path: Path, text: str, frames: int, width: int) -> np.ndarray:
    words = text.split()
    if len(words) < frames * width:
        raise InputError(f"{path} is cut: {frames} frames of {width} numbers are announced, {len(words) // max(width, 1)} frames are there")
    try:
        values = np.array(words[: frames * width], dtype=float).reshape(frames, width)
    except ValueError as error:
        raise InputError(f"{path}: {error}") from None
    if not np.isfinite(values).all():
        raise InputError(f"{path}: frame {int(np.flatnonzero(~np.isfinite(values).all(1))[0])} holds numbers that are not finite")
    return values


def _number(path: Path, word: str, where: str) -> float:
    try:
        value = float(word)
    except ValueError:
        raise InputError(f"{path}, {where}: {word!r} is not a number") from None
    if not np.isfinite(value):
        raise InputError(f"{path}, {where}: {word} is not finite")
    return value
