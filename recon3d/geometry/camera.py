"""Cameras: intrinsics with a lens, a pose, a clock, and the rig that they form.

Camera axes as in OpenCV: x right, y down, z forward. The centre of the top-left pixel is (0, 0).
The world is right-handed, in metres, z up, floor at z = 0, unless the rig says otherwise.
"""

import functools
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float, Int

from recon3d.arrays import freeze_fields
from recon3d.errors import CameraError, all_faults, valid_names
from recon3d.geometry import lens
from recon3d.geometry.lie import SE3, SO3

MAX_OFF_AXIS = np.deg2rad(80)
"""Rays further off the optical axis have no usable normalised coordinates (tan grows past 5.7)."""
_WIDEST_SQUARE = float(np.tan(MAX_OFF_AXIS) ** 2)
_PLANE = 4096  # points of a plane that is worked on at once


@dataclass(frozen=True, slots=True, eq=False)
class Intrinsics:
    """What a camera does to a ray in its own axes.

    Attributes:
        size: width and height of the image, px.
        K: focal lengths, skew and principal point, px.
        model: "pinhole" or "fisheye", as OpenCV defines them.
        dist: distortion coefficients in OpenCV's order: 0, 4, 5, 8, 12 or 14 for pinhole, 0 or 4 for fisheye.
    """

    size: tuple[int, int]
    K: Float[np.ndarray, "3 3"]
    model: str = "pinhole"
    dist: Float[np.ndarray, "coefficients"] = field(default_factory=lambda: np.zeros(5))

    def __post_init__(self) -> None:
        freeze_fields(self)
        faults: list[str] = []
        counts = {"pinhole": lens.PINHOLE_COUNTS, "fisheye": (0, lens.FISHEYE_COUNT)}
        if self.model not in counts:
            faults.append(f"lens model {self.model!r} is not one of {valid_names(counts)}")
        elif len(self.dist) not in counts[self.model]:
            allowed = ", ".join(str(n) for n in counts[self.model])
            faults.append(f"a {self.model} lens has {allowed} coefficients, not {len(self.dist)}")
        if not (np.isfinite(self.K).all() and np.isfinite(self.dist).all()):
            faults.append("K and the distortion must be finite numbers")
        elif self.K[0, 0] <= 0 or self.K[1, 1] <= 0 or not np.array_equal(self.K[2], [0, 0, 1]):
            faults.append("K must be [[fx, s, cx], [0, fy, cy], [0, 0, 1]] in px with positive focal lengths")
        if min(self.size) <= 0:
            faults.append(f"the image size must be positive, not {self.size[0]} x {self.size[1]} px")
        if faults:
            raise CameraError("; ".join(faults))

    @property
    def focal(self) -> float:
        """Geometric mean of the focal lengths, px: pixels a radian at the axis."""
        return float(np.sqrt(self.K[0, 0] * self.K[1, 1]))

    def distortion(self) -> lens.Lens:
        """The lens as a function of normalised coordinates, with its Jacobian."""
        return _lens_of(self)

    def project(self, points: Float[np.ndarray, "*batch 3"]) -> Float[np.ndarray, "*batch 2"]:
        """Points in the camera's axes (m) to pixels; NaN for a point at or behind the camera."""
        with np.errstate(invalid="ignore", divide="ignore"):
            depth = np.where(points[..., 2] > 0, points[..., 2], np.nan)
            return np.stack(self.distorted_planes(points[..., 0] / depth, points[..., 1] / depth), -1)

    def distorted_planes(self, x: lens.Plane, y: lens.Plane) -> tuple[lens.Plane, lens.Plane]:
        """Normalised x and y through the lens to pixel columns and rows, plane by plane."""
        xd, yd, _ = self.distortion()(x, y)
        return self.to_pixels(xd, yd)

    def undistorted_planes(self, px: lens.Plane, py: lens.Plane) -> tuple[lens.Plane, lens.Plane, lens.Jacobian]:
        """Pixel columns and rows to normalised x and y, and d pixel / d normalised there, plane by plane.

        NaN stays NaN, and a pixel that no ray within 80 degrees of the axis reaches becomes NaN.
        """
        return _undistorted(self.distortion(), self.K, px, py)

    def undistort(self, xy: Float[np.ndarray, "*batch 2"]) -> tuple[Float[np.ndarray, "*batch 2"], Float[np.ndarray, "*batch 2 2"]]:
        """`undistorted_planes` for points in the usual form: (..., 2), and the Jacobian (..., 2, 2)."""
        x, y, (a, b, c, d) = self.undistorted_planes(xy[..., 0], xy[..., 1])
        jacobian = np.stack([np.stack([a, b], -1), np.stack([c, d], -1)], -2)
        return np.stack([x, y], -1), jacobian

    def rays(self, xy: Float[np.ndarray, "*batch 2"]) -> Float[np.ndarray, "*batch 3"]:
        """Pixels to unit vectors in the camera's axes."""
        normalised, _ = self.undistort(xy)
        ray = np.concatenate([normalised, np.ones((*xy.shape[:-1], 1))], -1)
        return ray / np.linalg.norm(ray, axis=-1, keepdims=True)

    def resized(self, size: tuple[int, int]) -> "Intrinsics":
        """The same lens behind an image scaled to another size, by (x + 0.5) * s - 0.5."""
        sx, sy = size[0] / self.size[0], size[1] / self.size[1]
        k = np.diag([sx, sy, 1]) @ self.K
        k[:2, 2] += 0.5 * np.array([sx, sy]) - 0.5
        return replace(self, size=size, K=k)

    def to_pixels(self, x: lens.Plane, y: lens.Plane) -> tuple[lens.Plane, lens.Plane]:
        """Distorted normalised coordinates to pixel columns and rows."""
        k = self.K
        return k[0, 0] * x + k[0, 1] * y + k[0, 2], k[1, 1] * y + k[1, 2]


