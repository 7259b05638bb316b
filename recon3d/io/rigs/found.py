"""What a foreign rig file says, before its unit is settled, and the small readers of values that all formats share."""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import numpy as np
from jaxtyping import Float, Int

from recon3d.errors import CameraError, Recon3dError, all_faults
from recon3d.geometry import SE3, SO3, Camera, CameraRig, Intrinsics

Size: TypeAlias = tuple[int, int]
"""Width and height of an image, px."""
Entry = TypeVar("Entry")

# Metres a unit, and how far cameras may lie from their middle, m: from a table top to a stadium. Files in cm are
# rare and of rooms; their whole range is one of m or mm as well, so that cm is never guessed.
_UNITS = {"m": (1.0, 0.2, 200.0), "cm": (0.01, 0.2, 20.0), "mm": (0.001, 0.2, 60.0)}
_LARGEST = 1e100  # products of such numbers are still finite; no camera has a larger one
Z_UP_FROM_Y_UP = SE3(SO3(np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])), np.zeros(3))
Z_UP_FROM_Y_DOWN = SE3(SO3(np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])), np.zeros(3))
OTHER_CAMERA_AXES = SE3(SO3(np.diag([1.0, -1.0, -1.0])), np.zeros(3))
"""Between OpenCV's camera (y down, z forward) and one with y up that looks along its -z; its own inverse."""


@dataclass(frozen=True, slots=True, eq=False)
class FoundCamera:
    """One camera of a file.

    Attributes:
        name: of the camera.
        intrinsics: its lens.
        cam_from_world: in the file's unit of length, OpenCV's camera axes; None where the file has no pose.
        pose_frame: the source frame of each pose of a moving camera.
    """

    name: str
    intrinsics: Intrinsics
    cam_from_world: SE3 | None
    pose_frame: Int[np.ndarray, "poses"] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class FoundRig:
    """All that a file says.

    Attributes:
        path: of the file, for messages.
        cameras: in the file's order.
        metres_per_unit: None where the file does not say its unit.
        unknown: what its world does not have, of "scale", "up" and "floor".
    """

    path: Path
    cameras: tuple[FoundCamera, ...]
    metres_per_unit: float | None = None
    unknown: frozenset[str] = frozenset()

    def to_rig(self, metres_per_unit: float | None = None) -> CameraRig:
        """The rig in metres.

        Args:
            metres_per_unit: as the user states it; it goes before what the file says, and makes a scale known.

        Raises:
            CameraError: no poses, a unit that nothing tells, or an impossible camera.
        """
        without = [camera.name for camera in self.cameras if camera.cam_from_world is None]
        if without:
            raise CameraError(
                f"{self.path} holds lenses, but no poses (camera {', '.join(without)}): find the poses with "
                "`recon3d calibrate people`, `recon3d calibrate boards` or `recon3d calibrate points`"
            )
        poses = [camera.cam_from_world for camera in self.cameras if camera.cam_from_world is not None]
        unit = self.metres_per_unit if metres_per_unit is None else metres_per_unit
        if unit != self.metres_per_unit is not None:
            logging.getLogger(__name__).warning("%s is in units of %g m; read as %g m, as stated", self.path, self.metres_per_unit, unit)
        if unit is None:
            unit = 1.0 if "scale" in self.unknown else unit_of(np.concatenate([_centres(pose) for pose in poses]), self.path)
        # A camera at the origin, unturned, is the world: its y points down and no floor is known.
        is_world = any(np.allclose(p.rotation.matrix, np.eye(3)) and np.allclose(p.translation, 0) for p in poses)
        unknown = self.unknown | ({"up", "floor"} if is_world else set[str]())
        if metres_per_unit is not None:
            unknown = unknown - {"scale"}
        try:
            cameras = [
                Camera(c.name, c.intrinsics, SE3(p.rotation, p.translation * unit), pose_frame=c.pose_frame)
                for c, p in zip(self.cameras, poses, strict=True)
            ]
            return CameraRig(tuple(cameras), unknown=unknown)
        except Recon3dError as error:
            raise CameraError(f"{self.path} cannot be used: {error}") from None

    def intrinsics(self) -> dict[str, Intrinsics]:
        """The lenses alone, by camera name."""
        return {camera.name: camera.intrinsics for camera in self.cameras}

    def in_world(self, ours_from_file: SE3) -> "FoundRig":
        """The same cameras, their poses said in a world with other axes."""
        file_from_ours = ours_from_file.inverse()
        turned = tuple(
            c if c.cam_from_world is None else replace(c, cam_from_world=c.cam_from_world @ file_from_ours) for c in self.cameras
        )
        return replace(self, cameras=turned)


