import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recon3d.errors import InputError, LayoutError, Recon3dError
from recon3d.io.keypoints.openpose import KeypointOptions, OpenPoseFolder, frame_number, read_openpose, share_layout
from recon3d.skeleton import load_layout
from recon3d.synthetic import make_person, make_rig
from tests.worlds import BALANCE4

OPTIONS = KeypointOptions(60.0, (1088, 1920))


def write(folder, frames, name="video_{:012d}_keypoints.json"):
    folder.mkdir(exist_ok=True)
    for number, people in frames.items():
        data = {"version": 1.3, "people": [{"person_id": [-1], "pose_keypoints_2d": np.ravel(p).tolist()} for p in people]}
        (folder / name.format(number)).write_text(json.dumps(data))
    return folder


def person(layout: str, frame: int = 0):
    made = make_person("gait", 30, layout=layout)
    xy = make_rig("ring", 4).cameras[1].project(made.keypoints[frame])
    return np.nan_to_num(np.c_[xy, np.full(len(xy), 0.8)]) * np.isfinite(xy[:, :1])


def test_real_files():
    seen = read_openpose(BALANCE4 / "openpose" / "cam01", "cam01", OPTIONS)
    assert seen.layout.name == "body_25b"
    assert seen.xy.shape == (100, 3, 25, 2)
    np.testing.assert_array_equal(seen.frame, np.arange(100))
    np.testing.assert_allclose(seen.time, np.arange(100) / 60)
    np.testing.assert_allclose(seen.xy[0, 0, 0], [505.232, 431.63])
    assert np.isnan(seen.xy[0, 1, 6]).all()  # 0, 0, 0 in the file
    assert seen.confidence[0, 1, 6] == 0


@pytest.mark.parametrize("camera", ["cam01", "cam02", "cam03", "cam04"])
def test_25b_is_told_from_every_side(camera):
    assert OpenPoseFolder(BALANCE4 / "openpose" / camera, camera, OPTIONS).layout.name == "body_25b"


@pytest.mark.parametrize("layout", ["body_25", "coco_18", "mpi_15"])
def test_layouts_are_told(tmp_path, layout):
    folder = write(tmp_path / "a", {n: [person(layout, n)] for n in range(5)})
    assert read_openpose(folder, "a", OPTIONS).layout.name == layout


def test_a_layout_that_is_asked_for(tmp_path):
    folder = write(tmp_path / "a", {0: [person("halpe_26")]})
    with pytest.raises(LayoutError, match="26 points; name the layout with --layout"):
        read_openpose(folder, "a", OPTIONS)
    seen = read_openpose(folder, "a", KeypointOptions(30.0, (1920, 1080), "halpe_26"))
    np.testing.assert_allclose(seen.xy[0, 0], person("halpe_26")[:, :2], rtol=1e-6)
    with pytest.raises(InputError, match="26 points, layout coco_17 has 17"):
        read_openpose(folder, "a", KeypointOptions(30.0, (1920, 1080), "coco_17"))


def test_25_points_that_could_be_either(tmp_path):
    blob = np.c_[np.random.default_rng(0).normal(500, 50, (25, 2)), np.ones(25)]
    folder = write(tmp_path / "a", {0: [blob]})
    with pytest.raises(LayoutError, match="body_25 or --layout body_25b"):
        read_openpose(folder, "a", OPTIONS)


def test_gaps_empty_frames_and_several_people(tmp_path):
    one = person("body_25")
    folder = write(tmp_path / "a", {3: [one], 5: [], 9: [one, one + [5, 0, 0]]})
    seen = read_openpose(folder, "a", OPTIONS)
    assert seen.frame.tolist() == [3, 5, 9]
    assert np.isfinite(seen.xy[..., 0]).any(-1).tolist() == [[True, False], [False, False], [True, True]]
    window = OpenPoseFolder(folder, "a", OPTIONS).window(slice(1, 3))
    assert window.frame.tolist() == [5, 9]


