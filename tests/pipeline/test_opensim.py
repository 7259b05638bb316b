"""Folders for OpenSim, looked at by OpenSim itself."""

import shutil
from importlib import import_module

import numpy as np
import pytest

from recon3d import io, pipeline
from recon3d.errors import InputError
from recon3d.io.osim import measurements, write_osim
from recon3d.io.sto import read_sto, write_sto
from recon3d.records import Keypoints3D
from recon3d.skeleton import joint_angles, load_armature
from recon3d.skeleton.coordinates import GROUND, ROOT_PLACE, coordinate_values, coordinates
from recon3d.synthetic import make_person
from tests.worlds import BALANCE4

opensim = import_module("opensim")
opensim.Logger.setLevelString("Error")
opensim.Logger.removeFileSink()


def opened(path):
    model = opensim.Model(str(path))
    return model, model.initSystem()


@pytest.mark.parametrize("kind", ["dance", "jump", "fall"])
def test_the_model_moves_as_the_motion_does(tmp_path, kind):
    motion = make_person(kind, 31, 60.0, seed=2).motion
    io.write(tmp_path / "own.osim", motion)
    io.write(tmp_path / "own.mot", motion)
    model, state = opened(tmp_path / "own.osim")
    table = read_sto(tmp_path / "own.mot")
    want = motion.armature.keypoints(motion.poses()) @ GROUND.T
    moving = [model.getCoordinateSet().get(i) for i in range(model.getCoordinateSet().getSize())]
    assert {c.getName() for c in moving} == set(table) - {"time"}
    for t in range(0, 31, 5):
        for c in moving:
            value = table[c.getName()][t]
            c.setValue(state, float(value if c.getName() in ROOT_PLACE else np.deg2rad(value)), False)
        model.realizePosition(state)
        for k, name in enumerate(motion.armature.attachments.points):
            place = model.getMarkerSet().get(name).getLocationInGround(state).to_numpy()
            np.testing.assert_allclose(place, want[t, k], atol=1e-6)
    # No jumps: an arm over the head passes where flexion and rotation cannot be told apart.
    assert all(np.abs(np.diff(values)).max() < 60 for values in table.values())


def test_the_model_stands_upright_and_weighs_what_a_person_does(tmp_path):
    armature = load_armature("human")
    write_osim(tmp_path / "generic.osim", armature)
    model, state = opened(tmp_path / "generic.osim")
    model.realizePosition(state)
    assert model.getTotalMass(state) == pytest.approx(70, abs=0.5)

    def at(name):
        return model.getMarkerSet().get(name).getLocationInGround(state).to_numpy()

    assert at("nose")[1] > at("left_hip")[1] > at("left_ankle")[1]
    assert at("left_wrist")[1] < at("left_elbow")[1] < at("left_shoulder")[1]  # arms hang
    assert at("nose")[0] > at("left_ear")[0]  # looks forward along x
    assert at("right_hip")[2] > at("left_hip")[2]


def test_signs_are_those_of_opensims_models():
    names = {c.name for c in coordinates(load_armature("human"))}
    assert {"pelvis_tilt", "hip_flexion_r", "hip_adduction_l", "knee_angle_r", "ankle_angle_l", "lumbar_extension", "arm_flex_r"} <= names
    motion = make_person("gait", 60, 60.0).motion
    table = {name: np.rad2deg(values) for name, values in coordinate_values(motion.armature, motion.poses()).items()}
    assert np.median(table["knee_angle_r"]) > 0
    assert table["knee_angle_r"].max() > 40
    ours = joint_angles(motion.armature, motion.poses())
    for side, short in (("left", "l"), ("right", "r")):
        np.testing.assert_allclose(table[f"hip_flexion_{short}"], ours[f"{side}_hip.flexion"], atol=1e-6)
        np.testing.assert_allclose(table[f"hip_adduction_{short}"], -ours[f"{side}_hip.abduction"], atol=1e-6)
        np.testing.assert_allclose(table[f"hip_rotation_{short}"], ours[f"{side}_hip.rotation"], atol=1e-6)
        np.testing.assert_allclose(table[f"knee_angle_{short}"], ours[f"{side}_knee.flexion"], atol=1e-6)
        np.testing.assert_allclose(table[f"ankle_angle_{short}"], ours[f"{side}_ankle.flexion"], atol=1e-6)
        np.testing.assert_allclose(table[f"elbow_flex_{short}"], ours[f"{side}_elbow.flexion"], atol=1e-6)


