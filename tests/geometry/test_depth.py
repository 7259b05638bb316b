"""Depth images as points."""

import numpy as np
import pytest

from recon3d.errors import InputError
from recon3d.geometry.depth import points_of_depth
from recon3d.synthetic import make_rig


@pytest.mark.parametrize("lens", ["none", "strong", "fisheye"])
def test_points_lie_on_their_pixels_at_their_depth(lens):
    camera = make_rig("ring", 3, lens, 1).cameras[1]
    width, height = camera.intrinsics.size
    rng = np.random.default_rng(0)
    depth = rng.uniform(1, 5, (height, width))
    depth[:5] = 0.0
    depth[5:9] = np.nan
    points = points_of_depth(camera, depth)
    assert np.isnan(points[:9]).all()
    rows, columns = rng.integers(9, height, 300), rng.integers(0, width, 300)
    found = points[rows, columns]
    there = np.isfinite(found[:, 0])  # corners of a fisheye's picture look behind the camera
    assert there.mean() > (0.8 if lens == "fisheye" else 0.999)
    found, rows, columns = found[there], rows[there], columns[there]
    np.testing.assert_allclose(camera.project(found), np.stack([columns, rows], -1), atol=1e-3)
    np.testing.assert_allclose((camera.cam_from_world @ found)[:, 2], depth[rows, columns], rtol=1e-9)


def test_other_sizes_are_refused():
    camera = make_rig("ring", 2, "none", 0).cameras[0]
    with pytest.raises(InputError, match="its pictures of"):
        points_of_depth(camera, np.ones((10, 20)))
