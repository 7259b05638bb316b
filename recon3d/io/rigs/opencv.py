"""OpenCV's YAML and XML (FileStorage): a stereo pair, cameras by name, or one lens; and EasyMocap's two files of them.

No names are fixed. Read are, for camera n of a pair, M<n>, K<n>, cameraMatrix<n> or camera_matrix_<n> with D<n>,
distCoeffs<n>, dist<n> or distortion_coefficients_<n>, and R, T, from camera 1's axes to camera 2's; with a list
``names``, K_<name>, dist_<name> or D_<name>, Rot_<name> (matrix) or R_<name> (rotation vector), T_<name>, world to
camera; for one lens, camera_matrix, cameraMatrix, K, M or mtx with distortion_coefficients, distCoeffs, dist or D.
A lens is a fisheye where ``fisheye`` is 1 or true or ``distortion_model`` is fisheye, equidistant or kannala_brandt,
for all or, with _<name>, for one. EasyMocap's ``intri.yml`` and ``extri.yml`` hold the entries of the second kind,
lenses and poses apart.
"""

import re
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float

from recon3d.errors import CameraError, Recon3dError, all_faults
from recon3d.geometry import SE3, CameraRig, Intrinsics
from recon3d.io.files import atomic
from recon3d.io.rigs.found import FoundCamera, FoundRig, Size, array, each_camera, rotation_from, size_from, vector
from recon3d.io.rigs.holds import check_holds, row
from recon3d.io.rigs.text import read_storage

_Store: TypeAlias = dict[str, Any]
_PAIR_LENS = ("M{}", "K{}", "cameraMatrix{}", "camera_matrix_{}")
_PAIR_DIST = ("D{}", "distCoeffs{}", "dist{}", "distortion_coefficients_{}")
_ONE_LENS = ("camera_matrix", "cameraMatrix", "K", "M", "mtx")
_ONE_DIST = ("distortion_coefficients", "distCoeffs", "dist_coeffs", "dist", "D")
_FISHEYE = {"fisheye", "equidistant", "kannala_brandt", "kannalabrandt4"}
_PINHOLE = {"pinhole", "plumb_bob", "rational_polynomial", "radtan"}


def names_of(store: _Store) -> list[str]:
    """The cameras that a file lists under ``names``; none where it has no such list."""
    listed = store.get("names", [])
    return [str(name) for name in ([listed] if isinstance(listed, str) else listed)]


def has_poses(store: _Store) -> bool:
    """Whether it holds a pose by name."""
    return any(f"{kind}_{name}" in store for name in names_of(store) for kind in ("Rot", "R", "T"))


def has_lenses(store: _Store) -> bool:
    """Whether it holds a lens by name."""
    return any(f"K_{name}" in store for name in names_of(store))


def read_opencv(path: Path, size: Size | None = None) -> FoundRig:
    """OpenCV YAML or XML; `size` for those without one.

    Of a pair, the world is camera 1's, so up and floor are unknown.
    """
    store = read_storage(path)
    if "names" in store:
        return _named(path, store, size)
    if any(form.format(n) in store for form in _PAIR_LENS for n in (1, 2)) or {"R", "T"} & set(store):
        return _stereo(path, store, size)
    cameras = each_camera([(path.stem, store)], lambda name, entry: _single(name, entry, size), path, "an OpenCV calibration", "")
    return FoundRig(path, cameras)


def read_easymocap(path: Path, size: Size | None = None) -> FoundRig:
    """EasyMocap's ``intri.yml`` and ``extri.yml``: their folder, or one of them with the other beside it.

    `size` is for files without H_<name> and W_<name>.

    Raises:
        CameraError: also where one of the two is missing.
    """
    if path.is_dir():
        intri, extri = path / "intri.yml", path / "extri.yml"
    else:
        one, other = ("intri", "extri") if has_lenses(read_storage(path)) else ("extri", "intri")
        pair = {one: path, other: path.with_name(path.name.replace(one, other))}
        intri, extri = pair["intri"], pair["extri"]
    for file, what in ((intri, "the lenses"), (extri, "the poses")):
        if not file.is_file():
            raise CameraError(f"{path}: EasyMocap keeps {what} in {file}, which is missing")
    lenses, poses = read_storage(intri), read_storage(extri)
    if sorted(names_of(lenses)) != sorted(names_of(poses)):
        raise CameraError(f"{intri} names the cameras {', '.join(names_of(lenses))}, and {extri} {', '.join(names_of(poses))}")
    return _named(path, poses | lenses, size)


def read_lenses(path: Path, size: Size | None = None) -> FoundRig:
    """EasyMocap's ``intri.yml`` alone: lenses without poses."""
    return _named(path, read_storage(path), size, poses=False)


def _named(path: Path, store: _Store, size: Size | None, poses: bool = True) -> FoundRig:
    def camera(name: str, entry: _Store) -> FoundCamera:
        intrinsics = _lens(entry, ("K_{}",), ("dist_{}", "D_{}"), name, size)
        if not poses:
            return FoundCamera(name, intrinsics, None)
        rotation = rotation_from(_first(entry, ("Rot_{}", "R_{}"), name), f"Rot_{name} (or R_{name})")
        return FoundCamera(name, intrinsics, SE3(rotation, array(_first(entry, ("T_{}",), name), (3,), f"T_{name}")))

    entries = [(name, store) for name in names_of(store)]
    return FoundRig(path, each_camera(entries, camera, path, "an OpenCV rig", "the list of names is empty"))


