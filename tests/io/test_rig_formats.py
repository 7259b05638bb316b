"""Every format that is written: write, read, compare; and what a format cannot hold is refused."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from recon3d.errors import CameraError
from recon3d.geometry import SE3, SO3, Camera, CameraRig, Clock, Intrinsics
from recon3d.io import RIG_READERS, RIG_WRITERS, read_intrinsics, read_rig, write_rig
from recon3d.synthetic import make_rig

POINTS = np.random.default_rng(0).normal([0, 0, 1], 0.4, (50, 3))
FOLDERS = {"colmap", "colmap-binary", "easymocap", "openpose", "biocv"}
FEWER = {"vicon", "kalibr", "freemocap"}
SCALELESS = {"colmap", "colmap-binary", "transforms"}
MOVING = ("recon3d", "vicon", "colmap", "colmap-binary", "transforms")


def with_dist(rig: CameraRig, change) -> CameraRig:
    return CameraRig(tuple(replace(c, intrinsics=replace(c.intrinsics, dist=change(c.intrinsics.dist.copy()))) for c in rig))


def keep(count):
    return lambda dist: np.where(np.arange(len(dist)) < count, dist, 0.0)


PLAIN = make_rig("ring", 3, "none", seed=2)
MILD = make_rig("ring", 3, "mild", seed=3)
FOUR = with_dist(MILD, keep(4))
RATIONAL = make_rig("corridor", 4, "rational", seed=4)
FISHEYE = make_rig("ceiling", 3, "fisheye", seed=5)


def moving_rig() -> CameraRig:
    """One camera that pans and walks, with a gap in its frames, and one that stands."""
    first, second, _ = PLAIN
    frames = np.array([3, 4, 5, 9])
    turn = SO3.exp(np.linspace([0, 0, 0], [0.02, -0.3, 0.05], 4))
    world_from_cam = first.cam_from_world.inverse()
    poses = [
        (SE3(world_from_cam.rotation @ SO3(turn.matrix[k]), world_from_cam.translation + [0, 0.1 * k, 0.02 * k])).inverse()
        for k in range(4)
    ]
    pose = SE3(SO3(np.stack([p.rotation.matrix for p in poses])), np.stack([p.translation for p in poses]))
    return CameraRig((Camera("moving", first.intrinsics, pose, pose_frame=frames), replace(second, name="standing")))


HELD = {
    "recon3d": (PLAIN, MILD, RATIONAL, FISHEYE),
    "opencv": (PLAIN, MILD, RATIONAL, FISHEYE),
    "qualisys": (PLAIN, MILD),
    "theia": (PLAIN, MILD),
    "vicon": (PLAIN,),
    "aniposelib": (PLAIN, MILD, FISHEYE),
    "caliscope": (PLAIN, MILD, FISHEYE),
    "freemocap": (PLAIN, FOUR),
    "easymocap": (PLAIN, MILD),
    "openpose": (PLAIN, MILD, RATIONAL),
    "panoptic": (PLAIN, MILD),
    "colmap": (PLAIN, FOUR, MILD, RATIONAL, FISHEYE),
    "colmap-binary": (PLAIN, FOUR, MILD, RATIONAL, FISHEYE),
    "kalibr": (PLAIN, FOUR, FISHEYE),
    "biocv": (PLAIN, MILD),
    "transforms": (PLAIN, MILD, FISHEYE),
}
CASES = [(name, k) for name, rigs in HELD.items() for k in range(len(rigs))]


def place(tmp_path, name):
    """Where a format is written: its ending says nothing, so that the content must."""
    return tmp_path / "folder" if name in FOLDERS else tmp_path / "rig.dat"


def written(tmp_path, name, rig):
    write_rig(place(tmp_path, name), rig, name)
    return place(tmp_path, name)


def in_first_camera(rig):
    world = rig.cameras[0].cam_from_world.inverse()
    return CameraRig(tuple(replace(c, cam_from_world=c.cam_from_world @ world) for c in rig))


def assert_same(found, rig, name):
    if name == "kalibr":  # its world is camera 0, its names are its own
        assert found.names == tuple(f"cam{k}" for k in range(len(rig)))
        assert found.unknown == {"up", "floor"}
        points = rig.cameras[0].cam_from_world @ POINTS
        rig = in_first_camera(rig)
    else:
        assert found.names == rig.names
        assert found.unknown == ({"up", "floor"} if name in SCALELESS else set())
        points = POINTS
    for a, b in zip(found, rig, strict=True):
        np.testing.assert_allclose(a.cam_from_world.matrix(), b.cam_from_world.matrix(), atol=1e-12, rtol=1e-12)
        assert a.intrinsics.size == b.intrinsics.size
        assert a.intrinsics.model == b.intrinsics.model
        np.testing.assert_allclose(a.intrinsics.K, b.intrinsics.K, rtol=1e-14, atol=1e-11)
        np.testing.assert_allclose(a.project(points), b.project(points), atol=1e-6)


def test_every_writer_is_tried():
    assert set(HELD) == set(RIG_WRITERS)
    assert set(RIG_WRITERS) - {"recon3d"} <= set(RIG_READERS)


@pytest.mark.parametrize(("name", "which"), CASES)
def test_there_and_back(tmp_path, name, which):
    rig = HELD[name][which]
    path = written(tmp_path, name, rig)
    found = read_rig(path, "m" if name in SCALELESS else None)
    assert_same(found, rig, name)
    assert_same(read_rig(path, "m" if name in SCALELESS else None, format=name), rig, name)
    lenses = read_intrinsics(path)
    assert list(lenses) == list(found.names)
    for camera in found:
        np.testing.assert_array_equal(lenses[camera.name].dist, camera.intrinsics.dist)


@pytest.mark.parametrize("name", sorted(SCALELESS))
def test_a_world_without_a_scale(tmp_path, name):
    assert read_rig(written(tmp_path, name, PLAIN)).unknown == {"scale", "up", "floor"}


@pytest.mark.parametrize("name", sorted(MOVING))
def test_moving_cameras_there_and_back(tmp_path, name):
    rig = moving_rig()
    found = read_rig(written(tmp_path, name, rig), "m" if name in SCALELESS else None)
    assert found.names == ("moving", "standing")
    assert found.moving == ("moving",)
    for frame in range(3, 10):
        for camera in rig:
            a, b = found[camera.name].at_frame(frame), camera.at_frame(frame)
            np.testing.assert_allclose(a.project(POINTS), b.project(POINTS), atol=1e-6)
    if name != "vicon":  # which gets the frames of the gap as well
        np.testing.assert_array_equal(found["moving"].pose_frame, [3, 4, 5, 9])


def test_vicon_of_a_radial_lens(tmp_path):
    """The model is the inverse of OpenCV's, so that both ways are a fit."""
    narrow = np.diag([2.0, 2.0, 1.0])
    rig = with_dist(make_rig("ring", 2, "mild", seed=3), lambda d: d * [1, 1, 0, 0, 0])
    rig = CameraRig(tuple(replace(c, intrinsics=replace(c.intrinsics, K=c.intrinsics.K @ narrow)) for c in rig))
    found = read_rig(written(tmp_path, "vicon", rig))
    for a, b in zip(found, rig, strict=True):
        off = np.linalg.norm(a.project(POINTS) - b.project(POINTS), axis=1)
        assert 1e-9 < off.max() < 0.2


