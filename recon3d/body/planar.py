"""Flat and thin figures: of rectangles round keypoints (Ju, Black and Yacoob 1996, cardboard people), and of a skeleton's bones."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from recon3d.body.outline import PARTS, Outline, filled, rings_of
from recon3d.errors import InputError
from recon3d.geometry import SE3, Camera
from recon3d.skeleton import Armature

# Of the open body at its most usual: lengths that tell how large somebody is in the picture, and how wide parts are, m.
_LENGTHS = {("shoulder", "elbow"): 0.287, ("elbow", "wrist"): 0.258, ("hip", "knee"): 0.448, ("knee", "ankle"): 0.454}
_WIDTHS = {"upper_arm": 0.094, "forearm": 0.08, "hand": 0.09, "thigh": 0.17, "shank": 0.12, "foot": 0.09}
_TRUNK_M = 0.52  # from hips to shoulders
_TRUNK_DEEP = 0.22
_TRUNK_BESIDE = 0.045  # skin beyond the shoulders and the hips
_HEAD_WIDE, _HEAD_HIGH = 0.16, 0.24
_HAND_LONG = 0.17
_STICK_M = 0.03
_BONES = {
    "upper_arm": ("shoulder", "elbow"), "forearm": ("elbow", "wrist"), "thigh": ("hip", "knee"), "shank": ("knee", "ankle"),
}  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class CardboardFigure:
    """Somebody of rectangles, from 2D keypoints alone.

    Attributes:
        xy: keypoints by name, px.
    """

    xy: Mapping[str, Float[np.ndarray, "2"]]

    def __post_init__(self) -> None:
        if not np.isfinite(self._px_m()):
            raise InputError("cardboard needs both ends of a limb: shoulder and elbow, elbow and wrist, hip and knee, or knee and ankle")

    def outline(self, camera: Camera) -> Outline:
        """In the picture that the keypoints are of, which is this camera's; whatever is nearer is not known: limbs lie over the trunk."""
        scale, size = self._px_m(), camera.intrinsics.size
        parts: dict[str, tuple[np.ndarray, ...]] = {}
        trunk = self._trunk(scale)
        if trunk is not None:
            parts["trunk"] = (trunk,)
        head = self._head(scale)
        if head is not None:
            parts["head"] = (head,)
        for side in ("left", "right"):
            for part, (first, last) in _BONES.items():
                a, b = self._at(f"{side}_{first}"), self._at(f"{side}_{last}")
                if np.isfinite(a + b).all():
                    parts[f"{side}_{part}"] = (_rectangle(a, b, _WIDTHS[part] * scale),)
            self._ends(side, scale, parts)
        return _of_parts(parts, size)

    def _at(self, name: str) -> Float[np.ndarray, "2"]:
        return np.asarray(self.xy.get(name, (np.nan, np.nan)), float)

    def _px_m(self) -> float:
        """Pixels a metre: of the limb that is shortened least."""
        found = [np.linalg.norm(self._at("thorax") - self._at("mid_hip")) / _TRUNK_M]
        for (first, last), length in _LENGTHS.items():
            found += [np.linalg.norm(self._at(f"{side}_{first}") - self._at(f"{side}_{last}")) / length for side in ("left", "right")]
        known = [value for value in found if np.isfinite(value) and value > 0]
        return float(np.max(known)) if known else np.nan

    def _trunk(self, scale: float) -> np.ndarray | None:
        corners = np.stack([self._at(name) for name in ("left_shoulder", "right_shoulder", "right_hip", "left_hip")])
        if not np.isfinite(corners).all():
            return None
        middle = np.array([0, 0, 2, 2])
        centre = 0.5 * (corners[middle] + corners[middle + 1])
        away = corners - centre
        long = np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-9)
        up = _unit(centre[0] - centre[2])
        # From beside, shoulders and hips lie over each other: a trunk is as wide as it is deep at the least.
        square = np.array([1.0, -1.0]) * up[::-1]
        side = np.where(away @ square >= 0, 1.0, -1.0)[:, None] * square
        side[1], side[3] = -side[0], -side[2]
        wide = np.where(
            long < 0.5 * _TRUNK_DEEP * scale, centre + side * 0.5 * _TRUNK_DEEP * scale, corners + away / long * _TRUNK_BESIDE * scale
        )
        rise = np.array([1.0, 1.0, -1.0, -1.0])[:, None] * up * 0.5 * _TRUNK_BESIDE * scale
        return wide + rise

    def _head(self, scale: float) -> np.ndarray | None:
        seen = [self._at(name) for name in ("nose", "left_eye", "right_eye", "left_ear", "right_ear")]
        known = np.array([one for one in seen if np.isfinite(one).all()])
        shoulders = 0.5 * (self._at("left_shoulder") + self._at("right_shoulder"))
        if not len(known) or not np.isfinite(shoulders).all():
            return None
        middle = known.mean(0)
        along = _unit(middle - shoulders)
        return _rectangle(shoulders, middle + 0.5 * _HEAD_HIGH * scale * along, _HEAD_WIDE * scale)

    def _ends(self, side: str, scale: float, parts: dict[str, tuple[np.ndarray, ...]]) -> None:
        """Hands go on from forearms; feet lead from the heel or the ankle to the toes."""
        elbow, wrist = self._at(f"{side}_elbow"), self._at(f"{side}_wrist")
        if np.isfinite(elbow + wrist).all():
            parts[f"{side}_hand"] = (_rectangle(wrist, wrist + _HAND_LONG * scale * _unit(wrist - elbow), _WIDTHS["hand"] * scale),)
        toes = [self._at(f"{side}_{name}") for name in ("big_toe", "foot_index", "small_toe")]
        heels = [self._at(f"{side}_{name}") for name in ("heel", "ankle")]
        toe = next((one for one in toes if np.isfinite(one).all()), None)
        heel = next((one for one in heels if np.isfinite(one).all()), None)
        if toe is not None and heel is not None:
            parts[f"{side}_foot"] = (_rectangle(heel, toe, _WIDTHS["foot"] * scale),)


