"""Presets: what a program calls the joints of a person, and how their axes lie; as data, in ``presets/*.toml``.

A joint turns with one of our joints, its ``source``, and lies at that joint or ``between`` two. ``axes`` are the
directions of its x and y at rest: left, right, up, down, forward, back of the person, or ``bone`` for that to what hangs
on it; with a minus before it the other way. A joint with ``mirror`` stands for that of the other side too.
"""

import functools
import re
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, cast

from recon3d.errors import InputError, all_faults, valid_names
from recon3d.io.files import read_toml
from recon3d.records.animation import UPS
from recon3d.records.rest import REST_POSES
from recon3d.skeleton import other_side

DIRECTIONS = ("left", "right", "up", "down", "forward", "back", "bone")
_UNITS = {"m": 1.0, "cm": 0.01}
_FINGERS = {
    "thumb": ("cmc", "mcp", "ip"),
    "index": ("mcp", "pip", "dip"),
    "middle": ("mcp", "pip", "dip"),
    "ring": ("mcp", "pip", "dip"),
    "pinky": ("mcp", "pip", "dip"),
}
_KEYS = {"name", "about", "up", "unit", "rest", "order", "fps", "axes", "joint", "fingers"}
_JOINT_KEYS = {"name", "mirror", "parent", "source", "between", "axes", "mirror_axes"}
_FINGER_KEYS = {"pattern", "sides", "names", "axes", "mirror_axes", "numbers"}


@dataclass(frozen=True, slots=True)
class PresetJoint:
    """One joint of a preset.

    Attributes:
        name: in files.
        parent: name of what it hangs on; "" for none.
        source: our joint that it turns with; "" for one that stands still at the world's origin.
        between: two of our joints and the share of the way at which it lies; None where it lies at its source.
        axes: directions of its x and y at rest.
        optional: left out where there is no such source.
    """

    name: str
    parent: str
    source: str
    between: tuple[str, str, float] | None
    axes: tuple[str, str]
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Preset:
    """How a program wants motion.

    Attributes:
        name: of the preset.
        about: what it is for.
        up: axis of the file's world that points up.
        unit_m: metres that its unit is long.
        rest: pose at rest, T or A.
        order: of rotations in BVH files.
        fps: frames a second; 0 for those of the take.
        joints: parents first.
    """

    name: str
    about: str
    up: str
    unit_m: float
    rest: str
    order: str
    fps: float
    joints: tuple[PresetJoint, ...]


@functools.cache
def preset_names() -> tuple[str, ...]:
    """Of the presets that are shipped."""
    folder = resources.files("recon3d.characters") / "presets"
    return tuple(sorted(p.name.removesuffix(".toml") for p in folder.iterdir() if p.name.endswith(".toml")))


def load_preset(name: str) -> Preset:
    """A shipped preset by name, or one of one's own by the path of a TOML file.

    Raises:
        InputError: no such preset (the message lists those there are), or a file with faults, all at once.
    """
    if name.endswith(".toml"):
        return parse_preset(read_toml(Path(name)), name)
    if name not in preset_names():
        raise InputError(f"no preset {name!r}; there are {valid_names(preset_names())}, or a .toml file of one's own")
    return parse_preset(read_toml(Path(str(resources.files("recon3d.characters") / "presets" / f"{name}.toml"))), name)


def parse_preset(data: dict[str, Any], source: str) -> Preset:
    """A preset from the tables of a TOML file."""
    faults = [f"unknown key {key!r}; there are {valid_names(_KEYS)}" for key in data if key not in _KEYS]
    up, unit, rest, order = data.get("up", "y"), data.get("unit", "cm"), data.get("rest", "T"), data.get("order", "ZXY")
    if up not in UPS or unit not in _UNITS or rest not in REST_POSES or not isinstance(order, str) or sorted(order) != ["X", "Y", "Z"]:
        faults.append("up must be y or z, unit m or cm, rest T or A, order three letters such as ZXY")
    fps = data.get("fps", 0.0)
    if isinstance(fps, bool) or not isinstance(fps, int | float) or fps < 0:
        faults.append("fps must be a number of frames a second")
    rows: Any = data.get("joint", [])
    usual = data.get("axes", ["left", "up"] if up == "y" else ["left", "back"])
    joints: list[PresetJoint] = []
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in cast(list[Any], rows)):
        faults.append("joints are written as [[joint]] tables, one at least")
    else:
        others: dict[str, str] = {}
        for row in cast(list[dict[str, Any]], rows):
            joints += _joints_of(row, usual, others, faults)
    if isinstance(data.get("fingers"), dict) and not faults:
        joints += _fingers(data["fingers"], joints, usual, faults)
    names = [joint.name for joint in joints]
    faults += [f"joint {n!r} occurs twice" for n in sorted({n for n in names if names.count(n) > 1})]
    faults += [
        f"joint {j.name!r}: its parent {j.parent!r} does not come before it"
        for k, j in enumerate(joints)
        if j.parent and j.parent not in names[:k]
    ]
    if len([j for j in joints if not j.parent]) != 1 and joints:
        faults.append("one joint, and no other, has no parent")
    name = data.get("name", Path(source).stem)
    if not isinstance(name, str) or not re.fullmatch(r"\w[\w-]*", name):
        faults.append(f"name must be a word, since files are named after it, not {name!r}")
    if faults:
        raise InputError(all_faults(faults, f"preset {source} cannot be used:"))
    return Preset(name, str(data.get("about", "")), up, _UNITS[unit], rest, order, float(fps), tuple(joints))


