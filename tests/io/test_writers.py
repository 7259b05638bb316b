import csv
import json
import warnings
from dataclasses import replace

import c3d
import ezc3d
import numpy as np
import pyarrow.parquet
import pybvh
import pygltflib
import pytest

from recon3d import io
from recon3d.errors import InputError
from recon3d.geometry import SO3
from recon3d.io.files import atomic
from recon3d.io.tables import Y_UP, frame_rate
from recon3d.records import State
from recon3d.records.animation import FROM_Z_UP
from recon3d.records.rest import in_rest_pose
from recon3d.skeleton import joint_angles
from tests.worlds import solved


@pytest.fixture(scope="module")
def take():
    return solved()


def test_npz_there_and_back(take, tmp_path):
    world2d, world, motion = take
    seen = world2d.keypoints2d()[0]
    parts = [seen.window(slice(0, 25)), seen.window(slice(25, 60))]
    io.write_keypoints2d(tmp_path / "2d.npz", [lambda p=p: p for p in parts])
    back = io.read_keypoints2d(tmp_path / "2d.npz")
    for name in ("frame", "time", "person_id", "xy", "confidence", "sigma_px", "box"):
        np.testing.assert_array_equal(getattr(back, name), getattr(seen, name))
    assert (back.camera, back.size, back.score_kind, back.layout.points) == (seen.camera, seen.size, seen.score_kind, seen.layout.points)
    io.write_keypoints3d(tmp_path / "3d.npz", [lambda: world])
    np.testing.assert_array_equal(io.read_keypoints3d(tmp_path / "3d.npz").covariance, world.covariance)
    io.write_motion(tmp_path / "m.npz", [lambda: motion])
    again = io.read_motion(tmp_path / "m.npz")
    np.testing.assert_array_equal(again.poses().translation, motion.poses().translation)


def test_npz_is_plain_numpy(take, tmp_path):
    _, world, _ = take
    io.write_keypoints3d(tmp_path / "3d.npz", [lambda: world])
    with np.load(tmp_path / "3d.npz", allow_pickle=False) as data:
        assert data["xyz"].shape == (60, 1, 26, 3)
        assert {"confidence", "covariance", "views", "state", "residual_px", "time", "joints", "people", "layout"} <= set(data.files)


@pytest.mark.parametrize("cut", [0, 10, 1000])
def test_cut_and_foreign_npz(take, tmp_path, cut):
    _, world, motion = take
    path = tmp_path / "3d.npz"
    io.write_keypoints3d(path, [lambda: world])
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(InputError, match=r"3d\.npz is not a complete"):
        io.read_keypoints3d(path)
    io.write_motion(path, [lambda: motion])
    with pytest.raises(InputError, match="does not hold keypoints3d"):
        io.read_keypoints3d(path)
    np.savez(path, kind=np.array(["x"], dtype=object))
    with pytest.raises(InputError):
        io.read_keypoints3d(path)


