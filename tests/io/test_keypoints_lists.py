"""Lists of people: COCO, AlphaPose, PoseTrack, DCPose."""

import json

import numpy as np
import pytest

from recon3d.errors import InputError, LayoutError
from recon3d.io.keypoints import KeypointOptions, read_keypoints
from recon3d.skeleton import load_layout
from tests.io import keypoint_files as files
from tests.io.keypoint_files import OPTIONS, check, scene


def read(path, options=OPTIONS):
    (view,) = read_keypoints(path, options).views
    return view


@pytest.mark.parametrize("layout", ["coco_17", "halpe_26", "wholebody_133"])
def test_coco_results(tmp_path, layout):
    found = read(files.coco_results(tmp_path / "a", layout))
    check(found, scene(layout), layout, ids=False)
    assert found.score_kind == "heatmap"


def test_flags_of_openpose_are_no_scores_and_minus_one_is_absent(tmp_path):
    file = read_keypoints(files.coco_flags(tmp_path / "a"), OPTIONS)
    assert file.views[0].score_kind == "flag"
    assert "0.5 px" in file.notes[0]
    check(file.views[0], scene(), "coco_17", ids=False, scores=False)


def test_wholebody_in_five_lists(tmp_path):
    check(read(files.coco_wholebody(tmp_path / "a")), scene("wholebody_133"), "wholebody_133", ids=False)


def test_feet_of_halpe_and_of_wholebody_differ(tmp_path):
    halpe = read(files.alphapose(tmp_path / "a", "halpe_26"))
    whole = read(files.coco_wholebody(tmp_path / "b"))
    for found in (halpe, whole):
        (row,) = (r for r in scene(found.layout.name) if r.frame == 0 and r.person == 1)
        at = found.layout.index("left_heel")
        np.testing.assert_allclose(found.xy[0, 1, at], row.points[at, :2], atol=1e-3)
    assert halpe.layout.index("left_heel") != whole.layout.index("left_heel") == 19


def test_coco_annotations_of_posetrack(tmp_path):
    names = ("nose", "head_bottom", *load_layout("posetrack_17").points[2:])
    found = read(files.coco_annotations(tmp_path / "a", "posetrack_17", names), KeypointOptions(fps=30.0))
    assert found.layout is load_layout("posetrack_17")
    assert found.frame.tolist() == list(range(12))  # frames without people, too
    assert found.size == files.SIZE
    assert found.score_kind == "flag"
    assert found.person_id[[0, 2, 11]].tolist() == [[0, 1], [0, -1], [0, 1]]
    np.testing.assert_allclose(found.xy[11, 1], scene("posetrack_17")[-1].points[:, :2], atol=1e-3)
    np.testing.assert_allclose(found.box[11, 1], scene("posetrack_17")[-1].xyxy, atol=1e-3)


def test_posetrack18_frame_ids_hold_the_video(tmp_path):
    data = json.loads(files.coco_annotations(tmp_path / "a").read_text())
    for image in data["images"]:
        image["frame_id"] = image["id"]
    assert read(files.dump(tmp_path / "b", data)).frame.tolist() == list(range(12))


def test_ap10k_is_told_by_the_names_of_its_category(tmp_path):
    head, limbs = ("L_Eye", "R_Eye", "Nose", "Neck", "RootOfTail"), (("Shoulder", "Elbow", "F_Paw"), ("Hip", "Knee", "B_Paw"))
    names = head + tuple(f"{side}_{joint}" for limb in limbs for side in "LR" for joint in limb)
    assert read(files.coco_annotations(tmp_path / "a", names=names)).layout is load_layout("ap10k_17")


def test_a_category_of_ones_own_points(tmp_path):
    names = tuple(f"left_p{k}" for k in range(8)) + tuple(f"right_p{k}" for k in range(8)) + ("tip",)
    layout = read(files.coco_annotations(tmp_path / "a", names=names)).layout
    assert layout.points == names
    assert layout.mirror.tolist() == [*range(8, 16), *range(8), 16]


def test_images_whose_names_are_no_frames(tmp_path):
    data = json.loads(files.coco_annotations(tmp_path / "a").read_text())
    for image in data["images"]:
        image["file_name"] = "x_1.jpg"
        del image["frame_id"]
    file = read_keypoints(files.dump(tmp_path / "b", data), OPTIONS)
    assert file.views[0].frame[0] == 10**10
    assert "ids are the frames" in file.notes[0]


@pytest.mark.parametrize("layout", ["coco_17", "halpe_26", "halpe_136", "halpe_68"])
def test_alphapose_sorts_image_names_as_numbers(tmp_path, layout):
    check(read(files.alphapose(tmp_path / "a", layout)), scene(layout), layout)


