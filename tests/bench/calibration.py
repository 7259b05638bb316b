"""Calibration: errors over the Cramer-Rao bound of the same trials, success from nothing, honesty, time, real recordings.

Boards: 11 x 8 corners of 100 mm, 100 places within 1.2 m of the middle of a ring of 8 cameras (4 m), lenses unknown, 0.3 px.
People: the gait scene of the triangulation family. One thread.
"""

import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from importlib import resources
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from calibration.board_views import find_in_pictures
from calibration.boards import calibrate_boards
from calibration.lenses import fit_lens
from calibration.people import PeopleSettings, calibrate_people
from calibration.refine import refine
from calibration.targets import Board
from recon3d import io
from recon3d.errors import Recon3dError
from recon3d.geometry import SE3, SO3, CameraRig, Clock
from recon3d.geometry.bundle import PointBundle, PointsAt
from recon3d.geometry.camera_unknowns import Free
from recon3d.geometry.schur import solve_schur
from recon3d.geometry.sightings import Poses, sight
from recon3d.geometry.triangulation import triangulate, triangulate_linear
from recon3d.io.keypoints.openpose import KeypointOptions, OpenPoseFolder
from recon3d.records import Keypoints2D
from recon3d.skeleton import LIMBS
from recon3d.synthetic import MotionKind, RigKind, make_rig
from tests.bench import calibration_worlds as worlds
from tests.bench.table import Result, result

BALANCE4 = Path(str(resources.files("recon3d"))) / "data" / "balance4"
DATA = Path(__file__).parent.parent / "data"
BOARD_SEEDS, PEOPLE_SEEDS, HONEST_SEEDS, SUCCESS_SEEDS = range(30), range(10), range(50), range(100)
SCENARIOS: dict[str, tuple[MotionKind, RigKind, int]] = {
    "gait": ("gait", "ring", 4),
    "straight walk": ("walk_out", "ring", 4),
    "on the spot": ("on_the_spot", "ring", 4),
    "wall rig": ("gait", "wall", 4),
    "two facing": ("gait", "corridor", 2),
    "clocks off": ("gait", "ring", 4),
}
SOLVED_DEG, SOLVED_M = 1.0, 0.05


def run() -> list[Result]:
    with threadpool_limits(1):
        return [*boards(), *people(), *focal(), *honesty(), *bundle20k(), *clocks(), *pictures(), *balance4(), *success()]


def boards() -> list[Result]:
    """Lenses and poses from boards, against the bound with all five coefficients."""
    focal, centre_px, turn, place, seconds, square, bound = [], [], [], [], [], [], []
    for seed in BOARD_SEEDS:
        world = worlds.board_world(seed)
        views = worlds.board_views(world)
        start = time.perf_counter()
        outcome, _ = calibrate_boards(views, worlds.BOARD)
        seconds.append(time.perf_counter() - start)
        rig, limit = outcome.rig, worlds.board_bound(world)
        twist = worlds.pose_errors(rig, world.rig, scale=False)
        lens = [(c.intrinsics.K, t.intrinsics.K) for c, t in zip(rig, world.rig, strict=True)]
        focal.append(100 * np.mean([abs(a[k, k] / b[k, k] - 1) for a, b in lens for k in (0, 1)]))
        centre_px.append(np.mean([np.linalg.norm(a[:2, 2] - b[:2, 2]) for a, b in lens]))
        turn.append(np.rad2deg(np.linalg.norm(twist[:, 3:], axis=1)).mean())
        place.append(1e3 * np.linalg.norm(_centres(rig, world.rig), axis=1).mean())
        square.append(
            [
                sum((a[k, k] - b[k, k]) ** 2 for a, b in lens for k in (0, 1)),
                sum(((a - b)[:2, 2] ** 2).sum() for a, b in lens),
                (twist[:, 3:] ** 2).sum(),
            ]
        )
        bound.append([limit.expected("focal"), limit.expected("centre"), limit.expected("rotation")])
    ratio = np.sqrt(np.sum(square, 0) / np.sum(bound, 0))
    seeds = tuple(BOARD_SEEDS)

    def mean(name: str, values: list[float], unit: str, limit: float, beside: str = "") -> Result:
        return result(f"calibration.boards_{name}", [float(np.mean(values))], unit, limit, "lower", seeds, beside)

    peers = "peers 0.47 %, 9-17 px, 0.5-1.1 deg, 12-19 mm on a scene of the same kind"
    return [
        mean("focal_pct", focal, "%", 0.036, peers),
        mean("pp_px", centre_px, "px", 1.35),
        mean("rot_deg", turn, "deg", 0.085),
        mean("centre_mm", place, "mm", 1.3),
        result(
            "calibration.boards_bound_ratio",
            [float(np.mean(ratio))],
            "x",
            1.1,
            "lower",
            seeds,
            f"focal, principal point, rotation {ratio.round(3)}",
        ),
        result("calibration.boards_s", seconds, "s", 4.0, "lower", seeds),
    ]


