"""OpenSim: a model of an armature, its markers, and the set-up files of the scaling and the inverse kinematics tool.

The model has the armature's bones, joints and keypoints exactly (`recon3d.skeleton.coordinates`), so that a motion written as
coordinates (.mot) moves it as the motion does. Masses are those of de Leva 1996 (means of men and women) for a person of 70 kg.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from jaxtyping import Float

from recon3d.errors import InputError
from recon3d.io.files import atomic
from recon3d.records import Motion
from recon3d.skeleton import Armature
from recon3d.skeleton.coordinates import FROM_OURS, ORDER, ROOT_PLACE, Coordinate, body_names, coordinates, neutral_turns

_MASS_KG = 70.0
_SHARES = {
    "pelvis": 0.118, "abdomen": 0.155, "torso": 0.147, "neck": 0.01, "head": 0.0581, "clavicle": 0.005, "humerus": 0.0263,
    "radius": 0.015, "hand": 0.0058, "femur": 0.1447, "tibia": 0.0457, "calcn": 0.0103, "toes": 0.003,
}  # fmt: skip
_LEAST_KG = 0.01
_THICK = 0.12  # of a segment's length is its radius, in pictures and for its inertia
_AXES = {"X": "1 0 0", "Y": "0 1 0", "Z": "0 0 1"}
_MARKER_M = 0.01  # as well known as a marker is: what the weight 1 stands for
Element = ElementTree.Element

_SCALED: tuple[tuple[str, tuple[str, ...], tuple[tuple[str, str], ...]], ...] = (
    ("pelvis", ("pelvis",), (("left_hip", "right_hip"),)),
    ("trunk", ("abdomen", "torso", "neck"), (("left_hip", "left_shoulder"), ("right_hip", "right_shoulder"))),
    ("shoulders", ("clavicle_l", "clavicle_r"), (("left_shoulder", "right_shoulder"),)),
    ("head", ("head",), (("left_ear", "right_ear"),)),
    ("upper_arm", ("humerus_l", "humerus_r"), (("left_shoulder", "left_elbow"), ("right_shoulder", "right_elbow"))),
    ("forearm", ("radius_l", "hand_l", "radius_r", "hand_r"), (("left_elbow", "left_wrist"), ("right_elbow", "right_wrist"))),
    ("thigh", ("femur_l", "femur_r"), (("left_hip", "left_knee"), ("right_hip", "right_knee"))),
    ("shank", ("tibia_l", "tibia_r"), (("left_knee", "left_ankle"), ("right_knee", "right_ankle"))),
    (
        "foot",
        ("calcn_l", "toes_l", "calcn_r", "toes_r"),
        tuple((f"{side}_heel", f"{side}_{toe}") for toe in ("big_toe", "foot_index") for side in ("left", "right")),
    ),
)
"""Of each measurement the bodies that it scales and the pairs of markers that it is measured between."""


def write_osim(path: Path, armature: Armature, name: str = "") -> None:
    """An armature as an OpenSim model with its keypoints as markers."""
    document, model = _document("Model", name or path.stem)
    for tag, text in (
        ("credits", "made by recon3d"),
        ("length_units", "meters"),
        ("force_units", "N"),
        ("gravity", "0 -9.80665 0"),
    ):
        _put(model, tag, text)
    ElementTree.SubElement(model, "Ground", name="ground")
    neutral, bodies = neutral_turns(armature), body_names(armature)
    joints = _objects(model, "JointSet", "jointset")
    own = coordinates(armature)
    body_set = _objects(model, "BodySet", "bodyset")
    for j, body in enumerate(bodies):
        body_set.append(_body(body, armature, j, FROM_OURS @ neutral[j]))
        joints.append(_joint(armature, j, bodies, neutral, [c for c in own if c.joint == j]))
    _markers(_objects(model, "MarkerSet", "markerset"), armature)
    _write(path, document)


def write_person_osim(path: Path, motion: Motion) -> None:
    """The model in a person's own sizes; its motion is the ``.mot`` (`recon3d.io.sto`)."""
    write_osim(path, motion.armature)


