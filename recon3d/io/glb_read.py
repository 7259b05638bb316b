"""GLB and VRM files back: the skeleton that a mesh hangs on, and how it moves."""

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from recon3d.errors import InputError
from recon3d.geometry import SE3, SO3
from recon3d.geometry.lie import slerp, without_sign_flips
from recon3d.io.gltf import Gltf, open_gltf
from recon3d.records.animation import Animation, in_parents

_ABSURD = 1e9  # what is larger is no place
_STILL = 1e-7  # m; places that change by less do not move
_WIDTHS = {"translation": 3, "rotation": 4, "scale": 3}


def read_glb(path: Path | str) -> Animation:
    """The first skin of a .glb or .vrm file, or all its nodes where it has none, with its first animation.

    At rest joints stand as the mesh is bound to them. Without an animation the one frame is the pose that the nodes
    stand in. Nodes above and between joints count as joints; scales of nodes go into the places.

    Raises:
        InputError: what is not glTF in one piece, or is broken; the message says where.
    """
    path = Path(path)
    gltf = open_gltf(path)
    try:
        return skeleton_of(gltf, path.stem)[0]
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{path} cannot be read as a character: {type(error).__name__} {error}") from None
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def skeleton_of(gltf: Gltf, name: str) -> tuple[Animation, list[int]]:
    """The animation of a document, and the node of each joint."""
    nodes: list[dict[str, Any]] = gltf.document.get("nodes", [])
    above = {child: k for k, node in enumerate(nodes) for child in node.get("children", [])}
    skins: list[dict[str, Any]] = gltf.document.get("skins", [])
    order = _parents_first(skins[0]["joints"] if skins else range(len(nodes)), above)
    parents = np.array([order.index(above[k]) if k in above else -1 for k in order], dtype=np.int64)
    time, moves = _curves(gltf, order)
    local = _local([nodes[k] for k in order], moves, len(time))
    posed = _worlds(local, parents)
    rest = _worlds(_local([nodes[k] for k in order], {}, 1), parents)[0]
    if skins and "inverseBindMatrices" in skins[0]:
        inverse = gltf.array(skins[0]["inverseBindMatrices"]).reshape(-1, 4, 4).swapaxes(-1, -2)
        for joint, matrix in zip(skins[0]["joints"], inverse, strict=True):
            rest[order.index(joint)] = np.linalg.inv(matrix)
    rest_place, rest_turn = _in_parents(rest[None], parents)
    place, turn = _in_parents(posed, parents)
    moving = np.flatnonzero((np.abs(place - rest_place).max((0, 2)) > _STILL) | (parents < 0))
    return (
        Animation(
            name=name,
            joints=_unique([str(nodes[k].get("name") or f"node{k}") for k in order]),
            parents=parents,
            rest_place=rest_place[0].copy(),
            rest_turn=rest_turn[0].copy(),
            tip=np.zeros((len(order), 3)),
            time=time,
            moving=moving,
            place=place[:, moving].copy(),
            rotation=without_sign_flips(turn),
            unit_m=1.0,
            up="y",
        ),
        order,
    )


def _parents_first(joints: Any, above: dict[int, int]) -> list[int]:
    """Joints and what they hang on, parents first."""
    out: list[int] = []
    for joint in joints:
        chain = [int(joint)]
        while chain[-1] in above:
            chain.append(above[chain[-1]])
            if len(chain) > len(above) + 1:
                raise InputError("nodes hang on each other in a circle")
        out += [k for k in reversed(chain) if k not in out]
    if not out:
        raise InputError("there are no nodes")
    return out


def _curves(gltf: Gltf, order: list[int]) -> tuple[Float[np.ndarray, "frames"], dict[tuple[int, str], np.ndarray]]:
    """Times of all keys of the first animation, and what moves then: by joint and kind."""
    animations: list[dict[str, Any]] = gltf.document.get("animations", [])
    keys: list[tuple[tuple[int, str], np.ndarray, np.ndarray, str]] = []
    for channel in animations[0]["channels"] if animations else []:
        target, sampler = channel["target"], animations[0]["samplers"][channel["sampler"]]
        if target.get("node") in order and target["path"] in _WIDTHS:
            at = gltf.array(sampler["input"])[:, 0].astype(float)
            values = gltf.array(sampler["output"]).astype(float)
            keys.append(((order.index(target["node"]), target["path"]), at, values, sampler.get("interpolation", "LINEAR")))
    if not keys:
        return np.zeros(1), {}
    time = np.unique(np.concatenate([at for _, at, _, _ in keys]))
    time = time[np.concatenate([[True], np.diff(time) > 1e-6])]
    return time, {key: _sampled(at, values, time, mode, key[1]) for key, at, values, mode in keys}


