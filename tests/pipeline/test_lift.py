"""One camera from the input to the take's files."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from recon3d import io, pipeline
from recon3d.detect import Linker
from recon3d.errors import CameraError, InputError
from recon3d.pipeline import LiftJob, Settings, Take
from recon3d.pipeline.settings import ExportSettings, LiftSettings
from recon3d.records import Keypoints2D
from recon3d.skeleton import load_layout
from tests.worlds import BALANCE4

OPENPOSE = BALANCE4 / "openpose" / "cam01"
RIG = BALANCE4 / "Calib.qca.txt"
FEW = Settings(export=ExportSettings(("csv", "bvh")), lift=LiftSettings(height=1.72))


@pytest.fixture(scope="module")
def seen():
    """One camera's keypoints, in memory."""
    return io.read_keypoints(OPENPOSE, io.KeypointOptions(60.0, (1088, 1920), camera="cam01")).views[0]


@pytest.fixture(scope="module")
def lifted(tmp_path_factory):
    out = tmp_path_factory.mktemp("lifted") / "take"
    return pipeline.lift_take(LiftJob(OPENPOSE, out, FEW, RIG, fps=60.0))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    out = tmp_path_factory.mktemp("whole") / "take"
    settings = Settings(export=ExportSettings(("csv",)))
    return pipeline.run(pipeline.Job(RIG, (str(BALANCE4 / "openpose"),), out, settings, fps=60.0)).take


def kept(record: Keypoints2D, path):
    io.write_keypoints2d(path, [lambda: record])
    return path


def alone(record: Keypoints2D, tmp_path, **more):
    """Lift a record without knowing its camera."""
    path = kept(record, tmp_path / "cam01.npz")
    job = LiftJob(path, tmp_path / "take", replace(FEW, lift=LiftSettings(**more)), camera="cam01")
    return pipeline.lift_take(job)


def test_a_take_like_that_of_many_cameras(lifted):
    folder = lifted.take.folder
    assert {"take.toml", "rig.toml", "keypoints3d.npz", "report.html", "report.json"} <= {p.name for p in folder.iterdir()}
    assert {p.name for p in lifted.files} >= {"0.csv", "0.bvh"}
    summary = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert summary["cameras"] == ["cam01"] and summary["observed"] > 0.8
    assert not summary["warnings"] or "tall" not in summary["warnings"][0]


def test_it_is_near_what_four_cameras_say(lifted, whole):
    (score,) = pipeline.compare_takes(lifted.take, whole)
    assert score.frames == 100 and score.pa_mm < 90 and score.depth_share < 0.1
    assert "PA-MPJPE" in score.text()


def test_people_stand_upright_on_the_floor_without_a_rig(seen, tmp_path):
    result = alone(seen, tmp_path, height=1.72)
    motion = io.read_motion(result.take.motion("0"))
    places = motion.poses().translation
    up = places[:, motion.armature.index("neck")] - places[:, motion.armature.index("pelvis")]
    assert np.median(up[:, 2] / np.linalg.norm(up, axis=-1)) > 0.9
    feet = motion.armature.keypoints(motion.poses())[:, [motion.armature.attachments.points.index(n) for n in ("left_heel", "right_heel")]]
    assert abs(np.median(feet[..., 2].min(1)) - 0.03) < 0.12
    camera = io.read_rig(result.take.folder / "rig.toml").cameras[0]
    assert 0.2 < camera.centre[2] < 3.0
    told = " ".join(result.summary.warnings)
    assert "60 degrees" in told and "Up is from how people stand" in told


def test_what_was_assumed_is_said(seen, tmp_path):
    told = " ".join(alone(seen, tmp_path).summary.warnings)
    assert "1.70 m tall" in told and "--fov" in told


def test_a_wrong_lens_costs_what_is_said(seen, tmp_path, whole):
    """Focal lengths 30 % off: depth by about as much, poses by some millimetres."""
    right = 2 * np.rad2deg(np.arctan(0.5 * 1920 / io.read_rig(RIG)["cam01"].intrinsics.focal))
    poses, depth = [], []
    for k, factor in enumerate((1.0, 1.3, 1 / 1.3)):
        fov = 2 * np.rad2deg(np.arctan(np.tan(np.deg2rad(right) / 2) / factor))
        (tmp_path / str(k)).mkdir()
        take = alone(seen, tmp_path / str(k), fov=float(fov), height=1.72).take
        poses.append(pipeline.compare_takes(take, whole)[0].pa_mm)
        camera, motion = io.read_rig(take.folder / "rig.toml").cameras[0], io.read_motion(take.motion("0"))
        depth.append(np.median((camera.cam_from_world @ motion.translation)[:, 2]))
    assert depth[1] / depth[0] == pytest.approx(1.3, abs=0.1) and depth[2] / depth[0] == pytest.approx(1 / 1.3, abs=0.1)
    assert max(poses) < poses[0] + 25


