"""An armature as OpenSim has bodies: segments whose frames are parallel in the anatomical position, joints with named coordinates.

Axes of a body: x forward, y up, z to the right, at its proximal joint, arms hanging. Every joint turns about z, then x,
then y of the moving body, as in the models of Delp et al. 1990 and Rajagopal et al. 2016; names and signs are theirs where they have
such a coordinate: flexion of hip, shoulder and elbow, adduction, inward rotation, knee flexion, dorsiflexion, extension
of the trunk, its bending and turning to the right and to the left are positive.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from recon3d.geometry.euler import continuous, euler
from recon3d.geometry.lie import SE3, SO3
from recon3d.skeleton.armature import Armature

ORDER = "ZXY"
FROM_OURS = np.array([[0.0, -1.0, 0.0], [0.0, 0.0, 1.0], [-1.0, 0.0, 0.0]])
"""From our axes of a segment (left, back, up) to a body's (forward, up, right)."""
GROUND = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
"""From our world (z up) to OpenSim's (y up)."""
_HANGING = np.pi / 2
_BODIES = {
    "spine": "abdomen", "chest": "torso", "shoulder": "humerus", "elbow": "radius", "wrist": "hand",
    "hip": "femur", "knee": "tibia", "ankle": "calcn",
}  # fmt: skip
_NAMES: dict[str, tuple[str, str, str]] = {
    "pelvis": ("pelvis_tilt", "pelvis_list", "pelvis_rotation"),
    "spine": ("lumbar_extension", "lumbar_bending", "lumbar_rotation"),
    "chest": ("thorax_extension", "thorax_bending", "thorax_rotation"),
    "neck": ("neck_extension", "neck_bending", "neck_rotation"),
    "head": ("head_extension", "head_bending", "head_rotation"),
    "clavicle": ("clavicle_twist", "clavicle_elevation", "clavicle_protraction"),
    "shoulder": ("arm_flex", "arm_add", "arm_rot"),
    "elbow": ("elbow_flex", "elbow_add", "pro_sup"),
    "wrist": ("wrist_flex", "wrist_dev", "wrist_rot"),
    "hip": ("hip_flexion", "hip_adduction", "hip_rotation"),
    "knee": ("knee_angle", "knee_adduction", "knee_rotation"),
    "ankle": ("ankle_angle", "subtalar_angle", "ankle_rotation"),
    "toes": ("mtp_angle", "mtp_inversion", "mtp_rotation"),
}
_NEGATIVE = {"knee_angle", "clavicle_elevation"}
ROOT_PLACE = ("pelvis_tx", "pelvis_ty", "pelvis_tz")


@dataclass(frozen=True, slots=True)
class Coordinate:
    """One angle of a model.

    Attributes:
        name: as OpenSim's models have it; ``_r`` or ``_l`` at the end.
        joint: index of the armature's joint.
        axis: 0 the first it turns about (z), 1 the second (x), 2 the third (y).
        sign: 1 where the turn is about the axis itself, -1 about its opposite.
        lowest: rad; in its own sense.
        highest: likewise.
        loose: standard deviation in plausible poses, rad.
    """

    name: str
    joint: int
    axis: int
    sign: float
    lowest: float
    highest: float
    loose: float


def body_names(armature: Armature) -> tuple[str, ...]:
    """Of the bodies, in the order of the armature's joints."""
    return tuple(_sided(joint, _BODIES) for joint in armature.joints)


def neutral_turns(armature: Armature) -> Float[np.ndarray, "joints 3 3"]:
    """Of every segment's axes, from rest (arms spread) to the anatomical position, in ours."""
    out: np.ndarray = np.tile(np.eye(3), (len(armature.joints), 1, 1))
    for j, (name, parent) in enumerate(zip(armature.joints, armature.skeleton.parents.tolist(), strict=True)):
        side, _, part = name.partition("_")
        if side in ("left", "right") and part == "shoulder":
            out[j] = SO3.exp(np.array([0.0, _HANGING if side == "left" else -_HANGING, 0.0])).matrix
        elif parent >= 0:
            out[j] = out[parent]
    return out


def coordinates(armature: Armature) -> tuple[Coordinate, ...]:
    """Angles of an armature, joint by joint in the order of their axes; those of axes about which it never turns left out."""
    neutral, out = neutral_turns(armature), list[Coordinate]()
    for j, joint in enumerate(armature.joints):
        to_body = FROM_OURS @ neutral[j]  # from the joint's own axes at rest
        names = _names(joint)
        for n, letter in enumerate(ORDER):
            row = to_body["XYZ".index(letter)]
            own = int(np.argmax(np.abs(row)))
            if not armature.free[j, own]:
                continue
            sign = -1.0 if _plain(names[n]) in _NEGATIVE else 1.0
            if joint.startswith("left_") and n > 0:
                sign = -sign
            low, high = armature.limit[j, own].tolist()
            about = sign * float(np.sign(row[own]))
            lowest, highest = (low, high) if about > 0 else (-high, -low)
            if armature.free[j].all():  # limits of a ball joint are of a twist, not of one of three angles
                lowest, highest = -np.pi, np.pi
            out.append(Coordinate(names[n], j, n, sign, lowest, highest, float(armature.looseness[j, own])))
    return tuple(out)


def coordinate_values(armature: Armature, poses: SE3) -> dict[str, Float[np.ndarray, "frames"]]:
    """Every coordinate's value, rad, without jumps; the root's place, m; NaN in frames without a pose.

    Args:
        armature: whose joints.
        poses: of all of them in the world.
    """
    neutral, parents = neutral_turns(armature), armature.skeleton.parents.tolist()
    turn = poses.rotation.matrix
    root = poses.translation[:, 0] @ GROUND.T
    out: dict[str, np.ndarray] = {}
    angles_of = coordinates(armature)
    there = np.flatnonzero(np.logical_and.reduce(np.isfinite(root), axis=-1))
    bodies: np.ndarray = FROM_OURS @ (turn[there] @ np.swapaxes(neutral, -1, -2)) @ FROM_OURS.T
    for j, parent in enumerate(parents):
        above = GROUND @ FROM_OURS.T if parent < 0 else bodies[:, parent]
        local = above @ bodies[:, j] if parent < 0 else np.swapaxes(above, -1, -2) @ bodies[:, j]
        angles = continuous(euler(local, ORDER))
        for one in (c for c in angles_of if c.joint == j):
            whole = np.full(len(turn), np.nan)
            whole[there] = one.sign * angles[:, one.axis]
            out[one.name] = whole
        if parent < 0:
            out |= {name: root[:, k].copy() for k, name in enumerate(ROOT_PLACE)}
    return out


def _names(joint: str) -> tuple[str, str, str]:
    side, _, part = joint.partition("_")
    sided = side in ("left", "right")
    names = _NAMES.get(part if sided else joint)
    if names is None:
        plain = part if sided else joint
        names = (f"{plain}_rz", f"{plain}_rx", f"{plain}_ry")
    end = f"_{side[0]}" if sided else ""
    return (names[0] + end, names[1] + end, names[2] + end)


def _plain(name: str) -> str:
    return name[:-2] if name.endswith(("_l", "_r")) else name


def _sided(joint: str, names: dict[str, str]) -> str:
    side, _, part = joint.partition("_")
    if side in ("left", "right"):
        return f"{names.get(part, part)}_{side[0]}"
    return names.get(joint, joint)