SKEW = np.array([[0, 2.0, 0], [0, 0, 0], [0, 0, 0]])
SKEWED = CameraRig(tuple(replace(c, intrinsics=replace(c.intrinsics, K=c.intrinsics.K + SKEW)) for c in PLAIN))
NO_SCALE = CameraRig(PLAIN.cameras, unknown=frozenset({"scale"}))
NO_UP = CameraRig(PLAIN.cameras, unknown=frozenset({"up", "floor"}))
REFUSALS = [
    *((name, moving_rig(), "moving moves") for name in RIG_WRITERS if name not in MOVING),
    *((name, FISHEYE, "cam01 has a fisheye") for name in RIG_WRITERS if FISHEYE not in HELD[name]),
    *((name, RATIONAL, "cam02 .*k4 = ") for name in RIG_WRITERS if RATIONAL not in HELD[name] and name not in FEWER),
    *((name, MILD, "cam03 .*k3 = .* 4 in") for name in ("kalibr", "freemocap")),
    ("vicon", RATIONAL, "cam01: Vicon's radial model misses its lens by"),
    *((name, SKEWED, "cam01 has a skew") for name in ("vicon", "colmap", "colmap-binary", "kalibr", "transforms")),
    *((name, NO_SCALE, "scale is unknown") for name in RIG_WRITERS if name not in {*SCALELESS, "recon3d", "opencv"}),
    *((name, NO_UP, "floor is unknown") for name in ("qualisys", "theia", "vicon", "panoptic")),
]


