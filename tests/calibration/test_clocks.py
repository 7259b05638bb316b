"""Which cameras' clocks can be tied to each other, whatever pairs agree."""

import numpy as np
import pytest

from calibration import clocks
from calibration.clocks import coarse_offsets
from calibration.observed import Track
from recon3d.skeleton import load_layout
from recon3d.synthetic import make_rig

LATE = np.array([0.0, 0.21, -0.13, 0.4, 0.05, -0.3])


@pytest.fixture
def tied(monkeypatch):
    """Offsets of cameras of which only some pairs agree."""
    rig = make_rig("ring", 6)
    layout = load_layout("coco_17")
    xy = np.zeros((2, len(layout), 2))
    tracks = [Track(c.name, layout, np.arange(2.0), xy.copy(), np.ones(xy.shape[:2]), np.ones(xy.shape[:2])) for c in rig]

    def of(links, count):
        def pair_offset(a, b, *_):
            i, j = (rig.names.index(t.camera) for t in (a, b))
            return (LATE[j] - LATE[i], 0.8, 20.0) if (i, j) in links or (j, i) in links else (0.0, 0.1, 1.0)

        monkeypatch.setattr(clocks, "pair_offset", pair_offset)
        return coarse_offsets(tracks[:count], [c.intrinsics for c in rig][:count])

    return of


@pytest.mark.parametrize(
    ("links", "members"),
    [
        ([(0, 2), (2, 1), (1, 3)], [0, 1, 2, 3]),
        ([(0, 3), (3, 2), (2, 1)], [0, 1, 2, 3]),
        ([(1, 2), (2, 3)], [1, 2, 3]),
        ([(0, 1), (2, 4), (4, 3)], [2, 3, 4]),
        ([(0, 1), (2, 3)], [0, 1]),
        ([], [0]),
    ],
)
def test_the_largest_group_is_tied_in_whatever_order(tied, links, members):
    found = tied(links, 5 if 4 in members else 4)
    assert [v for v, clock in enumerate(found.clocks) if clock is not None] == members
    np.testing.assert_allclose([found.clocks[v].offset for v in members], LATE[members] - LATE[members[0]])
    # The first is where the axis starts: nothing about it is uncertain.
    assert (found.support[members[0]], found.margin[members[0]]) == (1.0, np.inf)
    assert all(found.support[v] == 0.8 and found.margin[v] == 20 for v in members[1:])
    assert all(s == m == 0 for k, s, m in zip(found.clocks, found.support, found.margin, strict=True) if k is None)
