"""Do the cameras agree? Leave-one-camera-out residuals, and what part of them is systematic."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from recon3d.arrays import finite_median, freeze_fields
from recon3d.geometry import CameraRig
from recon3d.geometry.triangulation import triangulate

_DISAGREE_RATIO = 3.0  # systematic over scatter beyond which a rig is called inconsistent
_DISAGREE_PX = 4.0  # and the systematic part itself


@dataclass(frozen=True, slots=True, eq=False)
class Agreement:
    """What the take says about its rig.

    Attributes:
        cameras: names.
        residual_px: median distance of each camera's limb detections to the solution of all views.
        joint_residual_px: the same for each joint of the layout.
        left_out_px: the same to the solution of the other views alone; NaN with two cameras.
        offset_px: median residual vector of each camera: what all its detections are off by together.
        scatter_px: how far single detections jump from frame to frame, per coordinate.
    """

    cameras: tuple[str, ...]
    residual_px: Float[np.ndarray, "views"]
    joint_residual_px: Float[np.ndarray, "views joints"]
    left_out_px: Float[np.ndarray, "views"]
    offset_px: Float[np.ndarray, "views 2"]
    scatter_px: Float[np.ndarray, "views"]

    def __post_init__(self) -> None:
        freeze_fields(self)

    @property
    def disagreeing(self) -> tuple[str, ...]:
        """Cameras whose residuals are far beyond the detections' scatter, worst first."""
        if len(self.cameras) < 2:
            return ()  # with nobody to disagree with
        scatter = np.nan_to_num(self.scatter_px, nan=_DISAGREE_PX)  # unknown in a take of a few frames
        beyond = (self.residual_px > _DISAGREE_RATIO * scatter) & (self.residual_px > _DISAGREE_PX)
        order = np.argsort(-np.nan_to_num(self.residual_px))
        return tuple(self.cameras[v] for v in order if beyond[v])


def judge_agreement(
    rig: CameraRig,
    xy: Float[np.ndarray, "views frames joints 2"],
    frame: Int[np.ndarray, "frames"],
    limbs: Sequence[int],
) -> Agreement:
    """Residuals of a take's limbs with all views believed, and with each camera left out in turn."""
    views = len(rig)
    joints = xy.shape[2]
    answer = triangulate(rig, xy.reshape(views, -1, 2), 1.0, max_depth_error=np.inf)
    residual = answer.residual_px.reshape(views, -1, joints)
    chosen = list(limbs)
    xy = xy[:, :, chosen]
    flat = xy.reshape(views, -1, 2)
    offset = flat - rig.project(answer.xyz.reshape(-1, joints, 3)[:, chosen].reshape(-1, 3))
    left_out = np.full(views, np.nan)
    if views > 2:
        for v in range(views):
            names = [name for k, name in enumerate(rig.names) if k != v]
            others = triangulate(rig.select(names), np.delete(flat, v, 0), 1.0, max_depth_error=np.inf)
            distance = np.linalg.norm(flat[v] - rig.cameras[v].project(others.xyz), axis=-1)
            left_out[v] = finite_median(distance)
    # Second differences of white noise have 6 times its variance; motion adds little at frame rates of film.
    gap = np.diff(frame)
    even = (gap[1:] == gap[:-1]) & (gap[1:] == (gap.min() if len(gap) else 1))
    jump = np.diff(xy, 2, axis=1)[:, even]
    scatter = np.array([1.4826 * finite_median(np.abs(jump[v]).ravel()) / np.sqrt(6) for v in range(views)])
    return Agreement(
        rig.names,
        np.array([finite_median(residual[v][:, chosen]) for v in range(views)]),
        np.array([[finite_median(residual[v, :, j]) for j in range(joints)] for v in range(views)]),
        left_out,
        np.array([[finite_median(offset[v, :, k]) for k in (0, 1)] for v in range(views)]),
        scatter,
    )
