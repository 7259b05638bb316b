"""Writers of 2D keypoints for other programs: `KEYPOINT2D_WRITERS`.

| format | what is written | what it does not hold |
|---|---|---|
| recon3d | .npz | |
| openpose | folder of one JSON a frame | frame rate, image size, layout |
| coco | images, annotations and a category that names the points; ``scores`` beside the flags | frame rate, score kind |
| deeplabcut | CSV, an individual for each identity | frame rate, image size, boxes |
| easymocap | annots/<camera>: a folder of one JSON a frame | frame rate, score kind |
| sleap | .slp of predicted instances, a track for each identity | frame rate, boxes |
| sleap-csv | SLEAP's analysis table, a row a person and frame | frame rate, image size, boxes, frames that nobody is in |

Scores that are no probabilities are written as they are.
"""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from recon3d.arrays import whole_rows
from recon3d.errors import InputError
from recon3d.io.files import atomic
from recon3d.io.keypoints.openpose import split_parts
from recon3d.io.npz import write_keypoints2d
from recon3d.records import Keypoints2D

_FORMAT_ID = 1.2  # of SLEAP: pixels count from their centres
_FRAME = [("frame_id", "u8"), ("video", "u4"), ("frame_idx", "u8"), ("instance_id_start", "u8"), ("instance_id_end", "u8")]
_INSTANCE = [("instance_id", "i8"), ("instance_type", "u1"), ("frame_id", "u8"), ("skeleton", "u4"), ("track", "i4")]
_INSTANCE += [("from_predicted", "i8"), ("score", "f4"), ("point_id_start", "u8"), ("point_id_end", "u8"), ("tracking_score", "f4")]
_POINT = [("x", "f8"), ("y", "f8"), ("visible", "?"), ("complete", "?")]


def write_recon3d(path: Path, record: Keypoints2D) -> None:
    """recon3d's own file."""
    write_keypoints2d(path, [lambda: record])


def write_openpose(path: Path, record: Keypoints2D) -> None:
    """A folder with a file for every frame; points of hands and face under their own keys.

    Raises:
        InputError: there are .json files in the folder: a reader would take them for frames of the same take.
    """
    if path.exists() and (not path.is_dir() or any(path.glob("*.json"))):
        raise InputError(f"{path} is there already: name a new folder")
    people = _by_frame(record)
    for k, frame in enumerate(record.frame.tolist()):
        held = [{"person_id": [person], **split_parts(record.layout, points)} for person, points, _ in people[k]]
        with atomic(path / f"{record.camera}_{frame:012d}_keypoints.json") as stream:
            json.dump({"version": 1.3, "people": held}, stream)


def write_coco(path: Path, record: Keypoints2D) -> None:
    """Images, annotations and one category; a point is 2 where it is there, and its score is in ``scores``."""
    width, height = record.size
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for frame, people in zip(record.frame.tolist(), _by_frame(record), strict=True):
        name = f"{record.camera}_{frame:012d}.jpg"
        images.append({"id": frame, "file_name": name, "frame_id": frame, "width": width, "height": height})
        for person, points, box in people:
            flags = np.where(points[:, 2] > 0, 2, 0)
            low, high = box[:2], box[2:]
            entry = {
                "id": len(annotations) + 1,
                "image_id": frame,
                "category_id": 1,
                "iscrowd": 0,
                "keypoints": np.column_stack([points[:, :2], flags]).ravel().tolist(),
                "num_keypoints": int((flags > 0).sum()),
                "scores": points[:, 2].tolist(),
                "bbox": [*low.tolist(), *(high - low).tolist()],
                "area": float(np.prod(high - low)),
            }
            annotations.append(entry | ({"track_id": person} if person >= 0 else {}))
    skeleton = (record.layout.bones + 1).tolist()
    category = {"id": 1, "name": "person", "supercategory": "person", "keypoints": list(record.layout.points), "skeleton": skeleton}
    with atomic(path) as stream:
        json.dump({"images": images, "annotations": annotations, "categories": [category]}, stream)


