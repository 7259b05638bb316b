"""Faces with known poses, and what cameras see of them."""

from dataclasses import replace

import numpy as np

from recon3d.body import load_open_body
from recon3d.geometry import SE3, SO3, Camera, Intrinsics
from recon3d.head.angles import rotation_of
from recon3d.head.faces import face_of
from recon3d.head.solve import FaceView
from recon3d.skeleton import load_layout
from recon3d.synthetic import make_rig
from recon3d.view import draw_mesh

FACE_68 = face_of(load_layout("face_68"))
EXACT_68 = replace(FACE_68, loose_m=np.zeros(68))
FOCAL = 1000.0
_FACING = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])  # cam_from_head of a face that looks into the lens
_SKIN, _WALL = (224, 172, 140), (150, 160, 170)


def trials(count, width_px, outliers, seed, noise_px=2.0):
    """Poses at random, faces so wide when seen from the front: cam_from_head, pixels over the focal length, which are outliers."""
    rng = np.random.default_rng(seed)
    xyz = EXACT_68.xyz
    angles = np.deg2rad(np.stack([rng.uniform(-45, 45, count), rng.uniform(-30, 30, count), rng.uniform(-30, 30, count)], 1))
    turn = _FACING @ rotation_of(angles).matrix
    depth = FOCAL * np.ptp(xyz[:, 0]) / width_px
    place = depth * np.stack([rng.uniform(-0.3, 0.3, count), rng.uniform(-0.2, 0.2, count), np.ones(count)], 1)
    local = xyz @ turn.swapaxes(1, 2) + place[:, None]
    clean = local[..., :2] / local[..., 2:]
    seen = clean + rng.normal(0, noise_px / FOCAL, clean.shape)
    bad = rng.random(seen.shape[:2]) < outliers
    seen[bad] += rng.uniform(-1, 1, (bad.sum(), 2)) * width_px / FOCAL
    return SE3(SO3(turn), place), np.ascontiguousarray(seen.swapaxes(1, 2)), bad, np.ascontiguousarray(clean.swapaxes(1, 2))


def take(seed, views=3, frames=120, fps=60.0, scale=1.0, sigma=2.0, outliers=0.1, face=EXACT_68):
    """A head that turns before a wall of cameras: its poses, and what they saw."""
    rng = np.random.default_rng(seed)
    time = np.arange(frames) / fps
    phase, speed = rng.uniform(0, 6, 3), rng.uniform(0.2, 0.6, 3)
    angles = np.deg2rad([40, 20, 15]) * np.sin(2 * np.pi * speed * time[:, None] + phase)
    place = np.stack([0.1 * np.sin(time), 0.05 * np.cos(time), 1.6 + 0.02 * np.sin(2 * time)], 1)
    truth = SE3(rotation_of(angles), place)
    points = scale * face.xyz @ truth.rotation.matrix.swapaxes(1, 2) + place[:, None]
    out = []
    for camera in list(make_rig("wall", 3, "mild", seed, distance=2.0))[:views]:
        xy = camera.project(points)
        xy = xy + rng.normal(0, sigma, xy.shape)
        bad = rng.random(xy.shape[:2]) < outliers
        xy[bad] += rng.uniform(-80, 80, (bad.sum(), 2))
        out.append(FaceView(camera, time, np.arange(frames), xy, np.full(xy.shape[:2], sigma)))
    return truth, out


def off_deg(found, truth):
    """Angle between rotations, degrees."""
    return np.rad2deg(np.linalg.norm((SO3(truth.matrix.swapaxes(-1, -2)) @ found).log(), axis=-1))


def lens(size=(1280, 720), focal=1400.0):
    """A camera that looks along +y from the origin."""
    k = np.array([[focal, 0, (size[0] - 1) / 2], [0, focal, (size[1] - 1) / 2], [0, 0, 1]])
    return Camera("front", Intrinsics(size, k), SE3(SO3(_FACING), np.zeros(3)))


def head_mesh(values):
    """Vertices of a body at rest, in its head's frame."""
    model = load_open_body()
    body = model.shaped(values)
    at, poses = body.armature.attachments, body.at_rest().poses
    points = dict(zip(at.points, body.armature.keypoints(poses)[0], strict=True))
    return body.at_rest().vertices()[0].astype(float) - 0.5 * (points["left_ear"] + points["right_ear"])


def rendered(vertices, angles_deg, camera, distance=1.2, beside=0.0):
    """A picture of a head that is turned so."""
    turn = rotation_of(np.deg2rad(np.array([angles_deg], float))).matrix[0]
    width, height = camera.intrinsics.size
    wall = np.full((height, width, 3), _WALL, np.uint8)
    return draw_mesh(wall, vertices @ turn.T + [beside, distance, 0.02], load_open_body().faces, camera, _SKIN, 1.0)
