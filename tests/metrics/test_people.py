import numpy as np
import pytest

from recon3d.metrics import judge_people

LIMBS = [(0, 1), (1, 2), (2, 3)]
BODY = np.array([[0, 0, 0.0], [0, 0, 0.4], [0, 0, 0.9], [0, 0, 1.4]])


def walkers(frames=100):
    """Two people who pass each other a metre apart."""
    x = np.linspace(-2, 2, frames)
    first = BODY + np.stack([x, 0 * x, 0 * x], -1)[:, None]
    second = BODY + np.stack([-x, 0 * x + 1, 0 * x], -1)[:, None]
    return np.stack([first, second], 1)


def test_the_truth_is_perfect():
    truth = walkers()
    got = judge_people(truth[:, ::-1], truth, LIMBS)
    assert (got.pcp, got.mpjpe_mm, got.mota, got.idf1, got.ghosts, got.switches) == (1, 0, 1, 1, 0, 0)
    assert (got.match == [1, 0]).all()


def test_people_exchanged_half_way():
    truth = walkers()
    found = truth.copy()
    found[50:] = truth[50:, ::-1]
    got = judge_people(found, truth, LIMBS)
    assert got.switches == 2
    assert got.mota == pytest.approx(1 - 2 / 200)
    assert got.idf1 == pytest.approx(0.5)
    assert got.pcp == 1


def test_a_ghost_and_a_person_that_was_missed():
    truth = walkers()
    ghost = truth[:, :1] + [0.0, 5.0, 0.0]
    got = judge_people(np.concatenate([truth[:, :1], ghost], 1), truth, LIMBS)
    assert got.ghosts == 1
    assert got.mota == pytest.approx(1 - (100 + 100) / 200)
    assert got.idf1 == pytest.approx(2 * 100 / 400)
    assert got.pcp == pytest.approx(0.5)


def test_distances_and_limbs_that_count():
    truth = walkers(10)
    found = truth + [0.03, 0.04, 0.0]
    found[:, :, 3] += [0.0, 0.0, 0.5]
    got = judge_people(found, truth, LIMBS)
    assert got.mpjpe_mm == pytest.approx(np.mean([50, 50, 50, 1e3 * np.hypot(0.05, 0.5)]))
    assert got.pcp == pytest.approx(2 / 3)  # the ends of the last limb are 0.28 m off on average, it is 0.5 m long
    counted = np.ones(truth.shape[:3], bool)
    counted[:, :, 3] = False
    assert judge_people(found, truth, LIMBS, counted).pcp == 1
    assert judge_people(found, truth, LIMBS, counted).mpjpe_mm == pytest.approx(50)


def test_absent_people_do_not_count():
    truth = walkers()
    truth[40:60, 1] = np.nan
    got = judge_people(truth, truth, LIMBS)
    assert (got.mota, got.idf1, got.ghosts) == (1, 1, 0)
    nobody = judge_people(np.zeros((100, 0, 4, 3)), truth, LIMBS)
    assert (nobody.pcp, nobody.mota, nobody.idf1) == (0, 0, 0)


def test_the_same_person_again_is_no_switch():
    truth = walkers()
    found = truth.copy()
    found[40:60, 0] = np.nan
    got = judge_people(found, truth, LIMBS)
    assert got.switches == 0
    assert got.mota == pytest.approx(1 - 20 / 200)
