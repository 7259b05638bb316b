"""Other ways to read the numbers of a rig file: what programs differ in, direction and axes of a transform."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from recon3d.geometry.camera import CameraRig
from recon3d.geometry.lie import SE3, SO3

_OPENGL = SE3(SO3(np.diag([1.0, -1.0, -1.0])), np.zeros(3))


def other_readings(rig: CameraRig) -> list[tuple[str, CameraRig]]:
    """The rigs that a misread file may stand for, each with what is the case then ("its transforms are inverted")."""
    return [
        (label, replace(rig, cameras=tuple(replace(c, cam_from_world=change(c.cam_from_world)) for c in rig), covariance=None))
        for label, change in _CHANGES.items()
    ]


def _transposed(pose: SE3) -> SE3:
    return SE3(pose.rotation.inverse(), pose.translation)


def _centre_for_translation(pose: SE3) -> SE3:
    return SE3(pose.rotation, -(pose.rotation @ pose.translation))


_CHANGES: dict[str, Callable[[SE3], SE3]] = {
    "its transforms are inverted (they are camera to world, not world to camera)": lambda pose: pose.inverse(),
    "its cameras look along their -z axis (OpenGL axes)": lambda pose: _OPENGL @ pose,
    "its transforms are inverted and its cameras look along their -z axis": lambda pose: _OPENGL @ pose.inverse(),
    "its rotations are transposed": _transposed,
    "its translations are the cameras' centres": _centre_for_translation,
}
