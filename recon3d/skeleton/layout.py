"""Keypoint layouts: what the points of a detector or a data set are called, as data in ``layouts/*.toml``."""

import functools
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, cast

import numpy as np
from jaxtyping import Int

from recon3d.arrays import freeze_fields
from recon3d.errors import LayoutError, all_faults, valid_names


def other_side(name: str) -> str:
    """The mirror image's name: left_ and right_ in front of it exchanged; the name itself in the middle of a body."""
    for a, b in (("left_", "right_"), ("right_", "left_")):
        if name.startswith(a):
            return b + name.removeprefix(a)
    return name


LIMBS = tuple(f"{side}_{joint}" for side in ("left", "right") for joint in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle"))
"""The joints that detectors find alike from all sides: what people and cameras are judged by, of those that a layout has."""


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """Named points in the order of the data.

    Attributes:
        name: as in the file name and on the command line.
        title: for people.
        points: names, unique; left and right are the subject's own.
        bones: pairs of point indices to draw a line between.
        mirror: for each point the index of its mirror image, itself where it lies in the middle.
    """

    name: str
    title: str
    points: tuple[str, ...]
    bones: Int[np.ndarray, "bones 2"]
    mirror: Int[np.ndarray, "points"]

    def __post_init__(self) -> None:
        freeze_fields(self)

    def __len__(self) -> int:
        return len(self.points)

    def index(self, point: str) -> int:
        """Position of a point by name.

        Raises:
            LayoutError: no such point; the message lists the valid names.
        """
        try:
            return self.points.index(point)
        except ValueError:
            raise LayoutError(f"layout {self.name} has no point {point!r}; it has {valid_names(self.points)}") from None

    def indices(self, points: Sequence[str]) -> Int[np.ndarray, "some"]:
        """Positions of several points by name."""
        return np.array([self.index(point) for point in points], dtype=np.int64)


def layout_names() -> tuple[str, ...]:
    """Names of the layouts that come with recon3d."""
    folder = resources.files("recon3d.skeleton") / "layouts"
    return tuple(sorted(f.name.removesuffix(".toml") for f in folder.iterdir() if f.name.endswith(".toml")))


@functools.cache
def load_layout(name: str) -> Layout:
    """A layout by name, or a user's own by the path of its TOML file.

    Raises:
        LayoutError: unknown name, or a file whose entries do not fit together.
    """
    if name in layout_names():
        text = (resources.files("recon3d.skeleton") / "layouts" / f"{name}.toml").read_text(encoding="utf-8")
    elif name.endswith(".toml") and Path(name).is_file():
        text = Path(name).read_text(encoding="utf-8")
    else:
        raise LayoutError(f"no layout {name!r}; use one of {valid_names(layout_names())}, or the path of a .toml file")
    try:
        return parse_layout(tomllib.loads(text), name)
    except tomllib.TOMLDecodeError as error:
        raise LayoutError(f"layout file {name} is not TOML: {error}") from None


def parse_layout(data: dict[str, Any], source: str) -> Layout:
    """A layout from the entries of its file: name, points, and optional title, bones, mirror."""
    unknown = set(data) - {"name", "title", "source", "points", "bones", "mirror"}
    faults = [f"unknown entry {key!r}" for key in sorted(unknown)]
    listed: Any = data.get("points")
    if not (isinstance(listed, list) and listed and all(isinstance(p, str) for p in cast(list[Any], listed))):
        raise LayoutError(f"layout {source}: 'points' must be a list of names")
    points = cast(list[str], listed)
    faults += [f"point {p!r} is named twice" for p in sorted({p for p in points if points.count(p) > 1})]
    pairs: dict[str, list[list[int]]] = {"bones": [], "mirror": []}
    for key, found in pairs.items():
        for entry in cast(list[Any], data.get(key, [])):
            ends = cast(list[Any], entry) if isinstance(entry, list) else []
            if len(ends) == 2 and all(p in points for p in ends):
                found.append([points.index(p) for p in ends])
            else:
                faults.append(f"{key} entry {entry!r} is not a pair of points")
    if faults:
        raise LayoutError(all_faults(faults, f"layout {source} cannot be used:"))
    mirror = np.arange(len(points))
    for a, b in pairs["mirror"]:
        mirror[a], mirror[b] = b, a
    bones = np.array(pairs["bones"], dtype=np.int64).reshape(-1, 2)
    return Layout(data.get("name", source), data.get("title", source), tuple(points), bones, mirror)
