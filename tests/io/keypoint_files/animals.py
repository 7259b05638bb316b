"""DeepLabCut and SLEAP."""

import json
import pickle
from pathlib import Path

import h5py
import numpy as np

from tests.io.keypoint_files.scene import COCO_NAMES, SIZE, frames_of, scene


def deeplabcut(path: Path, style: str = "single", names: tuple[str, ...] = COCO_NAMES) -> Path:
    """ "single", "multi", "unique" (multi with parts of the arena), "labels" or "labels3" (of three index columns)."""
    rows = {(row.frame, row.person): row for row in scene()}
    people = {"single": [("", 0)], "labels": [("", 0)], "labels3": [("", 0)]}.get(style, [("mouse0", 0), ("mouse1", 1)])
    coords = ["x", "y"] if style.startswith("labels") else ["x", "y", "likelihood"]
    index = 3 if style == "labels3" else 1
    pad = [""] * (index - 1)
    columns = [(who, k, name, c) for who, _ in people for k, name in enumerate(names) for c in coords]
    if style == "unique":
        columns += [("single", -1, "corner", c) for c in coords]
    scorer = "DLC_Resnet50_testshuffle1_snapshot_200"
    table = [["scorer", *pad, *[scorer] * len(columns)]]
    if len(people) > 1:
        table.append(["individuals", *pad, *[who for who, *_ in columns]])
    table.append(["bodyparts", *pad, *[name for _, _, name, _ in columns]])
    table.append(["coords", *pad, *[c for *_, c in columns]])
    for frame in range(12):
        cells = []
        for who, k, _, c in columns:
            row = rows.get((frame, dict(people).get(who, 0)))
            value = 7.0 if k < 0 else row.points[k, "xy".find(c) if c in "xy" else 2] if row else np.nan
            cells.append("" if np.isnan(value) or value == 0 else f"{value:.3f}")
        head = {"labels": [f"labeled-data/clip/img{frame:04d}.png"], "labels3": ["labeled-data", "clip", f"img{frame:04d}.png"]}
        table.append([*head.get(style, [str(frame)]), *cells])
    path.write_text("\n".join(",".join(row) for row in table) + "\n")
    return path


def deeplabcut_h5(path: Path, form: str = "table", several: bool = False, images: bool = False, protocol: int = 0) -> Path:
    """As pandas 1.5 and 3.1 lay out ``to_hdf``, "table" or "fixed"; with ``images``, as labels."""
    coords = ["x", "y"] if images else ["x", "y", "likelihood"]
    people = ["mouse0", "mouse1"] if several else ["mouse0"]
    levels = [["DLC_Resnet50_testshuffle1_snapshot_200"], *([people] if several else []), list(COCO_NAMES), coords]
    values = np.full((12, len(people), 17, 3), np.nan)
    for row in scene():
        if row.person < len(people):
            values[row.frame, row.person] = np.where(row.there[:, None], row.points, np.nan)
    values = values[..., : len(coords)].reshape(12, -1)
    labels = [level.ravel() for level in np.indices([len(level) for level in levels])]
    names = [f"labeled-data/clip/img{frame:04d}.png" for frame in range(12)]
    with h5py.File(path, "w") as file:
        group = file.create_group("keypoints" if images and form == "fixed" else "df_with_missing")
        if form == "table":
            table = np.zeros(12, [("index", "S29" if images else "i8"), ("values_block_0", "f8", values.shape[1:])])
            table["index"], table["values_block_0"] = names if images else range(12), values
            columns = [tuple(level[k] for level, k in zip(levels, place, strict=True)) for place in zip(*labels, strict=True)]
            group["table"] = table
            group["table"].attrs["values_block_0_kind"] = np.bytes_(pickle.dumps(columns, protocol))
            return path
        titles = ["scorer", *(["individuals"] if several else []), "bodyparts", "coords"]
        for axis in ("axis0", "block0_items"):
            for k, (title, level, label) in enumerate(zip(titles, levels, labels, strict=True)):
                group[f"{axis}_level{k}"], group[f"{axis}_label{k}"] = np.array(level, "S"), label.astype(np.int8)
                group[f"{axis}_level{k}"].attrs["name"] = np.bytes_(title)
        group["block0_values"] = values
        if not images:
            group["axis1"] = np.arange(12)
        else:  # rows of three names
            for k, level in enumerate((["labeled-data"], ["clip"], [name.rsplit("/", 1)[1] for name in names])):
                group[f"axis1_level{k}"] = np.array(level, "S")
                group[f"axis1_label{k}"] = (np.arange(12) % len(level)).astype(np.int8)
    return path


