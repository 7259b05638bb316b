"""Laying one rig onto another, so that what moved can be told from what did not."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from recon3d.errors import CameraError
from recon3d.geometry import SE3, SO3, CameraRig

_ROUNDS = 30


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """``new = scale * rotation @ old + translation`` of the world; which cameras decided it.

    Attributes:
        scale: of lengths.
        new_from_old: rotation and translation (m, in new units).
        weight: of each camera, 1 for one that stayed and near 0 for one that moved.
    """

    scale: float
    new_from_old: SE3
    weight: Float[np.ndarray, "cameras"]


def lay_onto(rig: CameraRig, reference: CameraRig, robust: bool = True, with_scale: bool = True) -> Fit:
    """The similarity that brings a rig's cameras onto another's of the same names.

    Orientations and centres both count: a centre as an angle at the rig's extent. A robust fit is decided by
    the majority that agrees, so that a camera that was moved does not move the others (Geman-McClure weights
    whose width is taken from the median).

    Raises:
        CameraError: cameras that do not match.
    """
    if rig.names != reference.names:
        raise CameraError(f"the rigs have different cameras: {', '.join(rig.names)} and {', '.join(reference.names)}")
    a, b = rig.centres(), reference.centres()
    ra = np.stack([c.cam_from_world.rotation.matrix for c in rig])
    rb = np.stack([c.cam_from_world.rotation.matrix for c in reference])
    extent = max(float(np.linalg.norm(b - b.mean(0), axis=1).max()), 1e-9)
    weight, scale = np.ones(len(a)), 1.0
    rotation, translation = np.eye(3), np.zeros(3)
    for _ in range(_ROUNDS if robust else 2):
        w = weight / weight.sum()
        ma, mb = w @ a, w @ b
        # Both a camera's axes and its centre say how the world is turned.
        turn = np.einsum("n,nki,nkj->ij", w, rb, ra) + np.einsum("n,ni,nj->ij", w, b - mb, (a - ma) * scale) / extent**2
        rotation = SO3.nearest(turn).matrix
        spread = float(w @ ((a - ma) ** 2).sum(1))
        if with_scale and spread > 1e-18:
            scale = float(w @ ((b - mb) * ((a - ma) @ rotation.T)).sum(1)) / spread
            scale = scale if scale > 0 else 1.0
        translation = mb - scale * rotation @ ma
        off = np.linalg.norm(scale * a @ rotation.T + translation - b, axis=1) / extent
        left = SO3(ra @ rotation.T @ np.swapaxes(rb, 1, 2)).log()
        size = np.hypot(off, np.linalg.norm(left, axis=1))
        width = max(float(np.median(size)), 1e-6)
        if robust:
            weight = 1 / (1 + (size / width) ** 2) ** 2
    return Fit(scale, SE3(SO3(rotation), translation), weight / weight.max())
