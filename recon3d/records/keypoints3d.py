"""What many cameras agree on: 3D keypoints of people in the world."""

import enum
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int, UInt8

from recon3d.arrays import freeze_fields
from recon3d.errors import ShapeError
from recon3d.skeleton import Layout


class State(enum.IntEnum):
    """Where a value comes from."""

    MISSING = 0
    OBSERVED = 1
    INTERPOLATED = 2
    """From observations before and after."""
    INFERRED = 3
    """From the rest of the body and what is plausible."""


@dataclass(frozen=True, slots=True, eq=False)
class Keypoints3D:
    """3D keypoints; world in metres, z up.

    Attributes:
        layout: names of the joints' order.
        frame: numbers of the reference camera's frames.
        time: s, on the rig's common axis.
        people: ids of the people alive in this window.
        xyz: m; NaN where missing.
        confidence: probability that the position is right within its covariance; 0 where missing.
        covariance: m^2; NaN where missing.
        views: number of cameras that agree on it.
        state: `State`.
        residual_px: root mean square distance to the detections of those cameras, px; NaN where missing.
    """

    layout: Layout
    frame: Int[np.ndarray, "frames"]
    time: Float[np.ndarray, "frames"]
    people: Int[np.ndarray, "people"]
    xyz: Float[np.ndarray, "frames people joints 3"]
    confidence: Float[np.ndarray, "frames people joints"]
    covariance: Float[np.ndarray, "frames people joints 3 3"]
    views: UInt8[np.ndarray, "frames people joints"]
    state: UInt8[np.ndarray, "frames people joints"]
    residual_px: Float[np.ndarray, "frames people joints"]

    def __post_init__(self) -> None:
        freeze_fields(self)
        if self.xyz.shape[2] != len(self.layout):
            raise ShapeError(f"Keypoints3D.xyz has {self.xyz.shape[2]} joints, layout {self.layout.name} {len(self.layout)}")

    def __len__(self) -> int:
        return len(self.frame)

    def sigma_m(self) -> Float[np.ndarray, "frames people joints"]:
        """Root mean square uncertainty of a coordinate, m: sqrt(trace(covariance) / 3)."""
        return np.sqrt(np.trace(self.covariance, axis1=-2, axis2=-1) / 3)


def of_people(world: Keypoints3D, people: Sequence[int]) -> Keypoints3D:
    """The same window with these people (ids) in this order; who is not alive in it is missing in all frames."""
    if world.people.tolist() == list(people):
        return world
    at = {int(person): k for k, person in enumerate(world.people)}
    shape = (len(world), len(people), len(world.layout))
    empty: dict[str, tuple[tuple[int, ...], float]] = {
        "xyz": ((*shape, 3), np.nan),
        "confidence": (shape, 0.0),
        "covariance": ((*shape, 3, 3), np.nan),
        "views": (shape, 0),
        "state": (shape, State.MISSING),
        "residual_px": (shape, np.nan),
    }
    arrays: dict[str, np.ndarray] = {}
    for name, (size, fill) in empty.items():
        own = getattr(world, name)
        arrays[name] = np.full(size, fill, own.dtype)
        for k, person in enumerate(people):
            if person in at:
                arrays[name][:, k] = own[:, at[person]]
    return replace(world, people=np.array(people, dtype=np.int64), **arrays)


def together(parts: Sequence[Keypoints3D]) -> Keypoints3D:
    """Several people of the same frames."""
    names = ("xyz", "confidence", "covariance", "views", "state", "residual_px")
    arrays = {name: np.concatenate([getattr(part, name) for part in parts], 1) for name in names}
    return replace(parts[0], people=np.concatenate([part.people for part in parts]), **arrays)


def thinned(world: Keypoints3D, every: int) -> Keypoints3D:
    """Every n-th frame."""
    names = ("frame", "time", "xyz", "confidence", "covariance", "views", "state", "residual_px")
    return replace(world, **{name: getattr(world, name)[::every].copy() for name in names})


def concatenate(parts: Sequence[Keypoints3D]) -> Keypoints3D:
    """Windows one after the other, with everybody who is alive in any of them."""
    people = sorted({int(person) for part in parts for person in part.people})
    parts = [of_people(part, people) for part in parts]
    names = ("frame", "time", "xyz", "confidence", "covariance", "views", "state", "residual_px")
    return replace(parts[0], **{name: np.concatenate([getattr(p, name) for p in parts]) for name in names})
