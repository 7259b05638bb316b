"""A take on a robot, from the command line's function to the files."""

import json

import numpy as np
import pytest

from recon3d import pipeline
from recon3d.errors import InputError
from tests.worlds import BALANCE4


def test_a_take_on_the_g1(tmp_path):
    job = pipeline.Job(rig=BALANCE4 / "Calib.qca.txt", inputs=(str(BALANCE4 / "openpose"),), out=tmp_path / "take", fps=60.0)
    take = pipeline.run(job).take
    ((name, paths, good),) = pipeline.robot_take(take, "g1", formats=("csv", "npz", "mcap", "bag"), fps=50.0)
    assert (name, good.limit_violations, good.collisions) == ("0", 0, 0)
    assert good.slide_mm < 5
    assert all(path.exists() for path in paths)
    told = json.loads((tmp_path / "take" / "exports" / "0.g1.robot.csv.json").read_text())
    assert told["frame_rate"] == pytest.approx(50.0)
    assert told["source"]["quality"]["collisions"] == 0
    assert told["planted"]["left"] or told["planted"]["right"]
    table = np.loadtxt(tmp_path / "take" / "exports" / "0.g1.robot.csv", delimiter=",", skiprows=1)
    assert table.shape[1] == 1 + 7 + 29
    assert np.abs(np.diff(table[:, 0]) - 0.02).max() < 1e-6
    with pytest.raises(InputError, match="mcap"):
        pipeline.robot_take(take, "g1", formats=("fbx",))
    with pytest.raises(InputError, match="there are g1, talos"):
        pipeline.robot_take(take, "r2d2")