def _centres(found: CameraRig, truth: CameraRig) -> np.ndarray:
    a, b = found.centres(), truth.centres()
    u, _, vt = np.linalg.svd((b - b.mean(0)).T @ (a - a.mean(0)))
    turn = u @ np.diag([1, 1, np.linalg.det(u @ vt)]) @ vt
    return (a - a.mean(0)) @ turn.T - (b - b.mean(0))


def people() -> list[Result]:
    """Poses from nothing, lenses known."""
    out: list[Result] = []
    for cameras in (4, 8, 16):
        square, bound, seconds, turns, places = [], [], [], [], []
        for seed in PEOPLE_SEEDS if cameras < 16 else list(PEOPLE_SEEDS)[:6]:
            world = worlds.gait_world(cameras, seed)
            seen, lenses = world.keypoints2d(), {c.name: c.intrinsics for c in world.rig}
            start = time.perf_counter()
            outcome = calibrate_people(seen, lenses)
            seconds.append(time.perf_counter() - start)
            limit = worlds.people_bound(world)
            twist = worlds.pose_errors(outcome.rig, world.rig, limit.gauge)
            square.append([(twist[:, 3:] ** 2).sum(), (twist[:, :3] ** 2).sum()])
            bound.append([limit.expected("rotation"), limit.expected("translation")])
            turns.append(float(np.rad2deg(np.linalg.norm(twist[:, 3:], axis=1)).mean()))
            places.append(float(1e3 * np.linalg.norm(twist[:, :3], axis=1).mean()))
        ratio = np.sqrt(np.sum(square, 0) / np.sum(bound, 0))
        note = f"rotation {ratio[0]:.3f}, centre {ratio[1]:.3f}; {np.mean(turns):.4f} deg, {np.mean(places):.2f} mm"
        seeds = tuple(PEOPLE_SEEDS)[: len(seconds)]
        out.append(result(f"calibration.people_{cameras}_bound_ratio", [float(ratio.max())], "x", 1.15, "lower", seeds, note))
        if cameras == 8:
            out.append(result("calibration.people_8_s", seconds, "s", 5.0, "lower", seeds))
    return out


def focal() -> list[Result]:
    errors = []
    for seed in range(5):
        world = worlds.gait_world(8, seed)
        outcome = calibrate_people(world.keypoints2d(), {c.name: c.intrinsics for c in world.rig}, PeopleSettings(focal="unknown"))
        errors.append(
            100
            * float(np.mean([abs(c.intrinsics.K[0, 0] / t.intrinsics.K[0, 0] - 1) for c, t in zip(outcome.rig, world.rig, strict=True)]))
        )
    return [result("calibration.people_focal_pct", errors, "%", 0.3, "lower", range(5))]


