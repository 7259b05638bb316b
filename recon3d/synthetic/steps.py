"""Walking whose feet stand still while they stand: legs follow feet, not feet the legs."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from recon3d.geometry import SE3, SO3
from recon3d.skeleton import Armature

_SPEED, _STRIDE_S, _STANCE = 1.0, 1.1, 0.6  # m/s; of two steps; share of a stride that a foot stands
_APART, _LIFT = 0.085, 0.10  # m, of a foot from the middle, and above the floor
_SPARE = 0.975  # of a leg's length that is used at its longest


@dataclass(frozen=True, slots=True, eq=False)
class Steps:
    """A walk.

    Attributes:
        place: of the pelvis, m.
        heading: of the body, rad; 0 faces -y.
        phase: of the stride, rad.
        hip: pelvis_from_thigh of both legs.
        knee: bend, rad.
        ankle: shank_from_foot.
        stands: which foot stands.
    """

    place: Float[np.ndarray, "frames 3"]
    heading: Float[np.ndarray, "frames"]
    phase: Float[np.ndarray, "frames"]
    hip: Float[np.ndarray, "2 frames 3 3"]
    knee: Float[np.ndarray, "2 frames"]
    ankle: Float[np.ndarray, "2 frames 3 3"]
    stands: Bool[np.ndarray, "2 frames"]


def take_steps(armature: Armature, time: Float[np.ndarray, "frames"], radius: tuple[float, float], start: float) -> Steps:
    """Steps round an ellipse.

    Args:
        armature: of the person.
        time: s.
        radius: of the ellipse along x and y, m.
        start: where on it the walk begins, rad.
    """
    offset = armature.rest_offset
    hip, knee, ankle = (armature.index(f"left_{name}") for name in ("hip", "knee", "ankle"))
    thigh, shank = (float(np.linalg.norm(offset[j])) for j in (knee, ankle))
    sole = _sole(armature)
    reach = _SPARE * (thigh + shank)
    height = sole - float(offset[hip, 2]) + np.sqrt(reach**2 - (0.5 * _SPEED * _STRIDE_S * _STANCE + 0.03) ** 2)
    phase = 2 * np.pi * time / _STRIDE_S
    place, heading = _along(time, radius, start)
    place[:, 2] = height - 0.015 * (1 + np.cos(2 * phase))
    base = SO3.exp(_about_z(heading))
    out = Steps(
        place, heading, phase, np.zeros((2, len(time), 3, 3)), np.zeros((2, len(time))), np.zeros((2, len(time), 3, 3)), _nobody(time)
    )
    for side, sign in enumerate((1.0, -1.0)):
        foot, turned, stands = _foot(time, radius, start, sign, sole, side * 0.5)
        out.stands[side] = stands
        from_hip = base.inverse() @ (foot - place) - offset[hip] * np.array([sign, 1, 1])
        length = np.linalg.norm(from_hip, axis=-1)
        inner = np.clip((thigh**2 + shank**2 - length**2) / (2 * thigh * shank), -1, 1)
        bend = np.pi - np.arccos(inner)
        out.knee[side] = bend
        # The leg in the thigh's frame, and the rotation that brings it where the foot is with the knee's axis level.
        leg = np.stack([0 * bend, shank * np.sin(bend), -thigh - shank * np.cos(bend)], -1)
        out.hip[side] = _frame(np.array([1.0, 0, 0]), from_hip) @ np.swapaxes(_frame(np.array([1.0, 0, 0]), leg), -1, -2)
        shank_turn = base.matrix @ out.hip[side] @ SO3.exp(np.stack([bend, 0 * bend, 0 * bend], -1)).matrix
        out.ankle[side] = np.swapaxes(shank_turn, -1, -2) @ turned
    return out


def _nobody(time: Float[np.ndarray, "frames"]) -> Bool[np.ndarray, "2 frames"]:
    return np.zeros((2, len(time)), bool)


def _about_z(angle: Float[np.ndarray, "frames"]) -> Float[np.ndarray, "frames 3"]:
    return np.stack([0 * angle, 0 * angle, angle], -1)


def _frame(x: Float[np.ndarray, "3"], along: Float[np.ndarray, "frames 3"]) -> Float[np.ndarray, "frames 3 3"]:
    """Axes: nearest to x, along a direction, and the third."""
    second = along / np.linalg.norm(along, axis=-1, keepdims=True)
    first = x - (second @ x)[:, None] * second
    first /= np.linalg.norm(first, axis=-1, keepdims=True)
    return np.stack([first, second, np.cross(first, second)], -1)


def _along(
    time: Float[np.ndarray, "frames"], radius: tuple[float, float], start: float
) -> tuple[Float[np.ndarray, "frames 3"], Float[np.ndarray, "frames"]]:
    """Where on the ellipse somebody is, and how it faces."""
    a, b = radius
    around = np.pi * (3 * (a + b) - np.sqrt((3 * a + b) * (a + 3 * b)))
    angle = 2 * np.pi * _SPEED * time / around + start
    place = np.stack([a * np.cos(angle), b * np.sin(angle), 0 * angle], -1)
    return place, np.unwrap(np.arctan2(b * np.cos(angle), -a * np.sin(angle))) + np.pi / 2


def _foot(
    time: Float[np.ndarray, "frames"], radius: tuple[float, float], start: float, sign: float, sole: float, delay: float
) -> tuple[Float[np.ndarray, "frames 3"], Float[np.ndarray, "frames 3 3"], Bool[np.ndarray, "frames"]]:
    """Ankle, world_from_foot, and whether it stands."""
    stride = time / _STRIDE_S - delay
    count = np.floor(stride)
    within = stride - count
    swing = np.clip((within - _STANCE) / (1 - _STANCE), 0, 1)
    smooth = swing**3 * (10 - 15 * swing + 6 * swing**2)
    places, headings = [], []
    for ahead in (0, 1):  # a foot stands where the body is in the middle of its stance
        middle = (count + ahead + delay + 0.5 * _STANCE) * _STRIDE_S
        place, heading = _along(middle, radius, start)
        side = np.stack([np.cos(heading), np.sin(heading), 0 * heading], -1)
        places.append(place + sign * _APART * side)
        headings.append(heading)
    ankle = places[0] + smooth[:, None] * (places[1] - places[0])
    ankle[:, 2] = sole + _LIFT * np.sin(np.pi * smooth) ** 2
    heading = headings[0] + smooth * (np.mod(headings[1] - headings[0] + np.pi, 2 * np.pi) - np.pi)
    pitch = SO3.exp(np.stack([0.35 * np.sin(np.pi * smooth) ** 2, 0 * smooth, 0 * smooth], -1)).matrix
    return ankle, SO3.exp(_about_z(heading)).matrix @ pitch, within < _STANCE


def _sole(armature: Armature) -> float:
    """Height of the ankle above the lowest point of a level foot, m."""
    poses = armature.forward(SE3.identity(1), np.broadcast_to(np.eye(3), (1, len(armature.joints), 3, 3)))
    points = armature.keypoints(poses)[0]
    foot = armature.skeleton.descends()[armature.attachments.joint, armature.index("left_ankle")]
    return float(poses.translation[0, armature.index("left_ankle"), 2] - points[foot, 2].min())
