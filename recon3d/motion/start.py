"""A closed-form start for inverse kinematics: each joint turned so that what hangs on it points right.

From the root outward: a ball joint takes the rotation that best aligns the keypoints and joints beyond
it; where only one bone hangs on it, the plane of the hinge that follows fixes the turn about the bone.
Loops run over joints, never over frames.
"""

import numpy as np
from jaxtyping import Bool, Float

from recon3d.geometry import SO3
from recon3d.geometry.alignment import align_directions
from recon3d.motion.evidence import Evidence
from recon3d.skeleton import Armature, Attachments

_DEFINES_M = 0.02  # points whose place is known as well stand for their joint
_NAMED_M = 0.06  # from the joint of their name, points on skin
_FARTHEST = 2.5  # turns are started within so many times their looseness
_STRAIGHT = 0.15  # sine of a hinge's bend below which its plane is noise


def starting_pose(armature: Armature, evidence: Evidence) -> tuple[Float[np.ndarray, "frames 3"], Float[np.ndarray, "frames joints 3 3"]]:
    """Root positions (m) and joint rotations (parent_from_joint) near the evidence."""
    frames, count = len(evidence.xyz), len(armature.joints)
    target, known = joint_targets(armature, evidence)
    parents = armature.skeleton.parents.tolist()
    children = [[c for c in range(count) if parents[c] == j] for j in range(count)]
    rotation = np.broadcast_to(np.eye(3), (frames, count, 3, 3)).copy()
    turn = rotation.copy()
    rest = armature.rest_positions()
    translation = _root_position(armature, target, known, rest) if known.any() else _rigid_position(armature, evidence)
    place = np.zeros((frames, count, 3))
    for j in range(count):
        if parents[j] < 0:
            place[:, j] = translation
            base = np.broadcast_to(np.eye(3), (frames, 3, 3))
        else:
            base = turn[:, parents[j]]
            place[:, j] = place[:, parents[j]] + base @ armature.rest_offset[j]
        rotation[:, j] = _joint_turn(armature, evidence, j, children, target, known, rest, place[:, j], base)
        turn[:, j] = base @ rotation[:, j]
    return translation, rotation


def joint_targets(armature: Armature, evidence: Evidence) -> tuple[Float[np.ndarray, "frames joints 3"], Bool[np.ndarray, "frames joints"]]:
    """Where keypoints say that joints are: those attached without an offset, or the middle of a pair."""
    frames, count = len(evidence.xyz), len(armature.joints)
    target, known = np.zeros((frames, count, 3)), np.zeros((frames, count), bool)
    at = evidence.attachments
    for point, j in standing_for(armature, at):
        new = (evidence.known[:, point]) & ~known[:, j]
        target[new, j] = evidence.xyz[new, point]
        known[:, j] |= new
    for middle, ends in (("pelvis", "hip"), ("neck", "shoulder")):
        names = (middle, f"left_{ends}", f"right_{ends}")
        if all(name in armature.joints for name in names):
            m, a, b = (armature.joints.index(name) for name in names)
            new = known[:, a] & known[:, b] & ~known[:, m]
            target[new, m] = 0.5 * (target[new, a] + target[new, b])
            known[:, m] |= new
    return target, known


def standing_for(armature: Armature, attachments: Attachments) -> list[tuple[int, int]]:
    """Points that lie at a joint at rest, or near the joint of their name, with that joint."""
    rest = armature.rest_positions()
    place = rest[attachments.joint] + attachments.offset
    near = np.linalg.norm(place[:, None] - rest, axis=-1)
    known = attachments.loose <= _DEFINES_M
    out: list[tuple[int, int]] = []
    for p in np.flatnonzero(known).tolist():
        name = attachments.points[p]
        named = armature.joints.index(name) if name in armature.joints else -1
        if named >= 0 and near[p, named] < _NAMED_M:
            out.append((p, named))
        elif near[p].min() < _DEFINES_M:
            out.append((p, int(near[p].argmin())))
    return out


def _root_position(
    armature: Armature,
    target: Float[np.ndarray, "frames joints 3"],
    known: Bool[np.ndarray, "frames joints"],
    rest: Float[np.ndarray, "joints 3"],
) -> Float[np.ndarray, "frames 3"]:
    weight = known.astype(float)
    total = np.maximum(weight.sum(1, keepdims=True), 1.0)
    middle = ((target - rest) * weight[..., None]).sum(1) / total
    return np.where(known[:, :1], target[:, 0], middle)


def _rigid_position(armature: Armature, evidence: Evidence) -> Float[np.ndarray, "frames 3"]:
    """Of a body whose points all ride off its one joint: from their middle and how they are turned about it."""
    offset, seen = evidence.attachments.offset, evidence.known.astype(float)
    total = np.maximum(seen.sum(1), 1.0)[:, None]
    middle, centre = (evidence.xyz * seen[..., None]).sum(1) / total, seen @ offset / total
    ours = offset - centre[:, None]
    turn = align_directions(ours, evidence.xyz - middle[:, None], seen).matrix
    return middle - (turn @ centre[..., None])[..., 0]


