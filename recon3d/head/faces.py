"""Faces with known points: the average face of the open body, and MediaPipe's canonical face.

The head's frame: origin midway between the ears, x to the subject's left, y backward, z up (as armatures at rest); metres.
"""

import functools
from dataclasses import dataclass, replace
from importlib import resources

import numpy as np
from jaxtyping import Float

from recon3d.arrays import freeze_fields
from recon3d.errors import InputError, valid_names
from recon3d.geometry.alignment import align_directions
from recon3d.skeleton import Layout, load_layout

AXES_FROM_MEDIAPIPE = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
"""MediaPipe's canonical face has y up and z out of the face."""
# 300W's points among MediaPipe's, subject's right to left: jaw, brows, bridge, base of the nose, eyes, outer and inner lips.
IBUG_68 = (
    162, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 389,
    71, 63, 105, 66, 107, 336, 296, 334, 293, 301, 168, 197, 5, 4, 75, 97, 2, 326, 305,
    33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380,
    61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181, 78, 82, 13, 312, 308, 317, 14, 87,
)  # fmt: skip
_MOVING = ("jaw", "lip", "mouth")
_FEWEST = 4


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """Points of a face, or of any rigid thing.

    Attributes:
        name: of it.
        points: names.
        xyz: in its frame, m.
        loose_m: how far each lies beside on somebody's own face, one sigma; more where faces move.
        scale_sigma: how much faces differ in size, as a share.
    """

    name: str
    points: tuple[str, ...]
    xyz: Float[np.ndarray, "points 3"]
    loose_m: Float[np.ndarray, "points"]
    scale_sigma: float = 0.06

    def __post_init__(self) -> None:
        freeze_fields(self)

    def select(self, points: tuple[str, ...]) -> "Face":
        """Some of its points, in this order."""
        rows = [self.points.index(name) for name in points]
        return replace(self, points=points, xyz=self.xyz[rows], loose_m=self.loose_m[rows])

    def scaled(self, factor: float) -> "Face":
        """The same face so many times as large."""
        return replace(self, xyz=self.xyz * factor, loose_m=self.loose_m * factor)


@functools.cache
def _stored() -> dict[str, np.ndarray]:
    with resources.as_file(resources.files("recon3d.head") / "faces.npz") as path, np.load(path, allow_pickle=False) as data:
        return {name: data[name] if data[name].dtype.kind == "U" else data[name].astype(float) for name in data.files}


@functools.cache
def face_of(layout: Layout) -> Face:
    """The face whose points a layout names: 300W's 68 (alone or as WholeBody's), MediaPipe's 468, or the five points of a head.

    Raises:
        InputError: a layout with fewer than four points of a head.
    """
    held = _stored()
    if layout.name == "face_468":
        return _named("canonical_468", layout.points, _aligned(held["canonical_468"], held["average_468"]))
    ibug = load_layout("face_68").points
    for prefix in ("", "face_"):
        names = tuple(f"{prefix}{name}" for name in ibug)
        own = [k for k, name in enumerate(names) if name in layout.points]
        if len(own) > len(names) // 2:
            return _named("average_68", tuple(names[k] for k in own), held["average_68"][own])
    names = tuple(held["coco_points"].tolist())
    own = [k for k, name in enumerate(names) if name in layout.points]
    if len(own) < _FEWEST:
        raise InputError(
            f"layout {layout.name} has too few points of a head: needed are 300W's 68, MediaPipe's 468, or four of {valid_names(names)}"
        )
    return _named("coco", tuple(names[k] for k in own), held["coco"][own])


def _named(name: str, points: tuple[str, ...], xyz: np.ndarray) -> Face:
    moving = np.array([any(part in point for part in _MOVING) for point in points])
    return Face(name, points, xyz.copy(), np.where(moving, 0.006, 0.003))


def _aligned(canonical: Float[np.ndarray, "points 3"], average: Float[np.ndarray, "points 3"]) -> Float[np.ndarray, "points 3"]:
    """MediaPipe's face in the head's frame: turned and moved to where the average face has the same points, its own size kept."""
    own, other = canonical.mean(0), average.mean(0)
    turn = align_directions(canonical - own, average - other, np.ones(len(canonical)))
    return turn @ (canonical - own) + other