def sleap(path: Path, format_id: float = 1.2, user: bool = False) -> Path:
    """Predictions; with ``user``, the first person is corrected by hand in every frame."""
    frame_t = [("frame_id", "u8"), ("video", "u4"), ("frame_idx", "u8"), ("instance_id_start", "u8"), ("instance_id_end", "u8")]
    instance_t = [
        ("instance_id", "i8"), ("instance_type", "u1"), ("frame_id", "u8"), ("skeleton", "u4"), ("track", "i4"), ("from_predicted", "i8"),
        ("score", "f4"), ("point_id_start", "u8"), ("point_id_end", "u8"), ("tracking_score", "f4"),
    ]  # fmt: skip
    point_t = [("x", "f8"), ("y", "f8"), ("visible", "?"), ("complete", "?")]
    frames, instances, points, predicted = [], [], [], []
    for number, (frame, rows) in enumerate((f, r) for f, r in frames_of(scene()).items() if r or f == 5):
        start = len(instances)
        for row in rows:
            at = len(predicted)
            predicted += [(x, y, there, True, s) for (x, y, s), there in zip(row.points, row.there, strict=True)]
            own = len(instances)
            instances.append((own, 1, number, 0, row.person, -1, 0.9, at, len(predicted), 0.0))
            if user and row.person == 0:
                at = len(points)
                shift = 0.5 if format_id < 1.1 else 0.0
                points += [(x + shift, y + shift, there, True) for (x, y, _), there in zip(row.points, row.there, strict=True)]
                instances.append((own + 1, 0, number, 0, 0, own, 0.0, at, len(points), 0.0))
        frames.append((number, 0, frame, start, len(instances)))
    nodes = list(reversed(COCO_NAMES))  # the skeleton names them by index
    meta = {"version": "2.0.0", "nodes": [{"name": n, "weight": 1.0} for n in nodes],
            "skeletons": [{"nodes": [{"id": nodes.index(n)} for n in COCO_NAMES], "links": [], "graph": {"name": "s"}}]}  # fmt: skip
    with h5py.File(path, "w") as file:
        group = file.create_group("metadata")
        group.attrs["format_id"], group.attrs["json"] = format_id, np.bytes_(json.dumps(meta))
        video = {"backend": {"type": "MediaVideo", "filename": "clip.mp4", "shape": [12, SIZE[1], SIZE[0], 3]}}
        file["videos_json"] = np.array([json.dumps(video)], "S")
        file["tracks_json"] = np.array([json.dumps([0, "a"]), json.dumps([0, "b"])], "S")
        file["frames"], file["instances"] = np.array(frames, frame_t), np.array(instances, instance_t)
        file["points"], file["pred_points"] = np.array(points, point_t), np.array(predicted, [*point_t, ("score", "f8")])
    return path


def sleap_analysis(path: Path, standard: bool = False) -> Path:
    tracks, scores = np.full((12, 2, 17, 2), np.nan), np.full((12, 2, 17), np.nan)
    for row in scene():
        tracks[row.frame, row.person], scores[row.frame, row.person] = row.points[:, :2], row.points[:, 2]
    with h5py.File(path, "w") as file:
        file["tracks"] = tracks if standard else tracks.transpose(1, 3, 2, 0)
        file["point_scores"] = scores if standard else scores.transpose(1, 2, 0)
        if standard:
            file["tracks"].attrs["dims"] = json.dumps(["frame", "track", "node", "xy"])
            file["point_scores"].attrs["dims"] = json.dumps(["frame", "track", "node"])
        file["track_occupancy"] = np.isfinite(scores).any(-1).astype(np.uint8)
        file["node_names"], file["track_names"] = np.array(COCO_NAMES, "S"), np.array(["a", "b"], "S")
    return path


def sleap_csv(path: Path) -> Path:
    lines = ["track,frame_idx,instance.score," + ",".join(f"{n}.{v}" for n in COCO_NAMES for v in ("x", "y", "score"))]
    for row in scene():
        cells = ["" if np.isnan(v) else f"{v:.3f}" for v in row.points.ravel()]
        lines.append(",".join([f"track_{row.person}", str(row.frame), "0.9", *cells]))
    path.write_text("\n".join(lines) + "\n")
    return path
