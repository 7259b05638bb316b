"""Rigs of other systems: Qualisys, the TOML of aniposelib / Pose2Sim / caliscope, OpenCV's YAML."""

import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from recon3d.errors import CameraError, all_faults
from recon3d.geometry import SE3, SO3, Camera, CameraRig, Intrinsics
from recon3d.io.files import read_text
from recon3d.io.rig_toml import numbers
from recon3d.opencv import import_cv2

_SUBPIXEL = 64.0  # Qualisys counts sensor coordinates in 64ths of a pixel


def read_qualisys(path: Path) -> CameraRig:
    """Qualisys ``.qca.txt`` (XML): positions in mm, world z up, cameras looking along their -z.

    The nine numbers of ``transform`` hold camera-to-world column by column, that is world-to-camera row by
    row, for a camera whose y is up and z backward. Focal lengths and centres are in 64ths of a pixel; the
    distortion is not.
    """
    try:
        root = ElementTree.fromstring(read_text(path))
    except ElementTree.ParseError as error:
        raise CameraError(f"{path} is not complete XML: {error}") from None
    faults: list[str] = []
    cameras: list[Camera] = []
    for node in root.iter("camera"):
        name = node.get("serial") or f"camera {len(cameras) + 1}"
        try:
            cameras.append(_qualisys_camera(name, node))
        except (CameraError, KeyError, ValueError, TypeError, AttributeError) as error:
            missing = f"entry {error} is missing" if isinstance(error, KeyError) else str(error)
            faults.append(f"{name}: {missing}")
    if not cameras and not faults:
        faults.append("there is no <camera>")
    if faults:
        raise CameraError(all_faults(faults, f"{path} cannot be used as a Qualisys calibration:"))
    return CameraRig(tuple(cameras))


def _qualisys_camera(name: str, node: ElementTree.Element) -> Camera:
    def part(tag: str) -> dict[str, str]:
        found = node.find(tag)
        if found is None:
            raise CameraError(f"<{tag}> is missing")
        return dict(found.attrib)

    t, i, view = part("transform"), part("intrinsic"), part("fov_video")
    left, top = float(view["left"]), float(view["top"])
    size = (round(float(view["right"]) - left) + 1, round(float(view["bottom"]) - top) + 1)
    k = np.array(
        [
            [float(i["focalLengthU"]) / _SUBPIXEL, float(i["skew"]) / _SUBPIXEL, float(i["centerPointU"]) / _SUBPIXEL - left],
            [0, float(i["focalLengthV"]) / _SUBPIXEL, float(i["centerPointV"]) / _SUBPIXEL - top],
            [0, 0, 1],
        ]
    )
    order = ("radialDistortion1", "radialDistortion2", "tangentalDistortion1", "tangentalDistortion2", "radialDistortion3")
    dist = np.array([float(i[key]) for key in order])
    rows = np.array([float(t[f"r{r}{c}"]) for r in (1, 2, 3) for c in (1, 2, 3)]).reshape(3, 3)
    rotation = SO3(np.diag([1.0, -1.0, -1.0]) @ rows)
    centre = np.array([float(t["x"]), float(t["y"]), float(t["z"])]) / 1000
    return Camera(name, Intrinsics(size, k, "pinhole", dist), SE3(rotation, -(rotation @ centre)))


