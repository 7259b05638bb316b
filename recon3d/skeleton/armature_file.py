"""Armatures from TOML: the default body, and users' own (animals, robots, half bodies)."""

import functools
import tomllib
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np

from recon3d.errors import LayoutError, all_faults
from recon3d.skeleton.armature import Armature, Attachments, Skeleton
from recon3d.skeleton.layout import other_side

HUMAN = "human"
"""The default body."""
_UNLIMITED, _LOOSE_DEG = [-180.0, 180.0], 45.0
_LOOSE_M = 0.03  # of points that ride off their joint
_JOINT_KEYS = {"name", "parent", "offset", "free", "usual_deg", "looseness_deg", "limit_deg", "cone"}


@functools.cache
def armature_names() -> tuple[str, ...]:
    """Of the armatures that are shipped."""
    folder = resources.files("recon3d.skeleton") / "armatures"
    return tuple(sorted(f.name.removesuffix(".toml") for f in folder.iterdir() if f.name.endswith(".toml")))


@functools.cache
def load_armature(name: str = HUMAN) -> Armature:
    """The default body, or one from the path of a TOML file of the same form.

    Raises:
        LayoutError: unknown name, or entries that do not fit together; all faults at once.
    """
    folder, shipped = resources.files("recon3d.skeleton") / "armatures", armature_names()
    if name in shipped:
        text = (folder / f"{name}.toml").read_text(encoding="utf-8")
    elif name.endswith(".toml") and Path(name).is_file():
        text = Path(name).read_text(encoding="utf-8")
    else:
        raise LayoutError(f"no armature {name!r}; use one of {', '.join(shipped)}, or the path of a .toml file")
    try:
        return parse_armature(tomllib.loads(text), name)
    except tomllib.TOMLDecodeError as error:
        raise LayoutError(f"armature file {name} is not TOML: {error}") from None


@functools.cache
def armature_of(layout: str) -> str:
    """Name of the armature for a layout: the shipped one that names it, else the human body."""
    folder = resources.files("recon3d.skeleton") / "armatures"
    for file in folder.iterdir():
        if file.name.endswith(".toml") and layout in tomllib.loads(file.read_text(encoding="utf-8")).get("layouts", []):
            return file.name.removesuffix(".toml")
    return HUMAN


def parse_armature(data: dict[str, Any], source: str) -> Armature:
    """An armature from the entries of its file; ``left_`` entries are mirrored to ``right_``."""
    _check_kinds(data, source)
    rows = _with_right(data.get("joint", []))
    faults = [f"joint {r.get('name')!r}: unknown entry {k!r}" for r in rows for k in sorted(set(r) - _JOINT_KEYS)]
    faults += [f"a joint without a name: {r!r}" for r in rows if not isinstance(r.get("name"), str)]
    names = [str(r.get("name")) for r in rows]
    faults += [
        f"joint {r.get('name')!r}: no joint {r['parent']!r} before it"
        for i, r in enumerate(rows)
        if "parent" in r and r["parent"] not in names[:i]
    ]
    points = _points_with_right(data.get("keypoints", {}))
    faults += [f"keypoint {p!r} hangs on {j!r}, which is no joint" for p, (j, *_) in points.items() if j not in names]
    if not rows:
        faults.append("there are no [[joint]] entries")
    if faults:
        raise LayoutError(all_faults(faults, f"armature {source} cannot be used:"))
    mirror = [names.index(other_side(n)) if other_side(n) in names else i for i, n in enumerate(names)]
    parents = [names.index(r["parent"]) if "parent" in r else -1 for r in rows]
    skeleton = Skeleton(str(data.get("name", source)), tuple(names), np.array(parents), np.array(mirror))
    free = np.array([[axis in r.get("free", "xyz") for axis in "xyz"] for r in rows])
    limits = np.deg2rad([[_of_axis(r.get("limit_deg", _UNLIMITED), axis, _UNLIMITED) for axis in "xyz"] for r in rows]).astype(float)
    looseness = np.deg2rad([[_of_axis(r.get("looseness_deg", _LOOSE_DEG), axis, _LOOSE_DEG) for axis in "xyz"] for r in rows]).astype(float)
    attachments = Attachments(
        tuple(points),
        np.array([names.index(p.joint) for p in points.values()], dtype=np.int64),
        np.array([p.offset for p in points.values()], dtype=float).reshape(-1, 3),
        np.array([p.loose for p in points.values()], dtype=float),
    )
    return Armature(
        skeleton,
        np.array([r.get("offset", [0, 0, 0]) for r in rows], dtype=float),
        free,
        np.deg2rad([r.get("usual_deg", [0, 0, 0]) for r in rows]).astype(float),
        looseness,
        limits,
        np.deg2rad([_cone(r)[0] for r in rows]).astype(float),
        np.array([_cone(r)[1] for r in rows], dtype=float),
        attachments,
    )


