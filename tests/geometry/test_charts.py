import numpy as np
import pytest

from recon3d.geometry.charts import locate


def curved(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """A chart that bends gently over a part of some 40 px."""
    return np.stack([0.1 + 0.015 * x + 0.0001 * y**2, 0.9 - 0.012 * y + 0.004 * x + 0.0001 * x * y], -1)


def image() -> tuple[np.ndarray, np.ndarray]:
    """Part 3 to the left, part 7 to the right of it with the same coordinates, mirrored."""
    y, x = np.indices((50, 90))
    part = np.zeros((50, 90), dtype=np.int64)
    part[5:45, 3:43], part[5:45, 47:87] = 3, 7
    uv = np.where((x < 45)[..., None], curved(x, y), curved(89.0 - x, y))
    uv[part == 0] = np.nan
    return part, uv


def test_points_come_back_to_a_part_of_a_pixel():
    rng = np.random.default_rng(0)
    xy = rng.uniform([3, 5], [42, 44], (300, 2))
    wanted = np.where(np.arange(300) < 150, 3, 7)
    places = np.where((wanted == 3)[:, None], xy, [89, 0] + xy * [-1, 1])
    found, off = locate(*image(), wanted, curved(xy[:, 0], xy[:, 1]))
    np.testing.assert_allclose(found, places, atol=0.02)
    assert off.max() < 1


def test_noise_is_evened_out():
    """Twenty-five pixels tell a place better than one does."""
    rng = np.random.default_rng(1)
    part, uv = image()
    xy = rng.uniform([6, 8], [39, 41], (500, 2))
    found, _ = locate(part, uv + rng.normal(0, 0.006, uv.shape), np.full(500, 3), curved(xy[:, 0], xy[:, 1]))
    error = np.sqrt(((found - xy) ** 2).mean(0))
    # 0.006 is 0.4 px of u and 0.5 px of v.
    assert 0.05 < error.min() < error.max() < 0.2


def test_what_is_not_seen_lies_far_off():
    part, uv = image()
    wanted = np.array([3, 3, 5, 3])
    goal = np.stack([curved(60.0, 20.0), curved(-10.0, 20.0), curved(20.0, 20.0), curved(20.0, 20.0)])
    found, off = locate(part, uv, wanted, goal)
    assert (off[:2] > 5).all()
    assert np.isnan(found[2]).all()
    assert np.isinf(off[2])
    np.testing.assert_allclose(found[3], [20, 20], atol=0.02)


@pytest.mark.parametrize("shape", ["line", "speck", "flat", "nothing"])
def test_too_little_of_a_part_tells_nothing(shape):
    y, x = np.indices((20, 20))
    part = np.zeros((20, 20), dtype=np.int64)
    if shape == "line":
        part[10, :] = 1
    elif shape == "speck":
        part[10:12, 10:12] = 1
    elif shape == "flat":
        part[:] = 1
    uv = np.zeros((20, 20, 2)) if shape == "flat" else curved(x, y)
    found, off = locate(part, uv, np.array([1]), curved(10.0, 10.0)[None])
    assert np.isnan(found).all()
    assert np.isinf(off).all()
