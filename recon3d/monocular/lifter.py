"""From what one camera sees of a person to 3D: the protocol, and the network that is shipped.

The answer is in the camera's axes (x right, y down, z forward). Joints are about the pelvis and in metres of a standard body,
since one camera cannot tell how large somebody is; every joint has a covariance.
"""

import functools
from dataclasses import dataclass, fields
from importlib import resources
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from jaxtyping import Float

from recon3d.arrays import freeze_fields, whole_rows, windows
from recon3d.errors import InputError
from recon3d.geometry import Intrinsics
from recon3d.io.files import atomic
from recon3d.monocular.points import JOINTS, POINTS, columns, mirrored, picked
from recon3d.monocular.virtual import look_at
from recon3d.skeleton import Layout

STANDARD_M = 1.32
"""Of a standard body: thigh, shank and trunk from pelvis to neck."""
_SIGMA = 0.02  # of a person's size: a point as uncertain has half the weight
_LONGEST, _OVERLAP = 243, 81
_MIRROR = np.array([-1.0, 1.0, 1.0])
_MIRROR_POINTS = np.array([-1, 1, 1], np.float32)
_MIRROR_EXTRA = np.array([-1, 1, 1, 1, -1, 1, 1], np.float32)  # the shift's x and up's x
_OTHER_POINT, _OTHER_JOINT = mirrored(POINTS), mirrored(JOINTS)
_REMEMBERED = (*range(8), *range(9, 24, 3), *range(27, 60, 8))  # frames back that a new one is lifted with


@dataclass(frozen=True, slots=True, eq=False)
class PointsOfView:
    """What a camera sees of one person.

    Attributes:
        ray: of each of `POINTS` at depth one, x right, y down, lens taken out; NaN where absent.
        sigma: of it, in the same unit; NaN where absent.
        time: s.
        up: the world's up in the camera's axes; zeros where it is unknown.
    """

    ray: Float[np.ndarray, "frames points 2"]
    sigma: Float[np.ndarray, "frames points"]
    time: Float[np.ndarray, "frames"]
    up: Float[np.ndarray, "frames 3"]

    def __post_init__(self) -> None:
        freeze_fields(self)

    def take(self, rows: slice | np.ndarray) -> "PointsOfView":
        """Some of the frames."""
        return PointsOfView(*(getattr(self, f.name)[rows].copy() for f in fields(self)))


@dataclass(frozen=True, slots=True, eq=False)
class Lifted:
    """A person in the camera's axes.

    Attributes:
        joints: `JOINTS` about the pelvis, m of a standard body; NaN in frames in which nothing was seen.
        covariance: m^2, likewise.
        root: pelvis, m of a standard body.
        root_sigma: of its place across the line of sight (two), m, and of the logarithm of its depth.
    """

    joints: Float[np.ndarray, "frames joints 3"]
    covariance: Float[np.ndarray, "frames joints 3 3"]
    root: Float[np.ndarray, "frames 3"]
    root_sigma: Float[np.ndarray, "frames 3"]

    def __post_init__(self) -> None:
        freeze_fields(self)

    def take(self, rows: slice) -> "Lifted":
        """Some of the frames."""
        return Lifted(*(getattr(self, f.name)[rows].copy() for f in fields(self)))

    def save(self, path: Path) -> None:
        """Keep it in a file, in single precision."""
        with atomic(path, "wb") as stream:
            np.savez(stream, **{f.name: getattr(self, f.name).astype(np.float32) for f in fields(self)})

    @staticmethod
    def load(path: Path) -> "Lifted":
        """What was kept."""
        with np.load(path, allow_pickle=False) as archive:
            return Lifted(**{f.name: archive[f.name].astype(float) for f in fields(Lifted)})


class Lifter(Protocol):
    """Anything that lifts."""

    def lift(self, seen: PointsOfView) -> Lifted:
        """One person's points of one camera."""
        ...


