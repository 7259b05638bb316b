"""Formats with an entry, a line or a file a frame: MMPose, OpenPifPaf, Ultralytics, TensorFlow.js, rtmlib, MediaPipe, EasyMocap, ..."""

import json
import pickle

import numpy as np
import pytest

from recon3d.errors import InputError, LayoutError
from recon3d.io.keypoints import KEYPOINT_READERS, KeypointOptions, read_keypoints
from recon3d.io.keypoints.openpose_3d import read_openpose_3d
from recon3d.io.keypoints.whole_image import is_of_whole_image
from recon3d.skeleton import load_layout
from tests.io import keypoint_files as files
from tests.io.keypoint_files import FRAMES, OPTIONS, SIZE, check, scene


def read(path, options=OPTIONS):
    (view,) = read_keypoints(path, options).views
    return view


def filled(found):
    """Without the frames that nobody is in."""
    assert found.frame.tolist() == list(range(12))
    return found.window(np.isin(found.frame, FRAMES))


CASES = [(name, k) for name, made in files.BUILDERS.items() for k in range(len(made))]


def test_every_reader_is_tried():
    assert set(files.BUILDERS) == set(KEYPOINT_READERS)


@pytest.mark.parametrize(("name", "k"), CASES)
def test_a_format_is_told_by_what_it_holds(tmp_path, name, k):
    path = files.BUILDERS[name][k](tmp_path / "take")
    path = path if path.exists() else path.with_name(path.name + (".npz" if name == "array" and k == 3 else ".npy"))
    file = read_keypoints(path, OPTIONS)
    assert file.format == name
    for view in file.views:
        assert np.isfinite(view.xy).any()
        assert view.size == SIZE


@pytest.mark.parametrize("layout", ["coco_17", "wholebody_133", "halpe_26"])
def test_mmpose_video(tmp_path, layout):
    found = filled(read(files.mmpose_video(tmp_path / "a", layout)))
    assert found.score_kind == "simcc"
    check(found, scene(layout), layout, ids=False, scores=False)
    assert found.confidence.max() > 1  # a peak, not a probability


def test_mmpose_boxes_are_nested_one_level_too_deep(tmp_path):
    found = filled(read(files.mmpose_video(tmp_path / "a")))
    np.testing.assert_allclose(found.box[0, 0], scene()[0].xyxy, atol=1e-2)


def test_mmpose_demo_counts_from_one_and_names_its_points(tmp_path):
    file = read_keypoints(files.mmpose_demo(tmp_path / "a", "posetrack_17"), OPTIONS)
    check(filled(file.views[0]), scene("posetrack_17"), "posetrack_17", ids=False, scores=False)
    assert "count from 1" in file.notes[0]


def test_mmpose_images(tmp_path):
    for frame, rows in files.frames_of(scene()).items():
        files.dump(tmp_path / "predictions" / f"im_{frame:06d}.json", files.mmpose_instances(rows))
    check(filled(read(tmp_path / "predictions")), scene(), "coco_17", ids=False, scores=False)
    one = read(tmp_path / "predictions" / "im_000011.json")
    assert one.frame.tolist() == [11]


def test_mmpose_points_in_space_are_refused(tmp_path):
    data = json.loads(files.mmpose_video(tmp_path / "a").read_text())
    data[0]["instances"][0]["keypoints"] = [[1, 2, 3]] * 17
    with pytest.raises(InputError, match="frame 0, person 0, keypoints"):
        read(files.dump(tmp_path / "b", data))


def test_pifpaf_image_is_a_list_and_video_is_lines(tmp_path):
    video, folder = read(files.pifpaf_video(tmp_path / "a")), read(files.pifpaf_folder(tmp_path / "b"))
    for found in (video, folder):
        found = filled(found)
        assert found.person_id[:, :2].tolist() == [[-1, 1], [-1, -1], [-1, 1]]  # an id of 0 is not written
        np.testing.assert_allclose(found.xy[0, 0], scene()[0].points[:, :2], atol=1e-3)
        np.testing.assert_allclose(found.box[0, 0], scene()[0].xyxy, atol=1e-2)


