import numpy as np
import pytest

from recon3d import motion
from recon3d.errors import CameraError
from recon3d.geometry import SE3, SO3
from recon3d.motion.cameras import cameras_of
from recon3d.motion.prior import body_size
from recon3d.skeleton import load_armature
from recon3d.skeleton.shape import anthropometric
from recon3d.synthetic import make_person
from tests.motion.worlds import as_world, noisy

HUMAN = load_armature()


def test_slopes_of_the_shape():
    shape = anthropometric(HUMAN)
    rng = np.random.default_rng(0)
    value = 0.05 * rng.normal(size=len(shape.names))
    rotation = SO3.exp(rng.normal(size=(2, len(HUMAN.joints), 3))).matrix
    root = SE3(SO3.identity(2), rng.normal(size=(2, 3)))

    def points(numbers):
        body = shape.apply(HUMAN, numbers)
        return body.keypoints(body.forward(root, rotation))

    body = shape.apply(HUMAN, value)
    slopes = shape.slopes(body, body.forward(root, rotation))
    for k in range(len(value)):
        step = np.zeros_like(value)
        step[k] = 1e-6
        np.testing.assert_allclose((points(value + step) - points(value - step)) / 2e-6, slopes[..., k], atol=1e-8)


def test_bodies_are_symmetric_but_for_the_sides():
    shape = anthropometric(HUMAN)
    value = np.array([0.0 if name.endswith(".side") else 0.05 for name in shape.names])
    offset = shape.apply(HUMAN, value).rest_offset
    np.testing.assert_allclose(offset[HUMAN.skeleton.mirror] * [-1, 1, 1], offset, atol=1e-12)


@pytest.mark.parametrize("kind", ["gait", "dance", "fall"])
def test_long_bones_from_noisy_pixels(kind):
    world, seen = noisy(kind, 8, 200)
    body = motion.measure([motion.sample(seen)], seen.world.layout)
    true = world.person.motion.armature
    for name in ("elbow", "wrist", "knee", "ankle"):
        j = true.index(f"left_{name}")
        assert np.linalg.norm(body.armature.rest_offset[j]) == pytest.approx(np.linalg.norm(true.rest_offset[j]), abs=0.004)
    assert 0.9 < body.jitter <= 1  # noise of every frame is its own


@pytest.mark.parametrize("stature", [0.85, 1.2, 2.1])
def test_a_child_and_a_giant(stature):
    person = make_person("gait", 60, stature=stature)
    body = motion.measure([motion.sample(motion.Observed(as_world(person)))], person.layout)
    ratio = np.linalg.norm(body.armature.rest_offset, axis=1)[1:] / np.linalg.norm(person.motion.armature.rest_offset, axis=1)[1:]
    assert np.median(ratio) == pytest.approx(1, abs=0.02)


def test_nobody_to_measure():
    _, seen = noisy()
    none = seen.take(np.zeros(0, int))
    body = motion.measure([motion.sample(none)], seen.world.layout)
    np.testing.assert_array_equal(body.armature.rest_offset, HUMAN.rest_offset)


def test_cameras_that_were_knocked():
    """A camera two degrees off is put right together with the motion, and the answer is as good as with the true rig."""
    world, seen = noisy("gait", 4, 150)
    piece = seen.pieces[0]
    twist = np.zeros((4, 6))
    twist[1] = [0.05, -0.03, 0.03, 0.02, -0.015, 0.02]
    knocked = motion.Corrections(piece.rig.names, twist, np.zeros(4)).of_rig(piece.rig)
    off = motion.Observed(seen.world, (motion.ObservedPiece(knocked, piece.xy.copy(), piece.sigma_px.copy()),))
    truth = world.person.motion.poses().translation
    limbs = [world.person.motion.armature.index(f"left_{n}") for n in ("knee", "ankle", "elbow", "wrist")]

    def error(settings):
        found = motion.solve({0: [off]}, settings)[0].poses().translation[:, limbs].reshape(-1, 3)
        want = truth[:, limbs].reshape(-1, 3)
        found, want = found - found.mean(0), want - want.mean(0)  # where the world's origin and axes are, nobody can tell
        return 1000 * np.linalg.norm(found @ SO3.nearest(want.T @ found).matrix.T - want, axis=-1).mean()

    held, free = error(motion.MotionSettings()), error(motion.MotionSettings(free_cameras=True))
    assert free < 6
    assert free < 0.8 * held


def test_cameras_that_move_cannot_be_free():
    _, seen = noisy()
    with pytest.raises(CameraError, match="cameras that stand"):
        cameras_of(motion.Observed(seen.world))


def test_hardly_seen_in_any_window():
    """Somebody of two frames in each of two windows: sizes, and no manner of moving to learn."""
    _, seen = noisy()
    parts = [motion.sample(seen.take(np.arange(a, a + 2))) for a in (0, 60)]
    body = motion.measure(parts, seen.world.layout)
    assert body.manner is None and np.isfinite(body.armature.rest_offset).all()


def test_a_prior_tells_proportions():
    """Bones as long as the prior's joints are apart, left as right; the size stays; what the prior does not know stays usual."""
    true = make_person("gait", 40).motion
    places = true.poses().translation
    factor = np.ones(len(true.armature.joints))
    factor[[true.armature.index(f"{side}_ankle") for side in ("left", "right")]] = 1.2
    long = true.armature.with_sizes(true.armature.rest_offset * factor[:, None], true.armature.attachments.offset)
    places = long.forward(SE3(SO3.from_wxyz(true.rotation[:, 0]), true.translation), SO3.from_wxyz(true.rotation).matrix).translation
    names = tuple(n for n in HUMAN.joints[1:] if n != "head")
    about = places[:, [long.index(n) for n in names]] - places[:, :1]
    about[::3] = np.nan
    prior = motion.PosePrior(names, about, np.zeros((*about.shape, 3)), body_size(long))
    found = prior.proportioned(HUMAN)
    assert body_size(found) == pytest.approx(body_size(HUMAN))
    ratio = np.linalg.norm(found.rest_offset, axis=-1)[1:] / np.linalg.norm(long.rest_offset, axis=-1)[1:]
    known = [HUMAN.joints.index(n) - 1 for n in names]
    np.testing.assert_allclose(ratio[known], body_size(HUMAN) / body_size(long), rtol=0.02)
    one_sided = motion.PosePrior(names, np.full_like(about, np.nan), np.zeros((*about.shape, 3)), 1.3).proportioned(HUMAN)
    np.testing.assert_array_equal(one_sided.rest_offset, HUMAN.rest_offset)
