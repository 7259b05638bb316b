"""The main job on the embedded recording, memory of a long take, and what installing and starting costs."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from importlib import resources
from pathlib import Path

import numpy as np

from recon3d import io
from recon3d.geometry import CameraRig
from recon3d.geometry.triangulation import triangulate
from recon3d.multiview import Agreement, align_in_time, judge_agreement, synchronise
from recon3d.multiview.subject import SubjectTracker, subject_only
from recon3d.pipeline import Job, run
from recon3d.skeleton import LIMBS
from tests.bench.table import Result, result

BALANCE4 = Path(str(resources.files("recon3d"))) / "data" / "balance4"
MIN_CONFIDENCE = 0.3


def run_family() -> list[Result]:
    return [*files(), *videos(), *memory(), *starting(), *installing()]


def _job(source: str, out: Path) -> Job:
    fps = 60.0 if source == "openpose" else None
    return Job(BALANCE4 / "Calib.qca.txt", (str(BALANCE4 / source),), out, fps=fps, image_fit="letterbox")


def residuals(take: Path, rig: CameraRig) -> tuple[float, Agreement]:
    """Median residual of shoulders to ankles with every detection above 0.3 and all views believed, and leave-one-out."""
    seen = [io.read_keypoints2d(take / "keypoints2d" / f"{name}.npz") for name in rig.names]
    (views,) = synchronise(seen, align_in_time(seen, rig), 100_000)
    xy, _ = subject_only(views, SubjectTracker(rig, MIN_CONFIDENCE), MIN_CONFIDENCE)
    limbs = xy[:, :, [views.layout.index(name) for name in LIMBS]]
    answer = triangulate(rig, limbs.reshape(len(rig), -1, 2), 1.0, max_depth_error=np.inf)
    index = [views.layout.index(name) for name in LIMBS]
    return float(np.nanmedian(answer.residual_px)), judge_agreement(rig, xy, views.frame, index)


def files() -> list[Result]:
    seconds = []
    with tempfile.TemporaryDirectory() as folder:
        for k in range(6):
            out = Path(folder) / str(k)
            start = time.perf_counter()
            run(_job("openpose", out))
            seconds.append(time.perf_counter() - start)
        px, agreement = residuals(Path(folder) / "0", io.read_rig(BALANCE4 / "Calib.qca.txt"))
    return [
        result("main.balance4_files_s", seconds[1:], "s", 0.6, "lower", beside="Pose2Sim, measured elsewhere: 1.33 + IK 5.3"),
        result("main.balance4_ml_px", [px], "px", 14.5, "lower", beside=_left_out(agreement)),
    ]


def videos() -> list[Result]:
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        run(_job("videos", Path(folder)))
        seconds = time.perf_counter() - start
        px, agreement = residuals(Path(folder), io.read_rig(BALANCE4 / "Calib.qca.txt"))
    return [
        result("main.balance4_video_px", [px], "px", 14.0, "lower", beside=_left_out(agreement)),
        result("main.balance4_video_s", [seconds], "s", 15.0, "lower", beside=_bare_networks()),
    ]


def _left_out(agreement: Agreement) -> str:
    each = ", ".join(f"{px:.0f}" for px in agreement.left_out_px)
    return f"leave one camera out: median {np.median(agreement.left_out_px):.1f} ({each})"


def _bare_networks() -> str:
    """What 400 runs of the network alone take on both cores of this machine, now."""
    from concurrent.futures import ThreadPoolExecutor

    from recon3d.detect import load_detector

    single, image = load_detector(), np.zeros((1920, 1080, 3), np.uint8)
    corners, sure = np.array([[200.0, 600], [880, 1320]]), np.ones(2)

    def one(_: int) -> None:
        single.person(image, corners, sure)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(one, range(8)))
        start = time.perf_counter()
        list(pool.map(one, range(80)))
        return f"400 bare network runs: {5 * (time.perf_counter() - start):.1f} s"


def memory() -> list[Result]:
    """Peak of a process of its own: 100k frames x 8 cameras x 26 joints to npz, CSV, TRC and (half at a time) C3D."""
    code = "from tests.bench.long_take import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    peak, note = done.stdout.strip().splitlines()[-1].split(" ", 1)
    return [result("main.memory_100k_gib", [float(peak)], "GiB", 1.0, "lower", beside=note)]


def starting() -> list[Result]:
    command = [sys.executable, "-m", "recon3d", "--help"]
    times = []
    for _ in range(8):
        start = time.perf_counter()
        subprocess.run(command, capture_output=True, check=True)
        times.append(time.perf_counter() - start)
    code = "import time; t = time.perf_counter(); import recon3d; print(time.perf_counter() - t)"
    bare = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    return [result("main.help_s", times[1:], "s", 0.4, "lower", beside=f"import recon3d: {float(bare):.3f} s")]


def installing() -> list[Result]:
    """Size of a fresh environment with the base install (pip itself included)."""
    root = Path(__file__).resolve().parents[2]
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        python = next(p for p in (Path(folder) / "bin" / "python", Path(folder) / "Scripts" / "python.exe") if p.exists())
        source = Path(folder) / "source"  # a copy without the environment and the history
        shutil.copytree(root, source, ignore=shutil.ignore_patterns(".venv", ".git", "out", "build", "*.egg-info"))
        pip = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", "-c", str(source / "constraints.txt")]
        subprocess.run([*pip, str(source)], check=True, capture_output=True)
        shutil.rmtree(source)
        size = sum(p.lstat().st_blocks * 512 for p in Path(folder).rglob("*") if not p.is_symlink()) / 1e6
    return [result("main.base_install_mb", [size], "MB", 700, "lower", beside="environment on disk, recording and networks included")]
