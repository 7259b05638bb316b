"""A robot: its URDF and its card together, with the shapes that must not meet; kinematics by Pinocchio."""

from dataclasses import dataclass
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from recon3d.errors import InputError, SetupError, all_faults, valid_names
from recon3d.geometry import SE3, SO3
from recon3d.io.files import read_text
from recon3d.records.joint_motion import Links
from recon3d.robots.card import RobotCard
from recon3d.robots.urdf import lacking_meshes, package_folders, read_links

_SIDES = ("left", "right")
_SOLE_M = 0.012  # of the lowest points of a foot's shapes belong to its sole
_INSIDE = 1e-4  # rad or m that joints stay within their limits


@dataclass(frozen=True, slots=True, eq=False)
class Robot:
    """A robot that motion can be put on.

    Attributes:
        card: which link is what.
        joints: that move, in the order of the URDF.
        links: the tree.
        model: Pinocchio's, with a free base; limits are drawn in a little.
        shapes: convex hulls of what collides, and the floor, with the pairs that must not meet.
        meshes: the shapes as they are, with the same pairs but those of the floor.
        index: of each joint's position in Pinocchio's configuration.
        stand: configuration of the card's posture, facing +x, the base at the origin.
        lower: limits of the joints' positions, as the URDF has them.
        upper: likewise.
        fastest: limit of the joints' speeds.
        rest: poses in which links stand in that posture, by part; pairs as ``left_foot``.
        sole: heel and toe of each foot's sole, in its link's frame.
        urdf: text of the file.
    """

    card: RobotCard
    joints: tuple[str, ...]
    links: Links
    model: Any
    shapes: Any
    meshes: Any
    index: Int[np.ndarray, "joints"]
    stand: Float[np.ndarray, "configuration"]
    lower: Float[np.ndarray, "joints"]
    upper: Float[np.ndarray, "joints"]
    fastest: Float[np.ndarray, "joints"]
    rest: dict[str, SE3]
    sole: Float[np.ndarray, "2 2 3"]
    urdf: str


def link_names(card: RobotCard) -> dict[str, str]:
    """Link by part: pelvis, torso, left_hip, right_hip and so on."""
    named = {f"{side}_{part}": pair[k] for part, pair in card.pairs.items() for k, side in enumerate(_SIDES)}
    return {"pelvis": card.pelvis, "torso": card.torso, **named}


def load_robot(path: Path, card: RobotCard) -> Robot:
    """A robot from its URDF.

    Raises:
        SetupError: Pinocchio is not installed.
        InputError: a file that is no URDF, lacks links of the card or meshes of its shapes; the message says which.
    """
    pin = pinocchio()
    _, joints, links = read_links(path)
    faults = [f"it has no link {name!r}, the card's {part}" for part, name in link_names(card).items() if name not in links.names]
    faults += [f"it has no joint {name!r}, of the card's posture" for name in card.posture if name not in joints]
    faults += [f"mesh {name} is not there" for name in lacking_meshes(path)]
    if faults:
        more = f"; its links are {valid_names(links.names)}" if any("no link" in f for f in faults) else ""
        raise InputError(all_faults(faults, f"{path} cannot be used as {card.name}{more}:"))
    model: Any = pin.buildModelFromUrdf(str(path), pin.JointModelFreeFlyer())
    ids = [int(model.getJointId(name)) for name in joints]
    index = np.array([model.joints[i].idx_q for i in ids], dtype=np.int64)
    speed = np.array([model.velocityLimit[model.joints[i].idx_v] for i in ids])
    if any(model.joints[i].nq != 1 for i in ids):
        endless = ", ".join(name for name, i in zip(joints, ids, strict=True) if model.joints[i].nq != 1)
        raise InputError(f"{path}: joints without limits are not supported: {endless}; give them limits")
    lower, upper = model.lowerPositionLimit[index].copy(), model.upperPositionLimit[index].copy()
    room = np.minimum(_INSIDE, 0.25 * (upper - lower))
    bounds = [model.lowerPositionLimit.copy(), model.upperPositionLimit.copy()]
    bounds[0][index], bounds[1][index] = lower + room, upper - room
    model.lowerPositionLimit, model.upperPositionLimit = bounds
    stand = pin.neutral(model)
    wanted = np.array([card.posture.get(name, 0.0) for name in joints])
    stand[index] = np.clip(wanted, bounds[0][index], bounds[1][index])
    meshes = pin.buildGeomFromUrdf(model, str(path), pin.GeometryType.COLLISION, package_dirs=package_folders(path))
    _pair_up(pin, model, meshes, stand)
    shapes = _hulls(meshes)
    _with_floor(pin, shapes)
    data = model.createData()
    pin.framesForwardKinematics(model, data, stand)
    rest = {part: _pose(data.oMf[model.getFrameId(name)]) for part, name in link_names(card).items()}
    sole = np.stack([_sole(pin, model, meshes, stand, card.pairs["foot"][k], path) for k in range(2)])
    return Robot(card, joints, links, model, shapes, meshes, index, stand, lower, upper, speed, rest, sole, read_text(path))


