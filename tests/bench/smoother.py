"""What a smoother of single joints reaches that knows which detections are right: to compare with."""

from collections.abc import Sequence

import numpy as np

from recon3d.geometry.sightings import Poses, information, sight
from recon3d.geometry.time_banded import TimeFactor, TimeSystem
from recon3d.synthetic import World

_ACCELERATIONS = (2.0, 4.0, 7.0, 12.0, 20.0)  # m/s^2, of which the one that fits the truth best is taken


def smooth_known(world: World, columns: Sequence[int]) -> float:
    """Mean error (mm) of a Rauch-Tung-Striebel smoother (as one least-squares problem) on the inliers, at its best noise."""
    truth = world.person.keypoints[:, columns]
    frames, count = truth.shape[:2]
    xy = np.where(world.outlier[..., None], np.nan, world.xy)[:, :, columns]
    seen = sight(world.rig, Poses.of_rig(world.rig), xy.reshape(len(xy), -1, 2), np.full((len(xy), frames * count), world.sigma_px))
    nine = information(seen, np.ascontiguousarray(truth.reshape(-1, 3).T), np.ones_like(seen.u))
    info = nine[[0, 1, 2, 1, 3, 4, 2, 4, 5]].reshape(3, 3, frames, count).transpose(3, 2, 0, 1)
    pull = nine[6:].reshape(3, frames, count).transpose(2, 1, 0)
    step = float(np.median(np.diff(world.person.motion.time)))
    best = np.inf
    for acceleration in _ACCELERATIONS:
        stiff = 1 / (acceleration * step**2) ** 2
        errors = [np.linalg.norm(_off(info[j], pull[j], truth[:, j], stiff), axis=-1) for j in range(count)]
        best = min(best, 1000 * float(np.mean(errors)))
    return best


def _off(info: np.ndarray, pull: np.ndarray, truth: np.ndarray, stiff: float) -> np.ndarray:
    """How far the smoothed places are off the truth that the evidence was linearised at."""
    frames = len(truth)
    second = np.diff(truth, 2, axis=0)
    block, gradient = info.copy(), pull.copy()
    near, far = np.zeros((frames, 3, 5)), np.zeros((frames, 3, 5))
    for k, c in enumerate((1.0, -2.0, 1.0)):
        gradient[k : frames - 2 + k] += stiff * c * second
        block[k : frames - 2 + k] += stiff * c * c * np.eye(3)
    near[:-2, :, 2] -= 2 * stiff
    near[1:-1, :, 2] -= 2 * stiff
    far[:-2, :, 2] += stiff
    system = TimeSystem(block, near, far, gradient, np.zeros((frames, 3, 0)), np.zeros((0, 0)), np.zeros(0))
    return -TimeFactor(system).solve(gradient)
