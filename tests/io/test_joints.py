"""Robots' motions in files, read back by what robot teams read them with."""

import csv

import numpy as np
import pytest

from recon3d import io
from recon3d.errors import InputError
from recon3d.geometry import SO3
from recon3d.records import JointMotion
from recon3d.records.joint_motion import FIXED, PRISMATIC, REVOLUTE, Links


def robot(frames=7, rate=59.94):
    """A base with an arm, a slide on it, and a camera that is bolted to that."""
    rng = np.random.default_rng(0)
    links = Links(
        ("base", "arm", "slide", "camera"),
        np.array([-1, 0, 1, 2]),
        np.array([FIXED, REVOLUTE, PRISMATIC, FIXED]),
        np.array([-1, 0, 1, -1]),
        rng.normal(size=(4, 3)),
        SO3.exp(rng.normal(size=(4, 3))).wxyz(),
        np.array([[0.0, 0, 0], [0, 0, 1], [1, 0, 0], [0, 0, 0]]),
    )
    return JointMotion(
        "robo", ("shoulder", "slider"), links, 3.0 + np.arange(frames) / rate, rng.normal(size=(frames, 3)),
        SO3.exp(0.1 * rng.normal(size=(frames, 3))).wxyz(), rng.normal(size=(frames, 2)), np.ones(frames, bool),
        np.zeros((frames, 2), bool), "<robot name='robo'/>",
    )  # fmt: skip


def test_csv(tmp_path):
    motion = robot()
    io.write(tmp_path / "a.csv", motion)
    with open(tmp_path / "a.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 7
    for t, row in enumerate(rows):
        assert float(row["time_s"]) == pytest.approx(t / 59.94, abs=1e-6)
        np.testing.assert_allclose([float(row[f"root_{a}_m"]) for a in "xyz"], motion.translation[t], atol=1e-6)
        np.testing.assert_allclose([float(row[f"root_q{a}"]) for a in "wxyz"], motion.rotation[t], atol=1e-6)
        np.testing.assert_allclose([float(row["shoulder"]), float(row["slider"])], motion.position[t], atol=1e-6)


def test_npz(tmp_path):
    motion = robot()
    io.write(tmp_path / "a.npz", motion)
    with np.load(tmp_path / "a.npz") as d:
        assert d["joints"].tolist() == ["shoulder", "slider"]
        assert float(d["fps"]) == pytest.approx(59.94)
        np.testing.assert_array_equal(d["joint_position"], motion.position)
        np.testing.assert_allclose(d["joint_velocity"][:-1], np.diff(motion.position, axis=0) * 59.94, rtol=1e-6)
        np.testing.assert_allclose(d["link_position"][:, 0], motion.translation)
        assert np.abs(np.linalg.norm(d["link_quaternion_wxyz"], axis=-1) - 1).max() < 1e-12


def chained(transforms):
    """World poses by multiplying stamped transforms, as tf2 does."""
    found = {}
    for name, (parent, place, turn) in transforms.items():
        matrix = np.eye(4)
        matrix[:3, :3], matrix[:3, 3] = SO3.from_wxyz(np.array(turn)).matrix, place
        found[name] = (parent, matrix)

    def world(name):
        parent, matrix = found[name]
        return matrix if parent == "world" else world(parent) @ matrix

    return {name: world(name) for name in found}


def held(message):
    out = {}
    for one in message.transforms:
        v, q = one.transform.translation, one.transform.rotation
        out[one.child_frame_id] = (one.header.frame_id, [v.x, v.y, v.z], [q.w, q.x, q.y, q.z])
    return out


def check(motion, messages):
    """Messages as (topic, message, nanoseconds)."""
    still = {}
    states, moves = [], []
    for topic, message, stamp in messages:
        if topic == "/tf_static":
            still = held(message)
        elif topic == "/robot_description":
            assert message.data == motion.urdf
        elif topic == "/joint_states":
            states.append((stamp, message))
        elif topic == "/tf":
            moves.append((stamp, message))
    assert len(states) == len(moves) == len(motion)
    poses, velocity = motion.poses(), motion.velocity()
    for t, ((stamp, state), (_, tf)) in enumerate(zip(states, moves, strict=True)):
        assert stamp == pytest.approx(t / 59.94 * 1e9, abs=1)
        assert state.header.stamp.sec * 10**9 + state.header.stamp.nanosec == stamp
        assert list(state.name) == ["shoulder", "slider"]
        np.testing.assert_allclose(list(state.position), motion.position[t])
        np.testing.assert_allclose(list(state.velocity), velocity[t])
        world = chained(still | held(tf))
        for k, name in enumerate(motion.links.names):
            np.testing.assert_allclose(world[name][:3, 3], poses.translation[t, k], atol=1e-9)
            np.testing.assert_allclose(world[name][:3, :3], poses.rotation.matrix[t, k], atol=1e-9)


def test_mcap_by_an_independent_reader(tmp_path):
    from mcap.reader import make_reader
    from mcap_ros2.decoder import DecoderFactory

    motion = robot()
    io.write(tmp_path / "a.mcap", motion)
    with open(tmp_path / "a.mcap", "rb") as file:
        read = make_reader(file, decoder_factories=[DecoderFactory()]).iter_decoded_messages()
        check(motion, [(channel.topic, message, raw.log_time) for _, channel, raw, message in read])


def test_bag(tmp_path):
    from rosbags.rosbag2 import Reader
    from rosbags.typesys import Stores, get_typestore

    motion = robot()
    for _ in range(2):  # the second replaces the first
        io.write(tmp_path / "a.bag", motion)
    store = get_typestore(Stores.ROS2_HUMBLE)
    with Reader(tmp_path / "a.bag") as reader:
        read = [(c.topic, store.deserialize_cdr(raw, c.msgtype), stamp) for c, stamp, raw in reader.messages()]
    check(motion, read)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.bag"]
    text = (tmp_path / "a.bag" / "metadata.yaml").read_text()
    assert "transient_local" in text or "durability: 1" in text


def test_a_bag_replaces_nothing_else(tmp_path):
    (tmp_path / "a.bag").mkdir()
    (tmp_path / "a.bag" / "thesis.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="not written by recon3d"):
        io.write(tmp_path / "a.bag", robot())
    assert (tmp_path / "a.bag" / "thesis.txt").read_text() == "mine"


def test_other_formats_are_listed(tmp_path):
    with pytest.raises(InputError, match=".mcap"):
        io.write(tmp_path / "a.bvh", robot())


def test_one_frame(tmp_path):
    for suffix in ("csv", "npz", "mcap", "bag"):
        io.write(tmp_path / f"a.{suffix}", robot(1))
        assert (tmp_path / f"a.{suffix}").exists()
