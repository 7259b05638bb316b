"""The body's least-squares problem against the same objective written in torch: its cost, and its slopes by autograd."""

from dataclasses import replace

import numpy as np
import pytest

from recon3d.body.fit import Known
from recon3d.body.fit.values import problem_of
from recon3d.motion.evidence import gather
from recon3d.motion.problem import Unknowns
from tests.body.worlds import MODEL, BodyWorld, random_values

torch = pytest.importorskip("torch")


@pytest.mark.parametrize("seed", [1, 2])
def test_cost_and_slopes(seed):
    from tests.bench.lbfgs import TorchProblem

    seen = BodyWorld("dance", 3, 12, seed, random_values(seed)).observed()
    evidence = gather(seen, MODEL.marks_at_rest(), 1.0)
    marks, other = MODEL.marks.select(evidence.attachments.points), random_values(seed + 10, mean_build=False)
    problem, start = problem_of(MODEL, evidence, marks, Known(), other)
    # Far off, so that limits of all kinds are broken.
    step = np.random.default_rng(seed).normal(0, 0.4, (12, problem.freedoms.count))
    at = Unknowns(problem.freedoms.retract(start.pose, step), start.shape)
    problem = replace(problem, temper=0.1)
    system, cost = problem.linearise(at)
    peer = TorchProblem(problem, at)
    numbers = peer.first_numbers().requires_grad_()
    theirs = peer.cost(numbers)
    theirs.backward()
    assert float(theirs.detach()) == pytest.approx(cost.sum(), rel=1e-10)
    place, turn, angle, values = (part.numpy() for part in torch.split(numbers.grad, peer.sizes))
    f = problem.freedoms
    want = system.gradient
    np.testing.assert_allclose(place.reshape(12, 3), want[:, :3], rtol=1e-6, atol=1e-6 * np.abs(want).max())
    np.testing.assert_allclose(angle.reshape(12, -1), want[:, f.angle_column], rtol=1e-5, atol=1e-6 * np.abs(want).max())
    np.testing.assert_allclose(values, system.shared_gradient, rtol=1e-4, atol=1e-6 * np.abs(system.shared_gradient).max())
    # The slope of the smoothness is exact to the square of a turn from frame to frame, of what is usual exact for rest only.
    turned = turn.reshape(12, -1, 3)
    off = np.abs(turned - want[:, f.ball_column])
    assert off.max() < 0.05 * np.abs(want[:, f.ball_column]).max()
