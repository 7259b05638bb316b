"""COCO: results with one person an entry, and annotations with images and categories.

Results are a list, as HRNet, CPN, Lightweight OpenPose, OpenPose and MMPose write it; a frame is the image's
id, and one in which nobody was found is not in the file. Annotations (COCO, AP-10K, PoseTrack18, Halpe) name
the images and, in their categories, the points. COCO-WholeBody has feet, face and hands in lists of their own.
"""

from pathlib import Path
from typing import Any

import numpy as np

from recon3d.errors import InputError
from recon3d.io.files import read_json
from recon3d.io.keypoints.found import FoundKeypoints, KeypointOptions, Size
from recon3d.io.keypoints.gather import Gather, entries, frame_of_name, numbers, rows_of, whole, xyxy
from recon3d.io.keypoints.naming import layout_of_names
from recon3d.skeleton import Layout

_WHOLE = ("keypoints", "foot_kpts", "face_kpts", "lefthand_kpts", "righthand_kpts")
_FLAGS = (0, 1, 2)
_ONLY_FLAGS = (
    "all scores are 0, 1 or 2: taken as flags, which do not tell how sure a point is; if val.py of Lightweight OpenPose wrote them, "
    "the points lie 0.5 px too far right and down, which nothing in the file tells"
)
_KNOWN = ("coco_17", "ap10k_17", "halpe_26", "wholebody_133", "halpe_136", "mpii_16", "crowdpose_14", "hand_21", "animal_pose_20")
_KNOWN += ("body_25", "body_25b", "coco_18", "posetrack_15", "posetrack_17", "face_68", "face_70")


def is_coco_results(data: Any) -> bool:
    """Whether parsed JSON is a list of people with image ids and categories."""
    return isinstance(data, list) and bool(data) and isinstance(data[0], dict) and {"image_id", "category_id", "keypoints"} <= set(data[0])


def is_coco_annotations(data: Any) -> bool:
    """Whether parsed JSON holds images and annotations."""
    return isinstance(data, dict) and isinstance(data.get("images"), list) and isinstance(data.get("annotations"), list)


def read_coco_results(path: Path, options: KeypointOptions) -> list[FoundKeypoints]:
    """One camera's people."""
    people = Gather(path)
    flags = True
    for k, entry in enumerate(entries(read_json(path), str(path))):
        found = people.attempt(_person, entry, f"entry {k}")
        if found is not None:
            points, person, box = found
            frame = people.attempt(frame_of_name, entry.get("image_id"), f"entry {k}, image_id")
            flags = flags and bool(np.isin(points[:, 2], _FLAGS).all())
            people.add(0 if frame is None else frame, points, person, box)
    rows = people.done()
    notes = (*people.notes, *((_ONLY_FLAGS,) if flags else ()))
    return [FoundKeypoints(path, path.stem, None, rows, "flag" if flags else "heatmap", _KNOWN, notes=notes)]


def read_coco_annotations(path: Path, options: KeypointOptions) -> list[FoundKeypoints]:
    """The people of each video of PoseTrack18, else of all images."""
    data = read_json(path)
    if not is_coco_annotations(data):
        raise InputError(f"{path} does not hold COCO annotations: 'images' and 'annotations' were expected")
    images = _Images(path, entries(data["images"], f"{path}, images"))
    names = _point_names(data.get("categories"))
    people = {video: Gather(path) for video in images.videos}
    flags = True
    for image in images.frame:
        people[images.video[image]].seen(images.frame[image])
    for k, entry in enumerate(entries(data["annotations"], f"{path}, annotations")):
        image = entry.get("image_id")
        if not isinstance(image, int | str) or image not in images.frame:
            raise InputError(f"{path}: annotation {k} is of image {str(image)[:40]!r}, which is not among the images")
        gather = people[images.video[image]]
        found = gather.attempt(_person, entry, f"annotation {k}") if entry.get("keypoints") else None
        if found is not None and (np.nan_to_num(found[0][:, 2]) > 0).any():
            flags = flags and bool(np.isin(found[0][:, 2], _FLAGS).all())
            gather.add(images.frame[image], *found)
    out = []
    for video, gather in people.items():
        rows = gather.done()
        camera = path.stem if len(people) == 1 else f"{path.stem}_{video}"
        layout = _layout(names, rows.xy.shape[1]) if len(rows.frame) else None
        notes = (*images.notes, *gather.notes)
        kind = "flag" if flags else "heatmap"
        out.append(FoundKeypoints(path, camera, layout, rows, kind, _KNOWN, size=images.size, notes=notes))
    return out


class _Images:
    """The frame and the video of each image by its id; the size where all have one."""

    def __init__(self, path: Path, listed: list[dict[str, Any]]):
        if not listed:
            raise InputError(f"{path} lists no images")
        faults = Gather(path)
        own: dict[Any, int | None] = {}
        self.video: dict[Any, str] = {}
        sizes: set[Size] = set()
        for k, image in enumerate(listed):
            name = image.get("id")
            if not isinstance(name, int | str) or name in own:
                raise InputError(f"{path}: image {k} has no 'id' of its own")
            # PoseTrack18's frame_id is the image's id again, with the video in front.
            key = "frame_id" if "frame_id" in image and (image["frame_id"] != name or "file_name" not in image) else "file_name"
            own[name] = faults.attempt(frame_of_name, image.get(key), f"image {k}, {key}")
            self.video[name] = str(image.get("vid_id", ""))
            size = [faults.attempt(whole, image.get(key), f"image {k}, {key}") for key in ("width", "height")]
            if "width" in image and "height" in image and None not in size:
                sizes.add((int(size[0] or 0), int(size[1] or 0)))
        places = {(self.video[name], frame) for name, frame in own.items() if frame is not None}
        self.notes: tuple[str, ...] = ()
        if len(places) == len(own):
            self.frame = {name: int(frame or 0) for name, frame in own.items()}
        else:  # names of a data set: their numbers are no frames
            self.frame = {name: frame_of_name(name, f"{path}: image id") for name in own}
            self.notes = ("names of images give no frame each: the images' ids are the frames",)
        self.videos = sorted(set(self.video.values()))
        self.size = next(iter(sizes)) if len(sizes) == 1 and min(next(iter(sizes))) > 0 else None
        if len(sizes) > 1:
            self.notes += (f"the images have {len(sizes)} sizes",)


def _point_names(categories: Any) -> list[tuple[str, ...]]:
    listed = categories if isinstance(categories, list) else []
    names = [c["keypoints"] for c in listed if isinstance(c, dict) and isinstance(c.get("keypoints"), list)]
    return sorted({tuple(n) for n in names if n and all(isinstance(point, str) for point in n)})


def _layout(names: list[tuple[str, ...]], count: int) -> Layout | None:
    fitting = {layout_of_names(n).name: layout_of_names(n) for n in names if len(n) == count}
    return next(iter(fitting.values())) if len(fitting) == 1 else None


def _person(entry: dict[str, Any], where: str) -> tuple[np.ndarray, int, np.ndarray | None]:
    keys = _WHOLE if all(key in entry for key in _WHOLE[1:]) else _WHOLE[:1]
    points = np.concatenate([rows_of(entry.get(key), 3, f"{where}, {key}") for key in keys])
    if isinstance(entry.get("scores"), list) and len(entry["scores"]) == len(points):
        points[:, 2] = numbers(entry["scores"], f"{where}, scores").reshape(len(points))
    box = xyxy(entry["bbox"], f"{where}, bbox") if entry.get("bbox") else None
    person = whole(entry["track_id"], f"{where}, track_id") if entry.get("track_id") is not None else -1
    return points, person, box
