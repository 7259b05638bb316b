import numpy as np
import pytest

from recon3d import motion
from recon3d.motion.evidence import bridged, gather, in_line
from recon3d.records import State
from recon3d.skeleton import load_armature
from tests.motion.worlds import as_world, hidden_from, noisy

HUMAN = load_armature()


def gathered(seen):
    return gather(bridged(seen), HUMAN.attachments)


def true_places(world, evidence):
    return world.person.keypoints[:, world.person.layout.indices(evidence.attachments.points)]


def test_left_and_right_are_put_back():
    """Legs that one view exchanged: the exchange is found, and nothing else is touched."""
    world, seen = noisy("gait", 4, 60)
    piece, mirror = seen.pieces[0], world.person.layout.mirror
    legs = np.array([any(part in name for part in ("knee", "ankle", "heel", "toe")) for name in world.person.layout.points])
    order = np.where(legs, mirror, np.arange(len(mirror)))
    xy = piece.xy.copy()
    xy[1, 20:40] = xy[1, 20:40][:, order]
    turned = motion.Observed(seen.world, (motion.ObservedPiece(piece.rig, xy, piece.sigma_px.copy()),))
    before, after = gathered(seen), gathered(turned)
    places = true_places(world, before)
    back = after.exchanged(places)
    want = before.exchanged(places)
    (_, a), (_, b) = back.sightings[0], want.sightings[0]
    same = np.isclose(a.u, b.u, equal_nan=True).reshape(4, 60, -1)
    assert same[1, 20:40].mean() > 0.95  # where both sides lie on one line of sight nothing tells
    assert same[[0, 2, 3]].all()


def test_sound_detections_are_not_exchanged():
    world, seen = noisy("gait", 6, 60)
    evidence = gathered(seen)
    after = evidence.exchanged(true_places(world, evidence))
    changed = [(a.u != b.u).mean() for (_, a), (_, b) in zip(evidence.sightings, after.sightings, strict=True)]
    assert max(changed) < 0.04  # the world's own swaps, 2 % of all detections


def test_support_is_the_slope_of_its_cost():
    world, seen = noisy("gait", 4, 8)
    for evidence in (gathered(seen), gathered(motion.Observed(as_world(world.person, 0.01)))):
        places = true_places(world, evidence) + 0.01
        at = evidence.support(places, 0.5)
        for k in range(3):
            moved = places.copy()
            moved[2, 5, k] += 1e-7
            slope = (evidence.support(moved, 0.5).cost.sum() - at.cost.sum()) / 1e-7
            assert slope == pytest.approx(at.force[2, 5, k], rel=1e-3, abs=1e-2 * np.abs(at.force).max())


def test_views_add_up():
    world, seen = noisy("gait", 4, 8)
    evidence = gathered(seen)
    places = true_places(world, evidence)
    whole, single = evidence.support(places), [evidence.support_of_view(places, v, 1.0) for v in range(4)]
    np.testing.assert_allclose(sum(s.information for s in single), whole.information, rtol=1e-9, atol=1e-3)
    np.testing.assert_allclose(sum(s.cost for s in single), whole.cost)


def test_in_line_is_the_whole():
    world, seen = noisy("gait", 4, 20)
    whole = gathered(seen)
    parts = in_line([gather(seen.take(np.array([t])), HUMAN.attachments) for t in range(20)])
    places = true_places(world, whole)
    assert len(parts.sightings) == 1
    np.testing.assert_allclose(parts.support(places).force, whole.support(places).force, rtol=1e-9, atol=1e-6)


def test_errors_that_stay_are_told_from_noise():
    world, seen = noisy("gait", 6, 120)
    piece = seen.pieces[0]
    clean = np.where(np.isfinite(piece.xy), world.clean, np.nan)
    rng = np.random.default_rng(0)
    slow = 1.9 * rng.normal(size=(6, 1, *piece.xy.shape[2:])) + 0.4 * rng.normal(size=piece.xy.shape)
    biased = motion.Observed(seen.world, (motion.ObservedPiece(piece.rig, clean + slow, piece.sigma_px.copy()),))
    joined = np.ones(118, bool)
    for one, low, high in ((seen, 0.85, 1.0), (biased, 0.15, 0.3)):
        evidence = gathered(one)
        assert low <= evidence.jitter(true_places(world, evidence), joined) <= high


def test_bridges_are_no_evidence():
    world, seen = noisy("gait", 4, 60)
    cut = hidden_from(world, seen, ("left_wrist",), range(4), slice(20, 28))
    evidence = gathered(cut)
    wrist = evidence.attachments.points.index("left_wrist")
    assert evidence.known[20:28, wrist].all() and not evidence.seen[20:28, wrist].any()
    in_space = gathered(motion.Observed(cut.world))
    assert not in_space.seen[20:28, wrist].any()
    assert (bridged(cut).world.state[20:28, 0, world.person.layout.index("left_wrist")] == State.INTERPOLATED).all()
