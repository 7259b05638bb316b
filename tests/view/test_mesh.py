"""A mesh over a picture."""

import numpy as np
import trimesh

from recon3d.synthetic import make_rig
from recon3d.view import draw_mesh

BALL = trimesh.creation.icosphere(3, 0.3)


def test_a_ball_over_a_picture():
    camera = make_rig("ring", 4, "none", 0).cameras[0]
    width, height = camera.intrinsics.size
    grey = np.full((height, width, 3), 90, np.uint8)
    middle = np.array([0.0, 0.0, 1.0])
    shown = draw_mesh(grey, np.asarray(BALL.vertices) + middle, np.asarray(BALL.faces), camera)
    changed = (shown != grey).any(-1)
    x, y = np.rint(camera.project(middle[None])[0]).astype(int)
    assert changed[y, x] and 100 < changed.sum() < 0.5 * changed.size
    rows, columns = np.nonzero(changed)
    assert abs(rows.mean() - y) < 3 and abs(columns.mean() - x) < 3
    lit = shown.astype(int).sum(-1)
    assert lit[y, x] > lit[changed].mean()  # it is lit from the camera: darker at the rim
    assert (grey == 90).all()


def test_what_is_behind_or_beside_is_not_drawn():
    camera = make_rig("ring", 4, "none", 0).cameras[0]
    width, height = camera.intrinsics.size
    grey = np.full((height, width, 3), 90, np.uint8)
    centre = camera.cam_from_world.inverse().translation
    behind = np.asarray(BALL.vertices) + centre + (centre - [0, 0, 1])
    assert (draw_mesh(grey, behind, np.asarray(BALL.faces), camera) == grey).all()
    around = np.asarray(BALL.vertices) + centre  # the camera is inside: no fault
    draw_mesh(grey, around, np.asarray(BALL.faces), camera)
