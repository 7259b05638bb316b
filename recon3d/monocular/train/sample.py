"""Training windows: pieces of motion, bodies of other proportions, cameras anywhere, detections as detectors make them.

All of a batch at once; a seed decides everything.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from recon3d.geometry import SO3
from recon3d.monocular.lifter import STANDARD_M, weight_of
from recon3d.monocular.points import JOINTS, POINTS, columns, mirrored
from recon3d.monocular.train.mocap import BONES, Clips
from recon3d.monocular.train.noise import DetectorNoise, detect, limbs
from recon3d.monocular.virtual import look_at
from recon3d.skeleton import load_layout

_LAYOUTS = (("coco_17", 0.3), ("body_25", 0.2), ("halpe_26", 0.2), ("mediapipe_33", 0.2), ("h36m_17", 0.1))
_UPPER = np.array([not any(p in n for p in ("pelvis", "hip", "knee", "ankle", "toes")) for n in JOINTS])
_UPPER_POINTS = np.array([not any(p in n for p in ("pelvis", "hip", "knee", "ankle", "toe", "heel")) for n in POINTS])
_SWAPPED = mirrored(POINTS)
_BENT_SHARE = 0.35  # of windows, for each of the turns below


def _beyond(names: tuple[str, ...], side: str, parts: tuple[str, ...]) -> np.ndarray:
    return np.flatnonzero([n.startswith(side) and any(p in n for p in parts) for n in names])


# About which joint what turns, and how far (rad, one sigma): the trunk, arms and legs as a whole, forearms.
_TURNED: tuple[tuple[str, np.ndarray, np.ndarray, float], ...] = (
    ("pelvis", np.flatnonzero(_UPPER), np.flatnonzero(_UPPER_POINTS), 0.3),
    *(
        (f"{side}_{pivot}", _beyond(JOINTS, side, parts), _beyond(POINTS, side, parts), spread)
        for side in ("left", "right")
        for pivot, parts, spread in (
            ("shoulder", ("elbow", "wrist"), 0.5),
            ("elbow", ("wrist",), 0.3),
            ("hip", ("knee", "ankle", "toe", "heel"), 0.3),
        )
    ),
)
_LENGTH_SPREAD = {"shoulder": 0.2, "hip": 0.15}  # sources put these joints further in or out than people have them
_ANY_WAY = 0.12  # of windows are seen from anywhere, with the camera turned anyhow: as somebody who lies or tumbles is seen
_USUAL_NOISE = DetectorNoise()
_MIRROR = np.array([-1.0, 1.0, 1.0], np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Inputs and answers.

    Attributes:
        points: x, y in the person's size and weight of each point; 0, 0, 0 where absent.
        extra: per frame: shift of the view's axis (2), spread, logarithm of the size, up in the view (3, zeros where it is unknown).
        time: s, from the window's first frame.
        there: frames that are not padding.
        joints: about the pelvis, in the virtual camera's axes, m of a standard body.
        known: joints that were measured.
        root: pelvis in the view: x, y over depth in the person's size, and the logarithm of depth times size over the body.
    """

    points: Float[np.ndarray, "batch frames points 3"]
    extra: Float[np.ndarray, "batch frames 7"]
    time: Float[np.ndarray, "batch frames"]
    there: Float[np.ndarray, "batch frames"]
    joints: Float[np.ndarray, "batch frames joints 3"]
    known: Float[np.ndarray, "batch joints"]
    root: Float[np.ndarray, "batch frames 3"]


@dataclass(frozen=True, slots=True)
class SampleSettings:
    """How windows are made."""

    augment: bool = True
    """Other proportions, mirror images, speeds, upper bodies of others."""
    up_known: float = 0.4
    """Share of windows in which the camera's tilt is given."""
    noise: DetectorNoise | None = _USUAL_NOISE
    """Of detectors; None for exact points."""
    layout: str = ""
    """One layout for all windows; "" for any."""
    fps: float = 0.0
    """Frame rate; 0 for any from 10 to 60."""
    tilt: bool = True
    """Cameras from above and below, rolled."""


