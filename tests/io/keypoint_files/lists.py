"""Lists of people: COCO, AlphaPose, PoseTrack, DCPose, DensePose."""

import base64
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from recon3d.skeleton import load_layout
from tests.io.keypoint_files.scene import SIZE, dump, frames_of, scene


def coco_results(path: Path, layout: str = "coco_17") -> Path:
    return dump(path, [
        {"image_id": row.frame, "category_id": 1, "keypoints": row.absent_as(0, 0, 0).ravel().tolist(), "score": 0.93,
         "center": [1, 2], "scale": [1.0, 2.0]} for row in scene(layout)
    ])  # fmt: skip


def coco_flags(path: Path) -> Path:
    """OpenPose's --write_coco_json."""
    return dump(path, [
        {"image_id": row.frame, "category_id": 1, "score": 0.7,
         "keypoints": np.where(row.there[:, None], np.c_[row.points[:, :2], np.ones(17)], [-1, -1, 0]).ravel().tolist()}
        for row in scene()
    ])  # fmt: skip


def coco_wholebody(path: Path) -> Path:
    cuts = {"keypoints": (0, 17), "foot_kpts": (17, 23), "face_kpts": (23, 91), "lefthand_kpts": (91, 112), "righthand_kpts": (112, 133)}
    return dump(path, [
        {"image_id": row.frame, "category_id": 1, "score": 0.9, "wholebody_score": 0.8, "face_score": 0.3,
         **{key: row.absent_as(0, 0, 0)[a:b].ravel().tolist() for key, (a, b) in cuts.items()}} for row in scene("wholebody_133")
    ])  # fmt: skip


def coco_annotations(path: Path, layout: str = "coco_17", names: tuple[str, ...] | None = None) -> Path:
    """PoseTrack18's: tracks, frame numbers, categories that name the points."""
    return dump(path, {
        "images": [{"id": 10**10 + frame, "file_name": f"images/v/{frame:06d}.jpg", "frame_id": frame, "vid_id": "1", "nframes": 12,
                    "width": SIZE[0], "height": SIZE[1]} for frame in range(12)],
        "annotations": [{"id": k, "image_id": 10**10 + row.frame, "category_id": 1, "track_id": row.person, "bbox": row.xywh, "iscrowd": 0,
                         "keypoints": np.c_[row.absent_as(0, 0, 0)[:, :2], 2 * row.there].ravel().tolist(), "num_keypoints": 16}
                        for k, row in enumerate(scene(layout))],
        "categories": [{"id": 1, "name": "person", "supercategory": "person", "skeleton": [],
                        "keypoints": list(names or load_layout(layout).points)}],
    })  # fmt: skip


def alphapose(path: Path, layout: str = "coco_17", idx: Callable[[int], object] = int) -> Path:
    rows = sorted(scene(layout), key=lambda row: (f"{row.frame}.jpg", row.person))  # as text: 0, 11, 2
    return dump(path, [
        {"image_id": f"{row.frame}.jpg", "category_id": 1, "keypoints": row.absent_as(0, 0, 0).ravel().tolist(), "score": 2.93,
         "box": row.xywh, "idx": idx(row.person)} for row in rows
    ])  # fmt: skip


def alphapose_images(style: str) -> dict[str, dict]:
    """What AlphaPose makes of Halpe-26: COCO-18, with the top of the head for a neck."""
    key, points = {"open": ("people", "pose_keypoints_2d"), "cmu": ("bodies", "joints")}[style]
    neck = load_layout("coco_18").index("neck")
    out: dict[str, dict] = {}
    for row in scene("coco_18"):
        own = row.absent_as(0, 0, 0)
        own[neck] = [own[0, 0], own[0, 1] - 40, 0.9]
        out.setdefault(f"{row.frame}.jpg", {"version": "AlphaPose v0.3", key: []})[key].append({points: own.ravel().tolist()})
    return out


def annolist(path: Path) -> Path:
    images = []
    for frame, rows in frames_of(scene("posetrack_15")).items():
        people = [
            {"score": [0.8], "track_id": [row.person], "annopoints": [{"point": [
                {"id": [k], "x": [x], "y": [y], "score": [s]} for k, (x, y, s) in enumerate(row.points.tolist()) if s > 0]}]}
            for row in rows
        ]  # fmt: skip
        nobody = {"score": [-100.0], "track_id": [0], "annopoints": [{"point": [{"id": [0], "x": [0.0], "y": [0.0], "score": [-100.0]}]}]}
        images.append({"image": [{"name": f"images/v/{frame:08d}.jpg"}], "annorect": people or [nobody], "imgnum": [frame + 1]})
    return dump(path, {"annolist": images})


def dcpose(path: Path) -> Path:
    return dump(path, {"Info": [
        {"image_path": f"./input/images/clip/{row.frame:08d}.jpg", "bbox": row.xywh, "keypoints": row.absent_as(0, 0, 0).tolist()}
        for row in scene("posetrack_17")
    ]})  # fmt: skip


def densepose(path: Path) -> Path:
    part = np.zeros((12, 8), np.uint8)
    part[2:9, 1:6] = 3
    iuv = np.stack([part, np.full_like(part, 51) * (part > 0), np.full_like(part, 204) * (part > 0)], axis=-1)
    data = cv2.imencode(".png", iuv[..., ::-1])[1].tobytes()  # OpenCV's order is blue, green, red
    entry = {"image_id": 4, "category_id": 1, "score": 0.9, "bbox": [100.5, 50, 8, 12], "uv_shape": [3, 12, 8],
             "uv_data": base64.encodebytes(data).decode().replace("\n", "")}  # fmt: skip
    return dump(path, [entry])
