import numpy as np
import pytest

from recon3d import motion
from recon3d.errors import InputError
from recon3d.records import State
from tests.motion.worlds import noisy


def followed(seen, body, lag=6):
    follower = motion.FixedLag(body, lag)
    answers = [follower.push(seen.take(np.array([frame]))) for frame in range(len(seen))]
    return [answer for answer in answers if answer is not None]


def measured(seen):
    parts = np.array_split(np.arange(len(seen)), 3)
    return motion.measure([motion.sample(seen.take(rows)) for rows in parts], seen.world.layout)


@pytest.mark.parametrize("kind", ["gait", "dance"])
def test_a_few_frames_late(kind):
    world, seen = noisy(kind, 6, 150)
    answers = followed(seen, measured(seen))
    frames = np.array([a.frame[0] for a in answers])
    assert np.array_equal(np.diff(frames), np.ones(len(frames) - 1))
    assert frames[-1] == 149 - 6
    place = np.concatenate([a.poses().translation for a in answers])
    off = np.linalg.norm(place - world.person.motion.poses().translation[frames], axis=-1)
    assert 0.001 < off.mean() < 0.012
    assert all((a.state == State.OBSERVED).mean() > 0.8 for a in answers)
    assert np.isfinite(answers[-1].covariance).all()


def test_the_later_the_better():
    world, seen = noisy("gait", 4, 150)
    body = measured(seen)
    errors = []
    for lag in (1, 12):
        answers = followed(seen, body, lag)
        frames = [a.frame[0] for a in answers]
        place = np.concatenate([a.poses().translation for a in answers])
        errors.append(np.linalg.norm(place - world.person.motion.poses().translation[frames], axis=-1).mean())
    assert errors[1] < errors[0]


def test_who_leaves_and_comes_back():
    _, seen = noisy("gait", 6, 150)
    body = measured(seen)
    gone = np.concatenate([np.arange(60), np.arange(110, 150)])  # away for longer than is bridged
    answers = followed(seen.take(gone), body)
    frames = [a.frame[0] for a in answers]
    assert not set(range(60, 110)) & set(frames)
    assert frames[-1] == 143 and 50 in frames


def test_refusals():
    _, seen = noisy("gait", 6, 150)
    one = motion.measure([motion.sample(seen)], seen.world.layout)
    with pytest.raises(InputError, match="manner"):
        motion.FixedLag(one)
    with pytest.raises(InputError, match="lag must be"):
        motion.FixedLag(measured(seen), 0)


def test_a_straight_leg_does_not_spin():
    """Hardly anything tells how a straight leg turns about itself; it must not turn further than legs do, and bend the wrong way then."""
    world, seen = noisy("gait", 4, 150, 9)
    answers = followed(seen, measured(seen))
    frames = np.array([a.frame[0] for a in answers])
    off = np.linalg.norm(
        np.concatenate([a.poses().translation for a in answers]) - world.person.motion.poses().translation[frames], axis=-1
    )
    assert off[20:].mean(0).max() < 0.03
