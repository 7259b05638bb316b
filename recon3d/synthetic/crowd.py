"""Several people in one room: they cross, meet and leave, hide each other, and detectors see some who are not there."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float, Int

from recon3d.arrays import freeze_fields
from recon3d.geometry import CameraRig
from recon3d.records import Keypoints2D
from recon3d.records.keypoints2d import pad_slots
from recon3d.skeleton import Layout
from recon3d.synthetic.detections import NoiseSettings, make_world
from recon3d.synthetic.people import Person, make_person

_TRUNK_M, _LEG_M = 0.15, 0.07  # radii of what hides others
_PARTS = ((("left_hip", "right_hip"), ("nose",), _TRUNK_M), *(((f"{s}_hip",), (f"{s}_ankle",), _LEG_M) for s in ("left", "right")))
_SHOWN = 0.3  # of a person's joints, below which a detector does not find it at all
_LONGEST = 30  # frames that a false detection lasts


@dataclass(frozen=True, slots=True)
class CrowdSettings:
    """What goes on in the room, and what detectors get wrong."""

    noise: NoiseSettings = field(default_factory=NoiseSettings)
    """Of each person's points."""
    false: float = 0.05
    """False people over true ones."""


@dataclass(frozen=True, slots=True, eq=False)
class Crowd:
    """People, cameras, what these report, and the truth.

    Attributes:
        rig: cameras.
        people: truth in 3D, NaN where somebody is not in the room.
        layout: of the points.
        seen: what each camera reports, one record a camera; places in a frame are in no order.
        owner: whose each place is: a person's index, -1 for nobody there, -2 for a false person.
        shown: joints that a camera could see: in the image and not behind another body.
    """

    rig: CameraRig
    people: Float[np.ndarray, "frames people joints 3"]
    layout: Layout
    seen: tuple[Keypoints2D, ...]
    owner: Int[np.ndarray, "views frames slots"]
    shown: Bool[np.ndarray, "views frames people joints"]

    def __post_init__(self) -> None:
        freeze_fields(self)


def make_strollers(people: int = 4, frames: int = 300, seed: int = 0, room_m: float = 5.0, fps: float = 60.0) -> list[Person]:
    """People who walk through a room, in pairs that meet in the middle, by ways that cross; each third one leaves and comes back."""
    rng = np.random.default_rng([seed, people])
    time = np.arange(frames) / fps
    out: list[Person] = []
    for k in range(people):
        angle = 2 * np.pi * k / people + rng.uniform(-0.3, 0.3)
        away = rng.uniform(0.30, 0.42) * room_m
        if k % 3 == 2:
            away *= 2.2  # out of the room
        ends = np.array([[np.cos(angle), np.sin(angle)], [-np.cos(angle + rng.uniform(-0.6, 0.6)), -np.sin(angle)]]) * away
        middle = rng.uniform(-0.12, 0.12, 2) * room_m
        # There and back, through the middle, in smooth turns.
        phase = 2 * np.pi * time * rng.uniform(0.9, 1.2) / (4 * away / 1.2) + rng.uniform(0, 2 * np.pi)
        share = 0.5 - 0.5 * np.cos(phase)
        straight = ends[0] + share[:, None] * (ends[1] - ends[0])
        bend = np.sin(np.pi * share)[:, None] ** 2
        path = straight + bend * (middle - 0.5 * (ends[0] + ends[1])) + 0.3 * np.stack([np.sin(phase), np.cos(1.3 * phase)], -1)
        out.append(make_person("path", frames, fps, seed * 100 + k, stature=float(rng.uniform(1.55, 1.9)), path=path))
    return out


def make_crowd(
    rig: CameraRig, people: Sequence[Person], settings: CrowdSettings = CrowdSettings(), seed: int = 0, room_m: float = 5.0
) -> Crowd:
    """Detections of several people; who is farther out than the room is not there.

    Args:
        rig: cameras.
        people: of one layout and as many frames.
        settings: what goes wrong.
        seed: of noise, gaps, false people and the order of places.
        room_m: side of the room, m; people farther from its middle than 0.6 of it are gone.
    """
    rng = np.random.default_rng([seed, len(people)])
    truth = np.stack([person.keypoints for person in people], 1)
    gone = np.abs(np.nanmean(truth[..., :2], 2)).max(-1) > 0.6 * room_m
    truth = np.where(gone[..., None, None], np.nan, truth)
    clean = rig.project(truth.reshape(-1, 3)).reshape(len(rig), *truth.shape[:3], 2)
    sizes = np.array([camera.intrinsics.size for camera in rig])[:, None, None, None]
    with np.errstate(invalid="ignore"):
        shown = ((clean >= 0) & (clean < sizes)).all(-1) & np.isfinite(truth[..., 0]) & ~hidden_by_others(rig, truth, people[0].layout)
    worlds = [make_world(rig, person, settings.noise, seed * 1000 + k) for k, person in enumerate(people)]
    xy = np.stack([world.xy for world in worlds], 2)
    score = np.stack([world.confidence for world in worlds], 2)
    there = shown.mean(-1) >= _SHOWN
    xy = np.where((shown & there[..., None])[..., None], xy, np.nan)
    seen = [_record(rig, v, xy[v], score[v], settings, people[0], rng) for v in range(len(rig))]
    slots = max(held.shape[1] for _, held in seen)
    owner = np.stack([np.pad(held, [(0, 0), (0, slots - held.shape[1])], constant_values=-1) for _, held in seen])
    return Crowd(rig, truth, people[0].layout, tuple(pad_slots(record, slots) for record, _ in seen), owner, shown)


