"""Every format that is written: write, read, compare."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest

from recon3d.errors import InputError
from recon3d.io.keypoints import KEYPOINT2D_WRITERS, KeypointOptions, read_keypoints, write_keypoints
from recon3d.records import Keypoints2D
from recon3d.skeleton import joined, load_layout
from tests.io import keypoint_files as files
from tests.io.keypoint_files import OPTIONS, SIZE, scene


def record(layout: str = "coco_17", ids: tuple[int, int] = (0, 1)) -> Keypoints2D:
    """The scene, with frame 5 that nobody is in; the second person comes first where both are."""
    frame = np.array([0, 2, 5, 11])
    count = len(load_layout(layout))
    xy, confidence = np.full((4, 2, count, 2), np.nan, np.float32), np.zeros((4, 2, count), np.float32)
    person, box = np.full((4, 2), -1), np.full((4, 2, 4), np.nan, np.float32)
    for row in scene(layout):
        at, slot = frame.tolist().index(row.frame), 1 - row.person
        xy[at, slot], confidence[at, slot] = row.points[:, :2], row.points[:, 2]
        person[at, slot], box[at, slot] = ids[row.person], row.xyxy
    sigma = np.where(confidence > 0, 2.0, np.nan).astype(np.float32)
    return Keypoints2D(load_layout(layout), "left", SIZE, frame, frame / 30.0, person, xy, confidence, sigma, box)


def people(found: Keypoints2D) -> dict[tuple[int, int], np.ndarray]:
    """x, y, score by frame and identity."""
    out = {}
    for k, frame in enumerate(found.frame.tolist()):
        for slot in np.flatnonzero(np.isfinite(found.xy[k, ..., 0]).any(-1)):
            out[frame, int(found.person_id[k, slot])] = np.c_[found.xy[k, slot], found.confidence[k, slot]]
    return out


@pytest.mark.parametrize("name", sorted(KEYPOINT2D_WRITERS))
@pytest.mark.parametrize("layout", ["coco_17", "body_25", "halpe_26"])
def test_there_and_back(tmp_path, name, layout):
    made = record(layout)
    write_keypoints(tmp_path / "left", made, name)
    options = replace(OPTIONS, layout=layout if name == "openpose" else None)
    (found,) = read_keypoints(tmp_path / "left", options).views
    assert found.layout.points == made.layout.points
    assert found.camera == "left"
    assert found.size == SIZE
    assert found.frame.tolist() == ([0, 2, 11] if name == "sleap-csv" else [0, 2, 5, 11])
    expected, actual = people(made), people(found)
    assert actual.keys() == expected.keys()
    for key, points in expected.items():
        np.testing.assert_allclose(actual[key], points, atol=2e-3, err_msg=str(key))
    if name in ("recon3d", "coco"):
        np.testing.assert_allclose(found.box[0], made.box[0], atol=2e-3)


@pytest.mark.parametrize("name", sorted(KEYPOINT2D_WRITERS))
def test_identities_are_kept(tmp_path, name):
    made = record(ids=(7, 3))
    write_keypoints(tmp_path / "a", made, name)
    options = KeypointOptions(30.0, SIZE, "coco_17" if name == "openpose" else None)
    (found,) = read_keypoints(tmp_path / "a", options).views
    assert people(found).keys() == people(made).keys()


@pytest.mark.parametrize("name", ["coco", "openpose", "sleap", "sleap-csv", "recon3d"])
def test_people_without_identities(tmp_path, name):
    made = record()
    made = replace(made, person_id=np.full_like(made.person_id, -1))
    write_keypoints(tmp_path / "a", made, name)
    options = KeypointOptions(30.0, SIZE, "coco_17" if name == "openpose" else None)
    (found,) = read_keypoints(tmp_path / "a", options).views
    assert (found.person_id == -1).all()
    assert np.isfinite(found.xy[..., 0]).any(-1).sum() == len(scene())


def test_deeplabcut_needs_identities(tmp_path):
    made = record()
    with pytest.raises(InputError, match="track them first"):
        write_keypoints(tmp_path / "a", replace(made, person_id=np.full_like(made.person_id, -1)), "deeplabcut")


def test_deeplabcut_of_one_person_has_three_rows_of_header(tmp_path):
    made = record()
    gone = made.person_id == 1
    alone = replace(
        made,
        person_id=np.where(gone, -1, made.person_id),
        xy=np.where(gone[..., None, None], np.float32(np.nan), made.xy),
        confidence=np.where(gone[..., None], np.float32(0), made.confidence),
    )
    write_keypoints(tmp_path / "a", alone, "deeplabcut")
    rows = list(csv.reader((tmp_path / "a").read_text().splitlines()))
    assert [row[0] for row in rows] == ["scorer", "bodyparts", "coords", "0", "2", "5", "11"]
    assert rows[5][1:] == [""] * 51


def test_openpose_hands_have_their_own_keys(tmp_path):
    body = record("body_25")
    layout = joined(body.layout, {"left_hand_": load_layout("hand_21"), "face_": load_layout("face_70")})
    more = len(layout) - 25
    whole = replace(
        body,
        layout=layout,
        xy=np.concatenate([body.xy, np.full((4, 2, more, 2), 50, np.float32)], axis=2),
        confidence=np.concatenate([body.confidence, np.full((4, 2, more), 0.5, np.float32)], axis=2),
        sigma_px=np.full((4, 2, len(layout)), 2, np.float32),
    )
    write_keypoints(tmp_path / "a", whole, "openpose")
    data = json.loads((tmp_path / "a" / "left_000000000000_keypoints.json").read_text())["people"][0]
    sizes = {key: len(value) // 3 for key, value in data.items() if key.endswith("2d")}
    assert sizes == {"pose_keypoints_2d": 25, "hand_left_keypoints_2d": 21, "hand_right_keypoints_2d": 0, "face_keypoints_2d": 70}


def test_openpose_is_not_written_among_other_files(tmp_path):
    files.openpose(tmp_path / "a")
    with pytest.raises(InputError, match="name a new folder"):
        write_keypoints(tmp_path / "a", record(), "openpose")


def test_unknown_formats_list_the_known_ones(tmp_path):
    with pytest.raises(InputError, match="deeplabcut, easymocap, openpose"):
        write_keypoints(tmp_path / "a", record(), "bvh")