def _sampled(
    at: Float[np.ndarray, "keys"], values: Float[np.ndarray, "values width"], time: Float[np.ndarray, "frames"], mode: str, kind: str
) -> Float[np.ndarray, "frames width"]:
    """A curve at given times; before its first key and after its last it stands still."""
    if not len(at) or not (np.diff(at) > 0).all() or not (np.isfinite(at).all() and np.isfinite(values).all()):
        raise InputError(f"the times of a curve ({kind}) do not rise, or hold what is not finite")
    slopes = values.reshape(len(at), 3, -1)[:, [0, 2]] if mode == "CUBICSPLINE" else None
    values = values.reshape(len(at), 3, -1)[:, 1] if mode == "CUBICSPLINE" else values
    if kind == "rotation" and not (np.linalg.norm(values, axis=1) > 1e-6).all():
        raise InputError("a rotation has no length")
    if np.abs(values).max(initial=0.0) > _ABSURD:
        raise InputError(f"a curve ({kind}) reaches {np.abs(values).max():.3g}")
    if len(at) == 1:
        return np.repeat(values, len(time), axis=0)
    after = np.clip(np.searchsorted(at, time - 1e-9), 1, len(at) - 1)
    before, step = after - 1, (at[after] - at[after - 1])[:, None]
    share = np.clip((time - at[before])[:, None] / step, 0.0, 1.0)
    a, b = values[before], values[after]
    if mode == "STEP":
        out = np.where(share < 1, a, b)
    elif slopes is not None:  # Hermite, as the specification writes it (appendix C)
        s, s2, s3 = share, share**2, share**3
        out = (2 * s3 - 3 * s2 + 1) * a + step * (s3 - 2 * s2 + s) * slopes[before, 1]
        out += (3 * s2 - 2 * s3) * b + step * (s3 - s2) * slopes[after, 0]
    elif kind == "rotation":
        out = slerp(a, b, share)
    else:
        out = (1 - share) * a + share * b
    return out


def _local(nodes: list[dict[str, Any]], moves: dict[tuple[int, str], np.ndarray], frames: int) -> Float[np.ndarray, "frames joints 4 4"]:
    out = np.broadcast_to(np.eye(4), (frames, len(nodes), 4, 4)).copy()
    for k, node in enumerate(nodes):
        if "matrix" in node:
            out[:, k] = np.array(node["matrix"], float).reshape(4, 4).T
            continue
        x, y, z, w = moves.get((k, "rotation"), np.array(node.get("rotation", [0, 0, 0, 1]), float)[None]).T
        turn = SO3.from_wxyz(np.stack([w, x, y, z], -1)).matrix
        scale = moves.get((k, "scale"), np.array(node.get("scale", [1, 1, 1]), float)[None])
        out[:, k, :3, :3] = turn * scale[:, None]
        out[:, k, :3, 3] = moves.get((k, "translation"), np.array(node.get("translation", [0, 0, 0]), float)[None])
    if not np.isfinite(out).all():
        raise InputError("a node stands at what is not finite")
    return out


def _worlds(local: Float[np.ndarray, "frames joints 4 4"], parents: np.ndarray) -> Float[np.ndarray, "frames joints 4 4"]:
    out = local.copy()
    for k, parent in enumerate(parents.tolist()):
        if parent >= 0:
            out[:, k] = out[:, parent] @ local[:, k]
    return out


def _in_parents(
    world: Float[np.ndarray, "frames joints 4 4"], parents: np.ndarray
) -> tuple[Float[np.ndarray, "frames joints 3"], Float[np.ndarray, "frames joints 4"]]:
    """Places and turns in the frames of the parents, which have no scale."""
    axes = world[..., :3, :3]
    u, _, v = np.linalg.svd(axes)
    turn: np.ndarray = u @ v
    if not (np.linalg.det(turn) > 0).all():
        raise InputError("a node mirrors what hangs on it: apply the scales of the character first")
    local = in_parents(SE3(SO3(turn), world[..., :3, 3]), parents)
    return local.translation, local.rotation.wxyz()


def _unique(names: list[str]) -> tuple[str, ...]:
    out: list[str] = []
    for name in names:
        number, free = 2, name
        while free in out:
            free, number = f"{name}.{number}", number + 1
        out.append(free)
    return tuple(out)
