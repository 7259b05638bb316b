from pathlib import Path

import cv2
import numpy as np
import pytest

from calibration import RigFacts
from recon3d.errors import CameraError, InputError
from recon3d.io import read_rig, write_rig_toml
from recon3d.io.rigs.found import unit_of
from recon3d.synthetic import make_rig
from tests.worlds import BALANCE4

RIG = make_rig("ring", 3, "mild", seed=4)


def assert_same(a, b, atol=1e-9):
    assert a.names == b.names
    points = np.random.default_rng(0).normal([0, 0, 1], 0.4, (50, 3))
    np.testing.assert_allclose(a.project(points), b.project(points), atol=atol)
    assert [c.intrinsics.size for c in a] == [c.intrinsics.size for c in b]


@pytest.mark.parametrize("lens", ["none", "mild", "rational", "fisheye"])
def test_own_file_there_and_back(tmp_path, lens):
    rig = make_rig("corridor", 4, lens)
    write_rig_toml(tmp_path / "rig.toml", rig)
    assert_same(read_rig(tmp_path / "rig.toml"), rig)


def test_own_file_keeps_what_is_unknown_and_clocks(tmp_path):
    from dataclasses import replace

    from recon3d.geometry import CameraRig, Clock

    camera = replace(RIG.cameras[0], clock=Clock(0.25, 1e-5, 2e-5))
    write_rig_toml(tmp_path / "rig.toml", CameraRig((camera,), unknown=frozenset({"floor", "up"})))
    back = read_rig(tmp_path / "rig.toml")
    assert back.unknown == {"floor", "up"}
    assert back.cameras[0].clock == camera.clock


def test_own_file_lists_all_faults(tmp_path):
    path = tmp_path / "rig.toml"
    path.write_text('version = 1\n[cameras.a]\nsize = [10, 10]\nfocal = [1]\ncolour = "red"\n[cameras.b]\nsize = "big"\n')
    with pytest.raises(CameraError) as caught:
        read_rig(path)
    for word in ("a: focal must be 2 numbers", "a: unknown entry 'colour'", "b: size", "b: translation", str(path)):
        assert word in str(caught.value)


def test_qualisys():
    rig = read_rig(BALANCE4 / "Calib.qca.txt")
    assert rig.names == ("cam01", "cam02", "cam03", "cam04")
    np.testing.assert_allclose(rig["cam01"].centre, [1.4602, -1.9092, 1.8965], atol=1e-4)
    i = rig["cam01"].intrinsics
    assert i.size == (1088, 1920)
    assert i.K[0, 0] == pytest.approx(107599.671875 / 64)
    np.testing.assert_allclose(i.dist, [-0.046183, 0.139983, 0.000608, 0.00069, 0])
    # All cameras look down at one place inside the room.
    for camera in rig:
        middle = camera.project(np.array([-0.7, 0.0, 0.9]))
        assert (np.abs(middle - [544, 960]) < [450, 450]).all()


def aniposelib_text(rig, metres_per_unit=1.0, matrix=False):
    lines = []
    for k, camera in enumerate(rig):
        rotation = camera.cam_from_world.rotation
        value = rotation.matrix.tolist() if matrix else rotation.log().tolist()
        lines += [
            f"[cam_{k}]",
            f'name = "{camera.name}"',
            f"size = {list(camera.intrinsics.size)}",
            f"matrix = {camera.intrinsics.K.tolist()}",
            f"distortions = {camera.intrinsics.dist.tolist()}",
            f"rotation = {value}",
            f"translation = {(camera.cam_from_world.translation / metres_per_unit).tolist()}",
        ]
    return "\n".join([*lines, "[metadata]", "error = 0.3", ""])


@pytest.mark.parametrize("unit", [1.0, 0.001])
@pytest.mark.parametrize("matrix", [False, True])
def test_aniposelib_in_metres_and_millimetres(tmp_path, unit, matrix):
    path = tmp_path / "calibration.toml"
    path.write_text(aniposelib_text(RIG, unit, matrix))
    assert_same(read_rig(path), RIG, 1e-6)


def test_aniposelib_in_a_unit_that_nothing_tells(tmp_path):
    path = tmp_path / "calibration.toml"
    path.write_text(aniposelib_text(RIG, 0.03))  # squares of 30 mm
    with pytest.raises(CameraError, match="--rig-unit"):
        read_rig(path)
    path.write_text(aniposelib_text(RIG, 0.01))
    assert_same(read_rig(path, "cm"), RIG, 1e-6)
    with pytest.raises(CameraError, match="m, cm, mm"):
        read_rig(path, "inch")


@pytest.mark.parametrize(
    ("spread", "metres"),
    [(0.3, 1.0), (2.0, 1.0), (15.0, 1.0), (2000.0, 0.001), (15_000.0, 0.001), (40_000.0, 0.001)],
)
def test_a_unit_that_the_cameras_spread_tells(spread, metres):
    assert unit_of(spread * np.array([[1.0, 0, 0], [-1.0, 0, 0]]), Path("rig")) == metres


@pytest.mark.parametrize(
    ("spread", "words"),
    [
        (405.0, "4.05 m if in cm and 0.405 m if in mm, which are both sensible"),
        (1500.0, "15 m if in cm and 1.5 m if in mm"),
        (90.0, "90 m if in m and 0.9 m if in cm"),
        (0.05, "none of m, cm and mm fits"),
        (1e5, "none of m, cm and mm fits"),
    ],
)
def test_a_unit_that_may_be_several_is_asked_for(spread, words):
    with pytest.raises(CameraError, match=words) as caught:
        unit_of(spread * np.array([[1.0, 0, 0], [-1.0, 0, 0]]), Path("rig"))
    assert "--rig-unit" in str(caught.value)


