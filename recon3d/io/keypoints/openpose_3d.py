"""The one person that OpenPose triangulates itself, with ``--3d``."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from recon3d.arrays import freeze_fields
from recon3d.errors import InputError, LayoutError
from recon3d.io.files import read_json
from recon3d.io.keypoints.found import KeypointOptions
from recon3d.io.keypoints.gather import entries
from recon3d.io.keypoints.openpose import BY_COUNT, OpenPoseFolder, body_layout, people_in, values_of
from recon3d.skeleton import Layout, load_layout

_TOLD_FROM = 100  # files


@dataclass(frozen=True, slots=True, eq=False)
class OpenPose3D:
    """The one person that OpenPose triangulates itself.

    Attributes:
        layout: of the body.
        frame: source frame numbers.
        points: x, y, z in the axes and the unit of camera 0 (m in OpenPose's own calibration), and 1 or 0;
            NaN, NaN, NaN, 0 where absent.
    """

    layout: Layout
    frame: Int[np.ndarray, "frames"]
    points: Float[np.ndarray, "frames joints 4"]

    def __post_init__(self) -> None:
        freeze_fields(self)


def read_openpose_3d(folder: Path, layout: str | None = None) -> OpenPose3D:
    """``pose_keypoints_3d`` of the files of camera 0; nobody in a frame is a row of NaN.

    Raises:
        InputError: no 3D points in any file, or more than one person with them.
        LayoutError: the layout is not known; it is told by the 2D points beside them.
    """
    files = OpenPoseFolder(folder, folder.name, KeypointOptions(layout=layout))
    found: list[np.ndarray | None] = []
    for file in files.paths():
        data = read_json(file)
        listed = entries(data.get("people") if isinstance(data, dict) else None, f"{file}, people")
        solid = [values_of(person, ("pose_keypoints_3d",), str(file), 4) for person in listed]
        solid = [points for points in solid if points is not None]
        if len(solid) > 1:
            raise InputError(f"{file} has {len(solid)} people in 3D: OpenPose triangulates one")
        found.append(solid[0] if solid else None)
    counts = {len(points) for points in found if points is not None}
    if len(counts) != 1:
        raise InputError(f"{folder}: files hold {'no' if not counts else sorted(counts)} 3D points of a body: run OpenPose with --3d")
    body = _told(files, counts.pop(), layout)
    points = np.full((len(found), len(body), 4), (np.nan, np.nan, np.nan, 0.0))
    for k, own in enumerate(found):
        if own is not None:
            there = np.isfinite(own).all(1) & (own[:, 3] > 0)
            points[k, there] = own[there]
    return OpenPose3D(body, files.frame.copy(), points)


def _told(files: OpenPoseFolder, count: int, asked: str | None) -> Layout:
    if asked is None and len(BY_COUNT.get(count, ())) == 1:
        return load_layout(BY_COUNT[count][0])
    people = [person.body for file in files.paths(slice(_TOLD_FROM)) for person in people_in(read_json(file), file)]
    body = body_layout(people, files.folder, files.camera, asked) if people or asked else None
    if body is None or len(body) != count:
        raise LayoutError(f"nothing in {files.folder} tells the layout of its {count} points in space; name it with --layout")
    return body
