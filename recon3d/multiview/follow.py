"""Videos to keypoints of the people whom the views agree on.

Time is cut into short blocks. At a block's start every view is searched for people; the rig tells which
of them the views agree on; the network for one person then runs on their crops in every frame of the
block. Where the views agree on nobody, each follows everybody it found, and who is who is decided later.
Somebody whom one view sees, or two of many, costs one search a block, not a network run a frame.
"""

import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from recon3d.detect import People, Sheet, Tracker, TrackSettings, load_detector
from recon3d.geometry import Camera, CameraRig
from recon3d.multiview.frames import ImageFit, to_rig_pixels
from recon3d.multiview.people.births import agreed_on
from recon3d.multiview.sync import Timeline, synchronise
from recon3d.records import Frame, Keypoints2D, box_diagonal
from recon3d.video import Video

_COARSE = 0.03  # sigma of the coarse search over the diagonal of a person's box
_LIMB_CONFIDENCE = 0.2  # of the coarse search; only to tell people apart


@dataclass(slots=True, eq=False)
class _View:
    video: Video
    frames: Iterator[Frame]
    tracker: Tracker
    sheet: Sheet
    fit: ImageFit
    ahead: Frame | None = None
    found: People | None = None
    done: bool = field(default=False)


def follow_people(
    videos: Sequence[Video],
    rig: CameraRig,
    starts: Sequence[int],
    stop: int | None = None,
    fit: ImageFit = "refuse",
    window: int = 500,
    settings: TrackSettings = TrackSettings(),
    most: int = 0,
    watch: Callable[[int], None] = lambda frame: None,
) -> Iterator[list[Keypoints2D]]:
    """Keypoints of the people in every view (in the rig's pixels), window by window, views in the rig's order.

    Args:
        videos: one a camera of the rig, in its order.
        rig: only these cameras.
        starts: first frame of each video.
        stop: frame to stop before.
        fit: how an image that is not the calibrated one came about, see `to_rig_pixels`.
        window: frames a view that are handed on at once, at least.
        settings: how people are followed.
        most: people that are followed, those that most views see; 0 for all.
        watch: told after every block which frame comes next.
    """
    detector = load_detector(settings.speed, settings.detector)
    views = [
        _View(v, v.frames(start, stop), Tracker(detector, settings), Sheet(v.camera, v.size, detector, settings.neighbours_s), fit)
        for v, start in zip(videos, starts, strict=True)
    ]
    with ThreadPoolExecutor(max_workers=max(1, min(len(views), os.cpu_count() or 1))) as pool:
        while True:
            list(pool.map(_read_ahead, views))
            times = [_world_time(view, camera) for view, camera in zip(views, rig, strict=True)]
            if not np.isfinite(times).any():
                break
            end = min(times) + settings.search_s
            list(pool.map(_look, [view for view, time in zip(views, times, strict=True) if time < end]))
            _agree(views, rig, most)
            list(pool.map(_run_block, views, rig.cameras, itertools.repeat(end)))
            watch(max([view.ahead.number for view in views if view.ahead is not None], default=stop or 0))
            if max(len(view.sheet) for view in views) >= window:
                yield _take(views, rig)
                # Windows do not depend on each other: a run that was stopped goes on to the same result.
                for view in views:
                    view.tracker.forget()
    if any(len(view.sheet) for view in views):
        yield _take(views, rig)


def _read_ahead(view: _View) -> None:
    """Decode the first frame of the next block."""
    view.found = None
    if view.ahead is None and not view.done:
        view.ahead = next(view.frames, None)
        view.done = view.ahead is None


def _world_time(view: _View, camera: Camera) -> float:
    """Of the next frame, on the rig's axis, s; infinite after the last."""
    return float(camera.clock.to_world(np.array(view.ahead.time))) if view.ahead is not None else np.inf


def _look(view: _View) -> None:
    """Search the first frame of the block."""
    if view.ahead is not None:
        view.found = view.tracker.search(view.ahead.image)


def _agree(views: Sequence[_View], rig: CameraRig, most: int) -> None:
    """Point every view's tracker at the people that two views or more agree on."""
    seen = [_coarse(view) for view in views]
    fitted = [to_rig_pixels(k, camera, view.fit) for k, camera, view in zip(seen, rig, views, strict=True)]
    timeline = Timeline.at_frames(np.zeros(1, np.int64), np.zeros(1), np.zeros((len(views), 1), np.int64))
    (instant,) = synchronise(fitted, timeline, 1)
    people = agreed_on(instant, rig, _LIMB_CONFIDENCE, most)
    for v, view in enumerate(views):
        if view.found is None or view.ahead is None:
            continue
        slots = [int(slot[v]) for slot in people if 0 <= slot[v] < len(view.found)]
        if slots:
            view.tracker.follow_only(view.found, slots, view.ahead.time)
        elif not people or view.tracker.idle:
            # A view that does not vote may still show somebody, hidden from the coarse search.
            view.tracker.follow_all(view.found, view.ahead.time)


def _coarse(view: _View) -> Keypoints2D:
    found = view.found
    card = view.tracker.detector.card
    count, joints = (max(len(found), 1) if found is not None else 1), len(card.points)
    xy, confidence = np.full((1, count, joints, 2), np.nan, np.float32), np.zeros((1, count, joints), np.float32)
    if found is not None and len(found):
        xy[0], confidence[0] = found.xy, found.confidence
    sigma = np.broadcast_to(np.maximum(_COARSE * box_diagonal(xy)[..., None], 1.0), confidence.shape)
    return Keypoints2D(
        layout=card.points,
        camera=view.video.camera,
        size=view.video.size,
        frame=np.zeros(1, np.int64),
        time=np.zeros(1),
        person_id=np.full((1, count), -1, dtype=np.int64),
        xy=xy,
        confidence=confidence,
        sigma_px=np.where(np.isfinite(sigma), sigma, np.nan).astype(np.float32),
        box=np.full((1, count, 4), np.nan, np.float32),
    )


def _run_block(view: _View, camera: Camera, end: float) -> None:
    """Follow people up to a time on the rig's axis."""
    while view.ahead is not None and _world_time(view, camera) < end:
        view.sheet.add(view.tracker.step(view.ahead))
        view.ahead = next(view.frames, None)
        view.done = view.ahead is None
    view.sheet.add(view.tracker.finish())


def _take(views: Sequence[_View], rig: CameraRig) -> list[Keypoints2D]:
    return [to_rig_pixels(view.sheet.take(), camera, view.fit) for view, camera in zip(views, rig, strict=True)]
