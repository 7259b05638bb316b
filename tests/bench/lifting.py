"""One camera: the shipped network on people it has never seen, and on balance4, each camera alone, against all four.

The people are of the mocap30 files, which may not come with the project: RECON3D_MOCAP30 names their folder and RECON3D_OPEN_BODY
the open body; without them those numbers are left out. Baselines (tests/data/lifting) were trained as long, on the same windows.
"""

import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from recon3d import io, motion
from recon3d.geometry import Camera
from recon3d.geometry.threads import single_threaded
from recon3d.metrics import aligned_error
from recon3d.monocular import JOINTS, NetworkLifter, PointsOfView, shipped
from recon3d.monocular.points import EVALUATED, POINTS
from recon3d.monocular.train.mocap import Clips, read_clips
from recon3d.monocular.train.sample import Batch, Sampler
from recon3d.monocular.train.scores import USUAL, judged
from recon3d.monocular.world import PersonView, lift
from recon3d.motion.prior import body_size
from recon3d.pipeline import Job, LiftJob, Settings, Take, lift_take
from recon3d.pipeline import run as run_job
from recon3d.pipeline.settings import ExportSettings, LiftSettings
from recon3d.records import Motion
from recon3d.skeleton import STATURE_M, load_armature
from tests.bench.main_job import BALANCE4
from tests.bench.table import Result, result
from tests.bench.unseen import unseen_limbs

SEEDS = (0, 1, 2, 3, 4)
WINDOWS, FRAMES = 96, 81
BASELINES = Path(__file__).parents[1] / "data" / "lifting"
SHARED = Path(__file__).parents[3] / "shared" / "data"
JUDGED = slice(50, 100)


def run() -> list[Result]:
    return [*unseen_people(), *balance4(), *speed()]


def unseen_people() -> list[Result]:
    folder = Path(os.environ.get("RECON3D_MOCAP30", SHARED / "mocap30"))
    body = Path(os.environ.get("RECON3D_OPEN_BODY", SHARED / "open_body.npz"))
    if not folder.is_dir():
        return []
    _, hdm05, cmu = read_clips(folder, body)
    sessions = {name: _session(path) for name, path in {"lift": shipped(), **_baselines()}.items()}
    scores: dict[str, dict[str, list[float]]] = {name: {"n": [], "pa": []} for name in (*sessions, "cmu")}
    inside: list[float] = []
    for seed in SEEDS:
        batch = _sample(hdm05, seed)
        for name, session in sessions.items():
            score = judged(session, batch)
            scores[name]["n"].append(score.n_mm)
            scores[name]["pa"].append(score.pa_mm)
            if name == "lift":
                inside.append(abs(score.inside - 0.95))
        score = judged(sessions["lift"], _sample(cmu, seed))
        scores["cmu"]["n"].append(score.n_mm)
        scores["cmu"]["pa"].append(score.pa_mm)
    out = [
        result("lifting.hdm05_n_mm", scores["lift"]["n"], "mm", 80.0, "lower", SEEDS),
        result("lifting.hdm05_pa_mm", scores["lift"]["pa"], "mm", 55.0, "lower", SEEDS),
        result("lifting.cmu_n_mm", scores["cmu"]["n"], "mm", 55.0, "lower", SEEDS),
        result("lifting.cmu_pa_mm", scores["cmu"]["pa"], "mm", 38.0, "lower", SEEDS),
        result("lifting.coverage", inside, "off 0.95", 0.04, "lower", SEEDS),
    ]
    for name, limit in (("mlp", 0.8), ("tcn", 0.88)):
        if name in sessions:
            ratios = [a / b for a, b in zip(scores["lift"]["n"], scores[name]["n"], strict=True)]
            beside = f"N- {np.median(scores[name]['n']):.1f} mm, PA- {np.median(scores[name]['pa']):.1f} mm"
            out.append(result(f"lifting.vs_{name}", ratios, "x", limit, "lower", SEEDS, beside))
    return [*out, *unseen_limbs((hdm05, cmu))]


