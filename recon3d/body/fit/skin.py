"""Evidence about the skin: point clouds (of depth cameras or scanners), silhouettes, spots, as they are to be taken for near a body.

Which point of the skin a measured point or a contour's pixel is of is not known: the nearest, round by round (iterative closest
points; Chen and Medioni 1992 for distances to planes).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.spatial import KDTree

from recon3d.arrays import freeze_fields
from recon3d.body.fit.problem import Surface
from recon3d.body.fit.spots import Spots
from recon3d.body.linear import LinearModel
from recon3d.body.marks import marks_of_vertices
from recon3d.body.model import ShapedBody
from recon3d.errors import InputError
from recon3d.geometry import Camera
from recon3d.geometry.raster import silhouette
from recon3d.motion.pose import Pose
from recon3d.opencv import import_cv2

_MOST_POINTS = 3000  # of a cloud, in a round
_FARTHEST_M = 0.15  # a measured point further from the skin is of something else
_ALONG = 0.02  # of the information across the skin, along it: keeps skin from sliding
_RIM_PX = 2.5  # how deep inside the model's silhouette its rim may be
_CONTOUR_STEP = 3  # px
_FARTHEST_PX = 40.0
_FACING = 0.5  # least cosine between the contours' normals
_STEP_M = 1e-4


@dataclass(frozen=True, slots=True, eq=False)
class Cloud:
    """Measured points of somebody's skin or clothes.

    Attributes:
        time: s.
        xyz: in the world, m.
        sigma_m: standard deviation of each coordinate.
    """

    time: float
    xyz: Float[np.ndarray, "points 3"]
    sigma_m: float

    def __post_init__(self) -> None:
        freeze_fields(self)
        if not np.isfinite(self.xyz).all():
            raise InputError("a cloud's points must be numbers: leave out what was not measured")
        if not 0 < self.sigma_m < 1:
            raise InputError(f"a cloud's sigma is in metres, not {self.sigma_m}")


@dataclass(frozen=True, slots=True, eq=False)
class Mask:
    """Which pixels of a picture show somebody.

    Attributes:
        time: s.
        camera: that took it.
        inside: pixels; of the camera's size.
        sigma_px: standard deviation of its contour.
    """

    time: float
    camera: Camera
    inside: Bool[np.ndarray, "height width"]
    sigma_px: float = 2.0

    def __post_init__(self) -> None:
        freeze_fields(self)
        size = tuple(self.camera.intrinsics.size)
        if self.inside.shape[::-1] != size:
            raise InputError(f"a mask of camera {self.camera.name} is of {self.inside.shape[::-1]} px, its pictures of {size}")
        if not self.inside.any():
            raise InputError(f"a mask of camera {self.camera.name} at {self.time:.3f} s shows nobody")


SkinEvidence: TypeAlias = Cloud | Mask | Spots
"""What may be measured of somebody's skin in a frame."""


def surfaces_of(
    model: LinearModel, body: ShapedBody, pose: Pose, time: Float[np.ndarray, "frames"], skins: Sequence[SkinEvidence]
) -> tuple[Surface, ...]:
    """What evidence about the skin means near these poses.

    Args:
        model: whose body.
        body: as it is taken to be.
        pose: in every frame.
        time: of the frames, s.
        skins: evidence; each is of the frame nearest in time.
    """
    out: list[Surface] = []
    for skin in skins:
        row = int(np.abs(time - skin.time).argmin())
        vertices = body.posed(pose.translation[row : row + 1], pose.rotation[row : row + 1]).vertices()[0].astype(float)
        normals = vertex_normals(vertices, model.faces)
        if isinstance(skin, Spots):
            found = _of_spots(skin, vertices)
        else:
            found = _of_cloud(skin, vertices, normals) if isinstance(skin, Cloud) else _of_mask(skin, vertices, model.faces, normals)
        if found is not None:
            chosen, target, information = found
            out.append(Surface(slice(row, row + 1), marks_of_vertices(model, chosen), target[None], information[None]))
    return tuple(out)


