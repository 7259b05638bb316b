"""Which joint of somebody's character is which of ours: told by a VRM file, by its names, or by the user's table."""

import functools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from recon3d.characters.preset import load_preset, preset_names
from recon3d.errors import InputError, all_faults, valid_names
from recon3d.io.files import read_toml

NEEDED = (
    "pelvis", "left_shoulder", "left_elbow", "left_wrist", "right_shoulder", "right_elbow", "right_wrist",
    "left_hip", "left_knee", "left_ankle", "right_hip", "right_knee", "right_ankle",
)  # fmt: skip
"""Our joints that a character must have."""
_PREFIX = re.compile(r"^(mixamorig\d*|def|org|bip\d*|bip001|j_bip_[clr]|armature|character\d*_ctrl|ccbase)[\s:_|.-]+", re.IGNORECASE)


def auto_map(joints: Sequence[str], told: Mapping[str, str] | None = None) -> dict[str, str]:
    """Our joints by the character's, as far as its names, or what the file ``told`` (VRM bones by joint), say.

    Raises:
        InputError: bones that every humanoid has are not found; the message says which.
    """
    found: dict[str, str] = {}
    for joint in joints:
        ours = _known().get(_plain((told or {}).get(joint, joint)))
        if ours is not None and ours not in found.values():
            found[joint] = ours
    return _checked(found, "its names are not known")


def read_map(path: Path, joints: Sequence[str]) -> dict[str, str]:
    """Our joints by the character's from a TOML table ``[map]``: ``"their name" = "our_joint"``.

    Raises:
        InputError: names that the character or we do not have, all at once.
    """
    table = read_toml(path).get("map")
    if not isinstance(table, dict) or not all(isinstance(v, str) for v in table.values()):
        raise InputError(f'{path} needs a table [map] of "their joint" = "our_joint"')
    ours = set(_known().values())
    faults = [f"the character has no joint {name!r}; it has {', '.join(joints)}" for name in table if name not in joints]
    faults += [f"we have no joint {name!r}; there are {valid_names(ours)}" for name in table.values() if name not in ours]
    if faults:
        raise InputError(all_faults(faults, f"{path} cannot be used:"))
    return _checked(dict(table), f"{path} does not name them")


def _checked(found: dict[str, str], reason: str) -> dict[str, str]:
    lacking = [name for name in NEEDED if name not in found.values()]
    if lacking:
        raise InputError(f"the character lacks {', '.join(lacking)}: {reason}; give a table with --map map.toml")
    return found


@functools.cache
def _known() -> dict[str, str]:
    """Our joint by every preset's name for it, and by our own."""
    out: dict[str, str] = {}
    for preset in preset_names():
        for joint in load_preset(preset).joints:
            if joint.source and joint.between is None:
                out.setdefault(_plain(joint.name), joint.source)
                out.setdefault(_plain(joint.source), joint.source)
    return out


def _plain(name: str) -> str:
    """Without what programs put before names, and without marks and case; sides as a word before."""
    name = _PREFIX.sub("", name)
    side = ""
    for pattern, word in ((r"(^|[._\s-])(l|left)($|[._\s-])", "left"), (r"(^|[._\s-])(r|right)($|[._\s-])", "right")):
        if re.search(pattern, name, re.IGNORECASE):
            name, side = re.sub(pattern, "_", name, count=1, flags=re.IGNORECASE), word
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    return side + plain
