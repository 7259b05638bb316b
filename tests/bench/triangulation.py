"""Triangulation: points a second, errors beside those of maximum likelihood told the inliers, honesty.

Scene: cameras on a 4 m ring, f about 950 px, k1 about -0.12, a walking person of 26 joints at 60
frames/s, 300 frames; 2 px noise, 10 % outliers (25 to 300 px, a third mirror or other joints), 15 %
missing (half in bursts). Confidences are not used. One frame at a time, one thread. The robust solver
is told the noise (2 px) and population body proportions, nothing of this person or of other frames.
"""

import statistics
import time
from collections.abc import Callable

import numpy as np
from threadpoolctl import threadpool_limits

from recon3d.geometry.sightings import Poses, sight
from recon3d.geometry.triangulation import Triangulation, triangulate, triangulate_linear, triangulate_robust
from recon3d.metrics import coverage, mpjpe_mm, nees
from recon3d.skeleton import body_links, load_layout
from recon3d.synthetic import NoiseSettings, World, make_person, make_rig, make_world
from tests.bench.table import Result, result

SEEDS = (0, 1, 2, 3, 4)
SIGMA = 2.0
LINKS = body_links(load_layout("halpe_26"))


def scene(cameras: int, seed: int, noise: NoiseSettings = NoiseSettings()) -> World:
    return make_world(make_rig("ring", cameras, "mild", seed), make_person("gait", 300, 60.0, seed), noise, seed)


def flat(world: World) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pixels (views, points, 2), truth (points, 3), sound sightings (views, points)."""
    views = len(world.rig)
    xy = world.xy.reshape(views, -1, 2)
    sound = np.isfinite(xy[..., 0]) & ~world.outlier.reshape(views, -1)
    return xy, world.person.keypoints.reshape(-1, 3), sound


def timed(call: Callable[[], object], repeats: int = 5) -> float:
    """Median seconds after a warm-up, one thread."""
    with threadpool_limits(1):
        call()
        times = []
        for _ in range(repeats):
            start = time.perf_counter()
            call()
            times.append(time.perf_counter() - start)
    return statistics.median(times)


def run() -> list[Result]:
    return [*plain(4, 1e7), *plain(8, 7e6), *robust(), *honesty()]


def plain(views: int, limit: float) -> list[Result]:
    """Undistorted points in, points out, weights and 15 % missing; numpy's SVD beside it."""
    rates, beside = [], []
    for seed in SEEDS[:3]:
        rig = make_rig("ring", views, "mild", seed)
        poses = Poses.of_rig(rig)
        rng = np.random.default_rng(seed)
        points = rng.normal([0, 0, 1], [0.5, 0.5, 0.4], (400_000, 3))
        s = sight(rig, poses, rig.project(points), np.full((views, len(points)), SIGMA))
        gone = rng.random(s.u.shape) < 0.15
        u, v = np.where(gone, np.nan, s.u), np.where(gone, np.nan, s.v)
        weight = rng.uniform(0.5, 1.5, u.shape)
        found = triangulate_linear(poses.matrix, u, v, weight)
        enough = (~gone).sum(0) >= 3
        worst = np.abs(found.T - points)[enough].max()
        assert worst < 1e-4, f"plain triangulation is off by {worst} m"
        rates.append(len(points) / timed(lambda: triangulate_linear(poses.matrix, u, v, weight)))
        few = slice(0, 20_000)
        beside.append(20_000 / timed(lambda: _svd(poses.matrix, s.u[:, few], s.v[:, few], weight[:, few]), 1))
    note = f"numpy SVD, nothing missing: {statistics.median(beside) / 1e3:.0f}k"
    return [result(f"triangulation.plain_{views}_views", rates, "points/s", limit, "higher", SEEDS[:3], note)]


def _svd(poses: np.ndarray, u: np.ndarray, v: np.ndarray, weight: np.ndarray) -> np.ndarray:
    rows = np.concatenate([u.T[..., None] * poses[:, 2] - poses[:, 0], v.T[..., None] * poses[:, 2] - poses[:, 1]], 1)
    rows *= np.concatenate([weight.T, weight.T], 1)[..., None]
    x = np.linalg.svd(rows)[2][:, -1]
    return x[:, :3] / x[:, 3:]


