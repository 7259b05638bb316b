"""What triangles cover, against the test of every pixel's centre."""

import numpy as np

from recon3d.geometry.raster import front_faces, silhouette


def test_one_triangle_by_pixel_centres():
    corners = np.array([[1.0, 1.0], [5.0, 1.0], [1.0, 5.0]])
    inside = silhouette(corners, np.array([[0, 1, 2]]), (8, 7))
    row, column = np.mgrid[:7, :8]
    np.testing.assert_array_equal(inside, (row >= 1) & (column >= 1) & (row + column <= 6))


def test_whichever_way_round_and_overlapping():
    rng = np.random.default_rng(0)
    corners = rng.uniform(-20, 120, (60, 2))
    faces = rng.integers(0, 60, (40, 3))
    faces = faces[(np.diff(np.sort(faces, 1), axis=1) > 0).all(1)]
    ours = silhouette(corners, faces, (100, 90))
    row, column = np.mgrid[:90, :100]
    true = np.zeros((90, 100), bool)
    for (ax, ay), (bx, by), (cx, cy) in corners[faces]:
        sides = [
            (x1 - x0) * (row - y0) - (y1 - y0) * (column - x0) for x0, y0, x1, y1 in ((ax, ay, bx, by), (bx, by, cx, cy), (cx, cy, ax, ay))
        ]
        true |= np.logical_and.reduce([side >= 0 for side in sides]) | np.logical_and.reduce([side <= 0 for side in sides])
    np.testing.assert_array_equal(ours, true)


def test_nearest_in_front():
    corners = np.array([[0.0, 0.0], [9.0, 0.0], [0.0, 9.0], [0.0, 0.0], [9.0, 0.0], [0.0, 9.0]])
    depth = np.array([3.0, 3.0, 3.0, 2.0, 2.0, 2.0])
    for faces in (np.array([[0, 1, 2], [3, 4, 5]]), np.array([[3, 4, 5], [0, 1, 2]])):
        found = front_faces(corners, depth, faces, (12, 12))
        assert found[2, 2] == int(faces[1, 0] == 3) and found[11, 11] == -1


def test_behind_the_camera_and_outside():
    corners = np.array([[np.nan, np.nan], [5.0, 1.0], [1.0, 5.0], [-1e9, 3.0], [20.0, 20.0], [30.0, 20.0], [20.0, 30.0]])
    assert not silhouette(corners, np.array([[0, 1, 2], [1, 2, 3], [4, 5, 6]]), (8, 8)).any()
