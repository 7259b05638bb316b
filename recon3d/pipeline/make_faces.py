"""Find the points that face networks name on the open body's average face: ``recon3d/head/faces.npz``.

python -m recon3d.pipeline.make_faces CANONICAL_FACE.npz OUT.npz

The shipped mesh of 468 points looks at the average face from several sides, near the front; its points are triangulated, made
symmetric and put on the skin. Those of 300W are some of them. MediaPipe's own canonical face (Apache-2.0) goes with them.
"""

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from recon3d.body import ShapedBody, load_open_body
from recon3d.detect.card import load_card
from recon3d.detect.network import Network
from recon3d.geometry import SE3, SO3, Camera, CameraRig, Intrinsics
from recon3d.geometry.triangulation import triangulate
from recon3d.head.faces import AXES_FROM_MEDIAPIPE, IBUG_68
from recon3d.io.files import atomic
from recon3d.skeleton import load_layout
from recon3d.view import draw_mesh

_DISTANCE_M, _FOCAL_PX, _SIZE = 0.9, 1800.0, (800, 800)
_YAWS_DEG, _PITCHES_DEG = (-18.0, -9.0, 0.0, 9.0, 18.0), (-10.0, 0.0, 10.0)
_SKIN, _WALL = (224, 172, 140), (150, 160, 170)
_HEAD = ("nose", "left_eye", "right_eye", "left_ear", "right_ear")


def average_head() -> tuple[ShapedBody, dict[str, np.ndarray], SE3]:
    """The average body, its points of the head, and head_from_body: origin between the ears, x to the left, y backward, z up."""
    model = load_open_body()
    body = model.shaped(model.usual)
    at, poses = body.armature.attachments, body.at_rest().poses
    points = dict(zip(at.points, body.armature.keypoints(poses)[0], strict=True))
    middle = 0.5 * (points["left_ear"] + points["right_ear"])
    return body, points, SE3(SO3.identity(), -middle)


def cameras(target: Float[np.ndarray, "3"]) -> CameraRig:
    """Round the front of a face that looks along -y."""
    out: list[Camera] = []
    for yaw in np.deg2rad(_YAWS_DEG):
        for pitch in np.deg2rad(_PITCHES_DEG):
            away = np.array([np.sin(yaw) * np.cos(pitch), -np.cos(yaw) * np.cos(pitch), np.sin(pitch)])
            right = np.cross(-away, [0.0, 0.0, 1.0])
            right /= np.linalg.norm(right)
            turn = np.stack([right, np.cross(-away, right), -away])
            k = np.array([[_FOCAL_PX, 0, _SIZE[0] / 2], [0, _FOCAL_PX, _SIZE[1] / 2], [0, 0, 1]])
            pose = SE3(SO3(turn), -turn @ (target + _DISTANCE_M * away))
            out.append(Camera(f"{len(out)}", Intrinsics(_SIZE, k, "pinhole", np.zeros(5)), pose))
    return CameraRig(tuple(out))


def seen_landmarks() -> Float[np.ndarray, "468 3"]:
    """The mesh's points on the average face, in the head's axes, m."""
    body, points, head_from_body = average_head()
    vertices = body.at_rest().vertices()[0].astype(float)
    rig = cameras(points["nose"] + [0.0, 0.05, 0.0])
    network, rough = Network(load_card("face_landmark")), load_layout("coco_17")
    columns = rough.indices(_HEAD)
    seen: list[np.ndarray] = []
    for camera in rig:
        image = draw_mesh(np.full((*_SIZE[::-1], 3), _WALL, np.uint8), vertices, body.model.faces, camera, _SKIN, 1.0)
        xy = np.full((len(rough), 2), np.nan)
        xy[columns] = camera.project(np.stack([points[name] for name in _HEAD]))
        seen.append(network.person(image, xy, np.isfinite(xy[:, 0]).astype(float), rough).xy[0])
    found = triangulate(rig, np.stack(seen))
    mirror = load_layout("face_468").mirror
    even = 0.5 * (found.xyz + found.xyz[mirror] * [-1, 1, 1])
    return head_from_body @ _on_skin(even, vertices, body.model.faces)


def _on_skin(points: Float[np.ndarray, "points 3"], vertices: Float[np.ndarray, "vertices 3"], faces: np.ndarray) -> np.ndarray:
    """The nearest places of a mesh."""
    o3d: Any = import_module("open3d")
    scene = o3d.t.geometry.RaycastingScene()
    scene.add_triangles(o3d.core.Tensor(vertices.astype(np.float32)), o3d.core.Tensor(faces.astype(np.uint32)))
    return scene.compute_closest_points(o3d.core.Tensor(points.astype(np.float32)))["points"].numpy().astype(float)


def main() -> None:
    """Find and write them."""
    canonical, out = map(Path, sys.argv[1:3])
    with np.load(canonical, allow_pickle=False) as data:
        own = 0.01 * data["vertices_cm"].astype(float) @ AXES_FROM_MEDIAPIPE.T
    average = seen_landmarks()
    _, points, head_from_body = average_head()
    five = head_from_body @ np.stack([points[name] for name in _HEAD])
    arrays = {"average_68": average[list(IBUG_68)], "average_468": average, "canonical_468": own, "coco": five}
    with atomic(out, "wb") as stream:
        np.savez_compressed(stream, coco_points=np.array(_HEAD), **{k: v.astype(np.float32) for k, v in arrays.items()})


if __name__ == "__main__":
    main()
