"""What a robot is asked to do: a person's motion in the robot's size, frame by frame.

Paths are scaled by the height of the hips over the floor. The trunk and the limbs keep their directions: an elbow lies where
the person's upper arm points, one robot's upper arm away from the shoulder. Feet keep the stand of the person, as much
wider as the robot's hips are.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float
from scipy.ndimage import gaussian_filter1d, maximum_filter1d

from recon3d.arrays import runs
from recon3d.errors import InputError, all_faults
from recon3d.geometry import SE3, SO3
from recon3d.geometry.lie import slerp
from recon3d.records import Motion
from recon3d.robots.model import Robot
from recon3d.robots.planted import planted

_SIDES = ("left", "right")
_NEEDED = ("pelvis", "chest", *(f"{s}_{j}" for s in _SIDES for j in ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")))
_TO_ROBOT = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
"""From our rest pose (left along x, back along y) to a robot that stands facing +x, left along y."""
_STRETCH = 0.985  # of a leg's length: knees stay a little bent, so that they know which way to bend
_LOWERED_S = 0.05  # over which the base is lowered smoothly


@dataclass(frozen=True, slots=True, eq=False)
class Targets:
    """Where the robot should be; world in metres, z up.

    Attributes:
        time: s, evenly spaced.
        present: frames in which the person was there; in the others all go evenly from where it left to where it comes back.
        scale: robot's metres by the person's.
        pelvis: world_from_link.
        torso: world_from_link, directions only.
        foot: world_from_link, left and right.
        planted: heel and toe on the floor.
        elbow: in the torso's link, m.
        hand: likewise.
        hand_turn: torso_from_link.
    """

    time: Float[np.ndarray, "frames"]
    present: Bool[np.ndarray, "frames"]
    scale: float
    pelvis: SE3
    torso: Float[np.ndarray, "frames 3 3"]
    foot: SE3
    planted: Bool[np.ndarray, "frames 2 2"]
    elbow: Float[np.ndarray, "frames 2 3"]
    hand: Float[np.ndarray, "frames 2 3"]
    hand_turn: Float[np.ndarray, "frames 2 3 3"]

    def __len__(self) -> int:
        return len(self.time)


def targets_of(motion: Motion, robot: Robot, fps: float = 0.0) -> Targets:
    """A motion as a robot's targets.

    Args:
        motion: of a person.
        robot: to move.
        fps: frames a second; 0 for those of the motion.

    Raises:
        InputError: an armature that is no person's, nobody in the whole motion, or a frame rate that makes no sense.
    """
    lacking = [name for name in _NEEDED if name not in motion.armature.joints]
    if lacking:
        raise InputError(f"armature {motion.armature.skeleton.name} has no {', '.join(lacking)}: it is not a person's")
    if not motion.present().any():
        raise InputError(f"person {motion.person} is in no frame of the motion")
    scale = _scale(motion, robot)
    time, present, poses, contact = _sampled(motion, fps)
    there = runs(present)
    parts = [
        _while_there(motion, robot, scale, time[r], SE3(SO3(poses.rotation.matrix[r]), poses.translation[r]), contact[r]) for r in there
    ]
    return _bridged(time, present, scale, there, parts)


def _while_there(motion: Motion, robot: Robot, scale: float, time: np.ndarray, poses: SE3, contact: np.ndarray) -> "_Part":
    """Targets of frames in a row in which the person was there."""
    at = {name: motion.armature.index(name) for name in motion.armature.joints}
    turn, place = poses.rotation.matrix, poses.translation
    faces = {part: _TO_ROBOT.T @ pose.rotation.matrix for part, pose in robot.rest.items()}
    pelvis_turn = turn[:, at["pelvis"]] @ faces["pelvis"]
    torso = turn[:, at["chest"]] @ faces["torso"]
    sides: list[SE3] = []
    stands = np.zeros((len(time), 2, 2), bool)
    wider = _wider(motion, robot, scale)
    for k, side in enumerate(_SIDES):
        foot_turn = turn[:, at[f"{side}_ankle"]] @ faces[f"{side}_foot"]
        foot_place = scale * place[:, at[f"{side}_ankle"]] + (1 - 2 * k) * wider * _sideways(turn[:, at["pelvis"]])
        foot_place[:, 2] += robot.rest[f"{side}_foot"].translation[2] - _floor(robot) - scale * _ankle_height(motion, side)
        toes = at.get(f"{side}_toes")
        heel = contact[:, at[f"{side}_ankle"]]
        stands[:, k] = np.stack([heel, heel if toes is None else contact[:, toes]], -1)
        level = robot.rest[f"{side}_foot"].rotation.matrix
        sides.append(planted(SE3(SO3(foot_turn), foot_place), stands[:, k], robot.sole[k], level, time))
    foot = SE3(SO3(np.stack([s.rotation.matrix for s in sides], 1)), np.stack([s.translation for s in sides], 1))
    hips = scale * 0.5 * (place[:, at["left_hip"]] + place[:, at["right_hip"]])
    hip_in_pelvis = np.stack([robot.rest["pelvis"].inverse() @ robot.rest[f"{s}_hip"].translation for s in _SIDES])
    pelvis_place = hips - (pelvis_turn @ hip_in_pelvis.mean(0))
    pelvis_place[:, 2] -= _lowered(robot, pelvis_turn, pelvis_place, hip_in_pelvis, foot.translation, stands, time)
    foot_place = _within_reach(robot, pelvis_turn, pelvis_place, hip_in_pelvis, foot.translation)
    elbow, hand, hand_turn = _arms(robot, turn, place, at, torso)
    turns = np.concatenate([pelvis_turn[:, None], torso[:, None], foot.rotation.matrix, hand_turn], 1)
    return _Part(turns, np.concatenate([pelvis_place[:, None], foot_place, elbow, hand], 1), stands)


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """Of some frames: turns of pelvis, torso, feet and hands; places of pelvis, feet, elbows and hands; what stands."""

    turn: Float[np.ndarray, "frames 6 3 3"]
    place: Float[np.ndarray, "frames 7 3"]
    stands: Bool[np.ndarray, "frames 2 2"]


def _bridged(time: np.ndarray, present: np.ndarray, scale: float, there: list[slice], parts: list[_Part]) -> Targets:
    """All frames: where nobody is there, evenly from where the person left to where it comes back; nothing stands meanwhile."""
    rows = np.flatnonzero(present)
    after = np.clip(np.searchsorted(rows, np.arange(len(time))), 0, len(rows) - 1)
    before = np.where(rows[after] > np.arange(len(time)), np.maximum(after - 1, 0), after)
    first, last = rows[before], rows[after]
    share = np.clip((np.arange(len(time)) - first) / np.maximum(last - first, 1), 0.0, 1.0)
    share = share * share * (3 - 2 * share)
    turn, place = np.concatenate([p.turn for p in parts]), np.concatenate([p.place for p in parts])
    stands = np.zeros((len(time), 2, 2), bool)
    for run, part in zip(there, parts, strict=True):
        stands[run] = part.stands
    wxyz = slerp(SO3(turn[before]).wxyz(), SO3(turn[after]).wxyz(), share[:, None, None])
    turns = SO3.from_wxyz(wxyz).matrix
    places = place[before] + share[:, None, None] * (place[after] - place[before])
    return Targets(
        time,
        present,
        scale,
        SE3(SO3(turns[:, 0]), places[:, 0]),
        turns[:, 1],
        SE3(SO3(turns[:, 2:4]), places[:, 1:3]),
        stands,
        places[:, 3:5],
        places[:, 5:7],
        turns[:, 4:6],
    )


def _sampled(motion: Motion, fps: float) -> tuple[np.ndarray, np.ndarray, SE3, np.ndarray]:
    """Times, presence, poses and contacts, evenly spaced; frames without the person hold something that is not used."""
    if fps < 0 or not np.isfinite(fps) or fps > 10_000:
        raise InputError(f"{fps:g} frames a second make no sense")
    there = motion.present()
    last = np.maximum.accumulate(np.where(there, np.arange(len(motion)), -1))
    last = np.where(last < 0, int(np.argmax(there)), last)
    poses = motion.poses()
    turn, place = poses.rotation.matrix[last], poses.translation[last]
    if fps:
        count = int(np.floor((motion.time[-1] - motion.time[0]) * fps + 1e-6)) + 1
        time = motion.time[0] + np.arange(count) / fps
    elif len(motion) > 1:
        time = np.linspace(motion.time[0], motion.time[-1], len(motion))
    else:
        time = motion.time.copy()
    after = np.clip(np.searchsorted(motion.time, time, side="right"), 1, max(len(motion) - 1, 1))
    before = np.minimum(after - 1, len(motion) - 1)
    after = np.minimum(after, len(motion) - 1)
    step = np.maximum(motion.time[after] - motion.time[before], 1e-12)
    share = np.clip((time - motion.time[before]) / step, 0.0, 1.0)
    near = np.where(share < 0.5, before, after)
    wxyz = slerp(SO3(turn[before]).wxyz(), SO3(turn[after]).wxyz(), share[:, None, None])
    mixed = place[before] + share[:, None, None] * (place[after] - place[before])
    return time, there[near], SE3(SO3.from_wxyz(wxyz), mixed), motion.contact[near]


def _scale(motion: Motion, robot: Robot) -> float:
    """By the height of the hips over the soles, legs straight down."""
    faults: list[str] = []
    mine = np.mean([_leg(motion, side) + _ankle_height(motion, side) for side in _SIDES])
    its = np.mean([_robot_leg(robot, side) for side in _SIDES]) + robot.rest["left_foot"].translation[2] - _floor(robot)
    if not mine > 0.1:
        faults.append("the person's legs have no length")
    if not its > 0.05:
        faults.append("the robot's legs have no length: are hip, knee and foot of its card the right links?")
    if faults:
        raise InputError(all_faults(faults, "the motion cannot be put on the robot:"))
    return float(its / mine)


def _leg(motion: Motion, side: str) -> float:
    offset = motion.armature.rest_offset
    return sum(float(np.linalg.norm(offset[motion.armature.index(f"{side}_{joint}")])) for joint in ("knee", "ankle"))


def _robot_leg(robot: Robot, side: str) -> float:
    at = [robot.rest[f"{side}_{part}"].translation for part in ("hip", "knee", "foot")]
    return float(np.linalg.norm(at[1] - at[0]) + np.linalg.norm(at[2] - at[1]))


def _ankle_height(motion: Motion, side: str) -> float:
    """Of the ankle over the lowest point of the foot at rest."""
    armature = motion.armature
    rest = armature.rest_positions()
    ankle = armature.index(f"{side}_ankle")
    below = [float(rest[ankle, 2] - rest[j, 2]) for j in np.flatnonzero(armature.skeleton.descends()[:, ankle])]
    points = armature.attachments
    below += [
        float(rest[ankle, 2] - rest[j, 2] - points.offset[k, 2])
        for k, j in enumerate(points.joint.tolist())
        if armature.skeleton.descends()[j, ankle]
    ]
    return max(below)


def _floor(robot: Robot) -> float:
    """Height of the soles when the robot stands with its base at the origin."""
    return min(float((robot.rest[f"{s}_foot"] @ robot.sole[k]).min(0)[2]) for k, s in enumerate(_SIDES))


def _wider(motion: Motion, robot: Robot, scale: float) -> float:
    """How much farther to the side the robot's legs hang than the scaled person's."""
    rest = motion.armature.rest_positions()
    mine = 0.5 * float(np.linalg.norm(rest[motion.armature.index("left_hip")] - rest[motion.armature.index("right_hip")]))
    its = 0.5 * float(robot.rest["left_foot"].translation[1] - robot.rest["right_foot"].translation[1])
    return its - scale * mine


def _sideways(pelvis: Float[np.ndarray, "frames 3 3"]) -> Float[np.ndarray, "frames 3"]:
    """The level direction to the person's left."""
    left = pelvis[:, :, 0] * [1.0, 1.0, 0.0]
    return left / np.maximum(np.linalg.norm(left, axis=-1, keepdims=True), 1e-9)