def robust() -> list[Result]:
    mm: dict[int, list[float]] = {4: [], 8: [], 16: []}
    oracle: dict[int, list[float]] = {4: [], 8: [], 16: []}
    rate: dict[int, list[float]] = {4: [], 8: [], 16: []}
    answered: list[float] = []
    inside: list[float] = []
    peer: list[tuple[float, float]] = []
    for views in (4, 8, 16):
        for seed in SEEDS:
            world = scene(views, seed)
            xy, truth, sound = flat(world)
            found = triangulate_robust(world.rig, xy, SIGMA, links=LINKS)
            known = triangulate(world.rig, np.where(sound[..., None], xy, np.nan), SIGMA)
            mm[views].append(mpjpe_mm(found.xyz, truth))
            oracle[views].append(mpjpe_mm(known.xyz, truth))
            rate[views].append(len(truth) * 4 / timed(lambda: _four(world, xy), 3))
            if views == 4:
                answered.append(float(found.answered[sound.sum(0) >= 2].mean()))
            if views == 8:
                inside.append(abs(coverage(found.xyz, truth, found.covariance) - 0.945))
                if seed == 0:
                    peer = _pycolmap(world, xy, truth)
    floor = {v: f"told the inliers: {statistics.median(oracle[v]):.2f}" for v in oracle}
    ratio = [a / b for a, b in zip(mm[8], oracle[8], strict=True)]
    note = f"; pycolmap LO-RANSAC, seed 0: {peer[0][0]:.2f} mm" if peer else "; pycolmap is not installed"
    speed = f"pycolmap LO-RANSAC: {peer[0][1] / 1e3:.0f}k" if peer else "pycolmap is not installed"
    return [
        result("triangulation.robust_8_mm", mm[8], "mm", 7.5, "lower", SEEDS, floor[8] + note),
        result("triangulation.robust_16_mm", mm[16], "mm", 5.2, "lower", SEEDS, floor[16]),
        result("triangulation.robust_8_ratio", ratio, "1", 1.06, "lower", SEEDS, "1 = told the inliers"),
        result("triangulation.robust_4_mm", mm[4], "mm", 11.0, "lower", SEEDS, floor[4]),
        result("triangulation.robust_4_answered", answered, "1", 0.97, "higher", SEEDS, "of joints with two sound views"),
        result("triangulation.robust_8_rate", rate[8], "points/s", 1.5e5, "higher", SEEDS, speed),
        result("triangulation.robust_16_rate", rate[16], "points/s", 4e4, "higher", SEEDS),
        result("triangulation.coverage_robust", inside, "distance from 0.945", 0.025, "lower", SEEDS),
    ]


def _four(world: World, xy: np.ndarray) -> Triangulation:
    """The scene four times over: 31,200 points, so that a run takes longer than the clock's noise."""
    return triangulate_robust(world.rig, np.tile(xy, (1, 4, 1)), SIGMA, links=LINKS)


def _pycolmap(world: World, xy: np.ndarray, truth: np.ndarray) -> list[tuple[float, float]]:
    """pycolmap's LO-RANSAC at 8 px: mean error of its answers in mm, points/s. It must be fed point by point."""
    try:
        import pycolmap  # pyright: ignore[reportMissingImports]
    except ImportError:
        return []
    cameras, poses, points = [], [], []
    for camera in world.rig:
        k, d = camera.intrinsics.K, camera.intrinsics.dist
        w, h = camera.intrinsics.size
        parameters = [k[0, 0], k[1, 1], k[0, 2] + 0.5, k[1, 2] + 0.5, *d[:4], d[4], 0, 0, 0]
        cameras.append(pycolmap.Camera(model="FULL_OPENCV", width=w, height=h, params=parameters))
        pose = camera.cam_from_world
        poses.append(pycolmap.Rigid3d(np.c_[pose.rotation.matrix, pose.translation]))
    options = pycolmap.EstimateTriangulationOptions()
    options.residual_type = pycolmap.TriangulationResidualType.REPROJECTION_ERROR
    options.ransac.max_error = 8.0
    count = 4000
    start = time.perf_counter()
    for p in range(count):
        seen = np.flatnonzero(np.isfinite(xy[:, p, 0]))
        if len(seen) < 2:
            points.append(np.full(3, np.nan))
            continue
        answer = pycolmap.estimate_triangulation(xy[seen, p] + 0.5, [poses[v] for v in seen], [cameras[v] for v in seen], options)
        points.append(answer["xyz"] if answer is not None else np.full(3, np.nan))
    rate = count / (time.perf_counter() - start)
    return [(mpjpe_mm(np.array(points), truth[:count]), rate)]


def honesty() -> list[Result]:
    """Normalised error squared over clean worlds (no outliers), all points that two views or more see."""
    clean = NoiseSettings(outliers=0.0)
    means = []
    for seed in SEEDS:
        world = scene(8, seed, clean)
        xy, truth, _ = flat(world)
        found = triangulate(world.rig, xy, SIGMA)
        means.append(abs(float(nees(found.xyz, truth, found.covariance).mean()) - 3))
    return [result("triangulation.nees_clean", means, "distance from 3", 0.3, "lower", SEEDS)]