def test_csv(take, tmp_path):
    _, world, _ = take
    io.write(tmp_path / "a.csv", world)
    with open(tmp_path / "a.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 60
    for f, row in enumerate(rows):
        for j, joint in enumerate(world.layout.points):
            state = State(int(world.state[f, 0, j])).name.lower()
            assert row[f"{joint}_state"] == state
            if state == "missing":
                assert row[f"{joint}_x_m"] == row[f"{joint}_sigma_m"] == ""
            else:
                have = [float(row[f"{joint}_{c}_m"]) for c in "xyz"]
                np.testing.assert_allclose(have, world.xyz[f, 0, j], atol=1e-6)
                assert float(row[f"{joint}_sigma_m"]) == pytest.approx(world.sigma_m()[f, 0, j], abs=1e-6)


def read_trc(path):
    lines = path.read_text().split("\n")
    head = dict(zip(lines[1].split("\t"), lines[2].split("\t"), strict=True))
    names = [n for n in lines[3].split("\t")[2:] if n]
    width = 2 + 3 * len(names)
    rows = [[float(c) if c else np.nan for c in (line + "\t" * width).split("\t")[:width]] for line in lines[6:] if line]
    data = np.array(rows)
    return head, names, data[:, 0], data[:, 1], data[:, 2:].reshape(len(data), -1, 3)


def test_trc(take, tmp_path):
    _, world, _ = take
    io.write(tmp_path / "a.trc", world)
    head, names, frame, time, xyz = read_trc(tmp_path / "a.trc")
    assert (head["NumFrames"], head["NumMarkers"], head["Units"], head["DataRate"]) == ("60", "26", "m", "60")
    assert tuple(names) == world.layout.points
    np.testing.assert_array_equal(frame, world.frame)
    np.testing.assert_allclose(time, world.time, atol=1e-8)
    np.testing.assert_allclose(xyz, world.xyz[:, 0] @ Y_UP.T, atol=1e-6)
    up = np.nanmean(xyz[:, names.index("nose")] - xyz[:, names.index("left_ankle")], axis=0)
    assert np.argmax(up) == 1
    assert up[1] > 1
    assert np.linalg.det(Y_UP) == pytest.approx(1)


def test_trc_from_windows_counts_all_frames(take, tmp_path):
    _, world, _ = take
    names = ("frame", "time", "xyz", "confidence", "covariance", "views", "state", "residual_px")
    halves = [replace(world, **{n: getattr(world, n)[part] for n in names}) for part in (slice(0, 20), slice(20, 60))]
    io.KEYPOINT_WRITERS[".trc"](tmp_path / "a.trc", iter(halves), 0)
    io.write(tmp_path / "b.trc", world)
    assert (tmp_path / "a.trc").read_text().split("\n")[1:] == (tmp_path / "b.trc").read_text().split("\n")[1:]


def test_c3d(take, tmp_path):
    _, world, _ = take
    io.write(tmp_path / "a.c3d", world)
    file = ezc3d.c3d(str(tmp_path / "a.c3d"))
    assert file["parameters"]["POINT"]["UNITS"]["value"] == ["mm"]
    assert file["parameters"]["POINT"]["RATE"]["value"][0] == pytest.approx(60)
    assert tuple(file["parameters"]["POINT"]["LABELS"]["value"]) == world.layout.points
    points = file["data"]["points"][:3].transpose(2, 1, 0)
    missing = file["data"]["meta_points"]["residuals"][0].T < 0
    np.testing.assert_array_equal(missing, world.state[:, 0] == State.MISSING)
    assert missing.any()
    np.testing.assert_allclose(points[~missing], 1000 * world.xyz[:, 0][~missing], atol=0.01)


def test_c3d_of_a_long_take(take, tmp_path):
    """More frames than its header counts, read by a reader that is not the writer's."""
    _, world, _ = take
    windows = 65_600 // len(world) + 1
    io.KEYPOINT_WRITERS[".c3d"](tmp_path / "a.c3d", (world for _ in range(windows)), 0)
    with warnings.catch_warnings(), open(tmp_path / "a.c3d", "rb") as stream:
        warnings.simplefilter("ignore")  # of a file without analog channels
        frames = [(number, points[:, :3]) for number, points, _ in c3d.Reader(stream).read_frames()]
    assert len(frames) == windows * len(world) and frames[-1][0] == windows * len(world)
    seen = world.state[-1, 0] != State.MISSING
    np.testing.assert_allclose(frames[-1][1][seen], 1000 * world.xyz[-1, 0][seen], atol=0.01)


def test_markers_back(take, tmp_path):
    """TRC and C3D by our own readers: names, gaps, places, times."""
    _, world, _ = take
    io.write(tmp_path / "a.c3d", world)
    io.write(tmp_path / "a.trc", world)
    for read in (io.read_c3d(tmp_path / "a.c3d"), io.read_trc(tmp_path / "a.trc")):
        assert read.layout.points == world.layout.points
        np.testing.assert_array_equal(read.state == State.MISSING, world.state == State.MISSING)
        np.testing.assert_allclose(read.xyz, world.xyz, atol=2e-6)
        np.testing.assert_allclose(np.diff(read.time), np.diff(world.time), atol=1e-6)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda t: t.replace("PathFileType", "Path"), "PathFileType"),
        (lambda t: t.replace("\tm\t", "\tinch\t"), "unit"),
        (lambda t: t[: len(t) // 2].rpartition("\n")[0], "announced"),
        (lambda t: t.replace("left_eye", "nose"), "twice"),
        (lambda t: t + "61\t1\tx\n", "line 67"),
    ],
)
def test_trc_that_is_none(take, tmp_path, change, says):
    _, world, _ = take
    io.write(tmp_path / "a.trc", world)
    (tmp_path / "b.trc").write_text(change((tmp_path / "a.trc").read_text()))
    with pytest.raises(InputError, match=says):
        io.read_trc(tmp_path / "b.trc")
    (tmp_path / "b.c3d").write_bytes(b"no C3D file at all")
    with pytest.raises(InputError, match="C3D"):
        io.read_c3d(tmp_path / "b.c3d")


def test_bvh_read_by_another_library(take, tmp_path):
    _, _, motion = take
    io.write(tmp_path / "a.bvh", motion)
    bvh = pybvh.read_bvh_file(str(tmp_path / "a.bvh"))
    assert bvh.frame_count == 60
    assert bvh.frame_time == pytest.approx(1 / 60, abs=1e-8)
    place = bvh.joint_positions()
    want = 100 * motion.poses().translation @ FROM_Z_UP.T
    order = [bvh.joint_names.index(name) for name in motion.armature.joints]
    np.testing.assert_allclose(place[:, order], want, atol=2e-3)
    heads, feet = place[:, bvh.joint_names.index("head"), 1], place[:, bvh.joint_names.index("left_ankle"), 1]
    assert (heads > feet + 100).all()
    assert set(bvh.euler_orders) == {"ZXY"}


