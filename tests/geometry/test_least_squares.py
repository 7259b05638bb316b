import numpy as np

from recon3d.geometry.least_squares import DenseSettings, solve_dense


class Curves:
    """y = a exp(b x), one pair of unknowns a problem."""

    def __init__(self, x, y):
        self.x, self.y = x, y

    def take(self, at, rows):
        return at[rows]

    def put(self, at, rows, values):
        at[rows] = values

    def retract(self, at, step):
        return at + step

    def residual(self, at, rows):
        return at[:, :1] * np.exp(at[:, 1:] * self.x) - self.y[rows]

    def cost(self, at, rows):
        return 0.5 * (self.residual(at, rows) ** 2).sum(1)

    def linearise(self, at, rows):
        e = np.exp(at[:, 1:] * self.x)
        j = np.stack([e, at[:, :1] * self.x * e], -1)
        r = self.residual(at, rows)
        return np.swapaxes(j, 1, 2) @ j, (np.swapaxes(j, 1, 2) @ r[..., None])[..., 0], 0.5 * (r * r).sum(1)


def test_many_problems_each_with_its_own_damping():
    rng = np.random.default_rng(0)
    truth = np.c_[rng.uniform(0.5, 2, 50), rng.uniform(-1.5, 1.5, 50)]
    x = np.linspace(0, 2, 30)
    at = np.tile([1.0, 0.0], (50, 1))
    report = solve_dense(Curves(x, truth[:, :1] * np.exp(truth[:, 1:] * x)), at, 50, DenseSettings(max_steps=60, min_gain=1e-12))
    np.testing.assert_allclose(at, truth, atol=1e-6)
    assert (report.cost < 1e-12).all()
    assert len(set(report.steps.tolist())) > 1


def test_cost_never_rises_and_the_limit_holds():
    x = np.linspace(0, 2, 30)
    at = np.tile([5.0, 3.0], (3, 1))
    problem = Curves(x, np.ones((3, 30)))
    before = problem.cost(at, np.arange(3))
    report = solve_dense(problem, at, 3, DenseSettings(max_steps=2))
    assert (report.cost <= before).all()
    assert (report.steps <= 2).all()


def test_no_problems():
    assert len(solve_dense(Curves(np.zeros(1), np.zeros((0, 1))), np.zeros((0, 2)), 0).cost) == 0


def test_an_unknown_that_nothing_constrains_stays():
    class Half(Curves):
        def linearise(self, at, rows):
            h, g, c = super().linearise(at, rows)
            h[:, 1], h[:, :, 1], g[:, 1] = 0, 0, 0
            return h, g, c

    x = np.linspace(0, 2, 30)
    at = np.tile([1.0, 0.3], (2, 1))
    solve_dense(Half(x, 2 * np.exp(0.3 * np.tile(x, (2, 1)))), at, 2, DenseSettings(max_steps=50, min_gain=1e-14))
    np.testing.assert_allclose(at, [[2.0, 0.3]] * 2, atol=1e-6)
