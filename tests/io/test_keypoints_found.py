"""What all readers share: layouts by name, people row by row, and what cannot be held."""

import h5py
import numpy as np
import pytest

from recon3d.errors import InputError, LayoutError
from recon3d.io.keypoints import KeypointOptions, read_keypoints
from recon3d.io.keypoints.found import FoundKeypoints, PeopleRows
from recon3d.io.keypoints.gather import frame_of_name, numbered
from recon3d.io.keypoints.naming import layout_of_names, ordered_layout, plain_name
from recon3d.skeleton import layout_names, load_layout
from tests.io import keypoint_files as files
from tests.io.keypoint_files import OPTIONS, SIZE, scene


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("LElbow", "left_elbow"), ("leftElbow", "left_elbow"), ("elbow_l", "left_elbow"), ("left elbow", "left_elbow"),
        ("leftear", "left_ear"), ("R_F_Paw", "right_front_paw"), ("TailBase", "root_of_tail"), ("Nose", "nose"),
        ("bright", "bright"), ("L", "l"), ("head_bottom", "upper_neck"), ("", ""),
    ],
)  # fmt: skip
def test_plain_names(name, plain):
    assert plain_name(name) == plain


@pytest.mark.parametrize("name", layout_names())
def test_layouts_are_known_by_their_names(name):
    assert layout_of_names(load_layout(name).points) is load_layout(name)


def test_a_layout_of_ones_own():
    own = layout_of_names(("snout", "earL", "ear_l", "ear_r"))
    assert own.points == ("snout", "earL", "ear_l", "ear_r")  # two would have one name: left as they are
    assert layout_of_names(("snout", "ear_l", "ear_r")).mirror.tolist() == [0, 2, 1]
    assert layout_of_names(("snout", "ear_l", "ear_r")) is layout_of_names(("snout", "ear_l", "ear_r"))
    for names in ((), ("a", "a")):
        with pytest.raises(InputError, match="each once"):
            layout_of_names(names)


def test_points_that_a_file_sorts():
    names = tuple(sorted(load_layout("coco_17").points))
    layout, order = ordered_layout(names)
    assert layout is load_layout("coco_17")
    assert tuple(names[k] for k in order) == layout.points


def test_what_does_not_fit_in_memory_is_refused(tmp_path):
    frame = np.r_[np.arange(20_000), np.zeros(2_000, dtype=int)]
    points = np.full((len(frame), 17, 3), 50.0)
    found = FoundKeypoints(tmp_path, "a", load_layout("coco_17"), PeopleRows.of(frame, points), "heatmap")
    with pytest.raises(InputError, match="more than fits in memory"):
        found.to_record(OPTIONS)


def test_hdf5_that_announces_too_much_is_refused(tmp_path):
    path = files.sleap_analysis(tmp_path / "a")
    with h5py.File(path, "r+") as file:
        del file["tracks"]
        file.create_dataset("tracks", (10**5, 2, 17, 10**5), dtype="f8", chunks=(100, 2, 17, 100))
    with pytest.raises(InputError, match="announces .* GiB"):
        read_keypoints(path, OPTIONS)


def test_frames_that_nobody_is_in_need_a_layout(tmp_path):
    data = {"format": "recon3d-dump", "frames": [{"frame": n, "people": []} for n in range(3)]}
    path = files.dump(tmp_path / "a", data)
    with pytest.raises(LayoutError, match="nobody is in"):
        read_keypoints(path, OPTIONS)
    (found,) = read_keypoints(path, KeypointOptions(30.0, SIZE, "coco_17")).views
    assert found.xy.shape == (3, 1, 17, 2)
    assert np.isnan(found.xy).all()


def test_what_the_file_says_goes_before_what_the_user_says(tmp_path):
    (found,) = read_keypoints(files.own_dump(tmp_path / "a"), KeypointOptions(99.0, (5, 5), camera="mine")).views
    assert (found.size, found.camera) == (SIZE, "mine")
    np.testing.assert_allclose(found.time, found.frame / 30)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300, 0.0, 1e-60])
def test_numbers_that_are_no_pixels_are_absent(tmp_path, value):
    points = np.full((1, 17, 3), 50.0)
    points[0, 3, :2], points[0, 4, 2] = 0.0 if value == 1e-60 else value, value  # a place may be as small as it likes
    found = FoundKeypoints(tmp_path, "a", load_layout("coco_17"), PeopleRows.of(np.zeros(1, int), points), "heatmap").to_record(OPTIONS)
    assert np.isnan(found.xy[0, 0, 3:5]).all()
    assert (found.confidence[0, 0, 3:5] == 0).all()
    assert np.isfinite(found.xy[0, 0, 5:]).all()


def test_files_by_frame(tmp_path):
    for name in ("a_10.json", "a_9.json", "b_x.json"):
        (tmp_path / name).write_text("[]")
    with pytest.raises(InputError, match="no frame number in the image name 'b_x'"):
        numbered(tmp_path, "*.json")
    (tmp_path / "b_x.json").unlink()
    assert [frame for frame, _ in numbered(tmp_path, "*.json")] == [9, 10]
    (tmp_path / "c_9.json").write_text("[]")
    with pytest.raises(InputError, match=r"c_9.json: frame 9 has a_9.json already"):
        numbered(tmp_path, "*.json")
    with pytest.raises(InputError, match="holds no files"):
        numbered(tmp_path, "*.txt")


@pytest.mark.parametrize(("name", "frame"), [("0.jpg", 0), ("a_0012.png", 12), (7, 7), (7.0, 7), ([7], 7)])
def test_frames_of_images(name, frame):
    assert frame_of_name(name, "here") == frame


@pytest.mark.parametrize("name", ["x.jpg", None, 7.5, float("nan"), 1e300, True, "1" * 40])
def test_images_without_frames(name):
    with pytest.raises(InputError, match="here"):
        frame_of_name(name, "here")


def test_the_scene_has_a_gap_and_an_absent_point():
    assert [(row.frame, row.person) for row in scene()] == [(0, 0), (0, 1), (2, 0), (11, 0), (11, 1)]
    assert not scene()[0].there[files.ABSENT]
