"""Qualisys ``.qca.txt`` and Theia3D ``.txt``: the same XML tags with two meanings.

Qualisys: ``transform`` holds the camera's position (mm) and camera-to-world column by column, that is
world-to-camera row by row, for a camera whose y is up and z backward; focal lengths and centres are in
64ths of a pixel and count from the sensor's corner; the distortion is plain.
Theia3D (theiamarkerless.com, "Calibration files"): ``transform`` holds world-to-camera itself,
p_cam = R p + t with t in mm, for OpenCV's camera axes; everything else is in pixels.

Which of the two wrote a file is told by two signs that must agree: Qualisys' root names its producer
(``source``, ``qtm-version`` or ``created``), Theia's root has no attributes; and the numbers of the sensor
are 64ths or pixels. World z is up in both.
"""

import xml.etree.ElementTree as ElementTree
from pathlib import Path
from xml.sax.saxutils import quoteattr

import numpy as np

from recon3d.errors import CameraError
from recon3d.geometry import SE3, SO3, CameraRig, Intrinsics
from recon3d.io.files import atomic
from recon3d.io.rigs.found import OTHER_CAMERA_AXES, FoundCamera, FoundRig, Size, each_camera, lens_matrix
from recon3d.io.rigs.holds import check_holds, first_coefficients
from recon3d.io.rigs.text import attribute_numbers, child, xml_root

_SUBPIXEL = 64.0  # Qualisys counts sensor coordinates in 64ths of a pixel
_LARGEST_SENSOR = 16384.0  # px; more than that are 64ths
_PRODUCER = {"source", "qtm-version", "created"}
_ROTATION = tuple(f"r{r}{c}" for r in (1, 2, 3) for c in (1, 2, 3))
_LENS = ("focalLengthU", "focalLengthV", "centerPointU", "centerPointV", "skew")
_RADIAL = ("radialDistortion1", "radialDistortion2", "radialDistortion3")
_SPELLINGS = ("tangentalDistortion", "tengentialDistortion", "tangentialDistortion")  # Qualisys, Theia, English
_NEEDS = frozenset({"scale", "up", "floor"})


def told_apart(root: ElementTree.Element) -> str | None:
    """ "qualisys" or "theia" by what the file holds, None where the signs do not agree."""
    intrinsic, view = root.find(".//intrinsic"), root.find(".//fov_video")
    try:
        sensor = attribute_numbers(intrinsic, "sensorMaxU")[0] if intrinsic is not None else np.nan
        width = attribute_numbers(view, "right")[0] + 1 if view is not None else np.nan
    except CameraError:
        return None
    in_64ths = sensor > 8 * width if np.isfinite(width) else sensor > _LARGEST_SENSOR
    named = bool(_PRODUCER & set(root.attrib))
    return ("qualisys" if named else "theia") if named == in_64ths else None


def read_qualisys(path: Path, size: Size | None = None) -> FoundRig:
    """Qualisys ``.qca.txt``. `size` is not needed: the file has it."""
    root = xml_root(path)
    entries = [(node.get("serial", f"camera {k + 1}"), node) for k, node in enumerate(root.iter("camera"))]
    return FoundRig(path, each_camera(entries, _qualisys_camera, path, "a Qualisys calibration", "there is no <camera>"), 0.001)


def read_theia(path: Path, size: Size | None = None) -> FoundRig:
    """Theia3D ``.txt``; cameras that it says are unused (active="0") are left out.

    The size is that of ``fov_video``, or else `size`, or else of the sensor, which counts from its first to its
    last pixel in some files and to the one after in others: an odd width or height gets that pixel added,
    as no video codec has odd ones.
    """
    root = xml_root(path)
    entries = [(node.get("serial", f"camera {k + 1}"), node) for k, node in enumerate(root.iter("camera")) if node.get("active") != "0"]

    def camera(name: str, node: ElementTree.Element) -> FoundCamera:
        return _theia_camera(name, node, size)

    return FoundRig(path, each_camera(entries, camera, path, "a Theia3D calibration", "there is no <camera> in use"), 0.001)


def _lens(node: ElementTree.Element, per_px: float) -> tuple[list[float], list[float]]:
    """Focal lengths, centre and skew (px), and the coefficients in OpenCV's order."""
    intrinsic = child(node, "intrinsic")
    focal = [value / per_px for value in attribute_numbers(intrinsic, *_LENS)]
    k1, k2, k3 = attribute_numbers(intrinsic, *_RADIAL)
    spelt = next((s for s in _SPELLINGS if f"{s}1" in intrinsic.attrib), _SPELLINGS[0])
    p1, p2 = attribute_numbers(intrinsic, f"{spelt}1", f"{spelt}2")
    return focal, [k1, k2, p1, p2, k3]


def _pose(node: ElementTree.Element) -> tuple[SO3, list[float]]:
    transform = child(node, "transform")
    rows = np.array(attribute_numbers(transform, *_ROTATION)).reshape(3, 3)
    return SO3(rows), attribute_numbers(transform, "x", "y", "z")


