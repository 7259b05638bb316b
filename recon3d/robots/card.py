"""Robot cards: which link of a robot is which part of a person; as data, in ``cards/*.toml``, or one's own.

A card names the links; everything else (lengths, limits, soles, shapes) is read from the robot's URDF. In the card's
posture the robot must stand upright (z up) on flat feet, knees bent the way they bend; which way it faces is read from its hips.
"""

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, cast

import numpy as np
from jaxtyping import Float

from recon3d.errors import InputError, all_faults, valid_names
from recon3d.io.files import read_toml

_WHOLE = ("pelvis", "torso")
_PAIRS = ("hip", "knee", "foot", "shoulder", "elbow", "hand")
_KEYS = {"name", "about", "urdf", "links", "hand", "posture"}
_SIDES = (("left", "right"), ("Left", "Right"), ("LEFT", "RIGHT"))


@dataclass(frozen=True, slots=True, eq=False)
class RobotCard:
    """What is where on a robot.

    Attributes:
        name: of the robot.
        about: what it is.
        urdf: names of its URDF files.
        pelvis: link that the legs hang on.
        torso: link that the arms hang on.
        pairs: left and right link by part: hip, knee, foot, shoulder, elbow, hand. Each link's frame lies at the joint that the part is
            named for (foot: the ankle).
        fingers: direction of the fingers in the left hand's link; None: hands turn as they like.
        thumb: of the thumb's side, likewise.
        posture: positions of joints, rad or m, that they keep to where nothing else says.
    """

    name: str
    about: str
    urdf: tuple[str, ...]
    pelvis: str
    torso: str
    pairs: Mapping[str, tuple[str, str]]
    fingers: Float[np.ndarray, "3"] | None
    thumb: Float[np.ndarray, "3"] | None
    posture: Mapping[str, float]


@functools.cache
def robot_names() -> tuple[str, ...]:
    """Of the cards that are shipped."""
    folder = resources.files("recon3d.robots") / "cards"
    return tuple(sorted(p.name.removesuffix(".toml") for p in folder.iterdir() if p.name.endswith(".toml")))


def load_card(name: str) -> RobotCard:
    """A shipped card by name, or one of one's own by the path of a TOML file.

    Raises:
        InputError: no such card (the message lists those there are), or a file with faults, all at once.
    """
    if name.endswith(".toml"):
        return parse_card(read_toml(Path(name)), name)
    if name not in robot_names():
        raise InputError(f"no robot {name!r}; there are {valid_names(robot_names())}, or a .toml file of one's own")
    return parse_card(read_toml(Path(str(resources.files("recon3d.robots") / "cards" / f"{name}.toml"))), name)


def parse_card(data: dict[str, Any], source: str) -> RobotCard:
    """A card from the tables of a TOML file."""
    faults = [f"unknown key {key!r}; there are {valid_names(_KEYS)}" for key in data if key not in _KEYS]
    links, hand, posture = (cast(Any, data.get(key, {})) for key in ("links", "hand", "posture"))
    if not all(isinstance(table, dict) for table in (links, hand, posture)):
        raise InputError(f"robot card {source}: links, hand and posture must be tables")
    faults += [f"[links] has {key!r}; it takes {valid_names((*_WHOLE, *_PAIRS))}" for key in links if key not in (*_WHOLE, *_PAIRS)]
    faults += [f"[links] needs {key}" for key in (*_WHOLE, *_PAIRS) if key not in links]
    faults += [f"[links] {key} must be a link's name" for key in _WHOLE if not isinstance(links.get(key, ""), str)]
    pairs = {key: _pair(links[key], key, faults) for key in _PAIRS if key in links}
    faults += [f"[hand] has {key!r}; it takes fingers, thumb" for key in hand if key not in ("fingers", "thumb")]
    fingers, thumb = (_direction(hand.get(key), key, faults) for key in ("fingers", "thumb"))
    if (fingers is None) != (thumb is None) or (fingers is not None and thumb is not None and abs(fingers @ thumb) > 0.1):
        faults.append("[hand] fingers and thumb are two directions at right angles, or neither is given")
    wrong = [k for k, v in posture.items() if isinstance(v, bool) or not isinstance(v, int | float) or not np.isfinite(v)]
    faults += [f"[posture] {key} must be a number" for key in wrong]
    files = data.get("urdf", [])
    if not isinstance(files, list) or not all(isinstance(f, str) for f in cast(list[Any], files)):
        faults.append("urdf must be a list of file names")
    name = data.get("name", Path(source).stem)
    if not isinstance(name, str) or not re.fullmatch(r"\w[\w-]*", name):
        faults.append(f"name must be a word, since files are named after it, not {name!r}")
    used = [links.get("pelvis"), links.get("torso"), *(name for pair in pairs.values() for name in pair)]
    doubled = sorted({name for name in used if isinstance(name, str) and used.count(name) > 1})
    faults += [f"link {name!r} is said to be several parts" for name in doubled]
    if faults:
        raise InputError(all_faults(faults, f"robot card {source} cannot be used:"))
    return RobotCard(
        name=name,
        about=str(data.get("about", "")),
        urdf=tuple(cast(list[str], files)),
        pelvis=links["pelvis"],
        torso=links["torso"],
        pairs=pairs,
        fingers=fingers,
        thumb=thumb,
        posture={key: float(value) for key, value in posture.items()},
    )


def _pair(value: Any, key: str, faults: list[str]) -> tuple[str, str]:
    """Left and right link: both told, or the right one by the left one's name."""
    if isinstance(value, str):
        for left, right in _SIDES:
            if left in value:
                return value, value.replace(left, right)
        faults.append(f'[links] {key}: {value!r} does not say left; give both as ["...", "..."]')
        return value, value
    items = cast(list[Any], value) if isinstance(value, list) else []
    if len(items) != 2 or not all(isinstance(v, str) for v in items):
        faults.append(f"[links] {key} must be the left link's name, or those of left and right")
        return "", ""
    return items[0], items[1]


def _direction(value: Any, key: str, faults: list[str]) -> Float[np.ndarray, "3"] | None:
    if value is None:
        return None
    items = cast(list[Any], value) if isinstance(value, list) else []
    good = len(items) == 3 and all(isinstance(v, int | float) and not isinstance(v, bool) for v in items)
    length = float(np.linalg.norm(np.array(items, float))) if good else 0.0
    if not good or not np.isfinite(length) or length == 0:
        faults.append(f"[hand] {key} must be three numbers, not all zero")
        return None
    return np.array(items, float) / length
