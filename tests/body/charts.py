"""DensePose's charts, as a test draws them: 24 squares of the model's texture, and pictures of them on a body."""

import base64
import json

import cv2
import numpy as np

from recon3d.body.fit import SurfaceMap
from recon3d.geometry.raster import front_faces
from recon3d.io.densepose import DensePose
from tests.body.worlds import MODEL

_ACROSS, _DOWN = 6, 4


def chart_of(uv):
    """Part and place on it, of places in the texture."""
    column, row = (np.clip(np.floor(uv[:, k] * many), 0, many - 1) for k, many in ((0, _ACROSS), (1, _DOWN)))
    return (1 + row * _ACROSS + column).astype(np.int64), np.stack([uv[:, 0] * _ACROSS - column, uv[:, 1] * _DOWN - row], -1)


def surface_map(every=7):
    """Some vertices that have one place in the texture."""
    corner, first = np.unique(MODEL.faces.ravel(), return_index=True)
    vertex, place = corner[::every], MODEL.uv[MODEL.face_uv.ravel()[first]][::every]
    part, uv = chart_of(place)
    return SurfaceMap(vertex.astype(np.int64), part, uv)


def drawn(camera, vertices, frame):
    """What DensePose would see of a body; not its rounding."""
    xy, depth = camera.project(vertices), (camera.cam_from_world @ vertices)[:, 2]
    face = front_faces(xy, depth, MODEL.faces, camera.intrinsics.size)
    rows, columns = np.nonzero(face >= 0)
    x0, y0, x1, y1 = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
    seen = face[rows, columns]
    # Where on its triangle a pixel is: by areas, as if pictures were flat over it.
    a, b, c = np.moveaxis(xy[MODEL.faces[seen]], 1, 0)
    at = np.stack([columns, rows], -1)
    area = _cross(b - a, c - a)
    share = np.stack([_cross(b - at, c - at), _cross(c - at, a - at), _cross(a - at, b - at)], -1) / area[:, None]
    texture = (share[..., None] * MODEL.uv[MODEL.face_uv[seen]]).sum(1).clip(0, 1 - 1e-9)
    part, uv = np.zeros((y1 - y0, x1 - x0), np.uint8), np.full((y1 - y0, x1 - x0, 2), np.nan)
    part[rows - y0, columns - x0], uv[rows - y0, columns - x0] = chart_of(texture)
    return DensePose(frame, 1.0, np.array([x0, y0, x1, y1], float), part, uv)


def write(path, people):
    """As COCO-DensePose's results."""
    entries = []
    for one in people:
        image = np.concatenate([np.nan_to_num(one.uv[..., ::-1]) * 255, one.part[..., None]], -1).round().astype(np.uint8)
        packed = base64.b64encode(cv2.imencode(".png", image)[1].tobytes()).decode()
        box = [one.box[0], one.box[1], one.box[2] - one.box[0], one.box[3] - one.box[1]]
        entries.append({"image_id": one.frame, "score": 1.0, "bbox": box, "uv_shape": [3, *one.part.shape], "uv_data": packed})
    path.write_text(json.dumps(entries), encoding="utf-8")


def _cross(a, b):
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