def test_a_take_is_scaled_and_solved_by_opensim(tmp_path):
    job = pipeline.Job(rig=BALANCE4 / "Calib.qca.txt", inputs=(str(BALANCE4 / "openpose"),), out=tmp_path / "take", fps=60.0, stop=40)
    take = pipeline.run(job).take
    (made,) = pipeline.opensim_take(take, run=True)
    assert {p.name for p in made.folder.iterdir()} >= {
        "generic.osim", "markers.trc", "markers.xml", "scale.xml", "ik.xml", "person.osim", "motion.mot", "scaled.osim", "ik.mot",
    }  # fmt: skip
    assert 3 < made.marker_mm < 45
    assert made.ours_mm < made.marker_mm
    for name in ("knee_angle_l", "knee_angle_r", "elbow_flex_l", "elbow_flex_r"):
        assert made.off_deg[name] < 8, name
    pipeline.run(job)  # the folder of an earlier run is in nobody's way
    export = pipeline.export_take(take, ("mot", "osim", "trc"))
    assert all((p.parent / f"{p.name}.json").is_file() for p in export)


def test_what_can_be_measured_is_scaled():
    armature = load_armature("human")
    names = [m[0] for m in measurements(armature, ("left_hip", "right_hip", "left_knee", "right_knee", "left_ankle"))]
    assert names == ["pelvis", "thigh", "shank"]


def test_tables(tmp_path):
    write_sto(tmp_path / "a.sto", {"time": np.arange(3) / 60, "knee_angle_r": np.array([1.0, 2.0, 3.0])}, "a")
    assert opensim.TimeSeriesTable(str(tmp_path / "a.sto")).getNumRows() == 3
    assert read_sto(tmp_path / "a.sto")["knee_angle_r"].tolist() == [1, 2, 3]
    text = (tmp_path / "a.sto").read_text()
    (tmp_path / "rad.sto").write_text(text.replace("inDegrees=yes", "inDegrees=no"))
    np.testing.assert_allclose(read_sto(tmp_path / "rad.sto")["knee_angle_r"], np.rad2deg([1, 2, 3]))
    for change, message in (
        (text.replace("endheader", "end"), "no endheader"),
        (text.replace("nRows=3", "nRows=4"), "4 rows are announced, 3"),
        (text.rstrip().rsplit("\t", 1)[0] + "\n", "1 numbers under 2 names"),
        (text + "x\ty\n", "line 11"),
    ):
        (tmp_path / "bad.sto").write_text(change)
        with pytest.raises(InputError, match=message):
            read_sto(tmp_path / "bad.sto")


def test_gaps_in_markers_and_an_absent_person(tmp_path):
    """OpenSim reads what is missing as missing."""
    job = pipeline.Job(rig=BALANCE4 / "Calib.qca.txt", inputs=(str(BALANCE4 / "openpose"),), out=tmp_path / "take", fps=60.0, stop=20)
    take = pipeline.run(job).take
    world = io.read_keypoints3d(take.keypoints3d)
    arrays = {name: getattr(world, name).copy() for name in ("xyz", "confidence", "covariance", "views", "state", "residual_px")}
    knee = [world.layout.points.index("left_knee"), len(world.layout) - 1]  # the last one too: OpenSim drops empty cells there
    for name, values in arrays.items():
        values[5:12, :, knee] = np.nan if name in ("xyz", "covariance", "residual_px") else 0
    kept = Keypoints3D(layout=world.layout, frame=world.frame, time=world.time, people=world.people, **arrays)
    io.write(tmp_path / "gap.trc", kept)
    table = opensim.TimeSeriesTableVec3(str(tmp_path / "gap.trc"))
    column = table.getDependentColumn("left_knee")
    rows = np.array([column.getElt(k, 0).to_numpy() for k in range(20)])
    assert np.isnan(rows[5:12]).all()
    assert np.isfinite(rows[:5]).all()


def test_a_take_without_its_first_frames_late_in_the_day(tmp_path):
    job = pipeline.Job(rig=BALANCE4 / "Calib.qca.txt", inputs=(str(BALANCE4 / "openpose"),), out=tmp_path / "take", fps=60.0, stop=20)
    take = pipeline.run(job).take
    shutil.rmtree(take.folder / "stages")
    for path, change in ((take.motion("0"), ("translation", "rotation")), (take.keypoints3d, ("xyz", "covariance", "residual_px"))):
        with np.load(path) as data:
            arrays = dict(data)
        arrays["time"] = arrays["time"] + 20_000.0
        for name in change:
            arrays[name][:3] = np.nan
        if "views" in arrays:
            arrays["views"][:3] = arrays["state"][:3] = arrays["confidence"][:3] = 0
        np.savez(path, **arrays)
    (made,) = pipeline.opensim_take(take, run=True)
    assert len(read_sto(made.folder / "ik.mot")["time"]) == 17
    assert made.ours_mm < made.marker_mm < 45
    assert np.diff(read_sto(made.folder / "motion.mot")["time"]).min() > 0.016
