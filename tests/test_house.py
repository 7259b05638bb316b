"""The house itself: lint, types, floors, sizes, imports."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("recon3d", "calibration")


def tool(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", *arguments], cwd=ROOT, capture_output=True, text=True)


def test_ruff():
    done = tool("ruff", "check", ".")
    assert done.returncode == 0, done.stdout


def test_format():
    done = tool("ruff", "format", "--check", ".")
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_types():
    done = tool("basedpyright", "--level", "error")
    assert done.returncode == 0, done.stdout[-6000:]


def lint_imports(root: Path) -> subprocess.CompletedProcess[str]:
    code = "import sys; sys.path.insert(0, '.'); from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    return subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)


def copy_of_the_code(target: Path) -> None:
    for package in PACKAGES:
        for source in (ROOT / package).rglob("*.py"):
            copy = target / source.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(source.read_bytes())
    (target / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())


def test_floors():
    done = lint_imports(ROOT)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("recon3d/geometry/lie.py", "import recon3d.records"),
        ("recon3d/io/bvh.py", "import recon3d.detect"),
        ("recon3d/pipeline/job.py", "import calibration"),
        ("recon3d/attic.py", '"""A room on no floor."""'),
    ],
)
def test_a_wrong_import_is_found(tmp_path, file, line):
    copy_of_the_code(tmp_path)
    path = tmp_path / file
    path.write_text((path.read_text(encoding="utf-8") if path.exists() else "") + f"\n{line}\n", encoding="utf-8")
    assert lint_imports(tmp_path).returncode != 0


def modules() -> list[Path]:
    return [p for package in PACKAGES for p in sorted((ROOT / package).rglob("*.py"))]


def test_sizes():
    large = [f"{p.relative_to(ROOT)}: {n} lines" for p in modules() if (n := len(p.read_text(encoding="utf-8").splitlines())) > 500]
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and (length := (node.end_lineno or 0) - node.lineno + 1) > 80:
                large.append(f"{path.relative_to(ROOT)}: {node.name} has {length} lines")
    assert not large


def test_printing_and_catching_stay_in_the_command_line():
    found = []
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"print", "eval", "exec"}:
                found.append(f"{path.relative_to(ROOT)}:{node.lineno} calls {node.func.id}")
            if isinstance(node, ast.ExceptHandler) and (node.type is None or ast.unparse(node.type) == "Exception"):
                found.append(f"{path.relative_to(ROOT)}:{node.lineno} catches everything")
    assert not found


def test_import_is_light():
    code = (
        "import sys, time; t = time.perf_counter(); import recon3d; t = time.perf_counter() - t; "
        "heavy = {'torch', 'cv2', 'onnxruntime', 'scipy', 'numpy'} & set(sys.modules); print(t, *heavy)"
    )
    seconds, *heavy = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not heavy
    assert float(seconds) < 0.2


def test_rooms_of_the_main_job_need_no_torch():
    code = "import sys, recon3d.pipeline; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "False"


def test_every_file_of_others_has_a_notice():
    notice = (ROOT / "NOTICE").read_text(encoding="utf-8")
    for path in [
        *(ROOT / "recon3d" / "detect" / "models").glob("*.onnx"),
        ROOT / "recon3d" / "data" / "balance4",
        *(ROOT / "tests" / "data").iterdir(),
    ]:
        assert path.name in notice


def test_nothing_reads_the_reference_folder():
    found = [str(p) for p in ROOT.rglob("*.py") if ".venv" not in p.parts and "../" + "shared" in p.read_text(encoding="utf-8")]
    assert not found
