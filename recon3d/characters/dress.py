"""A person's motion by the joints of a preset: rotations are carried over through the rest poses.

With W the turn of a joint in the world and A the axes of the preset's joint at rest, where ours are parallel to the
world: W_theirs = W_ours A. The world places of all joints stay what they were.
"""

import numpy as np
from jaxtyping import Float

from recon3d.characters.preset import Preset, PresetJoint
from recon3d.errors import InputError, valid_names
from recon3d.geometry import SE3, SO3
from recon3d.geometry.lie import without_sign_flips
from recon3d.records import Animation, Motion
from recon3d.records.animation import FROM_Z_UP, animation_of, in_parents, resampled
from recon3d.records.rest import in_rest_pose

_ALIASES = {
    "spine": "spine1", "chest": "spine3", "left_clavicle": "left_collar", "right_clavicle": "right_collar",
    "left_toes": "left_foot", "right_toes": "right_foot",
}  # fmt: skip
"""Our names by those of the SMPL armature."""
_DIRECTIONS = {
    "left": (1, 0, 0), "right": (-1, 0, 0), "up": (0, 0, 1), "down": (0, 0, -1), "forward": (0, -1, 0), "back": (0, 1, 0),
}  # fmt: skip


def dressed(motion: Motion, preset: Preset) -> Animation:
    """A motion as a preset wants it.

    Raises:
        InputError: an armature without joints that the preset needs; the message says which.
    """
    own = animation_of(in_rest_pose(motion, preset.rest))
    joints = _present(preset, own)
    names = [joint.name for joint in joints]
    parents = np.array([names.index(j.parent) if j.parent else -1 for j in joints], dtype=np.int64)
    source = np.array([own.index(_named(j.source, own)) if j.source else -1 for j in joints], dtype=np.int64)
    rest = own.rest().translation
    place = np.stack([_place(joint, own, rest) for joint in joints])
    ends = _ends(place, parents, source, own, rest)
    axes = np.stack([_axes(joint, end - at) for joint, end, at in zip(joints, ends, place, strict=True)])
    poses = own.poses()
    turn = np.where((source >= 0)[:, None, None], poses.rotation.matrix[:, np.maximum(source, 0)], np.eye(3)) @ axes
    back = np.swapaxes(axes, -1, -2)
    hung = parents >= 0
    above = np.maximum(parents, 0)
    world = FROM_Z_UP if preset.up == "y" else np.eye(3)
    out_of = np.where(hung[:, None, None], np.eye(3), world)  # what stands in the file's world is turned into it
    local_turn = out_of @ in_parents(SE3(SO3(turn), np.zeros(turn.shape[:-1])), parents).rotation.matrix
    at_rest = in_parents(SE3(SO3(axes), place), parents)
    rest_turn, rest_place = out_of @ at_rest.rotation.matrix, (out_of @ at_rest.translation[..., None])[..., 0]
    moving = int(np.flatnonzero(source >= 0)[0])
    path = poses.translation[:, source[moving]]
    scale = 1 / preset.unit_m
    # The first joint that moves is the root, or hangs on one that stands at the world's origin.
    frame = back[above[moving]] if hung[moving] else world
    dressed_up = Animation(
        name=preset.name,
        joints=tuple(names),
        parents=parents,
        rest_place=scale * rest_place,
        rest_turn=SO3(rest_turn).wxyz(),
        tip=scale * (back @ (np.where(np.isin(np.arange(len(names)), parents)[:, None], 0.0, ends - place))[..., None])[..., 0],
        time=own.time,
        moving=np.array([moving]),
        place=scale * (path @ frame.T)[:, None],
        rotation=without_sign_flips(SO3(local_turn).wxyz()),
        unit_m=preset.unit_m,
        up=preset.up,
        order=preset.order,
    )
    return resampled(dressed_up, preset.fps) if preset.fps else dressed_up


def _named(source: str, own: Animation) -> str:
    return source if source in own.joints else _ALIASES.get(source, source)


def _present(preset: Preset, own: Animation) -> list[PresetJoint]:
    """The preset's joints without the optional ones that there is nothing to turn with."""
    out: list[PresetJoint] = []
    lacking: list[str] = []
    for joint in preset.joints:
        needed = [name for name in (joint.source, *(joint.between or ())[:2]) if name]
        missing = [str(n) for n in needed if _named(str(n), own) not in own.joints]
        if joint.optional and (missing or joint.parent not in [j.name for j in out]):
            continue
        lacking += missing
        out.append(joint)
    if lacking:
        raise InputError(
            f"preset {preset.name} needs joints that armature {own.name} has not: {valid_names(sorted(set(lacking)))}; "
            "it is for people: solve the motion with the armature human, human_hands or smpl_24"
        )
    return out


def _place(joint: PresetJoint, own: Animation, rest: Float[np.ndarray, "joints 3"]) -> Float[np.ndarray, "3"]:
    """Where a joint lies at rest, in our world, from our root."""
    if joint.between is not None:
        a, b, share = joint.between
        return (1 - share) * rest[own.index(_named(a, own))] + share * rest[own.index(_named(b, own))]
    return rest[own.index(_named(joint.source, own))] if joint.source else np.zeros(3)


def _ends(
    place: Float[np.ndarray, "joints 3"], parents: np.ndarray, source: np.ndarray, own: Animation, rest: Float[np.ndarray, "ours 3"]
) -> Float[np.ndarray, "joints 3"]:
    """Where each joint's bone ends at rest: at the middle of what hangs on it, or at the tip of our joint."""
    out = place.copy()
    for k in range(len(place)):
        below = np.flatnonzero(parents == k)
        if len(below):
            out[k] = place[below].mean(0)
        elif source[k] >= 0:
            ours = np.flatnonzero(own.parents == source[k])
            out[k] = rest[ours].mean(0) if len(ours) else rest[source[k]] + own.tip[source[k]]
    return out


def _axes(joint: PresetJoint, bone: Float[np.ndarray, "3"]) -> Float[np.ndarray, "3 3"]:
    """Columns x, y, z of a joint's frame at rest, in our world; y is turned to a right angle with x."""
    x, y = (_direction(word, bone) for word in joint.axes)
    y = y - (y @ x) * x
    length = np.linalg.norm(y)
    if length < 1e-3:
        raise InputError(f"joint {joint.name}: its axes {joint.axes[0]} and {joint.axes[1]} are the same direction")
    y = y / length
    return np.stack([x, y, np.cross(x, y)], -1)


def _direction(word: str, bone: Float[np.ndarray, "3"]) -> Float[np.ndarray, "3"]:
    sign, word = (-1.0, word[1:]) if word.startswith("-") else (1.0, word)
    vector = bone if word == "bone" else np.array(_DIRECTIONS[word], float)
    length = np.linalg.norm(vector)
    if length < 1e-9:
        raise InputError("a joint that nothing hangs on has no direction of a bone")
    return sign * vector / length
