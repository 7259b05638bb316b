"""A flat calibration board waved about in front of a rig, as its cameras would detect it."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from recon3d.arrays import freeze_fields
from recon3d.geometry import SE3, SO3, CameraRig

_MOST_OBLIQUE = np.cos(np.deg2rad(65))  # between the board's normal and the ray to a camera that detects it


@dataclass(frozen=True, slots=True, eq=False)
class BoardWorld:
    """A board in motion, with truth.

    Attributes:
        rig: cameras.
        points: of the board in its own plane, m.
        world_from_board: pose in each frame.
        xy: detected corners, px; NaN in cameras that do not see the whole board from its front.
        sigma_px: of each coordinate.
    """

    rig: CameraRig
    points: Float[np.ndarray, "corners 3"]
    world_from_board: SE3
    xy: Float[np.ndarray, "views frames corners 2"]
    sigma_px: float

    def __post_init__(self) -> None:
        freeze_fields(self)


def make_board_world(
    rig: CameraRig, points: Float[np.ndarray, "corners 3"], frames: int = 60, sigma_px: float = 0.3, seed: int = 0, reach: float = 0.6
) -> BoardWorld:
    """A board turned to all sides and tilted, within ``reach`` (m) of a point 1.1 m above the middle of the floor."""
    rng = np.random.default_rng([seed, len(rig), frames])
    heading = rng.uniform(0, 2 * np.pi, frames)
    tilt = np.column_stack([rng.uniform(-0.6, 0.6, frames), rng.uniform(-0.6, 0.6, frames), rng.uniform(-0.5, 0.5, frames)])
    # Upright with its normal (z) level, then turned and tilted.
    upright = SO3(np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]]))
    turned = SO3.exp(np.column_stack([0 * heading, 0 * heading, heading]))
    rotation = turned @ SO3(np.broadcast_to(upright.matrix, (frames, 3, 3))) @ SO3.exp(tilt)
    middle = points.mean(0)
    place = np.array([0, 0, 1.1]) + rng.uniform(-1, 1, (frames, 3)) * np.array([reach, reach, 0.5 * reach])
    pose = SE3(rotation, place - (rotation @ np.broadcast_to(middle, (frames, 3))))
    world = points @ np.swapaxes(rotation.matrix, 1, 2) + pose.translation[:, None]
    xy = rig.project(world)
    xy = xy + rng.normal(0, sigma_px, xy.shape)
    sizes = np.array([camera.intrinsics.size for camera in rig])[:, None, None]
    with np.errstate(invalid="ignore"):
        inside = ((xy >= 0) & (xy < sizes)).all((2, 3))
    to_camera = rig.centres()[:, None] - place
    to_camera /= np.linalg.norm(to_camera, axis=-1, keepdims=True)
    # The printed side is the one that the corners run right-handed on, seen against z.
    facing = -(to_camera * rotation.matrix[:, :, 2]).sum(-1)
    xy[~(inside & (facing > _MOST_OBLIQUE))] = np.nan
    return BoardWorld(rig, points, pose, xy, sigma_px)
