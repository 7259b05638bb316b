"""A take against the truth."""

import numpy as np

from recon3d.errors import InputError
from recon3d.io import read_keypoints3d
from recon3d.metrics import PeopleScores, judge_people
from recon3d.pipeline.take import Take
from recon3d.records import Keypoints3D

_REACH_M = 0.5


def judge_take(take: Take, truth: Keypoints3D, reach_m: float = _REACH_M) -> PeopleScores:
    """PCP, MPJPE, MOTA, IDF1 and ghosts over the frames and points that both have.

    Args:
        take: reconstructed.
        truth: in the same world, its frames numbered as those of the take's leading camera.
        reach_m: mean distance of points within which somebody may be somebody.

    Raises:
        InputError: no frames, or fewer than two points or no limb in common.
    """
    found = read_keypoints3d(take.keypoints3d)
    frames, ours, theirs = np.intersect1d(found.frame, truth.frame, return_indices=True)
    if not len(frames):
        raise InputError(
            f"no frame in common: the take has {found.frame[0]} to {found.frame[-1]}, the truth {truth.frame[0]} to {truth.frame[-1]}"
        )
    names = [name for name in truth.layout.points if name in found.layout.points]
    limbs = [
        (names.index(a), names.index(b))
        for a, b in ((truth.layout.points[i], truth.layout.points[j]) for i, j in truth.layout.bones.tolist())
        if a in names and b in names
    ]
    if len(names) < 2 or not limbs:
        raise InputError(
            f"layouts {found.layout.name} and {truth.layout.name} have no limb in common; they share {', '.join(names) or 'no point'}"
        )
    a = np.array(found.xyz[ours][:, :, found.layout.indices(names)])
    b = np.array(truth.xyz[theirs][:, :, truth.layout.indices(names)])
    return judge_people(a, b, limbs, reach_m=reach_m)