def honesty() -> list[Result]:
    """Squared errors over the variances that are reported, parameter by parameter; 1 where sigmas are right."""
    with ProcessPoolExecutor(2) as pool:
        found = list(pool.map(_normalised, HONEST_SEEDS))
    kinds = found[0].keys()
    value = {kind: float(np.mean(np.concatenate([f[kind] for f in found]))) for kind in kinds}
    note = ", ".join(f"{kind} {v:.3f}" for kind, v in value.items())
    return [result("calibration.nees", [max(abs(v - 1) for v in value.values())], "off 1", 0.15, "lower", HONEST_SEEDS, note)]


def _normalised(seed: int) -> dict[str, np.ndarray]:
    with threadpool_limits(1):
        world = worlds.gait_world(8, seed)
        adjusted = calibrate_people(world.keypoints2d(), {c.name: c.intrinsics for c in world.rig}).adjusted
        gauge = worlds.people_bound(world).gauge
        # Into the truth's size: the covariance is in units of the adjustment's own.
        size = np.linalg.norm(world.rig.centres() - world.rig.centres().mean(0)) / np.linalg.norm(
            adjusted.rig.centres() - adjusted.rig.centres().mean(0)
        )
        unit = np.tile(np.r_[np.full(3, size), np.ones(3)], 8)
        twist = worlds.pose_errors(adjusted.rig, world.rig, gauge).ravel()
        rest = np.eye(len(twist)) - gauge @ gauge.T
        variance = np.diag(rest @ (adjusted.covariance * np.outer(unit, unit)) @ rest)
        square = (twist**2 / variance).reshape(-1, 6)
        out = {"translation": square[:, :3].ravel(), "rotation": square[:, 3:].ravel()}
        board = worlds.board_world(seed)
        outcome, _ = calibrate_boards(worlds.board_views(board), worlds.BOARD)
        kinds = [k for free in outcome.adjusted.free for k in free.kinds]
        sigma = np.sqrt(np.diag(outcome.adjusted.covariance))
        at = 0
        focal, centre = [], []
        for free, camera, true in zip(outcome.adjusted.free, outcome.rig, board.rig, strict=True):
            k, t = camera.intrinsics.K, true.intrinsics.K
            own = kinds[at : at + len(free.kinds)]
            first = at + own.index("focal")
            focal += [((k[i, i] - t[i, i]) / sigma[first + i]) ** 2 for i in (0, 1)]
            first = at + own.index("centre")
            centre += [((k[i, 2] - t[i, 2]) / sigma[first + i]) ** 2 for i in (0, 1)]
            at += len(free.kinds)
        return out | {"focal": np.array(focal), "principal point": np.array(centre)}


def bundle20k() -> list[Result]:
    """20k points, 8 cameras, from 2 deg / 5 cm off; lenses known."""
    ours, theirs = [], []
    for seed in range(5):
        start, xy = _bundle_scene(seed)
        sigma = np.full(xy.shape[:2], 2.0)

        def solve(start: CameraRig = start, xy: np.ndarray = xy, sigma: np.ndarray = sigma) -> float:
            bundle = PointBundle(start, Free(), xy, sigma)
            poses = Poses.of_rig(start)
            s = sight(start, poses, xy, sigma)
            absent = bundle.present == 0
            u, v = np.where(absent, np.nan, s.u), np.where(absent, np.nan, s.v)
            first = triangulate_linear(poses.matrix, u, v, bundle.present)
            _, report = solve_schur(bundle, PointsAt(bundle.cameras, first))
            return report.cost

        cost = solve()
        freedoms = 2 * np.isfinite(xy[..., 0]).sum() - 3 * xy.shape[1]
        assert abs(2 * cost / freedoms - 1) < 0.05, f"chi-square over its freedoms is {2 * cost / freedoms}"
        began = time.perf_counter()
        solve()
        ours.append(time.perf_counter() - began)
        theirs.append(_ceres(start, xy))
    ratio = statistics.median(ours) / statistics.median(theirs)
    return [
        result("calibration.ba20k_s", ours, "s", 0.7, "lower", range(5), "triangulation of the start included"),
        result(
            "calibration.ba20k_vs_ceres", [ratio], "x", 0.9, "lower", range(5), f"pycolmap {statistics.median(theirs):.2f} s, one thread"
        ),
    ]


