"""``transforms.json`` of NeRF programs: camera to world, OpenGL's camera axes (y up, looking along -z).

Its world has any scale and any up: programs recentre and shrink it.
"""

from pathlib import Path
from typing import Any

import numpy as np

from recon3d.errors import CameraError, Recon3dError, all_faults
from recon3d.geometry import SE3, CameraRig, Intrinsics
from recon3d.io.files import read_json, write_json
from recon3d.io.rigs.found import OTHER_CAMERA_AXES, FoundRig, Size, array, each_camera, lens_matrix, size_from, table
from recon3d.io.rigs.holds import check_holds, first_coefficients
from recon3d.io.rigs.images import PosedImage, cameras_of_images, images_of_camera

_LENS = ("fl_x", "fl_y", "cx", "cy", "w", "h", "camera_angle_x", "k1", "k2", "k3", "k4", "p1", "p2", "camera_model", "is_fisheye")
_PINHOLE = {"PINHOLE", "SIMPLE_PINHOLE", "OPENCV", "SIMPLE_RADIAL", "RADIAL"}


def read_transforms(path: Path, size: Size | None = None) -> FoundRig:
    """``transforms.json``; `size` for files without w and h. See `cameras_of_images` for what becomes a camera."""
    data = read_json(path)
    frames = data.get("frames") if isinstance(data, dict) else None
    if not isinstance(frames, list):
        raise CameraError(f"{path}: 'frames' must be a list")
    images: list[PosedImage] = []
    faults: list[str] = []
    for number, frame in enumerate(frames):
        try:
            images.append(_image(table(frame, "a frame"), data, size, number))
        except Recon3dError as error:
            faults.append(f"frame {number}: {error}")
    if faults:
        raise CameraError(all_faults(faults, f"{path} cannot be used as transforms:"))
    found = cameras_of_images(images)
    cameras = each_camera(((c.name, c) for c in found), lambda _, c: c, path, "transforms", "there is no frame in 'frames'")
    return FoundRig(path, cameras, unknown=frozenset({"scale", "up", "floor"}))


def _image(frame: dict[str, Any], data: dict[str, Any], size: Size | None, number: int) -> PosedImage:
    lens = {key: frame.get(key, data.get(key)) for key in _LENS}
    world_from_other = SE3.from_matrix(array(frame.get("transform_matrix"), (4, 4), "transform_matrix"))
    name = frame.get("file_path", f"image{number}")
    if not isinstance(name, str):
        raise CameraError("file_path must be text")
    return PosedImage(name, repr(lens), _intrinsics(lens, size), OTHER_CAMERA_AXES @ world_from_other.inverse())


def _intrinsics(lens: dict[str, Any], size: Size | None) -> Intrinsics:
    if lens["w"] is not None and lens["h"] is not None:
        size = size_from([lens["w"], lens["h"]], "w and h")
    if size is None:
        raise CameraError("w and h are missing: give the image size with size=(width, height)")
    if lens["fl_x"] is not None:
        fx = float(array(lens["fl_x"], (), "fl_x"))
    else:
        fx = size[0] / 2 / np.tan(float(array(lens["camera_angle_x"], (), "fl_x (or camera_angle_x)")) / 2)
    fy = fx if lens["fl_y"] is None else float(array(lens["fl_y"], (), "fl_y"))
    middle = {"cx": (size[0] - 1) / 2, "cy": (size[1] - 1) / 2}
    cx, cy = (value if lens[key] is None else float(array(lens[key], (), key)) for key, value in middle.items())
    k = lens_matrix(fx, fy, cx, cy)
    c = {key: 0.0 if lens[key] is None else float(array(lens[key], (), key)) for key in ("k1", "k2", "k3", "k4", "p1", "p2")}
    model = str(lens["camera_model"] or "OPENCV")
    if model == "OPENCV_FISHEYE" or lens["is_fisheye"]:
        return Intrinsics(size, k, "fisheye", np.array([c["k1"], c["k2"], c["k3"], c["k4"]]))
    if model not in _PINHOLE or c["k4"]:
        raise CameraError(f"the camera model {model} with k4 = {c['k4']:g} is not read: undistort the images first")
    return Intrinsics(size, k, "pinhole", np.array([c["k1"], c["k2"], c["p1"], c["p2"], c["k3"]]))


def write_transforms(path: Path, rig: CameraRig) -> None:
    """As ``transforms.json``, in metres: pinhole lenses of 5 coefficients, fisheye lenses, moving cameras."""
    check_holds(rig, "transforms", fisheye=True, skew=False, moving=True, needs=frozenset())
    frames: list[dict[str, Any]] = []
    for camera in rig:
        i, k = camera.intrinsics, camera.intrinsics.K
        fisheye = i.model == "fisheye"
        names = ("k1", "k2", "k3", "k4") if fisheye else ("k1", "k2", "p1", "p2", "k3")
        lens = {"camera_model": "OPENCV_FISHEYE" if fisheye else "OPENCV", "w": i.size[0], "h": i.size[1]}
        lens |= {"fl_x": k[0, 0], "fl_y": k[1, 1], "cx": k[0, 2], "cy": k[1, 2]}
        lens |= dict(zip(names, first_coefficients(camera, len(names)), strict=True))
        for name, pose in images_of_camera(camera):
            world_from_other = (OTHER_CAMERA_AXES @ pose).inverse()
            frames.append({"file_path": name, **lens, "transform_matrix": world_from_other.matrix()})
    write_json(path, {"frames": frames})
