"""FBX (binary, 7.4): limb nodes, animation curves, bind pose, a skinned mesh where there is one.

Joints have the order XYZ (R = Rz Ry Rx on column vectors) and their turn at rest as pre-rotation, so that all angles
are zero at rest. Unit and axes are those of the animation; the file says which.
"""

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Float

from recon3d.geometry import SO3
from recon3d.geometry.euler import continuous, euler
from recon3d.io.fbx_nodes import Array, Node, Property, Short, document, object_name
from recon3d.io.files import atomic
from recon3d.io.glb import normals_of
from recon3d.io.tables import frame_rate
from recon3d.records.animation import Animation, Skin

TICKS_PER_S = 46_186_158_000
_TAKE = "take"
# eTimeMode of Autodesk's SDK by frames a second; 14 is any other.
_TIME_MODES = {
    23.976: 13, 24.0: 11, 25.0: 10, 29.97: 9, 30.0: 6, 48.0: 5, 50.0: 4, 59.94: 17, 60.0: 3, 72.0: 16, 96.0: 15, 100.0: 2, 120.0: 1,
}  # fmt: skip
_OTHER_MODE = 14


class _Scene:
    """Objects and how they hang together, while they are put together."""

    def __init__(self) -> None:
        self.objects = Node("Objects")
        self.links: list[tuple[Property, ...]] = []
        self.counts: dict[str, int] = {}
        self._ids = itertools.count(1_000_000, 7)

    def add(self, kind: str, name: str, label: str, sort: str) -> tuple[int, Node]:
        """A new object of a kind; its number and its record."""
        number = next(self._ids)
        self.counts[kind] = self.counts.get(kind, 0) + 1
        return number, self.objects.add(kind, number, object_name(name, label), sort)

    def link(self, below: int, above: int, slot: str = "") -> None:
        """One object belongs to another, or to one of its properties."""
        self.links.append(("OP", below, above, slot) if slot else ("OO", below, above))


def write_fbx(path: Path, animation: Animation) -> None:
    """An animation, for Maya, MotionBuilder, Blender, Unreal, Unity."""
    scene = _Scene()
    models = _skeleton(scene, animation)
    if animation.skin is not None:
        _skin(scene, animation, animation.skin, models)
    else:
        _bind_pose(scene, animation, models)
    last = int(_ticks(animation)[-1])
    _curves(scene, animation, models, last)
    with atomic(path, "wb") as stream:
        for part in document([*_head(animation, last), _definitions(scene), scene.objects, *_tail(scene, last)]):
            stream.write(part)


def _ticks(animation: Animation) -> np.ndarray:
    return np.rint((animation.time - animation.time[0]) * TICKS_PER_S).astype(np.int64)


def _value(group: Node, name: str, kind: str, sort: str, flags: str, *values: Property) -> None:
    group.add("P", name, kind, sort, flags, *values)


def _skeleton(scene: _Scene, animation: Animation) -> list[int]:
    models: list[int] = []
    pre = np.rad2deg(euler(SO3.from_wxyz(animation.rest_turn).matrix, "ZYX"))[:, ::-1]
    for j, name in enumerate(animation.joints):
        attribute, node = scene.add("NodeAttribute", name, "NodeAttribute", "LimbNode")
        node.add("TypeFlags", "Skeleton")
        model, node = scene.add("Model", name, "Model", "LimbNode")
        node.add("Version", Short(232))
        group = node.add("Properties70")
        _value(group, "RotationActive", "bool", "", "", Short(1))
        _value(group, "RotationOrder", "enum", "", "", Short(0))
        _value(group, "PreRotation", "Vector3D", "Vector", "", *map(float, pre[j]))
        _value(group, "InheritType", "enum", "", "", Short(1))
        _value(group, "DefaultAttributeIndex", "int", "Integer", "", Short(0))
        _value(group, "Lcl Translation", "Lcl Translation", "", "A", *map(float, animation.rest_place[j]))
        _value(group, "Lcl Rotation", "Lcl Rotation", "", "A", 0.0, 0.0, 0.0)
        _value(group, "Lcl Scaling", "Lcl Scaling", "", "A", 1.0, 1.0, 1.0)
        node.add("Shading", True)
        node.add("Culling", "CullingOff")
        scene.link(attribute, model)
        scene.link(model, models[animation.parents[j]] if animation.parents[j] >= 0 else 0)
        models.append(model)
    return models


def _stored(matrix: Float[np.ndarray, "4 4"]) -> Array:
    """As FBX stores it: for row vectors."""
    return Array(np.ascontiguousarray(matrix.T, dtype=np.float64).ravel())


