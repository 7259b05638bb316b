"""Points of any layout by name."""

import numpy as np
import pytest

from recon3d.monocular.points import EVALUATED, JOINTS, POINTS, columns, mirrored, picked
from recon3d.skeleton import load_layout


@pytest.mark.parametrize(("layout", "count"), [("coco_17", 17), ("body_25", 25), ("halpe_26", 26), ("mediapipe_33", 21), ("h36m_17", 15)])
def test_layouts(layout, count):
    known = load_layout(layout)
    column = columns(known)
    assert (column >= 0).sum() == count
    for name, k in zip(POINTS, column.tolist(), strict=True):
        if k >= 0 and name in known.points:
            assert known.points[k] == name
    values = np.arange(2.0 * len(known)).reshape(len(known), 2)
    taken = picked(values, column)
    assert np.isnan(taken[column < 0]).all()
    np.testing.assert_array_equal(taken[column >= 0], values[column[column >= 0]])


@pytest.mark.parametrize("names", [POINTS, JOINTS])
def test_the_mirror_image_of_the_mirror_image(names):
    other = mirrored(names)
    np.testing.assert_array_equal(other[other], np.arange(len(names)))
    assert names[other[names.index("left_knee")]] == "right_knee"


def test_seventeen_are_compared():
    assert len(EVALUATED) == 17
