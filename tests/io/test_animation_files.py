"""Motion in files of animation programs, read back by libraries that are not ours."""

from dataclasses import replace

import numpy as np
import pytest

from recon3d import io
from recon3d.errors import InputError
from recon3d.geometry import SO3
from recon3d.geometry.euler import continuous, euler, from_euler
from recon3d.records import State
from recon3d.records.animation import FROM_Z_UP, animation_of, converted, resampled
from recon3d.synthetic import make_person
from tests.io.readers import places_of

SUFFIXES = ("bvh", "fbx", "glb", "usda", "usdc", "usdz")
UNITS = {"bvh": 0.01, "fbx": 0.01}


def motion_of(frames=40, fps=60.0, kind="dance"):
    motion = make_person(kind, frames, 60.0).motion
    return replace(motion, time=7.0 + np.arange(frames) / fps)


def turned_by(a, b):
    """Degrees between rotations."""
    return np.rad2deg(np.linalg.norm(SO3(np.swapaxes(a, -1, -2) @ b).log(), axis=-1))


@pytest.mark.parametrize("fps", [29.97, 59.94, 120.0])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_read_back_by_others(tmp_path, suffix, fps):
    motion = motion_of(fps=fps)
    io.write(tmp_path / f"a.{suffix}", motion)
    place, turn, rate = places_of(tmp_path / f"a.{suffix}", motion.armature.joints, UNITS.get(suffix, 1.0))
    poses = motion.poses()
    assert place.shape == poses.translation.shape
    assert rate == pytest.approx(fps, rel=1e-6)
    assert 1000 * np.abs(place - poses.translation).max() < 0.1
    there = np.isfinite(turn).all((1, 2, 3))
    assert there.sum() >= 3
    assert turned_by(turn[there], poses.rotation.matrix[there]).max() < 0.01
    assert (place[:, motion.armature.index("head"), 2] > place[:, motion.armature.index("left_ankle"), 2] + 1).all()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_one_frame_and_gaps(tmp_path, suffix):
    motion = motion_of(1)
    io.write(tmp_path / f"one.{suffix}", motion)
    place, _, _ = places_of(tmp_path / f"one.{suffix}", motion.armature.joints, UNITS.get(suffix, 1.0))
    np.testing.assert_allclose(place, motion.poses().translation, atol=1e-4)
    motion = motion_of(20)
    translation, rotation, state = motion.translation.copy(), motion.rotation.copy(), motion.state.copy()
    translation[5:9], rotation[5:9], state[5:9] = np.nan, np.nan, State.MISSING
    io.write(tmp_path / f"gap.{suffix}", replace(motion, translation=translation, rotation=rotation, state=state))
    place, _, _ = places_of(tmp_path / f"gap.{suffix}", motion.armature.joints, UNITS.get(suffix, 1.0))
    want = motion.poses().translation.copy()
    want[5:9] = want[4]
    np.testing.assert_allclose(place, want, atol=1e-4)


@pytest.mark.parametrize("suffix", ["bvh", "glb"])
def test_our_own_readers(tmp_path, suffix):
    motion = motion_of()
    io.write(tmp_path / f"a.{suffix}", motion)
    read = io.ANIMATION_READERS[f".{suffix}"](tmp_path / f"a.{suffix}")
    same = converted(read, "z", 1.0)
    order = [same.index(name) for name in motion.armature.joints]
    np.testing.assert_allclose(same.poses().translation[:, order], motion.poses().translation, atol=1e-5)
    np.testing.assert_allclose(same.time, motion.time - motion.time[0], atol=1e-5)
    rest = same.rest().translation[order]
    np.testing.assert_allclose(rest - rest[0], motion.armature.rest_positions(), atol=1e-5)


def test_axes_and_units_come_back():
    animation = animation_of(motion_of())
    other = converted(animation, "y", 0.01)
    np.testing.assert_allclose(other.poses().translation, 100 * animation.poses().translation @ FROM_Z_UP.T, atol=1e-9)
    again = converted(other, "z", 1.0)
    np.testing.assert_allclose(again.rotation, animation.rotation, atol=1e-12)
    np.testing.assert_allclose(again.place, animation.place, atol=1e-12)


def test_other_frame_rates():
    animation = animation_of(motion_of(61, 60.0))
    half = resampled(animation, 30.0)
    assert len(half) == 31
    np.testing.assert_allclose(half.rotation, animation.rotation[::2], atol=1e-9)
    double = resampled(animation, 120.0)
    assert len(double) == 121
    np.testing.assert_allclose(np.linalg.norm(double.rotation, axis=-1), 1)
    middle = double.poses().translation[1::2]
    around = animation.poses().translation
    assert np.abs(middle - 0.5 * (around[1:] + around[:-1])).max() < 0.01


