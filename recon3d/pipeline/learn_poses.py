"""Learn how people hold themselves from motion capture: ``recon3d/body/poses.npz``.

python -m recon3d.pipeline.learn_poses MOCAP_FOLDER OPEN_BODY_FILE OUT.npz

Files of mocap30 are read as for the lifter: nobody who is held out there is learned from here.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from recon3d.body import OpenBody, load_open_body
from recon3d.body.fit import fit_values, points_evidence
from recon3d.body.usual import UsualPoses
from recon3d.geometry import SO3
from recon3d.geometry.threads import single_threaded
from recon3d.io.files import atomic
from recon3d.monocular.points import POINTS
from recon3d.monocular.train.mocap import Clips, read_clips
from recon3d.motion.habits import mirror_of
from recon3d.motion.pose import Freedoms, Pose

_POINTS = tuple(name for name in POINTS if name not in ("head_top", "neck", "spine", "pelvis"))  # sources do not agree on these
_EVERY_S, _MOST, _FEWEST = 1.0, 40, 3  # of a clip: frames are so far apart, so many at the most, clips of fewer are left out
_SIGMA_M = 0.02
_UNTOLD = ("neck", "head", "toes", "wrist")  # faces and toes of motion capture are derived, hands have too few points
_FARTHEST_M = 0.06  # root mean square distance of a frame's points: of no body


def learn(clips: Clips, model: OpenBody) -> UsualPoses:
    """Mean and covariance of all joints' turns, of bodies and their mirror images."""
    marks = model.marks.select(_POINTS)
    column = [POINTS.index(name) for name in _POINTS]
    every = clips.points()[:, column].astype(float)
    poses: list[Pose] = []
    free = model.armature(model.usual, marks)
    freedoms = Freedoms(free, free.free & ~_fingers(free.joints)[:, None])
    for a, b in zip(clips.start[:-1].tolist(), clips.start[1:].tolist(), strict=True):
        step = max(round(30 * _EVERY_S), -(-(b - a) // _MOST))
        xyz = every[a:b:step]
        if len(xyz) < _FEWEST:
            continue
        found = fit_values(model, points_evidence(marks, model, xyz, _SIGMA_M), marks)
        off = np.sqrt(np.nanmean(np.square(found.armature.keypoints(found.pose.on(found.armature)) - xyz).sum(-1), 1))
        good = np.flatnonzero(off < _FARTHEST_M)
        poses.append(freedoms.pose(found.pose.translation[good], found.pose.rotation[good]))
    return of_poses(freedoms, poses)


def of_poses(freedoms: Freedoms, poses: list[Pose]) -> UsualPoses:
    """Of poses with these freedoms; every set of poses counts by the root of how many they are."""
    armature = freedoms.armature
    weight = np.concatenate([np.full(len(p), len(p) ** -0.5) for p in poses])
    both, share = _with_mirror(freedoms, np.concatenate([freedoms.from_usual(p) for p in poses])), np.tile(weight / weight.sum() / 2, 2)
    turning = freedoms.joint != 0
    usual = armature.usual.copy()
    first = freedoms.with_turns(poses[0].take(slice(0, 1)), (share @ both)[None] * turning)
    for j, columns in zip(freedoms.ball.tolist(), freedoms.ball_column.tolist(), strict=True):
        assert len(columns) == 3
        usual[j] = SO3(first.rotation[:, j]).log()[0] if j else 0.0
    usual[freedoms.angle_joint, freedoms.angle_axis] = first.angle[0]
    # Turns off the mean are turns of another frame: once more, from there.
    moved = freedoms.of(replace(armature, usual=usual))
    both = _with_mirror(moved, np.concatenate([moved.from_usual(p) for p in poses]))
    covariance = np.zeros((3 * len(armature.joints),) * 2)
    axes = 3 * freedoms.joint + freedoms.axis
    covariance[np.ix_(axes, axes)] = (both * share[:, None]).T @ both * np.outer(turning, turning)
    kept = np.array([j for j in np.unique(freedoms.joint[turning]) if not any(part in armature.joints[j] for part in _UNTOLD)])
    rows = (3 * kept[:, None] + np.arange(3)).ravel()
    return UsualPoses(tuple(armature.joints[j] for j in kept), usual[kept], covariance[np.ix_(rows, rows)])


def _fingers(joints: Sequence[str]) -> Bool[np.ndarray, "joints"]:
    return np.array([name.endswith(("_cmc", "_mcp", "_pip", "_dip", "_ip")) for name in joints])


def _with_mirror(freedoms: Freedoms, off: Float[np.ndarray, "frames turns"]) -> Float[np.ndarray, "double turns"]:
    other, sign = mirror_of(freedoms)
    return np.concatenate([off, (off * sign)[:, other]])


def main() -> None:
    """Read, learn, write."""
    folder, body, out = map(Path, sys.argv[1:4])
    with single_threaded():
        found = learn(read_clips(folder, body)[0], load_open_body())
    with atomic(out, "wb") as stream:
        arrays = {"joints": np.array(found.joints), "usual": found.usual, "covariance": found.covariance.astype(np.float32)}
        np.savez_compressed(stream, **arrays)


if __name__ == "__main__":
    main()
