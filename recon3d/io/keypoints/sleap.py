"""SLEAP: projects and predictions (``.slp``), analysis files (``.h5``) and CSV.

A project's points of users count pixels from a corner before version 1.1: 0.5 is subtracted. Where a user corrected a
prediction, the correction stands for both. Analysis files are stored transposed, as MATLAB reads them, or say their
axes in ``dims``. A frame is the video's. A track whose name ends in a number of its own has that
for an identity.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from recon3d.errors import InputError
from recon3d.io.keypoints.csv_tables import numbers_of, read_table
from recon3d.io.keypoints.found import FoundKeypoints, KeypointOptions, PeopleRows, Size
from recon3d.io.keypoints.gather import ids_of_names
from recon3d.io.keypoints.hdf5 import held, open_hdf5, strings
from recon3d.io.keypoints.naming import layout_of_names, ordered_layout

_USER = 0  # instance_type
_CORNER = 1.1  # format_id from which on the centre of a pixel is whole
_AXES = {"tracks": ("tracks", "track"), "xy": ("xy", "coord", "coords", "space"), "nodes": ("nodes", "node"), "frames": ("frames", "frame")}


def is_sleap_csv(cells: Sequence[str]) -> bool:
    """Whether the first row of a CSV is SLEAP's."""
    return list(cells[:2]) == ["track", "frame_idx"]


def read_sleap_csv(path: Path, options: KeypointOptions) -> list[FoundKeypoints]:
    """One camera's animals."""
    table = read_table(path)
    head = table[0] if table else []
    nodes = [cell.removesuffix(".x") for cell in head if cell.endswith(".x")]
    wanted = [f"{node}.{value}" for node in nodes for value in ("x", "y", "score")]
    if not is_sleap_csv(head) or not nodes or not set(wanted) <= set(head):
        raise InputError(f"{path} is not of SLEAP: track, frame_idx and x, y, score of every node were expected")
    values = numbers_of([row[1:] for row in table[1:]], range(len(head) - 1), path, 1)
    place = {cell: k for k, cell in enumerate(head[1:])}
    points = values[:, [place[name] for name in wanted]].reshape(len(values), len(nodes), 3)
    labelled = np.isfinite(points[..., :2]).all(-1) & np.isnan(points[..., 2])  # a user's points have no score
    points[..., 2] = np.where(labelled, 1.0, points[..., 2])
    named = list(dict.fromkeys(row[0] for row in table[1:] if row[0].strip()))
    tracks = dict(zip(named, ids_of_names(named).tolist(), strict=True))
    layout, order = ordered_layout(tuple(nodes))  # sleap-io sorts its columns
    person = np.array([tracks.get(row[0], -1) for row in table[1:]], dtype=np.int64)
    rows = PeopleRows.of(_whole(values[:, place["frame_idx"]], path), points[:, order], person)
    return [FoundKeypoints(path, path.stem, layout, rows, "heatmap")]


def read_sleap_analysis(path: Path, options: KeypointOptions) -> list[FoundKeypoints]:
    """One camera's animals."""
    with open_hdf5(path) as file:
        tracks = _axes(
            held(file["tracks"], path).astype(float), file["tracks"].attrs.get("dims"), ("frames", "tracks", "nodes", "xy"), path
        )
        nodes = strings(file["node_names"], path)
        if tracks.shape[2:] != (len(nodes), 2):
            raise InputError(f"{path}: tracks have {tracks.shape[2:]} values a frame, which does not fit {len(nodes)} nodes of x and y")
        named = strings(file["track_names"], path) if "track_names" in file else []
        score = np.isfinite(tracks).all(-1).astype(float)
        scored = "point_scores" in file
        if scored:
            peaks = _axes(
                held(file["point_scores"], path).astype(float),
                file["point_scores"].attrs.get("dims"),
                ("frames", "tracks", "nodes"),
                path,
            )
            if peaks.shape != score.shape:
                raise InputError(f"{path}: there are not as many scores as points")
            score = np.where(score > 0, np.where(np.isfinite(peaks), peaks, 1.0), 0.0)  # a user's points have no score
    points = np.concatenate([tracks, score[..., None]], axis=-1)
    ids = ids_of_names(named) if len(named) == points.shape[1] else np.arange(points.shape[1])
    rows = PeopleRows.of_slots(np.arange(len(points)), points, ids)
    return [FoundKeypoints(path, path.stem, layout_of_names(tuple(nodes)), rows, "heatmap" if scored else "none")]


