"""URDF files: the tree of links as plain arrays, and where the meshes are that the file speaks of."""

import os
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from scipy.spatial.transform import Rotation

from recon3d.errors import InputError, all_faults
from recon3d.geometry import SO3
from recon3d.io.files import read_text
from recon3d.records.joint_motion import FIXED, PRISMATIC, REVOLUTE, Links

_KINDS = {"fixed": FIXED, "revolute": REVOLUTE, "continuous": REVOLUTE, "prismatic": PRISMATIC}


def read_links(path: Path) -> tuple[str, tuple[str, ...], Links]:
    """Name of the robot, its moving joints in the order of the file, and its links.

    Raises:
        InputError: no URDF, or one whose links are no tree; the message names the file and every fault.
    """
    try:
        robot = ElementTree.fromstring(read_text(path).lstrip())
    except (ElementTree.ParseError, ValueError) as error:
        raise InputError(f"{path} is no URDF: {error}") from None
    if robot.tag != "robot":
        raise InputError(f"{path} is no URDF: its outermost tag is <{robot.tag}>, not <robot>")
    names = [str(link.get("name")) for link in robot.findall("link")]
    joints = robot.findall("joint")
    faults: list[str] = []
    above: dict[str, ElementTree.Element] = {}
    for joint in joints:
        ends = [element.get("link") if (element := joint.find(tag)) is not None else None for tag in ("parent", "child")]
        label = f"joint {joint.get('name')!r}"
        if joint.get("type") not in _KINDS:
            faults.append(f"{label} is of type {joint.get('type')!r}; links may be {', '.join(_KINDS)}")
        faults += [f"{label}: there is no link {end!r}" for end in ends if end not in names]
        if ends[1] in above:
            faults.append(f"link {ends[1]!r} hangs on two joints")
        above[str(ends[1])] = joint
    for kind, every in (("link", names), ("joint", [str(j.get("name")) for j in joints])):
        faults += [f"{kind} {name!r} occurs twice" for name in sorted({n for n in every if every.count(n) > 1})]
    faults += [f"joint {k + 1} of the file has no name" for k, joint in enumerate(joints) if not joint.get("name")]
    for joint in joints:
        faults += _limit_faults(joint)
    roots = [name for name in names if name not in above]
    if len(roots) != 1:
        faults.append(f"one link must hang on no joint; {len(roots)} do: {', '.join(roots) or 'none'}")
    if faults:
        raise InputError(all_faults(faults, f"{path} cannot be used:"))
    moving = [j for j in joints if _KINDS[str(j.get("type"))] != FIXED]
    order = _parents_first(roots[0], above)
    if len(order) != len(names):
        raise InputError(f"{path} cannot be used: links {', '.join(sorted(set(names) - set(order)))} do not hang on {roots[0]!r}")
    try:
        links = _links(order, above, moving)
    except ValueError as error:
        raise InputError(f"{path} cannot be used: a number cannot be read ({error})") from None
    return str(robot.get("name")), tuple(str(j.get("name")) for j in moving), links


def _limit_faults(joint: ElementTree.Element) -> list[str]:
    """What is wrong with the limits of a joint that turns or slides."""
    if joint.get("type") not in ("revolute", "prismatic"):
        return []
    label, limit = f"joint {joint.get('name')!r}", joint.find("limit")
    if limit is None:
        return [f"{label} has no <limit>"]
    values: dict[str, float] = {}
    for key, usual in (("lower", "0"), ("upper", "0"), ("velocity", "")):
        try:
            values[key] = float(limit.get(key, usual))
        except ValueError:
            return [f"{label}: its limit needs a number as {key}"]
    if not np.isfinite(list(values.values())).all() or values["lower"] > values["upper"] or not values["velocity"] >= 0:
        told = ", ".join(f"{key} {value:g}" for key, value in values.items())
        return [f"{label}: {told}; lower must not lie over upper, and the velocity must not be negative"]
    return []


