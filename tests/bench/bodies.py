"""Bodies: fits against truth, on random people, adults and children; how fast meshes are made and fitted."""

import time
from dataclasses import replace

import numpy as np
from threadpoolctl import threadpool_limits

from recon3d.body.fit import Known, fit_person, fit_values, points_evidence
from recon3d.body.fit.values import first_values, problem_of
from recon3d.body.marks import marks_of_joints, marks_of_vertices
from recon3d.geometry import SO3
from recon3d.geometry.raster import silhouette
from recon3d.geometry.time_solver import TimeSettings, solve_in_time
from recon3d.motion import Observed
from recon3d.motion.evidence import gather
from tests.bench.lbfgs import lbfgs
from tests.bench.table import Result, result
from tests.body.worlds import MODEL, BodyWorld, errors_mm, errors_of_fit_mm, random_pose, random_values

EXACT = range(50)
FRAMES = 60
PEOPLE = tuple((kind, seed) for kind in ("gait", "dance") for seed in range(5))
SKIN_SEEDS, SKIN_FRAMES, SKIN_ROWS = range(5), 8, (2, 5)
LONG = 1000
MESHES, AT_ONCE = 512, 64
_EASE, _MANY_STEPS, _LEFT, _LONGEST = 0.01, 40, 0.01, 30.0


def run() -> list[Result]:
    with threadpool_limits(1):
        return [*_exact(), *_views(), *_skin(), *_speed()]


def _exact() -> list[Result]:
    """Of every joint, and of every ninth vertex: the errors of all joints and of all vertices."""
    off: dict[str, list[float]] = {"joint": [], "vertex": []}
    for kind, marks in (("joint", marks_of_joints(MODEL)), ("vertex", marks_of_vertices(MODEL, np.arange(0, len(MODEL.template), 9)))):
        for seed in EXACT:
            values = random_values(seed, mean_build=False)
            armature, pose = MODEL.armature(values, marks), random_pose(seed, values)
            found = fit_values(MODEL, points_evidence(marks, MODEL, armature.keypoints(pose.on(armature)), 1e-4), marks)
            true, ours = (
                MODEL.shaped(values).posed(pose.translation, pose.rotation),
                found.body.posed(found.pose.translation, found.pose.rotation),
            )
            if kind == "joint":
                off[kind].append(1e3 * float(np.linalg.norm(ours.poses.translation - true.poses.translation, axis=-1).mean()))
            else:
                off[kind].append(1e3 * float(np.linalg.norm(ours.vertices() - true.vertices(), axis=-1).mean()))
    means = {kind: f"mean of all bodies {np.mean(values):.3f}" for kind, values in off.items()}
    return [
        result("bodies.exact_joint_mm", off["joint"], "mm", 0.1, "lower", EXACT, means["joint"]),
        result("bodies.exact_vertex_mm", off["vertex"], "mm", 1.0, "lower", EXACT, means["vertex"]),
    ]


def _views() -> list[Result]:
    found: dict[tuple[int, bool], list[tuple[float, float]]] = {}
    for views, usual in ((8, True), (4, True), (8, False)):
        for kind, seed in PEOPLE:
            values = random_values(seed, mean_build=usual)
            world = BodyWorld(kind, views, FRAMES, seed, values)
            fitted = fit_person(MODEL, [world.observed()], Known(height_m=MODEL.height(values)), loose_m=0.0)
            found.setdefault((views, usual), []).append(errors_mm(fitted, world))
    vertex, joint = np.array(found[8, True]).T
    four, other = np.array(found[4, True])[:, 0], np.array(found[8, False])[:, 0]
    seeds = range(5)
    beside = f"weight and muscle random as well: {np.median(other):.1f}"
    return [
        result("bodies.views8_vertex_mm", vertex.tolist(), "mm", 12.0, "lower", seeds, beside),
        result("bodies.views8_joint_mm", joint.tolist(), "mm", 5.0, "lower", seeds),
        result("bodies.views4_vertex_mm", four.tolist(), "mm", 18.0, "lower", seeds),
    ]


