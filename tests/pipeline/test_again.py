"""What is done with a take that is there: its motion again, its exports again."""

import json
import re
import shutil

import pytest

from recon3d import io, pipeline
from recon3d.errors import InputError
from recon3d.pipeline import Job, Take
from tests.worlds import BALANCE4


@pytest.fixture(scope="module")
def take(tmp_path_factory):
    out = tmp_path_factory.mktemp("take") / "a"
    return pipeline.run(Job(rig=BALANCE4 / "Calib.qca.txt", inputs=(str(BALANCE4 / "openpose"),), out=out, fps=60.0))


def test_motion_again_with_other_settings(take, tmp_path):
    """Only the motion is solved again; everything before it is kept."""
    copy = tmp_path / "take"
    shutil.copytree(take.take.folder, copy)
    before = {p.name for p in (copy / "stages").iterdir()}
    job = pipeline.with_motion(pipeline.job_of(Take.existing(copy)), "smpl_24", None, None)
    pipeline.run(job)
    after = {p.name for p in (copy / "stages").iterdir()}
    assert {name.split("-")[0] for name in before - after} == {"motion"}
    assert io.read_motion(copy / "motion" / "0.npz").armature.skeleton.name == "smpl_24"
    data = (copy / "take.toml").read_text(encoding="utf-8")
    rig = re.search(r'(?m)^rig = "(.*)"$', data)
    assert rig
    (copy / "take.toml").write_text(data.replace(rig.group(1), "/nowhere/rig.toml"), encoding="utf-8")
    with pytest.raises(InputError, match="files that moved"):
        pipeline.job_of(Take.existing(copy))


def test_exports_again(take, tmp_path):
    copy = tmp_path / "take"
    shutil.copytree(take.take.folder, copy)
    shutil.rmtree(copy / "exports")
    written = pipeline.export_take(Take.existing(copy), ["bvh", "csv"])
    assert [p.name for p in written] == ["0.bvh", "0.csv"]
    assert (copy / "exports" / "0.csv").read_bytes() == (take.take.folder / "exports" / "0.csv").read_bytes()
    presets = pipeline.export_take(Take.existing(copy), ["fbx", "amass.npz"], preset="unreal")
    assert [p.name for p in presets] == ["0.unreal.fbx", "0.amass.npz"]
    told = json.loads((copy / "exports" / "0.unreal.fbx.json").read_text())
    source = told["source"]
    assert (source["take"], source["preset"], source["rest"]) == ("take", "unreal", "A")
    assert source["motion"]["armature"] == "auto" and len(source["input_hashes"]) == 5
    assert told["up"] == "z" and told["joints"][0] == "root"
    with pytest.raises(InputError, match="not for csv"):
        pipeline.export_take(Take.existing(copy), ["csv"], preset="unreal")
    shutil.rmtree(copy / "stages")
    pipeline.export_take(Take.existing(copy), ["trc"])
    with pytest.raises(InputError, match="bvh, c3d, csv, easymocap, fbx, glb"):
        pipeline.export_take(Take.existing(copy), ["abc"])
    with pytest.raises(InputError, match="not a take folder"):
        Take.existing(tmp_path)