def points_of_view(
    xy: Float[np.ndarray, "frames joints 2"],
    sigma_px: Float[np.ndarray, "frames joints"],
    time: Float[np.ndarray, "frames"],
    layout: Layout,
    intrinsics: Intrinsics,
) -> PointsOfView:
    """One person's keypoints through a camera's lens; where up is, is not known.

    Args:
        xy: px; NaN where there is none.
        sigma_px: standard deviation of each coordinate.
        time: s.
        layout: of the joints.
        intrinsics: of the camera.
    """
    column = columns(layout)
    ray, jacobian = intrinsics.undistort(picked(xy.astype(float), column))
    pixels = np.sqrt(np.abs(np.linalg.det(np.where(np.isfinite(jacobian), jacobian, np.eye(2)))))  # to a unit of the ray
    sigma = sigma_px.astype(float)[:, np.maximum(column, 0)] / pixels
    sigma[:, column < 0] = np.nan
    sigma[~np.isfinite(ray).all(-1)] = np.nan
    return PointsOfView(ray, sigma, np.asarray(time, float).copy(), np.zeros((len(time), 3)))


def inputs_of(seen: PointsOfView) -> tuple[dict[str, np.ndarray], Float[np.ndarray, "frames 3 3"], float]:
    """The network's inputs for a window, the turns of its virtual cameras, and the person's size."""
    view = look_at(seen.ray)
    there = np.isfinite(seen.ray).all(-1)
    size = float(view.size)
    weight = np.where(there, weight_of(np.where(there, seen.sigma, 0.0) / size), 0.0)
    frames = len(seen.time)
    extra = np.concatenate(
        [view.shift, view.spread[:, None], np.full((frames, 1), np.log(size)), (view.turn @ seen.up[..., None])[..., 0]], -1
    )
    given = {
        "points": np.concatenate([view.xy, weight[..., None]], -1),
        "extra": extra,
        "time": seen.time - seen.time[0],
    }
    return {name: value[None].astype(np.float32) for name, value in given.items()}, view.turn, size


def weight_of(sigma: np.ndarray) -> np.ndarray:
    """What the network is told of a point's uncertainty, in the person's size: 1 for exact, towards 0 for useless."""
    return _SIGMA / (_SIGMA + sigma)


class NetworkLifter:
    """The network, by onnxruntime.

    Attributes:
        causal: whether a frame knows of those before it only.
        mirrored: whether the mirror image is lifted too, and the mean of both taken: a little better, twice the work.
    """

    def __init__(self, path: Path, threads: int = 0, causal: bool = False, mirrored: bool = True):
        """A network by its file.

        Args:
            path: of the ONNX file.
            threads: of onnxruntime; 0 for all cores.
            causal: look at past frames only.
            mirrored: lift the mirror image too.
        """
        self._path, self._threads = path, threads
        self.causal, self.mirrored = causal, mirrored

    @functools.cached_property
    def _session(self) -> Any:
        """Loaded when somebody is lifted for the first time: many cameras seldom ask."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self._threads
        return onnxruntime.InferenceSession(str(self._path), options, providers=["CPUExecutionProvider"])

    def lift(self, seen: PointsOfView) -> Lifted:
        """One person's points of one camera; long takes in windows that overlap, of which the middle is kept."""
        frames = len(seen.time)
        out = {
            "joints": np.full((frames, len(JOINTS), 3), np.nan),
            "covariance": np.full((frames, len(JOINTS), 3, 3), np.nan),
            "root": np.full((frames, 3), np.nan),
            "root_sigma": np.full((frames, 3), np.nan),
        }
        for window in windows(frames, _LONGEST, _OVERLAP):
            found = self._window(seen.take(window))
            margin = _OVERLAP // 2 if window.start else 0
            for name, values in found.items():
                out[name][window.start + margin : window.stop] = values[margin:]
        return Lifted(**out)

    def follow(self) -> "Follower":
        """Lift one person frame by frame."""
        return Follower(self)

    def last(self, seen: PointsOfView) -> Lifted:
        """Only the last frame of what one window shows: not much is made of what was said of the others."""
        return Lifted(**self._window(seen, slice(-1, None)))

    def _window(self, seen: PointsOfView, kept: slice = slice(None)) -> dict[str, np.ndarray]:
        given, turn, size = inputs_of(seen)
        there: np.ndarray = np.logical_or.reduce(whole_rows(seen.ray), axis=1)
        given["mask"] = attention(there, self.causal)[None]
        joints, covariance, root, log_sigma = (x[0] for x in answer(self._session, given, self.mirrored, kept))
        turn, there = turn[kept], there[kept]
        back = np.swapaxes(turn, -1, -2)
        depth = STANDARD_M * np.exp(root[:, 2]) / size
        place = np.concatenate([root[:, :2] * size, np.ones((len(root), 1))], -1) * depth[:, None]
        sigma = np.exp(log_sigma) * np.stack([size * depth, size * depth, np.ones_like(depth)], -1)
        found = {
            "joints": (back[:, None] @ joints[..., None])[..., 0],
            "covariance": back[:, None] @ covariance @ turn[:, None],
            "root": (back @ place[..., None])[..., 0],
            "root_sigma": sigma,
        }
        for values in found.values():
            values[~there] = np.nan
        return found


