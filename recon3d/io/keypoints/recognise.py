"""Which format a file of 2D keypoints has, by what it holds."""

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from recon3d.errors import InputError
from recon3d.io.files import read_json
from recon3d.io.keypoints.coco import is_coco_results

_JSON: dict[str, Callable[[Any], bool]] = {
    "coco": is_coco_results,
}
"""Of parsed JSON, in the order in which they are asked: the more special ones first."""


def format_of(path: Path) -> str:
    """The name of a file's format, or a folder's.

    Raises:
        InputError: none that is known, or one that cannot be told from another; the message says what to do.
    """
    if path.is_dir():
        return _folder(path)
    if zipfile.is_zipfile(path):
        return "recon3d"
    data = read_json(path)
    for name, fits in _JSON.items():
        if fits(data):
            return name
    raise InputError(f"{path} is JSON, but of none of the formats of 2D keypoints that are read; name it with --format if it is one")


def _folder(path: Path) -> str:
    first = next(iter(sorted(path.glob("*.json"))), None)
    if first is not None:
        data = read_json(first)
        if isinstance(data, dict) and "people" in data:
            return "openpose"
    raise InputError(f"{path} is a folder, and what it holds is none of the formats of 2D keypoints that are read")
