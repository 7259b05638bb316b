"""GLB (glTF 2.0): an animated skeleton with a mesh skinned to it; metres, y up, characters face +z."""

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from recon3d.io.gltf import ARRAY, INDEX, Gltf
from recon3d.records.animation import Animation, Skin, stood

_WIDTH = 0.09  # of a drawn bone, as a share of its length
_THINNEST_M, _THICKEST_M = 0.008, 0.04


def write_glb(path: Path, animation: Animation) -> None:
    """An animation; bones are drawn as a mesh where it has none. Opens in Blender, in game engines and in any browser viewer."""
    animation = stood(animation, "y", 1.0)
    skin = bone_mesh(animation) if animation.skin is None else animation.skin
    count = len(animation.joints)
    gltf = Gltf({"asset": {"version": "2.0", "generator": "recon3d"}, "scene": 0})
    bind = np.swapaxes(animation.rest().inverse().matrix(), -1, -2)  # column by column
    roots = np.flatnonzero(animation.parents < 0).tolist()
    nodes: list[dict[str, Any]] = []
    for j, name in enumerate(animation.joints):
        w, x, y, z = animation.rest_turn[j].tolist()
        node: dict[str, Any] = {"name": name, "translation": animation.rest_place[j].tolist(), "rotation": [x, y, z, w]}
        if below := animation.children(j):
            node["children"] = below
        nodes.append(node)
    nodes.append({"name": f"{animation.name} mesh", "mesh": 0, "skin": 0})
    inverse = gltf.add(np.ascontiguousarray(bind.reshape(count, 16), np.float32), "MAT4")
    gltf.document |= {
        "scenes": [{"nodes": [*roots, count]}],
        "nodes": nodes,
        "skins": [{"inverseBindMatrices": inverse, "joints": list(range(count)), "skeleton": roots[0]}],
        "meshes": [{"primitives": [_primitive(skin, gltf)]}],
        "materials": [{"pbrMetallicRoughness": {"baseColorFactor": [0.8, 0.6, 0.45, 1.0], "metallicFactor": 0.0}}],
        "animations": [add_animation(gltf, animation, range(count))],
    }
    gltf.write(path)


def add_animation(gltf: Gltf, animation: Animation, nodes: Any, name: str = "take") -> dict[str, Any]:
    """The entry of an animation of a document, its arrays added; ``nodes`` are those of its joints."""
    time = (animation.time - animation.time[0]).astype(np.float32)[:, None]
    clock = gltf.add(time, "SCALAR", bounds=True)
    xyzw = animation.rotation[..., [1, 2, 3, 0]].astype(np.float32)
    samplers: list[dict[str, Any]] = []
    channels: list[dict[str, Any]] = []

    def add(node: int, path: str, values: np.ndarray, kind: str) -> None:
        samplers.append({"input": clock, "output": gltf.add(np.ascontiguousarray(values), kind)})
        channels.append({"sampler": len(samplers) - 1, "target": {"node": node, "path": path}})

    for k, j in enumerate(animation.moving.tolist()):
        add(nodes[j], "translation", animation.place[:, k].astype(np.float32), "VEC3")
    for j in range(xyzw.shape[1]):
        add(nodes[j], "rotation", xyzw[:, j], "VEC4")
    return {"name": name, "samplers": samplers, "channels": channels}


def bone_mesh(animation: Animation) -> Skin:
    """An octahedron along every bone, carried by the joint that the bone starts at."""
    rest = animation.rest()
    start_of, parents = rest.translation, animation.parents.tolist()
    bones = [(p, start_of[p], start_of[c]) for c, p in enumerate(parents) if p >= 0]
    leaves = [j for j in range(len(parents)) if j not in parents]
    bones += [(j, start_of[j], start_of[j] + rest.rotation.matrix[j] @ animation.tip[j]) for j in leaves]
    start, end = np.array([s for _, s, _ in bones]), np.array([e for _, _, e in bones])
    length = np.linalg.norm(end - start, axis=-1)
    drawn = length * animation.unit_m > 1e-6
    start, along, length = start[drawn], (end - start)[drawn], length[drawn, None]
    owner = np.array([j for j, _, _ in bones])[drawn]
    steep = np.abs(along[:, 2:]) >= 0.9 * length
    side = np.cross(along, np.where(steep, [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]))
    side /= np.linalg.norm(side, axis=-1, keepdims=True)
    width = np.clip(_WIDTH * length, _THINNEST_M / animation.unit_m, _THICKEST_M / animation.unit_m)
    # side x up = -along: (up, side, along) is right-handed, so that faces keep looking outward.
    frame = np.stack([np.cross(along / length, side) * width, -side * width, along], 1)
    corners = _OCTAHEDRON @ frame[:, None] + start[:, None, None]  # bones triangles corners xyz
    count = corners.shape[0] * _OCTAHEDRON.shape[0] * 3
    joint = np.zeros((count, 4), np.int64)
    joint[:, 0] = np.repeat(owner, count // max(len(owner), 1))
    weight = np.tile(np.array([1.0, 0.0, 0.0, 0.0]), (count, 1))
    return Skin(corners.reshape(-1, 3), np.arange(count).reshape(-1, 3), joint, weight)


def normals_of(skin: Skin) -> Float[np.ndarray, "vertices 3"]:
    """Unit normals at vertices, of the triangles around them by their areas."""
    corners = skin.vertices[skin.triangles]
    face = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    out = np.zeros_like(skin.vertices)
    for k in range(3):
        np.add.at(out, skin.triangles[:, k], face)
    length = np.linalg.norm(out, axis=-1, keepdims=True)
    return np.where(length > 0, out / np.maximum(length, 1e-300), [0.0, 1.0, 0.0])


def _primitive(skin: Skin, gltf: Gltf) -> dict[str, Any]:
    return {
        "attributes": {
            "POSITION": gltf.add(skin.vertices.astype(np.float32), "VEC3", ARRAY, bounds=True),
            "NORMAL": gltf.add(normals_of(skin).astype(np.float32), "VEC3", ARRAY),
            "JOINTS_0": gltf.add(np.where(skin.weight > 0, skin.joint, 0).astype(np.uint16), "VEC4", ARRAY),
            "WEIGHTS_0": gltf.add(skin.weight.astype(np.float32), "VEC4", ARRAY),
        },
        "indices": gltf.add(skin.triangles.reshape(-1, 1).astype(np.uint32), "SCALAR", INDEX),
        "material": 0,
    }


def _octahedron() -> np.ndarray:
    """Triangles of a bone from 0 to 1 along its third axis, widest at 0.15; corners anticlockwise seen from outside."""
    ring = np.array([[np.cos(a), np.sin(a), 0.15] for a in np.arange(4) * np.pi / 2])
    ends = (np.zeros(3), np.array([0.0, 0.0, 1.0]))
    out = []
    for k in range(4):
        here, there = ring[k], ring[(k + 1) % 4]
        out += [(ends[0], there, here), (ends[1], here, there)]
    return np.array(out)


_OCTAHEDRON = _octahedron()
