"""Cameras from scene points: clicked in pictures, some with coordinates known from a tape or a plan.

Cameras that see four known points or more are resected on them; points without coordinates, seen by
several cameras, are triangulated and carry the pose to cameras that see too few known ones; then
cameras and points are adjusted together, the known points held by their sigma. A wrong click or a
wrong coordinate is found, left out and named.

``scene.toml``:

sigma_px = 1.0                     # of a click; optional
sigma_m = 0.005                    # of a known coordinate; optional

[known]                            # m
corner = [0.0, 0.0, 0.0]

[seen.cam01]                       # px
corner = [579.5, 1526.7]
bolt = [66.0, 1051.0]              # seen, but of unknown place: it helps where two cameras see it
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from calibration.outcome import Evidence, Outcome
from calibration.world import ScaleCue, combine
from recon3d.arrays import freeze_fields, whole_rows
from recon3d.errors import CameraError, InputError, all_faults, valid_names
from recon3d.geometry import SE3, Camera, CameraRig, Intrinsics
from recon3d.geometry.bundle import Anchors, PointBundle, PointsAt
from recon3d.geometry.camera_unknowns import Free
from recon3d.geometry.mixture import Mixture
from recon3d.geometry.resection import ResectionSettings, resect
from recon3d.geometry.robust_bundle import Adjusted
from recon3d.geometry.schur import Eliminated, SchurSettings, solve_schur
from recon3d.geometry.threads import single_threaded
from recon3d.geometry.triangulation import triangulate
from recon3d.io.files import read_toml

_MIXTURE = Mixture.of(0.05, 100.0)
_CLICK_PX, _TAPE_M = 1.0, 0.005
_SPREAD_M = (0.02, 150.0)
_AGREE_SIGMAS = 4.0  # of clicks that are of one place
_WIDEST = 30.0  # sigmas: clicks of the first poses


@dataclass(frozen=True, slots=True, eq=False)
class ScenePoints:
    """Static points in pictures.

    Attributes:
        names: of the points.
        cameras: names.
        xy: px; NaN where not seen.
        known: coordinates, m; NaN where unknown.
        sigma_px: of a click.
        sigma_m: of a known coordinate.
    """

    names: tuple[str, ...]
    cameras: tuple[str, ...]
    xy: Float[np.ndarray, "views points 2"]
    known: Float[np.ndarray, "points 3"]
    sigma_px: float = _CLICK_PX
    sigma_m: float = _TAPE_M

    def __post_init__(self) -> None:
        freeze_fields(self)


def read_scene(path: Path) -> ScenePoints:
    """Scene points from `scene.toml`; all faults at once.

    Raises:
        InputError: missing tables, wrong numbers of numbers, names that only one place has.
    """
    data = read_toml(path)
    faults = [f"unknown entry {key!r}" for key in sorted(set(data) - {"known", "seen", "sigma_px", "sigma_m"})]
    seen, known = data.get("seen", {}), data.get("known", {})
    if not isinstance(seen, dict) or not all(isinstance(v, dict) for v in seen.values()) or not isinstance(known, dict):
        raise InputError(f"{path}: needs a table [seen.<camera>] for each camera, and [known] for coordinates")

    def numbers(value: object, count: int) -> bool:
        return isinstance(value, list) and len(value) == count and all(isinstance(v, int | float) and np.isfinite(v) for v in value)

    faults += [f"{camera}: {name} must be two numbers (px)" for camera, t in seen.items() for name, v in t.items() if not numbers(v, 2)]
    faults += [f"known: {name} must be three numbers (m)" for name, v in known.items() if not numbers(v, 3)]
    clicked = {name for table in seen.values() for name in table}
    faults += [f"known point {name!r} is seen by no camera" for name in known if name not in clicked]
    sigmas = {key: data.get(key, default) for key, default in (("sigma_px", _CLICK_PX), ("sigma_m", _TAPE_M))}
    faults += [f"{key} must be a positive number" for key, v in sigmas.items() if not (isinstance(v, int | float) and v > 0)]
    if not seen:
        faults.append("no [seen.<camera>]")
    if faults:
        raise InputError(all_faults(faults, f"{path} cannot be used as scene points:"))
    names = sorted(clicked)
    xy = np.array([[table.get(name, [np.nan] * 2) for name in names] for table in seen.values()], float)
    places = np.array([known.get(name, [np.nan] * 3) for name in names], float)
    return ScenePoints(tuple(names), tuple(seen), xy, places, float(sigmas["sigma_px"]), float(sigmas["sigma_m"]))


def calibrate_points(scene: ScenePoints, lenses: Mapping[str, Intrinsics], start: CameraRig | None = None) -> Outcome:
    """The rig in the known points' axes; cameras that too few points fix are named.

    Args:
        scene: clicks and coordinates.
        lenses: intrinsics of the cameras.
        start: a rig that is roughly right, where the points alone are too few to start from.

    Raises:
        CameraError: no camera sees enough.
    """
    missing = [name for name in scene.cameras if name not in lenses]
    if missing:
        raise InputError(f"no lens (intrinsics) for {', '.join(missing)}; there are {valid_names(lenses)}")
    fixed = whole_rows(scene.known)
    if fixed.sum() < 3 or _collinear(scene.known[fixed]):
        raise CameraError("three known points that do not lie on one line are needed: they are the world")
    spread = float(np.ptp(scene.known[fixed], axis=0).max())
    if not _SPREAD_M[0] < spread < _SPREAD_M[1]:
        raise InputError(f"the known points spread over {spread:.4g} m: coordinates are given in metres")
    with single_threaded():
        refused: dict[str, str] = {}
        poses, points = _first(scene, lenses, start, refused)
        if not poses:
            raise CameraError(all_faults([f"{n}: {why}" for n, why in refused.items()], "no camera can be placed from these points:"))
        names = [name for name in scene.cameras if name in poses]
        rig = CameraRig(tuple(Camera(name, lenses[name], poses[name]) for name in names))
        return _adjusted(scene, rig, points, refused)


def _collinear(points: Float[np.ndarray, "points 3"]) -> bool:
    width = np.linalg.svd(points - points.mean(0), compute_uv=False)
    return bool(width[1] < 0.02 * width[0])


def _first(
    scene: ScenePoints, lenses: Mapping[str, Intrinsics], start: CameraRig | None, refused: dict[str, str]
) -> tuple[dict[str, SE3], Float[np.ndarray, "points 3"]]:
    """Poses, camera after camera, and points as far as two cameras fix them."""
    poses: dict[str, SE3] = {}
    points = scene.known.copy()
    if start is not None:
        poses = {name: start[name].cam_from_world for name in scene.cameras if name in start.names and not start[name].moves}
        points = _places(scene, poses, lenses, scene.known)
    pending = [name for name in scene.cameras if name not in poses]
    while pending:
        placed: dict[str, SE3] = {}
        for name in pending:
            v = scene.cameras.index(name)
            usable = np.isfinite(points).all(-1) & np.isfinite(scene.xy[v]).all(-1)
            if usable.sum() < 4 or _collinear(points[usable]):
                refused[name] = (
                    f"sees {int(usable.sum())} points whose place is known or follows from other cameras; "
                    "four that do not lie on a line are needed"
                )
                continue
            focal = lenses[name].focal
            sigma = np.full(int(usable.sum()), 3 * scene.sigma_px / focal)
            found = resect(points[usable], lenses[name].rays(scene.xy[v, usable]), sigma, ResectionSettings(widest=_WIDEST), seed=v)
            if found is None:
                refused[name] = f"no pose makes its {int(usable.sum())} points agree: a click or a coordinate is wrong, or the lens"
                continue
            placed[name] = found.cam_from_world
            refused.pop(name, None)
        if not placed:
            break
        poses |= placed
        pending = [name for name in pending if name not in placed]
        points = _places(scene, poses, lenses, scene.known)
    return poses, points


def _places(
    scene: ScenePoints, poses: Mapping[str, SE3], lenses: Mapping[str, Intrinsics], known: Float[np.ndarray, "points 3"]
) -> Float[np.ndarray, "points 3"]:
    """Known points, and others where two placed cameras see them."""
    names = [name for name in scene.cameras if name in poses]
    if len(names) < 2:
        return known.copy()
    rig = CameraRig(tuple(Camera(name, lenses[name], poses[name]) for name in names))
    xy = scene.xy[[scene.cameras.index(name) for name in names]]
    found = triangulate(rig, xy, np.full(xy.shape[:2], scene.sigma_px), max_depth_error=0.1)
    return np.where(np.isfinite(known), known, found.xyz)


def _adjusted(scene: ScenePoints, rig: CameraRig, points: Float[np.ndarray, "points 3"], refused: dict[str, str]) -> Outcome:
    rows = [scene.cameras.index(name) for name in rig.names]
    xy = scene.xy[rows].copy()
    placed = whole_rows(points)
    xy[:, ~placed] = np.nan
    fixed = whole_rows(scene.known)
    sigma = np.full(xy.shape[:2], scene.sigma_px)
    held = np.where(fixed, 1 / scene.sigma_m**2, 0.0)
    anchors = Anchors(np.ascontiguousarray(np.where(fixed[:, None], scene.known, 0.0).T), held)
    bundle = PointBundle(rig, Free(), xy, sigma, anchors=anchors)
    at = PointsAt(bundle.cameras, np.ascontiguousarray(np.where(placed[:, None], points, 0.0).T))
    weight = bundle.present
    for width in (_WIDEST, 10.0, 3.0, 1.0, 1.0, 1.0):
        weight = _MIXTURE.inlier(bundle.chi_square(at), bundle.present, 1 / width**2)
        at, _ = solve_schur(bundle.reweighted(weight), at, SchurSettings(max_steps=10))
    final = bundle.reweighted(weight)
    gauge = final.gauge(at)
    covariance = Eliminated(final.linearise(at), gauge).covariance()
    chi2 = bundle.chi_square(at)
    noise = float(
        np.sqrt(max((weight * chi2)[weight > 0.5].sum(), 1e-12) / max(2 * weight.sum() - 6 * len(rig) - 3 * (placed & ~fixed).sum(), 1))
    )
    new = replace(at.cameras.on(rig), covariance=covariance * max(noise, 1.0) ** 2)
    found = np.where(placed, at.points, np.nan).T
    evidence = Evidence.of(new, xy, sigma, found, weight)
    notes = _notes(scene, new, evidence, weight, bundle.present > 0, found, fixed)
    adjusted = Adjusted(new, bundle.cameras.free, found, weight, np.where(bundle.present > 0, chi2, np.nan), noise, covariance, gauge, 0.0)
    spread = float(np.linalg.norm(scene.known[fixed] - scene.known[fixed].mean(0), axis=1).max())
    scale = combine([ScaleCue("known points", 1.0, scene.sigma_m / spread)])
    links = {
        (a, b): int((np.isfinite(xy[i, :, 0]) & np.isfinite(xy[j, :, 0])).sum())
        for i, a in enumerate(new.names)
        for j, b in enumerate(new.names)
        if i < j
    }
    return Outcome("points", new, evidence, refused, notes, scale, None, adjusted, links)


def _notes(
    scene: ScenePoints,
    rig: CameraRig,
    evidence: Evidence,
    weight: Float[np.ndarray, "views points"],
    seen: Bool[np.ndarray, "views points"],
    found: Float[np.ndarray, "points 3"],
    fixed: Bool[np.ndarray, "points"],
) -> tuple[str, ...]:
    """Clicks and coordinates that do not fit."""
    off = np.linalg.norm(evidence.predicted - evidence.xy, axis=-1)
    rejected = seen & (weight < 0.5)
    elsewhere = _elsewhere(rig, evidence, fixed & (seen.sum(0) >= 2) & (rejected == seen).all(0))
    notes: list[str] = []
    for v, camera in enumerate(rig.names):
        wrong = [p for p in np.flatnonzero(rejected[v]).tolist() if p not in elsewhere]
        notes += [f"{camera}: {scene.names[p]} is {off[v, p]:.0f} px from where it should be; left out" for p in wrong]
    for p, place in elsewhere.items():
        cameras = ", ".join(name for v, name in enumerate(rig.names) if seen[v, p])
        notes.append(
            f"{scene.names[p]}: its given place is wrong by {np.linalg.norm(place - scene.known[p]):.2f} m, or all its clicks are of "
            f"something else: {cameras} see it at [{place[0]:.3f}, {place[1]:.3f}, {place[2]:.3f}]; left out"
        )
    apart = np.linalg.norm(found - scene.known, axis=-1)
    notes += [
        f"{scene.names[p]} lies {100 * apart[p]:.1f} cm from its given place" for p in np.flatnonzero(fixed & (apart > 4 * scene.sigma_m))
    ]
    return tuple(notes)


def _elsewhere(rig: CameraRig, evidence: Evidence, rejected: Bool[np.ndarray, "points"]) -> dict[int, Float[np.ndarray, "3"]]:
    """Where cameras see points that none of them sees in the given place, if they agree on another: their coordinates are wrong."""
    which = np.flatnonzero(rejected)
    if not len(which):
        return {}
    answer = triangulate(rig, evidence.xy[:, which], evidence.sigma_px[:, which])
    agree = answer.answered & ~(answer.residual_px > _AGREE_SIGMAS * evidence.sigma_px[:, which]).any(0)
    return {int(p): answer.xyz[k] for k, p in enumerate(which) if agree[k]}