def mimicked(path: Path) -> dict[str, tuple[str, float, float]]:
    """Of joints that mimic another: its name, the factor, the offset.

    Raises:
        InputError: a joint that there is not, or numbers that are none.
    """
    joints = ElementTree.fromstring(read_text(path).lstrip()).findall("joint")
    names = {str(joint.get("name")) for joint in joints}
    out: dict[str, tuple[str, float, float]] = {}
    for joint in joints:
        told = joint.find("mimic")
        if told is not None:
            try:
                out[str(joint.get("name"))] = (str(told.get("joint")), float(told.get("multiplier", "1")), float(told.get("offset", "0")))
            except ValueError as error:
                raise InputError(f"{path}: joint {joint.get('name')!r} mimics another by a number that is none ({error})") from None
            if told.get("joint") not in names:
                raise InputError(f"{path}: joint {joint.get('name')!r} mimics {told.get('joint')!r}, which is not there")
    return out


def _parents_first(root: str, above: dict[str, ElementTree.Element]) -> list[str]:
    below: dict[str, list[str]] = {}
    for child, joint in above.items():
        below.setdefault(_link_of(joint, "parent"), []).append(child)
    out: list[str] = []
    waiting = [root]
    while waiting:
        out.append(waiting.pop())
        waiting += reversed(below.get(out[-1], []))
    return out


def _link_of(joint: ElementTree.Element, tag: str) -> str:
    element = joint.find(tag)
    assert element is not None  # looked at before
    return str(element.get("link"))


def _links(order: list[str], above: dict[str, ElementTree.Element], moving: list[ElementTree.Element]) -> Links:
    count = len(order)
    parents, kind, which = (np.full(count, -1, np.int64) for _ in range(3))
    place, turn, axis = np.zeros((count, 3)), np.tile([1.0, 0.0, 0.0, 0.0], (count, 1)), np.zeros((count, 3))
    kind[0] = FIXED
    for k, name in enumerate(order[1:], 1):
        joint = above[name]
        parents[k], kind[k] = order.index(_link_of(joint, "parent")), _KINDS[str(joint.get("type"))]
        origin = joint.find("origin")
        if origin is not None:
            place[k] = _numbers(origin.get("xyz", "0 0 0"))
            turn[k] = SO3(Rotation.from_euler("xyz", _numbers(origin.get("rpy", "0 0 0"))).as_matrix()).wxyz()
        if kind[k] != FIXED:
            which[k] = moving.index(joint)
            told = joint.find("axis")
            axis[k] = _numbers("1 0 0" if told is None else told.get("xyz", "1 0 0"))
            length = np.linalg.norm(axis[k])
            if not length > 0:
                raise ValueError(f"the axis of joint {joint.get('name')!r} is zero")
            axis[k] /= length
    return Links(tuple(order), parents, kind, which, place, turn, axis)


def _numbers(text: str) -> np.ndarray:
    values = np.array([float(word) for word in text.split()])
    if values.shape != (3,) or not np.isfinite(values).all():
        raise ValueError(f"three numbers expected, not {text!r}")
    return values


def package_folders(path: Path) -> list[str]:
    """Where ``package://`` may lead: folders above the URDF, and those that ROS_PACKAGE_PATH names."""
    told = [p for p in os.environ.get("ROS_PACKAGE_PATH", "").split(os.pathsep) if p]
    return [*map(str, path.resolve().parents), *told]


def lacking_meshes(path: Path) -> list[str]:
    """Meshes of shapes that collide which are nowhere to be found."""
    folders = package_folders(path)
    out: list[str] = []
    for mesh in ElementTree.fromstring(read_text(path).lstrip()).iterfind("link/collision/geometry/mesh"):
        name = mesh.get("filename", "")
        if name.startswith("package://"):
            found = any((Path(folder) / name.removeprefix("package://")).is_file() for folder in folders)
        else:
            found = (path.parent / name.removeprefix("file://")).is_file()
        if not found:
            out.append(name)
    return sorted(set(out))