@pytest.mark.parametrize(("name", "rig", "message"), REFUSALS, ids=lambda v: v if isinstance(v, str) else "")
def test_what_a_format_cannot_hold_is_refused(tmp_path, name, rig, message):
    with pytest.raises(CameraError, match=message):
        write_rig(place(tmp_path, name), rig, name)
    assert not list(tmp_path.rglob("*.*"))


@pytest.mark.parametrize("name", [n for n in RIG_WRITERS if n not in {"vicon", "colmap", "colmap-binary", "kalibr", "transforms"}])
def test_a_skew_is_kept(tmp_path, name):
    found = read_rig(written(tmp_path, name, SKEWED))
    np.testing.assert_allclose(found.project(POINTS), SKEWED.project(POINTS), atol=1e-6)


def test_a_clock_that_is_not_written_is_told_of(tmp_path, caplog):
    rig = CameraRig((replace(PLAIN.cameras[0], clock=Clock(0.5)), *PLAIN.cameras[1:]))
    write_rig(tmp_path / "rig.xcp", rig)
    assert "clock of camera cam01" in caplog.text


@pytest.mark.parametrize(
    ("file", "start"), [("a.toml", "# A camera rig"), ("a.qca.txt", "<?xml"), ("a.xcp", "<?xml"), ("transforms.json", "{")]
)
def test_an_ending_names_a_format(tmp_path, file, start):
    write_rig(tmp_path / file, PLAIN)
    assert (tmp_path / file).read_text().startswith(start)
    read_rig(tmp_path / file)


def test_formats_have_names(tmp_path):
    with pytest.raises(CameraError, match="aniposelib, biocv, caliscope"):
        write_rig(tmp_path / "rig.dat", PLAIN)
    with pytest.raises(CameraError, match="'sgi' is not one of aniposelib"):
        read_rig(tmp_path / "rig.dat", format="sgi")


def test_opencv_reads_what_is_written(tmp_path):
    write_rig(tmp_path / "rig.yml", RATIONAL, "opencv")
    write_rig(tmp_path / "folder", MILD, "openpose")
    store = cv2.FileStorage(str(tmp_path / "rig.yml"), cv2.FILE_STORAGE_READ)
    listed = store.getNode("names")
    assert [listed.at(k).string() for k in range(listed.size())] == list(RATIONAL.names)
    for camera in RATIONAL:
        np.testing.assert_array_equal(store.getNode(f"K_{camera.name}").mat(), camera.intrinsics.K)
        np.testing.assert_array_equal(np.ravel(store.getNode(f"dist_{camera.name}").mat()), camera.intrinsics.dist)
        rotation, _ = cv2.Rodrigues(store.getNode(f"R_{camera.name}").mat())
        np.testing.assert_allclose(rotation, camera.cam_from_world.rotation.matrix, atol=1e-12)
        assert store.getNode(f"W_{camera.name}").real() == camera.intrinsics.size[0]
    one = cv2.FileStorage(str(tmp_path / "folder" / "cam01.xml"), cv2.FILE_STORAGE_READ)
    pose = one.getNode("CameraMatrix").mat()
    assert pose.shape == (3, 4)
    assert one.getNode("Distortion").mat().shape == (8, 1)
    px, _ = cv2.projectPoints(POINTS, pose[:, :3], pose[:, 3], one.getNode("Intrinsics").mat(), one.getNode("Distortion").mat())
    np.testing.assert_allclose(px[:, 0], MILD["cam01"].project(POINTS), atol=1e-6)


def test_names_that_opencv_cannot_say(tmp_path):
    rig = CameraRig((replace(PLAIN.cameras[0], name="cam 1.a"),))
    with pytest.raises(CameraError, match=r"cam 1\.a"):
        write_rig(tmp_path / "rig.yml", rig, "opencv")


