"""Focal lengths in the metadata of videos."""

import struct

import numpy as np
import pytest

from recon3d.video import told_fov_deg
from tests.worlds import BALANCE4

APPLE = "com.apple.quicktime.camera.focal_length.35mm_equivalent"


def box(kind, body):
    return struct.pack(">I", 8 + len(body)) + kind + body


def video(kind, value, key=APPLE, mpeg=False, before=b""):
    """A file with metadata only."""
    names = ["com.apple.quicktime.make", key]
    keys = box(b"keys", struct.pack(">II", 0, len(names)) + b"".join(box(b"mdta", n.encode()) for n in names))
    data = box(b"data", struct.pack(">II", kind, 0) + value)
    items = box(struct.pack(">I", 1), box(b"data", struct.pack(">II", 1, 0) + b"Apple")) + box(struct.pack(">I", 2), data)
    handler = box(b"hdlr", b"\0" * 8 + b"mdta" + b"\0" * 13)
    meta = box(b"meta", (b"\0\0\0\0" if mpeg else b"") + handler + keys + box(b"ilst", items))
    return box(b"ftyp", b"qt  ") + before + box(b"moov", box(b"mvhd", b"\0" * 20) + meta)


@pytest.mark.parametrize(
    ("kind", "value"),
    [(1, b"26"), (21, struct.pack(">I", 26)), (22, struct.pack(">H", 26)), (23, struct.pack(">f", 26)), (24, struct.pack(">d", 26))],
)
@pytest.mark.parametrize("mpeg", [False, True])
def test_focal_lengths(tmp_path, kind, value, mpeg):
    path = tmp_path / "a.mov"
    path.write_bytes(video(kind, value, mpeg=mpeg))
    half = np.tan(np.deg2rad(told_fov_deg(path, (1920, 1080)) / 2))
    assert half == pytest.approx(21.633 * 1920 / np.hypot(1920, 1080) / 26, rel=1e-4)
    assert told_fov_deg(path, (1080, 1920)) == pytest.approx(told_fov_deg(path, (1920, 1080)))


def test_large_boxes_before_it_are_passed_over(tmp_path):
    path = tmp_path / "a.mov"
    long = struct.pack(">I", 1) + b"mdat" + struct.pack(">Q", 16 + 1000) + b"\0" * 1000
    path.write_bytes(video(21, struct.pack(">I", 26), before=long))
    assert told_fov_deg(path, (1920, 1080)) == pytest.approx(72, abs=2)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no video at all, but long enough to be looked at",
        video(1, b"wide"),
        video(21, struct.pack(">I", 0)),
        video(21, struct.pack(">I", 26), key="com.apple.quicktime.model"),
        video(21, struct.pack(">I", 26))[:-30],
        struct.pack(">I", 0xFFFFFFFF) + b"moov",
    ],
)
def test_what_tells_nothing(tmp_path, content):
    path = tmp_path / "a.mov"
    path.write_bytes(content)
    assert told_fov_deg(path, (1920, 1080)) is None


def test_videos_that_say_nothing():
    assert told_fov_deg(BALANCE4 / "videos" / "cam01.mp4", (1080, 1920)) is None
    assert told_fov_deg(BALANCE4 / "videos" / "none.mp4", (1080, 1920)) is None