def _undistorted(
    bend: lens.Lens, k: Float[np.ndarray, "3 3 *lenses"], px: lens.Plane, py: lens.Plane
) -> tuple[lens.Plane, lens.Plane, lens.Jacobian]:
    fx, skew, fy = k[0, 0], k[0, 1], k[1, 1]
    yd = (py - k[1, 2]) / fy
    xd = (px - k[0, 2] - skew * yd) / fx
    x, y, (a, b, c, d) = lens.undistort(bend, xd, yd)
    wide = x * x + y * y > _WIDEST_SQUARE
    if wide.any():
        x, y = np.where(wide, np.nan, x), np.where(wide, np.nan, y)
    return x, y, (fx * a + skew * c, fx * b + skew * d, fy * c, fy * d)


@functools.lru_cache(maxsize=256)
def _lens_of(intrinsics: Intrinsics) -> lens.Lens:
    """Made once: live capture asks for it in every frame."""
    return _MODELS[intrinsics.model](intrinsics.dist)


_MODELS = {"pinhole": lens.pinhole, "fisheye": lens.fisheye}


_NAME = re.compile(r"\w([\w .-]*\w)?")


@dataclass(frozen=True, slots=True)
class Clock:
    """Camera time to world time: ``world = (1 + drift) * camera + offset``.

    Attributes:
        offset: s.
        drift: dimensionless (1e-6 is one part in a million).
        line_time: s between two image rows of a rolling shutter; 0 for a global one.
    """

    offset: float = 0.0
    drift: float = 0.0
    line_time: float = 0.0

    def __post_init__(self) -> None:
        if not (np.isfinite([self.offset, self.drift, self.line_time]).all() and abs(self.drift) < 0.5 and self.line_time >= 0):
            raise CameraError(f"no clock has {self}: its drift must be small, its line time not negative, and all of it finite")

    def to_world(self, time: Float[np.ndarray, "*batch"]) -> Float[np.ndarray, "*batch"]:
        """Camera time stamps (s) on the rig's common time axis (s)."""
        return (1 + self.drift) * time + self.offset


