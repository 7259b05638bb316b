"""What somebody covers of a picture: polygons, named after the parts of the body they show; of sticks, cardboard or a mesh alike."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from recon3d.body.model import PosedBody
from recon3d.geometry import SE3, SO3, Camera
from recon3d.geometry.raster import front_faces, silhouette
from recon3d.opencv import import_cv2

_NEAR_M = 0.05
_SUBPIXEL = 8  # fractional bits of cv2's polygons
_LIMBS = ("upper_arm", "forearm", "hand", "thigh", "shank", "foot")
PARTS = ("head", "trunk", *(f"{side}_{part}" for side in ("left", "right") for part in _LIMBS))
"""Names of parts, the subject's left and right."""
_ROOTS = {
    "pelvis": "trunk", "neck": "head",
    **{f"{side}_{joint}": f"{side}_{part}" for side in ("left", "right") for joint, part in (
        ("shoulder", "upper_arm"), ("elbow", "forearm"), ("wrist", "hand"), ("hip", "thigh"), ("knee", "shank"), ("ankle", "foot"))},
}  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Outline:
    """Of somebody in one picture.

    Attributes:
        size: width and height of the picture, px.
        whole: outer rings round everything, px; pixel centres are at integers; holes (between an arm and the trunk) are not told.
        parts: rings round each part that is seen, by name; nearer parts come later.
    """

    size: tuple[int, int]
    whole: tuple[Float[np.ndarray, "points 2"], ...]
    parts: Mapping[str, tuple[Float[np.ndarray, "points 2"], ...]]

    def mask(self) -> Bool[np.ndarray, "height width"]:
        """Pixels inside."""
        return filled(self.whole, self.size)

    def labels(self) -> UInt8[np.ndarray, "height width"]:
        """The part that every pixel shows: 1 for the first of `PARTS`, 0 for none."""
        out = np.zeros(self.size[::-1], np.uint8)
        for name, rings in self.parts.items():
            out[filled(rings, self.size)] = PARTS.index(name) + 1
        return out


class Outlined(Protocol):
    """A model of somebody, of whatever kind, in one pose."""

    def outline(self, camera: Camera) -> Outline:
        """What a camera sees of it."""
        ...


def filled(rings: Sequence[Float[np.ndarray, "points 2"]], size: tuple[int, int]) -> Bool[np.ndarray, "height width"]:
    """Pixels in any of some polygons."""
    cv2, out = import_cv2(), np.zeros(size[::-1], np.uint8)
    for ring in rings:
        if len(ring):
            cv2.fillPoly(out, [np.rint(ring * (1 << _SUBPIXEL)).astype(np.int32)], 1, shift=_SUBPIXEL)
    return out > 0


def rings_of(mask: Bool[np.ndarray, "height width"]) -> tuple[Float[np.ndarray, "points 2"], ...]:
    """Outer rings of a mask, the longest first."""
    cv2 = import_cv2()
    found, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return tuple(ring[:, 0].astype(float) for ring in sorted(found, key=len, reverse=True))


@dataclass(frozen=True, slots=True, eq=False)
class MeshFigure:
    """A volumetric body in one frame.

    Attributes:
        posed: the body.
        row: of its frames.
    """

    posed: PosedBody
    row: int = 0

    def outline(self, camera: Camera) -> Outline:
        """Of the mesh; parts are those of the joints that carry the skin."""
        body, poses, frame = self.posed.body, self.posed.poses, slice(self.row, self.row + 1)
        alone = SE3(SO3(poses.rotation.matrix[frame]), poses.translation[frame])
        vertices = PosedBody(body, alone).vertices()[0].astype(float)
        own = camera.cam_from_world @ vertices
        corners = np.where(own[:, 2:] > _NEAR_M, camera.project(vertices), np.nan)
        size, faces = camera.intrinsics.size, body.model.faces
        whole = rings_of(silhouette(corners, faces, size))
        front = front_faces(corners, np.maximum(own[:, 2], _NEAR_M), faces, size)
        part = part_of_faces(self.posed)
        shown = np.where(front >= 0, part[front], -1)
        rings = {name: rings_of(shown == k) for k, name in enumerate(PARTS)}
        return Outline(size, whole, {name: found for name, found in rings.items() if found})


def part_of_faces(posed: PosedBody) -> Int[np.ndarray, "faces"]:
    """Which of `PARTS` every face is of: that of the joint that carries most of its corners' skin."""
    body = posed.body
    names, parents = body.armature.joints, body.armature.skeleton.parents.tolist()
    of_joint = np.zeros(len(names), np.int64)
    for j, name in enumerate(names):  # parents come first
        of_joint[j] = PARTS.index(_ROOTS[name]) if name in _ROOTS else of_joint[parents[j]]
    heavy = np.zeros((body.skin.count, len(PARTS)))
    np.add.at(heavy, (body.skin.vertex, of_joint[body.skin.joint]), body.skin.weight)
    return heavy[body.model.faces].sum(1).argmax(1)
