"""Joint angles in the anatomical sense: flexion, abduction and rotation of one segment against another.

Each angle is that of a distal against a proximal segment, with both segments' axes parallel in the anatomical position
(standing, arms hanging, palms to the thighs): x to the subject's left, y backward, z up. The rotation is taken apart as
the International Society of Biomechanics advises (Wu et al. 2002, hip and ankle; Grood and Suntay 1983, knee): first
about the proximal segment's mediolateral axis (flexion), then about the floating axis (abduction), then about the
distal segment's long axis (rotation). Elbows alike, with the hinge of the armature as first axis. Shoulders are given
twice: as above, and in the order Y-X-Y of Wu et al. 2005 (plane of elevation, elevation, axial rotation), which has no
singular arm by the side of the head but one by the side of the body.

Signs: flexion moves a limb forward (a knee's shank backward, a foot's toes up), abduction moves it away from the middle
of the body (a foot's sole outward), rotation turns it inward; on both sides alike. Of the trunk: flexion forward,
lateral bending to the left, rotation to the left.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from recon3d.geometry.euler import euler
from recon3d.geometry.lie import SE3, SO3
from recon3d.skeleton.armature import Armature

Turns = Float[np.ndarray, "frames 3 3"]
Angles = dict[str, Float[np.ndarray, "frames"]]
_PARTS = ("flexion", "abduction", "rotation")
_TRUNK = ("flexion", "bending", "rotation")


@dataclass(frozen=True, slots=True)
class AngleOf:
    """One joint's angles.

    Attributes:
        name: of the joint, without its side.
        proximal: joint whose frame the angles are taken against, without its side; of several names that which there is.
        distal: joint whose frame they are of.
        neutral: turn (rotation vector, rad) of the left distal segment from rest to the anatomical position.
        parts: names of the angles.
        signs: of the left side's, that make them read as said above.
        order: axes about which one turns.
    """

    name: str
    proximal: str
    distal: str
    neutral: tuple[float, float, float] = (0.0, 0.0, 0.0)
    parts: tuple[str, str, str] = _PARTS
    signs: tuple[float, float, float] = (-1.0, -1.0, -1.0)
    order: str = "xyz"


_HANGING = (0.0, np.pi / 2, 0.0)
SIDED = (
    AngleOf("hip", "pelvis", "hip"),
    AngleOf("knee", "hip", "knee", signs=(1.0, -1.0, -1.0)),
    AngleOf("ankle", "knee", "ankle"),
    AngleOf("shoulder", "chest|spine3", "shoulder", _HANGING),
    AngleOf(
        "shoulder", "chest|spine3", "shoulder", _HANGING, ("plane_of_elevation", "elevation", "axial_rotation"), (1.0, -1.0, -1.0), "zyz"
    ),
    AngleOf("elbow", "shoulder", "elbow", parts=("flexion", "abduction", "pronation"), signs=(-1.0, 1.0, 1.0), order="zyx"),
)
MIDDLE = (
    AngleOf("trunk", "pelvis", "chest|spine3", parts=_TRUNK, signs=(1.0, 1.0, 1.0)),
    AngleOf("neck", "chest|spine3", "head", parts=_TRUNK, signs=(1.0, 1.0, 1.0)),
)

_SIDES = ("left", "right")
JOINTS = {f"{side}_{one.name}": f"{side}_{one.distal}" for one in SIDED for side in _SIDES} | {"neck": "head"}
"""The joint of an armature that turns with each of them."""


def joint_angles(armature: Armature, poses: SE3) -> Angles:
    """Angles by ``<side>_<joint>.<part>``, degrees, without jumps; of those joints that the armature has.

    Args:
        armature: with joints named as the default body's.
        poses: of all its joints in the world.
    """
    turn = {name: poses.rotation.matrix[:, j] for j, name in enumerate(armature.joints)}
    out: Angles = {}
    for one in MIDDLE:
        proximal, distal = _there(one.proximal, turn), _there(one.distal, turn)
        if proximal and distal:
            out |= _named(one.name, one, _between(turn[proximal], turn[distal], np.zeros(3)))
    for one in SIDED:
        for side, mirror in (("left", 1.0), ("right", -1.0)):
            proximal = _there(one.proximal, turn) or _there(f"{side}_{one.proximal}", turn)
            distal = _there(f"{side}_{one.distal}", turn)
            if proximal and distal:
                image = np.array([mirror, 1.0, 1.0])
                # The mirror image of a turn about y or z goes the other way round; that of a right limb is a left one.
                seen = _between(turn[proximal], turn[distal], np.array(one.neutral) * (1.0, mirror, mirror))
                out |= _named(f"{side}_{one.name}", one, image[:, None] * seen * image)
    return {name: _unwrapped(angle) for name, angle in out.items()}


def _there(names: str, turn: Mapping[str, Turns]) -> str | None:
    """The first of some names that there is."""
    return next((name for name in names.split("|") if name in turn), None)


def _between(proximal: Turns, distal: Turns, neutral: Float[np.ndarray, "3"]) -> Turns:
    """proximal_from_distal, the identity in the anatomical position."""
    return np.swapaxes(proximal, -1, -2) @ distal @ SO3.exp(-neutral).matrix


def _named(name: str, one: AngleOf, turn: Turns) -> Angles:
    angles = ORDERS[one.order](turn).T
    return {f"{name}.{part}": np.rad2deg(sign * angle) for part, sign, angle in zip(one.parts, one.signs, angles, strict=True)}


def _elevation(turn: Turns) -> Float[np.ndarray, "frames 3"]:
    """R = R_z(a) R_y(b) R_z(c) with b not positive: the arm is raised by -b in the plane that a says."""
    b = -np.arccos(np.clip(turn[:, 2, 2], -1.0, 1.0))
    a = np.arctan2(-turn[:, 1, 2], -turn[:, 0, 2])
    c = np.arctan2(-turn[:, 2, 1], turn[:, 2, 0])
    return np.stack([a, b, c], -1)


ORDERS: dict[str, Callable[[Turns], Float[np.ndarray, "frames 3"]]] = {
    "xyz": lambda turn: euler(turn, "XYZ"),
    "zyx": lambda turn: euler(turn, "ZYX"),
    "zyz": _elevation,
}


def _unwrapped(angle: Float[np.ndarray, "frames"]) -> Float[np.ndarray, "frames"]:
    """Without jumps of a whole turn; gaps stay gaps."""
    out = angle.copy()
    known = np.isfinite(angle)
    out[known] = np.unwrap(angle[known], period=360.0)
    return out
