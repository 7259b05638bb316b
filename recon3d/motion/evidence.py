"""What an armature is fitted to: 3D keypoints of one person with an information matrix each."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

from recon3d.records import Keypoints3D, State
from recon3d.skeleton import Armature, Attachments

_PLACEMENT_M = 0.012  # how far a detector's point wanders from the same spot of the body
_LONGEST_GAP_S = 0.5  # evidence is carried across gaps up to this
_DRIFT_M = 0.6  # growth of its sigma over a second: what a fast joint's straight line is off by


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """Keypoints that the armature has an attachment for.

    Attributes:
        attachments: in the order of the points below.
        xyz: m; 0 where there is none.
        root_information: square root of the information, so that |root (p - xyz)|^2 is chi-square; 0 where none.
        state: of each point: observed, interpolated or missing.
    """

    attachments: Attachments
    xyz: Float[np.ndarray, "frames points 3"]
    root_information: Float[np.ndarray, "frames points 3 3"]
    state: UInt8[np.ndarray, "frames points"]

    def take(self, rows: np.ndarray | slice) -> "Evidence":
        """Some of the frames."""
        return Evidence(self.attachments, self.xyz[rows], self.root_information[rows], self.state[rows])


def concatenate(parts: Sequence[Evidence]) -> Evidence:
    """Frames of several windows, one after the other."""
    return Evidence(
        parts[0].attachments,
        np.concatenate([p.xyz for p in parts]),
        np.concatenate([p.root_information for p in parts]),
        np.concatenate([p.state for p in parts]),
    )


def gather(world: Keypoints3D, person: int, armature: Armature) -> Evidence:
    """The person's keypoints as evidence; short gaps are bridged by straight lines of growing sigma."""
    attachments = armature.attachments.select(world.layout.points)
    columns = world.layout.indices(attachments.points)
    xyz = world.xyz[:, person, columns]
    covariance = world.covariance[:, person, columns] + _PLACEMENT_M**2 * np.eye(3)
    state = world.state[:, person, columns].copy()
    xyz, covariance, state = _bridge(world.time, xyz, covariance, state)
    known = state != State.MISSING
    root = np.zeros_like(covariance)
    root[known] = np.swapaxes(np.linalg.cholesky(np.linalg.inv(covariance[known])), -1, -2)
    return Evidence(attachments, np.where(known[..., None], xyz, 0.0), root, state)


def _bridge(
    time: Float[np.ndarray, "frames"],
    xyz: Float[np.ndarray, "frames points 3"],
    covariance: Float[np.ndarray, "frames points 3 3"],
    state: UInt8[np.ndarray, "frames points"],
) -> tuple[Float[np.ndarray, "frames points 3"], Float[np.ndarray, "frames points 3 3"], UInt8[np.ndarray, "frames points"]]:
    frames = len(state)
    seen = state != State.MISSING
    if seen.all() or frames < 3:
        return xyz, covariance, state
    row = np.arange(frames)[:, None]
    before = np.maximum.accumulate(np.where(seen, row, -1), axis=0)
    after = np.minimum.accumulate(np.where(seen, row, frames)[::-1], axis=0)[::-1]
    gap = ~seen & (before >= 0) & (after < frames)
    a, b = np.clip(before, 0, None), np.clip(after, None, frames - 1)
    gap &= time[b] - time[a] <= _LONGEST_GAP_S
    f, p = np.nonzero(gap)
    a, b = a[f, p], b[f, p]
    share = ((time[f] - time[a]) / (time[b] - time[a]))[:, None]
    out, spread, marked = xyz.copy(), covariance.copy(), state.copy()
    out[f, p] = (1 - share) * xyz[a, p] + share * xyz[b, p]
    far = np.minimum(time[f] - time[a], time[b] - time[f])
    spread[f, p] = np.maximum(covariance[a, p], covariance[b, p]) * np.eye(3) + (_DRIFT_M * far)[:, None, None] ** 2 * np.eye(3)
    marked[f, p] = State.INTERPOLATED
    return out, spread, marked