@pytest.mark.parametrize(
    ("name", "number"),
    [("cam01.0007.json", 7), ("video_000000000012_keypoints.json", 12), ("video_000000000012_keypoints_1.json", 12), ("x.json", None)],
)
def test_frame_numbers(tmp_path, name, number):
    assert frame_number(tmp_path / name) == number


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ('{"people": [{"pose_keypoints_2d": [1, 2', "not complete JSON"),
        ('{"persons": []}', "no list of 'people'"),
        ("[]", "no list of 'people'"),
        ('{"people": [{"pose_keypoints_2d": [1, 2]}]}', "a list of 3 numbers for each point"),
        ('{"people": [{"pose_keypoints_2d": ["a", 2, 3]}]}', "not a number"),
        ('{"people": [3]}', "person 0"),
    ],
)
def test_broken_files_are_named(tmp_path, content, message):
    folder = write(tmp_path / "a", {0: [person("body_25")]})
    (folder / "video_000000000001_keypoints.json").write_text(content)
    with pytest.raises(InputError, match=message) as caught:
        read_openpose(folder, "a", OPTIONS)
    assert "camera a" in str(caught.value)
    assert "000000000001" in str(caught.value)


def test_folder_faults(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(InputError, match="no .json files"):
        read_openpose(tmp_path / "a", "a", OPTIONS)
    folder = write(tmp_path / "a", {})
    (folder / "x.json").write_text("{}")
    (folder / "v_1_keypoints.json").write_text("{}")
    (folder / "w_1_keypoints.json").write_text("{}")
    with pytest.raises(InputError, match="no frame number") as caught:
        read_openpose(folder, "a", OPTIONS)
    assert "frame 1 has v_1_keypoints.json already" in str(caught.value)


def test_nobody_anywhere_asks_for_the_layout(tmp_path):
    with pytest.raises(LayoutError, match="--layout"):
        read_openpose(write(tmp_path / "a", {0: [], 1: []}), "a", OPTIONS)


def test_a_camera_that_saw_nobody_has_the_layout_of_the_others(tmp_path):
    frames = {k: [person("body_25")] for k in range(3)}
    folders = [
        OpenPoseFolder(write(tmp_path / "a", {0: [], 1: []}), "a", OPTIONS),
        OpenPoseFolder(write(tmp_path / "b", frames), "b", OPTIONS),
    ]
    share_layout(folders)
    assert folders[0].window(slice(None)).layout == folders[1].layout
    with pytest.raises(LayoutError, match="nobody is in any file"):
        share_layout(folders[:1])
        read_openpose(tmp_path / "a", "a", OPTIONS)


def test_normalised_coordinates_are_refused(tmp_path):
    small = person("body_25") / [2000, 2000, 1]
    with pytest.raises(InputError, match="keypoint_scale"):
        read_openpose(write(tmp_path / "a", {0: [small]}), "a", OPTIONS)


def test_pixels_of_a_larger_image_are_refused(tmp_path):
    folder = write(tmp_path / "a", {0: [person("body_25")]})
    with pytest.raises(InputError, match=r"camera a: .* % of the points .* outside an image of 600 x 400 px"):
        read_openpose(folder, "a", KeypointOptions(60.0, (600, 400)))
    with pytest.raises(InputError, match="positive"):
        KeypointOptions(float("nan"), (600, 400))


def test_nan_and_infinite_pixels_are_absent(tmp_path):
    one = person("body_25")
    one[3, 0], one[4, 1], one[5, 2] = np.nan, np.inf, -np.inf
    seen = read_openpose(write(tmp_path / "a", {0: [one]}), "a", OPTIONS)
    assert np.isnan(seen.xy[0, 0, 3:6]).all()
    assert (seen.confidence[0, 0, 3:6] == 0).all()


junk = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["people", "pose_keypoints_2d", "x"]), inner, max_size=3),
    max_leaves=12,
)


@given(junk, st.integers(0, 60))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_anything_else_is_refused_or_read(tmp_path, data, cut):
    folder = write(tmp_path / "fuzz", {0: [person("body_25")]})
    text = json.dumps(data)
    (folder / "video_000000000001_keypoints.json").write_text(text[: len(text) - cut] if cut < len(text) else text)
    try:
        seen = read_openpose(folder, "a", OPTIONS)
    except Recon3dError as error:
        assert "a" in str(error)
    else:
        assert seen.layout is load_layout("body_25")