def test_pifpaf_video_of_two_runs(tmp_path):
    file = read_keypoints(files.pifpaf_video(tmp_path / "a", runs=2), OPTIONS)
    assert np.isfinite(file.views[0].xy[..., 0]).any(-1).sum() == len(scene())
    assert "12 frames are there more than once" in file.notes[0]


@pytest.mark.parametrize("layout", ["wholebody_133", "crowdpose_14"])
def test_pifpaf_layouts(tmp_path, layout):
    assert filled(read(files.pifpaf_video(tmp_path / "a", layout))).layout is load_layout(layout)


@pytest.mark.parametrize(("count", "layout"), [(24, "car_24"), (66, "apollocar_66"), (20, "animal_20")])
def test_pifpaf_cars_and_animals(tmp_path, count, layout):
    points = np.c_[np.random.default_rng(0).uniform(100, 900, (count, 2)), np.full(count, 0.5)]
    entry = {"keypoints": points.ravel().tolist(), "bbox": [100, 100, 800, 800], "score": 0.9, "category_id": 1}
    assert read(files.dump(tmp_path / "a", [entry])).layout is load_layout(layout)


def test_cars_of_24_points_are_some_of_those_of_66():
    """OpenPifPaf makes the 24 of these, in this order; sides must agree."""
    chosen = np.array([49, 8, 57, 0, 52, 5, 11, 7, 20, 23, 24, 33, 25, 32, 28, 29, 46, 34, 37, 50, 65, 64, 9, 48])
    few, many = load_layout("car_24"), load_layout("apollocar_66")
    np.testing.assert_array_equal(many.mirror[chosen], chosen[few.mirror])
    for point, other in zip(few.points, (many.points[k] for k in chosen), strict=True):
        for word in ("wheel", "plate"):
            assert (word in point) == (word in other), (point, other)


def test_points_that_no_layout_has_must_be_named(tmp_path):
    entry = {"keypoints": [5.0, 6.0, 0.5] * 67, "bbox": [1, 1, 8, 8], "score": 0.9, "category_id": 1}
    path = files.dump(tmp_path / "a", [entry])
    with pytest.raises(LayoutError, match="67 points"):
        read(path)
    own = tmp_path / "car.toml"
    own.write_text(f"name = 'car'\npoints = {[f'p{k}' for k in range(67)]}\n")
    assert len(read(path, KeypointOptions(30.0, SIZE, str(own))).layout) == 67


def test_animal_20_of_pifpaf_and_of_mmpose_differ():
    a, b = load_layout("animal_20"), load_layout("animal_pose_20")
    assert set(a.points) == set(b.points)
    assert a.points != b.points


def test_yolo_frames_of_a_video_count_from_one(tmp_path):
    file = read_keypoints(files.yolo_folder(tmp_path / "clip" / "labels"), OPTIONS)
    (found,) = file.views
    assert found.camera == "clip"
    assert "count from 1" in file.notes[0]
    check(found, scene(), "coco_17", ids=False)
    np.testing.assert_allclose(found.box[0, 0], scene()[0].xyxy, atol=1e-2)


def test_yolo_images_keep_their_numbers(tmp_path):
    file = read_keypoints(files.yolo_folder(tmp_path / "labels", name="im_{:05d}", first=0), OPTIONS)
    check(file.views[0], scene(), "coco_17", ids=False)
    assert not file.notes


def test_old_yolo_points_at_zero_with_a_score_are_absent(tmp_path):
    found = read(files.yolo_folder(tmp_path / "labels"))
    assert np.isnan(found.xy[0, 0, files.ABSENT]).all()  # 0, 0, 0.2 in the file
    assert found.confidence[0, 0, files.ABSENT] == 0