def test_a_lens_that_is_not_known_is_in_the_covariance(seen, tmp_path):
    spread = []
    for k, fov in enumerate((60.0, 0.0)):
        (tmp_path / str(k)).mkdir()
        take = alone(seen, tmp_path / str(k), fov=fov, height=1.72).take
        motion, camera = io.read_motion(take.motion("0")), io.read_rig(take.folder / "rig.toml").cameras[0]
        far = np.linalg.norm(motion.translation - camera.centre, axis=-1)
        spread.append(np.trace(motion.covariance[:, 0], axis1=-2, axis2=-1) / far**2)
    assert np.median(spread[1] - spread[0]) == pytest.approx(0.15**2, rel=1e-3)


def test_again_with_other_settings(lifted, tmp_path):
    copy = tmp_path / "take"
    shutil.copytree(lifted.take.folder, copy)
    job = pipeline.job_of(Take.existing(copy))
    assert isinstance(job, LiftJob) and job.settings.lift.height == 1.72 and job.camera == "cam01"
    before = {p.name for p in (copy / "stages").iterdir()}
    pipeline.lift_take(pipeline.with_motion(job, "smpl_24", None, None))
    after = {p.name for p in (copy / "stages").iterdir()}
    assert {name.split("-")[0] for name in before - after} == {"motion"}
    human, other = (io.read_motion(folder / "motion" / "0.npz") for folder in (lifted.take.folder, copy))
    assert np.median(np.linalg.norm(human.translation - other.translation, axis=-1)) < 0.25  # as far away, on whatever armature
    (copy / "people.toml").write_text('[name]\n0 = "anna"\n', encoding="utf-8")
    pipeline.lift_take(job)
    assert (copy / "motion" / "anna.npz").is_file() and not (copy / "motion" / "0.npz").exists()


def test_long_takes_are_lifted_in_windows(seen, tmp_path):
    """Windows of a few frames give what one window gives, but for what the lifter sees of the frames around."""
    whole = alone(seen, tmp_path, height=1.72).take
    (tmp_path / "b").mkdir()
    path = kept(seen, tmp_path / "b" / "cam01.npz")
    settings = replace(FEW, lift=LiftSettings(height=1.72), multiview=replace(FEW.multiview, window=40))
    parts = pipeline.lift_take(LiftJob(path, tmp_path / "b" / "take", settings, camera="cam01")).take
    score = pipeline.compare_takes(parts, whole)[0]
    assert score.frames == 100 and score.pa_mm < 40  # lengths are taken from other frames


def test_what_is_no_person_is_said(seen, tmp_path):
    """Points of a body in no order at all."""
    linked = Linker().link(seen)
    order = np.random.default_rng(0).permutation(len(linked.layout))
    result = alone(replace(linked, xy=linked.xy[:, :, order]), tmp_path, fov=60.0, height=1.72)
    assert any("does not fit what was seen" in text for text in result.summary.warnings)


def half(record):
    """Legs never seen."""
    low = [k for k, name in enumerate(record.layout.points) if any(p in name for p in ("hip", "knee", "ankle", "heel", "toe"))]
    xy = record.xy.copy()
    xy[:, :, low] = np.nan
    confidence = record.confidence.copy()
    confidence[:, :, low] = 0
    return replace(record, xy=xy, confidence=confidence)


def test_half_a_body_all_the_time(seen, tmp_path):
    """Legs that nobody sees are far less certain than arms."""
    motion = io.read_motion(alone(half(seen), tmp_path, fov=60.0, height=1.72).take.motion("0"))
    spread = np.trace(motion.covariance - motion.covariance[:, :1], axis1=-2, axis2=-1)  # beside what the whole body is off by
    about = {n: float(np.median(spread[:, motion.armature.index(n)])) for n in ("left_ankle", "right_ankle", "left_elbow", "right_elbow")}
    assert min(about["left_ankle"], about["right_ankle"]) > 1.3 * max(about["left_elbow"], about["right_elbow"])
    assert (motion.state[:, motion.armature.index("left_knee")] == 3).all()


