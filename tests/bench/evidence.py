"""2D evidence: what the default detector is worth on balance4, what its sigmas cover, speed, memory, systems.

The rig is refined on the even frames of the OpenPose files, as in the calibration benchmark; the odd frames are judged.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float
from rich.console import Console
from rich.table import Table

from calibration.evidence import evidence_of
from calibration.refine import refine
from calibration.scores import ONE_SIGMA, coverage, learn_scores, left_out
from recon3d import io
from recon3d.detect import Detector, Network, Tracker, TrackSettings, detect_windows, load_detector
from recon3d.detect.detector import RECIPES, Recipe, Speed
from recon3d.geometry import CameraRig
from recon3d.geometry.threads import single_threaded
from recon3d.geometry.triangulation import triangulate
from recon3d.io import KeypointOptions, read_openpose
from recon3d.multiview.follow import follow_people
from recon3d.multiview.frames import to_rig_pixels
from recon3d.records import Keypoints2D
from recon3d.records.keypoints2d import concatenate
from recon3d.skeleton import LIMBS
from recon3d.video import ahead, open_videos
from tests.bench.main_job import BALANCE4
from tests.bench.table import Result, result

FEET = ("left_heel", "right_heel", "left_foot_index", "right_foot_index")
ANKLES = ("left_ankle", "right_ankle")
ODD, EVEN = slice(1, 100, 2), slice(0, 100, 2)
HALVES = (slice(0, 50), slice(50, 100))
CARDS = ("movenet_lightning", "movenet_thunder", "movenet_multipose", "posenet", "blazepose_lite", "blazepose_full", "blazepose_heavy")
ALONE = "thunder alone"
FILES = 10_000
HOUR = 108_000  # frames, 30 a second
ROUNDS = 5


def run() -> list[Result]:
    with single_threaded():
        rig0 = io.read_rig(BALANCE4 / "Calib.qca.txt")
        openpose = [read_openpose(BALANCE4 / "openpose" / c.name, c.name, KeypointOptions(60.0, c.intrinsics.size)) for c in rig0]
        rig = refine(rig0, [s.window(EVEN) for s in openpose]).outcome.rig
        RECIPES[ALONE] = Recipe("movenet_thunder", between_s=0.0)
        seen = {name: detected(rig0, speed=name) for name in (ALONE, "fast", "default", "accurate")}
        results = [*agreement(rig, rig0, seen, openpose), *covered(rig, rig0, seen)]
    return [*results, *overhead(), *reading(), *hour(), *systems()]


def detected(rig: CameraRig, speed: str = "default", card: str = "") -> list[Keypoints2D]:
    """What a detector sees of the one person in the four videos, px of the rig."""
    videos = open_videos({name: BALANCE4 / "videos" / f"{name}.mp4" for name in rig.names})
    chosen: Speed = speed  # pyright: ignore[reportAssignmentType]  # a recipe of the benchmark's own
    windows = list(
        follow_people(videos, rig, [0] * len(rig), 100, "letterbox", settings=TrackSettings(speed=chosen, detector=card, max_people=1))
    )
    return [concatenate([window[v] for window in windows]) for v in range(len(rig))]


@dataclass(frozen=True)
class Judged:
    """Median residual with all views believed, leave-one-camera-out residual (px), and the points (m)."""

    px: float
    loo_px: float
    xyz: Float[np.ndarray, "frames joints 3"]


def judge(rig: CameraRig, seen: Sequence[Keypoints2D], names: Sequence[str]) -> Judged:
    _, tracks, sampled = evidence_of(rig, [s.window(ODD) for s in seen], 0.0, 1000)
    index = tracks[0].layout.indices(names)
    xy = sampled.xy[:, :, index]
    flat = xy.reshape(len(rig), -1, 2)
    points = triangulate(rig, flat, 1.0, max_depth_error=np.inf).xyz
    px = float(np.nanmedian(np.linalg.norm(flat - rig.project(points), axis=-1)))
    loo: list[np.ndarray] = []
    for v, camera in enumerate(rig):
        rest = rig.select([name for name in rig.names if name != camera.name])
        others = triangulate(rest, np.delete(flat, v, 0), 1.0, max_depth_error=np.inf).xyz
        loo.append(np.linalg.norm(flat[v] - camera.project(others), axis=-1))
    return Judged(px, float(np.nanmedian(np.concatenate(loo))), points.reshape(len(xy[0]), len(names), 3))


def agreement(rig: CameraRig, rig0: CameraRig, seen: dict[str, list[Keypoints2D]], openpose: list[Keypoints2D]) -> list[Result]:
    limbs = {name: judge(rig, views, LIMBS) for name, views in seen.items()}
    files = [to_rig_pixels(view, camera, "letterbox") for view, camera in zip(openpose, rig0, strict=True)]
    reference = judge(rig, files, LIMBS)
    mm = {name: 1e3 * float(np.nanmedian(np.linalg.norm(j.xyz - reference.xyz, axis=-1))) for name, j in limbs.items()}
    table = Table("detector", "limbs px", "left out px", "to OpenPose mm", "ankles px", "feet px", "feet / ankles")
    feet: dict[str, tuple[float, float]] = {}
    for name, views in seen.items():
        ankles, own = judge(rig, views, ANKLES).px, float("nan")
        if set(FEET) <= set(views[0].layout.points):
            own = judge(rig, views, FEET).px
        feet[name] = (ankles, own)
        cells = (limbs[name].px, limbs[name].loo_px, mm[name], ankles, own, own / ankles)
        table.add_row(name, *("-" if np.isnan(c) else f"{c:.2f}" for c in cells))
    table.add_row("OpenPose's files", f"{reference.px:.2f}", f"{reference.loo_px:.2f}", "-", *_openpose_feet(rig, files))
    Console(width=120).print(table)
    ours, alone = limbs["default"], limbs[ALONE]
    ankles, own = feet["default"]
    return [
        _ratio("limb_px", ours.px, alone.px),
        _ratio("loo_px", ours.loo_px, alone.loo_px),
        result("evidence.balance4_feet_ratio", [own / ankles], "x ankles", 1.2, "lower", beside=f"{own:.2f} px of {ankles:.2f} px"),
        result("evidence.balance4_openpose_mm", [mm["default"]], "mm", 27.0, "lower", beside=f"Thunder {mm[ALONE]:.1f} mm"),
    ]  # fmt: skip


def _ratio(name: str, ours: float, thunder: float) -> Result:
    return result(
        f"evidence.balance4_{name}", [ours / thunder], "x Thunder", 0.95, "lower", beside=f"{ours:.2f} px, Thunder {thunder:.2f} px"
    )


def _openpose_feet(rig: CameraRig, files: list[Keypoints2D]) -> list[str]:
    toes = ("left_heel", "right_heel", "left_big_toe", "right_big_toe")
    ankles, own = judge(rig, files, ANKLES).px, judge(rig, files, toes).px
    return [f"{ankles:.2f}", f"{own:.2f}", f"{own / ankles:.2f}"]


def covered(rig: CameraRig, rig0: CameraRig, seen: dict[str, list[Keypoints2D]]) -> list[Result]:
    """Learned on even frames, judged on odd ones; and learned on either half in time, judged on the other."""
    off: dict[str, float] = {}
    halves: list[float] = []
    detectors = {**{card: detected(rig0, card=card) for card in CARDS}, "default": seen["default"], "accurate": seen["accurate"]}
    for name, views in detectors.items():
        off[name] = abs(_share_within(rig, views, EVEN, ODD) - ONE_SIGMA)
        if name != "posenet":  # sees the person in too few frames of a half
            halves += [
                abs(_share_within(rig, views, *parts) - ONE_SIGMA)
                for parts in ((slice(0, 50), slice(50, 100)), (slice(50, 100), slice(0, 50)))
            ]
    beside = ", ".join(f"{name} {value:.3f}" for name, value in off.items())
    note = f"{beside}; learned on one half in time, judged on the other: median {np.median(halves):.3f}, worst {max(halves):.3f}"
    return [result("evidence.sigma_coverage", [max(off.values())], "from 0.68", 0.06, "lower", beside=note)]


def _share_within(rig: CameraRig, views: list[Keypoints2D], learned_on: slice, judged_on: slice) -> float:
    learned = learn_scores(rig, [view.window(learned_on) for view in views])
    used, _, sampled = evidence_of(rig, [view.window(judged_on) for view in views], 0.05, 1000)
    within, _ = coverage(left_out(used, sampled.xy, sampled.confidence, learned.sigma, learned.points), learned.sigma, learned.points)
    return float(np.nanmean(within))


def overhead() -> list[Result]:
    """One video of 1080 x 1920 on two cores, against its networks and its decoding alone, in turn."""
    results: list[Result] = []
    path = BALANCE4 / "videos" / "cam03.mp4"
    threads = min(2, os.cpu_count() or 1)
    for speed, limit in (("default", 1.25), ("fast", 1.35)):
        detector = load_detector(speed, threads=threads)  # pyright: ignore[reportArgumentType]
        ratios, seconds, bound, notes = list[float](), list[float](), list[float](), ""
        for _ in range(ROUNDS):
            whole, runs = _whole(detector, path)
            bare, decoding = sum(_bare(network, count) for network, count in runs), _decode(path)
            ratios.append(whole / (bare + decoding))
            seconds.append(whole)
            together = _together(runs, path)
            notes = f"whole {whole:.2f} s, networks {bare:.2f} s, decoding {decoding:.2f} s, both at once {together:.2f} s"
            bound.append(100 / together)
        results.append(result(f"evidence.overhead_{speed}", ratios, "x bare", limit, "lower", beside=notes))
        if speed == "fast":
            results.append(
                result(
                    "evidence.fps_fast",
                    [100 / s for s in seconds],
                    "frames/s",
                    120.0,
                    "higher",
                    beside=f"{notes}; bound {np.median(bound):.0f}",
                )
            )
    return results


def _whole(detector: Detector, path: Path) -> tuple[float, list[tuple[Network, int]]]:
    networks = [network for network in (detector.multi, detector.single, detector.detail) if network is not None]
    counts = dict.fromkeys(range(len(networks)), 0)
    originals = [network.run for network in networks]

    def counted(k: int):
        def once(looked_at: np.ndarray) -> list[np.ndarray]:
            counts[k] += 1
            return originals[k](looked_at)

        return once

    for k, network in enumerate(networks):
        network.run = counted(k)
    (video,) = open_videos({"cam03": path})
    start = time.perf_counter()
    for _ in detect_windows(ahead(video.frames(0, 100)), "cam03", video.size, Tracker(detector)):
        pass
    seconds = time.perf_counter() - start
    for network, original in zip(networks, originals, strict=True):
        network.run = original
    return seconds, [(network, counts[k]) for k, network in enumerate(networks)]


def _bare(network: Network, count: int) -> float:
    """Seconds that so many runs take, with an input that is ready."""
    width, height = network.card.input
    if network.card.name == "movenet_multipose":
        width = 224  # 1080 x 1920 in 384
    session = network._session
    ready = np.zeros((1, height, width, 3), session.dtype)
    session.run(ready, network._outputs)
    start = time.perf_counter()
    for _ in range(count):
        session.run(ready, network._outputs)
    return time.perf_counter() - start


def _together(runs: list[tuple[Network, int]], path: Path) -> float:
    """Seconds that the same runs take with nothing but decoding at the same time: what no program on this machine is faster than."""
    start = time.perf_counter()
    with ThreadPoolExecutor(1) as pool:
        decoding = pool.submit(_decode, path)
        for network, count in runs:
            _bare(network, count)
        decoding.result()
    return time.perf_counter() - start


def _decode(path: Path) -> float:
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    start = time.perf_counter()
    for _ in range(100):
        capture.read()
    capture.release()
    return time.perf_counter() - start


def _write_openpose(folder: Path, frames: int, people: int = 2) -> None:
    rng = np.random.default_rng(0)
    texts = []
    for _ in range(64):
        points = np.c_[rng.uniform(100, 900, (people, 25, 2)), rng.uniform(0.3, 0.95, (people, 25, 1))].reshape(people, -1)
        keys = [{"person_id": [-1], "pose_keypoints_2d": np.round(p, 3).tolist()} for p in points]
        texts.append(json.dumps({"version": 1.3, "people": keys}, separators=(",", ":")))
    for k in range(frames):
        (folder / f"clip_{k:012d}_keypoints.json").write_text(texts[k % 64])


def reading() -> list[Result]:
    with tempfile.TemporaryDirectory() as folder:
        _write_openpose(Path(folder), FILES)
        seconds = []
        for _ in range(4):
            start = time.perf_counter()
            read_openpose(Path(folder), "cam", KeypointOptions(60.0, (1080, 1920), "body_25"))
            seconds.append(time.perf_counter() - start)
    return [result("evidence.openpose_10k_s", seconds[1:], "s", 2.0, "lower", beside="two people of 25 points in each file")]


def hour() -> list[Result]:
    """Peak of a process of its own that converts an hour of one camera."""
    # VmHWM and not ru_maxrss: that one keeps what the process that started it had.
    code = (
        "import sys; from recon3d.cli import main; sys.argv = ['recon3d', *sys.argv[1:]]; main(); "
        "print('peak', next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))"
    )
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "cam01"
        source.mkdir()
        _write_openpose(source, HOUR, people=1)
        words = ["convert", str(source), str(Path(folder) / "cam01.npz"), "--fps", "30", "--size", "1080", "1920", "--layout", "body_25"]
        done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)
    peak = float(done.stdout.split("peak")[1]) / 1024
    return [
        result("evidence.hour_memory_mb", [peak], "MB", 500.0, "lower", beside=f"{HOUR} OpenPose files to one .npz, interpreter included")
    ]


def systems() -> list[Result]:
    from recon3d.systems import all_systems
    from tests.test_systems import READ, RUN

    proved = [s for s in all_systems() if set(s.reads) == set(READ.get(s.name, {})) and set(s.runs) == set(RUN.get(s.name, {}))]
    return [
        result("evidence.systems", [len(proved)], "systems", 25.0, "higher", beside="each claim names its test in tests/test_systems.py")
    ]
