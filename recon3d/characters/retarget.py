"""A person's motion on a character of other proportions, whatever its rest pose and the axes of its joints.

Rotations are carried over through the rest poses: a bone of the character points where the person's does. Paths are
scaled by the length of the legs; then arms and legs are bent and turned, with the plane they lie in kept, until hands
and feet are where the person's are in the scaled world, which keeps feet on the floor and hands at what they touch.
"""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from recon3d.characters.mapping import NEEDED
from recon3d.errors import InputError
from recon3d.geometry import SE3, SO3
from recon3d.geometry.lie import without_sign_flips
from recon3d.records import Animation, Motion
from recon3d.records.animation import animation_of, converted, in_parents

_LIMBS = (("shoulder", "elbow", "wrist"), ("hip", "knee", "ankle"))
_STRETCHED = 0.9999  # of a limb's length: it is never quite straight, or its plane would be lost


def retargeted(motion: Motion, character: Animation, ours_of: Mapping[str, str]) -> Animation:
    """The character with the person's motion, in its own axes and unit.

    Args:
        motion: of a person.
        character: at rest as its mesh is bound to it.
        ours_of: our joint by the character's (`recon3d.characters.mapping`).

    Raises:
        InputError: joints that the motion's armature has not, or a character that has no size.
    """
    unknown = sorted({name for name in ours_of.values() if name not in motion.armature.joints} & set(NEEDED))
    if unknown:
        raise InputError(f"armature {motion.armature.skeleton.name} has no {', '.join(unknown)}: it is not a person's")
    own = converted(animation_of(motion), character.up, character.unit_m)
    theirs = {ours: character.index(name) for name, ours in ours_of.items() if ours in own.joints}
    rest, source_rest = character.rest(), own.rest()
    facing = _facing(rest, theirs, character.up)
    poses = own.poses()
    turn = _transferred(character, rest, own, source_rest, poses, theirs, facing)
    scale = _leg(rest, theirs) / _leg(source_rest, {name: own.index(name) for name in theirs})
    if not np.isfinite(scale) or scale <= 0:
        raise InputError(f"{character.name}: its legs have no length")
    path = scale * poses.translation[:, own.index("pelvis")]
    world, place = _worlds(character, rest, turn, theirs["pelvis"], path)
    for side in ("left", "right"):
        for limb in _LIMBS:
            chain = [theirs[f"{side}_{part}"] for part in limb]
            target = scale * poses.translation[:, own.index(f"{side}_{limb[2]}")]
            _reach(world, place, chain, target + _lift(rest, source_rest, own, theirs, side, limb[2], scale, character.up))
            # What hangs on the limb follows; what ends it keeps its turn in the world.
            world, place = _worlds(character, rest, world, theirs["pelvis"], path)
    return _as_animation(character, own, world, place, theirs["pelvis"])


def _leg(rest: SE3, index: Mapping[str, int]) -> float:
    """From hips to ankles, the mean of both legs."""
    at = rest.translation
    parts = [(f"{s}_{a}", f"{s}_{b}") for s in ("left", "right") for a, b in (("hip", "knee"), ("knee", "ankle"))]
    return float(sum(np.linalg.norm(at[index[a]] - at[index[b]]) for a, b in parts)) / 2


def _facing(rest: SE3, theirs: Mapping[str, int], up: str) -> Float[np.ndarray, "3 3"]:
    """The turn about the vertical from our rest (left along +x) to the character's."""
    left = rest.translation[theirs["left_hip"]] - rest.translation[theirs["right_hip"]]
    if up == "y":
        return SO3.exp(np.array([0.0, np.arctan2(-left[2], left[0]), 0.0])).matrix
    return SO3.exp(np.array([0.0, 0.0, np.arctan2(left[1], left[0])])).matrix


def _transferred(
    character: Animation, rest: SE3, own: Animation, source_rest: SE3, poses: SE3, theirs: Mapping[str, int], facing: np.ndarray
) -> Float[np.ndarray, "frames joints 3 3"]:
    """World turns of the character's joints; those that nothing of ours is are left to follow (NaN)."""
    out = np.full((len(own), len(character.joints), 3, 3), np.nan)
    between: dict[str, np.ndarray] = {}
    for ours in (name for name in own.joints if name in theirs):  # parents first
        k, end = theirs[ours], _bone_end(ours)
        parent = own.parents[own.index(ours)]
        above = own.joints[parent] if parent >= 0 else ""
        between[ours] = between.get(above, facing) if _of_hand(ours) else facing
        if end is not None and end in theirs:
            mine = source_rest.translation[own.index(end)] - source_rest.translation[own.index(ours)]
            its = rest.translation[theirs[end]] - rest.translation[k]
            between[ours] = _shortest(facing @ mine, its) @ facing
        # Their bone at rest is ``between`` times ours: in motion it points where ours does.
        out[:, k] = poses.rotation.matrix[:, own.index(ours)] @ between[ours].T @ rest.rotation.matrix[k]
    return out


def _of_hand(ours: str) -> bool:
    """Hands and fingers rest as the forearm does: down in an A-pose."""
    return any(part in ours for part in ("wrist", "thumb", "index", "middle", "ring", "pinky"))