@pytest.mark.parametrize("name", [n for n in RIG_WRITERS if n not in {"opencv", "easymocap", "kalibr"}])
def test_names_with_spaces_and_points(tmp_path, name):
    rig = CameraRig(tuple(replace(c, name=f"Cam {k}.{k} a-b_c") for k, c in enumerate(PLAIN)))
    assert read_rig(written(tmp_path, name, rig)).names == rig.names


def test_own_file_keeps_covariance(tmp_path):
    root = np.random.default_rng(1).normal(0, 1e-3, (18, 18))
    rig = CameraRig(PLAIN.cameras, root @ root.T)
    write_rig(tmp_path / "rig.toml", rig)
    np.testing.assert_array_equal(read_rig(tmp_path / "rig.toml").covariance, rig.covariance)
    # The translations were in mm: so was their share of the covariance.
    scale = np.tile([1e-3] * 3 + [1] * 3, 3)
    np.testing.assert_allclose(read_rig(tmp_path / "rig.toml", "mm").covariance, scale[:, None] * rig.covariance * scale)


def test_own_file_covariance_follows_the_names(tmp_path):
    values = np.diag(np.arange(1.0, 13.0))
    write_rig(tmp_path / "rig.toml", CameraRig(PLAIN.cameras[:2], values))
    text = (tmp_path / "rig.toml").read_text().replace('order = ["cam01", "cam02"]', 'order = ["cam02", "cam01"]')
    (tmp_path / "rig.toml").write_text(text)
    expected = [*range(7, 13), *range(1, 7)]
    np.testing.assert_array_equal(np.diag(read_rig(tmp_path / "rig.toml").covariance), expected)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('order = ["cam01", "cam02"]', 'order = ["cam01", "cam03"]', "name every camera once: cam01, cam02"),
        ('order = ["cam01", "cam02"]', 'order = "cam01"', "name every camera once"),
        ("matrix = [", "matrix = [[1.0],", "12 rows of 12 numbers"),
        ("[1.0, 0.0,", "[1.0, 5.0,", "symmetric"),
        ("[1.0, 0.0,", "[nan, 0.0,", "12 rows of 12 numbers"),
        ("[covariance]", "[covariance]\nunit = 3", "order and matrix"),
    ],
)
def test_own_file_with_a_wrong_covariance(tmp_path, old, new, message):
    write_rig(tmp_path / "rig.toml", CameraRig(PLAIN.cameras[:2], np.diag(np.arange(1.0, 13.0))))
    text = (tmp_path / "rig.toml").read_text()
    assert old in text
    (tmp_path / "rig.toml").write_text(text.replace(old, new, 1))
    with pytest.raises(CameraError, match=message):
        read_rig(tmp_path / "rig.toml")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("pose_frame = [3, 4, 5, 9]", "pose_frame = [3, 4, 5]", "moving: .*pose"),
        ("pose_frame = [3, 4, 5, 9]", "pose_frame = [3, 4, 5, 5]", "must rise"),
        ("pose_frame = [3, 4, 5, 9]", "pose_frame = []", "whole numbers"),
        ("pose_frame = [3, 4, 5, 9]", "pose_frame = [3, 4, 5.5, 9]", "whole numbers"),
        ("pose_frame = [3, 4, 5, 9]", "", "moving: rotation must be 3 numbers"),
        ("translation = [\n", "translation = [\n[1, 2],\n", "row of 3 numbers for every pose_frame"),
    ],
)
def test_own_file_with_wrong_poses(tmp_path, old, new, message):
    write_rig(tmp_path / "rig.toml", moving_rig())
    text = (tmp_path / "rig.toml").read_text()
    assert old in text
    (tmp_path / "rig.toml").write_text(text.replace(old, new, 1))
    with pytest.raises(CameraError, match=message):
        read_rig(tmp_path / "rig.toml")


def test_a_covariance_of_more_than_poses_is_refused(tmp_path):
    with pytest.raises(CameraError, match="6 a camera"):
        write_rig(tmp_path / "rig.toml", CameraRig(PLAIN.cameras, np.eye(30)))


def test_intrinsics_of_another_size_stay(tmp_path):
    camera = replace(PLAIN.cameras[0], intrinsics=Intrinsics((640, 481), PLAIN.cameras[0].intrinsics.K))
    write_rig(tmp_path / "rig.qca.txt", CameraRig((camera,)))
    assert read_rig(tmp_path / "rig.qca.txt").cameras[0].intrinsics.size == (640, 481)
