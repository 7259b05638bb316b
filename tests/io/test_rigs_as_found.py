"""Rigs as other programs lay them out: read right, and every cut or broken file refused with its name."""

import pickle
import shutil

import cv2
import numpy as np
import pytest
from scipy.io import savemat

from recon3d.errors import CameraError, InputError
from recon3d.io import read_intrinsics, read_rig
from recon3d.io.mat import read_mat
from tests.io.rig_files import FIVE, LAYOUTS, POINTS, SIZE, STRAIGHT, looking_at, qualisys, text, theia, vicon_file, vicon_key


def expected(layout):
    return np.stack([cam.px(POINTS) for cam in layout.cams])


def seen(rig, layout):
    points = POINTS
    if layout.relative:
        points = POINTS @ layout.cams[0].R.T + layout.cams[0].t
    elif "scale" in layout.unknown:
        points = 0.37 * POINTS
    return rig.project(points)


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_file_of_the_format(tmp_path, name):
    layout = LAYOUTS[name]
    rig = read_rig(layout.write(tmp_path, layout.cams), **layout.options)
    assert rig.names == (layout.names or tuple(cam.name for cam in layout.cams))
    assert rig.unknown == layout.unknown
    assert {c.intrinsics.size for c in rig} == {(1280, 720)}
    np.testing.assert_allclose(seen(rig, layout), expected(layout), atol=layout.atol)


def cuts(data: bytes):
    """Lengths at which a file is cut: all over, and just before its end."""
    return sorted({int(len(data) * share) for share in np.linspace(0, 1, 12, endpoint=False)} | {len(data) - 2})


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_cut_file_is_refused_or_read_as_far_as_it_says(tmp_path, name):
    """YAML, TOML and text that end between two cameras are whole files; nothing but `InputError` may come out."""
    layout = LAYOUTS[name]
    path = layout.write(tmp_path, layout.cams)
    refused = 0
    for file in sorted(path.iterdir() if path.is_dir() else [path]):
        data = file.read_bytes()
        for length in cuts(data):
            file.write_bytes(data[:length])
            try:
                read_rig(path, **layout.options)
            except InputError as error:
                assert str(tmp_path) in str(error)
                refused += 1
        file.write_bytes(data)
    assert refused >= 6


@pytest.mark.parametrize("name", [n for n in LAYOUTS if n not in {"colmap binary", "matlab mat"}])
def test_a_number_that_is_none_is_refused(tmp_path, name):
    layout = LAYOUTS[name]
    path = layout.write(tmp_path, layout.cams)
    tried = 0
    for file in sorted(path.iterdir() if path.is_dir() else [path]):
        encoding = "utf-16-le" if name == "optitrack" else "utf-8"
        content = file.read_bytes().decode(encoding)
        for number in ("902.69999999999993", "902.6999999999999", "621.8599999999999"):  # the vertical focal length
            for bad in ("nan", "1e999", "many", "-1"):
                if number in content:
                    tried += 1
                    file.write_bytes(content.replace(number, bad).encode(encoding))
                    with pytest.raises(InputError):
                        read_rig(path, **layout.options)
        file.write_bytes(content.encode(encoding))
    assert tried or name in {"qualisys", "vicon"}  # which hold 64 times that, or an aspect


@pytest.mark.parametrize("name", ["qualisys", "theia", "optitrack", "vicon", "opencv stereo", "openpose"])
def test_xml_with_entities_is_refused(tmp_path, name):
    layout = LAYOUTS[name]
    path = layout.write(tmp_path, layout.cams)
    file = path / "c1.xml" if path.is_dir() else path
    content = file.read_bytes().decode("utf-16-le" if name == "optitrack" else "utf-8").lstrip("\ufeff")
    body = content[content.index("?>") + 2 :] if content.startswith("<?xml") else content
    file.write_text(f'<?xml version="1.0"?>\n<!DOCTYPE a [<!ENTITY b "bomb">]>\n{body}')
    with pytest.raises(CameraError, match="entities of its own"):
        read_rig(path, **layout.options)


def test_a_mirrored_camera_is_refused_by_name(tmp_path):
    mirrored = looking_at("odd", [3, 0, 1], 0, [0] * 5)
    mirrored.R = np.diag([-1.0, 1, 1]) @ mirrored.R
    with pytest.raises(CameraError, match="camera odd: its rotation is not one") as caught:
        read_rig(theia(tmp_path, [FIVE[0], mirrored, FIVE[1]]))
    assert str(tmp_path) in str(caught.value)