def _lowered(
    robot: Robot,
    turn: Float[np.ndarray, "frames 3 3"],
    place: Float[np.ndarray, "frames 3"],
    hips: Float[np.ndarray, "2 3"],
    feet: Float[np.ndarray, "frames 2 3"],
    stands: Bool[np.ndarray, "frames 2 2"],
    time: Float[np.ndarray, "frames"],
) -> Float[np.ndarray, "frames"]:
    """By how much the base must come down for legs that stand to reach their feet with bent knees."""
    reach = _STRETCH * np.array([_robot_leg(robot, s) for s in _SIDES])
    hip = place[:, None] + np.einsum("fij,kj->fki", turn, hips)
    apart = np.linalg.norm((hip - feet)[..., :2], axis=-1)
    highest = feet[..., 2] + np.sqrt(np.maximum(reach**2 - apart**2, 0.0))
    needed = np.where(stands.any(-1), np.maximum(hip[..., 2] - highest, 0.0), 0.0).max(1)
    if len(time) < 2:
        return needed
    sigma = _LOWERED_S / float(np.median(np.diff(time)))
    return gaussian_filter1d(maximum_filter1d(needed, 2 * int(2 * sigma) + 1, mode="nearest"), sigma, mode="nearest")


def _within_reach(
    robot: Robot,
    turn: Float[np.ndarray, "frames 3 3"],
    place: Float[np.ndarray, "frames 3"],
    hips: Float[np.ndarray, "2 3"],
    feet: Float[np.ndarray, "frames 2 3"],
) -> Float[np.ndarray, "frames 2 3"]:
    """Feet in the air no farther from the hip than a leg with a bent knee is long; those that stand are, by `_lowered`."""
    reach = _STRETCH * np.array([_robot_leg(robot, s) for s in _SIDES])
    leg = feet - (place[:, None] + np.einsum("fij,kj->fki", turn, hips))
    beyond = np.maximum(np.linalg.norm(leg, axis=-1) / reach, 1.0)
    return feet - leg * (1 - 1 / beyond)[..., None]


