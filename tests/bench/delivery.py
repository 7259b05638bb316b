"""Files for other programs: what independent readers read back, what validators find, and how long writing takes."""

import json
import platform
import subprocess
import tempfile
import time
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from recon3d import io
from recon3d.arrays import whole_rows
from recon3d.characters import auto_map, dressed, load_preset, preset_names, retargeted
from recon3d.geometry import SO3
from recon3d.geometry.lie import without_sign_flips
from recon3d.records import Animation, Keypoints3D, Motion, State
from recon3d.records.animation import FROM_Z_UP
from recon3d.skeleton import Layout
from recon3d.skeleton.shape import anthropometric
from recon3d.synthetic import make_person
from tests.bench import robots
from tests.bench.table import Result, result
from tests.io.readers import places_of

FRAMES, JOINTS = 10_000, 60
RATES = (29.97, 59.94, 120.0)
SUFFIXES = ("bvh", "fbx", "glb", "usda", "usdc", "usdz")
ROUNDS = 5


def run() -> list[Result]:
    with tempfile.TemporaryDirectory() as folder:
        return [*read_back(Path(folder)), *validators(Path(folder)), *speed(Path(folder)), *retargeting(), *robots.run()]


def _motions() -> list[Motion]:
    """Two people, three rates, one frame, and a gap."""
    out: list[Motion] = []
    for kind, rate in zip(("dance", "jump", "gait"), RATES, strict=True):
        motion = make_person(kind, 60, 60.0, seed=len(out)).motion
        out.append(replace(motion, time=np.arange(60) / rate, person=len(out)))
    one = make_person("fall", 1, 60.0).motion
    gap = out[0]
    holes = {name: getattr(gap, name).copy() for name in ("translation", "rotation", "state")}
    holes["translation"][20:30], holes["rotation"][20:30], holes["state"][20:30] = np.nan, np.nan, State.MISSING
    return [*out, one, replace(gap, **holes)]


def read_back(folder: Path) -> list[Result]:
    mm, deg, worst = 0.0, 0.0, ""
    for k, motion in enumerate(_motions()):
        poses = motion.poses()
        want, turns = poses.translation.copy(), poses.rotation.matrix.copy()
        for f in np.flatnonzero(~motion.present()).tolist():  # repeats the last one
            want[f], turns[f] = want[f - 1], turns[f - 1]
        for suffix in SUFFIXES:
            path = folder / f"{k}.{suffix}"
            io.write(path, motion)
            place, turn, _ = places_of(path, motion.armature.joints, 0.01 if suffix in ("bvh", "fbx") else 1.0)
            there = np.isfinite(turn).all((1, 2, 3))
            off = np.rad2deg(np.linalg.norm(SO3(np.swapaxes(turns[there], -1, -2) @ turn[there]).log(), axis=-1)).max()
            here = 1000 * float(np.abs(place - want).max())
            mm, deg, worst = max(mm, here), max(deg, float(off)), suffix if here > mm else worst
        mm = max(mm, _points(folder, motion))
    mm, deg = (max(pair) for pair in zip((mm, deg), _by_fbx_sdk(folder), strict=True))
    readers = "pybvh, bvhio, ufbx, fbx2gltf (Autodesk's SDK), pygltflib, usd-core, ezc3d"
    note = f"{', '.join(SUFFIXES)}, trc, c3d; 29.97, 59.94, 120 frames/s, one frame, a gap; read by {readers}"
    return [
        result("delivery.readback_mm", [mm], "mm", 0.1, "lower", beside=note),
        result("delivery.readback_deg", [deg], "deg", 0.01, "lower"),
    ]


def _by_fbx_sdk(folder: Path) -> tuple[float, float]:
    """An FBX as Autodesk's own library has it, by fbx2gltf; mm and degrees."""
    motion = make_person("dance", 60, 60.0, seed=7).motion
    io.write(folder / "sdk.fbx", motion)
    tool = _tool("fbx2gltf") / "bin" / platform.system() / "FBX2glTF"
    tool.chmod(0o755)
    options = ["--binary", "--anim-framerate", "bake60", "--input", str(folder / "sdk.fbx"), "--output", str(folder / "sdk")]
    subprocess.run([str(tool.resolve()), *options], check=True, capture_output=True)
    place, turn, _ = places_of(folder / "sdk.glb", motion.armature.joints, 1.0)
    poses = motion.poses()
    off = SO3(np.swapaxes(poses.rotation.matrix, -1, -2) @ turn).log()
    return 1000 * float(np.abs(place - poses.translation).max()), float(np.rad2deg(np.linalg.norm(off, axis=-1)).max())