def _baselines() -> dict[str, Path]:
    return {path.stem: path for path in sorted(BASELINES.glob("*.onnx"))}


def _session(path: Path) -> Any:
    import onnxruntime

    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def _sample(clips: Clips, seed: int) -> Batch:
    return Sampler(clips, USUAL, 10_000 + seed).batch(WINDOWS, FRAMES)


@dataclass(frozen=True)
class Alone:
    """One camera's answers beside the four cameras', about the root in the world's axes, m."""

    name: str
    true: Float[np.ndarray, "frames joints 3"]
    network: Float[np.ndarray, "frames joints 3"]
    single: Float[np.ndarray, "frames joints 3"]
    world: Float[np.ndarray, "frames joints 3"]
    depth_pct: float


def balance4() -> list[Result]:
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(export=ExportSettings(("csv",)))
        whole = Path(folder) / "four"
        run_job(Job(BALANCE4 / "Calib.qca.txt", (str(BALANCE4 / "videos"),), whole, settings, image_fit="letterbox"))
        four = io.read_motion(Take(whole).motion("0"))
        rig = io.read_rig(whole / "rig.toml")
        each = [_alone(camera, four, whole, Path(folder) / camera.name) for camera in rig]
    network = [_pa(one.network, one.true) for one in each]
    world = [_pa(one.world, one.true) for one in each]
    ratio = [_jerked(one.world, one.true) / _jerked(one.single, one.true) for one in each]
    beside = ", ".join(f"{one.name} {a:.0f} / {b:.0f}" for one, a, b in zip(each, network, world, strict=True))
    depth = [one.depth_pct for one in each]
    return [
        Result("lifting.balance4_pa_mm", float(np.mean(network)), "mm", 55.0, "lower", (), beside, [min(network), max(network)]),
        Result("lifting.balance4_world_pa_mm", float(np.mean(world)), "mm", 48.0, "lower", (), "", [min(world), max(world)]),
        Result("lifting.balance4_accel_ratio", float(np.mean(ratio)), "x", 0.5, "lower", (), "", [min(ratio), max(ratio)]),
        Result("lifting.balance4_depth_pct", float(np.mean(depth)), "%", 5.0, "lower", (), "", [min(depth), max(depth)]),
    ]


def _alone(camera: Camera, four: Motion, whole: Path, out: Path) -> Alone:
    tall = STATURE_M * body_size(four.armature) / body_size(load_armature("human"))
    settings = Settings(export=ExportSettings(("csv",)), lift=LiftSettings(height=tall))
    job = LiftJob(BALANCE4 / "videos" / f"{camera.name}.mp4", out, settings, whole / "rig.toml", image_fit="letterbox")
    take = lift_take(job).take
    view, ours = _same_person(take, camera, four)
    joints = [name for name in EVALUATED if name in four.armature.joints]
    true, world = (m.poses().translation[:, [m.armature.index(name) for name in joints]] for m in (four, ours))
    lifter = NetworkLifter(shipped())
    turn, _ = view.poses()
    whole_take = lift(view, lifter)
    parts = [lift(view.take(slice(k, k + 1)), lifter) for k in range(len(view))]
    single = np.concatenate([part.joints for part in parts])
    columns = [JOINTS.index(name) for name in joints]
    depth = [(camera.cam_from_world @ m[JUDGED, 0])[:, 2] for m in (world, true)]
    return Alone(
        camera.name,
        (true - true[:, :1])[JUDGED],
        np.einsum("fij,fpj->fpi", turn, whole_take.joints[:, columns])[JUDGED],
        np.einsum("fij,fpj->fpi", turn, single[:, columns])[JUDGED],
        (world - world[:, :1])[JUDGED],
        100 * float(np.median(np.abs(depth[0] / depth[1] - 1))),
    )


