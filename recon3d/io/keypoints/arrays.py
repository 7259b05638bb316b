"""Bare arrays in ``.npy``, ``.npz`` or JSON, told by their shape: MoveNet, MediaPipe, FreeMoCap, rtmlib.

| shape | what it is |
|---|---|
| frames, 1, 1, 17, 3 or frames, 17, 3, at most 1 | MoveNet: y, x, score in shares of the image |
| frames, 1, 6, 56 or frames, 6, 56 | MoveNet for several: 17 times y, x, score, then y0, x0, y1, x1, score |
| frames, 33, 4 or 5 | MediaPipe: x, y, z, visibility and presence in shares of the image |
| cameras, frames, points, 2 | FreeMoCap: px, NaN where absent, no scores |
| keypoints (frames, people, points, 2) with scores (frames, people, points) | rtmlib, in ``.npz`` |

MoveNet's own shares are of its square input: of an image that was padded to a square, the padding must be undone
before. Quantised outputs must be scaled before. Other arrays are refused: a layout that says what it holds is in
`recon3d.io.keypoints.dumps`.
"""

import struct
import tokenize
import zipfile
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from recon3d.errors import InputError
from recon3d.io.files import read_json
from recon3d.io.keypoints.found import FoundKeypoints, KeypointOptions, PeopleRows, Size
from recon3d.io.keypoints.gather import numbers
from recon3d.io.keypoints.whole_image import is_of_whole_image
from recon3d.skeleton import load_layout

_MULTIPOSE = 56  # 17 times y, x, score; box; score
_BROKEN = (ValueError, OSError, EOFError, KeyError, TypeError, IndexError, MemoryError, OverflowError)
_BROKEN += (SyntaxError, tokenize.TokenError, struct.error, zlib.error, zipfile.BadZipFile, UnicodeError)
"""What NumPy and zipfile raise where bytes are not what they should be."""
_LARGEST = 8 * 2**30  # bytes
_LOWEST = 0.1  # score of a person in one of MoveNet's six places, which are always filled
_MOVENET = "coordinates were taken as shares of the whole image: of a padded one, the padding must have been undone"


def is_array(data: Any) -> bool:
    """Whether parsed JSON is nothing but nested lists of numbers."""
    depth = 0
    while isinstance(data, list) and data:
        data, depth = data[0], depth + 1
    return depth >= 3 and isinstance(data, int | float) and not isinstance(data, bool)


def as_float(array: np.ndarray) -> Float[np.ndarray, "*shape"]:
    """As float64; what cannot be is NaN or infinite, without a warning."""
    with np.errstate(invalid="ignore", over="ignore"):
        return array.astype(float)


def npz_names(path: Path) -> tuple[str, ...]:
    """Names of the arrays of an archive; none where it is not one."""
    try:
        with zipfile.ZipFile(path) as archive:
            return tuple(name.removesuffix(".npy") for name in archive.namelist())
    except (OSError, zipfile.BadZipFile):
        return ()


def load_arrays(path: Path, only: Collection[str] | None = None) -> dict[str, np.ndarray]:
    """The arrays of ``.npy`` (named "") or ``.npz``, or ``only`` some of them, none of objects, which only unpickling could read.

    Raises:
        InputError: cut, or holds pickled objects.
    """
    try:
        with open(path, "rb") as stream:
            found = np.load(stream, allow_pickle=False)
            if isinstance(found, np.ndarray):
                return {"": found}
            with found:
                if sum(info.file_size for info in found.zip.infolist()) > _LARGEST:
                    raise InputError(f"{path} unpacks to more than {_LARGEST // 2**30} GiB")
                return {name: found[name] for name in found.files if only is None or name in only}
    except _BROKEN as error:
        pickled = "allow_pickle" in str(error) or "pickle" in str(error)
        reason = "holds pickled objects, which can run any code when read: save plain arrays" if pickled else "is not complete"
        raise InputError(f"{path} {reason} ({str(error)[:80]})") from None
    except NotImplementedError as error:
        raise InputError(f"{path} is packed in a way that is not read: {error}") from None


def read_array(path: Path, options: KeypointOptions) -> list[FoundKeypoints]:
    """The cameras of the array."""
    with open(path, "rb") as stream:
        head = stream.read(6)
    if not head.startswith((b"\x93NUMPY", b"PK")):
        return _told(path, numbers(read_json(path), str(path)))
    held = load_arrays(path)
    if {"keypoints", "scores"} <= set(held):
        return [_rtmlib(path, held["keypoints"], held["scores"], options.size)]
    if len(held) != 1:
        raise InputError(f"{path} holds the arrays {', '.join(sorted(held))}: 'keypoints' and 'scores' were expected, or one alone")
    (array,) = held.values()
    if array.dtype.kind not in "fiu":
        raise InputError(f"{path} holds {array.dtype}, not numbers")
    return _told(path, as_float(array))


