"""A long take in windows, in a process of its own so that its peak memory is its own."""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from recon3d import io
from recon3d.multiview import MultiviewSettings, NoiseScale, Views, people_tracker, reconstruct_windows
from recon3d.multiview.people.points import claims_of
from recon3d.pipeline.take import world_readers
from recon3d.records import Keypoints3D
from recon3d.skeleton import load_layout
from recon3d.synthetic import make_person, make_rig, make_world

FRAMES, CAMERAS, WINDOW = 100_000, 8, 2000


def views() -> Iterator[Views]:
    """Windows of a scene that repeats every 2000 frames, its detections as float32."""
    world = make_world(make_rig("ring", CAMERAS), make_person("gait", WINDOW))
    xy = world.xy[:, :, None].astype(np.float32)
    seen = np.isfinite(xy[..., 0])
    sigma = np.where(seen, 2.0, np.nan).astype(np.float32)
    for start in range(0, FRAMES, WINDOW):
        frame = np.arange(start, start + WINDOW)
        yield Views(
            world.person.layout,
            frame,
            frame / 60.0,
            np.broadcast_to(frame, xy.shape[:2]).copy(),
            xy.copy(),
            seen.astype(np.float32),
            sigma.copy(),
        )


def main() -> None:
    rig = make_rig("ring", CAMERAS)
    noise = NoiseScale(np.ones(CAMERAS), np.ones(CAMERAS), 1)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = []
        settings = MultiviewSettings()
        tracker = people_tracker(rig, load_layout("halpe_26"), noise, settings)
        found = [tracker.follow(window) for window in views()]
        claims = claims_of(tracker.identities())
        for k, world in enumerate(reconstruct_windows(zip(views(), found, strict=True), claims, rig, noise, settings)):
            paths.append(folder / f"{k:06d}.npz")
            io.write_keypoints3d(paths[-1], [lambda world=world: world])
        middle = time.perf_counter()
        readers = world_readers(paths)

        def windows(part: slice) -> Iterator[Keypoints3D]:
            return (read() for read in readers[part])

        io.write_keypoints3d(folder / "keypoints3d.npz", readers)
        io.KEYPOINT_WRITERS[".csv"](folder / "take.csv", windows(slice(None)), 0)
        io.KEYPOINT_WRITERS[".trc"](folder / "take.trc", windows(slice(None)), 0)
        # A C3D file counts its frames in 16 bits: the take goes into two.
        half = len(readers) // 2
        io.KEYPOINT_WRITERS[".c3d"](folder / "a.c3d", windows(slice(0, half)), 0)
        io.KEYPOINT_WRITERS[".c3d"](folder / "b.c3d", windows(slice(half, None)), 0)
    # Not ru_maxrss: that keeps what the process that started this one had.
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    peak = next(float(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 2**20
    print(f"{peak:.3f} triangulation {middle - start:.0f} s, exports {time.perf_counter() - middle:.0f} s")
