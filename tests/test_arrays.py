import itertools
from dataclasses import dataclass

import numpy as np
import pytest
from jaxtyping import Float, Int

from recon3d.arrays import freeze_fields, median_row, nearest_rows, rows_beside, short_gaps, windows
from recon3d.errors import ShapeError


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    name: str
    xyz: Float[np.ndarray, "frames joints 3"]
    frame: Int[np.ndarray, "frames"]
    weight: Float[np.ndarray, "joints"] | None = None

    def __post_init__(self):
        freeze_fields(self)


def test_arrays_are_frozen_without_a_copy():
    xyz = np.zeros((4, 2, 3))
    sample = Sample("a", xyz, np.arange(4))
    assert sample.xyz is xyz
    with pytest.raises(ValueError, match="read-only"):
        sample.xyz[0] = 1


@pytest.mark.parametrize(
    ("xyz", "frame", "weight", "message"),
    [
        (np.zeros((4, 2, 2)), np.arange(4), None, r"Sample.xyz has shape \(4, 2, 2\).*frames joints 3"),
        (np.zeros((4, 2, 3)), np.arange(5), None, r"Sample.frame has shape \(5,\).*frames=4"),
        (np.zeros((4, 2, 3)), np.arange(4), np.zeros(3), r"Sample.weight.*joints=2"),
        (np.zeros((4, 2, 3), int), np.arange(4), None, "Sample.xyz must hold"),
        ([[0.0]], np.arange(4), None, "must be a numpy array"),
        (np.zeros((4, 2)), np.arange(4), None, "has shape"),
    ],
)
def test_faults_name_the_field_and_the_bound_sizes(xyz, frame, weight, message):
    with pytest.raises(ShapeError, match=message):
        Sample("a", xyz, frame, weight)


@pytest.mark.parametrize(("count", "size", "overlap"), [(10, 3, 0), (10, 4, 2), (3, 5, 0), (1, 1, 0), (12, 4, 1)])
def test_windows_cover_everything(count, size, overlap):
    parts = list(windows(count, size, overlap))
    assert sorted({i for p in parts for i in range(p.start, p.stop)}) == list(range(count))
    assert all(p.stop - p.start <= size for p in parts)
    assert all(a.stop - b.start == overlap for a, b in itertools.pairwise(parts))


def test_no_windows_of_nothing():
    assert list(windows(0, 5)) == []
    with pytest.raises(ValueError, match="overlap"):
        list(windows(5, 2, 2))


def test_median_of_columns():
    rows = np.array([[1.0, 10.0], [3.0, 30.0], [np.nan, np.nan], [2.0, 20.0]])
    assert median_row(rows).tolist() == [2.0, 20.0]
    assert np.isnan(median_row(rows[2:3])).all()


def test_neighbours_and_short_gaps():
    flags = np.array([[0, 1], [1, 0], [0, 0], [1, 0], [0, 1], [0, 0]], bool)
    before, after = rows_beside(flags)
    assert before.T.tolist() == [[-1, 1, 1, 3, 3, 3], [0, 0, 0, 0, 4, 4]]
    assert after.T.tolist() == [[1, 1, 3, 3, 6, 6], [0, 4, 4, 4, 4, 6]]
    time = np.array([0, 1, 2, 3, 4, 5.0])
    assert short_gaps(flags, time, 2.5).T.tolist() == [[False, False, True, False, False, False], [False] * 6]
    assert short_gaps(flags[:, 1], time, 4.0).tolist() == [False, True, True, True, False, False]


def test_nearest_rows():
    time = np.array([0.0, 1.0, 3.0])
    assert nearest_rows(time, np.array([-5.0, 0.4, 0.6, 1.9, 2.1, 9.0])).tolist() == [0, 0, 1, 1, 2, 2]
    assert nearest_rows(time[:1], np.array([7.0, -7.0])).tolist() == [0, 0]