def _skin() -> list[Result]:
    """Weight and muscle random too, short takes: silhouettes of four views, and a cloud of the half of the skin, in two frames."""
    gain: list[float] = []
    cloud: list[float] = []
    beside: list[tuple[float, float]] = []
    for seed in SKIN_SEEDS:
        values = random_values(seed, mean_build=False)
        world = BodyWorld("dance" if seed % 2 else "gait", 4, SKIN_FRAMES, seed, values)
        seen, known = world.observed(), Known(height_m=MODEL.height(values))
        with_masks, with_clouds = world.masks(SKIN_ROWS), world.clouds(SKIN_ROWS, seed)
        bare, masked, scanned = (
            errors_of_fit_mm(fit_person(MODEL, [seen], known, loose_m=0.0, skins=skins).fit, world, SKIN_ROWS)
            for skins in ((), with_masks, with_clouds)
        )
        gain.append(masked / bare)
        cloud.append(scanned)
        beside.append((bare, masked))
    without, given = np.median(beside, axis=0)
    world = BodyWorld("gait", 4, 2, 0, random_values(0))
    camera, places = world.rig.cameras[0], world.vertices(0)
    took: list[float] = []
    for _ in range(5):
        begin = time.perf_counter()
        silhouette(camera.project(places), MODEL.faces, (1280, 720))
        took.append(1e3 * (time.perf_counter() - begin))
    return [
        result("bodies.silhouette_gain", gain, "x", 0.7, "lower", SKIN_SEEDS, f"{given:.1f} mm, without {without:.1f}"),
        result("bodies.cloud_vertex_mm", cloud, "mm", 6.0, "lower", SKIN_SEEDS, "5 mm noise, half of the skin"),
        result("bodies.silhouette_ms", took, "ms", 60.0, "lower", (), "720p, one thread"),
    ]


def _speed() -> list[Result]:
    values = random_values(1)
    world = BodyWorld("gait", 4, LONG, 1, values)
    seen = world.observed()
    rate: list[float] = []
    for _ in range(3):
        begin = time.perf_counter()
        fit_person(MODEL, [seen], Known(height_m=MODEL.height(values)))
        rate.append(LONG / (time.perf_counter() - begin))
    ratio, beside = _over_lbfgs(seen)
    body = MODEL.shaped(values)
    rng = np.random.default_rng(0)
    turns = SO3.exp(rng.normal(0, 0.2, (AT_ONCE, len(body.armature.joints), 3))).matrix
    posed = body.posed(np.zeros((AT_ONCE, 3)), turns)
    posed.vertices()
    many: list[float] = []
    for _ in range(5):
        begin = time.perf_counter()
        for _ in range(MESHES // AT_ONCE):
            posed.vertices()
        many.append(MESHES / (time.perf_counter() - begin))
    return [
        result("bodies.fit_fps", rate, "frames/s", 100.0, "higher", (), "4 views, body and motion; one thread"),
        result("bodies.fit_vs_lbfgs", [ratio], "x", 0.1, "lower", (), beside),
        result(
            "bodies.skin_per_s", many, "meshes/s", 5000.0, "higher", (), f"{len(MODEL.template)} vertices, {AT_ONCE} at once, one thread"
        ),
    ]


def _over_lbfgs(seen: Observed) -> tuple[float, str]:
    """Time until all but a hundredth of what there is to gain is gained, from the same start, over torch's LBFGS's."""
    evidence = gather(seen, MODEL.marks_at_rest())
    marks = MODEL.marks.select(evidence.attachments.points)
    rough, start = problem_of(MODEL, evidence, marks, Known(), first_values(MODEL, evidence, marks, Known()))
    problem = replace(rough, stiffness=_EASE * rough.stiffness)
    first = float(problem.linearise(start)[1].sum())
    least = solve_in_time(problem, start, TimeSettings(_MANY_STEPS)).cost
    target = least + _LEFT * (first - least)
    ours = np.inf
    for steps in range(1, _MANY_STEPS + 1):
        begin = time.perf_counter()
        found = solve_in_time(problem, start, TimeSettings(steps))
        ours = time.perf_counter() - begin
        if found.cost <= target:
            break
    peer = lbfgs(problem, start, target, _LONGEST * ours)
    theirs = f"in {peer.seconds:.1f} s" if peer.seconds else f"not in {peer.spent:.1f} s ({(peer.cost - least) / (first - least):.1%} left)"
    return ours / (peer.seconds or peer.spent), f"{LONG} frames, all but 1 % of the cost gained: in {ours:.2f} s; LBFGS {theirs}"
