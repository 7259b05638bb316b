"""Takes as other programs' projects and as tables of science, read back by other libraries and by our readers of those programs."""

import json
from dataclasses import replace

import h5py
import numpy as np
import pyarrow.parquet
import pytest

from recon3d import io
from recon3d.errors import InputError
from recon3d.io.projects import PROJECT_WRITERS
from recon3d.records import State
from recon3d.skeleton import load_layout, map_layout
from tests.worlds import solved


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    world, points, _ = solved()
    seen = world.keypoints2d()
    folder = tmp_path_factory.mktemp("projects")
    for name, write in PROJECT_WRITERS.items():
        for _ in range(2):  # a second time over the first
            write(folder / f"take.{name}", lambda: [points], seen, world.rig, {"anna": int(points.people[0])})
    return world, points, seen, folder


def test_easymocap(made):
    world, points, seen, folder = made
    rig = io.read_rig(folder / "take.easymocap", unit="m", format="easymocap", size=seen[0].size)
    assert set(rig.names) == set(world.rig.names)
    body = load_layout("body_25")
    want = map_layout(points.layout, body).positions(points.xyz)
    for f, frame in enumerate(points.frame.tolist()):
        (person,) = json.loads((folder / "take.easymocap" / "keypoints3d" / f"{frame:06d}.json").read_text())
        rows = np.array(person["keypoints3d"])
        there = np.isfinite(want[f, 0]).all(-1)
        np.testing.assert_allclose(rows[there, :3], want[f, 0][there], atol=1e-6)
        assert (rows[~there] == 0).all()
    found = io.read_keypoints(folder / "take.easymocap" / "annots", io.KeypointOptions(fps=60.0, layout="body_25"))
    back = {view.camera: view for view in found.views}
    for view in seen:
        mine = map_layout(view.layout, body).positions(view.xy.astype(float))
        np.testing.assert_allclose(np.nan_to_num(back[view.camera].xy[:, 0]), np.nan_to_num(mine[:, 0]), atol=2e-3)


def test_pose2sim(made):
    _, points, seen, folder = made
    project = folder / "take.pose2sim"
    (trc,) = (project / "pose-3d").glob("*.trc")
    assert trc.name.startswith("take_anna_")
    back = io.read_trc(trc)
    assert {"RShoulder", "LKnee", "Nose"} <= set(back.layout.points)
    right = points.layout.points.index("right_shoulder")
    np.testing.assert_allclose(back.xyz[:, 0, back.layout.points.index("RShoulder")], points.xyz[:, 0, right], atol=1e-5)
    assert io.read_rig(project / "calibration" / "Calib.toml", unit="m").names
    assert {p.name for p in (project / "pose").iterdir()} == {f"{view.camera}_json" for view in seen}


def test_nothing_else_is_replaced(made, tmp_path):
    world, points, seen, _ = made
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("mine")
    for write in PROJECT_WRITERS.values():
        with pytest.raises(FileExistsError, match="not written by recon3d"):
            write(tmp_path / "mine", lambda: [points], seen, world.rig, {})
    assert [p.name for p in tmp_path.rglob("*")] == ["mine", "thesis.txt"]


def test_parquet(made, tmp_path):
    points = made[1]
    io.write(tmp_path / "a.parquet", points)
    table = pyarrow.parquet.read_table(tmp_path / "a.parquet")
    frames, count = len(points), len(points.layout)
    assert table.num_rows == frames * count
    assert table.schema.metadata[b"unit"] == b"m"
    x = np.array(table["x_m"].to_pylist(), float).reshape(frames, count)
    np.testing.assert_array_equal(x, points.xyz[:, 0, :, 0])
    assert table["point"].to_pylist()[:count] == list(points.layout.points)
    assert table["state"].to_pylist()[0] == State(int(points.state[0, 0, 0])).name.lower()


@pytest.mark.filterwarnings("ignore")  # hdmf's own
def test_nwb(made, tmp_path):
    points = made[1]
    io.write(tmp_path / "a.nwb", points)
    with h5py.File(tmp_path / "a.nwb") as file:
        series = file["processing/behavior/PoseEstimation/left_knee"]
        knee = points.layout.points.index("left_knee")
        np.testing.assert_array_equal(series["data"][:], points.xyz[:, 0, knee])
        np.testing.assert_array_equal(series["timestamps"][:], points.time)
        assert series["data"].attrs["unit"] == "meters"
    import pynwb

    assert not pynwb.validate(path=str(tmp_path / "a.nwb"))
    assert [p.name for p in tmp_path.iterdir()] == ["a.nwb"]


def test_own_npz(made, tmp_path):
    points = made[1]
    io.write(tmp_path / "a.npz", points)
    np.testing.assert_array_equal(io.read_keypoints3d(tmp_path / "a.npz").xyz, points.xyz)


def test_animals_are_no_easymocap_project(made, tmp_path):
    world, points, seen, _ = made
    car = load_layout("car_24")
    other = [
        replace(
            view,
            layout=car,
            **{n: np.zeros((len(view), 1, 24, *getattr(view, n).shape[3:]), np.float32) for n in ("xy", "confidence", "sigma_px")},
        )
        for view in seen
    ]
    with pytest.raises(InputError, match="no point of BODY_25"):
        PROJECT_WRITERS["easymocap"](tmp_path / "car", lambda: [points], other, world.rig, {})
    assert not list(tmp_path.iterdir())
