"""A person's motion on a body, and that as an animation with a skinned mesh."""

import numpy as np
from jaxtyping import Float

from recon3d.body.model import ShapedBody, Skin
from recon3d.errors import InputError
from recon3d.geometry import SO3
from recon3d.records import Motion
from recon3d.records.animation import Animation, animation_of, in_parents
from recon3d.records.animation import Skin as FourSkin

_CARRIERS = 4  # joints of a vertex, in files
_FEWEST_JOINTS = 6


def turns_on(body: ShapedBody, motion: Motion) -> Float[np.ndarray, "frames joints 3 3"]:
    """A motion's turns on a body's joints of the same names; bones in between go with their parents. NaN where there is no pose.

    Raises:
        InputError: an armature that shares no joints with the body.
    """
    shared = [name for name in motion.armature.joints if name in body.armature.joints]
    if len(shared) < max(_FEWEST_JOINTS, len(motion.armature.joints) // 2):
        raise InputError(f"the armature {motion.armature.skeleton.name} is not of the kind of body {body.model.name}")
    out = np.broadcast_to(np.eye(3), (len(motion.time), len(body.armature.joints), 3, 3)).copy()
    own = [body.armature.index(name) for name in shared]
    turn = motion.rotation[:, [motion.armature.index(name) for name in shared]]
    known = np.isfinite(turn).all((1, 2))
    out[np.ix_(np.flatnonzero(known), np.array(own))] = SO3.from_wxyz(turn[known]).matrix
    out[~known] = np.nan
    return out


def animated(body: ShapedBody, motion: Motion) -> Animation:
    """The motion of this body with its mesh, at rest as it was sculpted: what GLB, USD and FBX are written from."""
    turns = turns_on(body, motion)
    wxyz = np.full((*turns.shape[:2], 4), np.nan)
    known = np.isfinite(turns).all((1, 2, 3))
    wxyz[known] = SO3(turns[known]).wxyz()
    joints = len(body.armature.joints)
    nothing = np.zeros((len(motion.time), joints))
    whole = Motion(
        person=motion.person,
        armature=body.armature,
        frame=motion.frame.copy(),
        time=motion.time.copy(),
        translation=motion.translation.copy(),
        rotation=wxyz,
        covariance=np.full((*nothing.shape, 3, 3), np.nan),
        state=nothing.astype(np.uint8),
        misfit=np.full(nothing.shape, np.nan),
        contact=nothing.astype(bool),
    )
    moved = animation_of(whole)
    rest = in_parents(body.bind, body.armature.skeleton.parents)
    return Animation(
        name=f"{body.model.name} body",
        joints=moved.joints,
        parents=moved.parents,
        rest_place=rest.translation,
        rest_turn=rest.rotation.wxyz(),
        tip=moved.tip,
        time=moved.time,
        moving=np.arange(joints),
        place=_places(body, moved),
        rotation=moved.rotation,
        skin=four_carriers(body.skin, body.vertices, body.model.faces),
    )


def _places(body: ShapedBody, moved: Animation) -> Float[np.ndarray, "frames joints 3"]:
    """Joints in their parents' frames: as long as bones are, and the root where it is."""
    out = np.broadcast_to(body.armature.rest_offset, (len(moved), *body.armature.rest_offset.shape)).copy()
    out[:, 0] = moved.place[:, 0]
    return out


def four_carriers(skin: Skin, vertices: Float[np.ndarray, "vertices 3"], faces: np.ndarray) -> FourSkin:
    """The skin as files hold it: the four joints that carry each vertex most, their weights made to sum to one."""
    order = np.lexsort((-skin.weight, skin.vertex))
    vertex = skin.vertex[order]
    rank = np.arange(len(order)) - np.searchsorted(vertex, vertex)
    kept = rank < _CARRIERS
    joint, weight = np.zeros((skin.count, _CARRIERS), np.int64), np.zeros((skin.count, _CARRIERS))
    joint[vertex[kept], rank[kept]], weight[vertex[kept], rank[kept]] = skin.joint[order][kept], skin.weight[order][kept]
    return FourSkin(vertices.copy(), faces.astype(np.int64), joint, weight / weight.sum(1, keepdims=True))