def test_bvh_angles_do_not_jump(tmp_path):
    from recon3d.synthetic import make_person

    motion = make_person("dance", 400).motion  # turns several times
    io.write(tmp_path / "a.bvh", motion)
    text = (tmp_path / "a.bvh").read_text().split("MOTION\n")[1].split("\n")[2:-1]
    angles = np.array([row.split() for row in text], float)[:, 3:]
    assert np.abs(np.diff(angles[:, [0, 1, 2]], axis=0)).max() < 60


def test_a_knee_past_a_right_angle_does_not_flip():
    from recon3d.geometry.euler import continuous, euler

    bend = np.deg2rad(np.linspace(0, 150, 60))
    rotation = SO3.exp(np.stack([bend, 0 * bend, 0 * bend], -1)).matrix[:, None]  # a hinge
    angles = continuous(euler(rotation, "ZXY"))
    assert np.abs(np.diff(angles, axis=0)).max() < 0.05
    z, x, y = np.moveaxis(angles[:, 0], -1, 0)
    turn = [SO3.exp(np.stack([a * (k == i) for i in range(3)], -1)) for a, k in ((z, 2), (x, 0), (y, 1))]
    np.testing.assert_allclose((turn[0] @ turn[1] @ turn[2]).matrix, rotation[:, 0], atol=1e-9)


def test_bvh_side_car(take, tmp_path):
    _, _, motion = take
    state = motion.state.copy()
    state[10:20, 3] = State.INFERRED
    contact = np.zeros_like(motion.contact)
    contact[30:40, 5] = True
    for name in ("a.bvh", "a.glb"):
        io.write(tmp_path / name, replace(motion, state=state, contact=contact))
        told = json.loads((tmp_path / f"{name}.json").read_text())
        runs = told["states"][motion.armature.joints[3]]
        assert [10, 19, "inferred"] in runs
        assert runs[0][0] == 0
        assert runs[-1][1] == 59
        assert told["contacts"] == {motion.armature.joints[5]: [[30, 39]]}


def test_angles_as_tables(take, tmp_path):
    _, _, motion = take
    gap = motion.rotation.copy(), motion.translation.copy(), motion.state.copy()
    gap[0][5], gap[1][5], gap[2][5] = np.nan, np.nan, State.MISSING
    holes = replace(motion, rotation=gap[0], translation=gap[1], state=gap[2])
    io.write(tmp_path / "walk.angles.csv", holes)
    io.write(tmp_path / "walk.angles.parquet", holes)
    lines = (tmp_path / "walk.angles.csv").read_text().splitlines()
    head, rows = lines[0].split(","), [line.split(",") for line in lines[1:]]
    assert len(rows) == 60 and head[:2] == ["frame", "time_s"]
    knee, state = head.index("left_knee.flexion_deg"), head.index("left_knee_state")
    assert rows[5][knee] == "" and rows[5][state] == "missing"
    want = joint_angles(motion.armature, motion.poses())["left_knee.flexion"]
    np.testing.assert_allclose([float(row[knee]) for k, row in enumerate(rows) if k != 5], np.delete(want, 5), atol=1e-3)
    table = pyarrow.parquet.read_table(tmp_path / "walk.angles.parquet")
    assert table.column_names == head and table.schema.metadata[b"unit"] == b"degrees"
    assert table["left_knee.flexion_deg"].null_count == 1
    np.testing.assert_allclose(np.delete(table["left_knee.flexion_deg"].to_numpy(), 5), np.delete(want, 5))


def test_rest_poses_in_files(take, tmp_path):
    """The same world positions by both rest poses, read back from the file."""
    _, _, motion = take
    io.write(tmp_path / "t.bvh", motion)
    io.write(tmp_path / "a.bvh", in_rest_pose(motion, "A"))
    assert (tmp_path / "t.bvh").read_text() != (tmp_path / "a.bvh").read_text()


def node_matrices(gltf, blob, frame):
    """World matrices of all nodes at one key frame, from the file alone."""

    def values(index):
        accessor = gltf.accessors[index]
        view = gltf.bufferViews[accessor.bufferView]
        width = {"SCALAR": 1, "VEC3": 3, "VEC4": 4, "MAT4": 16}[accessor.type]
        return np.frombuffer(blob, np.float32, accessor.count * width, view.byteOffset).reshape(accessor.count, width)

    local = []
    for node in gltf.nodes:
        local.append({"translation": np.array(node.translation or [0, 0, 0]), "rotation": np.array([0, 0, 0, 1.0])})
    for channel in gltf.animations[0].channels:
        sampler = gltf.animations[0].samplers[channel.sampler]
        local[channel.target.node][channel.target.path] = values(sampler.output)[frame]
    parent = {c: k for k, node in enumerate(gltf.nodes) for c in node.children or []}

    def world(k):
        m = np.eye(4)
        m[:3, :3] = SO3.from_wxyz(local[k]["rotation"][[3, 0, 1, 2]]).matrix
        m[:3, 3] = local[k]["translation"]
        return world(parent[k]) @ m if k in parent else m

    return [world(k) for k in range(len(gltf.nodes))], values