def _bone_end(ours: str) -> str | None:
    """What ends the bone of a limb's joint; feet and trunk keep their turn instead, so that soles stay level."""
    side, _, part = ours.partition("_")
    ends = {"clavicle": "shoulder", "shoulder": "elbow", "elbow": "wrist", "hip": "knee", "knee": "ankle"}
    return f"{side}_{ends[part]}" if part in ends else None


def _shortest(a: Float[np.ndarray, "3"], b: Float[np.ndarray, "3"]) -> Float[np.ndarray, "3 3"]:
    """The smallest turn that brings one direction to another."""
    a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
    axis = np.cross(a, b)
    sine, cosine = float(np.linalg.norm(axis)), float(a @ b)
    if sine < 1e-9:
        return np.eye(3)
    return SO3.exp(axis / sine * np.arctan2(sine, cosine)).matrix


def _worlds(
    character: Animation, rest: SE3, turn: Float[np.ndarray, "frames joints 3 3"], root: int, path: Float[np.ndarray, "frames 3"]
) -> tuple[Float[np.ndarray, "frames joints 3 3"], Float[np.ndarray, "frames joints 3"]]:
    """Turns of all joints, and where they lie with the pelvis on its path; what has no turn of its own stays as at rest in its parent."""
    frames = len(turn)
    world, place = turn.copy(), np.zeros((frames, len(character.joints), 3))
    local = SO3.from_wxyz(character.rest_turn).matrix
    for k, parent in enumerate(character.parents.tolist()):
        open_ = np.isnan(world[0, k, 0, 0])
        if parent < 0:
            world[:, k] = rest.rotation.matrix[k] if open_ else world[:, k]
            place[:, k] = character.rest_place[k]
        else:
            world[:, k] = world[:, parent] @ local[k] if open_ else world[:, k]
            place[:, k] = place[:, parent] + world[:, parent] @ character.rest_place[k]
        if k == root:
            place[:, k] = path
    return world, place


def _lift(
    rest: SE3, source_rest: SE3, own: Animation, theirs: Mapping[str, int], side: str, part: str, scale: float, up: str
) -> Float[np.ndarray, "3"]:
    """How much higher the character's ankle lies above its sole than the person's, scaled."""
    out = np.zeros(3)
    axis = 1 if up == "y" else 2
    toes = f"{side}_toes"
    if part == "ankle" and toes in theirs:
        its = rest.translation[theirs[f"{side}_ankle"], axis] - rest.translation[theirs[toes], axis]
        mine = source_rest.translation[own.index(f"{side}_ankle"), axis] - source_rest.translation[own.index(toes), axis]
        out[axis] = its - scale * mine
    return out


def _reach(
    world: Float[np.ndarray, "frames joints 3 3"],
    place: Float[np.ndarray, "frames joints 3"],
    chain: list[int],
    target: Float[np.ndarray, "frames 3"],
) -> None:
    """Turn the two bones of a limb so that its end comes to a target; the law of cosines in the plane that it lies in."""
    top, middle, end = (place[:, k] for k in chain)
    upper, lower = np.linalg.norm(middle - top, axis=-1), np.linalg.norm(end - middle, axis=-1)
    reach = target - top
    far = np.linalg.norm(reach, axis=-1)
    far = np.clip(far, np.abs(upper - lower) / _STRETCHED + 1e-9, _STRETCHED * (upper + lower))
    along = reach / np.maximum(np.linalg.norm(reach, axis=-1, keepdims=True), 1e-12)
    aside = middle - top
    aside = aside - (aside * along).sum(-1, keepdims=True) * along  # towards the knee or the elbow
    aside /= np.maximum(np.linalg.norm(aside, axis=-1, keepdims=True), 1e-12)
    cosine = np.clip((upper**2 + far**2 - lower**2) / (2 * upper * far), -1.0, 1.0)[:, None]
    bend = top + upper[:, None] * (cosine * along + np.sqrt(1 - cosine**2) * aside)
    goal = top + far[:, None] * along
    for joint, before, after in ((chain[0], middle - top, bend - top), (chain[1], end - middle, goal - bend)):
        world[:, joint] = _turns(before, after) @ world[:, joint]


def _turns(a: Float[np.ndarray, "frames 3"], b: Float[np.ndarray, "frames 3"]) -> Float[np.ndarray, "frames 3 3"]:
    axis = np.cross(a, b)
    sine, cosine = np.linalg.norm(axis, axis=-1), (a * b).sum(-1)
    return SO3.exp(axis / np.maximum(sine, 1e-15)[:, None] * np.arctan2(sine, cosine)[:, None]).matrix


def _as_animation(
    character: Animation,
    own: Animation,
    world: Float[np.ndarray, "frames joints 3 3"],
    place: Float[np.ndarray, "frames joints 3"],
    root: int,
) -> Animation:
    local = in_parents(SE3(SO3(world), place), character.parents)
    return Animation(
        name=character.name,
        joints=character.joints,
        parents=character.parents,
        rest_place=character.rest_place,
        rest_turn=character.rest_turn,
        tip=character.tip,
        time=own.time,
        moving=np.array([root]),
        place=local.translation[:, [root]],
        rotation=without_sign_flips(local.rotation.wxyz()),
        unit_m=character.unit_m,
        up=character.up,
        order=character.order,
        skin=character.skin,
    )
