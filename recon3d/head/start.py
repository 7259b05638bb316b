"""Where a head may be, frame by frame: PnP of every view, and which of all views' poses a frame takes.

Each view has two poses; what decides is how well one fits all views, and the frames beside (Viterbi 1967).
"""

import numpy as np
from jaxtyping import Float, Int

from recon3d.geometry import SE3, SO3, CameraRig
from recon3d.geometry.mixture import Mixture
from recon3d.geometry.rigid_pose import RigidPoints
from recon3d.geometry.sightings import Poses, Sightings, chi_square, sight
from recon3d.geometry.triangulation import triangulate_robust
from recon3d.head.faces import Face

OUTLIER_RADIUS = 60.0
"""Sigmas: of the area that wrong landmarks are spread over."""
_TURN_RAD_S = 6.0  # heads turn about so fast: what a jump between poses of neighbouring frames is measured by
_LEAST_TURN_RAD = 0.05
_SIZED_ON, _MANY, _SIZES = 16, 10, (0.4, 2.5)


def size_ratio(face: Face, rig: CameraRig, xy: np.ndarray, sigma: np.ndarray) -> float:
    """How many times as large a head is as the face, by its points in space where two cameras see them; 1 where none do."""
    if len(rig) < 2:
        return 1.0
    both = np.flatnonzero((np.isfinite(xy[..., 0]).sum(0) >= 2).sum(1) >= _MANY)
    rows = both[np.unique(np.linspace(0, len(both) - 1, _SIZED_ON).astype(int))] if len(both) else both
    if not len(rows):
        return 1.0
    found = triangulate_robust(rig, xy[:, rows].reshape(len(xy), -1, 2), sigma[:, rows].reshape(len(xy), -1))
    there = found.answered.reshape(len(rows), -1)
    ratios: list[float] = []
    for places, known in zip(found.xyz.reshape(len(rows), -1, 3), there, strict=True):
        if known.sum() >= _MANY:
            off, own = places[known] - np.median(places[known], axis=0), face.xyz[known] - np.median(face.xyz[known], axis=0)
            ratios.append(float(np.median(np.linalg.norm(off, axis=1)) / np.median(np.linalg.norm(own, axis=1))))
    return float(np.clip(np.median(ratios), *_SIZES)) if ratios else 1.0


def sights_of(rig: CameraRig, xy: np.ndarray, sigma: np.ndarray) -> Sightings:
    """Of all frames' points, one after the other."""
    views = len(xy)
    return sight(rig, Poses.of_rig(rig), xy.reshape(views, -1, 2), sigma.reshape(views, -1))


def starts(face: Face, rig: CameraRig, sights: Sightings, time: np.ndarray, outlier_share: float) -> SE3:
    """Of every frame the likeliest of all views' two poses each, in the world; NaN where there is none."""
    frames, points = len(time), len(face.points)
    solver = RigidPoints(face.xyz, outlier_share, OUTLIER_RADIUS)
    turns, places = [], []
    planes = [plane.reshape(sights.views, frames, points) for plane in (sights.u, sights.v, sights.a, sights.b, sights.c)]
    for k, camera in enumerate(rig):
        u, v, a, b, c = (plane[k] for plane in planes)
        found = solver.poses(np.stack([u, v], 1), np.stack([a, b, c], 1)).cam_from_thing
        world = camera.cam_from_world.inverse()
        turns.append(world.rotation.matrix @ found.rotation.matrix)
        places.append(found.translation @ world.rotation.matrix.T + world.translation)
    turn, place = np.concatenate(turns, 1), np.concatenate(places, 1)  # frames candidates
    mixture = Mixture.of(outlier_share, OUTLIER_RADIUS)
    cost = np.full(place.shape[:2], np.inf)
    for k in range(place.shape[1]):
        there = np.isfinite(place[:, k, 0])
        posed = np.where(
            there[:, None, None], face.xyz @ np.nan_to_num(turn[:, k]).swapaxes(1, 2) + np.nan_to_num(place[:, k])[:, None], 1.0
        )
        cost[:, k] = np.where(there, _cost(sights, posed, mixture), np.inf)
    best = _likeliest(cost, turn, time)
    rows = np.arange(frames)
    out_turn, out_place = turn[rows, best], place[rows, best]
    lost = ~np.isfinite(cost[rows, best])
    out_turn[lost], out_place[lost] = np.nan, np.nan
    return SE3(SO3(out_turn), out_place)


def _cost(sights: Sightings, posed: Float[np.ndarray, "frames points 3"], mixture: Mixture) -> Float[np.ndarray, "frames"]:
    """Minus the log likelihood of all views' detections."""
    chi2, _ = chi_square(sights, np.ascontiguousarray(posed.reshape(-1, 3).T))
    gain = np.logaddexp(0.0, mixture.gain - 0.5 * chi2)
    return -((sights.a > 0) * gain).sum(0).reshape(len(posed), -1).sum(1)


def _likeliest(
    cost: Float[np.ndarray, "frames candidates"], turn: Float[np.ndarray, "frames candidates 3 3"], time: np.ndarray
) -> Int[np.ndarray, "frames"]:
    """The path of least cost through candidates: what they cost, and how far a head would have to turn between them."""
    frames, candidates = cost.shape
    if candidates == 1 or frames == 1:
        return np.nan_to_num(cost, posinf=1e12).argmin(1)
    own = np.nan_to_num(cost, posinf=1e9)
    safe = np.where(np.isfinite(turn), turn, np.eye(3))
    between = np.einsum("faij,fbij->fab", safe[:-1], safe[1:])  # trace of R' R
    angle = np.arccos(np.clip(0.5 * (between - 1), -1.0, 1.0))
    usual = np.maximum(_TURN_RAD_S * np.diff(time), _LEAST_TURN_RAD)[:, None, None]
    jump = 0.5 * np.minimum((angle / usual) ** 2, 1e3) * (np.diff(time) < 1.0)[:, None, None]
    total, back = own[0], np.zeros((frames, candidates), np.int64)
    for k in range(1, frames):
        every = total[:, None] + jump[k - 1]
        back[k] = every.argmin(0)
        total = every[back[k], np.arange(candidates)] + own[k]
    out = np.empty(frames, np.int64)
    out[-1] = int(total.argmin())
    for k in range(frames - 1, 0, -1):
        out[k - 1] = back[k, out[k]]
    return out