def pinocchio() -> Any:
    """The library, where it is installed.

    Raises:
        SetupError: it is not.
    """
    try:
        return import_module("pinocchio")
    except ImportError:
        where = "pip install 'recon3d[robots]' (on Windows: conda install -c conda-forge pinocchio pink)"
        raise SetupError(f"robots need Pinocchio: {where}") from None


def find_urdf(card: RobotCard) -> Path:
    """The robot's URDF among those of the package example-robot-data.

    Raises:
        InputError: it is not installed, or has none of the card's files.
    """
    try:
        package = metadata.distribution("example-robot-data")
        files = {file.name: file for file in package.files or ()}
        for name in card.urdf:
            if name in files:
                return Path(str(package.locate_file(files[name])))
    except metadata.PackageNotFoundError:
        pass
    names = ", ".join(card.urdf) or "a URDF"
    raise InputError(f"give the robot's URDF with --urdf ({names}); pip install example-robot-data brings that of g1")


def _pose(placement: Any) -> SE3:
    return SE3(SO3(np.array(placement.rotation)), np.array(placement.translation))


def _pair_up(pin: Any, model: Any, shapes: Any, stand: np.ndarray) -> None:
    """Pairs of shapes that must not meet: not those of neighbouring links, nor those that meet when the robot stands."""
    shapes.addAllCollisionPairs()
    data, own = model.createData(), pin.GeometryData(shapes)
    pin.computeCollisions(model, data, shapes, own, stand, False)
    kept: list[Any] = []
    for k, pair in enumerate(shapes.collisionPairs):
        a, b = (int(shapes.geometryObjects[i].parentJoint) for i in (pair.first, pair.second))
        beside = a == b or model.parents[a] == b or model.parents[b] == a
        if not beside and not own.collisionResults[k].isCollision():
            kept.append(pin.CollisionPair(pair.first, pair.second))
    shapes.removeAllCollisionPairs()
    for pair in kept:
        shapes.addCollisionPair(pair)


def _hulls(meshes: Any) -> Any:
    """The same with meshes replaced by their convex hulls: a hundred times quicker to measure between, and never smaller."""
    coal = import_module("coal")
    out = meshes.copy()
    for shape in out.geometryObjects:
        if isinstance(shape.geometry, coal.BVHModelBase):
            mesh = shape.geometry.clone()
            mesh.buildConvexHull(False, "Qt")
            shape.geometry = mesh.convex
    return out


def _with_floor(pin: Any, shapes: Any) -> None:
    """The floor as another shape that none must meet; what stands is stood on it, not in it."""
    coal = import_module("coal")
    floor = shapes.addGeometryObject(pin.GeometryObject("floor", 0, pin.SE3.Identity(), coal.Halfspace(0.0, 0.0, 1.0, 0.0)))
    for k in range(floor):
        shapes.addCollisionPair(pin.CollisionPair(k, floor))


def _sole(pin: Any, model: Any, shapes: Any, stand: np.ndarray, link: str, path: Path) -> Float[np.ndarray, "2 3"]:
    """Heel and toe of a foot: the ends of what is lowest of its shapes when the robot stands on flat feet."""
    data = model.createData()
    pin.framesForwardKinematics(model, data, stand)
    frame = model.getFrameId(link)
    joint = int(model.frames[frame].parentJoint)
    own = [s for s in shapes.geometryObjects if int(s.parentJoint) == joint]
    if not own:
        raise InputError(f"{path}: link {link!r} has no shape that collides, so its sole is not known")
    points = np.concatenate([_points(s) @ np.array(s.placement.rotation).T + np.array(s.placement.translation) for s in own])
    in_link = model.frames[frame].placement.inverse()
    points = points @ np.array(in_link.rotation).T + np.array(in_link.translation)
    turn = np.array(data.oMf[frame].rotation)
    level = points @ turn.T
    low = level[level[:, 2] < level[:, 2].min() + _SOLE_M]
    middle, bottom = 0.5 * (low[:, 1].min() + low[:, 1].max()), low[:, 2].min()
    return np.array([[low[:, 0].min(), middle, bottom], [low[:, 0].max(), middle, bottom]]) @ turn


def _points(shape: Any) -> Float[np.ndarray, "points 3"]:
    """Corners of a shape in its own frame; of round ones those of their box."""
    coal = import_module("coal")
    if isinstance(shape.geometry, coal.BVHModelBase):
        return np.array(shape.geometry.vertices())
    geometry = shape.geometry
    geometry.computeLocalAABB()
    low, high = np.array(geometry.aabb_local.min_), np.array(geometry.aabb_local.max_)
    return np.array([[(low, high)[i][0], (low, high)[j][1], (low, high)[k][2]] for i in (0, 1) for j in (0, 1) for k in (0, 1)])
