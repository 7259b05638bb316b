"""How good a robot's motion is: what it breaks, how far planted feet slide, how far it is from what was asked."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from recon3d.arrays import runs
from recon3d.geometry import SE3, SO3
from recon3d.records import JointMotion
from recon3d.robots.model import Robot, link_names
from recon3d.robots.shapes import pinocchio
from recon3d.robots.targets import Targets

_SIDES = ("left", "right")
_STILL = 1e-3  # rad/s or m/s of joints that stay in their posture


@dataclass(frozen=True, slots=True)
class RobotQuality:
    """Of a motion on a robot.

    Attributes:
        limit_violations: joints in frames beyond their limits of position or speed.
        collisions: frames in which meshes meet that must not.
        slide_mm: worst way of a heel or toe from the middle of where it stands.
        sunk_mm: worst depth of a sole under the floor.
        base_mm: root mean square distance of the pelvis from its target.
        hand_mm: likewise of the hands, in the torso.
        torso_deg: likewise of the torso's direction.
    """

    limit_violations: int
    collisions: int
    slide_mm: float
    sunk_mm: float
    base_mm: float
    hand_mm: float
    torso_deg: float


def quality(robot: Robot, motion: JointMotion, targets: Targets) -> RobotQuality:
    """Measure a motion on a robot; collisions between the meshes themselves, not their hulls."""
    speed = np.abs(motion.velocity()) > robot.fastest * (1 + 1e-6) + _STILL
    beyond = (motion.position < robot.lower) | (motion.position > robot.upper)
    poses = motion.poses()
    names = link_names(robot.card)
    at = {part: robot.links.names.index(name) for part, name in names.items()}
    feet = SE3(
        SO3(np.stack([poses.rotation.matrix[:, at[f"{s}_foot"]] for s in _SIDES], 1)),
        np.stack([poses.translation[:, at[f"{s}_foot"]] for s in _SIDES], 1),
    )
    soles = feet.translation[:, :, None] + np.einsum("fkij,kpj->fkpi", feet.rotation.matrix, robot.sole)
    torso = poses.rotation.matrix[:, at["torso"]]
    hands = np.stack([poses.translation[:, at[f"{s}_hand"]] for s in _SIDES], 1) - poses.translation[:, None, at["torso"]]
    hands = np.einsum("fji,fkj->fki", torso, hands)
    off = SO3(np.swapaxes(torso, -1, -2) @ targets.torso).log()
    return RobotQuality(
        limit_violations=int((speed | beyond).sum()),
        collisions=_collisions(robot, motion),
        slide_mm=1000 * _slide(soles, targets),
        sunk_mm=1000 * max(0.0, -float(soles[..., 2].min())),
        base_mm=1000 * _rms(poses.translation[:, at["pelvis"]] - targets.pelvis.translation),
        hand_mm=1000 * _rms(hands - targets.hand),
        torso_deg=float(np.rad2deg(_rms(off))),
    )


def _rms(off: Float[np.ndarray, "*rows 3"]) -> float:
    return float(np.sqrt((off**2).sum(-1).mean()))


def _slide(soles: Float[np.ndarray, "frames 2 2 3"], targets: Targets) -> float:
    """Of every heel and toe that stands, the farthest from the median place of its stand."""
    worst = 0.0
    for k in range(2):
        for p in range(2):
            for stand in runs(targets.planted[:, k, p]):
                own = soles[stand, k, p]
                worst = max(worst, float(np.linalg.norm(own - np.median(own, axis=0), axis=-1).max()))
    return worst


def _collisions(robot: Robot, motion: JointMotion) -> int:
    pin = pinocchio()
    data, own = robot.model.createData(), pin.GeometryData(robot.meshes)
    configuration, found = robot.stand.copy(), 0
    for t in range(len(motion)):
        configuration[robot.index] = motion.position[t]
        found += bool(pin.computeCollisions(robot.model, data, robot.meshes, own, configuration, True))
    return found