def _bundle_scene(seed: int) -> tuple[CameraRig, np.ndarray]:
    rng = np.random.default_rng(seed)
    rig = make_rig("ring", 8, "mild", seed)
    points = rng.normal([0, 0, 1], [0.5, 0.5, 0.4], (20_000, 3))
    xy = rig.project(points) + rng.normal(0, 2, (8, 20_000, 2))
    xy[rng.random((8, 20_000)) < 0.15] = np.nan
    cameras = []
    for camera in rig:
        axis, shift = rng.normal(size=3), rng.normal(size=3)
        rotation = SO3.exp(np.deg2rad(2) * axis / np.linalg.norm(axis)) @ camera.cam_from_world.rotation
        centre = camera.centre + 0.05 * shift / np.linalg.norm(shift)
        cameras.append(replace(camera, cam_from_world=SE3(rotation, -(rotation @ centre))))
    return replace(rig, cameras=tuple(cameras)), xy


def _ceres(start: CameraRig, xy: np.ndarray) -> float:
    import pycolmap  # pyright: ignore[reportMissingImports]

    scene = pycolmap.Reconstruction()
    for v, camera in enumerate(start):
        i = camera.intrinsics
        parameters = [i.K[0, 0], i.K[1, 1], i.K[0, 2] + 0.5, i.K[1, 2] + 0.5, *i.dist[:4], i.dist[4], 0, 0, 0]
        scene.add_camera_with_trivial_rig(
            pycolmap.Camera(camera_id=v + 1, model="FULL_OPENCV", width=i.size[0], height=i.size[1], params=parameters)
        )
        pose = camera.cam_from_world
        image = pycolmap.Image(name=camera.name, camera_id=v + 1, image_id=v + 1, keypoints=np.nan_to_num(xy[v]) + 0.5)
        scene.add_image_with_trivial_frame(image, pycolmap.Rigid3d(np.column_stack([pose.rotation.matrix, pose.translation])))
    sigma = np.ones(xy.shape[:2])
    first = triangulate(start, xy, sigma, max_depth_error=np.inf).xyz
    for p in range(xy.shape[1]):
        track = pycolmap.Track()
        for v in np.flatnonzero(np.isfinite(xy[:, p, 0])).tolist():
            track.add_element(v + 1, p)
        if track.length() >= 2:
            scene.add_point3D(first[p], track)
    config = pycolmap.BundleAdjustmentConfig()
    for v in range(len(start)):
        config.add_image(v + 1)
        config.set_constant_cam_intrinsics(v + 1)
    config.fix_gauge(pycolmap.BundleAdjustmentGauge.TWO_CAMS_FROM_WORLD)
    options = pycolmap.BundleAdjustmentOptions()
    options.refine_focal_length = options.refine_principal_point = options.refine_extra_params = False
    options.print_summary = False
    options.ceres.solver_options.num_threads = 1
    adjuster = pycolmap.create_default_bundle_adjuster(options, config, scene)
    began = time.perf_counter()
    adjuster.solve()
    return time.perf_counter() - began


