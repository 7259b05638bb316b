"""Camera rigs as they are set up in practice, seeded."""

from collections.abc import Callable
from typing import Literal

import numpy as np
from jaxtyping import Float

from recon3d.errors import CameraError, valid_names
from recon3d.geometry import SE3, SO3, Camera, CameraRig, Intrinsics

RigKind = Literal["ring", "wall", "corridor", "ceiling"]
LensKind = Literal["none", "mild", "strong", "rational", "fisheye"]
_TARGET = np.array([0.0, 0.0, 0.95])


def make_rig(
    kind: RigKind = "ring",
    cameras: int = 8,
    lens: LensKind = "mild",
    seed: int = 0,
    size: tuple[int, int] = (1920, 1080),
    distance: float = 4.0,
) -> CameraRig:
    """Cameras that look at a person near the origin.

    Args:
        kind: "ring" round the person; "wall", all on one side; "corridor", facing each other along x;
            "ceiling", from 3 m above.
        cameras: how many.
        lens: distortion.
        seed: of small differences between the cameras.
        size: of the images, px.
        distance: from the middle, m.
    """
    places: dict[str, Callable[[int, int, np.random.Generator], np.ndarray]] = {
        "ring": _ring,
        "wall": _wall,
        "corridor": _corridor,
        "ceiling": _ceiling,
    }
    if kind not in places:
        raise CameraError(f"no rig kind {kind!r}; there are {valid_names(places)}")
    rng = np.random.default_rng([seed, cameras, sorted(places).index(kind)])
    out: list[Camera] = []
    for k in range(cameras):
        centre = places[kind](k, cameras, rng) * np.array([distance / 4, distance / 4, 1.0])
        target = _TARGET + rng.uniform(-1, 1, 3) * np.array([0.15, 0.15, 0.05])
        out.append(Camera(f"cam{k + 1:02d}", _intrinsics(lens, size, rng), look_at(centre, target)))
    return CameraRig(tuple(out))


def look_at(centre: Float[np.ndarray, "3"], target: Float[np.ndarray, "3"]) -> SE3:
    """cam_from_world of an upright camera at one point (m) that looks at another."""
    z = (target - centre) / np.linalg.norm(target - centre)
    x = np.cross(z, [0.0, 0.0, 1.0])
    if np.linalg.norm(x) < 1e-6:  # straight up or down: any heading
        x = np.array([1.0, 0.0, 0.0])
    x /= np.linalg.norm(x)
    rotation = SO3(np.stack([x, np.cross(z, x), z]))
    return SE3(rotation, -(rotation @ centre))


def _ring(k: int, count: int, rng: np.random.Generator) -> np.ndarray:
    angle = 2 * np.pi * k / count + rng.uniform(-0.08, 0.08)
    return np.array([4 * np.cos(angle), 4 * np.sin(angle), rng.uniform(1.2, 2.6)])


def _wall(k: int, count: int, rng: np.random.Generator) -> np.ndarray:
    return np.array([3.0 * (2 * (k + 0.5) / count - 1), -4.0, rng.uniform(1.0, 2.4)]) + rng.uniform(-0.1, 0.1, 3)


def _corridor(k: int, count: int, rng: np.random.Generator) -> np.ndarray:
    side = 1 if k % 2 else -1
    return np.array([4.5 * side, 0.7 * (1 if k % 4 < 2 else -1), rng.uniform(1.4, 2.4)]) + rng.uniform(-0.1, 0.1, 3)


def _ceiling(k: int, count: int, rng: np.random.Generator) -> np.ndarray:
    angle = 2 * np.pi * k / count + rng.uniform(-0.08, 0.08)
    return np.array([2.4 * np.cos(angle), 2.4 * np.sin(angle), 3.0])


def _intrinsics(lens: LensKind, size: tuple[int, int], rng: np.random.Generator) -> Intrinsics:
    focal = rng.uniform(0.458, 0.531) * size[0]
    k = np.array(
        [
            [focal, 0, size[0] / 2 + rng.uniform(-15, 15)],
            [0, focal * rng.uniform(0.998, 1.002), size[1] / 2 + rng.uniform(-15, 15)],
            [0, 0, 1],
        ]
    )
    if lens == "fisheye":
        return Intrinsics(
            size,
            k * np.array([[0.7], [0.7], [1]]) + np.array([[0, 0, 0.3], [0, 0, 0.3], [0, 0, 0]]) * k,
            "fisheye",
            rng.uniform(-0.02, 0.02, 4),
        )
    small = np.array([rng.uniform(-0.16, -0.08), rng.uniform(0.02, 0.07), *rng.uniform(-8e-4, 8e-4, 2), rng.uniform(-0.012, 0)])
    dist = {
        "none": np.zeros(5),
        "mild": small,
        "strong": small * np.array([2.2, 2.2, 2, 2, 2]),
        "rational": np.r_[small, rng.uniform(-0.02, 0.02, 3)],
    }
    if lens not in dist:
        raise CameraError(f"no lens kind {lens!r}; there are {valid_names([*dist, 'fisheye'])}")
    return Intrinsics(size, k, "pinhole", dist[lens])