def _told(path: Path, array: Float[np.ndarray, "*shape"]) -> list[FoundKeypoints]:
    shape = array.shape
    if array.size == 0:
        raise InputError(f"{path} holds an empty array, {shape}")
    largest = float(np.nan_to_num(np.abs(array)).max())
    if shape[1:] in ((1, 1, 17, 3), (17, 3)) and largest <= 2:
        return [_movenet(path, array.reshape(shape[0], 1, 17, 3))]
    if shape[1:] in ((1, 6, _MULTIPOSE), (6, _MULTIPOSE)):
        people = array.reshape(shape[0], 6, _MULTIPOSE)
        points = people[..., :51].reshape(shape[0], 6, 17, 3).copy()
        points[people[..., 55] < _LOWEST, :, 2] = 0
        return [_movenet(path, points)]
    if len(shape) == 3 and shape[1] == 33 and shape[2] in (4, 5) and largest < 20:
        score = array[..., 3:].min(-1) if shape[2] == 5 else array[..., 3]
        points = np.concatenate([array[..., :2], score[..., None]], axis=-1)[:, None]
        rows = PeopleRows.of_slots(np.arange(shape[0]), points, np.full(1, -1))
        return [FoundKeypoints(path, path.stem, load_layout("mediapipe_33"), rows, "visibility", normalised=True)]
    if len(shape) == 4 and shape[3] == 2 and shape[0] <= 64:
        seen = np.isfinite(array).all(-1, keepdims=True).astype(float)
        views = np.concatenate([array, seen], axis=-1)[:, :, None]
        rows = [PeopleRows.of_slots(np.arange(shape[1]), view, np.zeros(1, dtype=np.int64)) for view in views]
        names = [path.stem] if len(views) == 1 else [f"cam_{k}" for k in range(len(views))]
        return [FoundKeypoints(path, name, None, own, "none") for name, own in zip(names, rows, strict=True)]
    raise InputError(f"{path} holds an array of {shape}: none that MoveNet, MediaPipe or FreeMoCap gives; write it as a recon3d-dump")


def _movenet(path: Path, points: Float[np.ndarray, "frames people 17 3"]) -> FoundKeypoints:
    rows = PeopleRows.of_slots(np.arange(len(points)), points[..., [1, 0, 2]], np.full(points.shape[1], -1))
    return FoundKeypoints(path, path.stem, load_layout("coco_17"), rows, "heatmap", normalised=True, notes=(_MOVENET,))


def _rtmlib(path: Path, places: np.ndarray, scores: np.ndarray, size: Size | None) -> FoundKeypoints:
    if places.ndim == 3 and scores.ndim == 2:  # one image's
        places, scores = places[None], scores[None]
    if places.ndim != 4 or places.shape[-1] != 2 or places.shape[:-1] != scores.shape or "O" in (places.dtype.kind, scores.dtype.kind):
        raise InputError(
            f"{path}: keypoints {places.shape} and scores {scores.shape} are not frames, people, points, 2 and the same without 2"
        )
    if not (places.dtype.kind in "fiu" and scores.dtype.kind in "fiu"):
        raise InputError(f"{path} holds {places.dtype} and {scores.dtype}, not numbers")
    points = np.concatenate([as_float(places), as_float(scores)[..., None]], axis=-1)
    with np.errstate(invalid="ignore"):
        there = np.any(np.isfinite(points).all(-1) & (points[..., 2] > 0), axis=2)
    alone = [(frame, int(np.argmax(there[frame]))) for frame in np.flatnonzero(there.sum(1) == 1).tolist()]
    phantoms = [place for place in alone if size is not None and is_of_whole_image(points[place], size)]
    for frame, slot in phantoms:
        points[frame, slot, :, 2] = 0
    notes = (f"rtmlib took the whole image for a person in {len(phantoms)} frames: left out",) if phantoms else ()
    rows = PeopleRows.of_slots(np.arange(len(points)), points, np.full(points.shape[1], -1))
    known = ("coco_17", "ap10k_17", "halpe_26", "wholebody_133", "openpose_134", "hand_21")
    return FoundKeypoints(path, path.stem, None, rows, "simcc", known, notes=notes)
