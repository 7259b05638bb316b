"""Feet that stand: a foot that touches the floor has one flat place there, and rolls about its heel or its toe.

While heel or toe rest, the foot is that flat place turned about the edge that rests, so that neither slides. Between
two stands it goes its own way, led from where it was to where it will be.
"""

import numpy as np
from jaxtyping import Bool, Float

from recon3d.arrays import runs, short_gaps
from recon3d.geometry import SE3, SO3

_BRIDGED_S = 0.05  # a stand that is interrupted for less is one
_ROLL_S = 0.08  # in which a foot comes to its own pitch once only an edge rests


def planted(
    foot: SE3, contact: Bool[np.ndarray, "frames 2"], sole: Float[np.ndarray, "2 3"], level: Float[np.ndarray, "3 3"], time: np.ndarray
) -> SE3:
    """Poses of a foot with its stands made still; the floor is z = 0.

    Args:
        foot: world_from_link as the person has it.
        contact: heel and toe on the floor; changed to whole stands.
        sole: heel and toe in the link.
        level: turn of the link when the robot stands on flat feet facing +x.
        time: s.
    """
    step = float(np.median(np.diff(time))) if len(time) > 1 else 1.0
    contact |= short_gaps(contact, time, _BRIDGED_S)
    forward = foot.rotation.matrix @ level.T[:, 0]  # where the link's +x of the standing robot points
    place, turn = foot.translation.copy(), foot.rotation.matrix.copy()
    stands = runs(np.logical_or.reduce(contact, axis=1))
    for own in stands:
        flat = np.logical_and.reduce(contact[own], axis=1)
        some = flat if flat.any() else np.ones(len(flat), bool)
        yaw = np.arctan2(forward[own][some, 1].mean(), forward[own][some, 0].mean())
        turn_flat = SO3.exp(np.array([0.0, 0.0, yaw])).matrix @ level
        centre = sole.mean(0)
        under = (foot.translation[own][some] + foot.rotation.matrix[own][some] @ centre).mean(0)
        put = np.array([under[0], under[1], 0.0]) - turn_flat @ centre  # the middle of the sole, on the floor
        turn[own], place[own] = _rolled(turn_flat, put, forward[own, 2], contact[own], flat, sole, step)
    _lead(foot, turn, place, stands)
    swings = ~contact.any(1)
    lowest = place[:, None, 2] + np.einsum("fj,kj->fk", turn[:, 2], sole)
    place[swings, 2] += np.maximum(-lowest[swings].min(1, initial=0.0), 0.0)
    return SE3(SO3(turn), place)


def _rolled(
    turn: Float[np.ndarray, "3 3"],
    place: Float[np.ndarray, "3"],
    rise: Float[np.ndarray, "frames"],
    contact: Bool[np.ndarray, "frames 2"],
    flat: Bool[np.ndarray, "frames"],
    sole: Float[np.ndarray, "2 3"],
    step: float,
) -> tuple[Float[np.ndarray, "frames 3 3"], Float[np.ndarray, "frames 3"]]:
    """The flat pose turned about the edge that rests, toes up on the heel and heel up on the toes, by the person's pitch."""
    pitch = np.arcsin(np.clip(rise, -1.0, 1.0))  # toes up
    frames = np.arange(len(flat))
    whole = np.flatnonzero(flat)
    away = np.abs(frames[:, None] - whole).min(1) * step if len(whole) else np.full(len(flat), np.inf)
    ease = np.minimum(away / _ROLL_S, 1.0)
    on_heel = contact[:, 0] & ~contact[:, 1]
    on_toe = contact[:, 1] & ~contact[:, 0]
    pitch = ease * np.where(on_heel, np.maximum(pitch, 0.0), np.where(on_toe, np.minimum(pitch, 0.0), 0.0))
    across = np.cross(turn @ (sole[1] - sole[0]), [0.0, 0.0, 1.0])
    across /= np.linalg.norm(across)  # a turn about it lifts the toes
    roll = SO3.exp(pitch[:, None] * across).matrix
    edge = np.where(on_heel[:, None], sole[0], sole[1])
    pivot = place + edge @ turn.T
    return roll @ turn, pivot + (roll @ (place - pivot)[..., None])[..., 0]


def _lead(foot: SE3, turn: Float[np.ndarray, "frames 3 3"], place: Float[np.ndarray, "frames 3"], stands: list[slice]) -> None:
    """Between stands: the person's way, moved and turned by what the stands before and after were."""
    if not stands:
        return
    frames = len(place)
    edges = [k for own in stands for k in (own.start, own.stop - 1)]
    moved = place[edges] - foot.translation[edges]
    turned = SO3(turn[edges] @ np.swapaxes(foot.rotation.matrix[edges], -1, -2)).log()
    swings = np.ones(frames, bool)
    for own in stands:
        swings[own] = False
    at = np.flatnonzero(swings)
    after = np.searchsorted(edges, at)
    before = np.clip(after - 1, 0, len(edges) - 1)
    after = np.clip(after, 0, len(edges) - 1)
    nodes = np.array(edges)
    share = np.clip((at - nodes[before]) / np.maximum(nodes[after] - nodes[before], 1), 0.0, 1.0)[:, None]
    share = share * share * (3 - 2 * share)
    place[at] = foot.translation[at] + (1 - share) * moved[before] + share * moved[after]
    turn[at] = SO3.exp((1 - share) * turned[before] + share * turned[after]).matrix @ foot.rotation.matrix[at]