def write_marker_set(path: Path, armature: Armature) -> None:
    """Keypoints of an armature on its bodies, for OpenSim's Load Markers and for the scaling tool."""
    document, root = _document("MarkerSet", "markerset")
    _markers(ElementTree.SubElement(root, "objects"), armature)
    _write(path, document)


def write_scale_setup(path: Path, armature: Armature, markers: Sequence[str], files: Mapping[str, str], span: tuple[float, float]) -> None:
    """Set-up of the scaling tool: sizes of the model's bodies by mean distances between markers.

    Args:
        path: of the set-up.
        armature: of the model.
        markers: names that the marker file has.
        files: names of ``model``, ``marker_set``, ``markers`` (.trc) and ``scaled`` beside the set-up.
        span: first and last time, s.
    """
    document, tool = _document("ScaleTool", "scale")
    _put(tool, "mass", f"{_MASS_KG:g}")
    maker = ElementTree.SubElement(tool, "GenericModelMaker")
    _put(maker, "model_file", files["model"])
    _put(maker, "marker_set_file", files["marker_set"])
    scaler = ElementTree.SubElement(tool, "ModelScaler")
    _put(scaler, "apply", "true")
    _put(scaler, "scaling_order", "measurements")
    measured = _objects(scaler, "MeasurementSet", "")
    for name, scaled, pairs in measurements(armature, markers):
        one = ElementTree.SubElement(measured, "Measurement", name=name)
        _put(one, "apply", "true")
        pair_set = _objects(one, "MarkerPairSet", "")
        for k, (a, b) in enumerate(pairs):
            _put(ElementTree.SubElement(pair_set, "MarkerPair", name=f"{name}_{k}"), "markers", f"{a} {b}")
        body_set = _objects(one, "BodyScaleSet", "")
        for body in scaled:
            _put(ElementTree.SubElement(body_set, "BodyScale", name=body), "axes", "X Y Z")
    _put(scaler, "marker_file", files["markers"])
    _put(scaler, "time_range", f"{span[0]:.15g} {span[1]:.15g}")
    _put(scaler, "preserve_mass_distribution", "true")
    _put(scaler, "output_model_file", files["scaled"])
    _put(ElementTree.SubElement(tool, "MarkerPlacer"), "apply", "false")
    _write(path, document)


def measurements(armature: Armature, markers: Sequence[str]) -> list[tuple[str, tuple[str, ...], tuple[tuple[str, str], ...]]]:
    """What the scaling tool can measure with these markers on this armature: name, bodies, pairs."""
    bodies, usable = set(body_names(armature)), set(markers) & set(armature.attachments.points)
    out: list[tuple[str, tuple[str, ...], tuple[tuple[str, str], ...]]] = []
    for name, scaled, pairs in _SCALED:
        have = tuple(p for p in pairs if set(p) <= usable)
        there = tuple(b for b in scaled if b in bodies)
        if have and there:
            out.append((name, there, have))
    return out