def test_aniposelib_in_centimetres_is_not_taken_for_millimetres(tmp_path):
    path = tmp_path / "calibration.toml"
    path.write_text(aniposelib_text(RIG, 0.01))
    with pytest.raises(CameraError, match="both sensible"):
        read_rig(path)


def test_caliscope(tmp_path):
    path = tmp_path / "camera_array.toml"
    text = aniposelib_text(RIG).replace("[metadata]\nerror = 0.3\n", "")
    text = text.replace("[cam_", "[cameras.").replace('name = "', 'cam_id = "') + "\n"
    path.write_text(text + "[cameras.9]\ncam_id = 9\nignore = true\nsize = [1, 1]\nmatrix = 3\n")
    assert_same(read_rig(path), RIG, 1e-6)


def test_opencv_stereo(tmp_path):
    a, b = RIG.cameras[:2]
    relative = b.cam_from_world @ a.cam_from_world.inverse()
    path = tmp_path / "stereo.yml"
    store = cv2.FileStorage(str(path), cv2.FILE_STORAGE_WRITE)
    store.write("image_width", 1920)
    store.write("image_height", 1080)
    for n, camera in (("1", a), ("2", b)):
        store.write(f"M{n}", camera.intrinsics.K)
        store.write(f"D{n}", camera.intrinsics.dist)
    store.write("R", relative.rotation.matrix)
    store.write("T", relative.translation)
    store.release()
    rig = read_rig(path)
    assert rig.names == ("cam1", "cam2")
    assert rig.unknown == {"up", "floor"}
    np.testing.assert_allclose(rig["cam2"].cam_from_world.matrix(), relative.matrix(), atol=1e-12)


def test_opencv_named(tmp_path):
    path = tmp_path / "rig.yml"
    store = cv2.FileStorage(str(path), cv2.FILE_STORAGE_WRITE)
    store.startWriteStruct("names", cv2.FileNode_SEQ)
    for camera in RIG:
        store.write("", camera.name)
    store.endWriteStruct()
    for camera in RIG:
        store.write(f"K_{camera.name}", camera.intrinsics.K)
        store.write(f"dist_{camera.name}", camera.intrinsics.dist)
        store.write(f"R_{camera.name}", camera.cam_from_world.rotation.log())
        store.write(f"T_{camera.name}", camera.cam_from_world.translation)
        store.write(f"W_{camera.name}", 1920)
        store.write(f"H_{camera.name}", 1080)
    store.release()
    assert_same(read_rig(path), RIG, 1e-6)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "empty"),
        ("<calibration><cameras>", "not complete XML"),
        ("<calibration></calibration>", "no <camera>"),
        ('<c><camera serial="x"><transform x="1"/></camera></c>', "x: <intrinsic> is missing"),
        ("version = ", "not valid TOML"),
        ("[a]\nb = 1\n", "no table of a camera"),
        ("version = 7\n[cameras.a]\n", "version must be 1"),
        ("%YAML:1.0\n---\nM1: 3\n", "R and T"),
    ],
)
def test_files_that_are_no_rig(tmp_path, content, message):
    path = tmp_path / "some.file"
    path.write_text(content)
    with pytest.raises((CameraError, InputError), match=message) as caught:
        read_rig(path)
    assert str(path) in str(caught.value)


def test_no_such_file(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_rig(tmp_path / "rig.toml")
    with pytest.raises(InputError, match="folder"):
        read_rig(tmp_path)


def test_import_writes_and_tells_distances(tmp_path):
    rig = read_rig(BALANCE4 / "Calib.qca.txt")
    facts = RigFacts.of(rig)
    write_rig_toml(tmp_path / "rig.toml", rig)
    assert_same(read_rig(tmp_path / "rig.toml"), rig)
    assert facts.distance[0, 1] == pytest.approx(2.85, abs=0.05)
    assert (facts.tilt > 0.2).all()


@pytest.mark.parametrize(
    "line",
    ['skew = "a"', "skew = true", 'distortion = ["a"]', "distortion = 3", "clock = 3", "clock = { offset = nan }", "clock = { delay = 1 }"],
)
def test_own_file_with_wrong_kinds_of_values(tmp_path, line):
    path = tmp_path / "rig.toml"
    write_rig_toml(path, RIG)
    key = line.split(" ")[0]
    lines = [line if row.startswith(f"{key} =") else row for row in path.read_text().splitlines()]
    path.write_text("\n".join(lines))
    with pytest.raises(CameraError, match=f"cam01: {key} must be"):
        read_rig(path)


@pytest.mark.parametrize("text", ["cameras = 3", "[cameras]\ncam01 = 5", 'unknown = "scale"\n[cameras]'])
def test_own_file_with_wrong_tables(tmp_path, text):
    path = tmp_path / "rig.toml"
    path.write_text(f"version = 1\n{text}\n" if "cameras" in text else f"version = 1\n{text}\n[cameras]\n")
    with pytest.raises(CameraError):
        read_rig(path)


def test_a_camera_that_is_the_world_has_no_up(tmp_path):
    from recon3d.geometry import SE3, CameraRig

    first = RIG.cameras[0].cam_from_world.inverse()
    cameras = tuple(type(c)(c.name, c.intrinsics, c.cam_from_world @ first) for c in RIG)
    cameras = (type(cameras[0])(cameras[0].name, cameras[0].intrinsics, SE3.identity()), *cameras[1:])
    path = tmp_path / "calibration.toml"
    path.write_text(aniposelib_text(CameraRig(cameras)))
    assert read_rig(path).unknown == {"up", "floor"}
