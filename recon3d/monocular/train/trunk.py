"""One meaning for joints of the trunk and the head, whatever a recording's skeleton calls by their names.

Sources put the pelvis 0 to 10 cm over the hips and the neck from 8 cm below the shoulders to 12 cm above; two have lost a piece of
the spine, so that shoulders grow out of the waist. A network cannot tell from a picture which source it looks at: what sources do
not agree on is put where the default body has it, moving as the source has it move.
"""

import numpy as np
from jaxtyping import Bool, Float

from recon3d.monocular.points import JOINTS

_LOST_A_PIECE = ("cmu_expmap", "cmu_bvh_misc")
"""Whose shoulders and neck hang on the end of the lumbar spine; the thorax is as long as the piece before it."""
# Of the default body of 1.70 m: along the spine as shares of its length; metres.
_SPINE_AT, _CHEST_AT = 0.21, 0.51
_NECK_OVER_SHOULDERS, _CLAVICLE_BELOW, _CLAVICLE_BESIDE, _NECK, _HEAD = 0.02, 0.03, 0.02, 0.09, 0.18
_LEG = 0.83  # thigh and shank
_DERIVED = ("pelvis", "spine", "chest", "neck", "left_clavicle", "right_clavicle")
_UPPER = tuple(k for k, n in enumerate(JOINTS) if any(p in n for p in ("neck", "head", "clavicle", "shoulder", "elbow", "wrist")))


def with_default_trunk(joints: Float[np.ndarray, "frames joints 3"], clip: np.ndarray, source: str) -> Float[np.ndarray, "frames joints 3"]:
    """Joints of one source's clips, trunk and head as the default body has them.

    Args:
        joints: m, as the source has them.
        clip: of each frame.
        source: name of the file.
    """
    at = {name: joints[:, k].astype(float) for k, name in enumerate(JOINTS)}
    if source in _LOST_A_PIECE:
        lost = at["chest"] - at["spine"]
        for k in _UPPER:
            at[JOINTS[k]] = at[JOINTS[k]] + lost
    hips, shoulders = (0.5 * (at[f"left_{part}"] + at[f"right_{part}"]) for part in ("hip", "shoulder"))
    scale = _per_clip(_leg(at) / _LEG, clip)[:, None]
    up = _unit(at["neck"] - at["spine"])
    # How far the source's neck is off, on the whole of a clip: arms that are raised lift shoulders, not the neck.
    off = _per_clip(((shoulders - at["neck"]) * up).sum(-1), clip)[:, None]
    neck = at["neck"] + (off + _NECK_OVER_SHOULDERS * scale) * up
    out = joints.astype(float).copy()

    def put(name: str, place: np.ndarray) -> None:
        out[:, JOINTS.index(name)] = place

    for k in _UPPER:
        out[:, k] = at[JOINTS[k]]
    spine, chest = _along(np.stack([hips, at["spine"], at["chest"], neck], 1), (_SPINE_AT, _CHEST_AT))
    left = _unit(at["left_shoulder"] - at["right_shoulder"])
    for side, sign in (("left", 1.0), ("right", -1.0)):
        put(f"{side}_clavicle", neck - _CLAVICLE_BELOW * scale * up + sign * _CLAVICLE_BESIDE * scale * left)
    head = neck + _NECK * scale * _unit(at["head_top"] - at["neck"])
    put("head_top", head + _HEAD * scale * _unit(at["head_top"] - at["head"]))
    for name, place in (("pelvis", hips), ("spine", spine), ("chest", chest), ("neck", neck), ("head", head)):
        put(name, place)
    return out


def known_then(known: Bool[np.ndarray, "clips joints"]) -> Bool[np.ndarray, "clips joints"]:
    """Which joints are known of clips whose trunk was derived: that, from hips and shoulders."""
    out = known.copy()
    out[:, [JOINTS.index(name) for name in _DERIVED]] = True
    return out


def _leg(at: dict[str, np.ndarray]) -> np.ndarray:
    pairs = [(f"{side}_{a}", f"{side}_{b}") for side in ("left", "right") for a, b in (("hip", "knee"), ("knee", "ankle"))]
    return 0.5 * np.sum([np.linalg.norm(at[a] - at[b], axis=-1) for a, b in pairs], axis=0)


def _along(line: Float[np.ndarray, "frames points 3"], shares: tuple[float, ...]) -> list[Float[np.ndarray, "frames 3"]]:
    """Points at shares of a line's length."""
    step = np.diff(line, axis=1)
    length = np.linalg.norm(step, axis=-1)
    reached = np.concatenate([np.zeros((len(line), 1)), np.cumsum(length, 1)], 1)
    out: list[np.ndarray] = []
    for share in shares:
        goal = share * reached[:, -1]
        piece = np.clip((reached[:, 1:-1] <= goal[:, None]).sum(1), 0, line.shape[1] - 2)
        row = np.arange(len(line))
        part = (goal - reached[row, piece]) / np.maximum(length[row, piece], 1e-9)
        out.append(line[row, piece] + part[:, None] * step[row, piece])
    return out


def _per_clip(values: Float[np.ndarray, "frames"], clip: np.ndarray) -> Float[np.ndarray, "frames"]:
    """Each frame's clip's median."""
    out = np.empty(len(values))
    for one in np.unique(clip):
        out[clip == one] = np.median(values[clip == one])
    return out


def _unit(v: np.ndarray) -> np.ndarray:
    return v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-9)
