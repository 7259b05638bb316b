"""Cameras that move, as several that stand: one for each of a few frames, which sees that frame alone.

Everything that solves for points knows cameras that stand. A piece of a take with a moving camera is
worked on as a rig with one camera for each of its poses; answers about points need no translation, and
answers about cameras are folded back onto the camera that moved.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from recon3d.arrays import finite_median, windows
from recon3d.geometry import Camera, CameraRig
from recon3d.multiview.agreement import Agreement
from recon3d.multiview.noise import NoiseScale
from recon3d.multiview.sync import Views

PIECE = 12
"""Frames worked on at once: as many cameras stand for each that moves."""


@dataclass(frozen=True, slots=True, eq=False)
class Standing:
    """A piece of a take with cameras that stand.

    Attributes:
        rig: cameras, those that move once a frame.
        views: what they saw.
        owner: which camera of the whole rig each is.
    """

    rig: CameraRig
    views: Views
    owner: Int[np.ndarray, "views"]


def standing(views: Views, rig: CameraRig) -> Iterator[Standing]:
    """Pieces of a few frames; the take as it is where no camera moves.

    Raises:
        CameraError: frames outside those that a moving camera has poses for.
    """
    if not rig.moving:
        yield Standing(rig, views, np.arange(len(rig)))
        return
    for part in windows(len(views), PIECE):
        yield _piece(take(views, np.arange(len(views))[part]), rig)


def take(views: Views, rows: Int[np.ndarray, "some"]) -> Views:
    """Some of the instants."""
    over_time = {name: getattr(views, name)[rows] for name in ("frame", "time")}
    in_views = {name: getattr(views, name)[:, rows] for name in ("source", "xy", "confidence", "sigma_px")}
    return Views(views.layout, **over_time, **in_views)


def _piece(views: Views, rig: CameraRig) -> Standing:
    cameras: list[Camera] = []
    owner: list[int] = []
    own_frame: list[int] = []  # -1: all of them
    for v, camera in enumerate(rig):
        if not camera.moves:
            cameras.append(camera)
            owner.append(v)
            own_frame.append(-1)
            continue
        for k in np.flatnonzero(views.source[v] >= 0).tolist():
            number = int(views.source[v, k])
            cameras.append(replace(camera.at_frame(number), name=f"{camera.name}.{number}"))
            owner.append(v)
            own_frame.append(k)
    of = np.array(owner)
    picked = {name: np.array(getattr(views, name)[of]) for name in ("source", "xy", "confidence", "sigma_px")}
    for row, k in enumerate(own_frame):
        if k >= 0:
            others = np.arange(len(views)) != k
            picked["source"][row, others], picked["xy"][row, others] = -1, np.nan
            picked["confidence"][row, others], picked["sigma_px"][row, others] = 0, np.nan
    return Standing(replace(rig, cameras=tuple(cameras), covariance=None), replace(views, **picked), of)


def fold_noise(noise: NoiseScale, owner: Int[np.ndarray, "views"], cameras: int) -> NoiseScale:
    """Of each camera of the whole rig: the median over those that stood for it."""
    return NoiseScale(_folded(noise.scale, owner, cameras), _folded(noise.residual_px, owner, cameras), noise.points)


def fold_agreement(agreement: Agreement, owner: Int[np.ndarray, "views"], names: tuple[str, ...]) -> Agreement:
    """The same for what the take says of its rig."""
    fields = ("residual_px", "joint_residual_px", "left_out_px", "offset_px", "scatter_px")
    return Agreement(names, *(_folded(getattr(agreement, name), owner, len(names)) for name in fields))


def _folded(values: Float[np.ndarray, "views *rest"], owner: Int[np.ndarray, "views"], cameras: int) -> Float[np.ndarray, "cameras *rest"]:
    flat = values.reshape(len(values), -1)
    out = [[finite_median(flat[owner == v, k]) for k in range(flat.shape[1])] for v in range(cameras)]
    return np.array(out).reshape(cameras, *values.shape[1:])
