import re
import subprocess
import sys
import time

import numpy as np
import pytest

from recon3d import io
from tests.worlds import BALANCE4

RIG = str(BALANCE4 / "Calib.qca.txt")


def recon3d(*arguments, cwd=None):
    return subprocess.run([sys.executable, "-m", "recon3d", *map(str, arguments)], cwd=cwd, capture_output=True, text=True)


def squeezed(text):
    """A message as one line: the console wraps it."""
    return re.sub(r"\s+", " ", text)


def test_help_is_quick_and_complete():
    start = time.perf_counter()
    done = recon3d("--help")
    assert done.returncode == 0
    assert time.perf_counter() - start < 2.0
    for command in ("demo", "reconstruct", "convert", "export", "report", "doctor", "calibrate"):
        assert command in done.stdout
    for option in ("--rig", "--out", "-o", "--config", "--frames", "--layout", "--fps", "--image-fit", "--speed"):
        assert option in recon3d("reconstruct", "--help").stdout


def test_convert_there_and_back(tmp_path):
    """OpenPose's folder to COCO's annotations to recon3d's own: the same points."""
    folder = BALANCE4 / "openpose" / "cam02"
    size = ("--size", "1088", "1920")
    done = recon3d("convert", folder, tmp_path / "b.json", "--to", "coco", "--fps", "60", *size)
    assert done.returncode == 0, done.stderr
    assert "openpose, camera cam02: 100 frames" in squeezed(done.stderr)
    done = recon3d("convert", tmp_path / "b.json", tmp_path / "c.npz", "--fps", "60")
    assert "layout body_25b" in squeezed(done.stderr)
    end, start = io.read_keypoints2d(tmp_path / "c.npz"), io.read_openpose(folder, "cam02", io.KeypointOptions(60.0, (1088, 1920)))
    assert end.layout.points == start.layout.points
    both = (np.sort(np.nan_to_num(seen.xy[:, :, 0, 0]), 1)[:, -1] for seen in (start, end))
    np.testing.assert_allclose(*both, atol=1e-2)
    assert "must be given" in squeezed(recon3d("convert", folder, tmp_path / "d.npz", "--fps", "60").stderr)
    done = recon3d("convert", folder, tmp_path / "e.csv", "--to", "deeplabcut", "--fps", "60", *size)
    assert "people have no identities" in squeezed(done.stderr)


def test_convert_several_cameras(tmp_path):
    done = recon3d("convert", BALANCE4 / "openpose", tmp_path / "out", "--fps", "60", "--size", "1088", "1920")
    assert done.returncode == 0, done.stderr
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["cam01.npz", "cam02.npz", "cam03.npz", "cam04.npz"]


def test_doctor():
    done = recon3d("doctor")
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("ok ") == 6
    assert "halpe_26" in done.stdout


def test_a_missing_system_library_is_named(tmp_path):
    """cv2 that does not find libGL: the package to install is named, there is no traceback."""
    (tmp_path / "cv2.py").write_text('raise ImportError("libGL.so.1: cannot open shared object file: No such file or directory")\n')
    code = "import sys; sys.path.insert(0, sys.argv.pop(1)); from recon3d.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path), "doctor"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "libgl1" in done.stdout
    assert "Traceback" not in done.stderr + done.stdout
    arguments = ["reconstruct", "--rig", RIG, str(BALANCE4 / "videos"), "-o", str(tmp_path / "out")]
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path), *arguments], capture_output=True, text=True)
    assert done.returncode == 2
    assert "libgl1" in done.stderr
    assert "Traceback" not in done.stderr