@dataclass(frozen=True, slots=True, eq=False)
class Camera:
    """One camera of a rig; ``cam_from_world @ point_world`` is the point in the camera's axes (m).

    Attributes:
        name: files are named after it.
        intrinsics: the lens.
        cam_from_world: one pose, or (poses,) of them for a camera that moves.
        clock: camera time to world time.
        pose_frame: the source frame of each pose of a moving camera, rising; None for one that stands.
    """

    name: str
    intrinsics: Intrinsics
    cam_from_world: SE3
    clock: Clock = Clock()
    pose_frame: Int[np.ndarray, "poses"] | None = None

    def __post_init__(self) -> None:
        freeze_fields(self)
        if not _NAME.fullmatch(self.name):
            raise CameraError(f"camera name {self.name!r}: use letters, digits, '_', '-', '.' and inner spaces; files are named after it")
        rotation, translation = self.cam_from_world.rotation.matrix, self.cam_from_world.translation
        poses = () if self.pose_frame is None else self.pose_frame.shape
        if rotation.shape != (*poses, 3, 3) or translation.shape != (*poses, 3) or poses == (0,):
            raise CameraError(
                f"camera {self.name}: the pose must be one rotation (3, 3) and one translation (3,), or one of each for every pose_frame"
            )
        if self.pose_frame is not None and (np.diff(self.pose_frame) <= 0).any():
            raise CameraError(f"camera {self.name}: the frames of its poses must rise")
        if not (np.isfinite(rotation).all() and np.isfinite(translation).all()):
            raise CameraError(f"camera {self.name}: the pose holds numbers that are not finite")
        off = np.abs(rotation @ np.swapaxes(rotation, -1, -2) - np.eye(3)).max()
        determinant = float(np.linalg.det(rotation).min())
        if off > 1e-4 or determinant < 0:
            raise CameraError(
                f"camera {self.name}: its rotation is not one (R R^T differs from 1 by {off:.2g}, "
                f"determinant {determinant:.3g}); check the order of the numbers and the axes"
            )

    @property
    def moves(self) -> bool:
        """Whether it has a pose for every one of some frames."""
        return self.pose_frame is not None

    def at_frame(self, frame: int) -> "Camera":
        """The camera as it stands in one source frame; itself if it does not move.

        Between two frames with poses the turn is shared out evenly and the centre goes straight.

        Raises:
            CameraError: a frame before the first pose or after the last.
        """
        if self.pose_frame is None:
            return self
        first, last = int(self.pose_frame[0]), int(self.pose_frame[-1])
        if not first <= frame <= last:
            raise CameraError(f"camera {self.name} moves and has poses for frames {first} to {last}; frame {frame} lies outside")
        after = int(np.searchsorted(self.pose_frame, frame))
        before = after if self.pose_frame[after] == frame else after - 1
        share = 0.0 if after == before else float((frame - self.pose_frame[before]) / (self.pose_frame[after] - self.pose_frame[before]))
        a, b = self._pose(before).inverse(), self._pose(after).inverse()
        rotation = a.rotation @ SO3.exp(share * (a.rotation.inverse() @ b.rotation).log())
        world_from_cam = SE3(rotation, (1 - share) * a.translation + share * b.translation)
        return replace(self, cam_from_world=world_from_cam.inverse(), pose_frame=None)

    def _pose(self, k: int) -> SE3:
        return SE3(SO3(self.cam_from_world.rotation.matrix[k]), self.cam_from_world.translation[k])

    def _standing(self) -> SE3:
        if self.moves:
            raise CameraError(f"camera {self.name} moves: ask for it at one frame")
        return self.cam_from_world

    @property
    def centre(self) -> Float[np.ndarray, "3"]:
        """Position in the world, m."""
        return self._standing().inverse().translation

    def project(self, points: Float[np.ndarray, "*batch 3"]) -> Float[np.ndarray, "*batch 2"]:
        """World points (m) to pixels, through the lens; NaN at or behind the camera."""
        return self.intrinsics.project(self._standing() @ points)