def _tool(package: str) -> Path:
    """A package of npm, installed beside the benchmark's results."""
    tools = Path("out/tools")
    if not (tools / "node_modules" / package).is_dir():
        tools.mkdir(parents=True, exist_ok=True)
        subprocess.run(["npm", "install", "--silent", "--prefix", str(tools), package], check=True, capture_output=True)
    return tools / "node_modules" / package


def _points(folder: Path, motion: Motion) -> float:
    """Keypoints in C3D and TRC: worst distance, mm."""
    import ezc3d

    world = _world(motion.poses().translation, motion.time, motion.armature.joints)
    io.write(folder / "a.c3d", world)
    points = ezc3d.c3d(str(folder / "a.c3d"))["data"]
    place = points["points"][:3].transpose(2, 1, 0)
    missing = points["meta_points"]["residuals"][0].T < 0
    if not np.array_equal(missing, world.state[:, 0] == State.MISSING):
        return float("inf")
    off = np.abs(np.where(missing[..., None], 0.0, place - 1000 * world.xyz[:, 0]))
    io.write(folder / "a.trc", world)
    rows = [line.split("\t") for line in (folder / "a.trc").read_text().splitlines()[6:]]
    table = np.array([[float(cell) if cell else np.nan for cell in row] for row in rows])[:, 2:].reshape(len(world), -1, 3)
    back = 1000 * np.abs(table[..., [2, 0, 1]] - world.xyz[:, 0])
    return max(float(off.max()), float(np.nanmax(back)))


def _world(places: np.ndarray, times: np.ndarray, names: tuple[str, ...]) -> Keypoints3D:
    frames, count = places.shape[:2]
    seen = whole_rows(places)[:, None]
    return Keypoints3D(
        layout=Layout("joints", "Joints", names, np.zeros((0, 2), np.int64), np.arange(count)),
        frame=np.arange(frames),
        time=times.copy(),
        people=np.array([0]),
        xyz=places[:, None].copy(),
        confidence=seen.astype(float),
        covariance=np.where(seen[..., None, None], 1e-6 * np.eye(3), np.nan),
        views=(4 * seen).astype(np.uint8),
        state=seen.astype(np.uint8),
        residual_px=np.ones((frames, 1, count)),
    )


def validators(folder: Path) -> list[Result]:
    """Errors that Khronos' glTF validator and Pixar's USD checks find in every preset's files."""
    motion = make_person("dance", 60, 60.0).motion
    animations = {"own": None, **{name: dressed(motion, load_preset(name)) for name in preset_names()}}
    found, checked = 0, 0
    problems: list[str] = []
    for name, animation in animations.items():
        for suffix in ("glb", "usda", "usdc", "usdz"):
            path = folder / f"{name}.{suffix}"
            io.write(path, motion if animation is None else animation)
            errors = _glb_errors(path) if suffix == "glb" else _usd_errors(path)
            found, checked = found + len(errors), checked + 1
            problems += errors
    note = f"{checked} files; {'; '.join(sorted(set(problems))[:3]) or 'nothing found'}"
    return [result("delivery.validators", [float(found)], "errors", 0.0, "lower", beside=note)]


_VALIDATE = """
const validator = require('gltf-validator'), fs = require('fs');
validator.validateBytes(new Uint8Array(fs.readFileSync(process.argv[1]))).then(r => console.log(JSON.stringify(r.issues)));
"""


def _glb_errors(path: Path) -> list[str]:
    tools = _tool("gltf-validator").parent.parent
    run = subprocess.run(["node", "-e", _VALIDATE, str(path.resolve())], check=True, capture_output=True, cwd=tools)
    issues = json.loads(run.stdout)
    return [m["code"] for m in issues["messages"] if m["severity"] == 0]


