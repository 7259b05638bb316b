"""OptiTrack ``.mcal`` (XML, UTF-16 in practice, Motive 3.2 and later), read only.

Metres, world y up; a camera whose y is up and which looks along its -z. ``Extrinsic`` holds its position and,
row by row, its orientation (camera to world). Of the two lens models in the file, the one of OpenCV's kind,
``IntrinsicStandardCameraModel``, is read; Motive's own, ``Intrinsic`` with KLinear and the like, is not documented.
"""

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np

from recon3d.errors import CameraError
from recon3d.geometry import SE3, SO3, Intrinsics
from recon3d.io.rigs.found import OTHER_CAMERA_AXES, Z_UP_FROM_Y_UP, FoundCamera, FoundRig, Size, each_camera, lens_matrix
from recon3d.io.rigs.text import attribute_numbers, child, xml_root


def read_optitrack(path: Path, size: Size | None = None) -> FoundRig:
    """OptiTrack ``.mcal``; cameras are named by their serial numbers. `size` is not needed: the file has it."""
    entries = [(node.get("Serial", f"camera {k + 1}"), node) for k, node in enumerate(xml_root(path).iter("Camera"))]
    cameras = each_camera(entries, _camera, path, "an OptiTrack calibration", "there is no <Camera>")
    return FoundRig(path, cameras, 1.0).in_world(Z_UP_FROM_Y_UP)


def _camera(name: str, node: ElementTree.Element) -> FoundCamera:
    width, height = attribute_numbers(child(node, "Attributes"), "ImagerPixelWidth", "ImagerPixelHeight")
    lens = node.find("IntrinsicStandardCameraModel")
    if lens is None:
        raise CameraError("<IntrinsicStandardCameraModel> is missing: save the calibration with Motive 3.2 or later")
    fx, fy, cx, cy = attribute_numbers(lens, "HorizontalFocalLength", "VerticalFocalLength", "LensCenterX", "LensCenterY")
    dist = np.array(attribute_numbers(lens, "k1", "k2", "TangentialX", "TangentialY", "k3"))
    place = child(node, "Extrinsic")
    orientation = np.array(attribute_numbers(place, *(f"OrientMatrix{k}" for k in range(9)))).reshape(3, 3)
    world_from_other = SE3(SO3(orientation), np.array(attribute_numbers(place, "X", "Y", "Z")))
    intrinsics = Intrinsics((round(width), round(height)), lens_matrix(fx, fy, cx, cy), "pinhole", dist)
    return FoundCamera(name, intrinsics, OTHER_CAMERA_AXES @ world_from_other.inverse())
