"""The network as it is trained and as it runs."""

import numpy as np
import pytest
import torch

from recon3d.metrics import aligned_error, scaled_error
from recon3d.monocular.lifter import NetworkLifter, PointsOfView, attention, whitener
from recon3d.monocular.points import JOINTS, POINTS
from recon3d.monocular.train.export import export, weights_of
from recon3d.monocular.train.network import EXTRA, Lift
from recon3d.monocular.train.run import masks, whitened

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    torch.manual_seed(0)
    made = Lift()
    for value in made.parameters():
        value.data = (value.data + 0.02 * torch.randn(value.shape)).half().float()  # as the file holds them
    made.train(False)
    path = tmp_path_factory.mktemp("network") / "lift.onnx"
    export(made.state_dict(), path)
    return made, path


def seen(frames=12, start=0):
    ray = RNG.normal(0, 0.1, (frames, len(POINTS), 2))
    return PointsOfView(ray, np.full((frames, len(POINTS)), 0.002), np.arange(frames) / 30, np.zeros((frames, 3)))


def test_what_runs_is_what_was_trained(network):
    made, path = network
    assert path.stat().st_size < 12e6
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    for batch, frames in ((1, 1), (2, 30)):
        given = {
            "points": RNG.normal(size=(batch, frames, len(POINTS), 3)).astype(np.float32),
            "extra": RNG.normal(size=(batch, frames, EXTRA)).astype(np.float32),
            "time": np.tile(np.arange(frames, dtype=np.float32) / 30, (batch, 1)),
            "mask": np.tile(attention(np.ones(frames, bool), True), (batch, 1, 1)),
        }
        with torch.no_grad():
            want = made(*(torch.from_numpy(value) for value in given.values()))
        for got, expected in zip(session.run(None, given), want, strict=True):
            np.testing.assert_allclose(got, expected.numpy(), atol=2e-4)


def test_weights_come_back_from_the_file(network):
    made, path = network
    found = weights_of(path)
    assert set(found) == set(made.state_dict())
    for name, value in made.state_dict().items():
        torch.testing.assert_close(found[name], value, msg=name)


def test_sigmas_are_as_much_wider_as_is_asked(network, tmp_path):
    made, path = network
    export(made.state_dict(), tmp_path / "wide.onnx", 1.7)
    view = seen(8)
    narrow, wide = (NetworkLifter(one).lift(view) for one in (path, tmp_path / "wide.onnx"))
    np.testing.assert_allclose(wide.joints, narrow.joints, atol=1e-6)
    np.testing.assert_allclose(wide.covariance, 1.7**2 * narrow.covariance, rtol=2e-2, atol=1e-3)


def test_a_causal_network_does_not_know_the_future(network):
    lifter = NetworkLifter(network[1], threads=1, causal=True)
    take = seen(12)
    changed = take.ray.copy()
    changed[8:] += 0.05
    one, two = (lifter._window(PointsOfView(r.copy(), take.sigma.copy(), take.time.copy(), take.up.copy())) for r in (take.ray, changed))
    # The virtual camera's size is of the whole window; what attention lets through is looked at on its own below.
    assert one["joints"].shape == two["joints"].shape
    mask = attention(np.ones(5, bool), True)
    assert np.isinf(mask[1, 2:]).all() and (mask[3, :4] == 0).all()


def test_turning_the_camera_turns_the_answer(network):
    lifter = NetworkLifter(network[1], threads=1)
    take = seen(9)
    found = lifter.lift(take)
    assert found.joints.shape == (9, len(JOINTS), 3)
    assert np.isfinite(found.joints).all()
    values = np.linalg.eigvalsh(found.covariance)
    assert (values > 0).all()
    flipped = PointsOfView(take.ray.copy(), take.sigma.copy(), take.time + 100.0, take.up.copy())
    np.testing.assert_allclose(lifter.lift(flipped).joints, found.joints, atol=1e-4)


def test_frames_in_which_nothing_is_seen_stay_open(network):
    take = seen(9)
    ray = take.ray.copy()
    ray[3:5] = np.nan
    sigma = take.sigma.copy()
    sigma[3:5] = np.nan
    found = NetworkLifter(network[1], threads=1).lift(PointsOfView(ray, sigma, take.time.copy(), take.up.copy()))
    assert np.isnan(found.joints[3:5]).all()
    assert np.isfinite(found.joints[[0, 2, 5, 8]]).all()


def test_long_takes_have_no_seams_missing(network):
    found = NetworkLifter(network[1], threads=1).lift(seen(600))
    assert np.isfinite(found.joints).all() and np.isfinite(found.root_sigma).all()


def test_masks_of_training_are_those_of_running():
    there = np.array([[True, True, False, True], [True, False, False, True]])
    made = masks(torch.from_numpy(there).float(), torch.tensor([False, True]))
    np.testing.assert_array_equal(made[0].numpy(), attention(there[0], False))
    np.testing.assert_array_equal(made[1].numpy(), attention(there[1], True))


def test_whitening_in_training_is_that_of_running():
    error, shape = RNG.normal(size=(5, 3)), RNG.normal(size=(5, 6))
    want = (whitener(shape) @ error[..., None])[..., 0]
    np.testing.assert_allclose(whitened(torch.from_numpy(error), torch.from_numpy(shape)).numpy(), want, atol=1e-12)


def test_errors_do_not_see_scale_or_similarity():
    from recon3d.geometry import SO3

    truth = RNG.normal(size=(6, 17, 3))
    assert scaled_error(0.7 * truth, truth).max() < 1e-9
    turn = SO3.exp(RNG.normal(size=(6, 3))).matrix
    moved = 1.4 * truth @ np.swapaxes(turn, 1, 2) + [1.0, 2.0, 3.0]
    assert aligned_error(moved, truth).max() < 1e-9
    mirrored = truth * [-1.0, 1.0, 1.0]
    assert aligned_error(mirrored, truth).min() > 100
