"""recon3d head, from pictures or landmarks to files."""

import csv
import json
import xml.etree.ElementTree

import cv2
import numpy as np
import pytest

from recon3d import io
from recon3d.body import load_open_body
from recon3d.errors import CameraError, InputError
from recon3d.geometry import CameraRig
from recon3d.head.angles import rotation_of
from recon3d.head.faces import face_of
from recon3d.io.head import read_head_npz
from recon3d.pipeline.head import HeadJob, find_heads
from recon3d.records import Keypoints2D
from recon3d.skeleton import load_layout
from tests.head.worlds import EXACT_68, head_mesh, lens, rendered, take
from tests.worlds import BALANCE4

FOV = 2 * np.rad2deg(np.arctan(0.5 * 1280 / 1400.0))
TURNS = np.array([(25 * np.sin(k / 8), 8 * np.sin(k / 6), 5 * np.sin(k / 7)) for k in range(24)])


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    path = tmp_path_factory.mktemp("head") / "talk.mp4"
    camera, vertices = lens(), head_mesh(load_open_body().usual)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 30, (1280, 720))
    for turn in TURNS:
        writer.write(rendered(vertices, turn, camera)[..., ::-1])
    writer.release()
    return path


def test_a_video(video, tmp_path):
    (head,) = find_heads(HeadJob((str(video),), tmp_path / "out", fov=FOV, overlay=True))
    assert np.abs(head.angles_deg - TURNS).mean() < 3.5
    assert {path.name for path in head.files} == {"0.npz", "0.csv", "0.jsonl", "0.svg", "talk.mp4"}
    rows = list(csv.DictReader((tmp_path / "out" / "0.csv").read_text(encoding="utf-8").splitlines()))
    assert len(rows) == 24 and float(rows[5]["yaw_deg"]) == pytest.approx(head.angles_deg[5, 0], abs=1e-3)
    assert 0 < float(rows[5]["yaw_sigma_deg"]) < 6 and 0 < float(rows[5]["left_eye_open"]) < 1
    lines = [json.loads(line) for line in (tmp_path / "out" / "0.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(lines) == 24 and lines[3]["frame"] == 3 and lines[3]["views"] == 1
    again = read_head_npz(tmp_path / "out" / "0.npz")
    np.testing.assert_allclose(again.world_from_head.rotation.matrix, head.pose.world_from_head.rotation.matrix, atol=1e-12)
    np.testing.assert_array_equal(again.covariance, head.pose.covariance)
    assert again.scale == head.pose.scale
    drawing = xml.etree.ElementTree.parse(tmp_path / "out" / "0.svg").getroot()
    assert sum(one.tag.endswith("polyline") for one in drawing) == 3
    found = io.read_keypoints2d(tmp_path / "out" / "landmarks" / "talk.npz")
    assert found.layout.name == "face_468" and len(found) == 24
    overlay = cv2.VideoCapture(str(tmp_path / "out" / "overlay" / "talk.mp4"))
    _, drawn = overlay.read()
    bare = rendered(head_mesh(load_open_body().usual), TURNS[0], lens())[..., ::-1]
    assert (np.abs(drawn.astype(int) - bare).max(2) > 60).sum() > 100
    assert any("average size" in note for note in head.notes)


def test_a_lens_that_nobody_told(video, tmp_path):
    (head,) = find_heads(HeadJob((str(video),), tmp_path / "out", stop=6))
    assert any("60 degrees" in note for note in head.notes) and any("25 % longer would change yaw" in note for note in head.notes)


def landmarks(folder, views, frames):
    """Landmarks of several cameras as files."""
    layout = load_layout("face_68")
    folder.mkdir()
    for view in views:
        xy = view.xy[:, None].astype(np.float32)
        box = np.concatenate([np.nanmin(xy, 2), np.nanmax(xy, 2)], -1)
        seen = Keypoints2D(
            layout=layout, camera=view.camera.name, size=view.camera.intrinsics.size, frame=np.arange(frames), time=view.time.copy(),
            person_id=np.zeros((frames, 1), np.int64), xy=xy, confidence=np.ones(xy.shape[:3], np.float32),
            sigma_px=np.full(xy.shape[:3], 2.0, np.float32), box=box,
        )  # fmt: skip
        io.write_keypoints2d(folder / f"{view.camera.name}.npz", [lambda seen=seen: seen])


def test_landmarks_of_a_rig(tmp_path):
    truth, views = take(1, 3, frames=60)
    landmarks(tmp_path / "seen", views, 60)
    io.write_rig(tmp_path / "rig.toml", CameraRig(tuple(view.camera for view in views)))
    (head,) = find_heads(HeadJob((str(tmp_path / "seen"),), tmp_path / "out", tmp_path / "rig.toml"))
    away = np.linalg.norm(head.pose.world_from_head.translation - truth.translation, axis=1)
    assert np.median(away) < 0.01 and (head.pose.views == 3).all()
    assert head.pose.scale == pytest.approx(1.0, abs=0.03)
    name = views[1].camera.name
    job = HeadJob((str(tmp_path / "seen" / f"{name}.npz"),), tmp_path / "one", tmp_path / "rig.toml")
    assert (find_heads(job)[0].pose.views == 1).all()
    assert len(EXACT_68.points) == 68


def test_bodies_tell_where_to_look(video, tmp_path):
    """Ids are those of the people that recon3d detect followed."""
    layout, camera = load_layout("coco_17"), lens()
    face, columns = face_of(layout), layout.indices(face_of(layout).points)
    xy = np.full((24, 1, 17, 2), np.nan, np.float32)
    for k, turn in enumerate(TURNS):
        world = face.xyz @ rotation_of(np.deg2rad(turn[None])).matrix[0].T + [0.0, 1.2, 0.02]
        xy[k, 0, columns] = camera.project(world)
    there = np.isfinite(xy[..., 0])
    seen = Keypoints2D(
        layout=layout, camera="talk", size=(1280, 720), frame=np.arange(24), time=np.arange(24) / 30, person_id=np.full((24, 1), 5), xy=xy,
        confidence=np.where(there, 0.9, 0.0).astype(np.float32), sigma_px=np.where(there, 3.0, np.nan).astype(np.float32),
        box=np.concatenate([np.nanmin(xy, 2), np.nanmax(xy, 2)], -1),
    )  # fmt: skip
    io.write_keypoints2d(tmp_path / "talk.npz", [lambda: seen])
    (head,) = find_heads(HeadJob((str(video),), tmp_path / "out", fov=FOV, bodies=tmp_path))
    assert np.nanmean(np.abs(head.angles_deg - TURNS)) < 3.5
    assert set(io.read_keypoints2d(tmp_path / "out" / "landmarks" / "talk.npz").person_id.ravel().tolist()) == {5}


def test_files_that_do_not_tell_their_pictures_size(tmp_path):
    """OpenPose's files of a body: five points of a head."""
    folder = str(BALANCE4 / "openpose" / "cam02")
    with pytest.raises(InputError, match="--size WIDTH HEIGHT"):
        find_heads(HeadJob((folder,), tmp_path / "a", fps=60.0, stop=10))
    (head,) = find_heads(HeadJob((folder,), tmp_path / "b", fps=60.0, size=(1088, 1920), stop=10))
    assert np.isfinite(head.angles_deg).any()


def test_what_is_refused(video, tmp_path):
    wall = tmp_path / "wall.mp4"
    writer = cv2.VideoWriter(str(wall), cv2.VideoWriter.fourcc(*"mp4v"), 30, (320, 240))
    for _ in range(3):
        writer.write(np.full((240, 320, 3), 120, np.uint8))
    writer.release()
    with pytest.raises(InputError, match="no face was found in wall"):
        find_heads(HeadJob((str(wall),), tmp_path / "a"))
    with pytest.raises(InputError, match="is none"):
        find_heads(HeadJob((str(tmp_path / "nothing.mp4"),), tmp_path / "b"))
    with pytest.raises(InputError, match="0 heads are none"):
        find_heads(HeadJob((str(video),), tmp_path / "c", people=0))
    with pytest.raises(CameraError, match="field of view"):
        find_heads(HeadJob((str(video),), tmp_path / "d", fov=400.0))
    _, views = take(1, 2, frames=2)
    io.write_rig(tmp_path / "rig.toml", CameraRig(tuple(view.camera for view in views)))
    with pytest.raises(CameraError, match="say which one this is"):
        find_heads(HeadJob((str(video),), tmp_path / "e", tmp_path / "rig.toml"))
    with pytest.raises(InputError, match="holds no head poses|cannot be read"):
        read_head_npz(video)