def test_all_faults_of_a_file_at_once(tmp_path):
    content = qualisys(tmp_path, FIVE).read_text().replace('r11="', 'r1="', 1).replace('top="4"', 'top="x"').replace('skew="0"', "", 1)
    with pytest.raises(CameraError) as caught:
        read_rig(text(tmp_path, "file", content))
    for words in ("c1: <intrinsic> has no skew", "c2: top must be numbers", "c3: top must be numbers"):
        assert words in str(caught.value)


def test_qualisys_and_theia_that_cannot_be_told_apart(tmp_path):
    content = theia(tmp_path, FIVE).read_text()
    path = text(tmp_path, "both.txt", content.replace("<calibration>", '<calibration source="unknown">'))
    with pytest.raises(CameraError, match='pass format="qualisys" or format="theia"'):
        read_rig(path)
    layout = LAYOUTS["theia"]
    np.testing.assert_allclose(read_rig(path, format="theia").project(POINTS), expected(layout), atol=1e-6)


# Vicon's moving cameras


def walking(frame: int):
    return looking_at("walker", [3.0, 0.1 * frame, 1.5], 0.5 * frame, [0] * 5)


def test_vicon_key_frames_hold_until_the_next(tmp_path):
    keys = [vicon_key(walking(frame), frame) for frame in (2, 3, 7)]
    still = [vicon_key(STRAIGHT[0], 0)]
    other = looking_at("other", [-3, 1, 2], 0, [0] * 5)
    cameras = [(walking(0), keys), (STRAIGHT[0], still), (other, [vicon_key(other, 0), vicon_key(STRAIGHT[1], 9)])]
    rig = read_rig(text(tmp_path, "take.xcp", vicon_file(cameras)))
    assert rig.moving == ("walker", "other")
    for frame, key in [(2, 2), (3, 3), (4, 3), (5, 3), (6, 3), (7, 7), (9, 7)]:
        np.testing.assert_allclose(rig["walker"].at_frame(frame).project(POINTS), walking(key).px(POINTS), atol=1e-6)
    np.testing.assert_allclose(rig["other"].at_frame(8).project(POINTS), other.px(POINTS), atol=1e-6)
    np.testing.assert_allclose(rig["c1"].project(POINTS), STRAIGHT[0].px(POINTS), atol=1e-6)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ([vicon_key(walking(5), 5), vicon_key(walking(2), 2)], "walker: the frames of its key frames must rise"),
        ([vicon_key(walking(1), 1), vicon_key(looking_at("w", [3, 0, 1], 0, [0] * 5, focal=950.0), 2)], "walker: the lens differs"),
        ([vicon_key(walking(1), 1).replace("ORIENTATION", "TURN")], "walker: <KeyFrame> has no ORIENTATION"),
        ([vicon_key(walking(1), 1).replace('POSITION="', 'POSITION="1 ')], "walker: POSITION must be 3 numbers, not 4"),
        ([vicon_key(walking(1), 1, 'VICON_RADIAL2="ViconRadial2 1"')], "VICON_RADIAL2 must be"),
        ([], "no <Camera> with a <KeyFrame>"),
    ],
)
def test_vicon_faults(tmp_path, keys, message):
    with pytest.raises(CameraError, match=message):
        read_rig(text(tmp_path, "take.xcp", vicon_file([(walking(0), keys)])))


# COLMAP's images


def colmap(folder, names, camera_ids=None, moved=True):
    camera_ids = camera_ids or [1] * len(names)
    lens = "".join(f"{n} SIMPLE_PINHOLE 1280 720 900 640 360\n" for n in sorted(set(camera_ids)))
    text(folder, "cameras.txt", lens)
    lines = [f"{k + 1} 1 0 0 0 {0.1 * k * moved} 0 0 {n} {name}\n\n" for k, (name, n) in enumerate(zip(names, camera_ids, strict=True))]
    text(folder, "images.txt", "".join(lines))
    return folder


def test_colmap_images_of_a_folder_are_a_moving_camera(tmp_path):
    names = ["left/frame_0003.png", "left/frame_0001.png", "top/top_12.jpg", "top/top_14.jpg", "front.png", "fix/a.png", "fix/b.png"]
    rig = read_rig(colmap(tmp_path, names, [1, 1, 2, 2, 3, 4, 4]), "mm")
    assert rig.names == ("left", "top", "front", "a", "b")
    assert rig.moving == ("left", "top")
    np.testing.assert_array_equal(rig["left"].pose_frame, [1, 3])
    np.testing.assert_allclose(rig["left"].cam_from_world.translation[:, 0], [1e-4, 0])
    assert rig.unknown == {"up", "floor"}
    np.testing.assert_allclose(rig["front"].intrinsics.K[:2, 2], [639.5, 359.5])


