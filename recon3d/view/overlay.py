"""2D keypoints drawn over the images that they were found in."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from recon3d.errors import InputError
from recon3d.opencv import import_cv2
from recon3d.records import Frame, Keypoints2D

_LEFT, _RIGHT, _MIDDLE = (66, 135, 245), (245, 130, 32), (120, 220, 120)  # RGB, of the subject's sides
_FAINT = 0.2  # score below which a bone is not drawn
_WIDE = 400.0  # px of a person per px of a line
_FALLBACK_FPS = 30.0


def draw_people(image: UInt8[np.ndarray, "height width 3"], seen: Keypoints2D, row: int) -> UInt8[np.ndarray, "height width 3"]:
    """A copy of an image with the people of one row: left blue, right orange; a ring round each point is its sigma.

    Args:
        image: RGB, of the size that the pixels refer to.
        seen: the keypoints.
        row: of which frame.
    """
    cv2, out = import_cv2(), image.copy()
    points, bones = seen.layout.points, seen.layout.bones.tolist()
    colour = [_LEFT if name.startswith("left_") else _RIGHT if name.startswith("right_") else _MIDDLE for name in points]
    shift = 4  # fractional bits of cv2's coordinates
    for slot in np.flatnonzero(np.isfinite(seen.box[row, :, 0])).tolist():
        xy, score, sigma = seen.xy[row, slot], seen.confidence[row, slot], seen.sigma_px[row, slot]
        at = np.rint(np.nan_to_num(xy) * (1 << shift)).astype(int).tolist()
        there = np.isfinite(xy[:, 0]) & (score >= _FAINT)
        box = seen.box[row, slot]
        width = max(1, round(float(max(box[2] - box[0], box[3] - box[1])) / _WIDE))
        for a, b in bones:
            if there[a] and there[b]:
                side = colour[a] if colour[a] == colour[b] else _MIDDLE
                cv2.line(out, at[a], at[b], side, width, cv2.LINE_AA, shift)
        for joint in np.flatnonzero(there).tolist():
            cv2.circle(out, at[joint], (width + 1) << shift, colour[joint], -1, cv2.LINE_AA, shift)
            if np.isfinite(sigma[joint]):
                cv2.circle(out, at[joint], round(float(sigma[joint]) * (1 << shift)), colour[joint], 1, cv2.LINE_AA, shift)
        if seen.person_id[row, slot] >= 0:
            corner = (int(box[0]), int(box[1]) - 6)
            cv2.putText(
                out, str(seen.person_id[row, slot]), corner, cv2.FONT_HERSHEY_SIMPLEX, 0.4 * width + 0.3, _MIDDLE, width, cv2.LINE_AA
            )
    return out


def drawn(frames: Iterable[Frame], windows: Iterable[Keypoints2D]) -> Iterator[Frame]:
    """Images with what was found in them; those that the keypoints do not have stay bare.

    Args:
        frames: rising.
        windows: keypoints.
    """
    parts = iter(windows)
    part, rows = None, dict[int, int]()
    for frame in frames:
        while part is None or (len(part) and part.frame[-1] < frame.number):
            part = next(parts, None)
            if part is None:
                break
            rows = {number: k for k, number in enumerate(part.frame.tolist())}
        known = part is not None and frame.number in rows
        yield replace(frame, image=draw_people(frame.image, part, rows[frame.number])) if part is not None and known else frame


def write_video(path: Path, frames: Iterable[Frame], fps: float, watch: Callable[[int], None] = lambda frame: None) -> None:
    """A video (.mp4) of images.

    Args:
        path: of the file.
        frames: all of one size.
        fps: rate to play at; 0 for 30 a second.
        watch: told after each frame which it was.

    Raises:
        InputError: the file cannot be written.
    """
    cv2, half = import_cv2(), path.with_name(f".{path.name.removesuffix('.mp4')}.part.mp4")
    writer, count = None, 0
    try:
        for frame in frames:
            if writer is None:
                size = (frame.image.shape[1], frame.image.shape[0])
                writer = cv2.VideoWriter(str(half), cv2.VideoWriter.fourcc(*"mp4v"), fps if fps > 0 else _FALLBACK_FPS, size)
                if not writer.isOpened():
                    raise InputError(f"{path} cannot be written as a video")
            writer.write(cv2.cvtColor(frame.image, cv2.COLOR_RGB2BGR))
            count += 1
            watch(frame.number)
        if writer is not None:
            writer.release()
            if not _whole(half, count):
                raise InputError(f"{path} could not be written whole: is the disk full?")
            half.replace(path)
    finally:
        if writer is not None:
            writer.release()
        half.unlink(missing_ok=True)


def _whole(path: Path, count: int) -> bool:
    """OpenCV's writer reports no errors: what it wrote is counted."""
    cv2 = import_cv2()
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    written = int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) if capture.isOpened() else 0
    capture.release()
    return written == count
