"""Files of 2D keypoints as other programs lay them out, each written from one scene by the format's own conventions.

The scene: two people in frames 0, 2 and 11, the second of them not in frame 2; one point of the first is absent in frame 0.
"""

import base64
import functools
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import h5py
import numpy as np
from scipy.io import savemat

from recon3d.io.keypoints import KeypointOptions
from recon3d.records import Keypoints2D
from recon3d.skeleton import load_layout
from recon3d.synthetic import make_person, make_rig

SIZE = (1920, 1080)
OPTIONS = KeypointOptions(fps=30.0, size=SIZE)
FRAMES = (0, 2, 11)
ABSENT = 9  # of the first person in frame 0
COCO_NAMES = load_layout("coco_17").points


@dataclass
class Seen:
    """A person in a frame; NaN and a score of 0 where a point is absent."""

    frame: int
    person: int
    points: np.ndarray

    @property
    def there(self) -> np.ndarray:
        return np.isfinite(self.points[:, 0])

    def absent_as(self, *values: float) -> np.ndarray:
        return np.where(self.there[:, None], self.points, values)

    @property
    def xyxy(self) -> list[float]:
        xy = self.points[self.there, :2]
        return np.round([*(xy.min(0) - 5), *(xy.max(0) + 5)], 2).tolist()

    @property
    def xywh(self) -> list[float]:
        x, y, right, bottom = self.xyxy
        return [x, y, right - x, bottom - y]


@functools.cache
def scene(layout: str = "coco_17", seed: int = 0) -> tuple[Seen, ...]:
    rng = np.random.default_rng(seed)
    body = make_person("gait", 30, layout=layout).keypoints
    body = np.where(np.isfinite(body), body, np.nanmean(body, axis=1, keepdims=True) + rng.normal(0, 0.05, body.shape[1:]))
    rows = []
    for frame in FRAMES:
        xy = make_rig("ring", 4).cameras[1].project(body[frame])
        for person in (0, 1):
            if person == 1 and frame == 2:
                continue
            points = np.round(np.c_[xy + [person * 250, person * 20], rng.uniform(0.3, 0.95, len(xy))], 3)
            if person == 0 and frame == 0 and len(xy) > ABSENT:
                points[ABSENT] = [np.nan, np.nan, 0]
            rows.append(Seen(frame, person, points))
    return tuple(rows)


def check(
    found: Keypoints2D, rows: tuple[Seen, ...] | list[Seen], layout: str, ids: bool = True, scores: bool = True, atol: float = 2e-3
) -> None:
    """The record holds the scene, in the file's order within a frame."""
    assert found.layout is load_layout(layout)
    assert found.frame.tolist() == sorted({row.frame for row in rows})
    np.testing.assert_allclose(found.time, found.frame / 30.0)
    assert int(np.isfinite(found.xy[..., 0]).any(-1).sum()) == len(rows)
    for frame in found.frame.tolist():
        at = found.frame.tolist().index(frame)
        for slot, row in enumerate([row for row in rows if row.frame == frame]):
            assert found.person_id[at, slot] == (row.person if ids else -1)
            np.testing.assert_allclose(found.xy[at, slot], row.points[:, :2], atol=atol)
            if scores:
                np.testing.assert_allclose(found.confidence[at, slot], row.points[:, 2], atol=1e-3)
            else:
                np.testing.assert_array_equal(found.confidence[at, slot] > 0, row.there)
            assert np.isfinite(found.box[at, slot]).all()
    assert (found.person_id[~np.isfinite(found.xy[..., 0]).any(-1)] == -1).all()


def frames_of(rows: tuple[Seen, ...]) -> dict[int, list[Seen]]:
    """Frames from 0 to the last, with nobody in most."""
    return {frame: [row for row in rows if row.frame == frame] for frame in range(FRAMES[-1] + 1)}


def dump(path: Path, data: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data))
    return path


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


