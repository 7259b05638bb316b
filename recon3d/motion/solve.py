"""From 3D keypoints to motion: lengths once a take, then rotations window by window."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from recon3d.errors import InputError
from recon3d.geometry import SO3
from recon3d.geometry.least_squares import DenseSettings
from recon3d.geometry.lie import without_sign_flips
from recon3d.motion.evidence import Evidence, gather
from recon3d.motion.inverse_kinematics import Pose, fit_pose
from recon3d.motion.sizes import fit_sizes, sample
from recon3d.motion.start import starting_pose
from recon3d.records import Keypoints3D, Motion, State
from recon3d.skeleton import Armature, Layout, armature_of, load_armature

_MIN_POINTS = 4  # keypoints below which a frame has no pose


@dataclass(frozen=True, slots=True)
class MotionSettings:
    """How motion is fitted."""

    armature: str = "auto"
    """Name or TOML path of the armature; auto for the layout's own: a human body, unless a shipped one names the layout."""
    max_steps: int = 12
    """Levenberg-Marquardt steps a frame."""

    def __post_init__(self) -> None:
        if self.max_steps < 1:
            raise InputError(f"max_steps must be 1 or more, not {self.max_steps}")


def measure(windows: Iterable[Keypoints3D], person: int, settings: MotionSettings = MotionSettings()) -> Armature:
    """The person's armature from frames of all windows in which it is seen (``person`` is an index into ``people``)."""
    armature: Armature | None = None
    parts: list[Evidence] = []
    for world in windows:
        armature = armature or chosen_armature(settings, world.layout)
        parts.append(sample(gather(world, person, armature)))
    if armature is None:
        raise InputError("there are no frames to measure an armature on")
    return fit_sizes(armature, parts)


def chosen_armature(settings: MotionSettings, layout: Layout) -> Armature:
    """The armature that the settings ask for, before anything is measured."""
    return load_armature(armature_of(layout.name) if settings.armature == "auto" else settings.armature)


def solve_windows(
    windows: Iterable[Keypoints3D], person: int, armature: Armature, settings: MotionSettings = MotionSettings()
) -> Iterator[Motion]:
    """Motion of one person, window by window; lengths are the armature's and do not change."""
    for world in windows:
        evidence = gather(world, person, armature)
        posed = np.flatnonzero((evidence.state != State.MISSING).sum(1) >= _MIN_POINTS)
        count = len(armature.joints)
        translation = np.full((len(world), 3), np.nan)
        rotation = np.full((len(world), count, 4), np.nan)
        state = np.zeros((len(world), count), np.uint8)
        if len(posed):
            part = evidence.take(posed)
            pose = fit_pose(armature, part, Pose(*starting_pose(armature, part)), DenseSettings(settings.max_steps, min_gain=1e-3))
            translation[posed] = pose.translation
            rotation[posed] = without_sign_flips(SO3(pose.rotation).wxyz())
            state[posed] = _states(armature, part)
        yield Motion(int(world.people[person]), armature, world.frame, world.time, translation, rotation, state)


def solve(world: Keypoints3D, settings: MotionSettings = MotionSettings()) -> dict[int, Motion]:
    """Motion of every person of a take that is one window."""
    out: dict[int, Motion] = {}
    for person in range(len(world.people)):
        armature = measure([world], person, settings)
        (motion,) = solve_windows([world], person, armature, settings)
        out[motion.person] = motion
    return out


def _states(armature: Armature, evidence: Evidence) -> np.ndarray:
    """A joint's turn is observed where a keypoint that it moves is; else interpolated, else inferred."""
    moves = armature.skeleton.descends()[evidence.attachments.joint].T  # joint moves point
    own = evidence.attachments.offset.any(1)
    moves &= own | (evidence.attachments.joint[None] != np.arange(len(armature.joints))[:, None])
    out = np.full((len(evidence.xyz), len(armature.joints)), State.INFERRED, np.uint8)
    for state in (State.INTERPOLATED, State.OBSERVED):
        shown = ((evidence.state == state).astype(np.int64) @ moves.T.astype(np.int64)) > 0
        out[shown] = state
    return out
