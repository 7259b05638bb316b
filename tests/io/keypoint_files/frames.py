"""An entry, a line or a file a frame: TensorFlow.js, OpenPifPaf, Ultralytics, MMPose, rtmlib, MediaPipe, OpenPose, ..."""

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from recon3d.skeleton import load_layout
from tests.io.keypoint_files.scene import COCO_NAMES, SIZE, Seen, dump, frames_of, scene


def posenet(path: Path) -> Path:
    camel = ["".join(w if k == 0 else w.title() for k, w in enumerate(name.split("_"))) for name in COCO_NAMES]
    return dump(path, [
        [{"score": 0.32, "keypoints": [{"score": s, "part": name, "position": {"x": x, "y": y}}
                                       for name, (x, y, s) in zip(camel, row.absent_as(0, 0, 0).tolist(), strict=True)]} for row in people]
        for people in frames_of(scene()).values()
    ])  # fmt: skip


def pose_detection(path: Path, layout: str = "coco_17") -> Path:
    names = load_layout(layout).points
    keys = ("xMin", "yMin", "xMax", "yMax")
    return dump(path, [
        [{"score": 0.8, "id": row.person, "box": dict(zip(keys, row.xyxy, strict=True)) | {"width": 1, "height": 1},
          "keypoints": [{"x": x, "y": y, "score": s, "name": name}
                        for name, (x, y, s) in zip(names, row.absent_as(0, 0, 0).tolist(), strict=True)]} for row in people]
        for people in frames_of(scene(layout)).values()
    ])  # fmt: skip


def pifpaf_person(row: Seen) -> dict:
    own = {"keypoints": row.absent_as(0, 0, 0).ravel().tolist(), "bbox": row.xywh, "score": 0.87, "category_id": 1}
    return own | ({"id_": row.person} if row.person else {})


def pifpaf_video(path: Path, layout: str = "coco_17", runs: int = 1) -> Path:
    lines = [json.dumps({"frame": f, "predictions": [pifpaf_person(r) for r in rows]}) for f, rows in frames_of(scene(layout)).items()]
    path.write_text("".join(line + "\n" for line in lines * runs))
    return path


def pifpaf_folder(path: Path) -> Path:
    for frame, rows in frames_of(scene()).items():
        dump(path / f"image{frame:04d}.jpg.predictions.json", [pifpaf_person(row) for row in rows])
    return path


def yolo_folder(path: Path, tail: Callable[[Seen], list[float]] = lambda row: [], name: str = "clip_{}", first: int = 1) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    for frame, rows in frames_of(scene()).items():
        lines = []
        for row in rows:
            x, y, w, h = row.xywh
            shares = row.absent_as(0, 0, 0.2) / [*SIZE, 1]
            box = np.array([x + w / 2, y + h / 2, w, h]) / [*SIZE, *SIZE]
            lines.append(" ".join(f"{v:.8g}" for v in [0, *box, *shares.ravel(), *tail(row)]))
        if lines:
            (path / f"{name.format(frame + first)}.txt").write_text("\n".join(lines) + "\n")
    return path


def yolo_json(path: Path) -> Path:
    for frame, rows in frames_of(scene()).items():
        dump(path / f"frame_{frame:05d}.json", [
            {"name": "person", "class": 0, "confidence": 0.91, "box": dict(zip(("x1", "y1", "x2", "y2"), row.xyxy, strict=True)),
             "track_id": row.person, "keypoints": dict(zip(("x", "y", "visible"), row.absent_as(0, 0, 0.3).T.tolist(), strict=True))}
            for row in rows
        ])  # fmt: skip
    return path


def mmpose_instances(rows: list[Seen]) -> list[dict]:
    return [
        {"keypoints": row.absent_as(3, 4, 0)[:, :2].tolist(), "keypoint_scores": (1.6 * row.points[:, 2]).tolist(), "bbox": [row.xyxy],
         "bbox_score": 0.9} for row in rows
    ]  # fmt: skip


def mmpose_video(path: Path, layout: str = "coco_17") -> Path:
    return dump(path, [{"frame_id": f, "instances": mmpose_instances(rows)} for f, rows in frames_of(scene(layout)).items()])


def mmpose_demo(path: Path, layout: str = "coco_17") -> Path:
    names = load_layout(layout).points
    meta = {
        "dataset_name": "coco", "num_keypoints": len(names), "keypoint_id2name": {str(k): name for k, name in enumerate(names)},
        "sigmas": {"__ndarray__": [0.1] * len(names), "dtype": "float64", "shape": [len(names)]},
    }  # fmt: skip
    frames = [{"frame_id": f + 1, "instances": mmpose_instances(rows)} for f, rows in frames_of(scene(layout)).items()]
    return dump(path, {"meta_info": meta, "instance_info": frames})


def whole_image_points(count: int, seed: int, size: tuple[int, int] = SIZE, taken: tuple[int, int] = (192, 256)) -> np.ndarray:
    """Where rtmlib puts points of nobody: bins of the network's input, of the whole image and a quarter more."""
    box = 1.25 * max(size[0], size[1] * taken[0] / taken[1]) * np.array([1, taken[1] / taken[0]])
    corner, spacing = np.array(size) / 2 - box / 2, box / np.array(taken) / 2
    return corner + spacing * np.round((np.random.default_rng(seed).uniform(0, size, (count, 2)) - corner) / spacing)