def _arms(
    robot: Robot,
    turn: Float[np.ndarray, "frames joints 3 3"],
    place: Float[np.ndarray, "frames joints 3"],
    at: dict[str, int],
    torso: Float[np.ndarray, "frames 3 3"],
) -> tuple[Float[np.ndarray, "frames 2 3"], Float[np.ndarray, "frames 2 3"], Float[np.ndarray, "frames 2 3 3"]]:
    """Elbows, hands and how hands turn, in the torso's link."""
    elbows, hands, turns = [], [], []
    back = np.swapaxes(torso, -1, -2)
    for k, side in enumerate(_SIDES):
        own = [robot.rest[f"{side}_{part}"].translation for part in ("shoulder", "elbow", "hand")]
        shoulder = robot.rest["torso"].inverse() @ own[0]
        joints = [place[:, at[f"{side}_{joint}"]] for joint in ("shoulder", "elbow", "wrist")]
        upper, lower = (_unit(b - a) for a, b in pairwise(joints))
        elbow = shoulder + np.linalg.norm(own[1] - own[0]) * (back @ upper[..., None])[..., 0]
        elbows.append(elbow)
        hands.append(elbow + np.linalg.norm(own[2] - own[1]) * (back @ lower[..., None])[..., 0])
        turns.append(back @ turn[:, at[f"{side}_wrist"]] @ _hand_axes(robot, k))
    return np.stack(elbows, 1), np.stack(hands, 1), np.stack(turns, 1)


def _hand_axes(robot: Robot, side: int) -> Float[np.ndarray, "3 3"]:
    """From a hand's link to our wrist: fingers point outwards at rest, thumbs forward. A right hand's link mirrors the left one's."""
    card = robot.card
    if card.fingers is None or card.thumb is None:
        return np.eye(3)
    fingers = np.array([1.0 - 2.0 * side, 0.0, 0.0])
    thumb = np.array([0.0, -1.0, 0.0])
    ours = np.stack([fingers, thumb, np.cross(fingers, thumb)], -1)
    its = np.stack([card.fingers, card.thumb, np.cross(card.fingers, card.thumb)], -1)
    return ours @ its.T


def _unit(v: Float[np.ndarray, "frames 3"]) -> Float[np.ndarray, "frames 3"]:
    return v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-9)
