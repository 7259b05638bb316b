"""Vicon ``.xcp`` (XML): mm, world z up, a camera as in OpenCV at POSITION turned by ORIENTATION.

x_cam = R(q) (X - POSITION), with q = x y z w. The lens is said the other way round than OpenCV's, from the
distorted point to the straight one, in px about the principal point (Vicon, "About calibration data (XCP)
files"): with d = (u - u0, a (v - v0)) and r = |d|, the straight point is d (1 + k0 r^2 + k1 r^4 + k2 r^6).
The pixels' aspect ratio a makes the vertical focal length f / a.
A moving camera has several key frames, each of which holds until the next.
"""

import logging
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from xml.sax.saxutils import quoteattr

import numpy as np
from jaxtyping import Float, Int

from recon3d.errors import CameraError
from recon3d.geometry import SE3, SO3, Camera, CameraRig, Intrinsics
from recon3d.io.files import atomic
from recon3d.io.rigs.found import FoundCamera, FoundRig, Size, array, each_camera, lens_matrix, size_from
from recon3d.io.rigs.holds import check_holds, row
from recon3d.io.rigs.lens_fit import MAX_ERROR_PX, fit_lens, pixel_grid
from recon3d.io.rigs.text import attribute, attribute_list, attribute_numbers, xml_root

_NEEDS = frozenset({"scale", "up", "floor"})


def read_vicon(path: Path, size: Size | None = None) -> FoundRig:
    """Vicon ``.xcp``. Cameras without a key frame were not calibrated and are left out. `size` is not needed.

    A pose holds until the next key frame, so it is given again at the frame before that one; the last poses
    of all cameras hold until the last key frame of the file.
    """
    nodes = list(xml_root(path).iter("Camera"))
    calibrated = [node for node in nodes if node.find(".//KeyFrame") is not None]
    if len(calibrated) < len(nodes):
        logging.getLogger(__name__).warning("%s: %d cameras have no key frame and are left out", path, len(nodes) - len(calibrated))
    lasts = [int(f) for node in calibrated for key in node.iter("KeyFrame") if (f := key.get("FRAME", "0")).lstrip("-").isdigit()]
    last = max(lasts, default=0)

    def camera(name: str, node: ElementTree.Element) -> FoundCamera:
        return _camera(name, node, last)

    entries = [(node.get("DEVICEID") or node.get("NAME") or f"camera {k + 1}", node) for k, node in enumerate(calibrated)]
    return FoundRig(path, each_camera(entries, camera, path, "a Vicon calibration", "there is no <Camera> with a <KeyFrame>"), 0.001)


def _camera(name: str, node: ElementTree.Element, last: int) -> FoundCamera:
    size = size_from(attribute(node, "SENSOR_SIZE").split(), "SENSOR_SIZE")
    aspect = attribute_numbers(node, "PIXEL_ASPECT_RATIO")[0] if "PIXEL_ASPECT_RATIO" in node.attrib else 1.0
    skew = attribute_numbers(node, "SKEW")[0] if "SKEW" in node.attrib else 0.0
    if aspect <= 0:
        raise CameraError(f"PIXEL_ASPECT_RATIO must be positive, not {aspect:g}")
    keys = list(node.iter("KeyFrame"))
    lenses = {(*attribute_numbers(key, "FOCAL_LENGTH"), *attribute_list(key, "PRINCIPAL_POINT", 2).tolist(), *_radial(key)) for key in keys}
    if len(lenses) > 1:
        raise CameraError("the lens differs between key frames (a zoom): recon3d has one lens a camera")
    focal, u0, v0, *radial = lenses.pop()
    intrinsics = _intrinsics(size, focal, aspect, (u0, v0), skew, np.array(radial))
    poses = [_pose(key) for key in keys]
    if len(keys) == 1:
        return FoundCamera(name, intrinsics, poses[0])
    frames = array([attribute(key, "FRAME") for key in keys], (len(keys),), "FRAME").astype(int)
    if (np.diff(frames) <= 0).any():
        raise CameraError("the frames of its key frames must rise")
    return FoundCamera(name, intrinsics, *_held(frames, poses, last))


def _radial(key: ElementTree.Element) -> tuple[float, float, float]:
    """k0, k1, k2 of VICON_RADIAL2 ("ViconRadial2 u0 v0 k0 k1 k2") or VICON_RADIAL ("k0 k1"); zeros where there is neither."""
    if "VICON_RADIAL2" in key.attrib:
        words = attribute(key, "VICON_RADIAL2").split()[1:]
        numbers = array(words, (len(words),), "VICON_RADIAL2").tolist()
        if len(numbers) < 4:
            raise CameraError("VICON_RADIAL2 must be a word, a centre and 2 or 3 coefficients")
        return numbers[2], numbers[3], numbers[4] if len(numbers) > 4 else 0.0
    if "VICON_RADIAL" in key.attrib:
        words = attribute(key, "VICON_RADIAL").split()
        k0, k1 = (*array(words, (len(words),), "VICON_RADIAL").tolist(), 0.0, 0.0)[:2]
        return k0, k1, 0.0
    return 0.0, 0.0, 0.0


def _intrinsics(
    size: Size, focal: float, aspect: float, centre: tuple[float, float], skew: float, radial: Float[np.ndarray, "3"]
) -> Intrinsics:
    k = lens_matrix(focal, focal / aspect, *centre, skew)
    straight = Intrinsics(size, k)  # says what is wrong with the focal length
    if not radial.any():
        return straight
    if skew:
        raise CameraError("a lens with both a skew and a distortion is not read: calibrate the camera with SKEW 0")

    def rays(px: Float[np.ndarray, "points 2"]) -> Float[np.ndarray, "points 3"]:
        d = (px - centre) * [1, aspect]
        return np.concatenate([d * _scale(d, radial)[:, None] / focal, np.ones((len(px), 1))], -1)

    return fit_lens(size, rays, "VICON_RADIAL").intrinsics


