"""A window of detections in the form that people are told apart on: normalised points, frame by frame."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from recon3d.arrays import freeze_fields, whole_rows
from recon3d.errors import ShapeError
from recon3d.geometry import CameraRig, Intrinsics
from recon3d.geometry.links import Links
from recon3d.multiview.sync import Views
from recon3d.skeleton import LIMBS, Layout, body_links

MIN_POINTS = 3
"""Points that a detection needs to be somebody (all of a layout that has fewer)."""
_UNLIKE = 8.0  # squared sigmas for looks that have nothing in common
_SHARPEST = 1e-10  # least variance of a point: a hundredth of a pixel
_UNPLACED = 1e3  # variance of a point that is not there, in squared units of the focal length


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """Some points of every detection, undistorted.

    Attributes:
        points: which of the layout's.
        time: s.
        matrix: ``cam_from_world``; one for all frames where no camera moves.
        uv: normalised image points, 0 where absent.
        variance: of each coordinate, in the same unit; absent points have a huge one.
        there: points that a detector saw surely enough.
        somebody: detections with enough points.
        low: least normalised coordinates that an image shows.
        high: largest.
        looks: what each detection looks like, of unit length or zero; of no features where nobody says.
    """

    points: Int[np.ndarray, "joints"]
    time: Float[np.ndarray, "frames"]
    matrix: Float[np.ndarray, "poses views 3 4"]
    uv: Float[np.ndarray, "frames views slots joints 2"]
    variance: Float[np.ndarray, "frames views slots joints"]
    there: Bool[np.ndarray, "frames views slots joints"]
    somebody: Bool[np.ndarray, "frames views slots"]
    low: Float[np.ndarray, "views 2"]
    high: Float[np.ndarray, "views 2"]
    looks: Float[np.ndarray, "frames views slots features"]

    def __post_init__(self) -> None:
        freeze_fields(self)

    def __len__(self) -> int:
        return len(self.time)

    def poses(self, frame: int) -> Float[np.ndarray, "views 3 4"]:
        """Where the cameras were."""
        return self.matrix[frame if len(self.matrix) > 1 else 0]


@dataclass(frozen=True, slots=True, eq=False)
class Sides:
    """Which points change places with which when a limb pair is exchanged.

    Attributes:
        mirror: of each point its mirror image.
        group: of each point its limb pair (arms, legs), one column each.
    """

    mirror: Int[np.ndarray, "joints"]
    group: Float[np.ndarray, "joints groups"]


def telling_points(layout: Layout) -> Int[np.ndarray, "joints"]:
    """The points that people are told apart by: the limbs' joints, or all of a layout that has none of them."""
    limbs = [layout.index(name) for name in LIMBS if name in layout.points]
    return np.array(limbs if len(limbs) >= MIN_POINTS else range(len(layout)), dtype=np.int64)


def sides_of(layout: Layout, points: Int[np.ndarray, "joints"]) -> Sides:
    """Limb pairs among some points of a layout: arms and legs, or all pairs of what has neither."""
    place = {int(p): k for k, p in enumerate(points)}
    mirror = np.array([place.get(int(layout.mirror[p]), k) for k, p in enumerate(points)])
    names = [layout.points[p].split("_", 1)[-1] for p in points]
    groups = [np.array([n in limb for n in names]) for limb in (("shoulder", "elbow", "wrist"), ("hip", "knee", "ankle"))]
    if not all(group.any() for group in groups):
        groups = [mirror != np.arange(len(mirror))]
    return Sides(mirror, np.stack(groups, -1).astype(float))


def bones_of(layout: Layout, points: Int[np.ndarray, "joints"]) -> Links:
    """What is known of the distances between some points of a layout."""
    links = body_links(layout)
    place = np.full(len(layout), -1)
    place[points] = np.arange(len(points))
    pairs = place[links.pairs]
    kept = np.logical_and.reduce(pairs >= 0, axis=-1)
    return Links(len(points), pairs[kept], links.length_m[kept], links.sigma_m[kept])


