"""What the lifter lets expect of joints that too few of many cameras see."""

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float
from scipy.ndimage import maximum_filter1d

from recon3d import motion
from recon3d.arrays import finite_median, short_gaps
from recon3d.geometry import CameraRig
from recon3d.monocular.lifter import STANDARD_M, Lifter, PointsOfView, points_of_view
from recon3d.monocular.points import JOINTS, POINTS, columns
from recon3d.records import Keypoints3D, State

_ENOUGH_VIEWS = 2
_FEWEST_POINTS = 8  # of the lifter's, that a camera must see in a frame to be asked
_TRUNK = 1.04  # from the hips to the neck, over that to the shoulders
_START_M = 0.2
_BRIDGED_S = 0.25  # for which smoothness knows better
_AROUND_S = 1.0  # before and after, in which the lifter looks for how somebody moves
_GUESSED = 40.0  # factor on the variance that it tells: a limb is guessed alike for about two seconds, which all are one guess


def with_expected(seen: motion.Observed, lifter: Lifter) -> motion.Observed:
    """The same evidence with a prior for those joints, in those frames, that fewer than two cameras see.

    Every camera that sees enough of the person is asked. What they say is averaged, not added up: one network errs alike in
    all of them. Cameras that move are not asked.
    """
    if not seen.pieces or len(seen) < 2 or any(piece.rig is not seen.pieces[0].rig for piece in seen.pieces):
        return seen
    rig = seen.pieces[0].rig
    xy, sigma = (np.concatenate([getattr(piece, name) for piece in seen.pieces], 1) for name in ("xy", "sigma_px"))
    weak = _weak(seen, xy)
    weak &= ~short_gaps(~weak, seen.world.time, _BRIDGED_S)
    if not weak.any():
        return seen
    place, information = np.full((*weak.shape, 3), np.nan), np.zeros((*weak.shape, 3, 3))
    near = maximum_filter1d(np.logical_or.reduce(weak, axis=1), 2 * round(_AROUND_S / float(np.median(np.diff(seen.world.time)))) + 1)
    rows = np.flatnonzero(near)
    place[rows], information[rows] = _asked(seen.take(rows), rig, xy[:, rows], sigma[:, rows], lifter)
    known = weak & (np.trace(information, axis1=-2, axis2=-1) > 0)
    if not known.any():
        return seen
    covariance = np.linalg.inv(np.where(known[..., None, None], information, np.eye(3)))
    place = np.where(known[..., None], (covariance @ place[..., None])[..., 0], np.nan)
    covariance *= _GUESSED
    chosen = [k for k in range(1, len(JOINTS)) if JOINTS[k] != "head_top"]
    prior = motion.PosePrior(tuple(JOINTS[k] for k in chosen), place[:, chosen], covariance[:, chosen], STANDARD_M)
    return replace(seen, prior=prior, world=_started(seen.world, place))


def _started(world: Keypoints3D, place: Float[np.ndarray, "frames lifted 3"]) -> Keypoints3D:
    """Points that were not triangulated, where the lifter expects them: a start for the solver, and no evidence."""
    at = {name: world.xyz[:, 0, world.layout.index(name)] for name in world.layout.points if name in JOINTS}
    if not {f"{side}_{part}" for side in ("left", "right") for part in ("hip", "knee", "ankle", "shoulder")} <= set(at):
        return world
    hips, shoulders = (0.5 * (at[f"left_{part}"] + at[f"right_{part}"]) for part in ("hip", "shoulder"))
    legs = [
        np.linalg.norm(at[f"{s}_{a}"] - at[f"{s}_{b}"], axis=-1) for s in ("left", "right") for a, b in (("hip", "knee"), ("knee", "ankle"))
    ]
    size = 0.5 * sum(finite_median(leg) for leg in legs) + _TRUNK * finite_median(np.linalg.norm(shoulders - hips, axis=-1))
    if not np.isfinite(size):
        return world
    xyz, state, covariance = world.xyz.copy(), world.state.copy(), world.covariance.copy()
    for name in at:
        k, column = JOINTS.index(name), world.layout.index(name)
        there = hips + size / STANDARD_M * place[:, k]
        rows = (state[:, 0, column] == State.MISSING) & np.isfinite(there).all(-1)
        xyz[rows, 0, column], state[rows, 0, column], covariance[rows, 0, column] = there[rows], State.INFERRED, _START_M**2 * np.eye(3)
    return replace(world, xyz=xyz, state=state, covariance=covariance)


def _weak(seen: motion.Observed, xy: Float[np.ndarray, "views frames joints 2"]) -> Bool[np.ndarray, "frames lifted"]:
    """Joints whose own point is seen by one camera or none."""
    column = columns(seen.world.layout)
    views = np.isfinite(xy[..., 0]).sum(0)
    out = np.zeros((xy.shape[1], len(JOINTS)), bool)
    for k, name in enumerate(JOINTS):
        at = column[POINTS.index(name)] if name in POINTS else -1
        if at >= 0:
            out[:, k] = views[:, at] < _ENOUGH_VIEWS
    return out


def _asked(
    seen: motion.Observed,
    rig: CameraRig,
    xy: Float[np.ndarray, "views frames joints 2"],
    sigma: Float[np.ndarray, "views frames joints"],
    lifter: Lifter,
) -> tuple[Float[np.ndarray, "frames lifted 3"], Float[np.ndarray, "frames lifted 3 3"]]:
    """Mean over the cameras of information times place, and of information, about the root in the world's axes."""
    column = columns(seen.world.layout)
    frames = len(seen)
    place, information = np.zeros((frames, len(JOINTS), 3)), np.zeros((frames, len(JOINTS), 3, 3))
    asked = np.zeros(frames)
    for v, camera in enumerate(rig):
        view = points_of_view(xy[v], sigma[v], seen.world.time, seen.world.layout, camera.intrinsics)
        turn = camera.cam_from_world.inverse().rotation.matrix
        enough = np.isfinite(xy[v][:, column[column >= 0], 0]).sum(1) >= _FEWEST_POINTS
        if not enough.any():
            continue
        found = lifter.lift(PointsOfView(view.ray, view.sigma, view.time, np.broadcast_to(turn[2], (frames, 3)).copy()))
        good = enough & np.isfinite(found.joints).all((1, 2))
        own = np.linalg.inv(np.where(good[:, None, None, None], turn @ found.covariance @ turn.T, np.eye(3))) * good[:, None, None, None]
        place += (own @ np.where(good[:, None, None], found.joints @ turn.T, 0.0)[..., None])[..., 0]
        information += own
        asked += good
    many = np.maximum(asked, 1.0)
    return place / many[:, None, None], information / many[:, None, None, None]
