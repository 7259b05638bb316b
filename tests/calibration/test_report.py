"""The commands, their files and the page, as a user meets them."""

import json
import re
import shutil
import subprocess
import sys

import cv2
import numpy as np
import pytest

from calibration.report import summarise, write_report
from recon3d import io
from recon3d.io.rigs.toml import read_lenses_toml
from recon3d.synthetic import make_rig
from tests.calibration.test_boards import BOARDS, photographed
from tests.worlds import BALANCE4, gait

RIG, OPENPOSE, SCENE = BALANCE4 / "Calib.qca.txt", BALANCE4 / "openpose", BALANCE4 / "scene.toml"


def recon3d(*arguments):
    return subprocess.run([sys.executable, "-m", "recon3d", *map(str, arguments)], capture_output=True, text=True)


def squeezed(text):
    return re.sub(r"[\s│╭╮╰╯─]+", " ", text)


@pytest.fixture(scope="module")
def keypoints(tmp_path_factory):
    """A folder with keypoints of four cameras, and their lenses."""
    world = gait(4, 60)
    folder = tmp_path_factory.mktemp("seen")
    for record in world.keypoints2d():
        io.write_keypoints2d(folder / f"{record.camera}.npz", [lambda record=record: record])
    io.write_lenses_toml(folder / "lenses.toml", {c.name: c.intrinsics for c in world.rig})
    return folder


def test_people_from_the_command_line(keypoints, tmp_path):
    done = recon3d("calibrate", "people", keypoints, "--lenses", keypoints / "lenses.toml", "--stature", 1.7, "-o", tmp_path / "rig.toml")
    assert done.returncode == 0, done.stderr
    rig = io.read_rig(tmp_path / "rig.toml")
    assert rig.names == ("cam01", "cam02", "cam03", "cam04")
    assert rig.covariance.shape == (24, 24)
    assert "scale" not in rig.unknown
    report = json.loads((tmp_path / "rig-report.json").read_text())
    assert report["kind"] == "people"
    assert [c["name"] for c in report["cameras"]] == list(rig.names)
    for c in report["cameras"]:
        assert 0.5 < c["residual_px"] < 4
        assert 0.5 < c["held_out_px"] < 4
        assert c["left_out_px"] < 6
        assert 0 < c["sigma_deg"] < 0.2
        assert 0.7 < c["believed"] < 0.97
    assert {q[0] for q in report["scale"]["cues"]} == {"person of 1.70 m"}


def test_people_need_lenses_or_say_so(keypoints, tmp_path):
    done = recon3d("calibrate", "people", keypoints, "-o", tmp_path / "rig.toml")
    assert done.returncode == 2
    assert "--focal unknown" in squeezed(done.stderr)
    assert not (tmp_path / "rig.toml").exists()


def test_refine_import_points_and_report_on_the_real_recording(tmp_path):
    done = recon3d("calibrate", "refine", RIG, OPENPOSE, "--fps", 60, "--scene", SCENE, "-o", tmp_path / "refined.toml")
    assert done.returncode == 0, done.stderr
    text = squeezed(done.stdout)
    assert "cam03 is not where the rig has it" in text
    assert "the cameras did move" in text
    done = recon3d("calibrate", "import", RIG, "--check", OPENPOSE, "--fps", 60, "-o", tmp_path / "imported.toml")
    assert done.returncode == 0, done.stderr
    assert "as the file says" in done.stdout
    assert "swapped" in done.stdout
    done = recon3d("calibrate", "import", tmp_path / "imported.toml", "--to", "opencv", "-o", tmp_path / "cameras.yml")
    assert done.returncode == 0, done.stderr
    assert io.read_rig(tmp_path / "cameras.yml", "m").names == io.read_rig(RIG).names
    done = recon3d("calibrate", "points", SCENE, "--lenses", RIG, "-o", tmp_path / "points.toml")
    assert done.returncode == 0, done.stderr
    assert "scale from known points" in done.stdout
    done = recon3d("calibrate", "report", tmp_path / "refined.toml", OPENPOSE, "--fps", 60, "-o", tmp_path / "page.html")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "page.html").stat().st_size > 20_000


def test_boards_from_the_command_line(tmp_path):
    """Lenses from pictures of one board, and a folder without it."""
    board = BOARDS["charuco"]
    for k, tilt in enumerate((0.1, 0.3, 0.5, -0.4, -0.2, 0.45)):
        (tmp_path / "pictures" / "cam").mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(tmp_path / "pictures" / "cam" / f"{k}.png"), photographed(board, tilt)[0])
    options = ["--board", "charuco", "--columns", 9, "--rows", 7, "--square-mm", 30, "--marker-mm", 22, "--dictionary", "5X5_100"]
    done = recon3d("calibrate", "boards", tmp_path / "pictures", *options, "--lenses-only", "-o", tmp_path / "lenses.toml")
    assert done.returncode == 0, done.stderr
    lens = read_lenses_toml(tmp_path / "lenses.toml")["cam"]
    assert abs(lens.K[0, 0] / 1100 - 1) < 0.03
    done = recon3d(
        "calibrate", "boards", tmp_path / "pictures", "--columns", 13, "--rows", 10, "--square-mm", 30, "-o", tmp_path / "rig.toml"
    )
    assert done.returncode == 2
    assert "no board was found" in squeezed(done.stderr)
    done = recon3d("calibrate", "boards", tmp_path / "pictures", *options, "-o", tmp_path / "rig.toml")
    assert done.returncode == 2
    assert "at the same time" in squeezed(done.stderr)
    with pytest.raises(Exception, match="lenses, but no poses"):
        io.read_rig(tmp_path / "lenses.toml")