class Sampler:
    """Windows out of clips."""

    def __init__(self, clips: Clips, settings: SampleSettings, seed: int):
        self._clips, self._settings = clips, settings
        self._rng = np.random.default_rng(seed)
        self._points = clips.points()
        length = np.diff(clips.start)
        # Low poses are rare: clips with many of them count more.
        low = np.array([float(np.mean(self._height(a, b) < 0.7)) for a, b in zip(clips.start[:-1], clips.start[1:], strict=True)])
        share = length * (1 + 3 * low) if settings.augment else length
        self._share = share / share.sum()
        self._masks = {}
        for name, _ in _LAYOUTS:
            self._masks[name] = columns(load_layout(name)) >= 0

    def reseed(self, seed: list[int]) -> None:
        """From here on everything is decided by this seed."""
        self._rng = np.random.default_rng(seed)

    def _height(self, a: int, b: int) -> np.ndarray:
        j = self._clips.joints[a:b]
        return (j[:, JOINTS.index("head"), 2] - j[..., 2].min(1)) / 1.4

    def batch(self, size: int, frames: int) -> Batch:
        """So many windows of so many frames."""
        rng, own = self._rng, self._settings
        clip, time, there, joints, points = self._windows(size, frames)
        if own.augment:
            other = self._windows(size, frames)
            chosen = (rng.random(size) < 0.15)[:, None, None, None]
            joints, points = _mixed(chosen, joints, points, other[3], other[4])
            joints, points = _bent(joints, points, rng)
            joints, points = _resized(joints, points, rng)
            turned = (rng.random(size) < 0.5)[:, None, None, None]
            joints = np.where(turned, (joints * _MIRROR)[:, :, mirrored(JOINTS)], joints)
            points = np.where(turned, (points * _MIRROR)[:, :, _SWAPPED], points)
        view, up, place = _camera(joints, rng, own.tilt, _ANY_WAY if own.augment else 0.0)
        seen = np.einsum("bij,bfpj->bfpi", view, points) + place[:, None, None]
        depth = np.where(seen[..., 2] > 0.2, seen[..., 2], np.nan)
        clean = seen[..., :2] / depth[..., None]
        ray, weight = self._detected(clean, limbs(seen), time, rng)
        looked = look_at(ray)
        inside = np.isfinite(ray).all(-1)
        weight = np.where(inside, weight, 0.0)
        told = (rng.random(size) < own.up_known)[:, None, None]
        extra = np.concatenate(
            [
                looked.shift,
                looked.spread[..., None],
                np.broadcast_to(np.log(looked.size)[:, None, None], (size, frames, 1)),
                np.where(told, (looked.turn @ up[:, None, :, None])[..., 0], 0.0),
            ],
            -1,
        )
        body = np.einsum("bfij,bfpj->bfpi", looked.turn, np.einsum("bij,bfpj->bfpi", view, joints) + place[:, None, None])
        scale = STANDARD_M / _body_size(joints)
        pelvis = body[:, :, 0]
        far = np.maximum(pelvis[..., 2:], 0.1)
        root = np.concatenate(
            [
                pelvis[..., :2] / far / looked.size[:, None, None],
                np.log(far * looked.size[:, None, None] * scale[:, None, None] / STANDARD_M),
            ],
            -1,
        )
        good = there & inside.any(-1) & (pelvis[..., 2] > 0.3)
        return Batch(
            points=np.concatenate([looked.xy, weight[..., None]], -1).astype(np.float32),
            extra=extra.astype(np.float32),
            time=time.astype(np.float32),
            there=good.astype(np.float32),
            joints=((body - pelvis[:, :, None]) * scale[:, None, None, None]).astype(np.float32),
            known=self._clips.known[clip].astype(np.float32),
            root=root.astype(np.float32),
        )

    def _windows(self, size: int, frames: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Clips, times, what is no padding, joints and points."""
        rng, own, clips = self._rng, self._settings, self._clips
        clip = rng.choice(len(self._share), size, p=self._share)
        rate = np.full(size, own.fps) if own.fps else np.exp(rng.uniform(np.log(10), np.log(60), size))
        time = np.arange(frames) / rate[:, None]
        speed = np.exp(rng.uniform(np.log(0.75), np.log(1.35), size)) if own.augment else np.ones(size)
        first, last = clips.start[clip], clips.start[clip + 1] - 1
        span = (last - first) / 30.0
        start = rng.random(size) * np.maximum(span - time[:, -1] * speed, 0.0)
        at = start[:, None] + time * speed[:, None]
        there = at <= span[:, None] + 1e-9
        row = np.clip(first[:, None] + 30.0 * at, first[:, None], last[:, None])
        low = np.minimum(row.astype(np.int64), last[:, None])
        high = np.minimum(low + 1, last[:, None])
        part = (row - low)[..., None, None].astype(np.float32)
        joints = clips.joints[low] * (1 - part) + clips.joints[high] * part
        points = self._points[low] * (1 - part) + self._points[high] * part
        return clip, time, there, joints, points

    def _detected(self, clean: np.ndarray, limb: np.ndarray, time: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """What a detector says in one layout or another, and how much it is to be trusted (1 for exact)."""
        own, size = self._settings, len(clean)
        ray, told = (clean, np.zeros(clean.shape[:3])) if own.noise is None else detect(clean, limb, time, own.noise, rng)
        names = [n for n, _ in _LAYOUTS]
        drawn = [own.layout] * size if own.layout else rng.choice(names, size, p=[p for _, p in _LAYOUTS]).tolist()
        mask = np.stack([self._masks[name] for name in drawn])
        return np.where(mask[:, None, :, None], ray, np.nan), weight_of(told)


def _body_size(joints: np.ndarray) -> np.ndarray:
    """Of each window: thigh, shank and trunk, m."""
    at = {name: joints[:, :, JOINTS.index(name)] for name in JOINTS}
    size = np.zeros(joints.shape[:2])
    for side in ("left", "right"):
        for a, b in (("hip", "knee"), ("knee", "ankle")):
            size += 0.5 * np.linalg.norm(at[f"{side}_{a}"] - at[f"{side}_{b}"], axis=-1)
    for a, b in (("pelvis", "spine"), ("spine", "chest"), ("chest", "neck")):
        size += np.linalg.norm(at[a] - at[b], axis=-1)
    return np.median(size, axis=1)


def _pelvis_axes(joints: np.ndarray) -> np.ndarray:
    """Columns: left, back and up of the pelvis."""
    left = joints[:, :, JOINTS.index("left_hip")] - joints[:, :, JOINTS.index("right_hip")]
    up = joints[:, :, JOINTS.index("chest")] - joints[:, :, 0]
    left = left / np.maximum(np.linalg.norm(left, axis=-1, keepdims=True), 1e-6)
    back = np.cross(up, left)
    back /= np.maximum(np.linalg.norm(back, axis=-1, keepdims=True), 1e-6)
    return np.stack([left, back, np.cross(left, back)], -1)


def _mixed(
    chosen: np.ndarray, joints: np.ndarray, points: np.ndarray, others: np.ndarray, other_points: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The upper body of somebody else on the pelvis."""
    between = _pelvis_axes(joints) @ np.swapaxes(_pelvis_axes(others), -1, -2)
    root, other_root = joints[:, :, :1], others[:, :, :1]
    moved = np.einsum("bfij,bfpj->bfpi", between, others - other_root) + root
    moved_points = np.einsum("bfij,bfpj->bfpi", between, other_points - other_root) + root
    return (
        np.where(chosen & _UPPER[:, None], moved, joints),
        np.where(chosen & _UPPER_POINTS[:, None], moved_points, points),
    )


def _bent(joints: np.ndarray, points: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Limbs and the upper body turned against the pelvis, by the same all the while: poses that nobody was recorded in."""
    size = len(joints)
    axes = _pelvis_axes(joints)
    joints, points = joints.copy(), points.copy()
    for pivot, moved, moved_points, spread in _TURNED:
        vector = rng.normal(0, spread, (size, 3)) * (rng.random((size, 1)) < _BENT_SHARE)
        turn = np.einsum("bfij,bjk,bflk->bfil", axes, SO3.exp(vector).matrix, axes)
        at = joints[:, :, [JOINTS.index(pivot)]].copy()
        for places, chosen in ((joints, moved), (points, moved_points)):
            places[:, :, chosen] = at + np.einsum("bfij,bfpj->bfpi", turn, places[:, :, chosen] - at)
    return joints, points


def _resized(joints: np.ndarray, points: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Bones longer and shorter, both sides alike; points go with the joint that they ride on."""
    size = len(joints)
    drawn: dict[str, np.ndarray] = {}
    out = joints.copy()
    for parent, child in BONES:
        part = child.partition("_")[2] if child.startswith(("left_", "right_")) else child
        if part not in drawn:
            drawn[part] = np.exp(rng.normal(0, _LENGTH_SPREAD.get(part, 0.09), (size, 1, 1)))
        a, b = JOINTS.index(parent), JOINTS.index(child)
        out[:, :, b] = out[:, :, a] + drawn[part] * (joints[:, :, b] - joints[:, :, a])
    moved = points.copy()
    for k, name in enumerate(POINTS):
        carrier = _carrier(name)
        j = JOINTS.index(carrier)
        if name == carrier:
            moved[:, :, k] = out[:, :, j]
        else:
            factor = drawn["head_top" if carrier == "head" else "toes"]
            moved[:, :, k] = out[:, :, j] + factor * (points[:, :, k] - joints[:, :, j])
    return out, moved


def _carrier(name: str) -> str:
    side, _, part = name.partition("_")
    if name in JOINTS:
        return name
    return f"{side}_ankle" if part in ("heel", "big_toe", "small_toe") else "head"


def _camera(joints: np.ndarray, rng: np.random.Generator, tilt: bool, any_way: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """camera_from_world of each window, and the world's up in the camera."""
    size = len(joints)
    middle = joints[:, :, 0].mean(1)
    far = np.exp(rng.uniform(np.log(1.8), np.log(9.0), size))
    heading = rng.uniform(-np.pi, np.pi, size)
    rise = rng.normal(0.12, 0.22, size) if tilt else rng.normal(0.05, 0.08, size)
    steep = rng.random(size) < (0.1 if tilt else 0.0)
    rise = np.where(steep, rng.uniform(-0.5, 1.2, size), rise)
    rise = np.clip(rise, -0.7, 1.3)
    anyhow = rng.random(size) < any_way
    rise = np.where(anyhow, np.arcsin(rng.uniform(-1, 1, size)), rise)
    towards = np.stack([np.cos(rise) * np.cos(heading), np.cos(rise) * np.sin(heading), np.sin(rise)], -1)  # from the person
    place = middle + far[:, None] * towards
    forward = -towards
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right, axis=-1, keepdims=True)
    level = np.stack([right, np.cross(forward, right), forward], -2)
    roll = rng.normal(0, 0.06, size) + np.where(rng.random(size) < (0.05 if tilt else 0.0), rng.uniform(-0.8, 0.8, size), 0.0)
    roll = np.where(anyhow, rng.uniform(-np.pi, np.pi, size), roll)
    aside = rng.normal(0, 0.18, (size, 2))
    turn = SO3.exp(np.stack([aside[:, 0], aside[:, 1], roll], -1)).matrix @ level
    return turn, turn[:, :, 2], -(turn @ place[..., None])[..., 0]
