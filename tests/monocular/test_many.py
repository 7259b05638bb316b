"""Many cameras: what the lifter lets expect of limbs that too few of them see."""

from dataclasses import replace

import numpy as np

from recon3d import motion
from recon3d.monocular.many import with_expected
from recon3d.motion.prior import body_size
from recon3d.records import State
from tests.monocular.worlds import Oracle
from tests.motion.worlds import hidden_from, noisy

ARM = ("left_elbow", "left_wrist")


class Asked:
    """A lifter that knows the truth, whichever camera asks: it tells them apart by where up is."""

    def __init__(self, world):
        self.world, self.calls = world, 0

    def lift(self, seen):
        cameras = self.world.rig.cameras
        camera = min(cameras, key=lambda c: float(np.abs(c.cam_from_world.rotation.matrix[:, 2] - seen.up[0]).max()))
        self.calls += 1
        return Oracle(self.world.person, camera, 0.02).lift(seen)


def test_nothing_changes_where_all_is_seen():
    world, seen = noisy("gait", 4, 60)
    lifter = Asked(world)
    assert with_expected(seen, lifter) is seen and lifter.calls == 0
    assert with_expected(motion.Observed(seen.world), lifter).prior is None


def test_hidden_limbs_are_expected_where_they_are():
    world, seen = noisy("gait", 4, 60)
    rows = slice(15, 45)
    without = hidden_from(world, seen, ARM, range(4), rows)
    found = with_expected(without, Asked(world))
    assert found.prior is not None
    known = np.isfinite(found.prior.place).all(-1)
    wrist = found.prior.joints.index("left_wrist")
    assert known[20:40, wrist].all() and not known[:10, wrist].any()
    assert not known[20:40, found.prior.joints.index("right_hip")].all()
    true = world.person.motion
    places = true.poses().translation
    about = places[:, true.armature.index("left_wrist")] - places[:, 0]
    scale = body_size(true.armature) / found.prior.size_m
    off = np.linalg.norm(scale * found.prior.place[20:40, wrist] - about[20:40], axis=-1)
    assert np.median(off) < 0.05
    column = seen.world.layout.index("left_wrist")
    started = found.world.state[20:40, 0, column] == State.INFERRED  # where hips were triangulated
    assert started.mean() > 0.5
    off = np.linalg.norm(found.world.xyz[20:40, 0, column] - places[20:40, true.armature.index("left_wrist")], axis=-1)
    assert np.median(off[started]) < 0.1


def test_it_helps_where_nobody_sees_a_limb():
    world, seen = noisy("gait", 4, 60)
    without = hidden_from(world, seen, ARM, range(4), slice(0, 60))
    true = world.person.motion
    column = true.armature.index("left_wrist")
    errors = []
    for evidence in (without, with_expected(without, Asked(world))):
        body = motion.measure([motion.sample(evidence)], world.person.layout)
        found = next(motion.solve_windows([evidence], body))
        places = found.poses().translation[:, found.armature.index("left_wrist")]
        errors.append(float(np.median(np.linalg.norm(places - true.poses().translation[:, column], axis=-1))))
        assert (found.state[:, found.armature.index("left_elbow")] == State.INFERRED).all()
    assert errors[1] < 0.7 * errors[0]
    assert replace(without, prior=None).prior is None