def _joint_turn(
    armature: Armature,
    evidence: Evidence,
    j: int,
    children: list[list[int]],
    target: Float[np.ndarray, "frames joints 3"],
    known: Bool[np.ndarray, "frames joints"],
    rest: Float[np.ndarray, "joints 3"],
    here: Float[np.ndarray, "frames 3"],
    base: Float[np.ndarray, "frames 3 3"],
) -> Float[np.ndarray, "frames 3 3"]:
    """parent_from_joint of one joint in every frame."""
    frames = len(here)
    usual = SO3.exp(armature.usual[j]).matrix
    if not armature.free[j].any():
        return np.broadcast_to(usual, (frames, 3, 3))
    at = evidence.attachments
    defining = {p for p, _ in standing_for(armature, at)}
    riding = [p for p in range(len(at.points)) if at.joint[p] == j and p not in defining]
    beyond = _nearest_known(j, children, known)
    to_rest = np.concatenate([rest[beyond] - rest[j], at.offset[riding]])
    to_seen = np.concatenate([target[:, beyond], evidence.xyz[:, riding]], 1) - here[:, None]
    seen = np.concatenate([known[:, beyond], evidence.known[:, riding]], 1)
    if not len(to_rest):
        return np.broadcast_to(usual, (frames, 3, 3))
    local = to_seen @ base  # base' applied to each row: into the parent's frame
    if armature.bend_axis(j) is not None:
        return _hinge(armature, j, to_rest, local, seen)
    turned = align_directions(np.broadcast_to(to_rest, local.shape), local, seen.astype(float)).matrix
    if len(to_rest) == 1 and beyond and armature.bend_axis(beyond[0]) is not None:
        turned = _with_hinge_plane(armature, beyond[0], children, target, known, rest, base, to_rest[0], local[:, 0], turned)
    if j:
        # Few and noisy points turn a small part (a foot) anywhere; who bends further comes there from nearby.
        vector = SO3(usual.T @ turned).log()
        most = _FARTHEST * float(armature.looseness[j].max())
        vector *= np.minimum(1.0, most / np.maximum(np.linalg.norm(vector, axis=-1, keepdims=True), 1e-9))
        turned = usual @ SO3.exp(vector).matrix
    return np.where(np.logical_or.reduce(seen, axis=1)[:, None, None], turned, usual)


def _nearest_known(j: int, children: list[list[int]], known: Bool[np.ndarray, "frames joints"]) -> list[int]:
    """The first joints below j, on each branch, that keypoints ever show."""
    out: list[int] = []
    for child in children[j]:
        out += [child] if known[:, child].any() else _nearest_known(child, children, known)
    return out


def _hinge(
    armature: Armature,
    j: int,
    to_rest: Float[np.ndarray, "points 3"],
    local: Float[np.ndarray, "frames points 3"],
    seen: Bool[np.ndarray, "frames points"],
) -> Float[np.ndarray, "frames 3 3"]:
    bend = armature.bend_axis(j)
    axis = np.eye(3)[bend]
    ahead = to_rest - (to_rest @ axis)[:, None] * axis
    side = np.cross(axis, ahead)
    weight = seen.astype(float)
    sine = (np.einsum("fpk,pk->fp", local, side) * weight).sum(1)
    cosine = (np.einsum("fpk,pk->fp", local, ahead) * weight).sum(1)
    angle = np.clip(np.arctan2(sine, np.where(seen.any(1), cosine, 1.0)), *armature.limit[j, bend])
    angle = np.where(np.logical_or.reduce(seen, axis=1), angle, armature.usual[j, bend])
    return SO3.exp(angle[:, None] * axis).matrix


def _with_hinge_plane(
    armature: Armature,
    hinge: int,
    children: list[list[int]],
    target: Float[np.ndarray, "frames joints 3"],
    known: Bool[np.ndarray, "frames joints"],
    rest: Float[np.ndarray, "joints 3"],
    base: Float[np.ndarray, "frames 3 3"],
    bone: Float[np.ndarray, "3"],
    seen_bone: Float[np.ndarray, "frames 3"],
    turned: Float[np.ndarray, "frames 3 3"],
) -> Float[np.ndarray, "frames 3 3"]:
    """Turn about the bone so that the hinge beyond it bends in its own plane, the way it can bend."""
    ends = _nearest_known(hinge, children, known)
    if not ends:
        return turned
    second = (target[:, ends[0]] - target[:, hinge])[:, None] @ base
    normal = np.cross(seen_bone, second[:, 0])
    size = np.linalg.norm(normal, axis=-1)
    scale = np.linalg.norm(seen_bone, axis=-1) * np.linalg.norm(second[:, 0], axis=-1)
    bend = armature.bend_axis(hinge)
    axis = np.eye(3)[bend]
    # A hinge that bends by negative angles about its axis has its bend's normal against the axis.
    bends = np.sign(armature.limit[hinge, bend].sum()) or 1.0
    source = np.broadcast_to(np.stack([bone / np.linalg.norm(bone), bends * axis]), (len(turned), 2, 3))
    with np.errstate(invalid="ignore", divide="ignore"):
        goal = np.stack([seen_bone / np.linalg.norm(seen_bone, axis=-1, keepdims=True), normal / size[:, None]], 1)
        bent = known[:, hinge] & known[:, ends[0]] & (size > _STRAIGHT * scale)
    full = align_directions(source, goal, np.broadcast_to(np.array([1.0, 0.5]), (len(turned), 2))).matrix
    return np.where(bent[:, None, None], full, turned)
