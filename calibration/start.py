"""Cameras from nothing: the poses of all cameras from points that several saw, no pose known before.

Relative poses of all pairs; the best pair is triangulated; the cameras that see those points are
resected on them and adjusted with them, round after round. Several pairs are tried, since a pair alone may be ambiguous;
the likeliest rig wins.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Bool, Float

from recon3d.arrays import whole_rows
from recon3d.errors import CameraError, valid_names
from recon3d.geometry import SE3, Camera, CameraRig, Intrinsics
from recon3d.geometry.camera_unknowns import Free
from recon3d.geometry.epipolar import EpipolarSettings, RelativePose, relative_pose
from recon3d.geometry.resection import resect
from recon3d.geometry.robust_bundle import Adjusted, AdjustSettings, adjust
from recon3d.geometry.threads import single_threaded

_UNKNOWN = frozenset({"scale", "up", "floor"})
_GROW = AdjustSettings(widths=(8.0, 3.0), final_steps=3)


@dataclass(frozen=True, slots=True)
class StartSettings:
    """How a rig is found from nothing."""

    seeds: int = 2
    """Pairs of cameras that a rig is grown from."""
    points: int = 2000
    """Points used while it grows."""
    min_shared: int = 60
    """Points that two cameras must both have seen."""
    min_support: float = 0.35
    """Share of shared points that must agree with a relative pose."""
    epipolar: EpipolarSettings = field(default_factory=EpipolarSettings)
    """Of the relative poses."""


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """Two cameras and how the second stands to the first."""

    a: int
    b: int
    pose: RelativePose
    shared: int

    @property
    def support(self) -> float:
        """Share of shared points that agree."""
        return float(self.pose.inlier.sum() / self.shared)

    @property
    def worth(self) -> float:
        """How much a rig can be grown from the pair: support, and rays that cross at an angle."""
        return self.pose.score * float(np.sin(self.pose.angle)) ** 0.5


def all_pairs(
    intrinsics: Sequence[Intrinsics],
    xy: Float[np.ndarray, "views points 2"],
    sigma_px: Float[np.ndarray, "views points"],
    settings: StartSettings = StartSettings(),
) -> list[Pair]:
    """Relative poses of all pairs of cameras that share points and agree on one."""
    rays = np.stack([i.rays(np.asarray(view, float)) for i, view in zip(intrinsics, xy, strict=True)])
    focal = np.array([i.focal for i in intrinsics])
    sigma = sigma_px / focal[:, None]
    known = whole_rows(rays)
    found: list[Pair] = []
    with single_threaded():
        for a in range(len(xy)):
            for b in range(a + 1, len(xy)):
                both = np.flatnonzero(known[a] & known[b])
                if len(both) < settings.min_shared:
                    continue
                pose = relative_pose(rays[a, both], rays[b, both], sigma[a, both], sigma[b, both], settings.epipolar, seed=a * len(xy) + b)
                if pose is not None and pose.inlier.mean() >= settings.min_support:
                    found.append(Pair(a, b, pose, len(both)))
    return found


def connected(links: Iterable[tuple[int, int]], views: int) -> list[list[int]]:
    """Groups of cameras that links of two connect, largest first."""
    group = list(range(views))
    for a, b in links:
        old, new = group[b], group[a]
        group = [new if g == old else g for g in group]
    groups = [[v for v in range(views) if group[v] == g] for g in dict.fromkeys(group)]
    return sorted(groups, key=lambda members: (-len(members), members[0]))


def start_rig(
    names: Sequence[str],
    intrinsics: Sequence[Intrinsics],
    xy: Float[np.ndarray, "views points 2"],
    sigma_px: Float[np.ndarray, "views points"],
    settings: StartSettings = StartSettings(),
) -> tuple[CameraRig, list[Pair]]:
    """The likeliest rig of the cameras that can be connected, in units of its own, and the pairs found.

    Raises:
        CameraError: no two cameras agree on a relative pose.
    """
    pairs = all_pairs(intrinsics, xy, sigma_px, settings)
    if not pairs:
        raise CameraError(
            f"no two of the cameras {valid_names(names)} agree on how they stand to each other: too few points that both saw at the same "
            "time, clocks that differ, or lenses (focal lengths) that are far off"
        )
    few = _few(xy, settings.points)
    best: Adjusted | None = None
    for seed in sorted(pairs, key=lambda pair: -pair.worth)[: settings.seeds]:
        grown = _grow(seed, names, intrinsics, xy[:, few], sigma_px[:, few])
        if grown is not None and (best is None or grown.score > best.score):
            best = grown
    if best is None:
        raise CameraError(
            f"the cameras {valid_names(names)} agree in pairs, but their points fit no common scene: check that the lenses fit"
        )
    return best.rig, pairs


def _few(xy: Float[np.ndarray, "views points 2"], count: int) -> np.ndarray:
    """Points spread over the recording, those that many cameras saw first."""
    seen = np.isfinite(xy[..., 0]).sum(0)
    usable = np.flatnonzero(seen >= 2)
    if len(usable) <= count:
        return usable
    stride = usable[:: max(len(usable) // (2 * count), 1)]
    return np.sort(stride[np.argsort(-seen[stride], kind="stable")[:count]])


def _grow(
    seed: Pair,
    names: Sequence[str],
    intrinsics: Sequence[Intrinsics],
    xy: Float[np.ndarray, "views points 2"],
    sigma_px: Float[np.ndarray, "views points"],
) -> Adjusted | None:
    """From a pair to all cameras that see enough of the points so far, round after round."""
    poses: dict[int, SE3] = {seed.a: SE3.identity(), seed.b: seed.pose.b_from_a}
    state: Adjusted | None = None

    def rig() -> tuple[list[int], CameraRig]:
        members = sorted(poses)
        return members, CameraRig(tuple(Camera(names[v], intrinsics[v], poses[v]) for v in members), unknown=_UNKNOWN)

    while True:
        members, cameras = rig()
        try:
            state = adjust(cameras, Free(), xy[members], sigma_px[members], _GROW)
        except CameraError:
            return state if len(members) > 2 else None
        size = np.linalg.norm(state.rig.centres() - state.rig.centres().mean(0), axis=1).max()
        poses = {
            v: replace(c.cam_from_world, translation=c.cam_from_world.translation / size) for v, c in zip(members, state.rig, strict=True)
        }
        points = state.points / size
        sound = np.isfinite(points).all(-1) & (state.inlier.sum(0) > 1.5)
        added = {
            v: pose
            for v in range(len(names))
            if v not in poses and (pose := _resect(intrinsics[v], points, xy[v], sigma_px[v], sound & np.isfinite(xy[v]).all(-1), v))
        }
        if not added:
            return state
        poses |= added


def _resect(
    intrinsics: Intrinsics,
    points: Float[np.ndarray, "points 3"],
    xy: Float[np.ndarray, "points 2"],
    sigma_px: Float[np.ndarray, "points"],
    seen: Bool[np.ndarray, "points"],
    seed: int,
) -> SE3 | None:
    rays = intrinsics.rays(np.asarray(xy[seen], float))
    sound = np.isfinite(rays).all(-1)
    if sound.sum() < 12:
        return None
    focal = intrinsics.focal
    # The points have errors of their own, of the size of a sighting's.
    sigma = 3 * sigma_px[seen][sound] / focal
    found = resect(points[seen][sound], rays[sound], sigma, seed=seed)
    return None if found is None or found.inlier.mean() < 0.3 else found.cam_from_world