def test_demo_from_keypoints_report_and_export(tmp_path):
    done = recon3d("demo", "--keypoints", "-o", tmp_path / "demo take")
    assert done.returncode == 0, done.stderr
    text = squeezed(done.stdout)
    for words in ("4 cameras", "100 frames", "median residual", "mm", "cameras disagree", "cam03", "report.html", "suspicious"):
        assert words in text, words
    assert "waist girth" in text and (tmp_path / "demo take" / "exports" / "0.body.glb").stat().st_size > 1_000_000
    again = recon3d("report", tmp_path / "demo take")
    assert again.returncode == 0
    assert text.startswith(squeezed(again.stdout).partition(": body/")[0])
    export = recon3d("export", tmp_path / "demo take", "--to", "bvh", "trc")
    assert export.returncode == 0, export.stderr
    assert export.stdout.count("exports") == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["reconstruct", "--rig", RIG, "nowhere", "-o", "out"], "nowhere does not exist"),
        (["reconstruct", "--rig", "none.toml", "nowhere", "-o", "out"], "no such file: none.toml"),
        (["reconstruct", "--rig", RIG, str(BALANCE4 / "openpose"), "-o", "out"], "--fps"),
        (["reconstruct", "--rig", RIG, str(BALANCE4 / "openpose"), "-o", "out", "--frames", "9:3"], "--frames 9:3"),
        (["reconstruct", "--rig", RIG, str(BALANCE4 / "openpose"), "-o", "out", "--frames", "x"], "--frames x"),
        (["reconstruct", "--rig", RIG, str(BALANCE4 / "openpose"), "-o", "out", "--fps", "60", "--layout", "coco"], "no layout 'coco'"),
        (["reconstruct", "--rig", RIG, str(BALANCE4 / "openpose"), "-o", "out", "--config", "none.toml"], "none.toml"),
        (["report", "."], "not a take folder"),
        (["export", ".", "--to", "bvh"], "not a take folder"),
        (["calibrate", "import", "none"], "no such file"),
    ],
)
def test_refusals_exit_with_2_and_leave_nothing(tmp_path, arguments, words):
    done = recon3d(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert words in squeezed(done.stderr)
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_output_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("x")
    for out in ("file", "file/x"):
        done = recon3d("reconstruct", "--rig", RIG, str(BALANCE4 / "openpose"), "--fps", "60", "--frames", ":5", "-o", tmp_path / out)
        assert done.returncode == 2, done.stderr
        assert "Traceback" not in done.stderr
        assert "file" in done.stderr
    done = recon3d("calibrate", "import", RIG, "-o", tmp_path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_import_rig(tmp_path):
    done = recon3d("calibrate", "import", RIG, "-o", tmp_path / "rig.toml")
    assert done.returncode == 0, done.stderr
    assert "cam03" in done.stdout
    assert (tmp_path / "rig.toml").is_file()


def test_lift_one_camera_and_compare(tmp_path):
    """Keypoints of one camera to a take, scored against the same camera's take, and solved again."""
    arguments = ("lift", BALANCE4 / "openpose" / "cam01", "--fps", "60", "--rig", RIG, "--height", "1.72", "--frames", ":30")
    done = recon3d(*arguments, "-o", tmp_path / "a")
    assert done.returncode == 0, done.stderr
    assert "cam01" in done.stdout and "30 frames" in done.stdout
    done = recon3d(*arguments, "-o", tmp_path / "b", "--against", tmp_path / "a")
    assert done.returncode == 0, done.stderr
    assert "PA-MPJPE 0.0 mm" in squeezed(done.stdout)
    done = recon3d("motion", tmp_path / "a", "--armature", "smpl_24")
    assert done.returncode == 0, done.stderr
    assert io.read_motion(tmp_path / "a" / "motion" / "0.npz").armature.skeleton.name == "smpl_24"


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--fov", "500"), "degrees"),
        (("--height", "180"), "metres"),
        (("--rig", RIG), "image size"),
        (("--lifter", "blazepose"), "needs a video"),
    ],
)
def test_lift_refuses(tmp_path, more, words):
    rig = ("--rig", RIG) if "--rig" not in more and "--fov" not in more else ()
    source = BALANCE4 / "openpose" / "cam01" if words != "image size" else BALANCE4 / "videos" / "cam01.mp4"
    done = recon3d("lift", source, "--fps", "60", *rig, *more, "-o", tmp_path / "a")
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert words in squeezed(done.stderr) or "another shape" in squeezed(done.stderr)
    assert not (tmp_path / "a" / "motion").exists()