def write_easymocap(path: Path, record: Keypoints2D) -> None:
    """A folder of one camera, ``annots/<camera>`` of a project: a file for every frame.

    Raises:
        InputError: there are .json files in the folder: a reader would take them for frames of the same take.
    """
    if path.exists() and (not path.is_dir() or any(path.glob("*.json"))):
        raise InputError(f"{path} is there already: name a new folder")
    width, height = record.size
    for frame, people in zip(record.frame.tolist(), _by_frame(record), strict=True):
        found = [
            {"personID": who, "bbox": [*box.tolist(), 1.0], "keypoints": points.tolist(), "isKeyframe": False}
            for who, points, box in people
        ]
        with atomic(path / f"{frame:06d}.json") as stream:
            json.dump({"filename": f"images/{record.camera}/{frame:06d}.jpg", "height": height, "width": width, "annots": found}, stream)


def write_deeplabcut(path: Path, record: Keypoints2D) -> None:
    """CSV: of one animal where there is one, else of several.

    Raises:
        InputError: several people in a frame who have no identities: columns are those of individuals.
    """
    ids, points = _by_identity(record, "DeepLabCut")
    coords = ("x", "y", "likelihood")
    columns = [(f"individual{who}", name, coord) for who in ids for name in record.layout.points for coord in coords]
    levels = [["bodyparts", *(name for _, name, _ in columns)], ["coords", *(coord for *_, coord in columns)]]
    if len(ids) > 1:
        levels.insert(0, ["individuals", *(who for who, *_ in columns)])
    levels.insert(0, ["scorer", *["recon3d"] * len(columns)])
    with atomic(path) as stream:
        for level in levels:
            stream.write(",".join(level) + "\n")
        for frame, row in zip(record.frame.tolist(), points.reshape(len(points), -1), strict=True):
            stream.write(",".join([str(frame), *("" if np.isnan(value) else f"{value:.9g}" for value in row.tolist())]) + "\n")


def write_sleap(path: Path, record: Keypoints2D) -> None:
    """A project of predicted instances, without the video."""
    import h5py

    people = _by_frame(record)
    everybody = [(frame, person, points) for frame, found in enumerate(people) for person, points, _ in found]
    tracks = sorted({person for _, person, _ in everybody if person >= 0})
    joints, ends = len(record.layout), np.cumsum([len(found) for found in people])
    frames = np.zeros(len(people), _FRAME)
    frames["frame_id"], frames["frame_idx"] = np.arange(len(people)), record.frame
    frames["instance_id_start"], frames["instance_id_end"] = np.r_[0, ends[:-1]], ends
    instances = np.zeros(len(everybody), _INSTANCE)
    instances["instance_id"] = np.arange(len(everybody))
    instances["instance_type"], instances["from_predicted"] = 1, -1
    instances["frame_id"] = [frame for frame, *_ in everybody]
    instances["track"] = [tracks.index(person) if person >= 0 else -1 for _, person, _ in everybody]
    instances["point_id_start"] = joints * np.arange(len(everybody))
    instances["point_id_end"] = instances["point_id_start"] + joints
    points = np.zeros(joints * len(everybody), [*_POINT, ("score", "f8")])
    values = np.concatenate([np.zeros((0, 3)), *(own for *_, own in everybody)])
    there = values[:, 2] > 0
    points["x"], points["y"] = np.where(there[:, None], values[:, :2], np.nan).T
    points["visible"], points["score"] = there, values[:, 2]
    instances["score"] = [own[own[:, 2] > 0, 2].mean() for *_, own in everybody]
    held = io.BytesIO()
    with h5py.File(held, "w") as file:
        group = file.create_group("metadata")
        group.attrs["format_id"], group.attrs["json"] = _FORMAT_ID, np.bytes_(json.dumps(_sleap_meta(record)))
        shape = [int(record.frame[-1]) + 1 if len(record) else 0, record.size[1], record.size[0], 3]
        video = {"filename": f"{record.camera}.mp4", "backend": {"type": "MediaVideo", "filename": f"{record.camera}.mp4", "shape": shape}}
        file["videos_json"] = np.array([json.dumps(video)], "S")
        file["tracks_json"] = np.array([json.dumps([0, str(person)]) for person in tracks], "S")
        file["suggestions_json"] = np.array([], "S1")
        file["frames"], file["instances"] = frames, instances
        file["points"], file["pred_points"] = np.zeros(0, _POINT), points
    with atomic(path, "wb") as stream:
        stream.write(held.getvalue())


