"""Motion onto somebody's own character: a GLB or VRM file with its meshes, materials and skins as they were, and a new animation."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from recon3d.errors import InputError
from recon3d.geometry import SO3
from recon3d.io.glb import add_animation
from recon3d.io.glb_read import skeleton_of
from recon3d.io.gltf import Gltf, open_gltf
from recon3d.records.animation import Animation

_UNEVEN = 1e-3


def write_glb_onto(path: Path, animation: Animation, source: Path) -> None:
    """The source file with this animation of its joints in place of those that it has.

    Raises:
        InputError: joints that are not the source's, or scales of its nodes that differ by direction.
    """
    gltf = open_gltf(source)
    base, order = skeleton_of(gltf, source.stem)
    if base.joints != animation.joints or animation.up != "y" or animation.unit_m != 1.0:
        raise InputError(f"{path}: the animation is not of the joints of {source}, in its axes and metres")
    scale = _scales(gltf, source)
    above = {child: k for k, node in enumerate(gltf.document["nodes"]) for child in node.get("children", [])}
    carried = np.array([scale.get(above.get(order[j], -1), 1.0) for j in animation.moving.tolist()])
    place = animation.place / carried[:, None]
    nodes: list[dict[str, Any]] = gltf.document["nodes"]
    for node in order:
        _apart(nodes[node])
    gltf.document["animations"] = [add_animation(gltf, replace(animation, place=place), order)]
    gltf.write(path)


def humanoid_of(path: Path) -> dict[str, str]:
    """Names of VRM's humanoid bones by the names of the joints that they are; nothing where the file is no VRM file."""
    document = open_gltf(path).document
    extensions: dict[str, Any] = document.get("extensions", {})
    bones: Any = extensions.get("VRMC_vrm", {}).get("humanoid", {}).get("humanBones", {})
    rows = [(name, bone["node"]) for name, bone in bones.items()] if isinstance(bones, dict) else []
    older: Any = extensions.get("VRM", {}).get("humanoid", {}).get("humanBones", [])
    rows += [(bone["bone"], bone["node"]) for bone in older] if isinstance(older, list) else []
    nodes = document.get("nodes", [])
    return {str(nodes[node].get("name") or f"node{node}"): str(name) for name, node in rows if 0 <= node < len(nodes)}


def _scales(gltf: Gltf, source: Path) -> dict[int, float]:
    """How much larger than the file's metre each node's own frame is."""
    nodes: list[dict[str, Any]] = gltf.document["nodes"]
    above = {child: k for k, node in enumerate(nodes) for child in node.get("children", [])}
    own: list[float] = []
    for node in nodes:
        axes = np.array(node["matrix"], float).reshape(4, 4)[:3, :3] if "matrix" in node else np.diag(node.get("scale", [1, 1, 1]))
        sizes = np.linalg.norm(axes, axis=1)
        if np.abs(sizes / sizes.mean() - 1).max() > _UNEVEN:
            raise InputError(f"{source}: node {node.get('name')!r} is scaled differently by direction; apply the character's scales first")
        own.append(float(sizes.mean()))
    out: dict[int, float] = {}
    for k in range(len(nodes)):
        size, at = own[k], k
        while at in above:
            at = above[at]
            size *= own[at]
        out[k] = size
    return out


def _apart(node: dict[str, Any]) -> None:
    """A matrix as place, turn and scale: only those can be animated."""
    if "matrix" in node:
        matrix = np.array(node.pop("matrix"), float).reshape(4, 4).T
        sizes = np.linalg.norm(matrix[:3, :3], axis=0)
        w, x, y, z = SO3(matrix[:3, :3] / sizes).wxyz().tolist()
        node |= {"translation": matrix[:3, 3].tolist(), "rotation": [x, y, z, w], "scale": sizes.tolist()}
