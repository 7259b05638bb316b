"""What a video file tells of the lens: QuickTime's metadata, where phones write the focal length.

Boxes as in ISO/IEC 14496-12; keys and values as in the QuickTime File Format Specification ("Metadata", item list atoms).
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

_FOCAL_KEYS = ("com.apple.quicktime.camera.focal_length.35mm_equivalent", "com.android.camera.focal_length.35mm_equivalent")
_HALF_DIAGONAL_MM = 21.633  # of a 36 x 24 mm picture
_MOST = 1 << 24  # bytes of a metadata box
_RANGE_MM = (4.0, 1000.0)


def told_fov_deg(path: Path, size: tuple[int, int]) -> float | None:
    """Angle of view along the longer side (degrees), if the file has a focal length as of a 35 mm camera; None where it has none.

    Args:
        path: of the video.
        size: width and height, px: focal lengths are compared by the diagonal.
    """
    try:
        with open(path, "rb") as stream:
            stream.seek(0, 2)
            found = next(_focal(stream, 0, stream.tell()), None)
    except (OSError, struct.error):
        return None
    if found is None or not _RANGE_MM[0] < found < _RANGE_MM[1]:
        return None
    half = _HALF_DIAGONAL_MM * max(size) / np.hypot(*size)
    return float(2 * np.rad2deg(np.arctan(half / found)))


def _focal(stream: BinaryIO, start: int, stop: int) -> Iterator[float]:
    """Focal lengths (mm) that metadata boxes between these bytes hold."""
    for kind, a, b in _boxes(stream, start, stop):
        if kind == b"meta" and b - a < _MOST:
            yield from _of_meta(stream, a, b)
        elif kind in (b"moov", b"trak", b"udta"):
            yield from _focal(stream, a, b)


def _of_meta(stream: BinaryIO, start: int, stop: int) -> Iterator[float]:
    # MPEG's meta box has four bytes of version before its boxes, QuickTime's has none.
    stream.seek(start + 4)
    if stream.read(4) != b"hdlr":
        start += 4
    keys: list[str] = []
    for kind, a, b in _boxes(stream, start, stop):
        if kind == b"keys":
            keys = _names(stream, a, b)
        elif kind == b"ilst":
            for index, c, d in _boxes(stream, a, b):
                number = int.from_bytes(index, "big") - 1
                if 0 <= number < len(keys) and keys[number] in _FOCAL_KEYS:
                    yield from (value for name, e, f in _boxes(stream, c, d) if name == b"data" for value in _number(stream, e, f))


def _names(stream: BinaryIO, start: int, stop: int) -> list[str]:
    stream.seek(start)
    data = stream.read(stop - start)
    count, at = struct.unpack(">I", data[4:8])[0], 8
    out: list[str] = []
    while len(out) < count and at + 8 <= len(data):
        size = max(struct.unpack(">I", data[at : at + 4])[0], 8)
        out.append(data[at + 8 : at + size].decode("utf-8", "replace"))
        at += size
    return out


def _number(stream: BinaryIO, start: int, stop: int) -> Iterator[float]:
    """The value of a data box: a type, a locale, and a number as that type writes it (text too)."""
    stream.seek(start)
    data = stream.read(min(stop - start, 64))
    if len(data) < 9:
        return
    kind, body = struct.unpack(">I", data[:4])[0] & 0xFFFFFF, data[8:]
    formats = {23: (4, ">f"), 24: (8, ">d")}
    if kind in formats and len(body) >= formats[kind][0]:
        yield float(struct.unpack(formats[kind][1], body[: formats[kind][0]])[0])
    elif kind in (21, 22, 65, 66, 67, 74, 75, 76, 77, 78):
        yield float(int.from_bytes(body, "big"))
    elif kind == 1:
        try:
            yield float(body.decode("utf-8", "replace").strip("\0 "))
        except ValueError:
            return


def _boxes(stream: BinaryIO, start: int, stop: int) -> Iterator[tuple[bytes, int, int]]:
    """Boxes one after the other: kind, and where what is in them starts and stops."""
    while start + 8 <= stop:
        stream.seek(start)
        head = stream.read(16)
        if len(head) < 8:
            return
        size, kind, inside = struct.unpack(">I", head[:4])[0], head[4:8], start + 8
        if size == 1 and len(head) == 16:
            size, inside = struct.unpack(">Q", head[8:16])[0], start + 16
        end = stop if size == 0 else start + size
        if end < inside or end > stop:
            return
        yield kind, inside, end
        start = end