def clocks() -> list[Result]:
    """Clocks from keypoints alone, poses from nothing too."""
    late, pace = [], []
    for seed in range(5):
        rig, seen, true = worlds.clocked_world(4, seed)
        outcome = calibrate_people(seen, {c.name: c.intrinsics for c in rig}, PeopleSettings(clocks="offset"))
        late.append(max(_late(outcome.rig, rig, true, 2.5)))
        rig, seen, true = worlds.clocked_world(4, seed, frames=3600, drift=1e-4)
        outcome = calibrate_people(seen, {c.name: c.intrinsics for c in rig}, PeopleSettings(clocks="drift"))
        first = true[0]
        pace.append(
            max(
                1e6 * abs((1 + camera.clock.drift) * (1 + first.drift) / (1 + true[rig.names.index(camera.name)].drift) - 1)
                for camera in outcome.rig.cameras[1:]
            )
        )
    return [
        result("calibration.clock_ms", late, "ms", 1.0, "lower", range(5), "worst of 3 cameras, clocks off by up to 0.5 s, 300 frames"),
        result("calibration.drift_ppm", pace, "ppm", 10.0, "lower", range(5), "worst of 3 cameras, up to 100 ppm, one minute"),
    ]


def _late(found: CameraRig, rig: CameraRig, true: list[Clock], stamp: float) -> list[float]:
    """Milliseconds by which each camera's world time is off, against the first camera's, half way through."""
    first = true[0]
    out = []
    for camera in found.cameras[1:]:
        own = true[rig.names.index(camera.name)]
        # The found world is the first camera's own time.
        world = float(own.to_world(np.array(stamp)))
        expected = (world - first.offset) / (1 + first.drift)
        out.append(1e3 * abs(float(camera.clock.to_world(np.array(stamp))) - expected))
    return out


def pictures() -> list[Result]:
    """Real boards: all corners count, the doubtful too."""
    stereo = Board("chessboard", 9, 6, 0.025)
    files = {side: sorted((DATA / "boards_stereo").glob(f"{side}*.jpg")) for side in ("left", "right")}
    found, _ = find_in_pictures(files, stereo)
    outcome, _ = calibrate_boards(found, stereo)
    off = np.linalg.norm(outcome.evidence.predicted - outcome.evidence.xy, axis=-1)
    rms = [float(np.sqrt(np.nanmean(row**2))) for row in off]
    board = Board("chessboard", 7, 4, 0.1)
    folders = {d.name[4:9]: sorted(d.glob("*.jpg")) for d in sorted((DATA / "balance4_boards").iterdir()) if d.is_dir()}
    views, _ = find_in_pictures(folders, board)
    fits = [fit_lens(v, board) for v in views]
    each = ", ".join(f"{f.camera} {f.residual_px:.2f} ({f.terms}, {len(f.inlier)} images)" for f in fits)
    return [
        result("calibration.stereo_left_px", [rms[0]], "px", 0.42, "lower", (), "OpenCV, separate fits 0.41"),
        result("calibration.stereo_right_px", [rms[1]], "px", 0.47, "lower", (), "OpenCV, separate fits 0.46"),
        result("calibration.balance4_boards_px", [statistics.median(f.residual_px for f in fits)], "px", 0.22, "lower", (), each),
    ]


