"""OpenPose's camera folder: one ``<serial>.xml`` a camera (OpenCV's XML), world to camera, metres.

``CameraMatrix`` is the pose [R | t], ``Intrinsics`` K, ``Distortion`` 8 coefficients. OpenPose keeps no image
size; recon3d writes it beside them, and asks for it where it is missing.
"""

from pathlib import Path

import numpy as np
from jaxtyping import Float

from recon3d.errors import CameraError
from recon3d.geometry import SE3, SO3, CameraRig, Intrinsics
from recon3d.io.files import atomic
from recon3d.io.rigs.found import FoundCamera, FoundRig, Size, array, each_camera, size_from, vector
from recon3d.io.rigs.holds import check_holds, first_coefficients, row
from recon3d.io.rigs.text import read_storage


def read_openpose_rig(path: Path, size: Size | None = None) -> FoundRig:
    """OpenPose's folder of cameras, or one of its files: then that camera alone.

    Args:
        path: the folder or file.
        size: of the images, px, where the files have none.
    """
    files = sorted(path.glob("*.xml")) if path.is_dir() else [path]

    def camera(name: str, file: Path) -> FoundCamera:
        store = read_storage(file)
        pose = array(store.get("CameraMatrix"), (3, 4), "CameraMatrix")
        k, dist = array(store.get("Intrinsics"), (3, 3), "Intrinsics"), vector(store.get("Distortion"), "Distortion")
        written = size_from([store["image_width"], store["image_height"]], "the image size") if "image_width" in store else size
        if written is None:
            raise CameraError("OpenPose keeps no image size: give it with size=(width, height)")
        return FoundCamera(name, Intrinsics(written, k, "pinhole", dist), SE3(SO3(pose[:, :3]), pose[:, 3]))

    entries = [(file.stem, file) for file in files]
    return FoundRig(path, each_camera(entries, camera, path, "OpenPose cameras", "there is no *.xml in the folder"), 1.0)


def write_openpose_rig(path: Path, rig: CameraRig) -> None:
    """As OpenPose's folder, in metres: pinhole lenses of 8 coefficients, one pose a camera."""
    check_holds(rig, "OpenPose cameras", coefficients=8)
    for camera in rig:
        pose = np.c_[camera.cam_from_world.rotation.matrix, camera.cam_from_world.translation]
        dist = first_coefficients(camera, 8)[:, None]
        parts = (("CameraMatrix", pose), ("Intrinsics", camera.intrinsics.K), ("Distortion", dist))
        width, height = camera.intrinsics.size
        lines = ['<?xml version="1.0"?>', "<opencv_storage>", *(_matrix(tag, values) for tag, values in parts)]
        lines += [f"<image_width>{width}</image_width>", f"<image_height>{height}</image_height>", "</opencv_storage>", ""]
        with atomic(path / f"{camera.name}.xml") as stream:
            stream.write("\n".join(lines))


def _matrix(tag: str, values: Float[np.ndarray, "rows columns"]) -> str:
    rows, columns = values.shape
    shape = f"<rows>{rows}</rows>\n  <cols>{columns}</cols>\n  <dt>d</dt>"
    return f'<{tag} type_id="opencv-matrix">\n  {shape}\n  <data>\n    {row(values, " ")}</data></{tag}>'
