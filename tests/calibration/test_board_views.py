"""Which frames and pictures of several cameras belong together."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

from calibration import board_views
from calibration.board_views import find_in_pictures, find_in_videos, gather
from calibration.targets import Board
from recon3d.errors import InputError
from recon3d.records import Frame
from recon3d.video.clip import Video
from tests.calibration.test_boards import BOARDS, photographed


class _Told(Board):
    """A board that is where the picture's first pixels say, or nowhere."""

    def find(self, image):
        place, seen = image[0, :2]
        return self.points[:, :2] * 200 + [place % 16 * 6, place // 16 * 4] if seen else None


@dataclass(frozen=True, slots=True)
class _Film(Video):
    """A video whose frames show the board where each camera has it by chance."""

    def frames(self, start=0, stop=None):
        rng = np.random.default_rng(len(self.camera))
        places = rng.integers(0, 256, self.count)
        for k in range(self.count):
            image = np.full((120, 160, 3), 90, np.uint8)
            image[0, 0], image[0, 1] = places[k], 255 * (k % 10 != 3)
            yield Frame(k, k / 50, image)


def films(monkeypatch, **counts):
    monkeypatch.setattr(board_views, "open_video", lambda camera, path: _Film(camera, path, (160, 120), counts[camera], 50.0))
    return {camera: Path(f"{camera}.mp4") for camera in counts}


@pytest.mark.parametrize("counts", [{"a": 9000, "bb": 9150}, {"a": 9150, "bb": 9000, "ccc": 9020}, {"a": 240, "bb": 240}])
def test_frames_are_chosen_that_the_cameras_share(monkeypatch, counts):
    found, refused = find_in_videos(films(monkeypatch, **counts), _Told("chessboard", 4, 3, 0.03), most=60)
    assert not refused
    common = set.intersection(*(set(v.instant.tolist()) for v in found))
    assert len(common) >= 57
    assert all(60 <= len(v) <= 66 for v in found)


def test_a_short_video_beside_a_long_one(monkeypatch):
    """The short one is searched as closely as if it were alone; the long one all over."""
    short, long = find_in_videos(films(monkeypatch, a=480, bb=9600), _Told("chessboard", 4, 3, 0.03), most=60)[0]
    assert len(short) == 60
    assert set(short.instant.tolist()) <= set(long.instant.tolist())
    assert len(long) >= 60


def test_a_frame_that_others_need_is_taken_of_every_camera_that_has_it():
    """One camera sees the board all the time, the others in turn: each of their frames ties them to the first."""
    rng = np.random.default_rng(0)
    corners = {n: rng.uniform(0, 100, (12, 2)) for n in range(90)}
    spans = {"all": range(90), "first": range(40), "last": range(50, 90)}
    chosen = board_views._choose({c: ((160, 120), {n: (corners[n], 1.0) for n in span}) for c, span in spans.items()}, 20)
    assert [len(chosen[c]) for c in ("first", "last")] == [20, 20]
    assert set(chosen["first"]) | set(chosen["last"]) <= set(chosen["all"])


def moments(folders):
    return board_views._moments({camera: [Path(name) for name in names] for camera, names in folders.items()})


@pytest.mark.parametrize(
    ("names", "numbers"),
    [
        ({"1": ["img_0020.png", "img_0021.png"], "2": ["img_0020.png", "img_0021.png"]}, [20, 21]),
        ({"1": ["img_1.png", "img_2.png"], "2": ["img_1.png", "img_2.png"]}, [1, 2]),
        ({"1": ["img_1.png"], "2": ["img_1.png"]}, [1]),
        ({"cam1": ["cam1_0020.png", "cam1_0021.png"], "cam2": ["cam2_0020.png", "cam2_0021.png"]}, [20, 21]),
        ({"cam1": ["20-cam1.png", "21-cam1.png"], "cam2": ["20-cam2.png", "21-cam2.png"]}, [20, 21]),
        ({"left": ["left01.png", "left02.png"], "right": ["right01.png", "right02.png"]}, [1, 2]),
        ({"c(1": ["c(1 7.png"], "c(2": ["c(2 7.png"]}, [7]),
        (
            {"a": ["1700000000000.png", "1700000000040.png"], "b": ["1700000000000.png", "1700000000040.png"]},
            [1700000000000, 1700000000040],
        ),
        ({"a": ["1000000000.png"], "b": ["1000000000.png"]}, [1000000000]),
    ],
)
def test_the_number_in_a_pictures_name_is_its_moment(names, numbers):
    found = moments(names)
    assert all(own == numbers for own in found.values())


def test_pictures_without_a_number_of_their_own_match_none():
    found = moments({"a": ["x.png", "3.png"], "b": ["y.png", "3.png", f"{2**63}.png"], "c": ["1_7.png", "2_7.png"]})
    assert found["a"][1] == found["b"][1] == 3
    fresh = [found["a"][0], found["b"][0], found["b"][2], *found["c"]]
    assert len(set(fresh)) == 5
    assert max(fresh) < 0


def test_time_stamps_as_names_reach_the_views(tmp_path):
    path = tmp_path / "1700000000000.png"
    cv2.imwrite(str(path), photographed(BOARDS["charuco"])[0])
    found, _ = find_in_pictures({"cam": [path]}, BOARDS["charuco"])
    assert found[0].instant.tolist() == [1700000000000]


def test_a_camera_with_pictures_and_a_video_is_refused(tmp_path):
    (tmp_path / "left").mkdir()
    (tmp_path / "left" / "1.png").write_bytes(b"")
    (tmp_path / "left.mp4").write_bytes(b"")
    with pytest.raises(InputError, match="left: a folder of pictures and a video"):
        gather(tmp_path)
