import numpy as np
import pytest

from recon3d.errors import LayoutError
from recon3d.skeleton import layout_names, load_layout, map_layout
from recon3d.skeleton.layout import parse_layout

COUNTS = {
    "coco_17": 17, "body_25": 25, "body_25b": 25, "coco_18": 18, "mpi_15": 15, "halpe_26": 26, "halpe_136": 136,
    "wholebody_133": 133, "h36m_17": 17, "mediapipe_33": 33, "mpii_16": 16, "posetrack_15": 15, "panoptic_19": 19,
    "smpl_24": 24, "smplx_55": 55, "face_68": 68, "hand_21": 21, "ap10k_17": 17,
    "animal_20": 20,
    "apollocar_66": 66, "animal_pose_20": 20, "car_24": 24, "crowdpose_14": 14, "flic_7": 7, "halpe_68": 68, "lsp_14": 14,
    "openpose_134": 134, "posetrack_17": 17,
    "face_468": 468, "face_6": 6,
    "body_21": 21, "body_19": 19, "body_23": 23, "body_135": 135, "face_70": 70,
}  # fmt: skip


def test_the_layouts_asked_for_are_there():
    assert {name: len(load_layout(name)) for name in layout_names()} == COUNTS


@pytest.mark.parametrize("name", sorted(COUNTS))
def test_layout(name):
    layout = load_layout(name)
    assert layout.name == name
    assert len(set(layout.points)) == len(layout)
    np.testing.assert_array_equal(layout.mirror[layout.mirror], np.arange(len(layout)))
    for a, b in enumerate(layout.mirror):
        left, right = layout.points[a], layout.points[int(b)]
        if left.startswith("left_"):
            assert right.startswith("right_"), (left, right)
    assert set(layout.bones.ravel().tolist()) == set(range(len(layout))) or name in ("face_68", "face_468")


@pytest.mark.parametrize(
    ("name", "index", "point"),
    [
        ("body_25", 1, "neck"), ("body_25", 8, "mid_hip"), ("body_25b", 1, "left_eye"), ("body_25b", 18, "head_top"),
        ("halpe_26", 20, "left_big_toe"), ("halpe_26", 21, "right_big_toe"), ("wholebody_133", 17, "left_big_toe"),
        ("wholebody_133", 19, "left_heel"), ("wholebody_133", 91, "left_hand_wrist"), ("halpe_136", 94, "left_hand_wrist"),
        ("coco_18", 14, "right_eye"), ("mpi_15", 0, "head_top"), ("h36m_17", 11, "left_shoulder"), ("mpii_16", 6, "mid_hip"),
        ("posetrack_15", 12, "upper_neck"), ("panoptic_19", 15, "left_eye"), ("smpl_24", 20, "left_wrist"),
        ("smplx_55", 28, "left_middle1"), ("face_68", 36, "right_eye_0"), ("hand_21", 4, "thumb_tip"),
        ("animal_20", 0, "nose"), ("animal_pose_20", 4, "nose"), ("car_24", 7, "front_wheel_left"), ("crowdpose_14", 12, "head_top"),
        ("halpe_68", 26, "left_hand_wrist"), ("halpe_68", 67, "right_hand_pinky_tip"), ("lsp_14", 13, "head_top"),
        ("openpose_134", 1, "neck"), ("openpose_134", 18, "left_big_toe"), ("posetrack_17", 2, "head_top"),
        ("mediapipe_33", 31, "left_foot_index"), ("ap10k_17", 4, "root_of_tail"), ("coco_17", 16, "right_ankle"),
    ],
)  # fmt: skip
def test_order(name, index, point):
    assert load_layout(name).points[index] == point


@pytest.mark.parametrize("a", ["body_25", "body_25b", "halpe_26", "coco_18", "mediapipe_33", "wholebody_133", "panoptic_19"])
@pytest.mark.parametrize("b", ["coco_17", "halpe_26", "body_25", "h36m_17"])
def test_there_and_back_on_shared_points(a, b):
    a, b = load_layout(a), load_layout(b)
    xyz = np.random.default_rng(0).normal(size=(3, len(a), 3))
    there = map_layout(a, b).positions(xyz)
    back = map_layout(b, a).positions(there)
    shared = [p for p in a.points if p in b.points]
    np.testing.assert_allclose(back[:, a.indices(shared)], xyz[:, a.indices(shared)])


def test_derived_points():
    a, b = load_layout("coco_17"), load_layout("body_25")
    xyz = np.random.default_rng(0).normal(size=(2, 17, 3))
    mapping = map_layout(a, b)
    out = mapping.positions(xyz)
    np.testing.assert_allclose(out[:, b.index("neck")], xyz[:, a.indices(["left_shoulder", "right_shoulder"])].mean(1))
    assert "left_heel" in mapping.missing
    assert np.isnan(out[:, b.index("left_heel")]).all()
    xyz[0, a.index("left_hip")] = np.nan
    assert np.isnan(mapping.positions(xyz)[0, b.index("mid_hip")]).all()
    confidence = mapping.confidences(np.linspace(0, 1, 34).reshape(2, 17))
    assert confidence[0, b.index("neck")] == pytest.approx(min(np.linspace(0, 1, 34)[a.indices(["left_shoulder", "right_shoulder"])]))
    assert confidence[0, b.index("left_heel")] == 0


def test_a_users_own_layout(tmp_path):
    path = tmp_path / "bird.toml"
    path.write_text(
        'points = ["beak", "left_wing", "right_wing"]\nbones = [["beak", "left_wing"]]\nmirror = [["left_wing", "right_wing"]]\n'
    )
    layout = load_layout(str(path))
    assert layout.mirror.tolist() == [0, 2, 1]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, "list of names"),
        ({"points": ["a", "a"]}, "'a' is named twice"),
        ({"points": ["a"], "bones": [["a", "b"]]}, "not a pair of points"),
        ({"points": ["a"], "colour": 1}, "unknown entry 'colour'"),
    ],
)
def test_faulty_layouts(data, message):
    with pytest.raises(LayoutError, match=message):
        parse_layout(data, "mine")


def test_unknown_names_list_the_valid_ones():
    with pytest.raises(LayoutError, match="halpe_26"):
        load_layout("halpe")
    with pytest.raises(LayoutError, match="left_ankle"):
        load_layout("coco_17").index("ankle")
