"""EasyMocap: ``annots/<camera>/*.json``, one file a frame, with the image's size and who is who.

A folder of one camera is read as well as that of all.
"""

from pathlib import Path
from typing import Any

import numpy as np

from recon3d.errors import InputError
from recon3d.io.files import read_json
from recon3d.io.keypoints.found import FoundKeypoints, KeypointOptions, Size
from recon3d.io.keypoints.gather import Gather, corners, entries, numbered, rows_of, whole

_KNOWN = ("body_25", "coco_17", "halpe_26", "wholebody_133")


def is_easymocap(data: Any) -> bool:
    """Whether parsed JSON is one image's people."""
    return isinstance(data, dict) and isinstance(data.get("annots"), list) and {"height", "width"} <= set(data)


def camera_folders(path: Path) -> list[Path]:
    """Folders of cameras: this one, or those in it or in its ``annots``."""
    for folder in (path, path / "annots"):
        if any(folder.glob("*.json")):
            return [folder]
        inside = sorted({file.parent for file in folder.glob("*/*.json")})
        if inside:
            return inside
    return []


def read_easymocap(path: Path, options: KeypointOptions) -> list[FoundKeypoints]:
    """The people of every camera."""
    folders = camera_folders(path) if path.is_dir() else []
    if not folders:
        raise InputError(f"{path} is no folder of EasyMocap: annots/<camera>/*.json were expected")
    return [_camera(folder) for folder in folders]


def _camera(folder: Path) -> FoundKeypoints:
    people = Gather(folder)
    sizes: set[Size] = set()
    for frame, file in numbered(folder, "*.json"):
        people.seen(frame)
        data = read_json(file)
        if not is_easymocap(data):
            raise InputError(f"{file} is not one of EasyMocap's: 'annots', 'height' and 'width' were expected")
        sizes.add((whole(data["width"], f"{file}, width"), whole(data["height"], f"{file}, height")))
        for k, entry in enumerate(entries(data["annots"], f"{file}, annots")):
            found = people.attempt(_person, entry, f"{file.name}, person {k}")
            if found is not None:
                people.add(frame, *found)
    if len(sizes) != 1 or min(next(iter(sizes))) <= 0:
        raise InputError(f"{folder}: images have the sizes {sorted(sizes)}: one was expected")
    rows = people.done()
    return FoundKeypoints(folder, folder.name, None, rows, "heatmap", _KNOWN, size=sizes.pop(), notes=people.notes)


def _person(entry: dict[str, Any], where: str) -> tuple[np.ndarray, int, np.ndarray | None]:
    points = rows_of(entry.get("keypoints"), 3, f"{where}, keypoints")
    person = whole(entry["personID"], f"{where}, personID") if entry.get("personID") is not None else -1
    return points, person, corners(entry["bbox"], f"{where}, bbox") if entry.get("bbox") else None