def _sleap_meta(record: Keypoints2D) -> dict[str, Any]:
    """Nodes and edges as SLEAP's JSON has them: an edge's type is spelled out once and then referred to."""
    kinds = [{"py/reduce": [{"py/type": "sleap.skeleton.EdgeType"}, {"py/tuple": [1]}]}, {"py/id": 1}]
    links = [
        {"edge_insert_idx": k, "key": 0, "source": a, "target": b, "type": kinds[min(k, 1)]}
        for k, (a, b) in enumerate(record.layout.bones.tolist())
    ]
    graph = {"name": record.layout.name, "num_edges_inserted": len(links)}
    nodes = [{"id": k} for k in range(len(record.layout))]
    return {
        "version": "2.0.0",
        "nodes": [{"name": name, "weight": 1.0} for name in record.layout.points],
        "skeletons": [{"directed": True, "graph": graph, "links": links, "multigraph": True, "nodes": nodes}],
        "videos": [],
        "tracks": [],
        "suggestions": [],
        "negative_anchors": {},
        "provenance": {"written_by": "recon3d"},
    }


def write_sleap_csv(path: Path, record: Keypoints2D) -> None:
    """SLEAP's analysis table: x, y and score of every point in a row for each person and frame."""
    head = ["track", "frame_idx", "instance.score", *(f"{name}.{value}" for name in record.layout.points for value in ("x", "y", "score"))]
    with atomic(path) as stream:
        rows = csv.writer(stream, lineterminator="\n")
        rows.writerow(head)
        for frame, found in zip(record.frame.tolist(), _by_frame(record), strict=True):
            for person, points, _ in found:
                there = points[:, 2] > 0
                cells = [f"{value:.4f}" if known else "" for row, known in zip(points, there, strict=True) for value in row]
                track = f"track_{person}" if person >= 0 else ""
                rows.writerow([track, frame, f"{points[there, 2].mean():.6g}", *cells])


def _by_frame(record: Keypoints2D) -> list[list[tuple[int, np.ndarray, np.ndarray]]]:
    """Identity, points (x, y, score; 0, 0, 0 where absent) and box of the people of each frame."""
    there = whole_rows(record.xy)
    points = np.concatenate([record.xy, record.confidence[..., None]], axis=-1).astype(float)
    points = np.round(np.where(there[..., None], points, 0.0), 6)
    box = np.round(record.box.astype(float), 3)
    slots = np.any(there, axis=-1)
    return [
        [(int(record.person_id[k, slot]), points[k, slot], box[k, slot]) for slot in np.flatnonzero(slots[k])] for k in range(len(record))
    ]


def _by_identity(record: Keypoints2D, program: str) -> tuple[list[int], np.ndarray]:
    """Identities, and the points of each in every frame; NaN where absent."""
    there = np.any(whole_rows(record.xy), axis=-1)
    named = np.where(there, record.person_id, -1)
    if (there & (named < 0)).any() and (record.person_id >= 0).any() | (there.sum(1) > 1).any():
        raise InputError(f"camera {record.camera}: {program}'s columns are of individuals, and people have no identities: track them first")
    ids = sorted({int(person) for person in named[there]})
    out = np.full((len(record), max(len(ids), 1), len(record.layout), 3), np.nan)
    place = {person: k for k, person in enumerate(ids)}
    for frame, slot in np.argwhere(there).tolist():
        own = np.concatenate([record.xy[frame, slot], record.confidence[frame, slot][:, None]], axis=-1)
        out[frame, place[int(named[frame, slot])]] = np.where(np.isfinite(own).all(-1, keepdims=True), own, np.nan)
    return ids or [0], out


KEYPOINT2D_WRITERS: dict[str, Callable[[Path, Keypoints2D], None]] = {
    "coco": write_coco,
    "deeplabcut": write_deeplabcut,
    "easymocap": write_easymocap,
    "openpose": write_openpose,
    "recon3d": write_recon3d,
    "sleap": write_sleap,
    "sleap-csv": write_sleap_csv,
}
"""Writers by the name of the format, from the path and the record."""