@pytest.mark.parametrize(
    ("tail", "ids"),
    [(lambda r: [0.87], False), (lambda r: [r.person], True), (lambda r: [0.87, r.person], True), (lambda r: [1 - 0.2 * r.person], False)],
)
def test_yolo_columns_that_are_not_named(tmp_path, tail, ids):
    check(read(files.yolo_folder(tmp_path / "labels", tail)), scene(), "coco_17", ids=ids)


def test_yolo_lines_of_two_runs(tmp_path):
    folder = files.yolo_folder(tmp_path / "labels")
    for file in folder.iterdir():
        file.write_text(2 * file.read_text())
    file = read_keypoints(folder, OPTIONS)
    check(file.views[0], scene(), "coco_17", ids=False)
    assert "5 lines are there twice" in file.notes[1]


def test_yolo_of_two_values_a_point(tmp_path):
    (tmp_path / "a").mkdir()
    xy = scene()[1].points[:, :2]
    (tmp_path / "a" / "clip_1.txt").write_text("0 0.5 0.5 0.1 0.1 " + " ".join(map(str, (xy / SIZE).ravel())))
    found = read(tmp_path / "a", KeypointOptions(30.0, SIZE, "coco_17"))
    np.testing.assert_allclose(found.xy[0, 0], xy, atol=1e-3)
    assert found.score_kind == "none"


def test_yolo_json(tmp_path):
    check(filled(read(files.yolo_json(tmp_path / "a"))), scene(), "coco_17")


@pytest.mark.parametrize(("build", "ids"), [(files.posenet, False), (files.pose_detection, True)])
def test_tfjs_names_its_points(tmp_path, build, ids):
    check(filled(read(build(tmp_path / "a"))), scene(), "coco_17", ids=ids)


def test_tfjs_blazepose_and_one_file_a_frame(tmp_path):
    data = json.loads(files.pose_detection(tmp_path / "a", "mediapipe_33").read_text())
    for frame, poses in enumerate(data):
        files.dump(tmp_path / "b" / f"{frame}.json", poses)
    check(filled(read(tmp_path / "b")), scene("mediapipe_33"), "mediapipe_33")


def test_tfjs_a_flat_list_may_be_people_or_frames(tmp_path):
    data = [poses[0] for poses in json.loads(files.posenet(tmp_path / "a").read_text()) if poses]
    assert read(files.dump(tmp_path / "b", data)).frame.tolist() == [0]
    with pytest.raises(InputError, match="in a list of their own"):
        read(files.dump(tmp_path / "b", 10 * data))


def test_rtmlib_phantom_person_is_dropped(tmp_path):
    file = read_keypoints(files.rtmlib(tmp_path / "a"), OPTIONS)
    check(filled(file.views[0]), scene(), "coco_17", ids=False, scores=False)
    assert "9 frames" in file.notes[0]
    assert file.views[0].score_kind == "simcc"


def test_rtmlib_without_boxes_tells_the_phantom_by_its_points(tmp_path):
    file = read_keypoints(files.rtmlib(tmp_path / "a", boxes=False), OPTIONS)
    check(filled(file.views[0]), scene(), "coco_17", ids=False, scores=False)
    assert file.notes == ("rtmlib took the whole image for a person in 9 frames: left out",)


def test_rtmlib_rounded_without_boxes_keeps_the_phantom_and_says_so(tmp_path):
    data = json.loads(files.rtmlib(tmp_path / "a", boxes=False).read_text())
    for entry in data:
        entry["keypoints"] = np.round(entry["keypoints"]).tolist()
    file = read_keypoints(files.dump(tmp_path / "b", data), OPTIONS)
    assert "may still be in" in file.notes[0]
    assert np.isfinite(file.views[0].xy[1]).any()


