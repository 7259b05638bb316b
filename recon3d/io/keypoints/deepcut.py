"""The MPII family: HRNet's ``pred.mat``, DeepCut's ``.npz`` an image, DeeperCut's ``predictions.mat`` and DeepPose's CSV.

Neither .mat file says which image a person is in: rows are frames in their order. HRNet's pixels count from 1 and have no scores;
nor have DeepPose's, which regresses.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from recon3d.errors import InputError
from recon3d.io.keypoints.arrays import as_float, load_arrays
from recon3d.io.keypoints.csv_tables import numbers_of, read_table
from recon3d.io.keypoints.found import FoundKeypoints, KeypointOptions, PeopleRows
from recon3d.io.keypoints.gather import Gather, frame_of_name, numbered
from recon3d.io.mat import read_mat
from recon3d.skeleton import load_layout

_NO_FRAMES = "the file does not say which images its rows are of: they were taken as frames from 0 on"
_DEEPPOSE = {7: "flic_7", 14: "lsp_14", 16: "mpii_16"}
_DEEPCUT = 14


def is_deeppose(cells: Sequence[str]) -> bool:
    """Whether a row of CSV is an image's name and points."""
    return len(cells) - 1 in {2 * count for count in _DEEPPOSE} and "." in cells[0] and all(_is_number(cell) for cell in cells[1:])


def is_mat_keypoints(held: dict[str, Any]) -> bool:
    """Whether the variables of a .mat file are HRNet's or DeeperCut's."""
    return "preds" in held or "joints" in held


def read_mpii_mat(path: Path, options: KeypointOptions) -> list[FoundKeypoints]:
    """A person a frame."""
    held = read_mat(path, cells=True)
    preds, joints = held.get("preds"), held.get("joints")
    if isinstance(preds, np.ndarray) and preds.ndim == 3 and preds.shape[1:] == (16, 2):
        points = np.concatenate([preds - 1.0, np.ones((*preds.shape[:2], 1))], axis=-1)  # MATLAB's first pixel is 1
        return [_single(path, points, "mpii_16", "none", ("pixels that count from 1 were made to count from 0", _NO_FRAMES))]
    if isinstance(joints, list):
        shapes = {np.shape(own) for own in joints}
        if len(shapes) == 1 and len(next(iter(shapes))) == 2 and next(iter(shapes))[1] == 3:
            points = np.stack(joints)
            return [_single(path, points, "lsp_14" if points.shape[1] == _DEEPCUT else None, "heatmap", (_NO_FRAMES,))]
    raise InputError(f"{path} holds neither 'preds' of (people, 16, 2), as HRNet writes, nor 'joints' of one size each, as DeeperCut does")


def read_deepcut(path: Path, options: KeypointOptions) -> list[FoundKeypoints]:
    """One person a file ``<image>_pose.npz``, of a folder or alone."""
    files = numbered(path, "*.npz") if path.is_dir() else [(0, path)]
    people = Gather(path)
    for frame, file in files:
        pose = load_arrays(file).get("pose")
        if pose is None or pose.shape != (5, _DEEPCUT) or pose.dtype.kind != "f":
            raise InputError(f"{file} does not hold 'pose' of (5, 14) as DeepCut writes it")
        people.add(frame, as_float(pose[:3].T))
    return [FoundKeypoints(path, path.stem, load_layout("lsp_14"), people.done(), "heatmap")]


def read_deeppose(path: Path, options: KeypointOptions) -> list[FoundKeypoints]:
    """One person a row."""
    table = read_table(path)
    widths = {len(row) for row in table}
    if len(widths) != 1 or not is_deeppose(table[0]):
        raise InputError(f"{path}: an image's name and 7, 14 or 16 points were expected in every row")
    values = numbers_of(table, range(1, widths.pop()), path, 0).reshape(len(table), -1, 2)
    points = np.concatenate([values, np.isfinite(values).all(-1, keepdims=True)], axis=-1)
    frame = np.array([frame_of_name(Path(row[0]).stem, f"{path}, row {k + 1}") for k, row in enumerate(table)], dtype=np.int64)
    layout = load_layout(_DEEPPOSE[points.shape[1]])
    return [FoundKeypoints(path, path.stem, layout, PeopleRows.of(frame, points), "none")]


def _single(path: Path, points: np.ndarray, layout: str | None, kind: str, notes: tuple[str, ...]) -> FoundKeypoints:
    rows = PeopleRows.of(np.arange(len(points)), points)
    return FoundKeypoints(path, path.stem, None if layout is None else load_layout(layout), rows, kind, notes=notes)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