@pytest.mark.parametrize("idx", [float, lambda n: [n], lambda n: [float(n)]])
def test_alphapose_ids_are_spelled_in_three_ways(tmp_path, idx):
    check(read(files.alphapose(tmp_path / "a", idx=idx)), scene(), "coco_17")


def test_alphapose_without_tracking_gives_no_identities(tmp_path):
    file = read_keypoints(files.alphapose(tmp_path / "a", idx=lambda n: [0.0]), OPTIONS)
    check(file.views[0], scene(), "coco_17", ids=False)
    assert "same id" in file.notes[0]


def test_alphapose_boxes_are_x_y_width_height(tmp_path):
    found = read(files.alphapose(tmp_path / "a"))
    np.testing.assert_allclose(found.box[0, 0], scene()[0].xyxy, atol=1e-2)


@pytest.mark.parametrize("style", ["open", "cmu"])
@pytest.mark.parametrize("separate", [False, True])
def test_alphapose_open_puts_the_head_in_the_neck(tmp_path, style, separate):
    images = files.alphapose_images(style)
    if separate:
        for name, image in images.items():
            path = files.dump(tmp_path / "sep-json" / name.replace("jpg", "json"), image).parent
    else:
        path = files.dump(tmp_path / "a", images)
    file = read_keypoints(path, OPTIONS)
    (found,) = file.views
    layout = found.layout
    assert layout is load_layout("coco_18")
    assert found.frame.tolist() == [0, 2, 11]
    np.testing.assert_allclose(
        found.xy[0, 1, layout.index("neck")], found.xy[0, 1, layout.indices(["left_shoulder", "right_shoulder"])].mean(0), rtol=1e-5
    )
    assert "neck" in file.notes[0]


def test_posetrack17_sentinel_person_is_dropped(tmp_path):
    found = read(files.annolist(tmp_path / "a"))
    assert found.layout is load_layout("posetrack_15")
    assert found.frame.tolist() == list(range(12))
    assert np.isfinite(found.xy[..., 0]).any(-1).sum() == len(scene())
    assert found.person_id[11].tolist() == [0, 1]
    np.testing.assert_allclose(found.xy[0, 0], scene("posetrack_15")[0].points[:, :2], atol=1e-3)


def test_a_long_list_is_told_by_its_beginning(tmp_path):
    data = 50 * json.loads(files.coco_results(tmp_path / "a").read_text())
    path = files.dump(tmp_path / "b", [entry | {"image_id": k} for k, entry in enumerate(data)])
    assert len(read(path).frame) == 250
    path.write_text(path.read_text()[:-100])
    with pytest.raises(InputError, match="not complete JSON"):
        read(path)


def test_dcpose(tmp_path):
    check(read(files.dcpose(tmp_path / "a")), scene("posetrack_17"), "posetrack_17", ids=False)


def test_what_the_file_leaves_out_is_asked_for(tmp_path):
    path = files.coco_results(tmp_path / "a")
    with pytest.raises(InputError, match=r"--fps\) nor the size"):
        read(path, KeypointOptions())
    blob = np.random.default_rng(0).normal(500, 50, (17, 3)).tolist()
    entries = [{"image_id": 1, "category_id": 1, "score": 1, "keypoints": np.ravel(blob).tolist()}]
    with pytest.raises(LayoutError, match="name it with --layout"):
        read(files.dump(tmp_path / "b", entries))


def test_17_points_of_coco_and_of_posetrack_share_their_length(tmp_path):
    path = files.coco_results(tmp_path / "a", "posetrack_17")
    with pytest.raises(LayoutError, match="posetrack_17"):
        read(path)
    check(read(path, KeypointOptions(30.0, files.SIZE, "posetrack_17")), scene("posetrack_17"), "posetrack_17", ids=False)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image_id": "x.jpg"}, "no frame number"),
        ({"keypoints": [1, 2]}, "entry 1, keypoints has"),
        ({"keypoints": None}, "entry 1, keypoints"),
        ({"box": [1, 2]}, "entry 1, box"),
        ({"idx": "one"}, "entry 1, idx"),
        ({"keypoints": [1.0] * 30}, "people have 10, 17 points"),
    ],
)
def test_faults_name_their_place(tmp_path, change, message):
    data = json.loads(files.alphapose(tmp_path / "a").read_text())
    data[1] |= change
    with pytest.raises(InputError, match=message) as caught:
        read(files.dump(tmp_path / "b", data))
    assert str(tmp_path / "b") in str(caught.value)
