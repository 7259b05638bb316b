"""People of known bones who move: every motion is joint angles on an armature, so bones are exactly constant."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy.ndimage import gaussian_filter1d

from recon3d.arrays import freeze_fields
from recon3d.errors import InputError, valid_names
from recon3d.geometry import SE3, SO3
from recon3d.records import Motion, State
from recon3d.skeleton import Armature, Layout, load_armature, load_layout, map_layout
from recon3d.synthetic.steps import take_steps

MotionKind = Literal["gait", "dance", "jump", "fall", "crouch", "on_the_spot", "walk_out", "path", "steps"]
_TURNING_S = 0.2  # over which somebody turns where it walks
_STANDS = 0.05  # m/s
_HIP_HEIGHT = 0.91  # m, of a standing body of 1.70 m


@dataclass(frozen=True, slots=True, eq=False)
class Person:
    """A moving person with truth.

    Attributes:
        motion: joint rotations and root.
        layout: of the keypoints.
        keypoints: m; every point of the layout that the armature carries or that derives from those, else NaN.
    """

    motion: Motion
    layout: Layout
    keypoints: Float[np.ndarray, "frames joints 3"]

    def __post_init__(self) -> None:
        freeze_fields(self)


def make_person(
    kind: MotionKind = "gait",
    frames: int = 300,
    fps: float = 60.0,
    seed: int = 0,
    layout: str = "halpe_26",
    stature: float = 1.70,
    time: Float[np.ndarray, "frames"] | None = None,
    path: Float[np.ndarray, "frames 2"] | None = None,
) -> Person:
    """A person of this stature (m) in motion near the origin.

    ``time`` (s) are the instants of the frames, where they are not ``fps`` apart from 0 on: the same seed is
    the same person doing the same thing, as another camera's clock sees it.

    ``path`` is where a person of the kind "path" walks, m: as fast as it goes on, facing where it leads, standing
    where it rests.

    ``seed`` changes sizes by some percent, the phase, the path and the amplitude of the movement.
    """
    kinds: dict[str, Callable[[_Actor], None]] = {
        "gait": _gait,
        "dance": _dance,
        "jump": _jump,
        "fall": _fall,
        "crouch": _crouch,
        "on_the_spot": _on_the_spot,
        "walk_out": _walk_out,
        "path": _walk_path,
        "steps": _steps,
    }
    if kind not in kinds:
        raise InputError(f"no motion {kind!r}; there are {valid_names(kinds)}")
    rng = np.random.default_rng([seed, sorted(kinds).index(kind)])
    armature = _sized(load_armature(), stature, rng)
    time = np.arange(frames) / fps if time is None else np.array(time, float)
    frames = len(time)
    actor = _Actor(armature, time, rng, stature / 1.70)
    if (path is not None) != (kind == "path") or (path is not None and path.shape != (frames, 2)):
        raise InputError(f'a path of one place a frame belongs to the motion "path", not to {kind!r} without or with another one')
    actor.path = path
    kinds[kind](actor)
    rotation = SO3.exp(actor.vector).matrix
    if actor.turn is not None:
        rotation[:, 0] = actor.turn.matrix
    motion = Motion(
        person=0,
        armature=armature,
        frame=np.arange(frames),
        time=actor.time,
        translation=actor.place,
        rotation=SO3(rotation).wxyz(),
        covariance=np.zeros((frames, len(armature.joints), 3, 3)),
        state=np.full((frames, len(armature.joints)), State.OBSERVED, np.uint8),
        misfit=np.full((frames, len(armature.joints)), np.nan),
        contact=actor.contact,
    )
    names = load_layout(layout)
    poses = armature.forward(SE3(SO3.identity(frames), actor.place), rotation)
    carried = Layout(
        "armature", "armature", armature.attachments.points, np.zeros((0, 2), np.int64), np.arange(len(armature.attachments.points))
    )
    points = map_layout(carried, names).positions(armature.keypoints(poses))
    return Person(motion, names, points)


def _sized(armature: Armature, stature: float, rng: np.random.Generator) -> Armature:
    ratio = stature / 1.70 * rng.uniform(0.94, 1.06, len(armature.joints))
    ratio = 0.5 * (ratio + ratio[armature.skeleton.mirror])
    points = armature.attachments.offset * (stature / 1.70)
    return armature.with_sizes(armature.rest_offset * ratio[:, None], points)


class _Actor:
    """Joint angles of all frames, set by name."""

    def __init__(self, armature: Armature, time: Float[np.ndarray, "frames"], rng: np.random.Generator, size: float):
        self.armature, self.time, self.rng, self.size = armature, time, rng, size
        self.vector = np.zeros((len(time), len(armature.joints), 3))
        self.place = np.zeros((len(time), 3))
        self.place[:, 2] = _HIP_HEIGHT * size
        self.contact = np.zeros((len(time), len(armature.joints)), bool)
        self.turn: SO3 | None = None
        self.path: Float[np.ndarray, "frames 2"] | None = None
        self.hang_arms()

    def set(self, joint: str, x: ArrayLike = 0.0, y: ArrayLike = 0.0, z: ArrayLike = 0.0) -> None:
        """Rotation vector (rad) of a joint in its own frame."""
        j = self.armature.index(joint)
        for k, value in enumerate((x, y, z)):
            self.vector[:, j, k] = value

    def arm(self, side: str, swing: ArrayLike, raise_: ArrayLike = 0.0, bend: ArrayLike = 0.3) -> None:
        """An arm: swung forward (rad), raised sideways from hanging (rad), elbow bent (rad)."""
        sign = 1.0 if side == "left" else -1.0
        # From the T-pose down to the body about y, then forward about x.
        down = SO3.exp(
            np.stack(np.broadcast_arrays(0.0 * self.time, sign * (np.pi / 2 - 0.12 - np.asarray(raise_) + 0 * self.time), 0.0), -1)
        )
        forward = SO3.exp(np.stack(np.broadcast_arrays(-(np.asarray(swing) + 0 * self.time), 0.0, 0.0), -1))
        self.vector[:, self.armature.index(f"{side}_shoulder")] = (forward @ down).log()
        self.set(f"{side}_elbow", z=-sign * (np.asarray(bend) + 0 * self.time))

    def hang_arms(self) -> None:
        for side in ("left", "right"):
            self.arm(side, 0.0)

    def leg(self, side: str, swing: ArrayLike, bend: ArrayLike, spread: float = 0.04) -> None:
        """A leg: thigh swung forward (rad), knee bent (rad); the foot stays level."""
        sign = 1.0 if side == "left" else -1.0
        swing, bend = np.asarray(swing) + 0 * self.time, np.asarray(bend) + 0 * self.time
        self.set(f"{side}_hip", x=-swing, y=-sign * spread)
        self.set(f"{side}_knee", x=bend)
        self.set(f"{side}_ankle", x=swing - bend)

    def head(self, heading: Float[np.ndarray, "frames"]) -> None:
        """Heading of the whole body (rad); 0 faces -y."""
        self.turn = SO3.exp(np.stack([0 * heading, 0 * heading, heading], -1))

    def stand(self, floor: ArrayLike = 0.0) -> None:
        """Put the lower foot onto the floor."""
        rotation = SO3.exp(self.vector).matrix
        if self.turn is not None:
            rotation[:, 0] = self.turn.matrix
        poses = self.armature.forward(SE3(SO3.identity(len(self.time)), self.place), rotation)
        points = self.armature.keypoints(poses)
        feet = [k for k, p in enumerate(self.armature.attachments.points) if "heel" in p or "toe" in p]
        self.place[:, 2] += np.asarray(floor) - points[:, feet, 2].min(1)


def _walk(actor: _Actor, phase: Float[np.ndarray, "frames"], strength: Any = 1.0) -> None:
    for side, p in (("left", phase), ("right", phase + np.pi)):
        swing = np.deg2rad(5) + np.deg2rad(24) * strength * np.sin(p)
        bend = np.deg2rad(8) + np.deg2rad(50) * strength * np.clip(np.sin(p - 1.9), 0, None) ** 2
        actor.leg(side, swing, bend)
        actor.arm(side, -np.deg2rad(22) * strength * np.sin(p), bend=np.deg2rad(25) + np.deg2rad(15) * np.sin(p + np.pi) ** 2)
    actor.set("spine", x=np.deg2rad(2) * np.cos(2 * phase), z=np.deg2rad(-4) * np.sin(phase))
    actor.set("head", x=0.09 * np.sin(phase / 3.3), z=0.26 * np.sin(phase / 4.1))


def _gait(actor: _Actor) -> None:
    """Walking round an ellipse at 1.2 m/s."""
    t, rng = actor.time, actor.rng
    a, b = rng.uniform(1.1, 1.4), rng.uniform(0.8, 1.0)
    around = np.pi * (3 * (a + b) - np.sqrt((3 * a + b) * (a + 3 * b)))
    angle = 2 * np.pi * 1.2 * t / around + rng.uniform(0, 2 * np.pi)
    actor.place[:, 0], actor.place[:, 1] = a * np.cos(angle), b * np.sin(angle)
    actor.head(np.unwrap(np.arctan2(b * np.cos(angle), -a * np.sin(angle))) + np.pi / 2)
    strength = 1 + 0.08 * np.sin(2 * np.pi * t / 7.3)
    _walk(actor, 2 * np.pi * 0.9 * t + rng.uniform(0, 2 * np.pi), strength)
    actor.stand()


def _steps(actor: _Actor) -> None:
    """Walking round an ellipse at 1 m/s with feet that stand still while they stand."""
    rng = actor.rng
    steps = take_steps(actor.armature, actor.time, (rng.uniform(1.1, 1.4), rng.uniform(0.8, 1.0)), rng.uniform(0, 2 * np.pi))
    actor.place[:] = steps.place
    actor.head(steps.heading)
    for k, side in enumerate(("left", "right")):
        hip, knee, ankle, toes = (actor.armature.index(f"{side}_{name}") for name in ("hip", "knee", "ankle", "toes"))
        actor.vector[:, hip], actor.vector[:, ankle] = SO3(steps.hip[k]).log(), SO3(steps.ankle[k]).log()
        actor.vector[:, knee, 0] = steps.knee[k]
        actor.contact[:, [ankle, toes]] = steps.stands[k][:, None]
        actor.arm(side, 0.35 * np.sin(steps.phase + np.pi * k), bend=0.4 + 0.15 * np.sin(steps.phase + np.pi * k))
    actor.set("spine", x=0.03 * np.cos(2 * steps.phase), z=-0.06 * np.sin(steps.phase))


def _walk_out(actor: _Actor) -> None:
    """Straight on at 1.4 m/s, in on one side of the room and out on the other."""
    t = actor.time
    actor.place[:, 1] = 3.5 - 1.4 * t
    _walk(actor, 2 * np.pi * t + actor.rng.uniform(0, 2 * np.pi))
    actor.stand()


def _walk_path(actor: _Actor) -> None:
    """Where the path leads, with steps as long as the speed asks for."""
    assert actor.path is not None
    t = actor.time
    actor.place[:, :2] = actor.path
    step = np.diff(t, prepend=2 * t[0] - t[1]) if len(t) > 1 else np.ones(1)
    velocity = np.gradient(actor.path, axis=0) / step[:, None] if len(t) > 1 else np.zeros((1, 2))
    speed = np.linalg.norm(velocity, axis=-1)
    # Who stands keeps facing where it went.
    seen = np.maximum.accumulate(np.where(speed > _STANDS, np.arange(len(t)), 0))
    heading = np.unwrap(np.arctan2(velocity[seen, 1], velocity[seen, 0]))
    # Nobody turns round from one frame to the next: half a turn takes about half a second.
    steps = np.median(step) if len(t) > 1 else 1.0
    actor.head(gaussian_filter1d(heading, _TURNING_S / steps, mode="nearest") + np.pi / 2)
    strength = np.clip(speed / 1.2, 0.0, 1.3)
    _walk(actor, 2 * np.pi * np.cumsum(0.75 * speed * step) + actor.rng.uniform(0, 2 * np.pi), strength)
    actor.stand()


def _on_the_spot(actor: _Actor) -> None:
    """Marching without leaving the place."""
    _walk(actor, 2 * np.pi * 0.8 * actor.time + actor.rng.uniform(0, 2 * np.pi))
    actor.stand()


def _dance(actor: _Actor) -> None:
    """Turning, with arms that go through three times a second."""
    t, rng = actor.time, actor.rng
    phase = rng.uniform(0, 2 * np.pi, 4)
    for k, side in enumerate(("left", "right")):
        fast = 2 * np.pi * rng.uniform(2.2, 3.0) * t + phase[k]
        actor.arm(side, 0.9 * np.sin(fast), raise_=1.0 + 0.8 * np.sin(fast / 2.3), bend=0.9 + 0.7 * np.sin(fast * 1.3))
        slow = 2 * np.pi * 1.3 * t + phase[2] + np.pi * k
        actor.leg(side, 0.35 * np.sin(slow), 0.4 + 0.35 * np.sin(slow + 0.6), spread=0.15)
    actor.head(1.2 * t + 0.5 * np.sin(2 * np.pi * 0.7 * t))
    actor.set("spine", x=0.2 * np.sin(2 * np.pi * 1.3 * t), y=0.15 * np.sin(2 * np.pi * 0.65 * t))
    actor.place[:, 0] += 0.3 * np.sin(2 * np.pi * 0.5 * t + phase[3])
    actor.stand()


def _jump(actor: _Actor) -> None:
    """A jump every 1.5 s: down, up, 0.4 s in the air."""
    cycle = np.mod(actor.time + actor.rng.uniform(0, 1.5), 1.5)
    down = np.clip(1 - np.abs(cycle - 0.45) / 0.4, 0, 1) + np.clip(1 - np.abs(cycle - 1.25) / 0.2, 0, 1)
    down = down * down * (3 - 2 * down)
    for side in ("left", "right"):
        actor.leg(side, 0.9 * down, 1.7 * down)
        actor.arm(side, 1.8 * np.sin(np.pi * np.clip((cycle - 0.4) / 0.8, 0, 1)), bend=0.3)
    actor.set("spine", x=0.4 * down)
    flight = np.clip((cycle - 0.7) / 0.4, 0, 1)
    actor.stand(floor=0.196 * 4 * flight * (1 - flight))  # g t^2 / 8 for 0.4 s


def _fall(actor: _Actor) -> None:
    """Standing, then falling backward to lie on the floor."""
    t = actor.time
    start = 0.35 * float(t[-1]) if len(t) > 1 else 0.0
    done = np.clip((t - start) / 0.9, 0, 1)
    lean = np.pi / 2 * done * done * (3 - 2 * done)
    actor.turn = SO3.exp(np.stack([-lean, 0 * t, 0 * t], -1))
    for side in ("left", "right"):
        actor.leg(side, 0.5 * np.sin(np.pi * done), 0.9 * np.sin(np.pi * done))
        actor.arm(side, 1.3 * np.sin(np.pi * done), raise_=0.5 * done)
    actor.place[:, 1] += 0.5 * np.sin(lean)
    rotation = SO3.exp(actor.vector).matrix
    rotation[:, 0] = actor.turn.matrix
    points = actor.armature.keypoints(actor.armature.forward(SE3(SO3.identity(len(t)), actor.place), rotation))
    actor.place[:, 2] += 0.1 * np.sin(lean) - points[..., 2].min(1)


def _crouch(actor: _Actor) -> None:
    """Down into a deep crouch and up again, every three seconds."""
    down = 0.5 - 0.5 * np.cos(2 * np.pi * actor.time / 3 + actor.rng.uniform(0, 2 * np.pi))
    for side in ("left", "right"):
        actor.leg(side, 1.7 * down, 2.2 * down, spread=0.04 + 0.1 * float(down.max()))
        actor.arm(side, 1.2 * down, bend=0.3 + 0.6 * down)
    actor.set("spine", x=0.5 * down)
    actor.stand()