def _record(
    rig: CameraRig,
    view: int,
    xy: Float[np.ndarray, "frames people joints 2"],
    score: Float[np.ndarray, "frames people joints"],
    settings: CrowdSettings,
    one: Person,
    rng: np.random.Generator,
) -> tuple[Keypoints2D, Int[np.ndarray, "frames slots"]]:
    """One camera's people and false people, shuffled in every frame."""
    frames, count = xy.shape[:2]
    false = _false_people(xy, settings, np.array(rig.cameras[view].intrinsics.size, float), rng)
    everybody = np.concatenate([xy, false], 1)
    scores = np.concatenate([score, rng.uniform(0.4, 0.9, false.shape[:3])], 1)
    owner = np.broadcast_to(np.r_[np.arange(count), np.full(false.shape[1], -2)], everybody.shape[:2])
    nobody = ~np.logical_or.reduce(np.isfinite(everybody[..., 0]), -1)
    # Shuffled, those who are there first.
    order = np.argsort(rng.random(nobody.shape) + 2 * nobody, axis=1)
    slots = max(1, int((~nobody).sum(1).max()))
    order = order[:, :slots]
    rows = np.arange(frames)[:, None]
    placed, held = everybody[rows, order], np.where(nobody[rows, order], -1, owner[rows, order])
    absent = ~np.isfinite(placed[..., 0])
    confidence = np.where(absent, 0.0, scores[rows, order])
    with np.errstate(invalid="ignore"):
        box = np.concatenate([np.fmin.reduce(placed, 2), np.fmax.reduce(placed, 2)], -1)
    record = Keypoints2D(
        layout=one.layout,
        camera=rig.names[view],
        size=rig.cameras[view].intrinsics.size,
        frame=np.arange(frames),
        time=one.motion.time.copy(),
        person_id=np.full((frames, slots), -1),
        xy=placed.astype(np.float32),
        confidence=confidence.astype(np.float32),
        sigma_px=np.where(absent, np.nan, settings.noise.sigma_px).astype(np.float32),
        box=box.astype(np.float32),
        score_kind="synthetic",
    )
    return record, held


def _false_people(
    xy: Float[np.ndarray, "frames people joints 2"], settings: CrowdSettings, size: Float[np.ndarray, "2"], rng: np.random.Generator
) -> Float[np.ndarray, "frames lanes joints 2"]:
    """Poses of anybody at any time, somewhere else; some for one frame, some for up to half a second at one place."""
    frames = len(xy)
    whole = np.argwhere(np.isfinite(xy[..., 0]).mean(-1) > 0.5)
    wanted = settings.false * len(whole)
    lanes: list[np.ndarray] = []
    used = 0.0
    while used < wanted and len(whole):
        lane = np.full((frames, *xy.shape[2:]), np.nan)
        start = int(rng.integers(0, 20))
        while start < frames and used < wanted:
            length = 1 if rng.random() < 0.5 else int(rng.integers(2, _LONGEST + 1))
            frame, person = whole[rng.integers(len(whole))]
            pose = xy[frame, person] - np.nanmean(xy[frame, person], 0)
            place = rng.uniform(0.1, 0.9, 2) * size
            shape = (min(length, frames - start), *pose.shape)
            lane[start : start + length] = place + rng.uniform(0.7, 1.2) * pose + rng.normal(0, settings.noise.sigma_px, shape)
            used += length
            start += length + int(rng.integers(1, max(2, round(2 * frames / max(wanted, 1)))))
        lanes.append(lane)
    return np.stack(lanes, 1) if lanes else np.zeros((frames, 0, *xy.shape[2:]))


def hidden_by_others(
    rig: CameraRig, truth: Float[np.ndarray, "frames people joints 3"], layout: Layout
) -> Bool[np.ndarray, "views frames people joints"]:
    """Joints that lie behind the trunk, the head or a leg of somebody else, as capsules between two joints."""
    frames, people, joints, _ = truth.shape
    out = np.zeros((len(rig), frames, people, joints), bool)
    for v, centre in enumerate(rig.centres()):
        ray = truth - centre
        for low, high, radius in _PARTS:
            a = truth[:, :, layout.indices(low)].mean(2)
            b = truth[:, :, layout.indices(high)].mean(2)
            for other in range(people):
                off, along = _apart(centre, ray, a[:, other, None, None], b[:, other, None, None])
                with np.errstate(invalid="ignore"):
                    hides = (off < radius) & (along < 0.98)
                hides[:, other] = False
                out[v] |= hides
    return out


def _apart(
    centre: Float[np.ndarray, "3"], ray: Float[np.ndarray, "frames people joints 3"], a: np.ndarray, b: np.ndarray
) -> tuple[Float[np.ndarray, "frames people joints"], Float[np.ndarray, "frames people joints"]]:
    """Distance of segments from the camera to each joint from one between two points, and the share of the way to it."""
    u, v, w = ray, b - a, centre - a
    uu, uv, vv = (ray**2).sum(-1), (u * v).sum(-1), (v**2).sum(-1)
    uw, vw = (u * w).sum(-1), (v * w).sum(-1)
    along = np.clip((uv * vw - vv * uw) / np.maximum(uu * vv - uv**2, 1e-12), 0.0, 1.0)
    other = np.clip((vw + along * uv) / np.maximum(vv, 1e-12), 0.0, 1.0)
    along = np.clip((uv * other - uw) / np.maximum(uu, 1e-12), 0.0, 1.0)
    return np.linalg.norm(w + along[..., None] * u - other[..., None] * v, axis=-1), along
