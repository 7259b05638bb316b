"""Who is who in one view, on worlds with truth: the networks are replaced by what they would see."""

from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pytest

from recon3d.detect import People, Tracker, TrackSettings, detect_windows
from recon3d.detect.detector import RECIPES
from recon3d.detect.similarity import matched, oks, spreads
from recon3d.detect.smoothing import steadied
from recon3d.records import Frame
from recon3d.skeleton import Layout, load_layout

COCO = load_layout("coco_17")
SIZE = (1920, 1080)
BODY = np.array([
    [0, -300], [-10, -310], [10, -310], [-22, -300], [22, -300], [-55, -230], [55, -230], [-75, -130], [75, -130],
    [-80, -40], [80, -40], [-35, 0], [35, 0], [-38, 140], [38, 140], [-40, 280], [40, 280],
], float)  # fmt: skip


@dataclass
class World:
    """People who walk through an image; a frame's image is its number."""

    paths: list  # functions of time to the middle of each person, None where it is not there; the first are in front
    scales: list = field(default_factory=list)
    noise: float = 3.0
    runs: int = 0
    searches: int = 0
    whole: bool = False
    swing: float = 60.0

    def __post_init__(self):
        self.card = SimpleNamespace(points=COCO, min_score=0.2, sigma_share=0.01, score_kind="heatmap")
        self.multi = SimpleNamespace(card=self.card)
        self.single = None if self.whole else self
        self.detail, self.layout, self.sigma = None, COCO, None
        self.recipe = RECIPES["fast"]
        self.scales = self.scales or [1.0] * len(self.paths)

    def truth(self, k, time):
        middle = self.paths[k](time)
        if middle is None:
            return None
        swing = np.zeros((17, 2))
        for joints, sign in (((9, 13, 15), 1), ((10, 14, 16), -1)):
            swing[list(joints), 0] = sign * self.swing * np.sin(2 * np.pi * (time + 0.3 * k))
        return self.scales[k] * (BODY + swing) + middle

    def visible(self, time):
        """Who can be seen: whoever is not behind another."""
        out = []
        for k in range(len(self.paths)):
            own = self.truth(k, time)
            if own is None or not (0 < own[11, 0] < SIZE[0]):
                continue
            if not any(abs(own[:, 0].mean() - other[:, 0].mean()) < 70 for _, other in out):
                out.append((k, own))
        return out

    def search(self, image):
        self.searches += 1
        number = int(image[0, 0, 0]) + 256 * int(image[0, 0, 1])
        return self.seen(number, [xy for _, xy in self.visible(number / 60)], 2.0)

    def person(self, image, xy, confidence):
        self.runs += 1
        number = int(image[0, 0, 0]) + 256 * int(image[0, 0, 1])
        here = [one for _, one in self.visible(number / 60)]
        off = [np.linalg.norm(one.mean(0) - np.nanmean(xy, axis=0)) for one in here]
        reach = 0.6 * np.ptp(xy[:, 1])
        if not here or min(off) > reach:
            return People(xy[None], np.full((1, 17), 0.02), np.array([0.02]))
        return self.seen(number + 7919, [here[int(np.argmin(off))]], 1.0)

    def seen(self, seed, people, factor):
        rng = np.random.default_rng(seed)
        xy = np.array(people).reshape(-1, 17, 2)
        return People(xy + rng.normal(0, factor * self.noise, xy.shape), np.full(xy.shape[:2], 0.7), np.full(len(xy), 0.7))


