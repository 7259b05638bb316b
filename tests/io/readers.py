"""World places (m, z up) of joints in files, by libraries that are not ours."""

import re
import warnings
from pathlib import Path

import numpy as np
import pybvh
import pygltflib
import ufbx

from recon3d.geometry import SO3
from recon3d.records.animation import FROM_Z_UP


def places_of(path: Path, joints: tuple[str, ...], unit_m: float, up: str = "y") -> tuple[np.ndarray, np.ndarray, float]:
    """Places (frames joints 3) and turns (frames joints 3 3) of these joints, and the frame rate."""
    place, turn, fps = _READERS[path.suffix](path, joints)
    back = FROM_Z_UP.T if up == "y" else np.eye(3)
    return unit_m * place @ back.T, back @ turn @ back.T, fps


def _bvh(path, joints):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it guesses which axis is up from bones that lie along x
        bvh = pybvh.read_bvh_file(str(path))
    places = np.asarray(bvh.joint_positions())[:, [list(bvh.joint_names).index(j) for j in joints]]
    return places, _bvhio(path, joints), 1 / bvh.frame_time


def _bvhio(path, joints):
    """By a second reader, turns of some frames only: it is slow."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a package that it uses by an old name
        import bvhio
    root = bvhio.readAsBvh(str(path)).Root
    frames = len(root.Keyframes)
    out = np.full((frames, len(joints), 3, 3), np.nan)
    for frame in sorted({0, frames // 2, frames - 1}):
        above: list[SO3] = []
        for joint, _, depth in root.layout():
            q = joint.Keyframes[frame].Rotation
            own = SO3.from_wxyz(np.array([q.w, q.x, q.y, q.z]))
            above[depth:] = [above[depth - 1] @ own if depth else own]
            if joint.Name in joints:
                out[frame, joints.index(joint.Name)] = above[depth].matrix
    return out


def _fbx(path, joints):
    scene = ufbx.load_file(str(path))
    fps = scene.settings.frames_per_second
    stack = scene.anim_stacks[0]
    frames = round((stack.time_end - stack.time_begin) * fps) + 1
    nodes = {node.name: node for node in scene.nodes}
    place, turn = np.zeros((frames, len(joints), 3)), np.zeros((frames, len(joints), 3, 3))
    for f in range(frames):
        posed = ufbx.evaluate_scene(scene, stack.anim, f / fps)
        nodes = {node.name: node for node in posed.nodes}
        for k, name in enumerate(joints):
            m = nodes[name].node_to_world
            matrix = np.array([[m.c0.x, m.c1.x, m.c2.x, m.c3.x], [m.c0.y, m.c1.y, m.c2.y, m.c3.y], [m.c0.z, m.c1.z, m.c2.z, m.c3.z]])
            place[f, k], turn[f, k] = matrix[:, 3], matrix[:, :3]
    return place, turn, fps


def _glb(path, joints):
    gltf = pygltflib.GLTF2().load(str(path))
    blob = gltf.binary_blob()

    def values(index):
        accessor = gltf.accessors[index]
        view = gltf.bufferViews[accessor.bufferView]
        width = {"SCALAR": 1, "VEC3": 3, "VEC4": 4, "MAT4": 16}[accessor.type]
        return np.frombuffer(blob, np.float32, accessor.count * width, view.byteOffset).reshape(accessor.count, width).astype(float)

    animation = gltf.animations[0]
    time = values(animation.samplers[0].input)[:, 0]
    moved = {(c.target.node, c.target.path): values(animation.samplers[c.sampler].output) for c in animation.channels}
    above = {c: k for k, node in enumerate(gltf.nodes) for c in node.children or []}
    names = [node.name for node in gltf.nodes]
    worlds = {}

    def world(k):
        if k not in worlds:
            node = gltf.nodes[k]
            at = moved.get((k, "translation"), np.array([node.translation or [0, 0, 0]], float))
            q = moved.get((k, "rotation"), np.array([node.rotation or [0, 0, 0, 1]], float))
            m = np.broadcast_to(np.eye(4), (len(time), 4, 4)).copy()
            m[:, :3, :3], m[:, :3, 3] = SO3.from_wxyz(q[:, [3, 0, 1, 2]]).matrix, at
            worlds[k] = world(above[k]) @ m if k in above else m
        return worlds[k]

    every = np.stack([world(names.index(name)) for name in joints], 1)
    fps = (len(time) - 1) / (time[-1] - time[0]) if len(time) > 1 else 1.0
    return every[..., :3, 3], every[..., :3, :3], fps


def _usd(path, joints):
    from pxr import Usd, UsdSkel

    stage = Usd.Stage.Open(str(path))
    root = UsdSkel.Root(stage.GetPrimAtPath("/Character"))
    cache = UsdSkel.Cache()
    cache.Populate(root, Usd.PrimDefaultPredicate)
    query = cache.GetSkelQuery(UsdSkel.Skeleton(stage.GetPrimAtPath("/Character/Skeleton")))
    names = [str(path).split("/")[-1] for path in query.GetJointOrder()]
    order = [names.index(re.sub(r"\W", "_", name)) for name in joints]
    codes = np.arange(stage.GetStartTimeCode(), stage.GetEndTimeCode() + 0.5)
    matrices = np.array([[np.array(m).T for m in query.ComputeJointSkelTransforms(float(code))] for code in codes])[:, order]
    return matrices[..., :3, 3], matrices[..., :3, :3], stage.GetTimeCodesPerSecond()


_READERS = {".bvh": _bvh, ".fbx": _fbx, ".glb": _glb, ".usda": _usd, ".usdc": _usd, ".usdz": _usd}
