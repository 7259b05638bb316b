"""2D keypoints of other programs: `read_keypoints`, one module a format.

| format | what it is |
|---|---|
| recon3d | .npz of `recon3d reconstruct` and `recon3d detect` |
| openpose | folder of one JSON a frame; also Pose2Sim's, several cameras in one folder |
| coco | list of results: HRNet, CPN, Lightweight OpenPose, OpenPose, MMPose, COCO-WholeBody |

A format is recognised by what a file holds, never by its ending.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from recon3d.errors import InputError, valid_names
from recon3d.io.keypoints.coco import read_coco_results
from recon3d.io.keypoints.found import FoundKeypoints, KeypointOptions
from recon3d.io.keypoints.openpose import OpenPoseFolder, views_of
from recon3d.io.keypoints.recognise import format_of
from recon3d.io.npz import read_keypoints2d
from recon3d.records import Keypoints2D

OWN = "recon3d"
FOLDER = "openpose"

KEYPOINT_READERS: dict[str, Callable[[Path, KeypointOptions], list[FoundKeypoints]]] = {
    "coco": read_coco_results,
}
"""Readers of the formats of others, from the path and what the user says of it."""


@dataclass(frozen=True, slots=True)
class KeypointFile:
    """2D keypoints as they were read.

    Attributes:
        format: which it was.
        views: one record a camera.
        notes: what was assumed or left out.
    """

    format: str
    views: tuple[Keypoints2D, ...]
    notes: tuple[str, ...] = ()


def keypoint_formats() -> tuple[str, ...]:
    """Names of the formats that are read."""
    return (OWN, FOLDER, *sorted(KEYPOINT_READERS))


def read_keypoints(path: Path | str, options: KeypointOptions = KeypointOptions(), format: str | None = None) -> KeypointFile:
    """The 2D keypoints of a file or folder of any of the formats above.

    Args:
        path: the file, or the folder of a format that has one.
        options: what the files do not say: frame rate, image size, layout.
        format: its name, where what the file holds does not tell it.

    Raises:
        InputError: not a file of a known format, or broken; the message names file and place.
        LayoutError: the layout of the points is not known.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"no such file or folder: {path}")
    if format is not None and format not in keypoint_formats():
        raise InputError(f"keypoint format {format!r} is not one of {valid_names(keypoint_formats())}")
    name = format or format_of(path)
    if name == OWN:
        return KeypointFile(name, (read_keypoints2d(path),))
    if name == FOLDER:
        views = views_of(path)
        folders = [OpenPoseFolder(path, _folder_camera(path, view, len(views), options), options, view) for view in views]
        return KeypointFile(name, tuple(folder.window(slice(None)) for folder in folders))
    found = KEYPOINT_READERS[name](path, options)
    if options.camera is not None and len(found) > 1:
        found = [f for f in found if f.camera == options.camera]
        if not found:
            raise InputError(f"{path} holds no camera {options.camera!r}")
    one = options if len(found) == 1 else replace(options, camera=None)
    return KeypointFile(name, tuple(f.to_record(one) for f in found), tuple(note for f in found for note in f.notes))


def _folder_camera(path: Path, view: int, views: int, options: KeypointOptions) -> str:
    if views == 1:
        return options.camera or path.name.removesuffix("_json")
    return f"cam_{view}"


__all__ = ["KEYPOINT_READERS", "FoundKeypoints", "KeypointFile", "KeypointOptions", "keypoint_formats", "read_keypoints"]