def parse_aniposelib(data: dict[str, Any], path: Path, metres_per_unit: float | None) -> CameraRig:
    """One table a camera: name, size, matrix, distortions, rotation, translation (world to camera).

    aniposelib writes board units (often mm), Pose2Sim and caliscope metres, and no file says which: the
    unit is asked for unless the cameras' distances leave only one sensible reading.
    """
    tables = data["cameras"] if isinstance(data.get("cameras"), dict) else data
    faults: list[str] = []
    raw: list[tuple[str, Intrinsics, Any, Any]] = []
    for key, entry in tables.items():
        if not isinstance(entry, dict) or key == "metadata" or "matrix" not in entry or entry.get("ignore"):
            continue
        name = str(entry.get("name", entry.get("cam_id", key)))
        try:
            raw.append((name, _aniposelib_intrinsics(entry), *_aniposelib_pose(entry)))
        except (CameraError, ValueError, TypeError) as error:
            faults.append(f"{name}: {error}")
    if not raw and not faults:
        faults.append("there is no table of a camera with a 'matrix'")
    if faults:
        raise CameraError(all_faults(faults, f"{path} cannot be used as a camera TOML:"))
    centres = np.stack([-(rotation.inverse() @ translation) for _, _, rotation, translation in raw])
    unit = metres_per_unit if metres_per_unit is not None else unit_of(centres, path)
    # A camera at the origin, unturned, is the world: its y points down and no floor is known.
    is_world = any(np.allclose(r.matrix, np.eye(3)) and np.allclose(t, 0) for _, _, r, t in raw)
    unknown = frozenset({"up", "floor"}) if is_world else frozenset[str]()
    return CameraRig(tuple(Camera(n, i, SE3(r, t * unit)) for n, i, r, t in raw), unknown=unknown)


def unit_of(centres: np.ndarray, path: Path) -> float:
    """Metres a unit, from how far apart the cameras are; refused where two readings are sensible."""
    spread = float(np.linalg.norm(centres - centres.mean(0), axis=1).max())
    if 0.2 <= spread <= 60:
        return 1.0
    if 200 <= spread <= 60_000:
        return 0.001
    raise CameraError(
        f"{path} does not say its unit, and its cameras lie up to {spread:.4g} units from their middle: "
        "neither metres nor millimetres fit. Give the unit with --rig-unit m, cm or mm."
    )


def _aniposelib_intrinsics(entry: dict[str, Any]) -> Intrinsics:
    if not numbers(entry.get("size"), 2):
        raise CameraError("'size' must be [width, height]")
    if entry.get("rotation_count", 0) % 4:
        raise CameraError(f"rotation_count {entry['rotation_count']}: turn the videos and calibrate them as they are seen")
    k = np.array(entry["matrix"], dtype=float)
    if k.shape != (3, 3):
        raise CameraError("'matrix' must be 3 x 3")
    dist = np.ravel(np.array(entry.get("distortions", []), dtype=float))
    width, height = entry["size"]
    model = "fisheye" if entry.get("fisheye") else "pinhole"
    if model == "pinhole" and len(dist) == 1:  # aniposelib's default: k1 alone
        dist = np.r_[dist, np.zeros(4)]
    return Intrinsics((int(width), int(height)), k, model, dist)


def _aniposelib_pose(entry: dict[str, Any]) -> tuple[SO3, np.ndarray]:
    rotation = np.array(entry.get("rotation"), dtype=float)
    translation = np.ravel(np.array(entry.get("translation"), dtype=float))
    if translation.shape != (3,) or rotation.size not in (3, 9):
        raise CameraError("'rotation' must be 3 (Rodrigues) or 9 numbers and 'translation' 3: no extrinsics yet?")
    return SO3(rotation.reshape(3, 3)) if rotation.size == 9 else SO3.exp(rotation.ravel()), translation


def read_opencv(path: Path, metres_per_unit: float | None) -> CameraRig:
    """OpenCV FileStorage (YAML or XML) of a stereo pair, or EasyMocap's ``intri``/``extri`` names in one file.

    Stereo: M1/K1/cameraMatrix1, D1/distCoeffs1, the same with 2, and R, T, which take camera 1's axes into
    camera 2's; the world is camera 1's, so up and floor are unknown. With ``names``: K_<n>, dist_<n>,
    Rot_<n> or R_<n>, T_<n>, world to camera.
    """
    cv2 = import_cv2()
    read_text(path)  # a clear message for a missing file
    try:
        store = cv2.FileStorage(str(path), cv2.FILE_STORAGE_READ)
    except cv2.error as error:
        raise CameraError(f"{path} is not OpenCV YAML or XML: {str(error).strip().splitlines()[-1]}") from None

    def matrix(*names: str) -> np.ndarray | None:
        for name in names:
            node = store.getNode(name)
            if node.isMap():
                try:
                    return np.asarray(node.mat(), float)
                except cv2.error:
                    raise CameraError(f"{path}: {name} is not a matrix") from None
        return None

    listed = store.getNode("names")
    if not listed.empty():
        names = [listed.at(k).string() for k in range(listed.size())]
        return _named_opencv(path, names, matrix, store, metres_per_unit)
    return _stereo_opencv(path, matrix, store, metres_per_unit)


