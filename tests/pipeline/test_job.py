"""The job from end to end, and what it does with input that cannot be used."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from recon3d import io, pipeline
from recon3d.errors import CameraError, InputError, LayoutError, Recon3dError
from recon3d.multiview import MultiviewSettings
from recon3d.pipeline import Job, Settings, Take, load_settings
from recon3d.pipeline.inputs import find_inputs, fingerprint
from recon3d.pipeline.settings import ExportSettings
from recon3d.skeleton import load_layout
from recon3d.synthetic import make_rig
from tests.worlds import BALANCE4, clean, gait

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
RIG = BALANCE4 / "Calib.qca.txt"
OPENPOSE = str(BALANCE4 / "openpose")


def job(out, **changes):
    values = {"rig": RIG, "inputs": (OPENPOSE,), "out": out, "fps": 60.0} | changes
    return Job(**values)


@pytest.fixture(scope="module")
def take(tmp_path_factory):
    out = tmp_path_factory.mktemp("take") / "a"
    return pipeline.run(job(out))


def snapshot(folder: Path):
    return {p.relative_to(folder).as_posix(): p.stat().st_mtime_ns for p in sorted(folder.rglob("*")) if p.is_file()}


def test_everything_is_there(take):
    folder = take.take.folder
    for name in (
        "take.toml", "rig.toml", "keypoints2d/cam01.npz", "keypoints3d.npz", "motion/0.npz", "report.html", "report.json",
        "exports/0.bvh", "exports/0.glb", "exports/0.csv", "exports/0.trc", "exports/0.c3d",
    ):  # fmt: skip
        assert (folder / name).is_file(), name
    assert not [p for p in folder.rglob("*") if p.suffix == ".part"]


def test_the_person_stands_on_the_floor_and_is_a_person(take):
    motion = io.read_motion(take.take.motion("0"))
    place = motion.poses().translation
    head, foot = motion.armature.index("head"), [motion.armature.index(f"{s}_toes") for s in ("left", "right")]
    assert (place[:, head, 2] > 1.2).all()
    assert abs(np.median(place[:, foot, 2].min(1))) < 0.12
    bones = take.summary.people[0].bones_m
    assert 0.36 < bones["left_knee"] < 0.48
    assert 0.34 < bones["left_ankle"] < 0.46


def test_the_report_says_that_the_cameras_disagree(take):
    (first, *_) = take.summary.warnings
    assert first.startswith("The cameras disagree: cam03 by 2")
    for word in ("cam01", "px from what the others say", "No camera was dropped", "What to do"):
        assert word in first
    data = json.loads((take.take.folder / "report.json").read_text())
    assert data["warnings"] == take.summary.warnings
    assert 12 < data["residual_px"] < 18
    assert data["observed"] > 0.97
    page = (take.take.folder / "report.html").read_text()
    assert "cameras disagree" in page
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in page


def test_no_view_is_dropped(take):
    world = io.read_keypoints3d(take.take.keypoints3d)
    limbs = [world.layout.index(f"{s}_{j}") for s in ("left", "right") for j in ("shoulder", "hip", "knee", "ankle", "elbow", "wrist")]
    assert (world.views[:, 0, limbs] == 4).mean() > 0.75


def test_a_second_run_does_only_what_is_missing(tmp_path):
    out = tmp_path / "take"
    pipeline.run(job(out))
    before = {k: v for k, v in snapshot(out).items() if k.startswith("stages")}
    pipeline.run(job(out))
    assert {k: v for k, v in snapshot(out).items() if k.startswith("stages")} == before
    settings = Settings(motion=replace(Settings().motion, longest_gap=0.3))
    pipeline.run(job(out, settings=settings))
    after = {k: v for k, v in snapshot(out).items() if k.startswith("stages")}
    kept = {k for k in before if not k.startswith("stages/motion")}
    assert {k: after[k] for k in kept} == {k: before[k] for k in kept}
    assert len([p for p in (out / "stages").iterdir() if p.name.startswith("motion")]) == 1


def test_a_take_folder_speaks_of_one_run(tmp_path):
    out = tmp_path / "take"
    pipeline.run(job(out, stop=30))
    (out / "exports" / "notes.txt").write_text("mine")
    (out / "keypoints2d" / ".cam01.npz.77.part").write_text("left by a run that was killed")
    two = tuple(f"{name}={OPENPOSE}/{name}" for name in ("cam01", "cam02"))
    pipeline.run(job(out, inputs=two, stop=20, settings=Settings(multiview=MultiviewSettings(people=1), export=ExportSettings(("bvh",)))))
    assert sorted(p.name for p in (out / "exports").iterdir()) == ["0.bvh", "0.bvh.json", "notes.txt"]
    assert sorted(p.name for p in (out / "keypoints2d").iterdir()) == ["cam01.npz", "cam02.npz"]
    assert len(list((out / "stages").iterdir())) == 4


def test_own_layout_and_armature_files_count_by_content(tmp_path):
    layout = tmp_path / "mine.toml"
    text = (Path(io.__file__).parents[1] / "skeleton" / "layouts" / "body_25b.toml").read_text()
    layout.write_text(text)
    changed = job(tmp_path / "take", stop=10, layout=str(layout))
    pipeline.run(changed)
    layout.write_text(text.replace("left_wrist", "left_palm"))
    load_layout.cache_clear()
    result = pipeline.run(changed)
    assert "left_palm_x_m" in (result.take.export(0, ".csv")).read_text().split("\n")[0]


def test_lengths_are_measured_wherever_the_person_is(tmp_path):
    """Somebody who is away in the middle of a take of many windows still gets own bones."""
    folder = copy_openpose(tmp_path / "in")
    for path in folder.rglob("*.json"):
        if 20 <= int(path.stem.split(".")[1]) < 80:
            path.write_text('{"version":1.3,"people":[]}')
    small = Settings(multiview=MultiviewSettings(window=10))
    result = pipeline.run(job(tmp_path / "take", inputs=(str(folder),), layout="body_25b", settings=small))
    whole = pipeline.run(job(tmp_path / "whole"))
    assert result.summary.people[0].bones_m["left_knee"] == pytest.approx(whole.summary.people[0].bones_m["left_knee"], abs=0.015)


def test_windows_and_frames(tmp_path):
    small = Settings(multiview=MultiviewSettings(window=17))
    whole = pipeline.run(job(tmp_path / "a", first=10, stop=70))
    parts = pipeline.run(job(tmp_path / "b", first=10, stop=70, settings=small))
    a, b = (io.read_keypoints3d(r.take.keypoints3d) for r in (whole, parts))
    assert a.frame.tolist() == list(range(10, 70))
    np.testing.assert_allclose(a.xyz, b.xyz, atol=1e-9)
    np.testing.assert_array_equal(a.state, b.state)
    assert (tmp_path / "b" / "exports" / "0.trc").read_text().count("\n") == 66
    assert parts.summary.frames == 60


def test_own_keypoints_as_input(take, tmp_path):
    again = pipeline.run(job(tmp_path / "b", inputs=(str(take.take.folder / "keypoints2d"),), fps=None))
    a, b = (io.read_keypoints3d(r.take.keypoints3d) for r in (take, again))
    np.testing.assert_allclose(a.xyz, b.xyz, atol=1e-9)


@pytest.mark.parametrize("name", ["default", "fast", "accurate"])
def test_configs(tmp_path, name):
    settings = load_settings(CONFIGS / f"{name}.toml")
    if name == "default":
        assert settings == Settings()
    result = pipeline.run(job(tmp_path / name, settings=settings, stop=30))
    assert result.summary.frames == 30
    assert {p.name.partition(".")[2] for p in result.files} >= set(settings.export.formats)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[multiview]\nmin_confidense = 0.3\n", "unknown key 'min_confidense'; there are .*min_confidence"),
        ("[multi]\n", r"unknown table \[multi\]"),
        ('[motion]\nlongest_gap = "long"\n', "longest_gap must be of kind float"),
        ("[motion]\nlongest_gap = -1\n", "longest_gap must be positive"),
        ('[export]\nformats = ["abc"]\n', "'abc' is not one of amass.npz, angles.csv, angles.parquet, bvh, c3d"),
        ('[export]\npreset = "daz"\n', "no preset 'daz'; there are blender, cmu"),
        ("[detect\n", "not valid TOML"),
        ("[multiview]\nwindow = 0\n", "window must be 1 or more"),
        ("[multiview]\nmin_confidence = nan\n", "min_confidence must lie between 0 and 1"),
        ("[detect]\nmax_people = 0\n", "max_people must be 1 or more"),
        ('[export]\nformats = "bvh"\n', "formats must be a list of words"),
    ],
)
def test_faulty_settings(tmp_path, text, message):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        load_settings(path)


def _rig_toml(folder: Path) -> str:
    io.write_rig_toml(folder / "as_is.toml", io.read_rig(RIG))
    return (folder / "as_is.toml").read_text()


def copy_openpose(target: Path) -> Path:
    shutil.copytree(OPENPOSE, target)
    return target


def refused(tmp_path, kind=Recon3dError, **changes) -> str:
    """Run a job that must be refused; nothing may be left of it but complete stages."""
    out = tmp_path / "take"
    with pytest.raises(kind) as caught:
        pipeline.run(job(out, **changes))
    left = [k for k in snapshot(out) if not k.startswith("stages/")] if out.exists() else []
    assert not left
    return str(caught.value)


class TestInputThatCannotBeUsed:
    def test_no_frame_rate(self, tmp_path):
        assert "--fps" in refused(tmp_path, InputError, fps=None)
        assert "positive" in refused(tmp_path, InputError, fps=-3.0)
        assert "positive" in refused(tmp_path, InputError, fps=float("nan"))

    def test_cameras_that_do_not_match(self, tmp_path):
        folder = copy_openpose(tmp_path / "in")
        for k, old in enumerate(sorted(folder.iterdir())):
            old.rename(folder / f"view{'ABCD'[k]}")
        message = refused(tmp_path, CameraError, inputs=(str(folder),))
        assert "cam01, cam02, cam03, cam04" in message
        assert "viewA, viewB, viewC, viewD" in message
        message = refused(tmp_path, CameraError, inputs=(f"left={folder}/viewA", f"cam01={folder}/viewB"))
        assert "no camera 'left'" in message
        assert "given are cam01, left" in message

    def test_a_missing_camera(self, tmp_path):
        folder = copy_openpose(tmp_path / "in")
        shutil.rmtree(folder / "cam04")
        result = pipeline.run(job(tmp_path / "take", inputs=(str(folder),)))
        assert result.summary.cameras == ["cam01", "cam02", "cam03"]
        assert any("cam04 100 %" in w for w in result.summary.warnings)
        for name in ("cam02", "cam03"):
            shutil.rmtree(folder / name)
        assert "only cam01" in refused(tmp_path / "other", CameraError, inputs=(str(folder),))

    def test_one_name_that_fits_nothing(self, tmp_path):
        folder = copy_openpose(tmp_path / "in")
        (folder / "cam04").rename(folder / "kamera4")
        message = refused(tmp_path, CameraError, inputs=(str(folder),))
        assert "nothing for cam04" in message
        assert "no camera for kamera4" in message

    def test_the_take_folder_is_no_place_for_inputs(self, tmp_path):
        out = tmp_path / "take"
        pipeline.run(job(out, stop=20))
        before = snapshot(out)
        with pytest.raises(InputError, match="lie inside the take folder"):
            pipeline.run(job(out, inputs=(str(out / "keypoints2d"),), fps=None))
        with pytest.raises(InputError, match="is a file"):
            pipeline.run(job(out / "take.toml"))
        assert snapshot(out) == before
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine" / "thesis.txt").write_text("x")
        with pytest.raises(InputError, match="holds other files"):
            pipeline.run(job(tmp_path / "mine"))

    def test_a_failing_run_leaves_the_take_as_it_was(self, tmp_path):
        out, folder = tmp_path / "take", copy_openpose(tmp_path / "in")
        pipeline.run(job(out, stop=20))
        before = snapshot(out)
        for path in folder.rglob("*.json"):
            path.write_text('{"version":1.3,"people":[]}')
        with pytest.raises(CameraError):
            pipeline.run(job(out, inputs=(str(folder),), layout="body_25b"))
        after = snapshot(out)
        assert {k: after.get(k) for k in before} == before
        written = pipeline.export_take(Take.existing(out), ["csv"])
        assert written[0].read_text().count("\n") == 21

    def test_a_rig_file_in_millimetres(self, tmp_path):
        text = []
        for line in _rig_toml(tmp_path).splitlines():
            if line.startswith("translation"):
                values = [1000 * float(v) for v in line.split("[")[1].rstrip("]").split(",")]
                line = f"translation = {values}"
            text.append(line)
        path = tmp_path / "mm.toml"
        path.write_text("\n".join(text))
        assert "--rig-unit mm" in refused(tmp_path, CameraError, rig=path)
        assert pipeline.run(job(tmp_path / "ok", rig=path, rig_unit="mm", stop=20)).summary.observed > 0.9

    def test_missing_paths(self, tmp_path):
        assert "does not exist" in refused(tmp_path, InputError, inputs=(str(tmp_path / "none"),))
        message = refused(tmp_path, InputError, inputs=("cam01=/none/a", "cam02=/none/b"))
        assert "camera cam01" in message
        assert "camera cam02" in message
        assert "no such file" in refused(tmp_path, InputError, rig=tmp_path / "rig.toml")

    @pytest.mark.parametrize("content", ["", '{"version":1.3,"people":[{"pose_key'])
    def test_an_empty_or_cut_file(self, tmp_path, content):
        folder = copy_openpose(tmp_path / "in")
        (folder / "cam02" / "cam02.0041.json").write_text(content)
        message = refused(tmp_path, InputError, inputs=(str(folder),))
        assert "camera cam02" in message
        assert "cam02.0041.json" in message

    def test_different_frame_counts(self, tmp_path):
        folder = copy_openpose(tmp_path / "in")
        for k in range(60, 100):
            (folder / "cam03" / f"cam03.{k:04d}.json").unlink()
        result = pipeline.run(job(tmp_path / "take", inputs=(str(folder),)))
        assert result.summary.frames == 100
        assert any("cam03 40 %" in w for w in result.summary.warnings)

    def test_pixels_that_are_not_numbers(self, tmp_path):
        folder = copy_openpose(tmp_path / "in")
        for k in range(0, 100, 3):
            path = folder / "cam01" / f"cam01.{k:04d}.json"
            data = json.loads(path.read_text())
            data["people"][0]["pose_keypoints_2d"][21:27] = [float("nan"), 3, 1, float("inf"), 2, 1]
            path.write_text(json.dumps(data))
        result = pipeline.run(job(tmp_path / "take", inputs=(str(folder),)))
        assert result.summary.observed > 0.95

    def test_a_rig_in_millimetres(self, tmp_path):
        rig = io.read_rig(RIG)
        lines = []
        for c in rig:
            pose = c.cam_from_world
            lines += [
                f"[{c.name}]", f'name = "{c.name}"', f"size = {list(c.intrinsics.size)}", f"matrix = {c.intrinsics.K.tolist()}",
                f"distortions = {c.intrinsics.dist.tolist()}", f"rotation = {pose.rotation.log().tolist()}",
                f"translation = {(1000 * pose.translation).tolist()}",
            ]  # fmt: skip
        (tmp_path / "mm.toml").write_text("\n".join(lines))
        a = pipeline.run(job(tmp_path / "a", rig=tmp_path / "mm.toml", stop=20))
        b = pipeline.run(job(tmp_path / "b", stop=20))
        xyz = [io.read_keypoints3d(r.take.keypoints3d).xyz for r in (a, b)]
        np.testing.assert_allclose(xyz[0], xyz[1], atol=1e-6)

    def test_an_inverted_transform(self, tmp_path):
        from recon3d.geometry import Camera, CameraRig

        rig = CameraRig(tuple(Camera(c.name, c.intrinsics, c.cam_from_world.inverse()) for c in io.read_rig(RIG)))
        io.write_rig_toml(tmp_path / "rig.toml", rig)
        assert "transforms are inverted" in refused(tmp_path, CameraError, rig=tmp_path / "rig.toml")

    def test_a_world_of_unknown_scale(self, tmp_path):
        from recon3d.geometry import CameraRig

        io.write_rig_toml(tmp_path / "rig.toml", CameraRig(io.read_rig(RIG).cameras, unknown=frozenset({"scale"})))
        assert "scale" in refused(tmp_path, CameraError, rig=tmp_path / "rig.toml")

    def test_zero_people(self, tmp_path):
        folder = copy_openpose(tmp_path / "in")
        for path in folder.rglob("*.json"):
            path.write_text('{"version":1.3,"people":[]}')
        assert "nobody" in refused(tmp_path, LayoutError, inputs=(str(folder),))
        assert "nobody is seen" in refused(tmp_path, CameraError, inputs=(str(folder),), layout="body_25b")

    def test_one_frame(self, tmp_path):
        result = pipeline.run(job(tmp_path / "take", first=50, stop=51))
        assert result.summary.frames == 1
        assert io.read_motion(result.take.motion("0")).present().all()

    def test_frames_that_are_not_there(self, tmp_path):
        assert "--frames 500:" in refused(tmp_path, InputError, first=500)

    def test_a_joint_that_nobody_sees(self, tmp_path):
        folder = copy_openpose(tmp_path / "in")
        for path in folder.rglob("*.json"):
            data = json.loads(path.read_text())
            for person in data["people"]:
                person["pose_keypoints_2d"][27:30] = [0, 0, 0]  # left wrist
            path.write_text(json.dumps(data))
        result = pipeline.run(job(tmp_path / "take", inputs=(str(folder),)))
        assert any("Never reconstructed: left_wrist" in w for w in result.summary.warnings)
        world = io.read_keypoints3d(result.take.keypoints3d)
        assert np.isnan(world.xyz[:, 0, world.layout.index("left_wrist")]).all()

    def test_videos_of_another_shape(self, tmp_path):
        message = refused(tmp_path, CameraError, inputs=(str(BALANCE4 / "videos"),), fps=None)
        assert "cam01" in message
        assert "1088 x 1920" in message
        assert "letterbox" in message

    def test_a_cut_video_keeps_the_finished_take(self, tmp_path):
        from tests.video.test_clip import cut_copy

        out = tmp_path / "take"
        pipeline.run(job(out, stop=20))
        before = {k: v for k, v in snapshot(out).items() if not k.startswith("stages")}
        cut_copy(tmp_path / "cut.mp4", 0.3)
        videos = (f"cam03={tmp_path}/cut.mp4", f"cam04={BALANCE4}/videos/cam04.mp4")
        with pytest.raises(InputError, match=r"camera cam03.*ends at frame"):
            pipeline.run(job(out, inputs=videos, fps=None))
        assert {k: v for k, v in snapshot(out).items() if not k.startswith("stages")} == before

    def test_videos_mixed_with_keypoints(self, tmp_path):
        inputs = (f"cam01={OPENPOSE}/cam01", f"cam02={BALANCE4}/videos/cam02.mp4")
        assert "mixed" in refused(tmp_path, InputError, inputs=inputs)


def test_names_in_folders(tmp_path):
    rig = make_rig("ring", 2)
    for name in ("take3_cam01.mp4", "take3_cam02.mp4", "notes.txt"):
        (tmp_path / name).write_bytes(b"x")
    found = find_inputs([str(tmp_path)], rig)
    assert found.videos
    assert [p.name for p in found.paths.values()] == ["take3_cam01.mp4", "take3_cam02.mp4"]
    (tmp_path / "take4_cam01.mp4").write_bytes(b"x")
    with pytest.raises(CameraError, match=r"camera cam01: take3_cam01\.mp4, take4_cam01\.mp4 all fit"):
        find_inputs([str(tmp_path)], rig)
    with pytest.raises(InputError, match="no input"):
        find_inputs([], rig)


def test_fingerprints_follow_content_not_names(tmp_path):
    a, b = tmp_path / "a.npz", tmp_path / "b.npz"
    a.write_bytes(b"1" * 5_000_000)
    b.write_bytes(b"1" * 5_000_000)
    assert fingerprint(a) == fingerprint(b)
    b.write_bytes(b"1" * 4_999_999 + b"2")
    assert fingerprint(a) != fingerprint(b)


def test_a_synthetic_take_in_windows(tmp_path):
    """Own keypoints with gaps, six cameras, through the whole chain."""
    world = gait()
    io.write_rig_toml(tmp_path / "rig.toml", world.rig)
    for view in world.keypoints2d():
        io.write_keypoints2d(tmp_path / "in" / f"{view.camera}.npz", [lambda view=view: view])
    settings = Settings(multiview=MultiviewSettings(window=25))
    result = pipeline.run(job(tmp_path / "take", rig=tmp_path / "rig.toml", inputs=(str(tmp_path / "in"),), fps=None, settings=settings))
    found = io.read_keypoints3d(result.take.keypoints3d)
    off = np.linalg.norm(found.xyz[:, 0] - world.person.keypoints, axis=-1)
    assert np.nanmean(off) < 0.011
    assert not result.summary.warnings or "disagree" not in result.summary.warnings[0]
    assert clean().rig.names  # the shared worlds stay as they were


@pytest.mark.slow
def test_from_videos(tmp_path):
    out = tmp_path / "take"
    result = pipeline.run(job(out, inputs=(str(BALANCE4 / "videos"),), fps=None, image_fit="letterbox", stop=31))
    assert result.summary.frames == 31
    world, keypoints = io.read_keypoints3d(result.take.keypoints3d), pipeline.run(job(tmp_path / "b", stop=31))
    other = io.read_keypoints3d(keypoints.take.keypoints3d)
    names = [f"{s}_{j}" for s in ("left", "right") for j in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")]
    off = np.linalg.norm(world.xyz[:, 0, world.layout.indices(names)] - other.xyz[:, 0, other.layout.indices(names)], axis=-1)
    assert np.nanmedian(off) < 0.05
    seen = io.read_keypoints2d(result.take.keypoints2d("cam01"))
    assert seen.xy.shape[1] == 1  # the observer is not followed
    assert seen.size == (1088, 1920)


@pytest.mark.slow
def test_a_run_that_was_stopped_goes_on_with_the_missing_window(tmp_path, monkeypatch):
    from recon3d.multiview import follow

    small = Settings(multiview=MultiviewSettings(window=10))
    videos = job(tmp_path / "take", inputs=(f"cam03={BALANCE4}/videos/cam03.mp4", f"cam04={BALANCE4}/videos/cam04.mp4"), fps=None)
    videos = replace(videos, settings=small, stop=50)

    def stop_after_one_window(stage: str, done: int, total: int) -> None:
        if stage == "detecting" and done > 35:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pipeline.run(videos, stop_after_one_window)
    left = sorted((tmp_path / "take" / "stages").rglob("*.npz"))
    assert [p.name for p in left] == ["cam03-000000.npz", "cam04-000000.npz"]
    before = [p.read_bytes() for p in left]
    assert not (tmp_path / "take" / "take.toml").exists()

    asked: list[list[int]] = []
    original = follow.follow_people
    monkeypatch.setattr(
        "recon3d.pipeline.job.follow_people", lambda v, r, starts, *a: (asked.append(starts), original(v, r, starts, *a))[1]
    )
    result = pipeline.run(videos)
    assert asked == [[30, 30]]
    assert [p.read_bytes() for p in left] == before
    assert io.read_keypoints2d(result.take.keypoints2d("cam03")).frame.tolist() == list(range(50))
    whole = pipeline.run(replace(videos, out=tmp_path / "whole"))
    a, b = (io.read_keypoints3d(r.take.keypoints3d).xyz for r in (result, whole))
    np.testing.assert_array_equal(a, b)
