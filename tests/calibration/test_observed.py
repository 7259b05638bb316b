"""Common instants of cameras."""

import numpy as np
import pytest

from calibration.observed import Track, instants_for
from recon3d.geometry import Clock
from recon3d.skeleton import load_layout

LAYOUT = load_layout("coco_17")


def tracks(count):
    xy = np.zeros((count, len(LAYOUT), 2))
    return [Track(name, LAYOUT, np.arange(count) / 50, xy.copy(), np.ones(xy.shape[:2]), np.ones(xy.shape[:2])) for name in "ab"]


@pytest.mark.parametrize(("count", "frames"), [(25, 20), (100, 20), (100, 1), (21, 20), (100, 99), (1000, 300), (301, 300), (40, 60)])
def test_no_more_frames_than_asked_for(count, frames):
    found = instants_for(tracks(count), [Clock(), Clock()], frames)
    assert len(found) == min(count, max(frames // 30, 1) * min(frames, 30) if count > frames else count)
    assert (np.diff(found) > 0).all()
