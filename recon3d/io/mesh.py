"""Meshes as files a frame, and point clouds from files: PLY, OBJ, NPY."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from recon3d.errors import InputError, SetupError, valid_names
from recon3d.io.files import atomic

_CLOUDS = (".npy", ".ply", ".pcd", ".xyz", ".obj", ".stl", ".glb")


def write_ply(path: Path, vertices: Float[np.ndarray, "vertices 3"], faces: Int[np.ndarray, "faces 3"]) -> None:
    """Binary PLY; m, z up."""
    header = (
        f"ply\nformat binary_little_endian 1.0\ncomment metres, z up\nelement vertex {len(vertices)}\n"
        "property float x\nproperty float y\nproperty float z\n"
        f"element face {len(faces)}\nproperty list uchar int vertex_indices\nend_header\n"
    )
    rows = np.empty(len(faces), [("many", "u1"), ("corners", "<i4", 3)])
    rows["many"], rows["corners"] = 3, faces
    with atomic(path, "wb") as stream:
        stream.write(header.encode("ascii") + vertices.astype("<f4").tobytes() + rows.tobytes())


def write_obj(path: Path, vertices: Float[np.ndarray, "vertices 3"], faces: Int[np.ndarray, "faces 3"]) -> None:
    """Wavefront OBJ; m, y up, as its readers take it."""
    up = np.stack([vertices[:, 0], vertices[:, 2], -vertices[:, 1]], -1)
    lines = ["# metres, y up", *(f"v {x:.6f} {y:.6f} {z:.6f}" for x, y, z in up.tolist())]
    lines += [f"f {a} {b} {c}" for a, b, c in (faces + 1).tolist()]
    with atomic(path) as stream:
        stream.write("\n".join(lines) + "\n")


MESH_WRITERS: dict[str, Callable[[Path, Float[np.ndarray, "vertices 3"], Int[np.ndarray, "faces 3"]], None]] = {
    ".obj": write_obj,
    ".ply": write_ply,
}
"""Writers of one mesh."""


def read_cloud(path: Path) -> Float[np.ndarray, "points 3"]:
    """Points of a file, m, in the world; a mesh's are its vertices. What is not finite is left out.

    Raises:
        InputError: it holds none, or cannot be read.
        SetupError: anything but NPY, without the extra ``scan``.
    """
    suffix = path.suffix.lower()
    if suffix not in _CLOUDS:
        raise InputError(f"{path}: point clouds are read from {valid_names(_CLOUDS)}")
    if not path.is_file():
        raise InputError(f"no such file: {path}")
    if suffix == ".npy":
        try:
            points = np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise InputError(f"{path} is not an array of points: {error}") from None
    else:
        points = _read_by_library(path)
    if points.ndim != 2 or points.shape[1] < 3 or not np.issubdtype(points.dtype, np.number):
        raise InputError(f"{path} holds an array of shape {points.shape}, not points by x, y, z")
    points = points[:, :3].astype(float)
    points = points[np.logical_and.reduce(np.isfinite(points), axis=1)]
    if not len(points):
        raise InputError(f"{path} holds no points")
    return points


def _read_by_library(path: Path) -> np.ndarray:
    try:
        library: Any = import_module("open3d" if path.suffix.lower() == ".pcd" else "trimesh")
    except ImportError:
        raise SetupError(f"to read {path.name}: pip install 'recon3d[scan]' (arrays in .npy need nothing)") from None
    if library.__name__ == "open3d":
        return np.asarray(library.io.read_point_cloud(str(path)).points)
    try:
        found = library.load(path, process=False)
        if hasattr(found, "geometry"):  # a scene
            found = found.to_mesh()
        return np.asarray(found.vertices)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, NotImplementedError) as error:
        raise InputError(f"{path} cannot be read as points: {error}") from None