def test_colmap_images_that_do_not_move(tmp_path):
    rig = read_rig(colmap(tmp_path, ["left/1.png", "left/2.png", "right/1.png"], [1, 1, 2], moved=False) / "images.txt")
    assert rig.names == ("left", "right")
    assert not rig.moving


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("SIMPLE_PINHOLE", "RAD_TAN_THIN_PRISM_FISHEYE", "RAD_TAN_THIN_PRISM_FISHEYE, which is not read; there are SIMPLE_PINHOLE"),
        ("SIMPLE_PINHOLE", "PINHOLE", "camera 1 is PINHOLE, which has 4 parameters, not 3"),
        (" 900 ", " -900 ", "camera 1: .*positive focal"),
        ("1 SIMPLE", "7 SIMPLE", "image a.png has camera 1, which is not there"),
        ("1 SIMPLE", "x SIMPLE", "'x' is not a whole number"),
    ],
)
def test_colmap_faults(tmp_path, old, new, message):
    colmap(tmp_path, ["a.png", "b.png"])
    cameras = tmp_path / "cameras.txt"
    text(tmp_path, "cameras.txt", cameras.read_text().replace(old, new))
    with pytest.raises(CameraError, match=message) as caught:
        read_rig(tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_colmap_frames_that_occur_twice(tmp_path):
    with pytest.raises(CameraError, match="camera left: two images"):
        read_rig(colmap(tmp_path, ["left/1.png", "left/01.png"]))


# Lenses without poses


@pytest.mark.parametrize("size_in_file", [True, False])
def test_one_lens_of_opencv(tmp_path, size_in_file):
    content = "%YAML:1.0\n---\n" + ("image_width: 1280\nimage_height: 720\n" if size_in_file else "")
    content += "camera_matrix: !!opencv-matrix\n   rows: 3\n   cols: 3\n   dt: d\n   data: [ 900., 0., 640., 0., 910., 360., 0., 0., 1. ]\n"
    content += "distortion_coefficients: !!opencv-matrix\n   rows: 1\n   cols: 4\n   dt: d\n   data: [ 1.e-02, 2.0e-02, 0., -1e-05 ]\n"
    path = text(tmp_path, "left.yml", content + "distortion_model: fisheye\n")
    options = {} if size_in_file else SIZE
    lens = read_intrinsics(path, **options)["left"]
    assert (lens.size, lens.model) == ((1280, 720), "fisheye")
    np.testing.assert_array_equal(lens.dist, [0.01, 0.02, 0, -1e-05])
    with pytest.raises(CameraError, match="left.*recon3d calibrate people"):
        read_rig(path, **options)
    if not size_in_file:
        with pytest.raises(CameraError, match="image size is missing"):
            read_intrinsics(path)
    path = text(tmp_path, "left.yml", content + "distortion_model: mirror\n")
    with pytest.raises(CameraError, match="distortion_model is 'mirror'"):
        read_intrinsics(path, **options)


def test_one_lens_of_ros_and_of_json(tmp_path):
    matrix = "  rows: 3\n  cols: 3\n  data: [900, 0, 640, 0, 910, 360, 0, 0, 1]\n"
    dist = "distortion_model: plumb_bob\ndistortion_coefficients:\n  rows: 1\n  cols: 5\n  data: [0.1, 0, 0, 0, 0]\n"
    path = text(tmp_path, "ost.yaml", f"image_width: 640\nimage_height: 480\ncamera_name: x\ncamera_matrix:\n{matrix}{dist}")
    assert read_intrinsics(path)["ost"].size == (640, 480)
    store = cv2.FileStorage(str(tmp_path / "lens.json"), cv2.FILE_STORAGE_WRITE)
    for key, value in {
        "camera_matrix": FIVE[0].K,
        "distortion_coefficients": FIVE[0].dist,
        "image_width": 640,
        "image_height": 480,
    }.items():
        store.write(key, value)
    store.release()
    np.testing.assert_array_equal(read_intrinsics(tmp_path / "lens.json")["lens"].K, FIVE[0].K)


def test_one_camera_of_kalibr_and_of_matlab_has_no_pose(tmp_path):
    layout = LAYOUTS["kalibr"]
    path = layout.write(tmp_path, layout.cams[:1])
    np.testing.assert_array_equal(read_intrinsics(path)["cam0"].K, layout.cams[0].K)
    with pytest.raises(CameraError, match="camera cam0"):
        read_rig(path)
    savemat(tmp_path / "one.mat", {"p": {"K": np.array([[900, 0, 641], [0, 900, 361], [0, 0, 1.0]]), "RadialDistortion": [0.1, 0.2]}})
    lens = read_intrinsics(tmp_path / "one.mat", **SIZE)["one"]
    np.testing.assert_array_equal(lens.K[:2, 2], [640, 360])
    np.testing.assert_array_equal(lens.dist, [0.1, 0.2, 0, 0, 0])
    with pytest.raises(CameraError, match="ImageSize is empty"):
        read_intrinsics(tmp_path / "one.mat")


def test_easymocap_by_either_file_and_alone(tmp_path):
    layout = LAYOUTS["easymocap"]
    layout.write(tmp_path, layout.cams)
    for file in ("intri.yml", "extri.yml"):
        np.testing.assert_allclose(read_rig(tmp_path / file).project(POINTS), expected(layout), atol=1e-6)
    (tmp_path / "alone").mkdir()
    shutil.copy(tmp_path / "intri.yml", tmp_path / "alone" / "intri.yml")
    assert list(read_intrinsics(tmp_path / "alone" / "intri.yml")) == ["c1", "c2", "c3"]
    with pytest.raises(CameraError, match="no poses"):
        read_rig(tmp_path / "alone" / "intri.yml")
    with pytest.raises(CameraError, match=r"the poses in .*extri\.yml, which is missing"):
        read_rig(tmp_path / "alone")
    (tmp_path / "intri.yml").unlink()
    with pytest.raises(CameraError, match=r"the lenses in .*intri\.yml, which is missing"):
        read_rig(tmp_path / "extri.yml")


# What files do not say


def test_sizes_that_a_format_does_not_have(tmp_path):
    for name in ("openpose", "human36m"):
        layout = LAYOUTS[name]
        (tmp_path / name).mkdir()
        with pytest.raises(CameraError, match=r"size=\(width, height\)"):
            read_rig(layout.write(tmp_path / name, layout.cams))


def test_freemocap_says_its_unit_and_whether_it_has_a_floor(tmp_path):
    layout = LAYOUTS["freemocap"]
    content = layout.write(tmp_path, layout.cams).read_text()
    near = content.replace("translation = [", "translation = [1e5, ")  # so far off that no unit fits by itself
    with pytest.raises(CameraError, match="translation"):
        read_rig(text(tmp_path, "file", near))
    rig = read_rig(text(tmp_path, "file", content.replace("groundplane_calibration = true", "groundplane_calibration = false")))
    assert rig.unknown == {"up", "floor"}
    bare = content[: content.index("[metadata]")]
    assert read_rig(text(tmp_path, "file", bare), format="freemocap").unknown == {"up", "floor"}


def test_a_unit_that_is_stated_goes_before_the_file(tmp_path):
    path = theia(tmp_path, FIVE)
    np.testing.assert_allclose(read_rig(path, "cm").centres(), 10 * read_rig(path).centres())


def test_caliscope_turned_videos_are_refused(tmp_path):
    content = LAYOUTS["caliscope"].write(tmp_path, FIVE).read_text()
    with pytest.raises(CameraError, match="rotation_count 3: turn the videos"):
        read_rig(text(tmp_path, "file", content.replace("rotation_count = 0", "rotation_count = 3", 1)))
    assert len(read_rig(text(tmp_path, "file", content.replace("rotation_count = 0", "rotation_count = 4", 1)))) == 3


# What is no rig


def test_pickles_are_not_opened(tmp_path):
    for protocol in (0, 2, 5):
        (tmp_path / "cameraIntrinsicsExtrinsics.pickle").write_bytes(pickle.dumps({"rotation": np.eye(3)}, protocol))
        with pytest.raises(CameraError, match="pickle.*Nothing is unpickled"):
            read_rig(tmp_path / "cameraIntrinsicsExtrinsics.pickle")


def test_matlab_files_are_read_as_scipy_writes_them(tmp_path):
    """Also what a calibration does not need: other types, empty arrays, structs in structs, text."""
    inner = {"a": np.arange(6, dtype=np.int16).reshape(2, 3), "text": "metres", "none": np.zeros((0, 0)), "deep": {"x": 1.5}}
    values = {"p": inner, "q": np.float32([[1, 2.5]]), "u": np.uint8(200), "cells": np.array([1, "a"], dtype=object)}
    for compressed in (False, True):
        savemat(tmp_path / "a.mat", values, do_compression=compressed)
        found = read_mat(tmp_path / "a.mat")
        assert set(found) == set(values)
        np.testing.assert_array_equal(found["p"]["a"], inner["a"])
        assert (found["p"]["text"], found["p"]["deep"]["x"].item(), found["cells"]) == ("metres", 1.5, None)
        assert found["p"]["none"].shape == (0, 0)
        np.testing.assert_array_equal(found["q"], [[1, 2.5]])
        assert found["u"].item() == 200


def test_matlab_objects_are_refused_with_the_way_out(tmp_path):
    savemat(tmp_path / "a.mat", {"x": 3})
    with pytest.raises(CameraError, match="toStruct"):
        read_rig(tmp_path / "a.mat")
    (tmp_path / "b.mat").write_bytes(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM" + b"\x00" * 100)
    with pytest.raises(CameraError, match="-v7"):
        read_rig(tmp_path / "b.mat")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"\xff\xfe", "empty"),
        (b"  \n", "empty"),
        (b"\xe9\xe8 caf\xe9", "not a text file"),
        (b"\xff\xfe<\x00a", "UTF-16|XML"),
        (b"{}", "JSON, but not of"),
        (b"[1, 2]", "JSON, but not of"),
        (b'{"cameras": []}', "no camera in 'cameras'"),
        (b'{"cameras": [3]}', "camera 1: a camera must be a table"),
        (b'{"frames": 3}', "'frames' must be a list"),
        (b'{"frames": []}', "no frame"),
        (b'{"frames": [{}]}', "frame 0: transform_matrix is missing"),
        (b'{"a": {"R": 1, "f": 1, "c": 1, "k": 1, "p": 1}}', "a: res_w"),
        (b'{"RadialDistortion": 1, "K": 2}', "K must be 3 x 3 numbers"),
        (b'{"CameraParameters1": 1}', "camera 2: CameraParameters2 must be a table"),
        (b"cam0: 3\n", "cam0: a camera must be a table"),
        (b"cam0: {camera_model: [}\n", "not complete YAML"),
        (b"cam0: {camera_model: pinhole}\n", "cam0: intrinsics is missing"),
        (b"cam0: {camera_model: fish}\n", "'fish' is not one of pinhole"),
        (b"%YAML:1.0\n---\n", "no named entries"),
        (b"%YAML:1.0\n---\nnames: []\n", "names"),
        (b'%YAML:1.0\n---\nnames: ["a"]\n', "missing"),
        (b"%YAML:1.0\n---\nK: !!opencv-matrix\n  rows: 1e9\n  cols: 1e9\n  data: [1]\n", "K has the size"),
        (b"%YAML:1.0\n---\nK: !!opencv-matrix\n  rows: 3\n  cols: 3\n  data: [1]\n", "K must be 3 x 3 numbers"),
        (b"1280\n720\n1 0 0\n0 1 0\n0 0 1\n1 0 0 0\n", "6 lines of numbers"),
        (b"<Cameras><Camera DEVICEID='1'/></Cameras>", "no <Camera> with a <KeyFrame>"),
        (b"<calibrationProfile/>", "no <Camera>"),
        (
            b"<calibrationProfile><Camera Serial='M1'><Attributes/></Camera></calibrationProfile>",
            "M1: <Attributes> has no ImagerPixelWidth",
        ),
        (b"[" * 1_000, "JSON|nested|TOML"),
        (b"%YAML:1.0\n" + b"[" * 1_000, "YAML"),
    ],
)
def test_files_that_are_no_rig(tmp_path, content, message):
    path = tmp_path / "some.file"
    path.write_bytes(content)
    for read in (read_rig, read_intrinsics):
        with pytest.raises(InputError, match=message) as caught:
            read(path)
        assert str(path) in str(caught.value)


def test_folders_that_are_no_rig(tmp_path):
    with pytest.raises(InputError, match="is a folder, and not one of COLMAP"):
        read_rig(tmp_path)
    for ending, message in (("calib", "a: "), ("xml", "a: ")):
        folder = tmp_path / ending
        folder.mkdir()
        (folder / f"a.{ending}").write_text("x")
        with pytest.raises(CameraError, match=message):
            read_rig(folder)