def test_keypoints_of_other_cameras_are_named(keypoints, tmp_path):
    """Of a camera that the rig does not have, or that has no lens."""
    rig = gait(4, 60).rig.select(["cam01", "cam02", "cam04"])
    io.write_rig_toml(tmp_path / "rig.toml", rig)
    for command in (["refine", tmp_path / "rig.toml", keypoints], ["report", tmp_path / "rig.toml", keypoints]):
        done = recon3d("calibrate", *command, "-o", tmp_path / "out.html")
        assert done.returncode == 0, done.stderr
        assert "cam03: the rig has no such camera; there are cam01, cam02, cam04" in squeezed(done.stdout)
    done = recon3d("calibrate", "people", keypoints, "--lenses", tmp_path / "rig.toml", "-o", tmp_path / "people.toml")
    assert done.returncode == 2
    assert "no lens (intrinsics) for camera 'cam03'" in squeezed(done.stderr)


def test_pictures_and_videos_are_no_moments_of_each_other(tmp_path):
    (tmp_path / "left").mkdir()
    (tmp_path / "left" / "1.png").write_bytes(b"")
    (tmp_path / "right.mp4").write_bytes(b"")
    done = recon3d("calibrate", "boards", tmp_path, "--columns", 9, "--rows", 6, "--square-mm", 30, "-o", tmp_path / "rig.toml")
    assert done.returncode == 2
    assert "holds pictures (left) and videos (right)" in squeezed(done.stderr)
    assert "--lenses-only" in squeezed(done.stderr)


def test_names_with_dots_keep_their_reports_apart(tmp_path):
    for version in ("v1", "v2"):
        done = recon3d("calibrate", "points", SCENE, "--lenses", RIG, "-o", tmp_path / f"rig.{version}.toml")
        assert done.returncode == 0, done.stderr
    endings = ("-report.html", "-report.json", ".toml")
    assert {p.name for p in tmp_path.iterdir()} == {f"rig.{version}{ending}" for version in ("v1", "v2") for ending in endings}
    page, numbers = write_report(tmp_path / "page.html", {}, "empty")
    assert (page.name, numbers.name) == ("page.html", "page.json")


def test_clocks_from_the_command_line(tmp_path):
    from tests.calibration.test_signals import claps

    rig = make_rig("ring", 2)
    io.write_rig_toml(tmp_path / "rig.toml", rig)
    for k, name in enumerate(rig.names):
        claps(tmp_path / f"{name}.wav", 16_000, 0.25 * k, k)
    done = recon3d("calibrate", "clocks", tmp_path / "rig.toml", tmp_path, "-o", tmp_path / "timed.toml")
    assert done.returncode == 0, done.stderr
    assert abs(io.read_rig(tmp_path / "timed.toml").cameras[1].clock.offset - 0.25) < 2e-3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["people", "nowhere", "--lenses", RIG], "does not exist"),
        (["people", OPENPOSE, "--lenses", RIG], "--fps"),
        (["refine", RIG, BALANCE4 / "LICENSE"], "is a file"),
        (["points", RIG, "--lenses", RIG], "not valid TOML"),
        (["import", BALANCE4 / "LICENSE"], "LICENSE"),
        (["import", RIG, "--to", "nothing"], "is written in the format"),
        (["boards", BALANCE4, "--columns", 1, "--rows", 1, "--square-mm", 30], "too small"),
        (["boards", OPENPOSE, "--columns", 9, "--rows", 6, "--square-mm", 30], "neither pictures nor videos"),
    ],
)
def test_bad_input_is_refused_in_words(tmp_path, arguments, words):
    done = recon3d("calibrate", *arguments, "-o", tmp_path / "out.toml")
    assert done.returncode == 2
    assert words in squeezed(done.stderr)
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_residual_field_shows_a_lens_that_does_not_fit():
    """With a wrong distortion, neighbouring residuals point the same way; with the right one they do not."""
    from calibration.refine import as_it_stands

    world = gait(6, 60)
    summary = summarise(as_it_stands(world.rig, world.keypoints2d()))
    sound = np.array([f[2:4] for c in summary["cameras"] for f in c["image"]["field"] if f[4] > 30])
    assert np.median(np.linalg.norm(sound, axis=1)) < 0.6
    assert all(pair[3] < 3 for pair in summary["pairs"])


@pytest.mark.slow
def test_the_page_draws_itself_in_a_browser(tmp_path):
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    assert chromium, "the browser tests need chromium"
    from calibration.refine import refine
    from calibration.report import movements
    from tests.calibration.test_refine import turned

    world = gait(6, 60)
    found = refine(turned(world.rig, "cam03", 1.5), world.keypoints2d())
    page, _ = write_report(tmp_path / "rig", summarise(found.outcome, movements(found)), "a <b>rig</b>")
    command = [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=4000", "--dump-dom", page.as_uri()]
    dom = subprocess.run(command, capture_output=True, text=True, timeout=120).stdout
    assert 'data-ready="yes"' in dom
    assert "a &lt;b&gt;rig&lt;/b&gt;" in dom
    assert "cam03 is not where the rig has it" in dom
    assert dom.count("<h3>") == 6
    assert dom.count("<circle") > 500
