import numpy as np
import pytest

from recon3d.geometry import SO3
from recon3d.motion import Observed, PosePrior
from recon3d.motion.contact import Contacts
from recon3d.motion.evidence import bridged, gather
from recon3d.motion.habits import Habit
from recon3d.motion.pose import Freedoms, free_of
from recon3d.motion.problem import MotionProblem, Unknowns, fitted
from recon3d.motion.smoothness import Grid
from recon3d.skeleton import load_armature
from recon3d.skeleton.shape import anthropometric
from tests.motion.worlds import as_world, noisy

HUMAN = load_armature()


@pytest.mark.parametrize("pixels", [True, False])
def test_slopes_of_the_cost(pixels):
    """Everything at once: evidence, habit, limits, smoothness, contacts, sizes; and, for turns, what is plausible."""
    world, seen = noisy("dance", 4, 8)
    seen = seen if pixels else Observed(as_world(world.person, 0.01))
    evidence = gather(bridged(seen), HUMAN.attachments)
    own = fitted(HUMAN, evidence)
    freedoms = Freedoms(own, free_of(own, np.ones(len(own.attachments.points), bool)))
    rng = np.random.default_rng(0)
    true = world.person.motion
    pose = freedoms.pose(true.translation, SO3.from_wxyz(true.rotation).matrix)
    pose = freedoms.retract(pose, 0.05 * rng.normal(size=(8, freedoms.count)))
    shape = anthropometric(own)
    held = rng.random((8, len(own.attachments.points))) < 0.3
    contacts = Contacts(held, own.keypoints(pose.on(own)) + 0.002, np.zeros(0))
    stiffness = 1e-2 * np.exp(rng.normal(size=(6, freedoms.count)))
    problem = MotionProblem(
        own, freedoms, evidence, Grid.of(evidence.time, 0.5), stiffness, Habit.usual(freedoms, 0.7), 0.3, shape, contacts
    )
    at = Unknowns(pose, 0.02 * rng.normal(size=len(shape.names)))
    system, _ = problem.linearise(at)
    still, same = np.zeros((8, freedoms.count)), np.zeros(len(shape.names))

    def slope(step, sizes):
        costs = [problem.linearise(problem.retract(at, sign * step, sign * sizes))[1].sum() for sign in (1, -1)]
        return (costs[0] - costs[1]) / 2e-6

    largest = np.abs(system.gradient).max()
    for frame, column in [(f, c) for f in (0, 3, 7) for c in range(freedoms.count)]:
        step = still.copy()
        step[frame, column] = 1e-6
        assert slope(step, same) == pytest.approx(system.gradient[frame, column], rel=2e-3, abs=1e-5 * largest)
    for k in range(len(same)):
        sizes = same.copy()
        sizes[k] = 1e-6
        assert slope(still, sizes) == pytest.approx(system.shared_gradient[k], rel=1e-3, abs=1e-6 * largest)
    names = ("left_knee", "right_wrist", "head")
    place = rng.normal(0, 0.5, (8, 3, 3))
    place[2, 1] = np.nan
    prior = PosePrior(names, place, np.broadcast_to(0.05**2 * np.eye(3), (8, 3, 3, 3)).copy(), 1.3)
    problem.plausible, problem.shape = prior.on(own, evidence.time), None
    before = system.gradient
    at = Unknowns(pose, np.zeros(0))
    same, (system, _) = np.zeros(0), problem.linearise(at)
    assert np.abs(system.gradient - before)[:, 3:].max() > 1e-3 * largest
    for frame, column in [(f, c) for f in (0, 2, 7) for c in range(0, freedoms.count, 3)]:
        step = still.copy()
        step[frame, column] = 1e-6
        assert slope(step, same) == pytest.approx(system.gradient[frame, column], rel=2e-3, abs=1e-5 * largest)


@pytest.mark.parametrize(
    ("joint", "vector"),
    [
        ("left_shoulder", (0, 0, 2.6)),  # behind the back
        ("right_hip", (1.4, 0, 0)),  # a thigh far backward
        ("left_hip", (0, 0, 2.9)),  # turned about itself by nearly half a turn
        ("right_hip", (-0.9, 0.3, -1.8)),
        ("left_ankle", (0.2, 0.4, 1.5)),
        ("head", (0.3, 0.1, -1.6)),
    ],
)
def test_slopes_of_cones_and_twists(joint, vector):
    """Limbs where they cannot be: the slope of the cost is that of finite differences, and it pulls them back."""
    world, seen = noisy("gait", 4, 8)
    evidence = gather(bridged(seen.take(np.arange(3))), HUMAN.attachments)
    own = fitted(HUMAN, evidence)
    freedoms = Freedoms(own, free_of(own, np.ones(len(own.attachments.points), bool)))
    stiffness = np.full((1, freedoms.count), 1e-6)
    problem = MotionProblem(own, freedoms, evidence, Grid.of(evidence.time, 0.5), stiffness, Habit.usual(freedoms, 0.0), 1e-6)
    turns = np.zeros((3, len(own.joints), 3))
    turns[:, own.index(joint)] = vector
    at = Unknowns(freedoms.pose(world.person.motion.translation[:3], SO3.exp(turns).matrix), np.zeros(0))
    system, cost = problem.linearise(at)
    assert len(freedoms.cones) == 4
    columns = 3 + np.flatnonzero(freedoms.joint == own.index(joint))
    for column in columns.tolist():
        step = np.zeros((3, freedoms.count))
        step[1, column] = 1e-6
        costs = [problem.linearise(problem.retract(at, sign * step, np.zeros(0)))[1].sum() for sign in (1, -1)]
        assert (costs[0] - costs[1]) / 2e-6 == pytest.approx(system.gradient[1, column], rel=1e-3, abs=0.5)
    assert np.abs(system.gradient[1, columns]).max() > 50
    back = np.zeros((3, freedoms.count))
    back[:, columns] = -0.01 * system.gradient[:, columns] / np.abs(system.gradient[1, columns]).max()
    assert problem.linearise(problem.retract(at, back, np.zeros(0)))[1].sum() < cost.sum()