def _bind_pose(scene: _Scene, animation: Animation, models: list[int], mesh: int | None = None) -> None:
    _, pose = scene.add("Pose", "BindPose", "Pose", "BindPose")
    worlds = animation.rest().matrix()
    rows = list(zip(models, worlds, strict=True))
    if mesh is not None:
        rows.insert(0, (mesh, np.eye(4)))
    pose.add("Type", "BindPose")
    pose.add("Version", Short(100))
    pose.add("NbPoseNodes", Short(len(rows)))
    for number, matrix in rows:
        node = pose.add("PoseNode")
        node.add("Node", number)
        node.add("Matrix", _stored(matrix))


def _skin(scene: _Scene, animation: Animation, skin: Skin, models: list[int]) -> None:
    mesh_number, mesh = scene.add("Model", f"{animation.name} mesh", "Model", "Mesh")
    mesh.add("Version", Short(232))
    _value(mesh.add("Properties70"), "InheritType", "enum", "", "", Short(1))
    mesh.add("Shading", True)
    mesh.add("Culling", "CullingOff")
    material_number, material = scene.add("Material", "skin", "Material", "")
    material.add("Version", Short(102))
    material.add("ShadingModel", "Phong")
    _value(material.add("Properties70"), "DiffuseColor", "Color", "", "A", 0.8, 0.6, 0.45)
    geometry = _geometry(scene, animation.name, skin)
    deformer, node = scene.add("Deformer", "skin", "Deformer", "Skin")
    node.add("Version", Short(101))
    node.add("Link_DeformAcuracy", 50.0)  # spelled so in every file
    for below, above in ((geometry, mesh_number), (mesh_number, 0), (material_number, mesh_number), (deformer, geometry)):
        scene.link(below, above)
    worlds = animation.rest().matrix()
    for j, name in enumerate(animation.joints):
        number, cluster = scene.add("Deformer", name, "SubDeformer", "Cluster")
        cluster.add("Version", Short(100))
        cluster.add("UserData", "", "")
        share = np.where(skin.joint == j, skin.weight, 0.0).sum(1)
        carried = np.flatnonzero(share > 0)
        if len(carried):
            cluster.add("Indexes", Array(carried.astype(np.int32)))
            cluster.add("Weights", Array(share[carried]))
        cluster.add("Transform", _stored(np.linalg.inv(worlds[j])))
        cluster.add("TransformLink", _stored(worlds[j]))
        scene.link(number, deformer)
        scene.link(models[j], number)
    _bind_pose(scene, animation, models, mesh_number)


def _geometry(scene: _Scene, name: str, skin: Skin) -> int:
    number, geometry = scene.add("Geometry", name, "Geometry", "Mesh")
    corners = skin.triangles.astype(np.int32)
    corners[:, -1] = ~corners[:, -1]  # marks the end of a polygon
    geometry.add("GeometryVersion", Short(124))
    geometry.add("Vertices", Array(skin.vertices.ravel()))
    geometry.add("PolygonVertexIndex", Array(corners.ravel()))
    normals = geometry.add("LayerElementNormal", Short(0))
    for key, value in (("MappingInformationType", "ByPolygonVertex"), ("ReferenceInformationType", "Direct")):
        normals.add(key, value)
    normals.add("Normals", Array(normals_of(skin)[skin.triangles.ravel()].ravel()))
    materials = geometry.add("LayerElementMaterial", Short(0))
    for key, value in (("MappingInformationType", "AllSame"), ("ReferenceInformationType", "IndexToDirect")):
        materials.add(key, value)
    materials.add("Materials", Array(np.zeros(1, np.int32)))
    layer = geometry.add("Layer", Short(0))
    layer.add("Version", Short(100))
    for kind in ("LayerElementNormal", "LayerElementMaterial"):
        element = layer.add("LayerElement")
        element.add("Type", kind)
        element.add("TypedIndex", Short(0))
    return number