def _usd_errors(path: Path) -> list[str]:
    validation: Any = import_module("pxr.UsdValidation")
    usd: Any = import_module("pxr.Usd")
    registry = validation.ValidationRegistry()
    context = validation.ValidationContext(registry.GetOrLoadAllValidators())
    stage = usd.Stage.Open(str(path))
    return [e.GetErrorAsString() for e in context.Validate(stage) if e.GetType() == validation.ValidationErrorType.Error]


def retargeting() -> list[Result]:
    """Hands and feet on five people of other proportions, against where they were in the scaled world."""
    means: list[float] = []
    for seed in range(5):
        off: list[np.ndarray] = []
        for kind in ("gait", "dance", "jump", "fall"):
            motion = make_person(kind, 120, 60.0, seed=seed).motion
            shape = anthropometric(motion.armature)
            draw = np.random.default_rng(100 + seed).normal(size=len(shape.names))
            other = replace(motion, armature=shape.apply(motion.armature, shape.sigma * draw))
            figure = dressed(other, load_preset("unreal"))
            ours_of = auto_map(figure.joints)
            moved = retargeted(motion, figure, ours_of)
            theirs = {ours: figure.index(name) for name, ours in ours_of.items()}
            place, source = moved.unit_m * moved.poses().translation, motion.poses().translation
            scale = _leg(other.armature.rest_offset, motion) / _leg(motion.armature.rest_offset, motion)
            for name in ("left_wrist", "right_wrist", "left_ankle", "right_ankle"):
                off.append(np.linalg.norm(place[:, theirs[name]] - scale * source[:, motion.armature.index(name)], axis=-1))
        means.append(1000 * float(np.mean(off)))
    note = "means over four motions; bodies drawn from the population's statistics"
    return [result("delivery.retarget_hand_mm", means, "mm", 15.0, "lower", range(5), beside=note)]


def _leg(rest_offset: np.ndarray, motion: Motion) -> float:
    return sum(float(np.linalg.norm(rest_offset[motion.armature.index(f"{s}_{j}")])) for s in ("left", "right") for j in ("knee", "ankle"))


def long_animation(frames: int) -> Animation:
    """A chain of joints that all turn smoothly."""
    rng = np.random.default_rng(0)
    time_s = np.arange(frames) / 60
    phase = rng.uniform(0, 6, (JOINTS, 3))
    turn = 0.5 * np.sin(time_s[:, None, None] * rng.uniform(1, 6, (JOINTS, 3)) + phase)
    still = np.zeros((JOINTS, 4))
    still[:, 0] = 1.0
    return Animation(
        name="chain",
        joints=tuple(f"joint{k}" for k in range(JOINTS)),
        parents=np.maximum((np.arange(JOINTS) - 1) // 2, -1) * (np.arange(JOINTS) > 0) - (np.arange(JOINTS) == 0),
        rest_place=rng.normal(0, 10, (JOINTS, 3)),
        rest_turn=still,
        tip=np.tile([0.0, 5.0, 0.0], (JOINTS, 1)),
        time=time_s,
        moving=np.zeros(1, np.int64),
        place=np.cumsum(rng.normal(0, 1, (frames, 1, 3)), 0),
        rotation=without_sign_flips(SO3.exp(turn).wxyz()),
        unit_m=0.01,
        up="y",
    )


def speed(folder: Path) -> list[Result]:
    animation = long_animation(FRAMES)
    out: list[Result] = []
    for suffix, limit in (("bvh", 1.5), ("fbx", 1.5), ("glb", 0.5)):
        seconds: list[float] = []
        for _ in range(ROUNDS):
            start = time.perf_counter()
            io.ANIMATION_WRITERS[f".{suffix}"](folder / f"long.{suffix}", animation)
            seconds.append(time.perf_counter() - start)
        size = (folder / f"long.{suffix}").stat().st_size / 1e6
        out.append(
            result(f"delivery.{suffix}_s", seconds, "s", limit, "lower", beside=f"{FRAMES} frames of {JOINTS} joints, {size:.0f} MB")
        )
    places = 0.01 * animation.poses().translation @ FROM_Z_UP
    world = _world(places, animation.time, animation.joints)
    seconds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        io.write(folder / "long.c3d", world)
        seconds.append(time.perf_counter() - start)
    out.append(result("delivery.c3d_s", seconds, "s", 1.0, "lower", beside=f"{FRAMES} frames of {JOINTS} points"))
    return out