def read_sleap(path: Path, options: KeypointOptions) -> list[FoundKeypoints]:
    """The animals of every video."""
    with open_hdf5(path) as file:
        meta: Any = json.loads(_text(file["metadata"].attrs["json"]))
        names = _nodes(meta, path)
        corner = 0.5 if float(file["metadata"].attrs.get("format_id", 1.0)) < _CORNER else 0.0
        frames, instances = held(file["frames"], path), held(file["instances"], path)
        users, predicted = held(file["points"], path), held(file["pred_points"], path)
        videos = [json.loads(text) for text in strings(file["videos_json"], path)] if "videos_json" in file else []
        tracks = [json.loads(text)[-1] for text in strings(file["tracks_json"], path)] if "tracks_json" in file else []
        frame, video, person, points, notes = _instances(frames, instances, users, predicted, len(names), corner, path)
    ids = np.append(ids_of_names([str(name) for name in tracks]), -1)
    person = ids[np.where((person >= 0) & (person < len(tracks)), person, -1)]
    out = []
    every = np.unique(frames["video"]).tolist()
    if not every:
        raise InputError(f"{path} holds no labelled frames")
    for number in every:
        mine = video == number
        rows = PeopleRows.of(
            frame[mine], points[mine], person[mine], frames=frames["frame_idx"][frames["video"] == number].astype(np.int64)
        )
        camera = path.stem if len(every) == 1 else f"video_{number}"
        size = _size(videos[number]) if number < len(videos) else None
        out.append(FoundKeypoints(path, camera, layout_of_names(names), rows, "heatmap", size=size, notes=notes))
    return out


def _instances(
    frames: np.ndarray, instances: np.ndarray, users: np.ndarray, predicted: np.ndarray, nodes: int, corner: float, path: Path
) -> tuple[Int[np.ndarray, "rows"], Int[np.ndarray, "rows"], Int[np.ndarray, "rows"], Float[np.ndarray, "rows nodes 3"], tuple[str, ...]]:
    """Frame, video, track and points of every instance that counts."""
    by_user = instances["instance_type"] == _USER
    corrected = instances["from_predicted"][by_user & (instances["from_predicted"] >= 0)]
    kept = instances[by_user | ~np.isin(instances["instance_id"], corrected)]
    count = (kept["point_id_end"] - kept["point_id_start"]).astype(np.int64)
    if len(kept) and (count != nodes).any():
        raise InputError(f"{path}: an instance has {int(count[count != nodes][0])} points, the skeleton has {nodes} nodes")
    order = np.argsort(frames["frame_id"])
    where = np.searchsorted(frames["frame_id"][order], kept["frame_id"])
    known = where < len(frames)
    if not known.all() or (frames["frame_id"][order][where] != kept["frame_id"]).any():
        raise InputError(f"{path}: an instance is of a frame that is not there")
    place = kept["point_id_start"].astype(np.int64)[:, None] + np.arange(nodes)
    points = np.zeros((len(kept), nodes, 3))
    for source, mine, shift in ((users, kept["instance_type"] == _USER, corner), (predicted, kept["instance_type"] != _USER, 0.0)):
        if not mine.any():
            continue
        if place[mine].min() < 0 or place[mine].max() >= len(source):
            raise InputError(f"{path}: an instance has points that are not there")
        own = source[place[mine]]
        score = own["score"] if "score" in (own.dtype.names or ()) else np.ones(own.shape)
        points[mine] = np.stack([own["x"] - shift, own["y"] - shift, np.where(own["visible"], score, 0.0)], axis=-1)
    found = frames[order][where]
    notes = ("points of users have no score: taken as 1",) if (kept["instance_type"] == _USER).any() else ()
    return found["frame_idx"].astype(np.int64), found["video"].astype(np.int64), kept["track"].astype(np.int64), points, notes


def _nodes(meta: Any, path: Path) -> tuple[str, ...]:
    skeletons = meta.get("skeletons") if isinstance(meta, dict) else None
    if not isinstance(skeletons, list) or len(skeletons) != 1:
        raise InputError(f"{path} has {len(skeletons) if isinstance(skeletons, list) else 0} skeletons: one was expected")
    names = [node["name"] for node in meta["nodes"]]
    own = [names[node["id"] if isinstance(node, dict) else node] for node in skeletons[0]["nodes"]]
    if not all(isinstance(name, str) for name in own):
        raise InputError(f"{path}: nodes have no names")
    return tuple(own)


def _size(video: Any) -> Size | None:
    backend = video.get("backend", video) if isinstance(video, dict) else {}
    shape = backend.get("shape") if isinstance(backend, dict) else None  # frames, height, width, channels
    if isinstance(shape, list) and len(shape) == 4 and all(isinstance(n, int) and n > 0 for n in shape):
        return shape[2], shape[1]
    return None


def _axes(values: np.ndarray, dims: Any, wanted: tuple[str, ...], path: Path) -> np.ndarray:
    """Axes in the order wanted, from the order that ``dims`` says or the transposed one."""
    if dims is None:
        named = ["tracks", "xy", "nodes", "frames"] if len(wanted) == 4 else ["tracks", "nodes", "frames"]
    else:
        said = [
            str(name) for name in (json.loads(dims) if isinstance(dims, str) and dims.startswith("[") else np.asarray(dims).reshape(-1))
        ]
        said = [word.strip(" ()'\"") for name in said for word in name.split(",")]
        named = [next((axis for axis, other in _AXES.items() if name in other), name) for name in said]
    if sorted(named) != sorted(wanted) or values.ndim != len(wanted):
        raise InputError(f"{path}: axes {', '.join(named)} of {values.shape} are not {', '.join(wanted)}")
    return values.transpose([named.index(axis) for axis in wanted])


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _whole(values: Float[np.ndarray, "rows"], path: Path) -> Int[np.ndarray, "rows"]:
    if not (np.isfinite(values).all() and (np.abs(values) < 2**53).all() and (values == np.round(values)).all()):
        raise InputError(f"{path}: frames must be whole numbers")
    return values.astype(np.int64)