def _check_kinds(data: dict[str, Any], source: str) -> None:
    """Entries of the wrong kind, all at once, before anything is made of them."""
    faults: list[str] = []
    rows: Any = data.get("joint", [])
    if not isinstance(rows, list) or not all(isinstance(r, dict) for r in cast(list[Any], rows)):
        raise LayoutError(f"armature {source}: joints are written as [[joint]] tables")
    for row in cast(list[dict[str, Any]], rows):
        name = row.get("name")
        if "offset" in row and not _numbers(row["offset"], 3):
            faults.append(f"joint {name!r}: offset must be three numbers, m")
        if not isinstance(row.get("free", ""), str) or set(row.get("free", "")) - set("xyz"):
            faults.append(f"joint {name!r}: free must be some of the letters x, y, z")
        if "cone" in row and not _is_cone(row["cone"]):
            faults.append(f"joint {name!r}: cone must be {{ axis = [x, y, z], deg = half_angle }} with an axis that is not zero")
        if "usual_deg" in row and not _numbers(row["usual_deg"], 3):
            faults.append(f"joint {name!r}: usual_deg must be three numbers")
        if "limit_deg" in row and not all(_numbers(v, 2) for v in _by_axis(row["limit_deg"])):
            faults.append(f"joint {name!r}: limit_deg must be two numbers, or two for each axis as {{ x = [-5, 150] }}")
        if not all(_numbers([v], 1) for v in _by_axis(row.get("looseness_deg", 1.0))):
            faults.append(f"joint {name!r}: looseness_deg must be a number, or one for each axis as {{ x = 90, z = 5 }}")
    points: Any = data.get("keypoints", {})
    for point, place in cast(dict[str, Any], points).items() if isinstance(points, dict) else ():
        entry = cast(list[Any], place) if isinstance(place, list) else []
        if len(entry) not in (2, 3) or not isinstance(entry[0], str) or not _numbers(entry[1], 3) or not _numbers(entry[2:] or [0], 1):
            faults.append(f'keypoint {point!r} must be ["joint", [x, y, z]] or ["joint", [x, y, z], sigma_m]')
    if faults:
        raise LayoutError(all_faults(faults, f"armature {source} cannot be used:"))


def _is_cone(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    table = cast(dict[str, Any], value)
    return set(table) == {"axis", "deg"} and _numbers(table["axis"], 3) and _numbers([table["deg"]], 1) and any(table["axis"])


def _cone(row: dict[str, Any]) -> tuple[float, np.ndarray]:
    """Half angle (degrees) and unit axis; none for joints without."""
    cone = row.get("cone", {"axis": [0.0, 0.0, 1.0], "deg": 180.0})
    axis = np.array(cone["axis"], dtype=float)
    return float(cone["deg"]), axis / np.linalg.norm(axis)


def _by_axis(value: Any) -> list[Any]:
    """What an entry says of some axes; an entry that is no table speaks of all."""
    if not isinstance(value, dict):
        return [value]
    table = cast(dict[str, Any], value)
    return list(table.values()) if set(table) <= set("xyz") else [None]


def _of_axis(value: Any, axis: str, default: Any) -> Any:
    return cast(dict[str, Any], value).get(axis, default) if isinstance(value, dict) else value


def _numbers(value: Any, count: int) -> bool:
    items = cast(list[Any], value) if isinstance(value, list) else []
    return len(items) == count and all(isinstance(v, int | float) and not isinstance(v, bool) for v in items)


def _with_right(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """All joints, then the mirror images of the left ones that have none."""
    out = list(rows)
    for row in rows:
        name = str(row.get("name"))
        if name.startswith("left_") and other_side(name) not in {str(r.get("name")) for r in rows}:
            other = dict(row, name=other_side(name), parent=other_side(str(row.get("parent"))))
            if "offset" in row:
                x, y, z = row["offset"]
                other["offset"] = [-x, y, z]
            # A mirror in x turns angles about y and z round.
            if "cone" in row:
                x, y, z = row["cone"]["axis"]
                other["cone"] = {"axis": [-x, y, z], "deg": row["cone"]["deg"]}
            if "usual_deg" in row:
                x, y, z = row["usual_deg"]
                other["usual_deg"] = [x, -y, -z]
            if "limit_deg" in row:
                limit = {axis: _of_axis(row["limit_deg"], axis, _UNLIMITED) for axis in "xyz"}
                other["limit_deg"] = {a: [low, high] if a == "x" else [-high, -low] for a, (low, high) in limit.items()}
            out.append(other)
    return out


class _Point(NamedTuple):
    joint: str
    offset: list[float]
    loose: float


def _points_with_right(points: dict[str, Any]) -> dict[str, _Point]:
    out: dict[str, _Point] = {}
    for name, (joint, offset, *rest) in points.items():
        loose = rest[0] if rest else (_LOOSE_M if any(offset) else 0.0)
        out[name] = _Point(joint, offset, loose)
        if name.startswith("left_") and other_side(name) not in points:
            out[other_side(name)] = _Point(other_side(joint), [-offset[0], offset[1], offset[2]], loose)
    return out