Answer = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def answer(session: Any, given: dict[str, np.ndarray], mirrored: bool, kept: slice = slice(None)) -> Answer:
    """What a network says of a batch of windows: joints, their covariance, the root and its log sigma, in virtual cameras' axes.

    Args:
        session: of onnxruntime.
        given: by the names of its inputs, ``(batch, ...)``.
        mirrored: the mean of this and of what it says of the mirror image.
        kept: of the frames of every window, those that are wanted.
    """
    if not mirrored:
        joints, shape, root, log_sigma = (np.asarray(x[:, kept], float) for x in session.run(None, given))
        return joints, _covariance(shape), root, log_sigma
    both = {name: np.concatenate([value, flipped(name, value)]) for name, value in given.items()}
    joints, covariance, root, log_sigma = answer(session, both, False, kept)
    half = len(joints) // 2
    other = (
        unflipped(joints[half:]),
        (covariance[half:] * np.outer(_MIRROR, _MIRROR))[..., _OTHER_JOINT, :, :],
        root[half:] * _MIRROR,
        log_sigma[half:],
    )
    joints, covariance, root, log_sigma = (x[:half] for x in (joints, covariance, root, log_sigma))
    return 0.5 * (joints + other[0]), 0.5 * (covariance + other[1]), 0.5 * (root + other[2]), 0.5 * (log_sigma + other[3])


def unflipped(joints: np.ndarray) -> np.ndarray:
    """Joints of the mirror image as those of what was mirrored."""
    return (joints * _MIRROR)[..., _OTHER_JOINT, :]


def _covariance(shape: np.ndarray) -> np.ndarray:
    spread = np.linalg.inv(whitener(shape))
    return spread @ np.swapaxes(spread, -1, -2)


def flipped(name: str, value: np.ndarray) -> np.ndarray:
    """An input of the mirror image."""
    if name == "points":
        return (value * _MIRROR_POINTS)[:, :, _OTHER_POINT]
    return value * _MIRROR_EXTRA if name == "extra" else value


class Follower:
    """Lifts one person while it is seen: every frame from itself and some of those before it."""

    def __init__(self, lifter: NetworkLifter):
        """Begin with nothing seen."""
        self._lifter = lifter
        self._seen: PointsOfView | None = None

    def push(self, frame: PointsOfView) -> Lifted:
        """The person in one more frame.

        Raises:
            InputError: time does not rise.
        """
        if self._seen is not None:
            if not frame.time[0] > self._seen.time[-1]:
                raise InputError(f"time does not rise: {frame.time[0]:g} s after {self._seen.time[-1]:g} s")
            parts = (self._seen, frame)
            frame = PointsOfView(*(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(PointsOfView)))
        self._seen = frame.take(slice(-_REMEMBERED[-1] - 1, None))
        rows = len(self._seen.time) - 1 - np.array(_REMEMBERED)
        return self._lifter.last(self._seen.take(rows[rows >= 0][::-1]))


def shipped() -> Path:
    """The network that comes with recon3d."""
    return Path(str(resources.files("recon3d.monocular") / "lifter.onnx"))


def attention(there: np.ndarray, causal: bool) -> Float[np.ndarray, "frames frames"]:
    """0 where a frame may look at another, minus infinity elsewhere; every frame may look at itself."""
    frames = len(there)
    allowed = np.broadcast_to(there, (frames, frames)).copy()
    if causal:
        allowed &= np.tri(frames, dtype=bool)
    allowed |= np.eye(frames, dtype=bool)
    return np.where(allowed, 0.0, -np.inf).astype(np.float32)


def whitener(shape: Float[np.ndarray, "*batch 6"]) -> Float[np.ndarray, "*batch 3 3"]:
    """Lower triangles that turn errors to standard deviations: three logarithms of the diagonal, then (1, 0), (2, 0), (2, 1)."""
    out = np.zeros((*shape.shape[:-1], 3, 3))
    for k in range(3):
        out[..., k, k] = np.exp(shape[..., k])
    out[..., 1, 0], out[..., 2, 0], out[..., 2, 1] = shape[..., 3], shape[..., 4], shape[..., 5]
    return out