def _centres(pose: SE3) -> Float[np.ndarray, "poses 3"]:
    return np.atleast_2d(pose.inverse().translation)


def unit_of(centres: Float[np.ndarray, "cameras 3"], path: Path) -> float:
    """Metres a unit, from how far apart the cameras are.

    Raises:
        CameraError: no unit, or more than one, makes that a sensible distance.
    """
    spread = float(np.linalg.norm(centres - centres.mean(0), axis=1).max())
    fitting = {unit: size for unit, (size, least, most) in _UNITS.items() if least <= spread * size < most}
    if len(fitting) == 1:
        return next(iter(fitting.values()))
    read = " and ".join(f"{spread * size:.3g} m if in {unit}" for unit, size in fitting.items())
    raise CameraError(
        f"{path} does not say its unit, and its cameras lie up to {spread:.4g} units from their middle: "
        + (f"{read}, which are both sensible" if fitting else "none of m, cm and mm fits")
        + ". Give the unit with --rig-unit m, cm or mm (unit= in Python)."
    )


def each_camera(
    entries: Iterable[tuple[str, Entry]], parse: Callable[[str, Entry], FoundCamera], path: Path, what: str, empty: str
) -> tuple[FoundCamera, ...]:
    """Every camera of a file, or the faults of all of them in one message.

    Args:
        entries: name and entry of each camera.
        parse: a camera from them; what it raises is listed under the camera's name.
        path: of the file.
        what: the kind of file, with its article.
        empty: what is wrong with a file without cameras.

    Raises:
        CameraError: with the path and every fault.
    """
    cameras: list[FoundCamera] = []
    faults: list[str] = []
    for name, entry in entries:
        try:
            camera = parse(name, entry)
            if camera.cam_from_world is not None:  # a pose that is none is this camera's fault, not the rig's
                Camera(camera.name, camera.intrinsics, camera.cam_from_world, pose_frame=camera.pose_frame)
            cameras.append(camera)
        except Recon3dError as error:
            faults.append(str(error) if str(error).startswith(f"camera {name}:") else f"{name}: {error}")
    if not cameras and not faults:
        faults.append(empty)
    if faults:
        raise CameraError(all_faults(faults, f"{path} cannot be used as {what}:"))
    logging.getLogger(__name__).debug("%s: %d cameras", path, len(cameras))
    return tuple(cameras)


def array(value: Any, shape: tuple[int, ...], label: str) -> Float[np.ndarray, "..."]:
    """A value of a file as finite numbers of one shape; as many numbers in another shape are reshaped.

    Raises:
        CameraError: missing, not numbers, not finite, or not as many as the shape has.
    """
    if value is None:
        raise CameraError(f"{label} is missing")
    try:
        out = np.array(value, dtype=float)
    except (TypeError, ValueError, OverflowError, RecursionError):
        raise CameraError(f"{label} must be numbers") from None
    if out.size != np.prod(shape):
        raise CameraError(f"{label} must be {' x '.join(map(str, shape))} numbers, not {' x '.join(map(str, out.shape)) or 'one'}")
    if not (np.abs(out) < _LARGEST).all():
        raise CameraError(f"{label} must be finite numbers")
    return out.reshape(shape)


def vector(value: Any, label: str) -> Float[np.ndarray, "count"]:
    """A value of a file as any count of finite numbers."""
    if value is None:
        raise CameraError(f"{label} is missing")
    try:
        count = np.size(np.array(value, dtype=float))
    except (TypeError, ValueError, OverflowError, RecursionError):
        raise CameraError(f"{label} must be numbers") from None
    return array(value, (count,), label)


def size_from(value: Any, label: str) -> Size:
    """[width, height] of an image, px."""
    width, height = array(value, (2,), label)
    return round(float(width)), round(float(height))


def rotation_from(value: Any, label: str) -> SO3:
    """A rotation given as a matrix of 9 or a rotation vector of 3 numbers (rad)."""
    numbers = vector(value, label)
    if len(numbers) not in (3, 9):
        raise CameraError(f"{label} must be 3 (a rotation vector) or 9 numbers, not {len(numbers)}")
    return SO3(numbers.reshape(3, 3)) if len(numbers) == 9 else SO3.exp(numbers)


def lens_matrix(fx: float, fy: float, cx: float, cy: float, skew: float = 0.0) -> Float[np.ndarray, "3 3"]:
    """K from its entries, px."""
    return np.array([[fx, skew, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])


def table(value: Any, label: str) -> dict[str, Any]:
    """A value of a file that must have named entries."""
    if not isinstance(value, dict):
        raise CameraError(f"{label} must be a table of named entries")
    return value
