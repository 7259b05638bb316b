"""A person's lengths from 3D keypoints of a take: constant, robust over frames, left equal to right."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from recon3d.geometry import SE3, SO3
from recon3d.geometry.least_squares import DenseSettings
from recon3d.motion.evidence import Evidence, concatenate
from recon3d.motion.inverse_kinematics import Pose, fit_pose
from recon3d.motion.start import joint_targets, starting_pose
from recon3d.records import State
from recon3d.skeleton import Armature, other_side

_SAMPLE = 32  # frames that lengths are taken from; on the embedded recording all 100 change them by up to 1.4 mm
_MIN_FRAMES = 5
_ROUNDS = 2
_PRIOR_FRAMES = 3.0  # what the default offset of a point counts, in frames


def sample(evidence: Evidence, count: int = _SAMPLE) -> Evidence:
    """At most so many of the frames in which the person is seen, spread evenly."""
    seen = np.flatnonzero((evidence.state == State.OBSERVED).sum(1) >= 4)
    return evidence.take(seen[np.linspace(0, len(seen) - 1, min(count, len(seen))).astype(int)])


def fit_sizes(armature: Armature, parts: Sequence[Evidence]) -> Armature:
    """The armature with this person's lengths; what no keypoint shows is scaled with the rest of the body."""
    if not any(len(part.xyz) for part in parts):
        return armature
    every = sample(concatenate(parts))
    armature = _with_measured_bones(armature, every)
    pose = Pose(*starting_pose(armature, every))
    for _ in range(_ROUNDS):
        pose = fit_pose(armature, every, pose, DenseSettings(max_steps=3, min_gain=1e-3))
        armature = _with_measured_points(armature, every, pose)
        every = Evidence(armature.attachments.select(every.attachments.points), every.xyz, every.root_information, every.state)
    return armature


def _with_measured_bones(armature: Armature, evidence: Evidence) -> Armature:
    """Bones between joints that keypoints show take their median length, the others the body's scale."""
    target, known = joint_targets(armature, evidence)
    rest, parents, mirror = armature.rest_positions(), armature.skeleton.parents.tolist(), armature.skeleton.mirror
    count = len(armature.joints)
    ratio = np.full(count, np.nan)
    for j in range(1, count):
        chain = [j]
        while parents[chain[-1]] >= 0 and (len(chain) == 1 or not known[:, chain[-1]].any()):
            chain.append(parents[chain[-1]])
        top = chain[-1]
        both = known[:, j] & known[:, top]
        if both.sum() >= _MIN_FRAMES:
            seen = float(np.median(np.linalg.norm(target[both, j] - target[both, top], axis=-1)))
            ratio[chain[:-1]] = np.where(np.isnan(ratio[chain[:-1]]), seen / np.linalg.norm(rest[j] - rest[top]), ratio[chain[:-1]])
    paired = np.stack([ratio, ratio[mirror]])
    have = np.isfinite(paired)
    ratio = np.where(have.any(0), np.where(have, paired, 0).sum(0) / np.maximum(have.sum(0), 1), np.nan)
    body = float(np.nanmedian(ratio)) if np.isfinite(ratio).any() else 1.0
    ratio = np.where(np.isfinite(ratio), ratio, body)
    return armature.with_sizes(armature.rest_offset * ratio[:, None], armature.attachments.offset * body)


def _with_measured_points(armature: Armature, evidence: Evidence, pose: Pose) -> Armature:
    """Points that ride off a joint's centre (nose, heel, ...) take their median place in its frame."""
    poses = armature.forward(SE3(SO3.identity(len(pose.translation)), pose.translation), pose.rotation)
    at = evidence.attachments
    turn, place = poses.rotation.matrix[:, at.joint], poses.translation[:, at.joint]
    local = (np.swapaxes(turn, -1, -2) @ (evidence.xyz - place)[..., None])[..., 0]
    observed = evidence.state == State.OBSERVED
    measured: dict[str, tuple[Float[np.ndarray, 3], int]] = {}
    for k, point in enumerate(at.points):
        n = int(observed[:, k].sum())
        if n >= _MIN_FRAMES and at.offset[k].any():
            measured[point] = (np.median(local[observed[:, k], k], axis=0), n)
    offset = armature.attachments.offset.copy()
    for k, point in enumerate(armature.attachments.points):
        other = other_side(point)
        found = [measured[point]] if point in measured else []
        if other != point and other in measured:
            value, n = measured[other]
            found.append((value * np.array([-1.0, 1.0, 1.0]), n))
        if found:
            total = _PRIOR_FRAMES + sum(n for _, n in found)
            offset[k] = (_PRIOR_FRAMES * offset[k] + sum(n * value for value, n in found)) / total
            if other == point and not armature.attachments.offset[k, 0]:
                offset[k, 0] = 0.0  # in the middle of the body
    return armature.with_sizes(armature.rest_offset, offset)