def _qualisys_camera(name: str, node: ElementTree.Element) -> FoundCamera:
    (fx, fy, cx, cy, skew), dist = _lens(node, _SUBPIXEL)
    left, top, right, bottom = attribute_numbers(child(node, "fov_video"), "left", "top", "right", "bottom")
    size = (round(right - left) + 1, round(bottom - top) + 1)
    rotation, centre = _pose(node)
    other_from_world = SE3(rotation, -(rotation @ np.array(centre)))
    intrinsics = Intrinsics(size, lens_matrix(fx, fy, cx - left, cy - top, skew), "pinhole", np.array(dist))
    return FoundCamera(name, intrinsics, OTHER_CAMERA_AXES @ other_from_world)


def _theia_camera(name: str, node: ElementTree.Element, size: Size | None) -> FoundCamera:
    (fx, fy, cx, cy, skew), dist = _lens(node, 1.0)
    left, top = 0.0, 0.0
    view = node.find("fov_video")
    if view is not None:
        left, top, right, bottom = attribute_numbers(view, "left", "top", "right", "bottom")
        size = (round(right - left) + 1, round(bottom - top) + 1)
    elif size is None:
        edges = attribute_numbers(child(node, "intrinsic"), "sensorMinU", "sensorMaxU", "sensorMinV", "sensorMaxV")
        width, height = round(edges[1] - edges[0]), round(edges[3] - edges[2])
        size = (width + width % 2, height + height % 2)
    rotation, translation = _pose(node)
    intrinsics = Intrinsics(size, lens_matrix(fx, fy, cx - left, cy - top, skew), "pinhole", np.array(dist))
    return FoundCamera(name, intrinsics, SE3(rotation, np.array(translation)))


def write_qualisys(path: Path, rig: CameraRig) -> None:
    """As Qualisys' ``.qca.txt``, in full digits: pinhole lenses of 5 coefficients, one pose a camera, a metric world with z up."""
    check_holds(rig, "a Qualisys calibration", needs=_NEEDS)
    lines = ['<calibration created="recon3d" source="recon3d" qtm-version="none" type="regular">', "  <cameras>"]
    for camera in rig:
        w, h = camera.intrinsics.size
        other = OTHER_CAMERA_AXES @ camera.cam_from_world
        view = f'left="0" top="0" right="{w - 1}" bottom="{h - 1}"'
        lines += [
            f'    <camera active="1" avg-residual="0" model="none" serial={quoteattr(camera.name)} viewrotation="0">',
            *(f"      <{tag} {view}/>" for tag in ("fov_marker", "fov_marker_max", "fov_video", "fov_video_max")),
            _transform(other.rotation, camera.centre * 1000),
            _intrinsic(camera.intrinsics, first_coefficients(camera, 5).tolist(), _SUBPIXEL, _SPELLINGS[0]),
            "    </camera>",
        ]
    with atomic(path) as stream:
        stream.write("\n".join(["<?xml version='1.0' encoding='UTF-8'?>", *lines, "  </cameras>", "</calibration>", ""]))


def write_theia(path: Path, rig: CameraRig) -> None:
    """As Theia3D's ``.txt``: what Qualisys' holds. The focal length in mm is not known and written as 0."""
    check_holds(rig, "a Theia3D calibration", needs=_NEEDS)
    lines = ["<calibration>", "  <cameras>"]
    for camera in rig:
        lines += [
            f'    <camera active="1" serial={quoteattr(camera.name)} viewrotation="0">',
            _transform(camera.cam_from_world.rotation, camera.cam_from_world.translation * 1000),
            _intrinsic(camera.intrinsics, first_coefficients(camera, 5).tolist(), 1.0, _SPELLINGS[1]),
            "    </camera>",
        ]
    with atomic(path) as stream:
        stream.write("\n".join([*lines, "  </cameras>", "</calibration>", ""]))


def _transform(rotation: SO3, xyz: np.ndarray) -> str:
    numbers = zip(("x", "y", "z", *_ROTATION), [*xyz.tolist(), *rotation.matrix.ravel().tolist()], strict=True)
    return "      <transform " + " ".join(f'{key}="{value!r}"' for key, value in numbers) + "/>"


def _intrinsic(intrinsics: Intrinsics, dist: list[float], per_px: float, tangential: str) -> str:
    k = intrinsics.K.tolist()
    values = dict(zip(_LENS, (per_px * v for v in (k[0][0], k[1][1], k[0][2], k[1][2], k[0][1])), strict=True))
    values |= dict(zip((_RADIAL[0], _RADIAL[1], f"{tangential}1", f"{tangential}2", _RADIAL[2]), dist, strict=True))
    last = 1 if per_px > 1 else 0
    values |= {"sensorMinU": 0.0, "sensorMaxU": per_px * (intrinsics.size[0] - last)}
    values |= {"sensorMinV": 0.0, "sensorMaxV": per_px * (intrinsics.size[1] - last)}
    return '      <intrinsic focallength="0" ' + " ".join(f'{key}="{float(value)!r}"' for key, value in values.items()) + "/>"
