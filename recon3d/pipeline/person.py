"""What there is to say about one person of a take."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from recon3d.arrays import finite_median
from recon3d.records import Keypoints3D, Motion, State
from recon3d.records.keypoints3d import concatenate, of_people, thinned
from recon3d.skeleton import Armature


@dataclass(frozen=True, slots=True, eq=False)
class Person:
    """Somebody of a take.

    Attributes:
        id: in the records.
        name: in files.
        motions: a reader of each window.
    """

    id: int
    name: str
    motions: Sequence[Callable[[], Motion]]


@dataclass(frozen=True, slots=True)
class PersonSummary:
    """One person in numbers, over the frames from its first to its last; lists are in the order of the take's ``joints``."""

    id: int
    name: str
    first_frame: int
    last_frame: int
    first_s: float
    last_s: float
    observed: float
    residual_px: float
    sigma_mm: float
    joint_observed: list[float]
    joint_residual_px: list[float]
    joint_sigma_mm: list[float]
    joint_two_views: list[float]
    longest_gaps: list[dict[str, Any]]
    bones_m: dict[str, float]
    fit_mm: float


def summarise_person(person: Person, worlds: Sequence[Callable[[], Keypoints3D]], every: int) -> PersonSummary:
    """Everything about one person; medians are over every n-th frame."""
    frame, time, observed = _history(person.id, worlds)
    there = np.flatnonzero(observed.any(1))
    first, last = (int(there[0]), int(there[-1])) if len(there) else (0, len(frame) - 1)
    span = slice(first, last + 1)
    world = concatenate([thinned(of_people(w(), [person.id]), every) for w in worlds])
    alive = (world.frame >= frame[first]) & (world.frame <= frame[last])
    sigma, residual = 1000 * world.sigma_m()[alive, 0], world.residual_px[alive, 0]
    joints = range(len(world.layout))
    misfit = [_misfit(of_people(w(), [person.id]), m())[::every] for w, m in zip(worlds, person.motions, strict=True)]
    return PersonSummary(
        id=person.id,
        name=person.name,
        first_frame=int(frame[first]),
        last_frame=int(frame[last]),
        first_s=float(time[first]),
        last_s=float(time[last]),
        observed=float(observed[span].mean()),
        residual_px=finite_median(residual),
        sigma_mm=finite_median(sigma),
        joint_observed=observed[span].mean(0).tolist(),
        joint_residual_px=[finite_median(residual[:, j]) for j in joints],
        joint_sigma_mm=[finite_median(sigma[:, j]) for j in joints],
        joint_two_views=(world.views[alive, 0] == 2).mean(0).tolist(),
        longest_gaps=_longest_gaps(frame[span], time[span], observed[span], world.layout.points),
        bones_m=_bones(person.motions[0]().armature),
        fit_mm=1000 * finite_median(np.concatenate(misfit)),
    )


def _history(person: int, worlds: Sequence[Callable[[], Keypoints3D]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Frame numbers, times and which joints were observed, of all frames."""
    rows = [(w.frame, w.time, _answered(of_people(w, [person]))) for w in (read() for read in worlds)]
    frame, time, observed = (np.concatenate(parts) for parts in zip(*rows, strict=True))
    return frame, time, observed


def _answered(world: Keypoints3D) -> np.ndarray:
    """Points that cameras saw: triangulated, or lifted from one."""
    lifted = (world.state[:, 0] == State.INFERRED) & (world.views[:, 0] > 0)
    return (world.state[:, 0] == State.OBSERVED) | lifted


def _longest_gaps(frame: np.ndarray, time: np.ndarray, observed: np.ndarray, joints: Sequence[str]) -> list[dict[str, Any]]:
    """The longest run of missing frames of each joint that has one, longest first."""
    found: list[dict[str, Any]] = []
    for j, joint in enumerate(joints):
        missing = np.concatenate([[False], ~observed[:, j], [False]]).astype(np.int8)
        starts, ends = np.flatnonzero(np.diff(missing) == 1), np.flatnonzero(np.diff(missing) == -1)
        if len(starts):
            k = int((ends - starts).argmax())
            a, b = int(starts[k]), int(ends[k])
            length = float(time[b - 1] - time[a])
            found.append({"joint": joint, "first_frame": int(frame[a]), "frames": b - a, "seconds": length})
    return sorted(found, key=lambda gap: -gap["frames"])


def _bones(armature: Armature) -> dict[str, float]:
    length = np.linalg.norm(armature.rest_offset, axis=1)
    return {name: float(length[j]) for j, name in enumerate(armature.joints) if length[j] > 0}


def _misfit(world: Keypoints3D, motion: Motion) -> np.ndarray:
    """Distance of the armature's keypoints to the triangulated ones, (frames, points), m."""
    points = motion.armature.attachments.select(world.layout.points)
    chosen = motion.armature.keypoints(motion.poses())
    columns = [motion.armature.attachments.points.index(p) for p in points.points]
    return np.linalg.norm(chosen[:, columns] - world.xyz[:, 0, world.layout.indices(points.points)], axis=-1)