def rtmlib(path: Path, layout: str = "coco_17", boxes: bool = True) -> Path:
    count = len(load_layout(layout))
    out = []
    for frame, rows in frames_of(scene(layout)).items():
        listed = [(row.absent_as(-1, -1, 0)[:, :2], 3 * row.points[:, 2], row.xyxy) for row in rows]
        listed = listed or [(whole_image_points(count, frame), np.full(count, 0.1), [0, 0, *SIZE])]
        own = {"keypoints": [xy.tolist() for xy, _, _ in listed], "scores": [s.tolist() for _, s, _ in listed]}
        out.append(own | ({"bboxes": [box for *_, box in listed]} if boxes else {}))
    return dump(path, out)


def mediapipe(path: Path, style: str = "tasks") -> Path:
    out: list[object] = []
    for rows in frames_of(scene("mediapipe_33")).values():
        people = [
            [{"x": x / SIZE[0], "y": y / SIZE[1], "z": -0.1, "visibility": s, "presence": 0.999 if s else 0.0}
             for x, y, s in row.absent_as(30, 40, 0).tolist()] for row in rows
        ]  # fmt: skip
        if style == "proto":  # one person
            out.append({"landmark": people[0]} if people else None)
        elif style == "plain":
            out.append(people[0] if people else None)
        else:
            out.append({"pose_landmarks": people, "pose_world_landmarks": []})
    return dump(path, out)


def own_dump(path: Path) -> Path:
    return dump(path, {
        "format": "recon3d-dump", "model": "movenet", "fps": 30, "size": list(SIZE),
        "frames": [{"frame": f, "people": [
            {"id": row.person, "keypoints": row.absent_as(0, 0, 0).tolist(), "box": row.xyxy} for row in rows
        ]} for f, rows in frames_of(scene()).items()],
    })  # fmt: skip


def controlnet(path: Path, shares: bool = True) -> Path:
    def person(row: Seen) -> dict:
        flat = (row.absent_as(0, 0, 0) / ([*SIZE, 1] if shares else 1)).ravel().tolist()
        hand = np.tile([0.1, 0.2, 0.5] if shares else [100, 200, 0.5], 21).tolist()
        return {"pose_keypoints_2d": flat, "face_keypoints_2d": None, "hand_left_keypoints_2d": hand, "hand_right_keypoints_2d": []}

    return dump(path, [
        {"people": [person(row) for row in rows], "canvas_width": SIZE[0], "canvas_height": SIZE[1]}
        for rows in frames_of(scene("coco_18")).values()
    ])  # fmt: skip


def easymocap(path: Path, layout: str = "body_25") -> Path:
    for camera in ("1", "2"):
        for frame, rows in frames_of(scene(layout)).items():
            dump(path / "annots" / camera / f"{frame:06d}.json", {
                "filename": f"images/{camera}/{frame:06d}.jpg", "height": SIZE[1], "width": SIZE[0], "isKeyframe": False,
                "annots": [{"bbox": [*row.xyxy, 0.9], "personID": row.person, "keypoints": row.absent_as(0, 0, 0).tolist(),
                            "isKeyframe": False} for row in rows],
            })  # fmt: skip
    return path


def openpose(path: Path, layout: str = "body_25", extra: Callable[[Seen], dict] = lambda row: {}, suffix: str = "") -> Path:
    for frame, rows in frames_of(scene(layout)).items():
        people = [
            {"person_id": [row.person], "pose_keypoints_2d": row.absent_as(0, 0, 0).ravel().tolist(), "face_keypoints_2d": [],
             "hand_left_keypoints_2d": [], "hand_right_keypoints_2d": [], "pose_keypoints_3d": [], **extra(row)} for row in rows
        ]  # fmt: skip
        dump(
            path / f"clip_{frame:012d}_keypoints{suffix}.json", {"version": 1.3, "people": people, "part_candidates": [{"0": [1, 2, 0.5]}]}
        )
    return path


def openpose_storage(path: Path, ending: str = "yml", layout: str = "body_25", views: int = 1, hands: bool = False) -> Path:
    """By OpenCV itself; of several cameras, each sees the scene 10 px further to the right."""
    path.mkdir(parents=True, exist_ok=True)
    parts = {"pose": len(load_layout(layout)), **({"hand_left": 21, "hand_right": 21, "face": 70} if hands else {})}
    for frame, rows in frames_of(scene(layout)).items():
        for part, count in parts.items():
            store = cv2.FileStorage(str(path / f"clip_{frame:012d}_{part}.{ending}"), cv2.FILE_STORAGE_WRITE)
            for view in range(views):
                bodies = [row.absent_as(0, 0, 0) + [10 * view, 0, 0] for row in rows]
                bodies = [np.where(body[:, 2:] > 0, body, 0) for body in bodies]
                points = bodies if part == "pose" else [np.tile(body[4] + [len(part), 0, 0], (count, 1)) for body in bodies]
                store.write(f"{part}_{view}", np.array(points, np.float32) if points else np.zeros((0, 0), np.float32))
            store.release()
    return path