def vertex_normals(vertices: Float[np.ndarray, "vertices 3"], faces: Int[np.ndarray, "faces 3"]) -> Float[np.ndarray, "vertices 3"]:
    """Outward unit vectors: of the faces round each vertex, by their areas."""
    a, b, c = np.moveaxis(vertices[faces], 1, 0)
    across = np.cross(b - a, c - a)
    out = np.stack([np.bincount(faces.ravel(), np.repeat(across[:, k], 3), len(vertices)) for k in range(3)], -1)
    return out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-15)


def _of_cloud(
    cloud: Cloud, vertices: Float[np.ndarray, "vertices 3"], normals: Float[np.ndarray, "vertices 3"]
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Vertices, where they are drawn to, and the information of that: of every vertex that is nearest to some measured points."""
    points = cloud.xyz[:: max(1, len(cloud.xyz) // _MOST_POINTS)]
    nearest, there = _nearest(vertices, points, _FARTHEST_M)
    if not there.any():
        return None
    chosen, back, count = np.unique(nearest[there], return_inverse=True, return_counts=True)
    off = points[there] - vertices[nearest[there]]
    mean = np.stack([np.bincount(back, off[:, k]) for k in range(3)], -1) / count[:, None]
    n = normals[chosen]
    across = (mean * n).sum(-1)
    outer = n[:, :, None] * n[:, None, :]
    weight = count / cloud.sigma_m**2
    information = weight[:, None, None] * ((1 - _ALONG) * outer + _ALONG * np.eye(3) * np.minimum(1.0, _ALONG))
    return chosen, vertices[chosen] + across[:, None] * n, information


def _of_spots(spots: Spots, vertices: Float[np.ndarray, "vertices 3"]) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Vertices, drawn across the line of sight to where they were seen."""
    places = vertices[spots.vertex]
    xy = spots.camera.project(places)
    sound = np.isfinite(xy).all(1)
    if not sound.any():
        return None
    chosen, places = spots.vertex[sound], places[sound]
    reach = _slopes(spots.camera, places)
    back = np.swapaxes(reach, 1, 2)
    off = (spots.xy[sound] - xy[sound])[..., None]
    information = back @ reach / spots.sigma_px[sound, None, None] ** 2
    return chosen, places + (back @ np.linalg.solve(reach @ back, off))[..., 0], _held(information)


def _held(information: Float[np.ndarray, "some 3 3"]) -> Float[np.ndarray, "some 3 3"]:
    """With next to nothing in the directions of which it says nothing."""
    return information + 1e-6 * np.trace(information, axis1=1, axis2=2)[:, None, None] * np.eye(3)


def _nearest(
    places: Float[np.ndarray, "places n"], of: Float[np.ndarray, "points n"], farthest: float
) -> tuple[Int[np.ndarray, "points"], Bool[np.ndarray, "points"]]:
    """Of each point the nearest place, and whether it is near enough."""
    far, index = (np.asarray(found) for found in KDTree(places).query(of, distance_upper_bound=farthest))
    return index, np.isfinite(far)


def _of_mask(
    mask: Mask, vertices: Float[np.ndarray, "vertices 3"], faces: Int[np.ndarray, "faces 3"], normals: Float[np.ndarray, "vertices 3"]
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Vertices on the rim, drawn across the mask's contour to the nearest piece of it that faces the same way."""
    xy = mask.camera.project(vertices)
    rim = rim_of(xy, vertices, faces, normals, mask.camera)
    edge, out = _contour(mask.inside)
    if not len(rim) or not len(edge):
        return None
    reach = _slopes(mask.camera, vertices[rim])  # rim 2 3
    facing = (reach @ normals[rim][:, :, None])[..., 0]
    facing /= np.maximum(np.linalg.norm(facing, axis=1, keepdims=True), 1e-12)
    nearest, sound = _nearest(edge, xy[rim], _FARTHEST_PX)
    sound[sound] = (facing[sound] * out[nearest[sound]]).sum(1) > _FACING
    rim, reach, nearest = rim[sound], reach[sound], nearest[sound]
    if not len(rim):
        return None
    n = out[nearest]
    along = (n[:, None] @ reach)[:, 0]  # of the pixel distance across the contour, per metre
    distance = ((edge[nearest] - xy[rim]) * n).sum(1)
    target = vertices[rim] + along * (distance / np.square(along).sum(1))[:, None]
    # Neighbours on the rim see the same error of the contour: together they count as one every so many pixels.
    length = _length(mask.inside)
    alike = np.minimum(1.0, length / (_CONTOUR_STEP * 2 * len(rim)))
    information = along[:, :, None] * along[:, None, :] * alike / mask.sigma_px**2
    return rim, target, _held(information)


def rim_of(
    xy: Float[np.ndarray, "vertices 2"],
    vertices: Float[np.ndarray, "vertices 3"],
    faces: Int[np.ndarray, "faces 3"],
    normals: Float[np.ndarray, "vertices 3"],
    camera: Camera,
) -> Int[np.ndarray, "rim"]:
    """Vertices of the mesh that make its outline in a picture: where front meets back, and nothing of the body lies beyond."""
    size = camera.intrinsics.size
    a, b, c = np.moveaxis(xy[faces], 1, 0)
    with np.errstate(invalid="ignore"):
        front = (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0] < 0
    count = np.bincount(faces.ravel(), minlength=len(vertices))
    ahead = np.bincount(faces[front].ravel(), minlength=len(vertices))
    mixed = np.flatnonzero((ahead > 0) & (ahead < count) & np.isfinite(xy).all(1))
    inside = silhouette(xy, faces, size)
    cv2 = import_cv2()
    depth = cv2.distanceTransform(np.pad(inside, 1).astype(np.uint8), cv2.DIST_L2, 3)[1:-1, 1:-1]
    column, row = np.round(xy[mixed]).astype(np.int64).T
    within = (column >= 0) & (row >= 0) & (column < size[0]) & (row < size[1])
    mixed, column, row = mixed[within], column[within], row[within]
    return mixed[depth[row, column] < _RIM_PX]


def _contour(inside: Bool[np.ndarray, "height width"]) -> tuple[Float[np.ndarray, "points 2"], Float[np.ndarray, "points 2"]]:
    """Points on a mask's outline, px, and which way is out there; not where somebody is cut off by the picture's edge."""
    cv2 = import_cv2()
    soft = cv2.GaussianBlur(inside.astype(np.float32), (0, 0), 2.0)
    slope = np.stack([-cv2.Sobel(soft, cv2.CV_32F, 1, 0), -cv2.Sobel(soft, cv2.CV_32F, 0, 1)], -1)
    outlines, _ = cv2.findContours(inside.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    points = np.concatenate([one[::_CONTOUR_STEP, 0] for one in outlines if len(one) > 8 * _CONTOUR_STEP] or [np.zeros((0, 2), np.int64)])
    height, width = inside.shape
    x, y = points.T
    free = (x > 1) & (y > 1) & (x < width - 2) & (y < height - 2)
    x, y = x[free], y[free]
    out = slope[y, x].astype(float)
    size = np.linalg.norm(out, axis=1)
    clear = size > 1e-3
    out = out[clear] / size[clear, None]
    # A pixel on the outline is the last one inside: the outline is half a pixel further out.
    return np.stack([x, y], -1)[clear] + 0.5 * out, out


def _length(inside: Bool[np.ndarray, "height width"]) -> float:
    cv2 = import_cv2()
    outlines, _ = cv2.findContours(inside.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return float(sum(len(one) for one in outlines))


def _slopes(camera: Camera, places: Float[np.ndarray, "points 3"]) -> Float[np.ndarray, "points 2 3"]:
    """d pixel / d place, through the lens."""
    steps = _STEP_M * np.eye(3)
    return np.stack([(camera.project(places + step) - camera.project(places - step)) / (2 * _STEP_M) for step in steps], -1)
