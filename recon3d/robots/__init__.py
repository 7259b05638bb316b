"""People's motion on robots: a URDF, a card that names its links, and whole-body inverse kinematics."""

from recon3d.robots.card import RobotCard, load_card, robot_names
from recon3d.robots.follow import follow
from recon3d.robots.model import Robot, find_urdf, load_robot
from recon3d.robots.quality import RobotQuality, quality
from recon3d.robots.targets import Targets, targets_of

__all__ = [
    "Robot",
    "RobotCard",
    "RobotQuality",
    "Targets",
    "find_urdf",
    "follow",
    "load_card",
    "load_robot",
    "quality",
    "robot_names",
    "targets_of",
]
