"""From the pose in which a model was sculpted to the armatures' pose at rest (T-pose, joint frames parallel to the world's)."""

import numpy as np
from jaxtyping import Float

from recon3d.geometry import SO3
from recon3d.skeleton import Skeleton

_X, _DOWN = np.array([1.0, 0.0, 0.0]), np.array([0.0, 0.0, -1.0])
# Which joint's bone ends where: what is laid along an axis at rest.
_ENDS = {"shoulder": "elbow", "elbow": "wrist", "hip": "knee", "knee": "ankle"}


def turns_of_rest(skeleton: Skeleton, heads: Float[np.ndarray, "joints 3"]) -> Float[np.ndarray, "joints 3 3"]:
    """World turn of every joint from the pose at rest to the sculpted pose.

    Arms lie along x, elbows bent forward by a bend about z; legs hang straight down, knees and feet looking ahead; fingers go on
    straight from the hand. All other joints are as they were sculpted.

    Args:
        skeleton: with this project's joint names.
        heads: joints in the sculpted pose, x to the left, y backward, z up.
    """
    at = {name: heads[j] for j, name in enumerate(skeleton.joints)}
    own: dict[str, np.ndarray] = {}
    for side, sign in (("left", 1.0), ("right", -1.0)):
        upper, fore = (_unit(at[f"{side}_{_ENDS[part]}"] - at[f"{side}_{part}"]) for part in ("shoulder", "elbow"))
        bend = np.cross(upper, fore)
        for part, along in (("shoulder", upper), ("elbow", fore)):
            own[f"{side}_{part}"] = _frame(along, bend) @ _frame(sign * _X, -sign * np.array([0.0, 0.0, 1.0])).T
        palm = at.get(f"{side}_middle_mcp", at.get(f"{side}_hand"))
        assert palm is not None
        hand = _unit(palm - at[f"{side}_wrist"])
        own[f"{side}_wrist"] = _least(own[f"{side}_elbow"] @ (sign * _X), hand) @ own[f"{side}_elbow"]
        for part in ("hip", "knee"):
            along = _unit(at[f"{side}_{_ENDS[part]}"] - at[f"{side}_{part}"])
            own[f"{side}_{part}"] = _least(_DOWN, along)
        own[f"{side}_ankle"] = np.eye(3)
    out = np.broadcast_to(np.eye(3), (len(heads), 3, 3)).copy()
    parents = skeleton.parents.tolist()
    for j, name in enumerate(skeleton.joints):
        carried = out[parents[j]] if parents[j] >= 0 else np.eye(3)
        child = _next_of_finger(skeleton, j)
        if name in own:
            out[j] = own[name]
        elif child is not None:
            along = _unit(heads[child] - heads[j])
            straight = carried @ (_X if name.startswith("left") else -_X)
            out[j] = carried if "thumb" in name else _least(straight, along) @ carried
        else:
            out[j] = carried
    return out


def rest_offsets(
    skeleton: Skeleton, heads: Float[np.ndarray, "joints 3 *more"], turns: Float[np.ndarray, "joints 3 3"]
) -> Float[np.ndarray, "joints 3 *more"]:
    """Offsets from parents at rest of joints that were sculpted there; linear in the heads."""
    parents = np.maximum(skeleton.parents, 0)
    out = np.einsum("jba,jb...->ja...", turns[parents], heads - heads[parents])
    out[0] = 0.0
    return out


def _next_of_finger(skeleton: Skeleton, joint: int) -> int | None:
    """The next joint of a finger."""
    name = skeleton.joints[joint]
    if not any(part in name for part in ("_mcp", "_pip")):
        return None
    children = np.flatnonzero(skeleton.parents == joint)
    return int(children[0]) if len(children) else None


def _unit(v: np.ndarray) -> np.ndarray:
    return v / np.linalg.norm(v)


def _frame(along: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """Columns: a direction, what is square to it and the normal, the normal as nearly as can be."""
    x = _unit(along)
    z = _unit(normal - (normal @ x) * x)
    return np.stack([x, np.cross(z, x), z], -1)


def _least(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The least turn that brings one unit vector onto another."""
    axis, cosine = np.cross(a, b), float(a @ b)
    sine = float(np.linalg.norm(axis))
    return SO3.exp(axis / max(sine, 1e-12) * np.arctan2(sine, cosine)).matrix
