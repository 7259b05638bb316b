"""A disk that fills up while a file is written: an error that names it, and nothing half-written."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from recon3d import io
from tests.io.test_joints import robot
from tests.worlds import solved

FULL = """
import importlib, resource, signal, sys, warnings
warnings.simplefilter("ignore")
from pathlib import Path
from recon3d import io
from tests.io.test_full_disk import written
for module in ("pxr.Usd", "pyarrow.parquet", "pynwb", "ndx_pose", "rosbags.rosbag2", "ezc3d"):
    importlib.import_module(module)
folder = Path(sys.argv[1])
things = written()
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))  # as good as full: files end there
for name, (data, suffix) in things.items():
    try:
        io.write(folder / f"a{suffix}", data)
        print(name, "no error")
    except OSError as error:
        pass
    left = [p.name for p in folder.iterdir()]
    if left:
        print(name, "left", left)
"""


def written():
    """Something to write for every suffix."""
    from recon3d.characters import dressed, load_preset

    _, points, motion = solved()
    out = {f"keypoints {s}": (points, s) for s in io.KEYPOINT_WRITERS}
    out |= {f"motion {s}": (motion, s) for s in (*io.MOTION_WRITERS, *io.ANIMATION_WRITERS) if s != ".amass.npz"}
    out["motion .amass.npz"] = (dressed(motion, load_preset("smpl")), ".amass.npz")
    return out | {f"robot {s}": (robot(300), s) for s in io.JOINT_WRITERS}


@pytest.mark.skipif(sys.platform == "win32", reason="limits of file sizes are POSIX's")
def test_nothing_half_written_stays(tmp_path):
    here = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-c", FULL, str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=here, env={**os.environ, "PYTHONPATH": str(here)})
    assert run.returncode == 0, run.stderr[-2000:]
    assert run.stdout == ""


def test_all_can_be_written_where_there_is_room(tmp_path):
    """And under names that are not plain letters."""
    folder = tmp_path / "Größe 日本"
    for data, suffix in written().values():
        path = folder / f"dæta é{suffix}"
        io.write(path, data)
        assert path.exists()


def test_where_nothing_can_be_written_the_system_says_why(tmp_path):
    (tmp_path / "file").write_text("no folder")
    for data, suffix in written().values():
        with pytest.raises(OSError):
            io.write(tmp_path / "file" / f"a{suffix}", data)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