def rtmlib(path: Path, layout: str = "coco_17", boxes: bool = True) -> Path:
    count = len(load_layout(layout))
    out = []
    for frame, rows in frames_of(scene(layout)).items():
        listed = [(row.absent_as(-1, -1, 0)[:, :2], 3 * row.points[:, 2], row.xyxy) for row in rows]
        # Nobody found: the whole image is taken for a person.
        listed = listed or [(np.random.default_rng(frame).uniform(0, 900, (count, 2)), np.full(count, 0.1), [0, 0, *SIZE])]
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


def deeplabcut_fixed(path: Path) -> Path:
    """pandas' "fixed" form: levels and labels of the columns in arrays."""
    coords = ["x", "y", "likelihood"]
    rows = {row.frame: row for row in scene() if row.person == 0}
    values = np.full((12, 51), np.nan)
    for frame, row in rows.items():
        values[frame] = np.where(row.there[:, None], row.points, np.nan).ravel()
    with h5py.File(path, "w") as file:
        group = file.create_group("df_with_missing")
        levels = (["DLC_x"], list(COCO_NAMES), coords)
        labels = (np.zeros(51, int), np.repeat(np.arange(17), 3), np.tile(np.arange(3), 17))
        for k, (level, label) in enumerate(zip(levels, labels, strict=True)):
            group[f"axis0_level{k}"], group[f"axis0_label{k}"] = np.array(level, "S"), label
        group["axis1"], group["block0_values"] = np.arange(12), values
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


def single(layout: str) -> np.ndarray:
    """The first person in frames 0, 1 and 2."""
    return np.stack([row.points for row in scene(layout) if row.person == 0])


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


def densepose(path: Path) -> Path:
    part = np.zeros((12, 8), np.uint8)
    part[2:9, 1:6] = 3
    iuv = np.stack([part, np.full_like(part, 51) * (part > 0), np.full_like(part, 204) * (part > 0)], axis=-1)
    data = cv2.imencode(".png", iuv[..., ::-1])[1].tobytes()  # OpenCV's order is blue, green, red
    entry = {"image_id": 4, "category_id": 1, "score": 0.9, "bbox": [100.5, 50, 8, 12], "uv_shape": [3, 12, 8],
             "uv_data": base64.encodebytes(data).decode().replace("\n", "")}  # fmt: skip
    return dump(path, [entry])


BUILDERS: dict[str, tuple[Callable[[Path], Path], ...]] = {
    "alphapose": (alphapose,),
    "alphapose-open": (lambda path: dump(path, alphapose_images("open")), lambda path: dump(path, alphapose_images("cmu"))),
    "array": (movenet_npy, movenet_multi, freemocap, rtmlib_npz),
    "coco": (coco_results, coco_flags, coco_wholebody),
    "coco-annotations": (coco_annotations,),
    "controlnet": (controlnet,),
    "dcpose": (dcpose,),
    "deepcut": (deepcut_folder,),
    "deeplabcut": (deeplabcut, lambda path: deeplabcut(path, "unique"), deeplabcut_fixed),
    "deeppose": (deeppose_csv,),
    "easymocap": (easymocap,),
    "mediapipe": (mediapipe, lambda path: mediapipe(path, "proto")),
    "mmpose": (mmpose_video, mmpose_demo),
    "mpii-mat": (hrnet_mat, deepercut_mat),
    "openpifpaf": (pifpaf_video, pifpaf_folder),
    "posetrack": (annolist,),
    "recon3d-dump": (own_dump,),
    "rtmlib": (rtmlib,),
    "sleap": (sleap, lambda path: sleap(path, 1.0, user=True)),
    "sleap-analysis": (sleap_analysis,),
    "sleap-csv": (sleap_csv,),
    "tfjs": (posenet, pose_detection),
    "ultralytics": (yolo_folder, yolo_json),
}
"""Every format's writers, to a path whose ending says nothing."""
