"""Sigma by score, learned where the truth is known."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest

from calibration.scores import ONE_SIGMA, ScoreSettings, coverage, learn_scores, left_out
from recon3d import io
from recon3d.errors import CameraError, InputError
from recon3d.io import read_scores, write_keypoints2d, write_rig_toml, write_scores
from recon3d.pipeline.scores import with_scores
from recon3d.records import ScoreSigma, box_diagonal, parse_score_sigma
from recon3d.synthetic import NoiseSettings, make_person, make_world
from tests.worlds import clean

KNOTS = np.array([0.1, 0.5, 0.9])
SHARES = np.array([0.03, 0.012, 0.006])


def scored(seed, cameras=5, frames=150, outliers=0.05, factor=None):
    """Detections whose error follows the score, and the score says so; some are anywhere."""
    rng, world = np.random.default_rng(seed), clean(cameras, frames)
    out = []
    for seen in world.keypoints2d():
        score = rng.uniform(0.1, 0.95, seen.confidence.shape)
        share = np.interp(score, KNOTS, SHARES)
        if factor:
            share = share * np.array([factor.get(name, 1.0) for name in seen.layout.points])
        sigma = np.maximum(share * box_diagonal(seen.xy)[..., None], 1.0)
        xy = seen.xy + sigma[..., None] * rng.normal(size=seen.xy.shape)
        wild = rng.random(score.shape) < outliers
        xy[wild] += rng.normal(0, 150, (wild.sum(), 2))
        out.append(dataclasses.replace(seen, xy=xy.astype(np.float32), confidence=score.astype(np.float32)))
    return world.rig, out


@pytest.mark.parametrize("seed", range(3))
def test_what_the_scores_mean_is_found(seed):
    rig, seen = scored(seed)
    learned = learn_scores(rig, seen)
    at = np.array([0.25, 0.5, 0.75])
    np.testing.assert_allclose(np.interp(at, learned.sigma.score, learned.sigma.share), np.interp(at, KNOTS, SHARES), rtol=0.2)
    assert (np.diff(learned.sigma.share) <= 0).all()
    assert abs(np.nanmean(learned.within) - ONE_SIGMA) < 0.02


@pytest.mark.parametrize("seed", range(3))
def test_held_out_residuals_are_covered(seed):
    rig, seen = scored(seed)
    learned = learn_scores(rig, [s.window(slice(0, 75)) for s in seen])
    _, others = scored(seed + 50)
    xy, score = (np.stack([getattr(s, name)[75:, 0] for s in others]).astype(float) for name in ("xy", "confidence"))
    within, count = coverage(left_out(rig, xy, score, learned.sigma, learned.points), learned.sigma, learned.points)
    assert count > 5000
    assert abs(np.nanmean(within) - ONE_SIGMA) < 0.03


def test_points_that_are_found_worse_say_so_on_both_sides():
    rig, seen = scored(1, factor={"left_wrist": 2.5, "right_wrist": 2.5})
    points = learn_scores(rig, seen).sigma.points
    others = np.median([value for name, value in points.items() if "wrist" not in name])
    assert points["left_wrist"] == points["right_wrist"]
    assert 2.0 < points["left_wrist"] / others < 3.0


@pytest.mark.parametrize("seed", range(2))
def test_cameras_that_are_not_synchronous_are_judged_at_their_own_frames(seed):
    """Half a frame apart every second camera is interpolated for the others, which must not look like accuracy."""
    rig, seen = scored(seed, cameras=6, frames=200, outliers=0.02)
    late = make_world(rig, make_person("gait", 200, time=np.arange(200) / 60 + 0.5 / 60), NoiseSettings(0.01, 0, 0)).keypoints2d()
    rng = np.random.default_rng(seed)
    for v in (1, 3, 5):
        share = np.interp(seen[v].confidence, KNOTS, SHARES) * box_diagonal(late[v].xy)[..., None]
        xy = late[v].xy + np.maximum(share, 1.0)[..., None] * rng.normal(size=late[v].xy.shape)
        seen[v] = dataclasses.replace(seen[v], xy=xy.astype(np.float32), time=seen[v].time + 0.5 / 60)
    learned = learn_scores(rig, seen)
    at = np.array([0.25, 0.5, 0.75])
    np.testing.assert_allclose(np.interp(at, learned.sigma.score, learned.sigma.share), np.interp(at, KNOTS, SHARES), rtol=0.2)


def test_a_rig_that_is_off_is_told():
    rig, seen = scored(0)
    assert learn_scores(rig, seen).warnings == ()
    moved = [dataclasses.replace(s, xy=s.xy + np.float32(30 * (k == 2))) for k, s in enumerate(seen)]
    (warning,) = learn_scores(rig, moved).warnings
    assert rig.names[2] in warning.split("lie off")[0]
    assert any("only" in text for text in learn_scores(rig, [s.window(slice(0, 12)) for s in seen]).warnings)
    with pytest.raises(InputError, match="frames must be 1"):
        learn_scores(rig, seen, ScoreSettings(frames=0))


def test_two_cameras_cannot_judge_each_other():
    rig, seen = scored(0)
    with pytest.raises(CameraError, match="3 cameras or more"):
        learn_scores(rig, seen[:2])


def test_a_few_detections_are_too_few():
    rig, seen = scored(0, frames=150)
    with pytest.raises(InputError, match="could be compared"):
        learn_scores(
            rig,
            [
                dataclasses.replace(s, confidence=np.where(np.arange(s.confidence.shape[2]) < 1, s.confidence, 0)).window(slice(0, 4))
                for s in seen
            ],
        )


def test_a_file_of_scores_comes_back(tmp_path):
    sigma = ScoreSigma(KNOTS, SHARES, {"nose": 1.5})
    write_scores(tmp_path / "scores.toml", sigma, "coco_17", "heatmap")
    back, layout, kind = read_scores(tmp_path / "scores.toml")
    assert (layout, kind) == ("coco_17", "heatmap")
    np.testing.assert_allclose(back.share, SHARES)
    assert dict(back.points) == {"nose": 1.5}


@pytest.mark.parametrize(
    ("table", "match"),
    [
        ([], "must be a table"),
        ({"score": [0.1], "share": []}, "share must be a list"),
        ({"score": [0.1, 0.2], "share": [0.1]}, "2 scores, but 1 shares"),
        ({"score": [0.2, 0.1], "share": [0.1, 0.2]}, "rising"),
        ({"score": [0.1], "share": [-0.1]}, "positive"),
        ({"score": [0.1], "share": [0.1], "points": {"nose": "x"}}, "points must be"),
        ({"score": [0.1], "share": [float("nan")]}, "share must be"),
        ({"score": [0.1], "share": [0.1], "colour": 1}, "unknown entry 'colour'"),
    ],
)
def test_faulty_tables_are_refused(table, match):
    with pytest.raises(InputError, match=match):
        parse_score_sigma(table, "it")


def test_beyond_what_was_learned():
    sigma = ScoreSigma(KNOTS, SHARES)
    np.testing.assert_allclose(sigma.share_of(np.array([2.0, 0.9, 0.1, 0.025, 0.0, -1.0])), [0.006, 0.006, 0.03, 0.06, 0.15, 0.15])
    logits = ScoreSigma(np.array([-2.0, 3.0]), np.array([0.04, 0.01]))
    np.testing.assert_allclose(logits.share_of(np.array([-5.0, 3.0, 9.0])), [0.04, 0.01, 0.01])


def test_learned_scores_change_sigmas_and_only_of_what_they_are_for(tmp_path):
    _, seen = scored(0, frames=150)
    path = tmp_path / "scores.toml"
    write_scores(path, ScoreSigma(KNOTS, SHARES), seen[0].layout.name, seen[0].score_kind)
    got = with_scores(path)(seen[0])
    want = np.interp(seen[0].confidence, KNOTS, SHARES) * box_diagonal(seen[0].xy)[..., None]
    known = np.isfinite(got.sigma_px)
    np.testing.assert_allclose(got.sigma_px[known], np.maximum(want, 1.0)[known], rtol=1e-5)
    np.testing.assert_array_equal(got.xy, seen[0].xy)
    write_scores(path, ScoreSigma(KNOTS, SHARES), "coco_17", "simcc")
    with pytest.raises(InputError, match="was learned of coco_17"):
        with_scores(path)(seen[0])


def test_the_command(tmp_path):
    rig, seen = scored(3)
    take = tmp_path / "take"
    (take / "keypoints2d").mkdir(parents=True)
    write_rig_toml(take / "rig.toml", rig)
    for view in seen:
        write_keypoints2d(take / "keypoints2d" / f"{view.camera}.npz", [lambda view=view: view])
    command = [sys.executable, "-m", "recon3d", "calibrate", "scores", str(take), "-o", str(tmp_path / "s.toml")]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    assert "detections compared" in done.stdout
    sigma, layout, _ = io.read_scores(tmp_path / "s.toml")
    assert layout == seen[0].layout.name
    assert abs(np.interp(0.5, sigma.score, sigma.share) / 0.012 - 1) < 0.2
