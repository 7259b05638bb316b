"""The report page in a real browser."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from recon3d import pipeline
from recon3d.pipeline import Job
from tests.worlds import BALANCE4

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--virtual-time-budget=4000",
]


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("take")
    pipeline.run(Job(BALANCE4 / "Calib.qca.txt", (str(BALANCE4 / "openpose"),), out, fps=60.0))
    return out / "report.html"


def browse(page: Path, profile: Path, *arguments: str) -> str:
    assert BROWSER, "the tests of the page need Chromium: apt-get install chromium"
    command = [BROWSER, *FLAGS, f"--user-data-dir={profile}", *arguments, page.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


@pytest.mark.slow
def test_the_page_fills_itself_in(page, tmp_path):
    dom = browse(page, tmp_path, "--dump-dom")
    assert "4 cameras (cam01, cam02, cam03, cam04), 100 frames" in dom
    assert dom.count("<svg") > 20  # four of bars, and the joint angles
    assert "hip, flexion" in dom
    assert dom.count('class="warn"') >= 1
    assert dom.count("<tr>") >= 6


@pytest.mark.slow
def test_the_skeleton_is_drawn_upright(page, tmp_path):
    browse(page, tmp_path / "profile", f"--screenshot={tmp_path / 'page.png'}", "--window-size=1000,1600")
    image = np.asarray(Image.open(tmp_path / "page.png").convert("RGB")).astype(int)
    orange = (np.abs(image - [224, 138, 30]).sum(-1) < 30) & (np.arange(image.shape[0]) < 900)[:, None]
    rows, columns = np.nonzero(orange)
    assert len(rows) > 300
    assert np.ptp(rows) > 1.2 * np.ptp(columns)  # a standing person


def test_data_cannot_break_out_of_the_page(tmp_path):
    from recon3d.view import Scene, write_page

    scene = Scene(
        title="<script>alert(1)</script>",
        time=np.zeros(1),
        names=("</script>",),
        keypoints=np.full((1, 1, 2, 3), np.nan),
        bones=np.zeros((0, 2), np.int64),
        joints=np.zeros((1, 1, 1, 3)),
        parents=np.array([-1]),
        cameras={"</script><b>": (np.zeros(3), np.ones(3))},
    )
    write_page(tmp_path / "p.html", {"cameras": ["</script>"], "x": float("nan")}, scene)
    text = (tmp_path / "p.html").read_text()
    assert "<script>alert" not in text
    assert text.count("</script>") == 2
    data = text.split('type="application/json">')[1].split("</script>")[0]
    assert json.loads(data)["summary"]["x"] is None
