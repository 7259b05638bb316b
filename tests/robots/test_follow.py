"""A person's motion on the Unitree G1: limits, feet that stand, laws of symmetry and scale."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

from recon3d.errors import InputError
from recon3d.geometry import SO3
from recon3d.records import State
from recon3d.robots import find_urdf, follow, load_card, load_robot, quality, targets_of
from recon3d.skeleton import other_side
from recon3d.synthetic import make_person

CARD = load_card("g1")
ROBOT = load_robot(find_urdf(CARD), CARD)
DANCE = make_person("dance", 40, 60.0, seed=1).motion


def standing(motion, heel=True, toe=True):
    """The motion with feet that are said to stand throughout."""
    contact = motion.contact.copy()
    for side in ("left", "right"):
        contact[:, motion.armature.index(f"{side}_ankle")] = heel
        contact[:, motion.armature.index(f"{side}_toes")] = toe
    return replace(motion, contact=contact)


def wild(seed):
    """Limbs thrown about, through the body and the floor."""
    motion = make_person("dance", 60, 60.0, seed=seed).motion
    joints = len(motion.armature.joints)
    noise = gaussian_filter1d(np.random.default_rng(seed).normal(size=(60, joints, 3)), 6, axis=0)
    noise *= 1.2 / noise.std() * motion.armature.free * np.where(np.arange(joints) == 0, 0.2, 1.0)[:, None]
    return replace(motion, rotation=(SO3.from_wxyz(motion.rotation) @ SO3.exp(noise)).wxyz())


def test_every_limit_holds_and_targets_are_met():
    targets = targets_of(DANCE, ROBOT)
    found = quality(ROBOT, follow(ROBOT, targets), targets)
    assert (found.limit_violations, found.collisions, found.sunk_mm) == (0, 0, 0)
    assert found.base_mm < 10
    assert found.hand_mm < 10
    assert found.torso_deg < 1


@pytest.mark.parametrize("seed", [0, 4])
def test_what_cannot_be_done_is_not_done(seed, monkeypatch):
    targets = targets_of(wild(seed), ROBOT)
    found = quality(ROBOT, follow(ROBOT, targets), targets)
    assert (found.limit_violations, found.collisions) == (0, 0)
    assert found.sunk_mm <= 1.0
    assert found.base_mm > 50  # it was impossible

    class Nothing:
        """No separation: the check above would fail."""

        pushes, look = True, lambda *_: None

        def __init__(self, _):
            pass

        def room(self, _):
            return np.ones(2)

        def compute_qp_inequalities(self, *_):
            return None

    monkeypatch.setitem(follow.__globals__, "Separation", Nothing)
    assert quality(ROBOT, follow(ROBOT, targets), targets).collisions > 0


def test_feet_that_stand_do_not_slide_and_are_flat():
    motion = standing(make_person("jump", 20, 60.0, seed=2).motion)
    targets = targets_of(motion, ROBOT)
    moved = follow(ROBOT, targets)
    assert quality(ROBOT, moved, targets).slide_mm < 0.5
    poses, feet = moved.poses(), [ROBOT.links.names.index(name) for name in CARD.pairs["foot"]]
    soles = poses.translation[:, feet, None] + np.einsum("fkij,kpj->fkpi", poses.rotation.matrix[:, feet], ROBOT.sole)
    assert np.abs(soles[..., 2]).max() < 1e-3
    assert moved.contact.all()


def test_left_and_right_are_the_persons():
    poses = follow(ROBOT, targets_of(DANCE, ROBOT)).poses()
    for frame in (0, 20, 39):
        truth = DANCE.poses().translation[frame]
        hips = truth[DANCE.armature.index("left_hip")] - truth[DANCE.armature.index("right_hip")]
        own = [poses.translation[frame, ROBOT.links.names.index(name)] for name in CARD.pairs["hip"]]
        assert hips @ (own[0] - own[1]) > 0.98 * np.linalg.norm(hips) * np.linalg.norm(own[0] - own[1])
    head = (
        poses.translation[:, ROBOT.links.names.index("head_link")]
        + poses.rotation.matrix[:, ROBOT.links.names.index("head_link"), :, 2] * 0.4
    )
    assert (head[:, 2] > 0.9).all()


def test_a_mirrored_person_moves_a_mirrored_robot():
    armature, flip = DANCE.armature, np.array([-1.0, 1.0, 1.0])
    other = [armature.index(other_side(name)) for name in armature.joints]
    rotation = (DANCE.rotation * [1.0, 1.0, -1.0, -1.0])[:, other]
    mirrored = replace(DANCE, translation=DANCE.translation * flip, rotation=rotation, contact=DANCE.contact[:, other])
    one, two = (follow(ROBOT, targets_of(m, ROBOT)) for m in (DANCE, mirrored))
    assert np.abs(one.translation * flip - two.translation).max() < 2e-3
    names = list(ROBOT.joints)
    for k, name in enumerate(names):
        sign = -1.0 if "roll" in name or "yaw" in name else 1.0
        assert np.abs(one.position[:, k] - sign * two.position[:, names.index(other_side(name))]).max() < 0.02, name


def test_a_larger_person_moves_the_robot_the_same():
    armature = DANCE.armature
    larger = armature.with_sizes(1.3 * armature.rest_offset, 1.3 * armature.attachments.offset)
    one = targets_of(DANCE, ROBOT)
    two = targets_of(replace(DANCE, armature=larger, translation=1.3 * DANCE.translation), ROBOT)
    assert two.scale == pytest.approx(one.scale / 1.3)
    for name in ("pelvis", "foot"):
        np.testing.assert_allclose(getattr(one, name).translation, getattr(two, name).translation, atol=1e-9)
    np.testing.assert_allclose(one.hand, two.hand, atol=1e-9)


def test_another_frame_rate():
    half = targets_of(DANCE, ROBOT, 30.0)
    whole = targets_of(DANCE, ROBOT)
    assert len(half) == 20
    np.testing.assert_allclose(np.diff(half.time), 1 / 30)
    np.testing.assert_allclose(half.pelvis.translation, whole.pelvis.translation[::2], atol=2e-3)
    with pytest.raises(InputError, match="make no sense"):
        targets_of(DANCE, ROBOT, -1.0)


def test_while_the_person_is_away_the_robot_goes_where_it_comes_back():
    moving = standing(DANCE)
    holes = {name: getattr(moving, name).copy() for name in ("translation", "rotation", "state")}
    holes["translation"][25:] += [1.5, 0.0, 0.0]
    for gap in (slice(0, 5), slice(10, 25), slice(36, 40)):
        holes["translation"][gap], holes["rotation"][gap], holes["state"][gap] = np.nan, np.nan, State.MISSING
    motion = replace(moving, **holes)
    targets = targets_of(motion, ROBOT)
    moved = follow(ROBOT, targets)
    assert not moved.present[10:25].any()
    assert moved.present[25:36].all()
    assert not moved.contact[10:25].any()
    step = np.linalg.norm(np.diff(moved.translation, axis=0), axis=-1)
    assert step.max() < 1.6 * targets.scale * 1.5 / 15  # evenly, not at once
    for still in (slice(0, 5), slice(36, 40)):  # nobody came before, nobody comes after
        assert np.abs(np.diff(moved.translation[still], axis=0)).max() < 1e-3
    found = quality(ROBOT, moved, targets)
    assert (found.limit_violations, found.collisions) == (0, 0)
    assert found.slide_mm < 5
    gone = replace(motion, translation=np.full_like(motion.translation, np.nan))
    with pytest.raises(InputError, match="in no frame"):
        targets_of(gone, ROBOT)


def test_one_frame():
    one = make_person("dance", 1, 60.0, seed=1).motion
    assert len(follow(ROBOT, targets_of(one, ROBOT))) == 1


def test_animals_are_refused():
    from recon3d.skeleton import load_armature

    dog = load_armature("quadruped")
    joints = len(dog.joints)
    motion = replace(
        DANCE, armature=dog, rotation=np.tile([1.0, 0, 0, 0], (40, joints, 1)), covariance=np.zeros((40, joints, 3, 3)),
        state=np.ones((40, joints), np.uint8), misfit=np.zeros((40, joints)), contact=np.zeros((40, joints), bool),
    )  # fmt: skip
    with pytest.raises(InputError, match="not a person's"):
        targets_of(motion, ROBOT)