def write_ik_setup(
    path: Path,
    armature: Armature,
    weights: Mapping[str, float],
    usual: Mapping[str, float],
    files: Mapping[str, str],
    span: tuple[float, float],
) -> None:
    """Set-up of the inverse kinematics tool.

    Args:
        path: of the set-up.
        armature: of the model.
        weights: of markers by name; a marker known to a centimetre has 1.
        usual: rad; coordinates by name that markers may leave open, and what they are then.
        files: names of ``model``, ``markers`` (.trc) and ``motion`` (.mot) beside the set-up.
        span: first and last time, s.

    Raises:
        InputError: no marker of the file is on the model.
    """
    known = [name for name in weights if name in armature.attachments.points]
    if not known:
        raise InputError(f"{path}: none of the markers {', '.join(weights)} is on armature {armature.skeleton.name}")
    document, tool = _document("InverseKinematicsTool", "ik")
    _put(tool, "model_file", files["model"])
    _put(tool, "constraint_weight", "Inf")
    _put(tool, "accuracy", "1e-7")
    tasks = _objects(tool, "IKTaskSet", "")
    for name in known:
        task = ElementTree.SubElement(tasks, "IKMarkerTask", name=name)
        _put(task, "apply", "true")
        _put(task, "weight", f"{weights[name]:.6g}")
    for one in coordinates(armature):
        if one.name in usual and armature.skeleton.parents[one.joint] >= 0:
            task = ElementTree.SubElement(tasks, "IKCoordinateTask", name=one.name)
            _put(task, "apply", "true")
            _put(task, "weight", f"{(_MARKER_M / max(one.loose, 0.02)) ** 2:.6g}")
            _put(task, "value_type", "manual_value")
            _put(task, "value", f"{usual[one.name]:.6g}")
    _put(tool, "marker_file", files["markers"])
    _put(tool, "time_range", f"{span[0]:.15g} {span[1]:.15g}")
    _put(tool, "output_motion_file", files["motion"])
    _put(tool, "report_errors", "false")
    _write(path, document)


def _document(tag: str, name: str) -> tuple[Element, Element]:
    document = ElementTree.Element("OpenSimDocument", Version="40600")
    return document, ElementTree.SubElement(document, tag, name=name)


def _objects(parent: Element, tag: str, name: str) -> Element:
    return ElementTree.SubElement(ElementTree.SubElement(parent, tag, {"name": name} if name else {}), "objects")


def _put(parent: Element, tag: str, text: str) -> None:
    ElementTree.SubElement(parent, tag).text = text


def _numbers(values: Sequence[float] | np.ndarray) -> str:
    return " ".join(f"{float(v):.9g}" for v in values)


def _write(path: Path, document: Element) -> None:
    ElementTree.indent(document)
    with atomic(path) as file:
        file.write('<?xml version="1.0" encoding="UTF-8" ?>\n')
        file.write(ElementTree.tostring(document, encoding="unicode") + "\n")


def _bone(armature: Armature, joint: int) -> Float[np.ndarray, "3"]:
    """From a joint to what ends its segment: the next joint, or the middle of the keypoints on it."""
    bone = armature.bone(joint)
    if bone.any():
        return bone
    points = armature.attachments.offset[armature.attachments.joint == joint]
    return points.mean(0) if len(points) else np.zeros(3)


def _body(name: str, armature: Armature, joint: int, to_body: Float[np.ndarray, "3 3"]) -> Element:
    bone = to_body @ _bone(armature, joint)
    length = max(float(np.linalg.norm(bone)), 0.02)
    radius = _THICK * length
    plain = name[:-2] if name.endswith(("_l", "_r")) else name
    mass = max(_MASS_KG * _SHARES.get(plain, 0.0), _LEAST_KG)
    along = bone / length if bone.any() else np.array([0.0, 1.0, 0.0])
    thick, long = mass * radius**2 / 2, mass * (length**2 / 12 + radius**2 / 4)
    inertia = long * np.eye(3) + (thick - long) * np.outer(along, along)
    body = ElementTree.Element("Body", name=name)
    if bone.any():
        components = ElementTree.SubElement(body, "components")
        frame = ElementTree.SubElement(components, "PhysicalOffsetFrame", name=f"{name}_shape")
        geometry = ElementTree.SubElement(ElementTree.SubElement(frame, "attached_geometry"), "Cylinder", name=f"{name}_bone")
        _put(geometry, "radius", f"{radius:.6g}")
        _put(geometry, "half_height", f"{length / 2:.6g}")
        _put(frame, "socket_parent", "..")
        _put(frame, "translation", _numbers(bone / 2))
        _put(frame, "orientation", _numbers(_from_y(along)))
    _put(body, "mass", f"{mass:.6g}")
    _put(body, "mass_center", _numbers(bone / 2))
    _put(body, "inertia", _numbers([*np.diag(inertia), inertia[0, 1], inertia[0, 2], inertia[1, 2]]))
    return body


