import numpy as np
import pytest

from recon3d.errors import CameraError
from recon3d.geometry import SE3, SO3, Camera, CameraRig, Clock, Intrinsics
from recon3d.synthetic import make_rig

K = np.array([[1000.0, 0, 500], [0, 1000, 400], [0, 0, 1]])


def test_a_point_ahead_and_a_point_behind():
    camera = Camera("a", Intrinsics((1000, 800), K.copy()), SE3.identity())
    px = camera.project(np.array([[0.0, 0, 2], [0.2, -0.1, 2], [0, 0, -2], [0, 0, 0]]))
    np.testing.assert_allclose(px[:2], [[500, 400], [600, 350]])
    assert np.isnan(px[2:]).all()


def test_centre_and_direction():
    rig = make_rig("ring", 4)
    for camera in rig:
        np.testing.assert_allclose(camera.cam_from_world @ camera.centre, 0, atol=1e-12)
        middle = camera.project(np.array([0.0, 0, 0.95]))
        assert np.linalg.norm(middle - np.array(camera.intrinsics.size) / 2) < 100
        above, below = camera.project(np.array([[0.0, 0, 1.5], [0, 0, 0.2]]))
        assert above[1] < below[1]


def test_resizing_keeps_pixel_centres():
    small = Intrinsics((1000, 800), K.copy())
    large = small.resized((2000, 1600))
    p = np.array([[0.1, -0.2, 1.0]])
    np.testing.assert_allclose(large.project(p), (small.project(p) + 0.5) * 2 - 0.5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": "omni"}, "omni"),
        ({"dist": np.zeros(7)}, "7"),
        ({"size": (0, 4)}, "positive"),
        ({"K": np.diag([-1.0, 1, 1])}, "focal"),
        ({"K": np.full((3, 3), np.nan)}, "finite"),
        ({"model": "fisheye", "dist": np.zeros(5)}, "fisheye"),
    ],
)
def test_impossible_intrinsics(change, message):
    values = {"size": (1000, 800), "K": K.copy()} | change
    with pytest.raises(CameraError, match=message):
        Intrinsics(**values)


@pytest.mark.parametrize("matrix", [np.diag([1.0, 1, -1]), 2 * np.eye(3), np.full((3, 3), np.nan), np.eye(4)])
def test_impossible_poses(matrix):
    with pytest.raises(CameraError, match="camera a"):
        Camera("a", Intrinsics((1000, 800), K.copy()), SE3(SO3(matrix), np.zeros(3)))


def test_rig_names():
    rig = make_rig("wall", 3)
    assert rig["cam02"].name == "cam02"
    assert rig.select(["cam03", "cam01"]).names == ("cam03", "cam01")
    with pytest.raises(CameraError, match="cam01, cam02, cam03"):
        rig["cam09"]
    with pytest.raises(CameraError, match="twice"):
        CameraRig((rig.cameras[0], rig.cameras[0]))
    with pytest.raises(CameraError, match="scale, up, floor"):
        CameraRig(rig.cameras, unknown=frozenset({"colour"}))
    with pytest.raises(CameraError, match="at least one"):
        CameraRig(())


@pytest.mark.parametrize("name", ["../evil", 'a"b', "", "a/b", "a:b", " a", "a."])
def test_names_that_no_file_can_have(name):
    with pytest.raises(CameraError, match="camera name"):
        Camera(name, Intrinsics((1000, 800), K.copy()), SE3.identity())


@pytest.mark.parametrize("clock", [{"drift": -1.0}, {"offset": float("nan")}, {"line_time": -1e-5}])
def test_impossible_clocks(clock):
    with pytest.raises(CameraError, match="no clock"):
        Clock(**clock)


def test_clock():
    np.testing.assert_allclose(Clock(offset=0.5, drift=1e-3).to_world(np.array([0.0, 10.0])), [0.5, 10.51])
