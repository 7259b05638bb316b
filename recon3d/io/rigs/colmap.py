"""COLMAP models: world to camera, OpenCV's camera axes, a world of unknown scale and up.

The one format whose centre of the top-left pixel is (0.5, 0.5): half a pixel is taken off here in reading and put
on in writing, nowhere else.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from jaxtyping import Float

from recon3d.errors import CameraError, Recon3dError, all_faults
from recon3d.geometry import SE3, SO3, Camera, CameraRig, Intrinsics, lens
from recon3d.io.rigs.colmap_files import MODELS, ColmapCamera, ColmapImage, read_model, write_binary_model, write_text_model
from recon3d.io.rigs.foreign_lenses import fov_rays, thin_prism_fisheye_rays
from recon3d.io.rigs.found import FoundRig, Size, each_camera, lens_matrix
from recon3d.io.rigs.holds import check_holds, first_coefficients
from recon3d.io.rigs.images import PosedImage, cameras_of_images, images_of_camera
from recon3d.io.rigs.lens_fit import fit_lens

_PIXEL_CENTRE = 0.5


def read_colmap(path: Path, size: Size | None = None) -> FoundRig:
    """A COLMAP model: its folder, or a file in it. See `cameras_of_images` for what becomes a camera. `size` is not needed."""
    folder = path if path.is_dir() else path.parent
    found, images = read_model(folder)
    lenses: dict[int, Intrinsics] = {}
    faults: list[str] = []
    for number, camera in found.items():
        try:
            lenses[number] = _intrinsics(camera)
        except Recon3dError as error:
            faults.append(f"camera {number}: {error}")
    faults += [f"image {image.name} has camera {image.camera_id}, which is not there" for image in images if image.camera_id not in found]
    faults += [f"image {image.name} has no rotation" for image in images if not any(image.qvec)]
    if not images:
        faults.append("no image has a pose")
    if faults:
        raise CameraError(all_faults(faults, f"{folder} cannot be used as a COLMAP model:"))
    posed = [PosedImage(image.name, image.camera_id, lenses[image.camera_id], _pose(image)) for image in images]
    cameras = each_camera(
        ((camera.name, camera) for camera in cameras_of_images(posed)), lambda _, c: c, folder, "a COLMAP model", "no image has a pose"
    )
    return FoundRig(folder, cameras, unknown=frozenset({"scale", "up", "floor"}))


def _pose(image: ColmapImage) -> SE3:
    return SE3(SO3.from_wxyz(np.array(image.qvec)), np.array(image.tvec))


def _intrinsics(camera: ColmapCamera) -> Intrinsics:
    p = camera.parameters
    fx, fy = p.get("fx", p.get("f", 0.0)), p.get("fy", p.get("f", 0.0))
    k = lens_matrix(fx, fy, p["cx"] - _PIXEL_CENTRE, p["cy"] - _PIXEL_CENTRE)
    if camera.model in _BY_FIT:
        plain = Intrinsics(camera.size, k)  # says what is wrong with the focal length
        return fit_lens(camera.size, lambda px: _BY_FIT[camera.model](_normalised(px, plain), p), f"COLMAP {camera.model}").intrinsics
    if camera.model.endswith("FISHEYE"):
        return Intrinsics(camera.size, k, "fisheye", np.array([p.get(f"k{n}", 0.0) for n in (1, 2, 3, 4)]))
    dist = np.array([p.get(name, 0.0) for name in ("k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6")])
    return Intrinsics(camera.size, k, "pinhole", dist if camera.model == "FULL_OPENCV" else dist[:5])


def _normalised(px: Float[np.ndarray, "points 2"], plain: Intrinsics) -> Float[np.ndarray, "points 2"]:
    return (px - plain.K[:2, 2]) / np.diag(plain.K)[:2]


_BY_FIT: dict[str, Callable[[Float[np.ndarray, "points 2"], dict[str, float]], Float[np.ndarray, "points 3"]]] = {
    "FOV": lambda xy, p: fov_rays(xy, p["omega"]),
    "THIN_PRISM_FISHEYE": thin_prism_fisheye_rays,
}


def write_colmap(path: Path, rig: CameraRig) -> None:
    """As a COLMAP model in a folder, text files: every pinhole lens of 8 coefficients, fisheye lenses, moving cameras.

    Image names are ``<camera>.png``, or ``<camera>/<frame>.png`` of a moving camera. The world is the rig's.
    """
    write_text_model(path, *_model(rig))


def write_colmap_binary(path: Path, rig: CameraRig) -> None:
    """As `write_colmap`, binary files."""
    write_binary_model(path, *_model(rig))


def _model(rig: CameraRig) -> tuple[list[ColmapCamera], list[ColmapImage]]:
    check_holds(rig, "a COLMAP model", coefficients=8, fisheye=True, skew=False, moving=True, needs=frozenset())
    images: list[ColmapImage] = []
    for number, camera in enumerate(rig, 1):
        for name, pose in images_of_camera(camera):
            images.append(ColmapImage(tuple(pose.rotation.wxyz().tolist()), tuple(pose.translation.tolist()), number, name))
    return [_colmap_camera(number, camera) for number, camera in enumerate(rig, 1)], images


def _colmap_camera(number: int, camera: Camera) -> ColmapCamera:
    i, k = camera.intrinsics, camera.intrinsics.K
    dist = first_coefficients(camera, lens.FISHEYE_COUNT if i.model == "fisheye" else 8)
    pinhole = "FULL_OPENCV" if dist[4:].any() else "OPENCV" if dist.any() else "PINHOLE"
    model = "OPENCV_FISHEYE" if i.model == "fisheye" else pinhole
    values = [k[0, 0], k[1, 1], k[0, 2] + _PIXEL_CENTRE, k[1, 2] + _PIXEL_CENTRE, *dist]
    names = MODELS[model].parameters
    return ColmapCamera(number, model, i.size, {name: float(value) for name, value in zip(names, values, strict=False)})
