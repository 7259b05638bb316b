from dataclasses import replace

import numpy as np
import pytest

from recon3d.errors import ShapeError
from recon3d.records import keypoints2d, keypoints3d, motion, size_sigma_px
from recon3d.skeleton import load_layout
from tests.worlds import gait, solved


def test_windows_put_together_again():
    seen = gait().keypoints2d()[0]
    parts = [seen.window(slice(0, 7)), seen.window(slice(7, 50)), seen.window(slice(50, 60))]
    wide = keypoints2d.pad_slots(parts[1], 3)
    assert wide.xy.shape[1] == 3
    whole = keypoints2d.concatenate([parts[0], wide, parts[2]])
    np.testing.assert_array_equal(whole.xy[:, :1], seen.xy)
    assert np.isnan(whole.xy[:, 1:]).all()
    assert (whole.person_id[:, 1:] == -1).all()
    np.testing.assert_array_equal(whole.frame, seen.frame)


def test_frames_must_rise():
    seen = gait().keypoints2d()[0]
    with pytest.raises(ShapeError, match="cam01: frame numbers must rise, but 3 is followed by 3"):
        replace(seen, frame=np.array([0, 1, 2, 3, 3, *range(4, 59)]))


def test_layout_and_axes_must_fit():
    seen = gait().keypoints2d()[0]
    with pytest.raises(ShapeError, match="camera cam01 has 26 joints, but layout coco_17 has 17"):
        replace(seen, layout=load_layout("coco_17"))
    with pytest.raises(ShapeError, match=r"confidence has shape \(60, 1, 25\).*joints=26"):
        replace(seen, confidence=seen.confidence[..., 1:])
    _, world, solution = solved()
    with pytest.raises(ShapeError):
        replace(world, xyz=world.xyz[:, :, 1:])
    with pytest.raises(ShapeError, match="frames=60"):
        replace(solution, translation=solution.translation[1:])


def test_three_dimensional_records_concatenate():
    _, world, solution = solved()
    names = ("frame", "time", "xyz", "confidence", "covariance", "views", "state", "residual_px")
    halves = [replace(world, **{n: getattr(world, n)[part] for n in names}) for part in (slice(0, 20), slice(20, 60))]
    np.testing.assert_array_equal(keypoints3d.concatenate(halves).xyz, world.xyz)
    names = ("frame", "time", "translation", "rotation", "covariance", "state", "misfit", "contact")
    halves = [replace(solution, **{n: getattr(solution, n)[part] for n in names}) for part in (slice(0, 20), slice(20, 60))]
    np.testing.assert_array_equal(motion.concatenate(halves).rotation, solution.rotation)


def test_sigma_grows_with_the_person_and_falls_with_the_score():
    xy = np.array([[0.0, 0], [300, 400], [np.nan, 1]])
    sigma = size_sigma_px(xy, np.array([1.0, 0.25, 0.0]), 0.01)
    np.testing.assert_allclose(sigma[:2], [5, 10])
    assert np.isnan(sigma[2])
    assert sigma.dtype == np.float32