def _from_y(along: Float[np.ndarray, "3"]) -> Float[np.ndarray, "3"]:
    """Angles about x, then y, then z of the moved frame that bring its y axis to a direction: Rx Ry Rz, here with Ry of nothing."""
    x, y, z = along
    return np.array([np.arctan2(z, y) if abs(y) + abs(z) > 1e-9 else 0.0, 0.0, -np.arctan2(x, np.hypot(y, z))])


def _joint(armature: Armature, j: int, bodies: Sequence[str], neutral: np.ndarray, own: Sequence[Coordinate]) -> Element:
    parent = int(armature.skeleton.parents[j])
    above = "/ground" if parent < 0 else f"/bodyset/{bodies[parent]}"
    offset = np.zeros(3) if parent < 0 else FROM_OURS @ neutral[parent] @ armature.rest_offset[j]
    joint = ElementTree.Element("CustomJoint" if own else "WeldJoint", name=f"{armature.joints[j]}_joint")
    _put(joint, "socket_parent_frame", "parent_offset")
    _put(joint, "socket_child_frame", "child_offset")
    if own:
        held = ElementTree.SubElement(joint, "coordinates")
        for one in own:
            coordinate = ElementTree.SubElement(held, "Coordinate", name=one.name)
            _put(coordinate, "default_value", "0")
            _put(coordinate, "range", _numbers([one.lowest, one.highest]))
        if parent < 0:
            for k, name in enumerate(ROOT_PLACE):
                coordinate = ElementTree.SubElement(held, "Coordinate", name=name)
                _put(coordinate, "default_value", "0.95" if k == 1 else "0")
                _put(coordinate, "range", "-100 100")
    frames = ElementTree.SubElement(joint, "frames")
    for label, socket, place in (("parent_offset", above, offset), ("child_offset", f"/bodyset/{bodies[j]}", np.zeros(3))):
        frame = ElementTree.SubElement(frames, "PhysicalOffsetFrame", name=label)
        _put(frame, "socket_parent", socket)
        _put(frame, "translation", _numbers(place))
        _put(frame, "orientation", "0 0 0")
    if own:
        transform = ElementTree.SubElement(joint, "SpatialTransform")
        for n, letter in enumerate(ORDER):
            one = next((c for c in own if c.axis == n), None)
            axis = _AXES[letter] if one is None or one.sign > 0 else _AXES[letter].replace("1", "-1")
            _axis(transform, f"rotation{n + 1}", axis, "" if one is None else one.name)
        for n, letter in enumerate("XYZ"):
            _axis(transform, f"translation{n + 1}", _AXES[letter], ROOT_PLACE[n] if parent < 0 else "")
    return joint


def _axis(transform: Element, name: str, axis: str, coordinate: str) -> None:
    element = ElementTree.SubElement(transform, "TransformAxis", name=name)
    _put(element, "coordinates", coordinate)
    _put(element, "axis", axis)
    if coordinate:
        _put(ElementTree.SubElement(element, "LinearFunction", name="function"), "coefficients", "1 0")
    else:
        _put(ElementTree.SubElement(element, "Constant", name="function"), "value", "0")


def _markers(parent: Element, armature: Armature) -> None:
    neutral, bodies, points = neutral_turns(armature), body_names(armature), armature.attachments
    for name, j, offset in zip(points.points, points.joint.tolist(), points.offset, strict=True):
        marker = ElementTree.SubElement(parent, "Marker", name=name)
        _put(marker, "socket_parent_frame", f"/bodyset/{bodies[j]}")
        _put(marker, "location", _numbers(FROM_OURS @ neutral[j] @ offset))
        _put(marker, "fixed", "true")