def _scale(d: Float[np.ndarray, "points 2"], radial: Float[np.ndarray, "3"]) -> Float[np.ndarray, "points"]:
    r2 = (d * d).sum(1)
    return 1 + r2 * (radial[0] + r2 * (radial[1] + r2 * radial[2]))


def _pose(key: ElementTree.Element) -> SE3:
    xyzw = attribute_list(key, "ORIENTATION", 4)
    if not 0.9 < np.linalg.norm(xyzw) < 1.1:
        raise CameraError(f"ORIENTATION is no unit quaternion (its length is {np.linalg.norm(xyzw):.3g})")
    rotation = SO3.from_wxyz(xyzw[[3, 0, 1, 2]])
    return SE3(rotation, -(rotation @ attribute_list(key, "POSITION", 3)))


def _held(frames: Int[np.ndarray, "keys"], poses: list[SE3], last: int) -> tuple[SE3, Int[np.ndarray, "poses"]]:
    """Poses at their key frames and at the last frame that each of them holds for."""
    until = np.append(frames[1:] - 1, max(last, int(frames[-1])))
    which = np.repeat(np.arange(len(frames)), 1 + (until > frames))
    when = np.stack([frames, until], 1)[np.stack([np.ones(len(frames), bool), until > frames], 1)]
    rotation = np.stack([pose.rotation.matrix for pose in poses])[which]
    return SE3(SO3(rotation), np.stack([pose.translation for pose in poses])[which]), when


def write_vicon(path: Path, rig: CameraRig) -> None:
    """As Vicon's ``.xcp``: pinhole lenses that its radial model can say, moving cameras, a metric world with z up.

    A moving camera gets a key frame for every frame from its first pose to its last, as Vicon does not share
    out the way between two.

    Raises:
        CameraError: also for a lens that the radial model misses by more than 0.1 px somewhere in the image.
    """
    check_holds(rig, "a Vicon calibration", coefficients=14, skew=False, moving=True, needs=_NEEDS)
    lines = ['<?xml version="1.0" encoding="UTF-8" standalone="no" ?>', '<Cameras NAME="" VERSION="1.0">']
    for number, camera in enumerate(rig):
        (w, h), k = camera.intrinsics.size, camera.intrinsics.K
        centre = row(k[:2, 2], " ")
        focal, radial = _inverse(camera)
        lens = f'FOCAL_LENGTH="{focal!r}" PRINCIPAL_POINT="{centre}" VICON_RADIAL2="ViconRadial2 {centre} {row(radial, " ")}"'
        name = quoteattr(camera.name)
        lines += [
            f'  <Camera DEVICEID={name} NAME={name} DISPLAY_TYPE="Video" PIXEL_ASPECT_RATIO="{float(k[0, 0] / k[1, 1])!r}" '
            f'SENSOR="" SENSOR_SIZE="{w} {h}" SKEW="0" SYSTEM="DV" TYPE="Video" USERID="{number + 1}">',
            "    <KeyFrames>",
        ]
        frames = [0] if camera.pose_frame is None else range(int(camera.pose_frame[0]), int(camera.pose_frame[-1]) + 1)
        for frame in frames:
            standing = camera.at_frame(frame)
            x, y, z = (standing.centre * 1000).tolist()
            turn = standing.cam_from_world.rotation.wxyz()[[1, 2, 3, 0]]
            lines.append(
                f'      <KeyFrame FRAME="{frame}" {lens} ORIENTATION="{row(turn, " ")}" '
                f'POSITION="{x!r} {y!r} {z!r}" IMAGE_ERROR="0" WORLD_ERROR="0"/>'
            )
        lines += ["    </KeyFrames>", "  </Camera>"]
    with atomic(path) as stream:
        stream.write("\n".join([*lines, "</Cameras>", ""]))


def _inverse(camera: Camera) -> tuple[float, Float[np.ndarray, "3"]]:
    """Focal length (px) and k0 k1 k2 of the radial model nearest to a lens: linear least squares over the whole image."""
    k = camera.intrinsics.K
    focal = float(k[0, 0])
    if not camera.intrinsics.dist.any():
        return focal, np.zeros(3)
    px = pixel_grid(camera.intrinsics.size)
    xy, jacobian = camera.intrinsics.undistort(px)
    if not np.isfinite(xy).all():
        raise CameraError(f"{camera.name}: its lens has no ray at some pixels, and Vicon's model needs one at each")
    aspect = k[0, 0] / k[1, 1]
    d = (px - k[:2, 2]) * [1, aspect]
    corner = (d * d).sum(1).max()  # of the farthest corner: the powers below stay near 1
    r = (d * d).sum(1)[:, None] / corner
    # d (1 + k0 r^2 + k1 r^4 + k2 r^6) = f xy, for the k and for f
    columns = np.stack([focal * xy, -d * r, -d * r**2, -d * r**3], -1).reshape(-1, 4)
    found = np.linalg.lstsq(columns, d.ravel(), rcond=None)[0]
    off = (columns @ found).reshape(-1, 2) - d
    error = float(np.linalg.norm((jacobian @ (off / focal)[..., None])[..., 0], axis=1).max())
    if error > MAX_ERROR_PX:
        raise CameraError(f"{camera.name}: Vicon's radial model misses its lens by {error:.3g} px, allowed are {MAX_ERROR_PX} px")
    return focal * float(found[0]), found[1:] / corner ** np.arange(1, 4)