def _joints_of(row: dict[str, Any], usual: Any, others: dict[str, str], faults: list[str]) -> list[PresetJoint]:
    """A joint, and that of the other side; ``others`` are those of earlier joints."""
    name = row.get("name")
    faults += [f"joint {name!r}: unknown key {key!r}; there are {valid_names(_JOINT_KEYS)}" for key in row if key not in _JOINT_KEYS]
    texts = [row.get(key, "") for key in ("mirror", "parent", "source")]
    if not isinstance(name, str) or not name or not all(isinstance(t, str) for t in texts):
        faults.append(f"joint {name!r}: name, mirror, parent and source must be words")
        return []
    between, axes = row.get("between"), row.get("axes", usual)
    if between is not None and not _is_between(between):
        faults.append(f'joint {name!r}: between must be ["joint", "joint", share]')
        return []
    if not _is_axes(axes):
        faults.append(f"joint {name!r}: axes must be two of {valid_names(DIRECTIONS)}, or those with a minus")
        return []
    middle = None if between is None else (str(between[0]), str(between[1]), float(between[2]))
    one = PresetJoint(name, row.get("parent", ""), row.get("source", ""), middle, (axes[0], axes[1]))
    if not row.get("mirror"):
        return [one]
    others[one.name] = row["mirror"]
    other = PresetJoint(
        row["mirror"],
        others.get(one.parent, one.parent),
        other_side(one.source),
        None if middle is None else (other_side(middle[0]), other_side(middle[1]), middle[2]),
        _mirrored(one.axes, row.get("mirror_axes", "keep")),
    )
    return [one, other]


def _mirrored(axes: tuple[str, str], how: str) -> tuple[str, str]:
    """Directions of the other side: left for right; with "negate" all turned round as well, with "keep" as they are."""
    if how == "keep":
        return axes
    swap = {"left": "right", "right": "left"}
    out = []
    for axis in axes:
        sign, word = ("-", axis[1:]) if axis.startswith("-") else ("", axis)
        word = swap.get(word, word)
        if how == "negate":
            sign = "" if sign else "-"
        out.append(sign + word)
    return out[0], out[1]


def _fingers(table: dict[str, Any], joints: list[PresetJoint], usual: Any, faults: list[str]) -> list[PresetJoint]:
    """Fingers by a pattern of names; they hang on the hands, and are left out where a motion has none."""
    faults += [f"[fingers] unknown key {key!r}; there are {valid_names(_FINGER_KEYS)}" for key in table if key not in _FINGER_KEYS]
    pattern, sides, names = table.get("pattern"), table.get("sides"), table.get("names")
    numbers = table.get("numbers", ["1", "2", "3"])
    good = isinstance(pattern, str) and isinstance(sides, list) and isinstance(names, list) and isinstance(numbers, list)
    if not good or len(cast(list[Any], sides)) != 2 or len(cast(list[Any], names)) != 5 or len(cast(list[Any], numbers)) != 3:
        faults.append("[fingers] needs pattern, two sides, five names and three numbers")
        return []
    out: list[PresetJoint] = []
    own = table.get("axes", usual)
    for side, word in zip(("left", "right"), cast(list[str], sides), strict=True):
        hand = next((j.name for j in joints if j.source == f"{side}_wrist"), "")
        axes = (own[0], own[1]) if side == "left" else _mirrored((own[0], own[1]), table.get("mirror_axes", "keep"))
        for (finger, parts), called in zip(_FINGERS.items(), cast(list[str], names), strict=True):
            parent = hand
            for part, number in zip(parts, cast(list[str], numbers), strict=True):
                name = str(pattern).format(side=word, finger=called, n=number)
                out.append(PresetJoint(name, parent, f"{side}_{finger}_{part}", None, axes, optional=True))
                parent = name
    return out


def _is_between(value: Any) -> bool:
    items = cast(list[Any], value) if isinstance(value, list) else []
    return len(items) == 3 and isinstance(items[0], str) and isinstance(items[1], str) and isinstance(items[2], int | float)


def _is_axes(value: Any) -> bool:
    items = cast(list[Any], value) if isinstance(value, list) else []
    return len(items) == 2 and all(isinstance(v, str) and v.removeprefix("-") in DIRECTIONS for v in items)