_Matrix = Callable[..., np.ndarray | None]


def _size(store: Any, k: np.ndarray, suffix: str = "") -> tuple[int, int]:
    for width, height in ((f"W_{suffix}", f"H_{suffix}"), ("image_width", "image_height")):
        w, h = store.getNode(width), store.getNode(height)
        if not w.empty() and not h.empty():
            return int(w.real()), int(h.real())
    raise CameraError("the image size is missing (image_width, image_height): add it, it is not guessed from the centre")


def _stereo_opencv(path: Path, matrix: _Matrix, store: Any, metres_per_unit: float | None) -> CameraRig:
    faults: list[str] = []
    cameras: list[Camera] = []
    r, t = matrix("R"), matrix("T")
    if r is None or t is None:
        faults.append("R and T, from camera 1 to camera 2, are missing")
    unit = metres_per_unit
    if unit is None and t is not None:
        unit = unit_of(np.stack([np.zeros(3), 2 * np.ravel(t)]), path)
    for n in (1, 2):
        k = matrix(f"M{n}", f"K{n}", f"cameraMatrix{n}", f"camera_matrix_{n}")
        d = matrix(f"D{n}", f"distCoeffs{n}", f"dist{n}", f"distortion_coefficients_{n}")
        if k is None or d is None:
            faults.append(f"camera {n}: M{n} and D{n} (or K{n}, cameraMatrix{n}, distCoeffs{n}) are missing")
            continue
        if faults:
            continue
        pose = SE3.identity()
        if n == 2 and r is not None and t is not None and unit is not None:
            pose = SE3(SO3(r if r.size == 9 else SO3.exp(np.ravel(r)).matrix), np.ravel(t) * unit)
        try:
            cameras.append(Camera(f"cam{n}", Intrinsics(_size(store, k), k, "pinhole", np.ravel(d)), pose))
        except CameraError as error:
            faults.append(f"camera {n}: {error}")
    if faults:
        raise CameraError(all_faults(faults, f"{path} cannot be used as an OpenCV stereo calibration:"))
    return CameraRig(tuple(cameras), unknown=frozenset({"up", "floor"}))


def _named_opencv(path: Path, names: list[str], matrix: _Matrix, store: Any, metres_per_unit: float | None) -> CameraRig:
    faults: list[str] = []
    raw: list[tuple[str, Intrinsics, SO3, np.ndarray]] = []
    for name in names:
        k, d = matrix(f"K_{name}"), matrix(f"dist_{name}", f"D_{name}")
        r, t = matrix(f"Rot_{name}", f"R_{name}"), matrix(f"T_{name}")
        if k is None or d is None or r is None or t is None:
            faults.append(f"{name}: needs K_{name}, dist_{name}, Rot_{name} (or R_{name}) and T_{name}")
            continue
        try:
            intrinsics = Intrinsics(_size(store, k, name), k, "pinhole", np.ravel(d))
            raw.append((name, intrinsics, SO3(r) if r.size == 9 else SO3.exp(np.ravel(r)), np.ravel(t)))
        except CameraError as error:
            faults.append(f"{name}: {error}")
    if faults:
        raise CameraError(all_faults(faults, f"{path} cannot be used as an OpenCV rig:"))
    centres = np.stack([-(rotation.inverse() @ translation) for _, _, rotation, translation in raw])
    unit = metres_per_unit if metres_per_unit is not None else unit_of(centres, path)
    return CameraRig(tuple(Camera(n, i, SE3(r, t * unit)) for n, i, r, t in raw))