def frames(count):
    for number in range(count):
        image = np.zeros((SIZE[1] // 40, SIZE[0] // 40, 3), np.uint8)
        image[0, 0, :2] = number % 256, number // 256
        yield Frame(number, number / 60, np.broadcast_to(image[:1, :1], (SIZE[1], SIZE[0], 3)))


def follow(world, count, **settings):
    tracker = Tracker(world, TrackSettings(speed="fast", **settings))
    (seen,) = detect_windows(frames(count), "cam", SIZE, tracker, window=10_000)
    return seen


def identities(world, seen, k):
    """The ids that lie on a person, frame by frame; -1 where nobody does, -2 where two do."""
    out = []
    for row, time in enumerate(seen.time):
        want = world.truth(k, time)
        near = [] if want is None else [s for s in range(seen.xy.shape[1]) if np.linalg.norm(seen.xy[row, s] - want, axis=-1).mean() < 40]
        out.append(-1 if not near else int(seen.person_id[row, near[0]]) if len(near) == 1 else -2)
    return np.array(out)


def line(x, speed, y=500.0, start=-np.inf, stop=np.inf):
    return lambda time: np.array([x + speed * time, y]) if start <= time < stop else None


@pytest.mark.parametrize("whole", [False, True])
def test_people_who_cross_keep_their_ids(whole):
    world = World([line(300, 400), line(1600, -400)], whole=whole)
    seen = follow(world, 200)
    apart = np.abs(300 + 800 * seen.time - 1600) > 150  # at the same place a find may be given to either
    for k in (0, 1):
        ids = identities(world, seen, k)[apart]
        assert len(set(ids[ids >= 0].tolist())) == 1, ids
        assert (ids >= 0).mean() > 0.95
    assert identities(world, seen, 0)[0] != identities(world, seen, 1)[0]


def test_somebody_behind_a_pillar_keeps_the_id():
    hidden = (1.0, 1.6)
    path = line(300, 300)
    world = World([lambda t: None if hidden[0] <= t < hidden[1] else path(t)])
    ids = identities(world, follow(world, 180), 0)
    assert set(ids.tolist()) == {0, -1}
    assert (ids[:55] == 0).all()
    assert (ids[115:] == 0).all()


def test_somebody_who_stays_away_comes_back_as_another():
    world = World([lambda t: None if 1.0 <= t < 3.0 else np.array([900.0, 500.0])])
    ids = identities(world, follow(world, 240), 0)
    assert (ids[:55] == 0).all()
    assert (ids[-40:] == 1).all()


def test_entries_and_exits():
    world = World([line(800, 0), line(-200, 500), line(1700, 300)])
    seen = follow(world, 300)
    stays, comes, goes = (identities(world, seen, k) for k in range(3))
    assert (stays >= 0).mean() > 0.9
    entered = np.flatnonzero(comes >= 0)
    assert 0.4 * 60 < entered[0] < 1.0 * 60  # is inside from 0.4 s on, and searched for every half second
    assert (goes[:30] >= 0).all()
    gone = seen.time > 0.9  # past the border at 0.73 s
    assert not np.isin(seen.person_id[gone], goes[0]).any()


def test_an_onlooker_is_not_mixed_up_with_the_subject():
    world = World([line(300, 350), lambda t: np.array([1000.0, 420.0])], scales=[1.0, 0.7])
    seen = follow(world, 240)
    for k in (0, 1):
        ids = identities(world, seen, k)
        assert len(set(ids[ids >= 0].tolist())) == 1


def test_even_motion_is_not_looked_at_twice():
    still = World([lambda t: np.array([900.0, 500.0])], noise=1.0)
    follow(still, 120)
    jumpy = World([lambda t: np.array([900 + 100 * np.sin(2 * np.pi * 6 * t), 500.0])], noise=1.0)
    seen = follow(jumpy, 120)
    assert still.runs < 75
    assert jumpy.runs > 105
    want = np.stack([jumpy.truth(0, t) for t in seen.time])
    off = np.linalg.norm(seen.xy[:, 0] - want, axis=-1)
    assert np.isfinite(off).all(1).mean() >= 0.95
    assert np.nanmedian(off) < 3


def test_frames_between_lie_between():
    world = World([lambda t: np.array([300 + 400 * t + 60 * t * t, 500.0])], noise=1.0)
    seen = follow(world, 121)
    want = np.stack([world.truth(0, t) for t in seen.time])
    assert world.runs < 90
    assert np.linalg.norm(seen.xy[:, 0] - want, axis=-1).mean(1).max() < 4
    assert seen.frame.tolist() == list(range(121))


def test_similarity_is_that_of_coco():
    """One point off by one of its sigmas: exp(-1/2)... of the area's square root times twice the annotators' sigma."""
    xy = np.array([[[0.0, 0.0], [100.0, 100.0], [50.0, 40.0]]])
    other = xy.copy()
    layout = SimpleNamespace(points=("nose", "left_ankle", "left_knee"))
    other[0, 1, 0] -= 2 * 0.089 * 100
    score = np.ones((1, 3))
    got = oks(xy, score, other, score, spreads(layout))[0, 0]
    size = np.sqrt((100 - 17.8) * 100)  # the smaller of the two
    assert got == pytest.approx((2 + np.exp(-0.5 * (17.8 / (2 * 0.089 * size)) ** 2)) / 3)
    assert oks(xy, score, xy, score, spreads(layout))[0, 0] == pytest.approx(1)


def test_the_best_pairs_overall_are_taken():
    assert sorted(matched(np.array([[0.9, 0.8], [0.85, 0.1]]), 0.3)) == [(0, 1), (1, 0)]
    assert matched(np.array([[0.2, 0.1]]), 0.3) == []
    assert matched(np.zeros((0, 3)), 0.3) == []


def test_steadied_lines_stay_and_gaps_are_told_from_near():
    time = np.arange(0, 2, 1 / 60)
    xy = np.stack([100 * time, -30 * time], -1)[:, None] + np.array([5.0, 9.0])
    noise = np.full(len(time), 3.0)
    np.testing.assert_allclose(steadied(time, time, xy, 0.065, noise)[10:-10], xy[10:-10], atol=0.05)
    gap = xy.copy()
    gap[40:50] = np.nan
    np.testing.assert_allclose(steadied(time, time, gap, 0.065, noise)[44], xy[44], atol=0.6)
    gap[20:] = np.nan
    assert np.isnan(steadied(time, time, gap, 0.065, noise)[-1]).all()


def test_of_a_fast_camera_several_frames_wait():
    """At 240 frames a second seven of eight frames lie between looks; at 100 two of three; at 25 none."""
    for fps, most in ((240, 0.2), (100, 0.35), (60, 0.4), (25, 1.05)):
        world = World([lambda t: np.array([900.0, 500.0])], noise=1.0, swing=0.0)
        tracker = Tracker(world, TrackSettings(speed="fast"))
        shown = [Frame(f.number, f.number / fps, f.image) for f in frames(120)]
        (seen,) = detect_windows(shown, "cam", SIZE, tracker)
        assert seen.frame.tolist() == list(range(120))
        assert np.isfinite(seen.xy[:, 0]).all()
        assert world.runs / 120 <= most
        assert fps > 25 or world.runs == 120


def test_whom_only_the_search_sees_is_nobody():
    world = World([lambda t: np.array([900.0, 500.0])])
    world.person = lambda image, xy, confidence: People(xy[None], np.full((1, 17), 0.02), np.array([0.02]))
    seen = follow(world, 90)
    assert np.isnan(seen.xy).all()
    assert (seen.person_id == -1).all()


def test_a_single_point_can_be_followed():
    world = World([line(300, 300)], whole=True)

    def search(image):
        number = int(image[0, 0, 0]) + 256 * int(image[0, 0, 1])
        return People(world.paths[0](number / 60)[None, None], np.full((1, 1), 0.8), np.full(1, 0.8))

    world.search = search
    world.card.points = world.layout = Layout("ball", "ball", ("ball",), np.zeros((0, 2), np.int64), np.zeros(1, np.int64))
    (seen,) = detect_windows(frames(120), "cam", SIZE, Tracker(world, TrackSettings(speed="fast")))
    assert np.isfinite(seen.xy[:, 0]).all()
    assert set(seen.person_id[:, 0].tolist()) == {0}
