"""Bare arrays and tables: the MPII family, HRNet, MoveNet, MediaPipe, FreeMoCap, rtmlib."""

from pathlib import Path

import numpy as np
from scipy.io import savemat

from recon3d.skeleton import load_layout
from tests.io.keypoint_files.scene import SIZE, frames_of, scene, single


def hrnet_mat(path: Path) -> Path:
    savemat(path, {"preds": np.nan_to_num(single("mpii_16")[..., :2], nan=-1) + 1})
    return path


def deepercut_mat(path: Path) -> Path:
    joints = np.empty(3, dtype=object)
    for k, points in enumerate(np.nan_to_num(single("lsp_14"))):
        joints[k] = points
    savemat(path, {"joints": joints})
    return path


def deepcut_folder(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    for row in scene("lsp_14"):
        if row.person == 0:
            pose = np.zeros((5, 14))
            pose[:3] = np.nan_to_num(row.points).T
            np.savez(path / f"image{row.frame:03d}.png_pose.npz", pose=pose)
    return path


def deeppose_csv(path: Path, layout: str = "lsp_14") -> Path:
    lines = [f"images/im{row.frame:04d}.jpg," + ",".join(f"{v:.3f}" for v in row.absent_as(0, 0, 0)[:, :2].ravel())
             for row in scene(layout) if row.person == 0]  # fmt: skip
    path.write_text("\n".join(lines) + "\n")
    return path


def movenet_npy(path: Path) -> Path:
    points = np.nan_to_num(single("coco_17")) / [*SIZE, 1]
    np.save(path, points[:, None, None][..., [1, 0, 2]].astype(np.float32))
    return path


def movenet_multi(path: Path) -> Path:
    out = np.zeros((12, 1, 6, 56), np.float32)
    for row in scene():
        out[row.frame, 0, row.person, :51] = (row.absent_as(0, 0, 0) / [*SIZE, 1])[:, [1, 0, 2]].ravel()
        out[row.frame, 0, row.person, 55] = 0.8
    out[:, 0, 5, :51] = np.random.default_rng(0).uniform(0.1, 0.9, 51)  # places are always filled
    out[:, 0, 5, 55] = 0.01
    np.save(path, out)
    return path


def freemocap(path: Path) -> Path:
    points = single("mediapipe_33")[..., :2]
    np.save(path, np.stack([points, points + 10]))
    return path


def rtmlib_npz(path: Path) -> Path:
    places, scores = np.full((12, 2, 17, 2), np.nan), np.zeros((12, 2, 17))
    for row in scene():
        places[row.frame, row.person], scores[row.frame, row.person] = row.absent_as(-1, -1, 0)[:, :2], row.points[:, 2]
    np.savez(path, keypoints=places, scores=scores)
    return path


def mediapipe_csv(path: Path, head: str = "{name}_{value}", values: str = "x y z visibility", several: bool = True) -> Path:
    """``head`` has name, NAME, n (from 0) or m (from 1), and value; with ``several``, frames and people are named."""
    points = load_layout("mediapipe_33").points
    heads = ["frame_number", "person_id", "label"] if several else []
    heads += [head.format(name=p, NAME=p.upper(), n=k, m=k + 1, value=value) for k, p in enumerate(points) for value in values.split()]
    lines = [",".join(heads)]
    for frame, rows in frames_of(scene("mediapipe_33")).items():
        rows = [row for row in rows if several or row.person == 0]
        for row in rows:
            cells = np.insert(row.absent_as(0, 0, 0) / [*SIZE, 1], 2, -0.1, axis=1).ravel()
            lines.append(",".join([*([str(frame), str(row.person), "sitting"] if several else []), *(f"{v:.7f}" for v in cells)]))
        if not rows:
            lines.append(",".join([*([str(frame), "0", ""] if several else []), *[""] * (4 * len(points))]))
    path.write_text("\n".join(lines) + "\n")
    return path


def hrnet_csv(path: Path, framed: bool = False, layout: str = "coco_17") -> Path:
    """As the demo writes it: a frame in the header that rows do not have, all people of a frame in one row."""
    lines = [",".join(["frame", *(f"{name}_{value}" for name in load_layout(layout).points for value in "xy")])]
    for frame, rows in frames_of(scene(layout)).items():
        cells = [str(int(v)) for row in rows for v in row.absent_as(0, 0, 0)[:, :2].ravel()]
        if cells:
            lines.append(",".join([str(frame), *cells] if framed else cells))
    path.write_text("\n".join(lines) + "\n")
    return path