def _stereo(path: Path, store: _Store, size: Size | None) -> FoundRig:
    faults: list[str] = []
    cameras: list[FoundCamera] = []
    if "R" not in store or "T" not in store:
        faults.append("R and T, from camera 1 to camera 2, are missing")
    for n in ("1", "2"):
        try:
            pose = SE3.identity()
            if n == "2" and not faults:
                pose = SE3(rotation_from(store["R"], "R"), array(store["T"], (3,), "T"))
            cameras.append(FoundCamera(f"cam{n}", _lens(store, _PAIR_LENS, _PAIR_DIST, n, size), pose))
        except Recon3dError as error:
            faults.append(f"camera {n}: {error}")
    if faults:
        raise CameraError(all_faults(faults, f"{path} cannot be used as an OpenCV stereo calibration:"))
    return FoundRig(path, tuple(cameras), unknown=frozenset({"up", "floor"}))


def _single(name: str, store: _Store, size: Size | None) -> FoundCamera:
    return FoundCamera(name, _lens(store, _ONE_LENS, _ONE_DIST, "", size), None)


def _first(store: _Store, forms: tuple[str, ...], name: str) -> Any:
    return next((store[key] for form in forms if (key := form.format(name)) in store), None)


def _lens(store: _Store, k_forms: tuple[str, ...], dist_forms: tuple[str, ...], name: str, size: Size | None) -> Intrinsics:
    k, dist = _first(store, k_forms, name), _first(store, dist_forms, name)
    missing = [f"{' or '.join(form.format(name) for form in forms)}" for v, forms in ((k, k_forms), (dist, dist_forms)) if v is None]
    if missing:
        raise CameraError(f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing")
    numbers = vector(dist, "the distortion")
    model = _model(store, name)
    if model == "pinhole" and len(numbers) == 1:
        numbers = np.r_[numbers, np.zeros(4)]
    return Intrinsics(_size(store, name, size), array(k, (3, 3), "the camera matrix"), model, numbers)


def _model(store: _Store, name: str) -> str:
    for key in (f"distortion_model_{name}", "distortion_model", f"fisheye_{name}", "fisheye"):
        if key in store:
            word = str(store[key]).strip().lower()
            if word in _FISHEYE or (key.startswith("fisheye") and word in {"1", "true", "yes"}):
                return "fisheye"
            if word not in _PINHOLE and not key.startswith("fisheye"):
                raise CameraError(f"{key} is {word!r}, not one of {', '.join(sorted(_FISHEYE | _PINHOLE))}")
            return "pinhole"
    return "pinhole"


def _size(store: _Store, name: str, size: Size | None) -> Size:
    for width, height in ((f"W_{name}", f"H_{name}"), ("image_width", "image_height"), ("W", "H"), ("width", "height")):
        if width in store and height in store:
            return size_from([store[width], store[height]], f"{width} and {height}")
    if "image_size" in store or "imageSize" in store:
        return size_from(store.get("image_size", store.get("imageSize")), "the image size")
    if size is None:
        raise CameraError("the image size is missing (image_width, image_height): add it, it is not guessed from the centre")
    return size


def matrix_yaml(key: str, values: Float[np.ndarray, "rows columns"]) -> str:
    """A matrix as OpenCV's FileStorage writes it, to the last digit."""
    rows, columns = values.shape
    return f"{key}: !!opencv-matrix\n   rows: {rows}\n   cols: {columns}\n   dt: d\n   data: [ {row(values)} ]"


def write_opencv(path: Path, rig: CameraRig) -> None:
    """As one OpenCV YAML with a list of names: every lens of OpenCV's, one pose a camera; its unit is the rig's."""
    check_holds(rig, "OpenCV's YAML", coefficients=14, fisheye=True, needs=frozenset())
    _write(path, rig, _lens_lines(rig) + _pose_lines(rig))


def write_easymocap(path: Path, rig: CameraRig) -> None:
    """As EasyMocap's ``intri.yml`` and ``extri.yml`` in a folder, in metres: pinhole lenses of 5 coefficients."""
    check_holds(rig, "EasyMocap's files")
    _write(path / "intri.yml", rig, _lens_lines(rig))
    _write(path / "extri.yml", rig, _pose_lines(rig))


def _write(path: Path, rig: CameraRig, lines: list[str]) -> None:
    odd = [name for name in rig.names if not re.fullmatch(r"[A-Za-z0-9_-]+", name)]
    if odd:
        raise CameraError(f"camera {', '.join(odd)}: OpenCV's files allow letters, digits, '_' and '-' in a name; rename them")
    names = ["names:", *(f'   - "{name}"' for name in rig.names)]
    with atomic(path) as stream:
        stream.write("\n".join(["%YAML:1.0", "---", *names, *lines, ""]))


def _lens_lines(rig: CameraRig) -> list[str]:
    lines: list[str] = []
    for camera in rig:
        i, name = camera.intrinsics, camera.name
        dist = np.zeros(5) if not len(i.dist) and i.model == "pinhole" else i.dist if len(i.dist) else np.zeros(4)
        if len(dist) > 5 and not dist[5:].any():
            dist = dist[:5]
        lines += [matrix_yaml(f"K_{name}", i.K), matrix_yaml(f"dist_{name}", dist[None])]
        lines += [f"W_{name}: {i.size[0]}", f"H_{name}: {i.size[1]}"]
        lines += [f'distortion_model_{name}: "fisheye"'] if i.model == "fisheye" else []
    return lines


def _pose_lines(rig: CameraRig) -> list[str]:
    lines: list[str] = []
    for camera in rig:
        pose, name = camera.cam_from_world, camera.name
        lines += [matrix_yaml(f"R_{name}", pose.rotation.log()[:, None]), matrix_yaml(f"Rot_{name}", pose.rotation.matrix)]
        lines.append(matrix_yaml(f"T_{name}", pose.translation[:, None]))
    return lines
