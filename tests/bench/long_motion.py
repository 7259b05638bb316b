"""Motion of long takes: time, memory, seams. Run by itself it measures one take in a process of its own."""

import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator

import numpy as np

from recon3d import motion
from recon3d.records import Keypoints3D, State
from recon3d.synthetic import make_person, make_rig, make_world
from tests.bench.table import Result, result

WINDOW = 2000  # as jobs have it
SHORT = 500  # for seams


def windows(frames: int, size: int = WINDOW) -> Iterator[motion.Observed]:
    """A walk of any length, made window by window; keypoints in space are the true ones with 10 mm noise."""
    rig = make_rig("ring", 4, "mild", 0)
    for start in range(0, frames, size):
        count = min(size, frames - start)
        stamps = (start + np.arange(count)) / 60.0
        person = make_person("gait", time=stamps, seed=0)
        world = make_world(rig, person, seed=start)
        rng = np.random.default_rng(start)
        xyz = (person.keypoints + 0.01 * rng.normal(size=person.keypoints.shape))[:, None]
        shape = xyz.shape[:3]
        found = Keypoints3D(
            layout=person.layout,
            frame=start + np.arange(count),
            time=stamps,
            people=np.array([0]),
            xyz=xyz,
            confidence=np.ones(shape),
            covariance=np.broadcast_to(1e-4 * np.eye(3), (*shape, 3, 3)).copy(),
            views=np.full(shape, 4, np.uint8),
            state=np.full(shape, State.OBSERVED, np.uint8),
            residual_px=np.ones(shape),
        )
        yield motion.Observed(found, (motion.ObservedPiece(rig, world.xy.copy(), np.full(world.xy.shape[:3], 2.0)),))


def take(frames: int) -> dict[str, float]:
    """Seconds of solving, and the process's peak memory."""
    layout = next(windows(1)).world.layout
    body = motion.measure([motion.sample(seen) for seen in windows(frames)], layout)
    spent, last = 0.0, time.perf_counter()
    made = 0.0

    def timed() -> Iterator[motion.Observed]:
        nonlocal made
        source = windows(frames)
        while True:
            start = time.perf_counter()
            seen = next(source, None)
            made += time.perf_counter() - start
            if seen is None:
                return
            yield seen

    for _ in motion.solve_windows(timed(), body):
        pass
    spent = time.perf_counter() - last - made
    return {"seconds": spent, "gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20}


def measure_long() -> list[Result]:
    """Linear time, constant memory, seams that nobody sees."""
    short, long = (_apart(frames) for frames in (1000, 10_000))
    ratio = long["seconds"] / (10 * short["seconds"])
    beside = f"{short['seconds']:.1f} s and {long['seconds']:.1f} s"
    return [
        result("motion.linear", [ratio], "x", 1.05, "lower", beside=beside),
        result(
            "motion.memory_gib",
            [long["gib"]],
            "GiB",
            1.0,
            "lower",
            beside=f"10,000 frames in windows of {WINDOW}; {short['gib']:.2f} for 1,000",
        ),
        result("motion.seam_mm", [_seam_mm()], "mm", 0.1, "lower", beside="mean over all joints and frames, 1,000 frames in two windows"),
    ]


def _apart(frames: int) -> dict[str, float]:
    done = subprocess.run([sys.executable, "-m", "tests.bench.long_motion", str(frames)], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def _seam_mm() -> float:
    parts = list(windows(1000, SHORT))
    body = motion.measure([motion.sample(part) for part in parts], parts[0].world.layout)
    (whole,) = motion.solve_windows([motion.joined(parts)], body)
    off = [
        m.poses().translation - whole.poses().translation[k * SHORT : (k + 1) * SHORT]
        for k, m in enumerate(motion.solve_windows(parts, body))
    ]
    return float(1000 * np.linalg.norm(np.concatenate(off), axis=-1).mean())


if __name__ == "__main__":
    print(json.dumps(take(int(sys.argv[1]))))