def unlike(a: Float[np.ndarray, "*batch features"], b: Float[np.ndarray, "*others features"]) -> Float[np.ndarray, "*both"]:
    """How much the looks of two speak against their being one person, in squared sigmas; 0 where one is unknown."""
    if not (a.shape[-1] and b.shape[-1]):
        return np.zeros(())
    size = np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1)
    return np.where(size > 0, _UNLIKE * (1 - (a * b).sum(-1) / np.maximum(size, 1e-12)), 0.0)


def _looks(embedding: Float[np.ndarray, "views frames slots features"] | None, views: Views) -> np.ndarray:
    if embedding is None:
        return np.zeros((len(views), len(views.xy), views.xy.shape[2], 0))
    if embedding.shape[:3] != views.xy.shape[:3]:
        raise ShapeError(f"embedding has axes (views frames slots features), {views.xy.shape[:3]} here, not shape {embedding.shape}")
    length = np.linalg.norm(embedding, axis=-1, keepdims=True)
    unit = np.where(np.isfinite(length) & (length > 0), embedding / np.where(length > 0, length, 1.0), 0.0)
    return unit.transpose(1, 0, 2, 3)


def prepare(
    views: Views,
    rig: CameraRig,
    scale: Float[np.ndarray, "views"] | Sequence[float],
    min_confidence: float,
    embedding: Float[np.ndarray, "views frames slots features"] | None = None,
) -> Evidence:
    """Evidence of a window.

    Args:
        views: what the cameras saw.
        rig: their cameras; they may move.
        scale: factor on each camera's sigmas.
        min_confidence: points below are not used.
        embedding: what each detection looks like; NaN or zero where unknown.

    Raises:
        ShapeError: an embedding of other detections.
    """
    points = telling_points(views.layout)
    frames, slots = len(views), views.xy.shape[2]
    uv = np.zeros((frames, len(rig), slots, len(points), 2))
    variance = np.full(uv.shape[:-1], _UNPLACED)
    there = np.zeros(uv.shape[:-1], bool)
    low, high = np.zeros((len(rig), 2)), np.zeros((len(rig), 2))
    for v, camera in enumerate(rig):
        xy = views.xy[v][:, :, points].astype(float)
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            ray, slope = camera.intrinsics.undistort(xy)
            area = np.abs(slope[..., 0, 0] * slope[..., 1, 1] - slope[..., 0, 1] * slope[..., 1, 0])
            own = (views.sigma_px[v][:, :, points] * float(scale[v])) ** 2 / area
        good = whole_rows(ray) & np.isfinite(own) & (own > 0) & (views.confidence[v][:, :, points] >= min_confidence)
        uv[:, v][good], variance[:, v][good], there[:, v] = ray[good], np.maximum(own[good], _SHARPEST), good
        low[v], high[v] = _bounds(camera.intrinsics)
    least = min(MIN_POINTS, len(points))
    looks = _looks(embedding, views)
    return Evidence(points, views.time.copy(), _matrices(views, rig), uv, variance, there, there.sum(-1) >= least, low, high, looks)


def _bounds(intrinsics: Intrinsics) -> tuple[Float[np.ndarray, "2"], Float[np.ndarray, "2"]]:
    """What an image shows, as a box of normalised coordinates."""
    width, height = intrinsics.size
    edge = np.linspace(0, 1, 9)
    across, down = edge * (width - 1), edge * (height - 1)
    middle_x, middle_y = np.full(9, (width - 1) / 2), np.full(9, (height - 1) / 2)
    border = np.concatenate([np.stack([across, middle_y], -1), np.stack([middle_x, down], -1)])
    seen, _ = intrinsics.undistort(border)
    return np.nanmin(seen, 0), np.nanmax(seen, 0)


def _matrices(views: Views, rig: CameraRig) -> Float[np.ndarray, "poses views 3 4"]:
    if not rig.moving:
        return np.stack([camera.cam_from_world.matrix()[:3] for camera in rig])[None]
    out = np.zeros((len(views), len(rig), 3, 4))
    for v, camera in enumerate(rig):
        if not camera.moves:
            out[:, v] = camera.cam_from_world.matrix()[:3]
            continue
        for k in np.flatnonzero(views.source[v] >= 0).tolist():
            out[k, v] = camera.at_frame(int(views.source[v, k])).cam_from_world.matrix()[:3]
    return out