def balance4() -> list[Result]:
    """Refined on even blocks of ten frames, judged on the odd ones; static points of the scene never used."""
    rig = io.read_rig(BALANCE4 / "Calib.qca.txt")
    seen = [_openpose(camera.name, camera.intrinsics.size) for camera in rig]
    block = (np.arange(len(seen[0])) // 10) % 2
    even, odd = ([_rows(s, np.flatnonzero(block == k)) for s in seen] for k in (0, 1))
    found = refine(rig, even)
    before, after = _judged(rig, odd), _judged(found.outcome.rig, odd)
    scene = _scene_px(rig), _scene_px(found.outcome.rig)
    moved = ", ".join(f"{m.camera} {m.turned_deg:.1f}+-{m.turned_sigma_deg:.1f} deg" for m in found.movements)
    return [
        result("calibration.balance4_heldout_px", [after[0]], "px", 7.5, "lower", (), f"{before[0]:.1f} before; {moved}"),
        result(
            "calibration.balance4_loo_px",
            [after[1]],
            "px",
            12.0,
            "lower",
            (),
            f"{before[1]:.1f} before; static scene points {scene[0]:.1f} -> {scene[1]:.1f}",
        ),
    ]


def _openpose(name: str, size: tuple[int, int]) -> Keypoints2D:
    folder = OpenPoseFolder(BALANCE4 / "openpose" / name, name, KeypointOptions(fps=60.0, size=size))
    return folder.window(slice(0, len(folder.frame)))


def _rows(seen: Keypoints2D, rows: np.ndarray) -> Keypoints2D:
    names = ("frame", "time", "person_id", "xy", "confidence", "sigma_px", "box")
    return replace(seen, **{name: getattr(seen, name)[rows].copy() for name in names})


def _judged(rig: CameraRig, seen: list[Keypoints2D]) -> tuple[float, float]:
    """Median limb residual with all views believed alike, and of a camera left out, pooled over cameras."""
    from calibration.observed import sample, tracks_of
    from calibration.subject import choose_subject

    tracks = choose_subject([tracks_of(s) for s in seen], [c.intrinsics for c in rig], True)
    sampled = sample(tracks, [c.clock for c in rig], tracks[0].time)
    limbs = [tracks[0].layout.index(name) for name in LIMBS]
    xy = sampled.xy[:, :, limbs].reshape(len(rig), -1, 2)
    even = np.ones(xy.shape[:2])
    together = float(np.nanmedian(triangulate(rig, xy, even, max_depth_error=np.inf).residual_px))
    out = []
    for v, camera in enumerate(rig):
        others = [k for k in range(len(rig)) if k != v]
        points = triangulate(rig.select([rig.names[k] for k in others]), xy[others], even[others], max_depth_error=np.inf).xyz
        out.append(np.linalg.norm(camera.project(points) - xy[v], axis=-1))
    return together, float(np.nanmedian(np.concatenate(out)))


def _scene_px(rig: CameraRig) -> float:
    from calibration.points import read_scene

    scene = read_scene(BALANCE4 / "scene.toml")
    found = triangulate(rig, scene.xy, np.ones(scene.xy.shape[:2]), max_depth_error=np.inf)
    return float(np.nanmedian(found.residual_px))


def success() -> list[Result]:
    """From nothing, 100 seeds a scenario; a refusal counts as a failure, and so does a wrong answer."""
    shares: dict[str, float] = {}
    notes: list[str] = []
    with ProcessPoolExecutor(2) as pool:
        for name in SCENARIOS:
            outcomes = list(pool.map(_attempt, [(name, seed) for seed in SUCCESS_SEEDS]))
            shares[name] = outcomes.count("solved") / len(outcomes)
            notes.append(
                f"{name} {shares[name]:.2f}" + "".join(f" ({outcomes.count(o)} {o})" for o in ("refused", "wrong") if o in outcomes)
            )
    return [result("calibration.people_success", [min(shares.values())], "share", 0.95, "higher", SUCCESS_SEEDS, ", ".join(notes))]


def _attempt(task: tuple[str, int]) -> str:
    name, seed = task
    kind, place, cameras = SCENARIOS[name]
    with threadpool_limits(1):
        if name == "clocks off":
            rig, seen, _ = worlds.clocked_world(cameras, seed)
            settings = PeopleSettings(clocks="offset")
        else:
            world = worlds.gait_world(cameras, seed, kind, place)
            rig, seen, settings = world.rig, world.keypoints2d(), PeopleSettings()
        try:
            outcome = calibrate_people(seen, {c.name: c.intrinsics for c in rig}, settings)
        except Recon3dError:
            return "refused"
    if len(outcome.rig) < cameras:
        return "refused"
    turn, place_m = worlds.worst_error(outcome.rig, rig)
    return "solved" if turn < SOLVED_DEG and place_m < SOLVED_M else "wrong"


PARTS: dict[str, Callable[[], list[Result]]] = {
    f.__name__: f for f in (boards, people, focal, honesty, bundle20k, clocks, pictures, balance4, success)
}