def test_rtmlib_arrays_without_the_phantom(tmp_path):
    places, scores = np.full((2, 2, 17, 2), np.nan), np.zeros((2, 2, 17))
    places[0, 0], scores[0, 0] = scene()[1].points[:, :2], 0.8
    places[1, 1], scores[1, 1] = files.whole_image_points(17, 3), 0.2
    np.savez(tmp_path / "a.npz", keypoints=places, scores=scores)
    file = read_keypoints(tmp_path / "a.npz", OPTIONS)
    assert np.isfinite(file.views[0].xy).all((1, 2, 3)).tolist() == [True, False]
    assert "1 frames" in file.notes[0]


@pytest.mark.parametrize("taken", [(192, 256), (288, 384), (256, 256)])
@pytest.mark.parametrize("size", [(1920, 1080), (1080, 1920), (640, 480), (333, 517)])
def test_the_grid_of_the_whole_image(taken, size):
    for seed in range(5):
        xy = files.whole_image_points(17, seed, size, taken)
        points = np.c_[xy, np.full(17, 0.2)]
        assert is_of_whole_image(np.round(points, 2), size)
        assert not is_of_whole_image(points + [0.05, 0, 0], size)
        assert not is_of_whole_image(points[:9], size)
        assert not is_of_whole_image(np.c_[xy * 0.9 + 10, points[:, 2]], size)  # another box
        with_neck = np.insert(points, 1, points[[5, 6]].mean(0), axis=0)
        assert is_of_whole_image(with_neck, size)


def test_rtmlib_of_one_image(tmp_path):
    own = json.loads(files.rtmlib(tmp_path / "a", boxes=False).read_text())[0]
    assert read(files.dump(tmp_path / "b", own)).xy.shape == (1, 2, 17, 2)
    np.savez(tmp_path / "c.npz", **{key: np.array(value) for key, value in own.items()})
    assert read(tmp_path / "c.npz").xy.shape == (1, 2, 17, 2)


@pytest.mark.parametrize("layout", ["wholebody_133", "openpose_134"])
def test_rtmlib_layouts(tmp_path, layout):
    check(filled(read(files.rtmlib(tmp_path / "a", layout))), scene(layout), layout, ids=False, scores=False)


@pytest.mark.parametrize("style", ["tasks", "proto", "plain"])
def test_mediapipe(tmp_path, style):
    rows = [row for row in scene("mediapipe_33") if style == "tasks" or row.person == 0]
    found = filled(read(files.mediapipe(tmp_path / "a", style)))
    assert found.score_kind == "visibility"
    check(found, rows, "mediapipe_33", ids=False)


def test_own_dump_says_all(tmp_path):
    check(filled(read(files.own_dump(tmp_path / "a"), KeypointOptions())), scene(), "coco_17")


@pytest.mark.parametrize("shares", [True, False])
def test_controlnet(tmp_path, shares):
    found = filled(read(files.controlnet(tmp_path / "a", shares), KeypointOptions(fps=30.0, layout="coco_18")))
    assert found.layout.name == "coco_18+left_hand"
    np.testing.assert_allclose(found.xy[0, 0, :18], scene("coco_18")[0].points[:, :2], atol=1e-3)
    np.testing.assert_allclose(found.xy[0, 0, 18], [192, 216] if shares else [100, 200], rtol=1e-5)
    assert found.size == SIZE


def test_easymocap_cameras(tmp_path):
    path = files.easymocap(tmp_path / "take")
    file = read_keypoints(path, KeypointOptions(fps=30.0))
    assert [view.camera for view in file.views] == ["1", "2"]
    for view in file.views:
        check(filled(view), scene("body_25"), "body_25")
    (one,) = read_keypoints(path, KeypointOptions(fps=30.0, camera="2")).views
    assert one.camera == "2"
    with pytest.raises(InputError, match="no camera '3'"):
        read_keypoints(path, KeypointOptions(fps=30.0, camera="3"))


