import cv2
import numpy as np
import pytest

from recon3d.errors import InputError
from recon3d.video import open_video, open_videos
from tests.worlds import BALANCE4

VIDEO = BALANCE4 / "videos" / "cam03.mp4"


def test_facts_and_time_stamps():
    video = open_video("cam03", VIDEO)
    assert (video.size, video.count, video.fps) == ((1088, 1920), 100, 60.0)
    frames = list(video.frames(5, 9))
    assert [f.number for f in frames] == [5, 6, 7, 8]
    np.testing.assert_allclose([f.time for f in frames], np.arange(5, 9) / 60, atol=1e-6)
    assert frames[0].image.shape == (1920, 1088, 3)


def test_images_are_rgb(tmp_path):
    path = tmp_path / "red.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 25.0, (64, 48))
    for _ in range(5):
        writer.write(np.full((48, 64, 3), (0, 0, 255), np.uint8))  # OpenCV writes BGR
    writer.release()
    frames = list(open_video("a", path).frames())
    assert len(frames) == 5
    np.testing.assert_allclose([f.time for f in frames], np.arange(5) / 25, atol=1e-3)
    red, green, blue = frames[2].image.reshape(-1, 3).mean(0)
    assert red > 200 > 60 > max(green, blue)


def cut_copy(path, share):
    """A video whose index is whole but whose picture data ends early."""
    data = VIDEO.read_bytes()
    start = data.index(b"mdat")
    end = start + int(share * int.from_bytes(data[start - 4 : start], "big"))
    whole = start - 4 + int.from_bytes(data[start - 4 : start], "big")
    path.write_bytes(data[:end] + b"\0" * (whole - end) + data[whole:])
    return path


def test_a_truncated_video_names_the_frame_where_it_ends(tmp_path):
    path = cut_copy(tmp_path / "cut.mp4", 0.5)
    with pytest.raises(InputError, match=r"camera a: .*cut\.mp4 ends at frame \d+ though it declares 100.*--frames 0:"):
        list(open_video("a", path).frames())


@pytest.mark.parametrize("content", [b"", b"hello", VIDEO.read_bytes()[:20_000]])
def test_files_that_are_no_video(tmp_path, content):
    path = tmp_path / "x.mp4"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"camera a: .*x\.mp4 is not a video"):
        open_video("a", path)


def test_all_faults_at_once(tmp_path):
    (tmp_path / "b.mp4").write_bytes(b"")
    with pytest.raises(InputError) as caught:
        open_videos({"a": tmp_path / "a.mp4", "b": tmp_path / "b.mp4", "c": VIDEO})
    assert "camera a: no such video" in str(caught.value)
    assert "camera b" in str(caught.value)
    assert "camera c" not in str(caught.value)
