"""2D keypoints of videos, each by itself: no cameras are known, nobody is told apart across views."""

import os
import re
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from recon3d import io
from recon3d.detect import Detector, Tracker, TrackSettings, detect_windows, load_detector, output_of
from recon3d.errors import InputError, all_faults
from recon3d.geometry.threads import single_threaded
from recon3d.pipeline.job import Progress, silent
from recon3d.pipeline.scores import with_scores
from recon3d.records import Frame, Keypoints2D
from recon3d.video import SUFFIXES, Video, ahead, open_videos
from recon3d.view import drawn, write_video


@dataclass(frozen=True, slots=True)
class DetectJob:
    """What to look at.

    Attributes:
        videos: paths, folders of videos, or ``camera=path``; without a name a video's camera is called after its file.
        out: folder for one ``<camera>.npz`` each.
        settings: which networks, and how people are followed.
        first: first source frame.
        stop: source frame to stop before.
        scores: what was learned of the detector's scores (`recon3d calibrate scores`), instead of its defaults.
        overlay: whether to write ``overlay/<camera>.mp4`` with what was found drawn over it.
    """

    videos: tuple[str, ...]
    out: Path
    settings: TrackSettings = field(default_factory=TrackSettings)
    first: int = 0
    stop: int | None = None
    scores: Path | None = None
    overlay: bool = False


@dataclass(frozen=True, slots=True)
class Detected:
    """What was found in one video.

    Attributes:
        camera: its name.
        files: written, the keypoints first.
        frames: looked at.
        people: how many ids were given out.
        provider: what the networks ran on.
    """

    camera: str
    files: tuple[Path, ...]
    frames: int
    people: int
    provider: str


def detect_videos(job: DetectJob, progress: Progress = silent) -> list[Detected]:
    """Look at every video; as many at once as there are processors.

    Raises:
        InputError: videos that cannot be used, all at once; two with one name; a model card that cannot be.
    """
    by_score = None if job.scores is None else with_scores(job.scores, *output_of(job.settings.speed, job.settings.detector))
    videos = open_videos(find_videos(job.videos))
    if job.out.exists() and not job.out.is_dir():
        raise InputError(f"{job.out} is a file; give a folder with -o")
    outputs = {(job.out / "overlay" / f"{video.camera}.mp4").resolve() for video in videos}
    own = [str(video.path) for video in videos if video.path.resolve() in outputs]
    if own and job.overlay:
        raise InputError(f"{', '.join(own)} would be overwritten by the overlay; give another folder with -o")
    job.out.mkdir(parents=True, exist_ok=True)
    cores = os.cpu_count() or 1
    workers = min(len(videos), cores)
    detector = load_detector(job.settings.speed, job.settings.detector, max(1, cores // workers))
    total = sum(max(0, min(v.count, job.stop or v.count) - job.first) for v in videos) * (2 if job.overlay else 1)
    done, lock, stopped = [0], threading.Lock(), threading.Event()

    def watched(frames: Iterator[Frame]) -> Iterator[Frame]:
        for frame in frames:
            if stopped.is_set():
                raise InputError("stopped before the end")
            yield frame
            with lock:
                done[0] += 1
                progress("detecting", min(done[0], total), total)

    def one(video: Video) -> Detected:
        return _one(video, job, detector, lambda: watched(video.frames(job.first, job.stop)), by_score)

    with single_threaded(), ThreadPoolExecutor(workers) as pool:
        try:
            return list(pool.map(one, videos))
        finally:
            stopped.set()  # where one fails or the user interrupts, the others need not go on


def _one(
    video: Video,
    job: DetectJob,
    detector: Detector,
    frames: Callable[[], Iterator[Frame]],
    by_score: Callable[[Keypoints2D], Keypoints2D] | None,
) -> Detected:
    target = job.out / f"{video.camera}.npz"
    folder = job.out / f".{video.camera}.windows"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    count, people = 0, -1
    paths: list[Path] = []
    try:
        with closing(ahead(frames())) as shown:  # whatever happens: the thread that decodes must not wait for ever
            for window in detect_windows(shown, video.camera, video.size, Tracker(detector, job.settings)):
                window = window if by_score is None else by_score(window)
                paths.append(folder / f"{len(paths):06d}.npz")
                io.write_keypoints2d(paths[-1], [lambda window=window: window])
                count, people = count + len(window), max(people, int(window.person_id.max(initial=-1)))
        if not paths:
            raise InputError(f"camera {video.camera}: no frames in --frames {job.first}:{job.stop if job.stop is not None else ''}")
        io.write_keypoints2d(target, [lambda path=path: io.read_keypoints2d(path) for path in paths])
        files = [target]
        if job.overlay:
            files.append(job.out / "overlay" / f"{video.camera}.mp4")
            files[-1].parent.mkdir(exist_ok=True)
            with closing(ahead(frames())) as shown:
                write_video(files[-1], drawn(shown, _stored(paths)), video.fps)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return Detected(video.camera, tuple(files), count, people + 1, detector.multi.provider)


def _stored(paths: Sequence[Path]) -> Iterator[Keypoints2D]:
    for path in paths:
        yield io.read_keypoints2d(path)


def find_videos(arguments: Sequence[str]) -> dict[str, Path]:
    """Videos by camera, from paths, folders of videos, or ``camera=path``; without a name a camera is called after its file.

    Raises:
        InputError: none, two of one name, or a folder without videos.
    """
    found: dict[str, Path] = {}
    faults: list[str] = []
    for argument in arguments:
        name, sign, rest = argument.partition("=")
        if sign and not Path(argument).exists():
            entries = [(name, Path(rest))]
        elif Path(argument).is_dir():
            entries = [(p.stem, p) for p in sorted(Path(argument).iterdir()) if p.suffix.lower() in SUFFIXES]
            if not entries:
                faults.append(f"{argument} holds no videos ({', '.join(sorted(SUFFIXES))})")
        else:
            entries = [(Path(argument).stem, Path(argument))]
        for camera, path in entries:
            if camera in found:
                faults.append(f"{found[camera]} and {path} are both called {camera}; give camera=path")
            elif not camera or re.search(r"[/\\:]", camera):
                faults.append(f"{argument}: {camera!r} cannot be the name of a camera")
            found[camera] = path
    if not arguments:
        faults.append("no video is given")
    if faults:
        raise InputError(all_faults(faults, "videos cannot be used:"))
    return found
