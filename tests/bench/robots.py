"""A person's motion on the Unitree G1: what it breaks, how far planted feet slide, how fast it goes."""

import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter1d

from recon3d import io, pipeline
from recon3d.geometry import SO3
from recon3d.records import Motion
from recon3d.robots import Robot, RobotQuality, find_urdf, follow, load_card, load_robot, quality, targets_of
from recon3d.synthetic import make_person
from tests.bench.main_job import BALANCE4
from tests.bench.table import Result, result

ROUNDS = 5
KINDS = ("gait", "dance", "jump", "fall")


def run() -> list[Result]:
    card = load_card("g1")
    robot = load_robot(find_urdf(card), card)
    with tempfile.TemporaryDirectory() as folder:
        job = pipeline.Job(BALANCE4 / "Calib.qca.txt", (str(BALANCE4 / "openpose"),), Path(folder) / "take", fps=60.0)
        motion = io.read_motion(pipeline.run(job).take.motion("0"))
    targets = targets_of(motion, robot)
    moved, rates = follow(robot, targets), list[float]()
    for _ in range(ROUNDS):
        start = time.perf_counter()
        moved = follow(robot, targets_of(motion, robot))
        rates.append(len(moved) / (time.perf_counter() - start))
    own = quality(robot, moved, targets)
    others = [_on(robot, make_person(kind, 120, 60.0, seed=seed).motion) for seed in range(5) for kind in KINDS]
    wild = [_on(robot, _thrown_about(seed)) for seed in range(5)]
    broken = [q.limit_violations + q.collisions for q in (own, *others, *wild)]
    stands = int(targets.planted.any(-1).sum())
    slide = f"{stands} stands of feet in frames; soles under the floor {own.sunk_mm:.2f} mm"
    off = f"pelvis off {own.base_mm:.1f} mm, hands {own.hand_mm:.1f} mm, trunk {own.torso_deg:.2f} deg (root mean square)"
    most = f"worst of balance4, {len(others)} synthetic motions and {len(wild)} with limbs thrown through the body"
    return [
        result("delivery.g1_violations", [float(max(broken))], "frames", 0.0, "lower", range(5), beside=most),
        result("delivery.g1_slide_mm", [own.slide_mm], "mm", 5.0, "lower", beside=slide),
        result("delivery.g1_fps", rates, "frames/s", 100.0, "higher", beside=off),
    ]


def _on(robot: Robot, motion: Motion) -> RobotQuality:
    targets = targets_of(motion, robot)
    return quality(robot, follow(robot, targets), targets)


def _thrown_about(seed: int) -> Motion:
    """What no robot can do: every joint turned at random, by some 70 degrees."""
    motion = make_person("dance", 120, 60.0, seed=seed).motion
    joints = len(motion.armature.joints)
    noise = gaussian_filter1d(np.random.default_rng(seed).normal(size=(120, joints, 3)), 8, axis=0)
    noise *= 1.2 / noise.std() * motion.armature.free * np.where(np.arange(joints) == 0, 0.2, 1.0)[:, None]
    return replace(motion, rotation=(SO3.from_wxyz(motion.rotation) @ SO3.exp(noise)).wxyz())
