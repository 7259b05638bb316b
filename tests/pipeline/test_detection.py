"""2D keypoints of videos by themselves, and the picture of them."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from recon3d import io
from recon3d.detect import TrackSettings
from recon3d.errors import InputError
from recon3d.pipeline import DetectJob, detect_videos
from recon3d.records import Frame, ScoreSigma
from recon3d.video import ahead, open_video
from recon3d.view import draw_people
from tests.worlds import BALANCE4

VIDEO = BALANCE4 / "videos" / "cam03.mp4"


def job(out: Path, *videos: str, **settings: object) -> DetectJob:
    return DetectJob(videos or (str(VIDEO),), out, TrackSettings(speed="fast"), stop=12, **settings)


def test_keypoints_and_overlay(tmp_path):
    (found,) = detect_videos(job(tmp_path / "out", overlay=True))
    assert (found.camera, found.frames, found.people) == ("cam03", 12, 1)
    assert found.provider == "cpu"
    assert sorted(p.name for p in (tmp_path / "out").rglob("*")) == ["cam03.mp4", "cam03.npz", "overlay"]
    seen = io.read_keypoints2d(tmp_path / "out" / "cam03.npz")
    assert seen.frame.tolist() == list(range(12))
    assert np.isfinite(seen.xy[:, 0]).all()
    shown = open_video("cam03", tmp_path / "out" / "overlay" / "cam03.mp4")
    assert (shown.size, shown.count) == (seen.size, 12)
    bare = [frame.image for frame in open_video("cam03", VIDEO).frames(0, 12)]
    drawn = [frame.image for frame in shown.frames()]
    # What was drawn lies on the person, and nowhere else.
    off = np.abs(drawn[6].astype(int) - bare[6]).max(-1) > 90
    rows, columns = np.nonzero(off)
    x0, y0, x1, y1 = seen.box[6, 0]
    inside = (columns > x0 - 40) & (columns < x1 + 40) & (rows > y0 - 40) & (rows < y1 + 40)
    assert len(rows) > 500
    assert inside.mean() > 0.95


def test_left_is_blue_and_right_is_orange(tmp_path):
    detect_videos(job(tmp_path))
    seen = io.read_keypoints2d(tmp_path / "cam03.npz")
    image = draw_people(np.zeros((seen.size[1], seen.size[0], 3), np.uint8), seen, 0)
    for side, strong, weak in (("left", 2, 0), ("right", 0, 2)):
        x, y = np.rint(seen.xy[0, 0, seen.layout.index(f"{side}_wrist")]).astype(int)
        assert image[y, x, strong] > image[y, x, weak] + 50


def test_learned_scores_are_used(tmp_path):
    scores = tmp_path / "scores.toml"
    io.write_scores(scores, ScoreSigma(np.array([0.01]), np.array([0.1])), "coco_17", "heatmap")
    detect_videos(job(tmp_path, scores=scores))
    seen = io.read_keypoints2d(tmp_path / "cam03.npz")
    diagonal = np.hypot(*(seen.box[:, 0, 2:] - seen.box[:, 0, :2]).T)
    np.testing.assert_allclose(seen.sigma_px[:, 0], np.broadcast_to(0.1 * diagonal[:, None], (12, 17)), rtol=1e-4)


def test_names_of_cameras(tmp_path):
    (found,) = detect_videos(job(tmp_path, f"left={VIDEO}"))
    assert found.camera == "left"
    with pytest.raises(InputError, match="are both called cam03"):
        detect_videos(job(tmp_path, str(VIDEO), str(VIDEO)))
    with pytest.raises(InputError, match="no such video"):
        detect_videos(job(tmp_path, str(tmp_path / "none.mp4")))
    with pytest.raises(InputError, match="holds no videos"):
        detect_videos(job(tmp_path, str(tmp_path)))
    with pytest.raises(InputError, match="no frames in --frames 5000:"):
        detect_videos(DetectJob((str(VIDEO),), tmp_path, TrackSettings(speed="fast"), first=5000))


def test_a_cut_video_leaves_nothing_half_written(tmp_path):
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(VIDEO.read_bytes()[:2000])
    with pytest.raises(InputError, match="cut"):
        detect_videos(job(tmp_path / "out", str(cut)))
    assert not list((tmp_path / "out").glob("*"))


def test_frames_come_ahead_in_order_and_errors_come_out():
    image = np.zeros((2, 2, 3), np.uint8)

    def frames(broken):
        for k in range(20):
            if broken and k == 7:
                raise InputError("the file is cut")
            yield Frame(k, k / 30, image)

    assert [f.number for f in ahead(frames(False))] == list(range(20))
    got = []
    with pytest.raises(InputError, match="cut"):
        for frame in ahead(frames(True)):
            got.append(frame.number)
    assert got == list(range(7))
    some = ahead(frames(False), depth=2)
    assert next(some).number == 0
    some.close()  # leaves no thread behind that waits for room


def test_the_command(tmp_path):
    command = [sys.executable, "-m", "recon3d", "detect", str(VIDEO), "-o", str(tmp_path / "o"), "--speed", "fast", "--frames", "3:9"]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    assert "6 frames, 1 people, run on cpu" in done.stdout
    assert io.read_keypoints2d(tmp_path / "o" / "cam03.npz").frame.tolist() == list(range(3, 9))
    wrong = subprocess.run([*command, "--detector", "none.toml"], capture_output=True, text=True, encoding="utf-8")
    assert wrong.returncode == 2
    assert "no model 'none.toml'" in wrong.stderr.replace("\n", " ")


def test_a_network_quantised_by_the_command_looks_at_videos(tmp_path):
    run = [sys.executable, "-m", "recon3d"]
    made = subprocess.run(
        [*run, "quantise", "movenet_lightning", str(VIDEO), "-o", str(tmp_path / "q"), "--pictures", "4"],
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert made.returncode == 0, made.stderr
    card = tmp_path / "q" / "movenet_lightning_int8.toml"
    (found,) = detect_videos(DetectJob((str(VIDEO),), tmp_path / "o", TrackSettings(detector=str(card)), stop=4))
    seen = io.read_keypoints2d(found.files[0])
    assert np.isfinite(seen.xy[:, 0]).all()
    wrong = subprocess.run([*run, "quantise", "hand_landmark", str(VIDEO), "-o", str(tmp_path)], capture_output=True, text=True)
    assert wrong.returncode == 2
    assert "cannot be quantised" in wrong.stderr


def test_an_overlay_never_replaces_a_video(tmp_path):
    source = tmp_path / "overlay" / "v.mp4"
    source.parent.mkdir()
    source.write_bytes(VIDEO.read_bytes())
    with pytest.raises(InputError, match="would be overwritten"):
        detect_videos(job(tmp_path, str(source), overlay=True))
    assert source.read_bytes() == VIDEO.read_bytes()
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="is a file"):
        detect_videos(job(tmp_path / "file"))


def test_scores_of_other_points_are_refused_before_the_first_frame(tmp_path, monkeypatch):
    scores = tmp_path / "scores.toml"
    io.write_scores(scores, ScoreSigma(np.array([0.5]), np.array([0.1])), "body_21", "heatmap")
    monkeypatch.setattr("recon3d.pipeline.detection.detect_windows", lambda *_: pytest.fail("frames were looked at"))
    with pytest.raises(InputError, match="was learned of body_21"):
        detect_videos(job(tmp_path / "out", scores=scores))


def test_a_network_of_hands_follows_nobody(tmp_path):
    for card in ("hand_landmark", "face_landmark", "face_detection"):
        with pytest.raises(InputError, match="is not for bodies"):
            detect_videos(DetectJob((str(VIDEO),), tmp_path / "o", TrackSettings(detector=card)))


def test_an_interrupt_stops_soon_and_leaves_nothing_half_done(tmp_path):
    import signal
    import time

    out = tmp_path / "o"
    command = [sys.executable, "-m", "recon3d", "detect", str(BALANCE4 / "videos"), "-o", str(out), "--overlay"]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while not out.is_dir() and running.poll() is None:
        time.sleep(0.1)
    time.sleep(1.0)
    running.send_signal(signal.SIGINT)
    start = time.monotonic()
    running.communicate(timeout=60)
    assert running.returncode == 130
    assert time.monotonic() - start < 10
    assert not list(out.rglob("*"))


def test_a_folder_of_what_was_found_is_read(tmp_path):
    detect_videos(job(tmp_path / "o", f"a={VIDEO}", f"b={VIDEO}"))
    found = io.read_keypoints(tmp_path / "o")
    assert [view.camera for view in found.views] == ["a", "b"]


def test_a_fault_in_the_middle_leaves_no_thread_that_waits(tmp_path):
    """An error that nobody expects must end the program, with the frames that were decoded ahead let go."""
    code = """
import sys
from pathlib import Path
import recon3d.pipeline.detection as detection

def broken(frames, *rest):
    next(frames)
    raise RuntimeError("something")
    yield

detection.detect_windows = broken
detection.detect_videos(detection.DetectJob((sys.argv[1],), Path(sys.argv[2])))
"""
    done = subprocess.run([sys.executable, "-c", code, str(VIDEO), str(tmp_path)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "RuntimeError: something" in done.stderr