@dataclass(frozen=True, slots=True, eq=False)
class CameraRig:
    """Cameras in one world.

    Attributes:
        cameras: in a fixed order; names are unique.
        covariance: of all cameras' poses, (6 a camera) twists in cam_from_world's tangent, where known.
        unknown: what the world does not have, of "scale", "up" and "floor". Exports refuse such a rig.
    """

    cameras: tuple[Camera, ...]
    covariance: Float[np.ndarray, "parameters parameters"] | None = None
    unknown: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        freeze_fields(self)
        names = [camera.name for camera in self.cameras]
        faults = [f"camera name {name!r} occurs twice" for name in sorted({n for n in names if names.count(n) > 1})]
        faults += [f"{u!r} is not one of scale, up, floor" for u in self.unknown - {"scale", "up", "floor"}]
        if not self.cameras:
            faults.append("a rig needs at least one camera")
        if faults:
            raise CameraError(all_faults(faults, "the rig cannot be used:"))

    def __len__(self) -> int:
        return len(self.cameras)

    def __iter__(self) -> Iterator[Camera]:
        return iter(self.cameras)

    def __getitem__(self, name: str) -> Camera:
        for camera in self.cameras:
            if camera.name == name:
                return camera
        raise CameraError(f"no camera {name!r} in the rig; it has {valid_names(self.names)}")

    @property
    def names(self) -> tuple[str, ...]:
        """Of the cameras, in order."""
        return tuple(camera.name for camera in self.cameras)

    @property
    def moving(self) -> tuple[str, ...]:
        """Names of the cameras that move."""
        return tuple(camera.name for camera in self.cameras if camera.moves)

    def select(self, names: Iterable[str]) -> "CameraRig":
        """The rig of these cameras alone, in this order."""
        return CameraRig(tuple(self[name] for name in names), unknown=self.unknown)

    def centres(self) -> Float[np.ndarray, "cameras 3"]:
        """Positions in the world, m."""
        return np.stack([camera.centre for camera in self.cameras])

    def project(self, points: Float[np.ndarray, "*batch 3"]) -> Float[np.ndarray, "cameras *batch 2"]:
        """World points (m) to pixels in every camera."""
        return np.stack([camera.project(points) for camera in self.cameras])

    def undistorted_planes(
        self, px: Float[np.ndarray, "cameras points"], py: Float[np.ndarray, "cameras points"]
    ) -> Iterator[tuple[slice, tuple[lens.Plane, lens.Plane, lens.Jacobian]]]:
        """`Intrinsics.undistorted_planes` of neighbouring cameras at once, as many as a cache holds the points of; with which they are."""
        together = max(1, _PLANE // max(px.shape[1], 1))
        for own, bend, k in _lenses_of(self, min(together, len(self))):
            yield own, _undistorted(bend, k, px[own], py[own])


@functools.lru_cache(maxsize=256)
def _lenses_of(rig: CameraRig, together: int) -> list[tuple[slice, lens.Lens, np.ndarray]]:
    """Lenses of neighbouring cameras of one model as one, at most so many, and their K; made once."""
    out: list[tuple[slice, lens.Lens, np.ndarray]] = []
    start = 0
    for _, run in itertools.groupby((camera.intrinsics for camera in rig), lambda i: i.model):
        same = list(run)
        for part in (same[a : a + together] for a in range(0, len(same), together)):
            bend = part[0].distortion() if len(part) == 1 else _joint_lens(part)
            out.append((slice(start, start + len(part)), bend, np.stack([i.K for i in part], -1)[..., None]))
            start += len(part)
    return out


def _joint_lens(part: Sequence[Intrinsics]) -> lens.Lens:
    dist = np.zeros((len(part), max(len(i.dist) for i in part)))
    for row, i in zip(dist, part, strict=True):
        row[: len(i.dist)] = i.dist
    return _MODELS[part[0].model](dist)
