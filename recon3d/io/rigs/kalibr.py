"""Kalibr's ``camchain.yaml``: a chain of cameras, metres; the world is camera 0's, so up and floor are unknown.

``T_cn_cnm1`` of camera n takes camera n - 1's axes into camera n's. Read are pinhole cameras with radtan,
equidistant, fov or no distortion, and, by a fit, omni, ds and eucm cameras.
"""

import re
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from recon3d.errors import CameraError
from recon3d.geometry import SE3, CameraRig, Intrinsics, lens
from recon3d.io.files import atomic
from recon3d.io.rigs.foreign_lenses import double_sphere_rays, extended_unified_rays, fov_rays, omni_rays
from recon3d.io.rigs.found import FoundCamera, FoundRig, Size, array, each_camera, lens_matrix, size_from, table
from recon3d.io.rigs.holds import check_holds, first_coefficients, row
from recon3d.io.rigs.lens_fit import fit_lens
from recon3d.io.rigs.text import read_yaml

KEY = re.compile(r"^cam(\d+)\s*:", re.MULTILINE)
_EXTRA = {"pinhole": 0, "omni": 1, "ds": 2, "eucm": 2}
"""How many numbers of each model lie before the focal lengths."""


def read_kalibr(path: Path, size: Size | None = None) -> FoundRig:
    """Kalibr's camchain; one camera alone has no pose. `size` is not needed: the file has it."""
    data = read_yaml(path)
    names = sorted((k for k in data if isinstance(k, str) and re.fullmatch(r"cam\d+", k)), key=lambda name: int(name[3:]))
    chain: dict[str, SE3 | None] = {names[0]: SE3.identity() if len(names) > 1 else None} if names else {}

    def camera(name: str, entry: Any) -> FoundCamera:
        entry = table(entry, "a camera")
        intrinsics = _intrinsics(entry)
        if name not in chain:
            step = SE3.from_matrix(array(entry.get("T_cn_cnm1"), (4, 4), "T_cn_cnm1"))
            before = chain.get(names[names.index(name) - 1])
            if before is None:
                raise CameraError("the camera before it in the chain has no pose")
            chain[name] = step @ before
        return FoundCamera(name, intrinsics, chain[name])

    entries = [(name, data[name]) for name in names]
    cameras = each_camera(entries, camera, path, "a Kalibr camera chain", "there is no cam0")
    return FoundRig(path, cameras, 1.0, frozenset({"up", "floor"}))


def _intrinsics(entry: dict[str, Any]) -> Intrinsics:
    model, distortion = str(entry.get("camera_model")), str(entry.get("distortion_model", "none"))
    if model not in _EXTRA:
        raise CameraError(f"camera_model {model!r} is not one of {', '.join(_EXTRA)}")
    values = array(entry.get("intrinsics"), (4 + _EXTRA[model],), "intrinsics").tolist()
    extra, (fu, fv, pu, pv) = values[: _EXTRA[model]], values[_EXTRA[model] :]
    size, k = size_from(entry.get("resolution"), "resolution"), lens_matrix(fu, fv, pu, pv)
    count = {"none": 0, "radtan": 4, "equidistant": 4, "fov": 1}.get(distortion)
    if count is None:
        raise CameraError(f"distortion_model {distortion!r} is not one of none, radtan, equidistant, fov")
    dist = array(entry.get("distortion_coeffs", []), (count,), "distortion_coeffs") if count else np.zeros(0)
    if model == "pinhole" and distortion != "fov":
        return Intrinsics(size, k, "fisheye" if distortion == "equidistant" else "pinhole", dist)
    if model != "pinhole" and distortion not in {"none", "radtan"}:
        raise CameraError(f"a {model} camera with {distortion} distortion is not read")
    plain = Intrinsics(size, k)  # says what is wrong with the focal length

    def rays(px: Float[np.ndarray, "points 2"]) -> Float[np.ndarray, "points 3"]:
        xy = (px - plain.K[:2, 2]) / np.diag(plain.K)[:2]
        if distortion == "fov":
            return fov_rays(xy, float(dist[0]))
        if distortion == "radtan":
            x, y, _ = lens.undistort(lens.pinhole(dist), xy[:, 0].copy(), xy[:, 1].copy())
            xy = np.stack([x, y], -1)
        kinds = {"omni": omni_rays, "ds": double_sphere_rays, "eucm": extended_unified_rays}
        return kinds[model](xy, *extra)

    return fit_lens(size, rays, f"Kalibr {model}-{distortion}").intrinsics


def write_kalibr(path: Path, rig: CameraRig) -> None:
    """As Kalibr's camchain: radtan (4 coefficients) and equidistant lenses, one pose a camera, metres.

    The chain says how the cameras stand to each other and nothing of the world. Its cameras are called cam0, cam1, ...;
    the rig's names are in the topics.
    """
    check_holds(rig, "a Kalibr camera chain", coefficients=4, fisheye=True, skew=False)
    lines: list[str] = []
    for k, camera in enumerate(rig):
        i = camera.intrinsics
        distortion = "equidistant" if i.model == "fisheye" else "radtan"
        lines += [
            f"cam{k}:",
            "  camera_model: pinhole",
            f"  distortion_coeffs: [{row(first_coefficients(camera, 4))}]",
            f"  distortion_model: {distortion}",
            f"  intrinsics: [{row([i.K[0, 0], i.K[1, 1], i.K[0, 2], i.K[1, 2]])}]",
            f"  resolution: [{i.size[0]}, {i.size[1]}]",
            f'  rostopic: "/{camera.name}/image_raw"',
        ]
        if k:
            step = camera.cam_from_world @ rig.cameras[k - 1].cam_from_world.inverse()
            lines += ["  T_cn_cnm1:", *(f"  - [{row(line)}]" for line in step.matrix())]
    with atomic(path) as stream:
        stream.write("\n".join([*lines, ""]))
