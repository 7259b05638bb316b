import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("[0-9]*.py"))


@pytest.mark.parametrize("script", EXAMPLES, ids=lambda p: p.stem)
def test_example(script, tmp_path):
    done = subprocess.run([sys.executable, str(script), *_arguments(script, tmp_path)], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    assert len(script.read_text(encoding="utf-8").splitlines()) <= 45


def _arguments(script: Path, folder: Path) -> list[str]:
    text = script.read_text(encoding="utf-8")
    if "TAKE_FOLDER" in text:
        take = folder / "take"
        subprocess.run([sys.executable, "-m", "recon3d", "demo", "--keypoints", "-o", str(take)], capture_output=True, check=True)
        return [str(take), "60", str(folder / "picture.jpg")]
    return [str(folder / "out")] if "OUT_FOLDER" in text else []


def test_the_python_of_the_readme_runs(tmp_path, monkeypatch):
    from tests.worlds import BALANCE4

    monkeypatch.chdir(tmp_path)
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    code = code.replace('io.read_rig("rig.toml")', "io.read_rig(data / 'Calib.qca.txt')").replace("folder /", "data / 'openpose' /")
    exec(code, {"data": BALANCE4})
    assert (tmp_path / "take.bvh").stat().st_size > 10_000
    assert (tmp_path / "take.csv").stat().st_size > 10_000


def test_readme_names_only_commands_that_exist():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = subprocess.run([sys.executable, "-m", "recon3d", "--help"], capture_output=True, text=True, check=True).stdout
    for command in set(
        re.findall(
            r"recon3d (demo|reconstruct|body|head|lift|detect|systems|convert|quantise|export|report|calibrate|doctor|[a-z]+-[a-z]+)\b",
            text,
        )
    ):
        assert command in shown
    shown = subprocess.run([sys.executable, "-m", "recon3d", "calibrate", "--help"], capture_output=True, text=True, check=True).stdout
    for command in set(re.findall(r"recon3d calibrate ([a-z]+)", text)):
        assert command in shown
    for target in re.findall(r"make (\w+)", text):
        assert f"\n{target}:" in (ROOT / "Makefile").read_text(encoding="utf-8")
    for path in re.findall(r"`((?:recon3d|examples|configs)/[\w./]*)`", text):
        assert (ROOT / path).exists(), path