@dataclass(frozen=True, slots=True, eq=False)
class StickFigure:
    """A skeleton in one frame.

    Attributes:
        armature: of it.
        poses: world_from_joint, frames by joints.
        row: of the frames.
    """

    armature: Armature
    poses: SE3
    row: int = 0

    def outline(self, camera: Camera) -> Outline:
        """Bones as wide as a finger; farther ones come first."""
        at = dict(zip(self.armature.joints, self.poses.translation[self.row], strict=True))
        bones = {f"{side}_{part}": (f"{side}_{a}", f"{side}_{b}") for side in ("left", "right") for part, (a, b) in _BONES.items()}
        bones |= {f"{side}_foot": (f"{side}_ankle", f"{side}_toes") for side in ("left", "right")}
        bones |= {"trunk": ("pelvis", "neck"), "head": ("neck", "head")}
        depth: dict[str, float] = {}
        found: dict[str, tuple[np.ndarray, ...]] = {}
        for part, ends in bones.items():
            if not all(end in at and np.isfinite(at[end]).all() for end in ends):
                continue
            places = np.stack([at[end] for end in ends])
            own = camera.cam_from_world @ places
            if (own[:, 2] <= 0).any():
                continue
            xy = camera.project(places)
            wide = _STICK_M * camera.intrinsics.K[0, 0] / own[:, 2].mean()
            depth[part], found[part] = float(own[:, 2].mean()), (_rectangle(xy[0], xy[1], wide),)
        order = sorted(found, key=lambda part: -depth[part])
        return _of_parts({part: found[part] for part in order}, camera.intrinsics.size)


def _of_parts(parts: Mapping[str, tuple[np.ndarray, ...]], size: tuple[int, int]) -> Outline:
    """The whole is what any part covers."""
    assert set(parts) <= set(PARTS)
    covered = filled([ring for rings in parts.values() for ring in rings], size)
    return Outline(size, rings_of(covered), dict(parts))


def _rectangle(a: Float[np.ndarray, "2"], b: Float[np.ndarray, "2"], width: float) -> Float[np.ndarray, "4 2"]:
    across = 0.5 * width * np.array([-1.0, 1.0]) * _unit(b - a)[::-1]
    return np.stack([a + across, b + across, b - across, a - across])


def _unit(v: np.ndarray) -> np.ndarray:
    return v / max(float(np.linalg.norm(v)), 1e-9)
