"""The TOML of aniposelib, Pose2Sim, caliscope and FreeMoCap: one table a camera, world to camera.

The unit is nowhere in the file: aniposelib writes board units (often mm), Pose2Sim and caliscope metres,
FreeMoCap mm. FreeMoCap's files are known by their metadata; for the others the unit is asked for unless the
cameras' distances leave only one sensible reading.
"""

from pathlib import Path
from typing import Any

import numpy as np

from recon3d.errors import CameraError
from recon3d.geometry import SE3, CameraRig, Intrinsics
from recon3d.io.files import atomic, read_toml
from recon3d.io.rigs.found import FoundCamera, FoundRig, Size, array, each_camera, rotation_from, size_from, vector
from recon3d.io.rigs.holds import check_holds, first_coefficients, row

_FREEMOCAP_METADATA = {"groundplane_calibration", "charuco_square_size", "charuco_board_object", "path_to_recorded_videos", "board"}


def read_aniposelib(path: Path, size: Size | None = None) -> FoundRig:
    """aniposelib, Pose2Sim, caliscope or FreeMoCap TOML. `size` is not needed: the file has it."""
    return parse_aniposelib(read_toml(path), path)


def read_freemocap(path: Path, size: Size | None = None) -> FoundRig:
    """FreeMoCap TOML, taken as such whatever its metadata says."""
    return parse_aniposelib(read_toml(path), path, freemocap=True)


def parse_aniposelib(data: dict[str, Any], path: Path, freemocap: bool = False) -> FoundRig:
    """Cameras from the tables of a TOML file; caliscope's that are marked ``ignore`` are left out."""
    tables = data["cameras"] if isinstance(data.get("cameras"), dict) else data
    found = {k: v for k, v in tables.items() if isinstance(v, dict) and k != "metadata" and "matrix" in v and not v.get("ignore")}
    entries = [(str(entry.get("name", entry.get("cam_id", key))), entry) for key, entry in found.items()]
    cameras = each_camera(entries, _camera, path, "a camera TOML", "there is no table of a camera with a 'matrix'")
    metadata = data.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    if not (freemocap or _FREEMOCAP_METADATA & set(metadata) or any("world_position" in entry for entry in found.values())):
        return FoundRig(path, cameras)
    on_floor = metadata.get("groundplane_calibration") is True
    return FoundRig(path, cameras, 0.001, frozenset() if on_floor else frozenset({"up", "floor"}))


def _camera(name: str, entry: dict[str, Any]) -> FoundCamera:
    turns = entry.get("rotation_count", 0)
    if not isinstance(turns, int) or turns % 4:
        raise CameraError(f"rotation_count {turns}: turn the videos and calibrate them as they are seen")
    dist = vector(entry.get("distortions", []), "'distortions'")
    model = "fisheye" if entry.get("fisheye") else "pinhole"
    if model == "pinhole" and len(dist) == 1:  # aniposelib's default: k1 alone
        dist = np.r_[dist, np.zeros(4)]
    intrinsics = Intrinsics(size_from(entry.get("size"), "'size'"), array(entry["matrix"], (3, 3), "'matrix'"), model, dist)
    if "rotation" not in entry and "translation" not in entry:  # caliscope before its extrinsics
        return FoundCamera(name, intrinsics, None)
    pose = SE3(rotation_from(entry.get("rotation"), "'rotation'"), array(entry.get("translation"), (3,), "'translation'"))
    return FoundCamera(name, intrinsics, pose)


def write_aniposelib(path: Path, rig: CameraRig) -> None:
    """As aniposelib and Pose2Sim read it, in metres: pinhole lenses of 5 coefficients or fisheye lenses, one pose a camera."""
    check_holds(rig, "aniposelib's TOML", fisheye=True)
    _write(path, [line for k, camera in enumerate(_tables(rig, 1.0)) for line in (f"[cam_{k}]", *camera, "")], [])


def write_caliscope(path: Path, rig: CameraRig) -> None:
    """As caliscope's ``camera_array.toml``, in metres; what `write_aniposelib` holds."""
    check_holds(rig, "caliscope's TOML", fisheye=True)
    lines: list[str] = []
    for k, camera in enumerate(_tables(rig, 1.0)):
        lines += [f"[cameras.{k}]", f"cam_id = {k}", *camera, "rotation_count = 0", "ignore = false", ""]
    _write(path, lines, None)


def write_freemocap(path: Path, rig: CameraRig) -> None:
    """As FreeMoCap's calibration TOML, in mm. Its loader keeps k1 k2 p1 p2 alone, so a rig with more is refused."""
    check_holds(rig, "FreeMoCap's TOML", coefficients=4)
    lines: list[str] = []
    for k, (camera, entry) in enumerate(zip(rig, _tables(rig, 0.001), strict=True)):
        facing = camera.cam_from_world.rotation.matrix.T.tolist()
        lines += [f"[cam_{k}]", f'id = "{camera.name}"', f"index = {k}", *entry]
        lines += [f"world_position = [{row(camera.centre * 1000)}]", f"world_orientation = {facing}", ""]
    on_floor = str(not rig.unknown & {"up", "floor"}).lower()
    _write(path, lines, [f"groundplane_calibration = {on_floor}"])


def _tables(rig: CameraRig, metres_per_unit: float) -> list[list[str]]:
    return [
        [
            f'name = "{camera.name}"',
            f"size = [{camera.intrinsics.size[0]}, {camera.intrinsics.size[1]}]",
            f"matrix = {camera.intrinsics.K.tolist()}",
            f"distortions = [{row(first_coefficients(camera, 4 if camera.intrinsics.model == 'fisheye' else 5))}]",
            f"rotation = [{row(camera.cam_from_world.rotation.log())}]",
            f"translation = [{row(camera.cam_from_world.translation / metres_per_unit)}]",
            f"fisheye = {str(camera.intrinsics.model == 'fisheye').lower()}",
        ]
        for camera in rig
    ]


def _write(path: Path, lines: list[str], metadata: list[str] | None) -> None:
    end = [] if metadata is None else ["[metadata]", "adjusted = false", "error = 0.0", *metadata, ""]
    with atomic(path) as stream:
        stream.write("\n".join([*lines, *end]))