@pytest.mark.parametrize("inside", ["", "pose"])
def test_pose2sim_folders(tmp_path, inside):
    for camera in ("cam01", "cam02"):
        files.openpose(tmp_path / "take" / inside / f"{camera}_json")
    file = read_keypoints(tmp_path / "take", OPTIONS)
    assert (file.format, [view.camera for view in file.views]) == ("openpose", ["cam01", "cam02"])
    check(filled(file.views[1]), scene("body_25"), "body_25")


def test_openpose_of_several_cameras_in_one_folder(tmp_path):
    for suffix in ("", "_1"):
        files.openpose(tmp_path / "a", suffix=suffix)
    file = read_keypoints(tmp_path / "a", OPTIONS)
    assert [view.camera for view in file.views] == ["cam_0", "cam_1"]
    check(filled(file.views[1]), scene("body_25"), "body_25")


def test_openpose_hands_and_face(tmp_path):
    def extra(row):
        return {
            "hand_right_keypoints_2d": np.tile([500, 400, 0.5], 21).tolist() if row.person else [],
            "face_keypoints_2d": np.tile([300, 200, 0.25], 70).tolist(),
        }

    found = filled(read(files.openpose(tmp_path / "a", extra=extra)))
    assert found.layout.name == "body_25+right_hand+face"
    assert len(found.layout) == 25 + 21 + 70
    assert np.isnan(found.xy[0, 0, 25]).all()
    assert found.xy[0, 1, 25].tolist() == [500, 400]
    assert found.person_id.tolist() == [[0, 1], [0, -1], [0, 1]]


@pytest.mark.parametrize("ending", ["yml", "yaml", "xml", "json"])
def test_openpose_storage(tmp_path, ending):
    file = read_keypoints(files.openpose_storage(tmp_path / "a", ending), OPTIONS)
    assert file.format == "openpose-storage"
    check(filled(file.views[0]), scene("body_25"), "body_25", ids=False)


@pytest.mark.parametrize("layout", ["coco_18", "mpi_15", "body_25b"])
def test_openpose_storage_of_other_bodies(tmp_path, layout):
    assert read(files.openpose_storage(tmp_path / "a", layout=layout)).layout is load_layout(layout)


def test_openpose_storage_of_several_cameras(tmp_path):
    views = read_keypoints(files.openpose_storage(tmp_path / "a", views=2), OPTIONS).views
    assert [view.camera for view in views] == ["cam_0", "cam_1"]
    np.testing.assert_allclose(views[1].xy - views[0].xy, np.where(np.isfinite(views[0].xy), [10, 0], np.nan), atol=1e-3)


def test_openpose_storage_with_hands_and_face(tmp_path):
    found = filled(read(files.openpose_storage(tmp_path / "a", hands=True)))
    assert len(found.layout) == 25 + 21 + 21 + 70
    wrist = found.xy[:, :, found.layout.index("right_wrist")]
    for part, name in (("left_hand_thumb_tip", "hand_left"), ("right_hand_wrist", "hand_right"), ("face_nose_0", "face")):
        at = next(k for k, point in enumerate(found.layout.points) if point == part or point.startswith(part.rsplit("_", 1)[0]))
        np.testing.assert_allclose(found.xy[:, :, at], wrist + [len(name), 0], atol=1e-3)


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("pose", ("pose_0", "body_0"), "no pose_0"),
        ("pose", ('"3f"', '"2f"'), "000000000002_pose.yml: pose_0"),
        ("face", ("rows: 1", "rows: 2"), "000000000002_face.yml: face_0"),
        ("hand_left", ("hand_left_0", "x_0"), "hand_left.yml has no hand_left_0"),
    ],
)
def test_openpose_storage_faults_name_their_file(tmp_path, file, change, message):
    path = files.openpose_storage(tmp_path / "a", hands=True)
    target = path / f"clip_{2:012d}_{file}.yml"
    target.write_text(target.read_text().replace(*change))
    with pytest.raises(InputError, match=message):
        read(path)


