"""GLB (glTF 2.0): an animated skeleton with a bone-shaped mesh skinned to it; metres, y up, facing +z."""

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np

from recon3d.geometry import SO3
from recon3d.geometry.lie import without_sign_flips
from recon3d.io.axes import FROM_Z_UP, tip_offset, y_up
from recon3d.io.files import atomic
from recon3d.io.side_car import write_side_car
from recon3d.records import Motion

_FLOAT, _USHORT, _UINT = 5126, 5123, 5125
_ARRAY, _INDEX = 34962, 34963
_WIDTH = 0.09  # of a drawn bone, as a share of its length


class _Buffer:
    """The binary chunk, its views and accessors."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.views: list[dict[str, Any]] = []
        self.accessors: list[dict[str, Any]] = []

    def add(self, array: np.ndarray, kind: str, target: int | None = None, bounds: bool = False) -> int:
        component = {np.dtype(np.float32): _FLOAT, np.dtype(np.uint16): _USHORT, np.dtype(np.uint32): _UINT}[array.dtype]
        self.data += b"\0" * (-len(self.data) % 4)
        view: dict[str, Any] = {"buffer": 0, "byteOffset": len(self.data), "byteLength": array.nbytes}
        if target is not None:
            view["target"] = target
        accessor: dict[str, Any] = {"bufferView": len(self.views), "componentType": component, "count": len(array), "type": kind}
        if bounds:
            flat = array.reshape(len(array), -1)
            accessor["min"], accessor["max"] = flat.min(0).tolist(), flat.max(0).tolist()
        self.data += array.tobytes()
        self.views.append(view)
        self.accessors.append(accessor)
        return len(self.accessors) - 1


def write_glb(path: Path, motion: Motion) -> None:
    """One person's motion, and ``<name>.glb.json`` beside it; opens in Blender, in game engines and in any browser viewer."""
    place, rotation, offset = y_up(motion)
    skeleton = motion.armature.skeleton
    parents = skeleton.parents.tolist()
    count = len(parents)
    buffer = _Buffer()
    rest = motion.armature.rest_positions() @ FROM_Z_UP.T
    bind = np.tile(np.eye(4, dtype=np.float32), (count, 1, 1))
    bind[:, 3, :3] = -rest  # stored column by column
    skin = {"inverseBindMatrices": buffer.add(bind.reshape(count, 16), "MAT4"), "joints": list(range(count)), "skeleton": 0}
    mesh = _bone_mesh(motion, rest, buffer)
    nodes: list[dict[str, Any]] = []
    for j, name in enumerate(skeleton.joints):
        node: dict[str, Any] = {"name": name, "translation": (offset[j] if j else np.zeros(3)).tolist()}
        below = [c for c, p in enumerate(parents) if p == j]
        if below:
            node["children"] = below
        nodes.append(node)
    nodes.append({"name": f"person{motion.person}", "mesh": 0, "skin": 0})
    document = {
        "asset": {"version": "2.0", "generator": "recon3d"},
        "scene": 0,
        "scenes": [{"nodes": [0, count]}],
        "nodes": nodes,
        "skins": [skin],
        "meshes": [{"primitives": [mesh]}],
        "materials": [{"pbrMetallicRoughness": {"baseColorFactor": [0.8, 0.6, 0.45, 1.0], "metallicFactor": 0.0}}],
        "animations": [_animation(motion, place, rotation, buffer)],
        "accessors": buffer.accessors,
        "bufferViews": buffer.views,
        "buffers": [{"byteLength": len(buffer.data) + -len(buffer.data) % 4}],
    }
    _write(path, document, buffer.data)
    write_side_car(path, motion)


def _animation(motion: Motion, place: np.ndarray, rotation: np.ndarray, buffer: _Buffer) -> dict[str, Any]:
    time = (motion.time - motion.time[0]).astype(np.float32)[:, None]
    clock = buffer.add(time, "SCALAR", bounds=True)
    quaternion = without_sign_flips(SO3(rotation).wxyz())
    xyzw = quaternion[..., [1, 2, 3, 0]].astype(np.float32)
    samplers: list[dict[str, Any]] = [{"input": clock, "output": buffer.add(place.astype(np.float32), "VEC3")}]
    channels: list[dict[str, Any]] = [{"sampler": 0, "target": {"node": 0, "path": "translation"}}]
    for j in range(xyzw.shape[1]):
        samplers.append({"input": clock, "output": buffer.add(np.ascontiguousarray(xyzw[:, j]), "VEC4")})
        channels.append({"sampler": len(samplers) - 1, "target": {"node": j, "path": "rotation"}})
    return {"name": "take", "samplers": samplers, "channels": channels}


def _bone_mesh(motion: Motion, rest: np.ndarray, buffer: _Buffer) -> dict[str, Any]:
    """An octahedron along every bone, carried by the joint that the bone starts at."""
    parents = motion.armature.skeleton.parents.tolist()
    bones = [(p, rest[p], rest[c]) for c, p in enumerate(parents) if p >= 0]
    leaves = [j for j in range(len(parents)) if j not in parents]
    bones += [(j, rest[j], rest[j] + FROM_Z_UP @ tip_offset(motion, j)) for j in leaves]
    start, end = np.array([s for _, s, _ in bones]), np.array([e for _, _, e in bones])
    length = np.linalg.norm(end - start, axis=-1)
    drawn = length > 1e-6
    start, along, length = start[drawn], (end - start)[drawn], length[drawn, None]
    owner = np.array([j for j, _, _ in bones])[drawn]
    steep = np.abs(along[:, 2:]) >= 0.9 * length
    side = np.cross(along, np.where(steep, [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]))
    side /= np.linalg.norm(side, axis=-1, keepdims=True)
    width = np.clip(_WIDTH * length, 0.008, 0.04)
    # side x up = -along: (up, side, along) is right-handed, so that faces keep looking outward.
    frame = np.stack([np.cross(along / length, side) * width, -side * width, along], 1)
    corners = _OCTAHEDRON @ frame[:, None] + start[:, None, None]  # bones triangles corners xyz
    normals = np.cross(corners[:, :, 1] - corners[:, :, 0], corners[:, :, 2] - corners[:, :, 0])
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    count = corners.shape[0] * _OCTAHEDRON.shape[0] * 3
    joints = np.zeros((count, 4), np.uint16)
    joints[:, 0] = np.repeat(owner, count // len(owner))
    weights = np.tile(np.array([1, 0, 0, 0], np.float32), (count, 1))
    return {
        "attributes": {
            "POSITION": buffer.add(corners.reshape(-1, 3).astype(np.float32), "VEC3", _ARRAY, bounds=True),
            "NORMAL": buffer.add(np.repeat(normals.reshape(-1, 3), 3, axis=0).astype(np.float32), "VEC3", _ARRAY),
            "JOINTS_0": buffer.add(joints, "VEC4", _ARRAY),
            "WEIGHTS_0": buffer.add(weights, "VEC4", _ARRAY),
        },
        "indices": buffer.add(np.arange(count, dtype=np.uint32)[:, None], "SCALAR", _INDEX),
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


def _write(path: Path, document: dict[str, Any], data: bytearray) -> None:
    text = json.dumps(document, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    binary = bytes(data) + b"\0" * (-len(data) % 4)
    with atomic(path, "wb") as stream:
        stream.write(struct.pack("<4sII", b"glTF", 2, 12 + 8 + len(text) + 8 + len(binary)))
        stream.write(struct.pack("<I4s", len(text), b"JSON") + text)
        stream.write(struct.pack("<I4s", len(binary), b"BIN\0") + binary)