@pytest.mark.parametrize("order", ["XYZ", "XZY", "YXZ", "YZX", "ZXY", "ZYX"])
def test_angles_of_every_order(order):
    rng = np.random.default_rng(0)
    rotation = SO3.exp(rng.normal(0, 1.5, (500, 3))).matrix
    np.testing.assert_allclose(from_euler(euler(rotation, order), order), rotation, atol=1e-12)
    angles = rng.uniform(-np.pi, np.pi, (50, 3))
    angles[:, 1] = np.where(np.arange(50) % 2, np.pi / 2, -np.pi / 2)  # locked
    locked = from_euler(angles, order)
    np.testing.assert_allclose(from_euler(euler(locked, order), order), locked, atol=1e-7)
    turning = SO3.exp(np.cumsum(rng.normal(0, 0.05, (800, 4, 3)), 0)).matrix
    smooth = continuous(euler(turning, order))
    np.testing.assert_allclose(from_euler(smooth, order), turning, atol=1e-9)
    one_way = np.stack([np.linspace(0, 20, 400), 0.3 + 0 * np.arange(400), 0 * np.arange(400)], -1)[:, None]
    np.testing.assert_allclose(continuous(euler(from_euler(one_way, order), order)) - one_way, 0, atol=1e-9)


BANDAI = """HIERARCHY
ROOT joint_Root
{
  OFFSET 0 0 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT Hips
  {
    OFFSET 0 90 0
    CHANNELS 6 Xposition Yposition Zposition Yrotation Xrotation Zrotation
    End Site { OFFSET 0 10 0 }
  }
}
MOTION
Frames:\t2
Frame Time:\t0.0333333
0 0 0 0 0 0  1 91 2 90 0 0
0 0 0 0 0 0  1 92 2 0 0 90
"""


def test_bvh_as_others_write_it(tmp_path):
    """Places of joints that are no root, tabs, orders that differ, brackets on one line."""
    (tmp_path / "b.bvh").write_text(BANDAI)
    read = io.read_bvh(tmp_path / "b.bvh")
    assert read.joints == ("joint_Root", "Hips")
    np.testing.assert_allclose(read.poses().translation[:, 1], [[1, 91, 2], [1, 92, 2]])
    np.testing.assert_allclose(read.tip[1], [0, 10, 0])
    np.testing.assert_allclose(read.poses().rotation.matrix[1, 1] @ [1, 0, 0], [0, 1, 0], atol=1e-12)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda t: t[: t.index("MOTION")], "no MOTION"),
        (lambda t: t.replace("HIERARCHY", ""), "no HIERARCHY"),
        (lambda t: t[:-30], "is cut"),
        (lambda t: t.replace("1 92 2", "1 nan 2"), "not finite"),
        (lambda t: t.replace("1 92 2", "1 x 2"), "could not convert"),
        (
            lambda t: t.replace("CHANNELS 6 Xposition Yposition Zposition Yrotation", "CHANNELS 7 Xposition Yposition Zposition Yrotation"),
            "7 channels",
        ),
        (lambda t: t.replace("Frames:\t2", "Frames:\tmany"), "Frames:"),
        (lambda t: t.replace("OFFSET 0 90 0", "OFFSET 0 inf 0"), "not finite"),
        (lambda t: t.replace("Hips", "joint_Root"), "twice"),
        (lambda t: t.replace("  JOINT Hips", "}\nROOT Hips"), "second hierarchy"),
    ],
)
def test_bvh_that_is_none(tmp_path, change, says):
    (tmp_path / "b.bvh").write_text(change(BANDAI))
    with pytest.raises(InputError, match=says):
        io.read_bvh(tmp_path / "b.bvh")


def test_glb_that_is_none(tmp_path):
    motion = motion_of(5)
    io.write(tmp_path / "a.glb", motion)
    whole = (tmp_path / "a.glb").read_bytes()
    for cut in (0, 8, 30, len(whole) - 100):
        (tmp_path / "b.glb").write_bytes(whole[:cut])
        with pytest.raises(InputError):
            io.read_glb(tmp_path / "b.glb")
    text = whole.replace(b'"count":5', b'"count":9')
    (tmp_path / "b.glb").write_bytes(text)
    with pytest.raises(InputError, match=r"b\.glb"):
        io.read_glb(tmp_path / "b.glb")
    (tmp_path / "b.glb").write_bytes(whole.replace(b'"children":[1,', b'"children":[0,'))
    with pytest.raises(InputError, match=r"b\.glb"):
        io.read_glb(tmp_path / "b.glb")