def test_glb_read_by_another_library(take, tmp_path):
    _, _, motion = take
    io.write(tmp_path / "a.glb", motion)
    gltf = pygltflib.GLTF2().load(str(tmp_path / "a.glb"))
    blob = gltf.binary_blob()
    names = [node.name for node in gltf.nodes]
    want = motion.poses().translation @ FROM_Z_UP.T
    for frame in (0, 31, 59):
        matrices, values = node_matrices(gltf, blob, frame)
        have = np.array([matrices[names.index(n)][:3, 3] for n in motion.armature.joints])
        np.testing.assert_allclose(have, want[frame], atol=1e-5)
    sampler = gltf.animations[0].samplers[0]
    np.testing.assert_allclose(values(sampler.input)[:, 0], motion.time - motion.time[0], atol=1e-6)
    assert gltf.skins[0].joints == list(range(len(motion.armature.joints)))
    bind = values(gltf.skins[0].inverseBindMatrices).reshape(-1, 4, 4)
    np.testing.assert_allclose(-bind[:, 3, :3], motion.armature.rest_positions() @ FROM_Z_UP.T, atol=1e-6)
    assert len(blob) == gltf.buffers[0].byteLength


def test_the_bones_of_the_mesh_look_outward(take, tmp_path):
    _, _, motion = take
    io.write(tmp_path / "a.glb", motion)
    gltf = pygltflib.GLTF2().load(str(tmp_path / "a.glb"))
    _, values = node_matrices(gltf, gltf.binary_blob(), 0)
    attributes = gltf.meshes[0].primitives[0].attributes
    corners, normals = (values(k).reshape(-1, 8, 3, 3) for k in (attributes.POSITION, attributes.NORMAL))
    np.testing.assert_allclose(np.linalg.norm(normals, axis=-1), 1, atol=1e-5)
    outward = corners.mean(2) - corners.mean((1, 2))[:, None]
    assert ((normals[:, :, 0] * outward).sum(-1) > 0).all()
    wound = np.cross(corners[:, :, 1] - corners[:, :, 0], corners[:, :, 2] - corners[:, :, 0])
    assert ((wound * normals[:, :, 0]).sum(-1) > 0).all()


def test_time_of_absence_repeats_the_last_pose(take, tmp_path):
    _, _, motion = take
    translation, rotation, state = motion.translation.copy(), motion.rotation.copy(), motion.state.copy()
    translation[30:40], rotation[30:40], state[30:40] = np.nan, np.nan, State.MISSING
    io.write(tmp_path / "a.bvh", replace(motion, translation=translation, rotation=rotation, state=state))
    rows = np.loadtxt((tmp_path / "a.bvh").read_text().split("MOTION\n")[1].split("\n")[2:-1])
    np.testing.assert_array_equal(rows[30:40], np.tile(rows[29], (10, 1)))
    assert [30, 39, "missing"] in json.loads((tmp_path / "a.bvh.json").read_text())["states"]["pelvis"]


def test_unknown_suffixes_list_the_known_ones(take, tmp_path):
    _, world, motion = take
    with pytest.raises(InputError, match=r"\.c3d, \.csv, \.npz"):
        io.write(tmp_path / "a.fbx", world)
    with pytest.raises(InputError, match=r"\.bvh, \.fbx, \.glb"):
        io.write(tmp_path / "a.abc", motion)


def test_a_writer_can_be_added(take, tmp_path, monkeypatch):
    _, _, motion = take
    monkeypatch.setitem(io.MOTION_WRITERS, ".xyz", lambda path, m: path.write_text(str(len(m))))
    io.write(tmp_path / "a.xyz", motion)
    assert (tmp_path / "a.xyz").read_text() == "60"


def test_a_file_is_whole_or_not_there(tmp_path):
    path = tmp_path / "a.txt"
    with atomic(path) as stream:
        stream.write("old")
    with pytest.raises(RuntimeError), atomic(path) as stream:
        stream.write("new, but")
        raise RuntimeError
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_frame_rates():
    assert frame_rate(np.arange(10) / 29.97) == pytest.approx(29.97)
    assert frame_rate(np.array([3.0])) == 1.0
    with pytest.raises(InputError, match="rise"):
        frame_rate(np.zeros(4))