def test_a_frame_of_openpose_storage_asks_for_the_folder(tmp_path):
    for ending in ("yml", "xml", "json"):
        path = files.openpose_storage(tmp_path / ending, ending)
        with pytest.raises(InputError, match="give the folder"):
            read(next(path.iterdir()))


def test_openpose_storage_of_nobody_asks_for_the_layout(tmp_path):
    path = files.openpose_storage(tmp_path / "a")
    for file in path.iterdir():
        if not file.name.startswith("clip_000000000003"):
            file.unlink()
    with pytest.raises(LayoutError, match="nobody is in"):
        read(path)
    assert not np.isfinite(read(path, KeypointOptions(30.0, SIZE, "body_25")).xy).any()


def test_openpose_before_version_1_2(tmp_path):
    for file in files.openpose(tmp_path / "a").iterdir():
        file.write_text(file.read_text().replace("pose_keypoints_2d", "pose_keypoints").replace('"person_id": [0], ', ""))
    found = filled(read(tmp_path / "a"))
    check(found, [files.Seen(r.frame, r.person or -1, r.points) for r in scene("body_25")], "body_25")


def test_openpose_3d(tmp_path):
    solid = np.random.default_rng(0).normal(0, 0.5, (25, 4))
    solid[:, 3] = 1
    solid[4] = 0
    path = files.openpose(tmp_path / "a", extra=lambda row: {"pose_keypoints_3d": [] if row.person else solid.ravel().tolist()})
    found = read_openpose_3d(path)
    assert found.layout is load_layout("body_25")
    assert found.points.shape == (12, 25, 4)
    np.testing.assert_allclose(found.points[11, :4], solid[:4])
    assert np.isnan(found.points[11, 4, :3]).all()
    assert np.isnan(found.points[5, :, :3]).all()
    with pytest.raises(InputError, match="--3d"):
        read_openpose_3d(files.openpose(tmp_path / "b"))


def test_layouts_of_25_points_share_their_length(tmp_path):
    assert read(files.openpose(tmp_path / "a", "body_25")).layout is load_layout("body_25")
    assert read(files.openpose(tmp_path / "b", "body_25b")).layout is load_layout("body_25b")


@pytest.mark.parametrize("head", [b"\x80\x04", b"\x80\x02"])
def test_pickles_are_refused(tmp_path, head):
    path = tmp_path / "results.pkl"
    path.write_bytes(head + pickle.dumps({"a": 1})[2:])
    with pytest.raises(InputError, match="can run any code"):
        read(path)


def test_object_arrays_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", keypoints=np.array([{}], dtype=object), scores=np.zeros(1))
    with pytest.raises(InputError, match="can run any code"):
        read(tmp_path / "a.npz")
    np.savez(tmp_path / "b.npz", positions_2d=np.array([{}], dtype=object), metadata=np.zeros(1))
    with pytest.raises(InputError, match="VideoPose3D"):
        read(tmp_path / "b.npz")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ("[]", "holds nobody"),
        ("{}", "holds nobody"),
        ('{"a": 1}', "none of the formats"),
        ("a,b\n1,2\n", "none of the formats"),
    ],
)
def test_files_of_no_format(tmp_path, content, message):
    (tmp_path / "a").write_text(content)
    with pytest.raises(InputError, match=message):
        read(tmp_path / "a")


def test_folders_and_files_of_no_format(tmp_path):
    with pytest.raises(InputError, match="none of the formats"):
        read(tmp_path)
    with pytest.raises(InputError, match="no such file"):
        read(tmp_path / "x")
    with pytest.raises(InputError, match="give the folder"):
        read(next(files.openpose(tmp_path / "a").iterdir()))
    with pytest.raises(InputError, match="is not one of"):
        read_keypoints(tmp_path, OPTIONS, "bvh")