def _curves(scene: _Scene, animation: Animation, models: list[int], last: int) -> None:
    stack, node = scene.add("AnimationStack", _TAKE, "AnimStack", "")
    group = node.add("Properties70")
    for name, value in (("LocalStart", 0), ("LocalStop", last), ("ReferenceStart", 0), ("ReferenceStop", last)):
        _value(group, name, "KTime", "Time", "", value)
    layer, node = scene.add("AnimationLayer", "layer", "AnimLayer", "")
    node.closed = True
    scene.link(layer, stack)
    times = Array(_ticks(animation))
    constant = (Array(np.array([4], np.int32)), Array(np.zeros(4, np.float32)), Array(np.array([len(animation)], np.int32)))
    turn = SO3.from_wxyz(animation.rest_turn).inverse().matrix @ SO3.from_wxyz(animation.rotation).matrix
    angles = np.rad2deg(continuous(euler(turn, "ZYX")))[..., ::-1].astype(np.float32)
    moved = animation.moving.tolist()
    for j, model in enumerate(models):
        parts = [("R", "Lcl Rotation", angles[:, j])]
        if j in moved:
            parts.append(("T", "Lcl Translation", animation.place[:, moved.index(j)].astype(np.float32)))
        for short, slot, values in parts:
            number, node = scene.add("AnimationCurveNode", short, "AnimCurveNode", "")
            group = node.add("Properties70")
            scene.link(number, layer)
            scene.link(number, model, slot)
            for k, axis in enumerate("XYZ"):
                _value(group, f"d|{axis}", "Number", "", "A", float(values[0, k]))
                curve, node = scene.add("AnimationCurve", "", "AnimCurve", "")
                node.add("Default", float(values[0, k]))
                node.add("KeyVer", Short(4008))
                node.add("KeyTime", times)
                node.add("KeyValueFloat", Array(values[:, k]))
                for key, value in zip(("KeyAttrFlags", "KeyAttrDataFloat", "KeyAttrRefCount"), constant, strict=True):
                    node.add(key, value)
                scene.link(curve, number, f"d|{axis}")


def _head(animation: Animation, last: int) -> Iterator[Node]:
    header = Node("FBXHeaderExtension")
    header.add("FBXHeaderVersion", Short(1003))
    header.add("FBXVersion", Short(7400))
    header.add("EncryptionType", Short(0))
    stamp = header.add("CreationTimeStamp")  # no time of day: the same motion gives the same file
    for key, value in zip(
        ("Version", "Year", "Month", "Day", "Hour", "Minute", "Second", "Millisecond"), (1000, 1970, 1, 1, 10, 0, 0, 0), strict=True
    ):
        stamp.add(key, Short(value))
    header.add("Creator", "recon3d")
    yield header
    yield Node("FileId", (bytes.fromhex("28b32aebb624ccc2bfc8b02aa92bfcf1"),))
    yield Node("CreationTime", ("1970-01-01 10:00:00:000",))
    yield Node("Creator", ("recon3d",))
    settings = Node("GlobalSettings")
    settings.add("Version", Short(1000))
    group = settings.add("Properties70")
    up, front, sign = (1, 2, 1) if animation.up == "y" else (2, 1, -1)
    axes = {"UpAxis": up, "UpAxisSign": 1, "FrontAxis": front, "FrontAxisSign": sign, "CoordAxis": 0, "CoordAxisSign": 1}
    for name, value in {**axes, "OriginalUpAxis": up, "OriginalUpAxisSign": 1}.items():
        _value(group, name, "int", "Integer", "", Short(value))
    for name in ("UnitScaleFactor", "OriginalUnitScaleFactor"):
        _value(group, name, "double", "Number", "", 100 * animation.unit_m)
    fps = frame_rate(animation.time)
    mode = next((code for rate, code in _TIME_MODES.items() if abs(fps - rate) < 0.002), _OTHER_MODE)
    _value(group, "TimeMode", "enum", "", "", Short(mode))
    _value(group, "TimeSpanStart", "KTime", "Time", "", 0)
    _value(group, "TimeSpanStop", "KTime", "Time", "", last)
    _value(group, "CustomFrameRate", "double", "Number", "", fps)
    yield settings
    documents = Node("Documents")
    documents.add("Count", Short(1))
    one = documents.add("Document", 999_999, "Scene", "Scene")
    group = one.add("Properties70")
    _value(group, "SourceObject", "object", "", "")
    _value(group, "ActiveAnimStackName", "KString", "", "", _TAKE)
    one.add("RootNode", 0)
    yield documents
    yield Node("References", closed=True)


def _tail(scene: _Scene, last: int) -> Iterator[Node]:
    links = Node("Connections")
    for link in scene.links:
        links.add("C", *link)
    yield links
    takes = Node("Takes")
    takes.add("Current", _TAKE)
    take = takes.add("Take", _TAKE)
    take.add("FileName", f"{_TAKE}.tak")
    take.add("LocalTime", 0, last)
    take.add("ReferenceTime", 0, last)
    yield takes


def _definitions(scene: _Scene) -> Node:
    out = Node("Definitions")
    out.add("Version", Short(100))
    out.add("Count", Short(sum(scene.counts.values()) + 1))
    out.add("ObjectType", "GlobalSettings").add("Count", Short(1))
    for kind, count in scene.counts.items():
        out.add("ObjectType", kind).add("Count", Short(count))
    return out