def test_a_still_picture(seen, tmp_path):
    motion = io.read_motion(alone(seen.window(slice(0, 1)), tmp_path, height=1.72).take.motion("0"))
    assert len(motion) == 1 and np.isfinite(motion.translation).all()


def test_upside_down(seen, tmp_path):
    """A picture that stands on its head: no error, and the poses are still poses."""
    width, height = seen.size
    turned = replace(seen, xy=(np.array([width - 1, height - 1]) - seen.xy).astype(np.float32))
    motion = io.read_motion(alone(turned, tmp_path, height=1.72).take.motion("0"))
    assert np.isfinite(motion.translation).all() and np.isfinite(motion.covariance).all()


def test_a_jump_cut(seen, tmp_path):
    """From one frame to the next somebody is elsewhere: the take goes on."""
    xy = seen.xy.copy()
    xy[50:, ..., 0] += 300
    linked = Linker().link(seen)
    result = alone(replace(linked, xy=xy[:, : linked.xy.shape[1]]), tmp_path, height=1.72)
    motion = io.read_motion(result.take.motion("0"))
    assert any("jumps across the picture at frame 50" in text for text in result.summary.warnings)
    moved = np.linalg.norm(motion.translation[60:].mean(0) - motion.translation[:40].mean(0))
    assert moved > 0.3


def test_what_is_refused(seen, tmp_path):
    with pytest.raises(InputError, match="not there"):
        pipeline.lift_take(LiftJob(tmp_path / "no.mp4", tmp_path / "a"))
    with pytest.raises(CameraError, match="--camera"):
        pipeline.lift_take(LiftJob(kept(seen, tmp_path / "x.npz"), tmp_path / "b", rig=RIG))
    with pytest.raises(InputError, match="--fov is for"):
        pipeline.lift_take(LiftJob(OPENPOSE, tmp_path / "c", replace(FEW, lift=LiftSettings(fov=50)), RIG, fps=60.0))
    with pytest.raises(InputError, match="degrees"):
        LiftSettings(fov=190.0)
    with pytest.raises(InputError, match="metres"):
        LiftSettings(height=172.0)
    animal = load_layout("openpifpaf_animal_24") if "openpifpaf_animal_24" in io_layouts() else load_layout("car_24")
    joints = len(animal)
    other = replace(
        seen, layout=animal, xy=np.zeros((len(seen), 1, joints, 2), np.float32), confidence=np.ones((len(seen), 1, joints), np.float32),
        sigma_px=np.ones((len(seen), 1, joints), np.float32), person_id=seen.person_id[:, :1], box=seen.box[:, :1],
    )  # fmt: skip
    with pytest.raises(InputError, match="people"):
        alone(other, tmp_path)
    empty = replace(seen, confidence=np.zeros_like(seen.confidence), xy=np.full_like(seen.xy, np.nan))
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError):
        alone(empty, tmp_path / "empty")
    assert not (tmp_path / "empty" / "take" / "motion").exists()


def io_layouts():
    from recon3d.skeleton import layout_names

    return layout_names()


def test_people_who_are_hardly_seen_are_refused(seen, tmp_path):
    """Somebody for a few frames is nobody, and is listed."""
    linked = Linker().link(seen)
    before = len(_refused_and_not(alone(linked, tmp_path, height=1.72)))
    brief = np.where((np.arange(len(seen)) < 8)[:, None], 77, -1).astype(linked.person_id.dtype)
    arrays = {n: np.concatenate([getattr(linked, n), getattr(linked, n)[:, :1]], 1) for n in ("xy", "confidence", "sigma_px", "box")}
    doubled = replace(linked, **arrays | {"person_id": np.concatenate([linked.person_id, brief], 1)})
    (tmp_path / "b").mkdir()
    result = alone(doubled, tmp_path / "b", height=1.72)
    assert len(_refused_and_not(result)) == before + 1
    assert any(one["reason"].startswith("seen for 0.12 s") for one in result.summary.refused)


def _refused_and_not(result):
    return [*result.summary.people, *result.summary.refused]


def test_files_that_do_not_tell_their_pictures_size(tmp_path):
    """OpenPose's files without a rig: the size is told, and remembered when the take is solved again."""
    job = LiftJob(BALANCE4 / "openpose" / "cam02", tmp_path / "take", FEW, fps=60.0, stop=20)
    with pytest.raises(InputError, match="--size WIDTH HEIGHT"):
        pipeline.lift_take(job)
    take = pipeline.lift_take(replace(job, size=(1088, 1920))).take
    assert pipeline.job_of(take) == replace(job, size=(1088, 1920), camera="cam02", settings=pipeline.job_of(take).settings)
