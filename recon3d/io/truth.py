"""True positions of people, to judge a take by: plain arrays, Campus and Shelf's ``actorsGT.mat``, CMU Panoptic's folders."""

import json
import re
import zipfile
import zlib
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Int

from recon3d.errors import InputError
from recon3d.io.mat import read_mat
from recon3d.io.npz import read_keypoints3d
from recon3d.records import Keypoints3D, State
from recon3d.skeleton import Layout, load_layout

Unit = Literal["m", "cm", "mm"]
_TO_M = {"m": 1.0, "cm": 0.01, "mm": 0.001}
_PANOPTIC = re.compile(r"body3DScene_(\d+)\.json")
_PANOPTIC_POINTS = "panoptic_19"
_ACTORS = "lsp_14"


def read_truth(path: Path, layout: str | None = None, unit: Unit | None = None, fps: float = 1.0) -> Keypoints3D:
    """True 3D keypoints of people in the world of their cameras.

    Args:
        path: recon3d's own ``keypoints3d.npz``; ``.npy`` or ``.npz`` (an array ``xyz`` or the only one, and
            ``frame`` and ``people`` where they are there) with axes (frames, people, joints, 3) or, of one
            person, (frames, joints, 3); ``actorsGT.mat`` of Campus and Shelf; a folder of CMU Panoptic's
            ``body3DScene_*.json``.
        layout: of arrays; what other formats do not tell.
        unit: of arrays, metres by default; Panoptic's are centimetres.
        fps: frames a second, where the files have no times.

    Raises:
        InputError: nothing of this kind, arrays of other shapes, an unknown or missing layout.
    """
    if path.is_dir():
        return _panoptic(path, unit or "cm", fps)
    if not path.is_file():
        raise InputError(f"no such file or folder: {path}")
    suffix = path.suffix.lower()
    if suffix == ".mat":
        return _actors(path, layout or _ACTORS, unit or "m", fps)
    if suffix not in (".npz", ".npy"):
        raise InputError(f"{path}: truth is read from .npz, .npy, .mat (actorsGT) and folders of body3DScene_*.json")
    held = _arrays(path)
    if str(held.get("kind")) == "keypoints3d":
        return read_keypoints3d(path)
    if layout is None:
        raise InputError(f"{path}: an array does not tell its points; give their layout")
    arrays = {name: value for name, value in held.items() if name not in ("frame", "people") and value.ndim >= 3}
    xyz = arrays.get("xyz") if "xyz" in arrays else next(iter(arrays.values())) if len(arrays) == 1 else None
    if xyz is None:
        raise InputError(f"{path}: name the array xyz; it has {', '.join(held) or 'none'}")
    xyz = xyz[:, None] if xyz.ndim == 3 else xyz
    points = load_layout(layout)
    if xyz.ndim != 4 or xyz.shape[2:] != (len(points), 3) or xyz.dtype.kind not in "fiu":
        raise InputError(f"{path}: positions have axes (frames, people, {len(points)} joints of {layout}, 3), not shape {xyz.shape}")
    frame = _whole(held.get("frame"), len(xyz), f"{path}: frame")
    people = _whole(held.get("people"), xyz.shape[1], f"{path}: people")
    return _record(points, frame, people, _TO_M[unit or "m"] * xyz.astype(float), fps)


def _arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        with open(path, "rb") as stream:
            loaded: Any = np.load(stream, allow_pickle=False)
            return {name: loaded[name] for name in loaded.files} if hasattr(loaded, "files") else {"xyz": loaded}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"{path} is not a complete file of arrays: {error}") from None


def _whole(values: np.ndarray | None, count: int, what: str) -> Int[np.ndarray, "count"]:
    if values is None:
        return np.arange(count)
    if values.shape != (count,) or values.dtype.kind not in "iu" or len(np.unique(values)) != count:
        raise InputError(f"{what} must be {count} different whole numbers")
    return values.astype(np.int64)


def _record(
    layout: Layout,
    frame: Int[np.ndarray, "frames"],
    people: Int[np.ndarray, "people"],
    xyz: Float[np.ndarray, "frames people joints 3"],
    fps: float,
) -> Keypoints3D:
    there = np.logical_and.reduce(np.isfinite(xyz), -1)
    return Keypoints3D(
        layout=layout,
        frame=frame,
        time=frame / fps,
        people=people,
        xyz=np.where(there[..., None], xyz, np.nan),
        confidence=there.astype(float),
        covariance=np.where(there[..., None, None], np.zeros((3, 3)), np.nan),
        views=np.zeros(there.shape, np.uint8),
        state=np.where(there, State.OBSERVED, State.MISSING).astype(np.uint8),
        residual_px=np.full(there.shape, np.nan),
    )


def _actors(path: Path, layout: str, unit: Unit, fps: float) -> Keypoints3D:
    """Cells of people, of frames, of points by 3; who is not there has an empty cell (Belagiannis 2014)."""
    points = load_layout(layout)
    people = read_mat(path, cells=True).get("actor3D")
    while isinstance(people, list) and len(people) == 1 and isinstance(people[0], list):
        people = people[0]
    if not isinstance(people, list) or not people or not all(isinstance(one, list) for one in people):
        raise InputError(f"{path} has no cells actor3D of people and frames; it is no actorsGT.mat")
    frames = max(len(one) for one in people)
    xyz = np.full((frames, len(people), len(points), 3), np.nan)
    for k, one in enumerate(people):
        for frame, place in enumerate(one):
            if isinstance(place, np.ndarray) and place.shape == (len(points), 3):
                xyz[frame, k] = _TO_M[unit] * place.astype(float)
            elif isinstance(place, np.ndarray) and place.size > 1:
                raise InputError(f"{path}: person {k}, frame {frame}: {place.shape} numbers, layout {layout} has {len(points)} points")
    return _record(points, np.arange(frames), np.arange(len(people)), xyz, fps)


def _panoptic(folder: Path, unit: Unit, fps: float) -> Keypoints3D:
    found = sorted((int(match[1]), path) for path in folder.iterdir() if (match := _PANOPTIC.fullmatch(path.name)))
    if not found:
        raise InputError(f"{folder} holds no body3DScene_*.json of CMU Panoptic")
    rows: list[dict[int, np.ndarray]] = []
    for _, path in found:
        try:
            rows.append(_bodies(json.loads(path.read_text(encoding="utf-8"))))
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise InputError(f"{path} is not a file of CMU Panoptic: {error}") from None
    layout = load_layout(_PANOPTIC_POINTS)
    people = sorted({one for row in rows for one in row})
    xyz = np.full((len(rows), len(people), len(layout), 3), np.nan)
    for k, row in enumerate(rows):
        for one, points in row.items():
            xyz[k, people.index(one)] = np.where(points[:, 3:] >= 0, _TO_M[unit] * points[:, :3], np.nan)
    return _record(layout, np.array([number for number, _ in found]), np.array(people, dtype=np.int64), xyz, fps)


def _bodies(data: Any) -> dict[int, np.ndarray]:
    """Positions and scores of each body of a frame; a score below 0 is no position."""
    out: dict[int, np.ndarray] = {}
    for body in data["bodies"]:
        values = np.array(body["joints19"], dtype=float)
        if values.shape != (4 * 19,):
            raise ValueError(f"joints19 holds {values.size} numbers, not 76")
        out[int(body["id"])] = values.reshape(-1, 4)
    return out