def _same_person(take: Take, camera: Camera, four: Motion) -> tuple[PersonView, Motion]:
    """The person that the four cameras have, as this one saw it."""
    seen = io.read_keypoints2d(take.keypoints2d(camera.name))
    motions = [io.read_motion(take.motion(name)) for name in take.people()]
    ours = min(motions, key=lambda m: float(np.nanmedian(np.linalg.norm(m.translation - four.translation, axis=-1))))
    where = camera.project(four.translation)
    known: np.ndarray = np.logical_and.reduce(np.isfinite(seen.xy), axis=-1)
    middle = np.where(known[..., None], seen.xy, 0.0).sum(2) / np.where(known.sum(2) > 0, known.sum(2), np.nan)[..., None]
    slot = int(np.nanargmin(np.nanmedian(np.linalg.norm(middle - where[:, None], axis=-1), 0)))
    xy = np.where((seen.confidence[:, slot] < 0.3)[..., None], np.nan, seen.xy[:, slot]).astype(float)
    return PersonView(camera, seen.layout, seen.frame.copy(), seen.time.copy(), xy, seen.sigma_px[:, slot].astype(float)), ours


def _pa(found: Float[np.ndarray, "frames joints 3"], true: Float[np.ndarray, "frames joints 3"]) -> float:
    return float(aligned_error(found, true).mean())


def _jerked(found: Float[np.ndarray, "frames joints 3"], true: Float[np.ndarray, "frames joints 3"]) -> float:
    """Error of accelerations, m a frame squared."""
    off = found - true
    return float(np.linalg.norm(off[2:] - 2 * off[1:-1] + off[:-2], axis=-1).mean())


def speed() -> list[Result]:
    with single_threaded():
        return [_batch(), _causal(), _solve()]


def _view(frames: int, seed: int = 0) -> PointsOfView:
    rng = np.random.default_rng(seed)
    ray = 0.2 * rng.normal(size=(1, len(POINTS), 2)) + 0.01 * rng.normal(size=(frames, len(POINTS), 2))
    return PointsOfView(ray, np.full((frames, len(POINTS)), 0.002), np.arange(frames) / 60, np.zeros((frames, 3)))


def _batch() -> Result:
    lifter, view = NetworkLifter(shipped(), threads=1), _view(2430)
    lifter.lift(_view(243))
    rates = [len(view.time) / _seconds(lambda: lifter.lift(view)) for _ in range(5)]
    return result("lifting.fps", rates, "frames/s", 1000.0, "higher")


def _causal() -> Result:
    """Each frame by the best of three passes: the machine's speed halves for seconds at a time."""
    lifter, view = NetworkLifter(shipped(), threads=1, mirrored=False), _view(300)
    passes: list[list[float]] = []
    for _ in range(3):
        follower = lifter.follow()
        times: list[float] = []
        for k in range(len(view.time)):
            frame = view.take(slice(k, k + 1))
            times.append(1000 * _seconds(lambda frame=frame, follower=follower: follower.push(frame)))
        passes.append(times[100:])
    beside = "best of three passes; medians of each " + ", ".join(f"{np.median(one):.1f}" for one in passes)
    return result("lifting.causal_ms", np.min(passes, axis=0).tolist(), "ms", 5.0, "lower", (), beside)


def _solve() -> Result:
    """Motion of one person from one camera: lifting, sizes and poses."""
    from recon3d.monocular.world import observe
    from recon3d.synthetic import NoiseSettings, make_person, make_rig, make_world

    world = make_world(make_rig("ring", 4, "none", 1), make_person("gait", 600, 60.0, 1), NoiseSettings(outliers=0.02), 1)
    camera = world.rig.cameras[0]
    armature, stature = load_armature("human"), motion.Stature(1.70, 0.03)
    time_s, xy = world.person.motion.time.copy(), world.xy[0].copy()
    view = PersonView(camera, world.person.layout, np.arange(600), time_s, xy, np.full(xy.shape[:2], 2.0))
    lifter = NetworkLifter(shipped())

    def once() -> None:
        seen = observe(view, lift(view, lifter), armature)
        body = motion.measure([motion.sample(seen)], view.layout, stature=stature)
        next(motion.solve_windows([seen], body))

    once()
    return result("lifting.world_fps", [600 / _seconds(once) for _ in range(3)], "frames/s", 150.0, "higher")


def _seconds(work: Any) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin
