"""Video files as frames with true time stamps."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recon3d.errors import InputError, all_faults
from recon3d.opencv import import_cv2
from recon3d.records import Frame

SUFFIXES = frozenset({".mp4", ".mov", ".avi", ".mkv", ".m4v", ".mpg", ".mpeg", ".webm", ".mts", ".wmv"})
_TRUNCATED = 0.01  # containers round their frame count; more than this share missing is a cut file


@dataclass(frozen=True, slots=True)
class Video:
    """A video of one camera.

    Attributes:
        camera: name.
        path: the file.
        size: width and height as shown, px.
        count: frames as the file declares them.
        fps: nominal rate; 0 where the file has none.
    """

    camera: str
    path: Path
    size: tuple[int, int]
    count: int
    fps: float

    def frames(self, start: int = 0, stop: int | None = None) -> Iterator[Frame]:
        """Frames ``start`` to ``stop`` (not included), decoded one after the other.

        Raises:
            InputError: the file ends before its declared end, or has neither time stamps nor a rate.
        """
        cv2 = import_cv2()
        capture = cv2.VideoCapture(str(self.path), cv2.CAP_FFMPEG)
        last = -1.0
        number = 0
        try:
            while stop is None or number < stop:
                if not capture.grab():
                    break
                if number >= start:
                    good, image = capture.retrieve()
                    if not good:
                        break
                    last = self._stamp(capture.get(cv2.CAP_PROP_POS_MSEC) / 1000, number, last)
                    # The decoder's own bytes read backwards: most frames are looked at in small parts only, or not at all.
                    yield Frame(number, last, image[:, :, ::-1])
                number += 1
        finally:
            capture.release()
        expected = self.count if stop is None else min(stop, self.count)
        if number < expected - max(1.0, _TRUNCATED * expected):
            raise InputError(
                f"camera {self.camera}: {self.path} ends at frame {number} though it declares {self.count}: "
                f"the file is cut. Use the part that is there with --frames 0:{number}"
            )

    def _stamp(self, seconds: float, number: int, last: float) -> float:
        if np.isfinite(seconds) and seconds > last:
            return seconds
        if self.fps > 0 and number / self.fps > last:
            return number / self.fps
        raise InputError(f"camera {self.camera}: {self.path} has no time stamps and no frame rate; give one with --fps")


def open_video(camera: str, path: Path) -> Video:
    """A video file's facts, without decoding it.

    Raises:
        InputError: there is no such file, or it is not a video that can be decoded.
    """
    if not path.is_file():
        raise InputError(f"camera {camera}: no such video: {path}")
    cv2 = import_cv2()
    previous = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    try:
        good = capture.isOpened() and capture.grab()
        size = int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)), int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
        count, fps = int(capture.get(cv2.CAP_PROP_FRAME_COUNT)), float(capture.get(cv2.CAP_PROP_FPS))
    finally:
        capture.release()
        cv2.utils.logging.setLogLevel(previous)
    if not good or min(size) <= 0:
        raise InputError(f"camera {camera}: {path} is not a video that can be decoded (empty, cut, or another kind of file)")
    return Video(camera, path, size, count, fps if np.isfinite(fps) else 0.0)


def open_videos(paths: dict[str, Path]) -> list[Video]:
    """Videos of several cameras; all faults at once."""
    videos: list[Video] = []
    faults: list[str] = []
    for camera, path in paths.items():
        try:
            videos.append(open_video(camera, path))
        except InputError as error:
            faults.append(str(error))
    if faults:
        raise InputError(all_faults(faults, "videos cannot be used:"))
    return videos
