"""A robot: its URDF and its card together, with the shapes that must not meet; kinematics by Pinocchio."""

from dataclasses import dataclass
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from recon3d.errors import InputError, all_faults, valid_names
from recon3d.geometry import SE3, SO3
from recon3d.io.files import read_text
from recon3d.records.joint_motion import Links
from recon3d.robots.card import RobotCard
from recon3d.robots.shapes import hulls, pair_up, pinocchio
from recon3d.robots.urdf import lacking_meshes, mimicked, package_folders, read_links

_SIDES = ("left", "right")
_SOLE_M = 0.012  # of the lowest points of a foot's shapes belong to its sole
_FLAT_SHARE = 0.5  # of a foot's length is its sole at least
_INSIDE = 1e-4  # rad or m that joints stay within their limits
_BENT_M = 0.01  # that a knee may lie behind hip and ankle
_STILL = 1e-6  # rad or m that a joint which stays in its posture may move


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

    Joints that mimic others, those that they mimic, and those whose limit of speed is zero stay in the card's posture.

    Raises:
        SetupError: Pinocchio is not installed.
        InputError: a file that is no URDF, lacks links of the card or meshes of its shapes, or a posture in which the robot does not
            stand upright on flat feet; the message says which.
    """
    pin = pinocchio()
    _, joints, links = read_links(path)
    faults = [f"it has no link {name!r}, the card's {part}" for part, name in link_names(card).items() if name not in links.names]
    faults += [f"it has no joint {name!r}, of the card's posture" for name in card.posture if name not in joints]
    faults += [f"mesh {name} is not there" for name in lacking_meshes(path)]
    if faults:
        more = f"; its links are {valid_names(links.names)}" if any("no link" in f for f in faults) else ""
        raise InputError(all_faults(faults, f"{path} cannot be used as {card.name}{more}:"))
    try:
        model: Any = pin.buildModelFromUrdf(str(path), pin.JointModelFreeFlyer())
    except (ValueError, RuntimeError) as error:
        raise InputError(f"{path} cannot be read by Pinocchio: {str(error).strip().splitlines()[0]}") from None
    ids = [int(model.getJointId(name)) for name in joints]
    if any(model.joints[i].nq != 1 for i in ids):
        endless = ", ".join(name for name, i in zip(joints, ids, strict=True) if model.joints[i].nq != 1)
        raise InputError(f"{path}: joints without limits are not supported: {endless}; give them limits")
    index = np.array([model.joints[i].idx_q for i in ids], dtype=np.int64)
    speed = np.array([model.velocityLimit[model.joints[i].idx_v] for i in ids])
    for part, name in link_names(card).items():  # under names of their own: a joint may be called as a link is
        body = model.frames[model.getFrameId(name, pin.FrameType.BODY)]
        model.addFrame(pin.Frame(frame_of(part), body.parentJoint, body.parentFrame, body.placement, pin.FrameType.OP_FRAME))
    lower, upper = model.lowerPositionLimit[index].copy(), model.upperPositionLimit[index].copy()
    position = _posture(path, card, joints, lower, upper)
    held = _bound_together(path, joints, position) | (speed == 0)
    room = np.minimum(_INSIDE, 0.25 * (upper - lower))
    bounds = [model.lowerPositionLimit.copy(), model.upperPositionLimit.copy()]
    bounds[0][index] = np.where(held, position - _STILL, lower + room)
    bounds[1][index] = np.where(held, position + _STILL, upper - room)
    model.lowerPositionLimit, model.upperPositionLimit = bounds
    stand = pin.neutral(model)
    stand[index] = np.where(held, position, np.clip(position, bounds[0][index], bounds[1][index]))
    data = model.createData()
    # It may be modelled facing anywhere: it is turned to face +x, by where its hips are.
    pin.framesForwardKinematics(model, data, stand)
    hips = [np.array(data.oMf[model.getFrameId(frame_of(f"{side}_hip"))].translation) for side in _SIDES]
    heading = np.arctan2(-(hips[0] - hips[1])[0], (hips[0] - hips[1])[1])
    stand[3:7] = np.roll(SO3.exp(np.array([0.0, 0.0, -heading])).wxyz(), -1)
    try:
        meshes = pin.buildGeomFromUrdf(model, str(path), pin.GeometryType.COLLISION, package_dirs=package_folders(path))
    except (ValueError, RuntimeError) as error:
        raise InputError(f"{path}: a mesh cannot be read: {str(error).strip().splitlines()[0]}") from None
    pair_up(model, meshes, stand)
    shapes = hulls(model, meshes, stand)
    pin.framesForwardKinematics(model, data, stand)
    rest = {part: _pose(data.oMf[model.getFrameId(frame_of(part))]) for part in link_names(card)}
    sole = np.stack([_sole(pin, model, meshes, stand, f"{side}_foot", path) for side in _SIDES])
    _stands(path, rest, sole)
    return Robot(card, joints, links, model, shapes, meshes, index, stand, lower, upper, speed, rest, sole, read_text(path))


def frame_of(part: str) -> str:
    """Name of a part's frame in Pinocchio's model."""
    return f"recon3d {part}"


def _posture(path: Path, card: RobotCard, joints: tuple[str, ...], lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
    """Positions of the card; where it says nothing, what is nearest to zero within the limits."""
    faults = [
        f"{name} is {card.posture[name]:g} in the card's posture, its limits are {low:g} and {high:g}"
        for name, low, high in zip(joints, lower.tolist(), upper.tolist(), strict=True)
        if name in card.posture and not low <= card.posture[name] <= high
    ]
    if faults:
        raise InputError(all_faults(faults, f"{path} and card {card.name} (positions are in rad or m):"))
    return np.array([card.posture.get(name, min(max(0.0, low), high)) for name, low, high in zip(joints, lower, upper, strict=True)])


def _bound_together(path: Path, joints: tuple[str, ...], position: np.ndarray) -> np.ndarray:
    """Joints that mimic others or are mimicked; ``position`` of those that mimic is set to what it must be."""
    out = np.zeros(len(joints), bool)
    for name, (master, factor, offset) in mimicked(path).items():
        if name in joints:
            of = position[joints.index(master)] if master in joints else 0.0  # one that is fixed
            out[[joints.index(n) for n in (name, master) if n in joints]] = True
            position[joints.index(name)] = factor * of + offset
    return out


def _stands(path: Path, rest: dict[str, SE3], sole: Float[np.ndarray, "2 2 3"]) -> None:
    """Check that the robot stands as a person does.

    Raises:
        InputError: it does not; all that is wrong.
    """
    at = {part: pose.translation for part, pose in rest.items()}
    faults: list[str] = []
    feet = np.stack([rest[f"{side}_foot"] @ sole[k] for k, side in enumerate(_SIDES)])
    if not feet[..., 2].max() < at["pelvis"][2] < min(at["left_shoulder"][2], at["right_shoulder"][2]):
        faults.append("shoulders must be over the pelvis and soles under it")
    faults += [f"the left {part} must be to the left of the right one" for part in ("hip", "knee", "foot", "shoulder")
               if not at[f"left_{part}"][1] > at[f"right_{part}"][1] + 1e-3]  # fmt: skip
    bent = [at[f"{side}_knee"][0] - 0.5 * (at[f"{side}_hip"][0] + at[f"{side}_foot"][0]) for side in _SIDES]
    ahead = float(feet[..., 0].mean() - np.mean([at[f"{side}_foot"][0] for side in _SIDES]))
    if min(bent) < -_BENT_M or (max(bent) < _BENT_M and ahead < -_BENT_M):
        faults.append("knees must bend, and feet point, forward: are left and right exchanged?")
    if faults:
        raise InputError(all_faults(faults, f"{path} does not stand upright in the posture of its card:"))


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


def _sole(pin: Any, model: Any, shapes: Any, stand: np.ndarray, part: str, path: Path) -> Float[np.ndarray, "2 3"]:
    """Heel and toe of a foot: the ends of what is lowest of its shapes when the robot stands on flat feet.

    Raises:
        InputError: the foot has no shapes, or is not flat.
    """
    data = model.createData()
    pin.framesForwardKinematics(model, data, stand)
    frame = model.getFrameId(frame_of(part))
    joint = int(model.frames[frame].parentJoint)
    own = [s for s in shapes.geometryObjects if int(s.parentJoint) == joint]
    if not own:
        raise InputError(f"{path}: the link of the {part.replace('_', ' ')} has no shape that collides, so its sole is not known")
    points = np.concatenate([_points(s) @ np.array(s.placement.rotation).T + np.array(s.placement.translation) for s in own])
    in_link = model.frames[frame].placement.inverse()
    points = points @ np.array(in_link.rotation).T + np.array(in_link.translation)
    turn = np.array(data.oMf[frame].rotation)
    level = points @ turn.T
    low = level[level[:, 2] < level[:, 2].min() + _SOLE_M]
    if np.ptp(low[:, 0]) < _FLAT_SHARE * np.ptp(level[:, 0]):
        raise InputError(f"{path}: the {part.replace('_', ' ')} is not flat on the floor in the posture of its card; change [posture]")
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
