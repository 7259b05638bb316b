"""The main job: from videos or keypoints of a calibrated rig to skeletons and files, stage by stage.

Every stage turns windows into windows, kept in the take folder under a key of what they were made from:
a run that finds a stage complete goes on to the next, one that was stopped in the middle of detection
goes on with the window that is missing.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np

from recon3d import io, motion
from recon3d.arrays import with_neighbours
from recon3d.detect import identity_of, output_of
from recon3d.errors import CameraError, InputError
from recon3d.geometry import CameraRig
from recon3d.geometry.threads import single_threaded
from recon3d.monocular import shipped
from recon3d.multiview import (
    Calibrated,
    Identities,
    ImageFit,
    Seen,
    align_in_time,
    check_cameras,
    follow_people,
    people_tracker,
    reconstruct_windows,
    sample_of,
    survey,
    to_rig_pixels,
)
from recon3d.multiview.people.points import HOLLOW, answered, hollow
from recon3d.pipeline.assemble import Result, assemble, check_out, exported, own_files, write_take_toml
from recon3d.pipeline.inputs import Inputs, find_inputs, fingerprint, open_evidence, open_input_videos
from recon3d.pipeline.observed import asks_the_lifter, calibrated_of, facts_of, rig_windows
from recon3d.pipeline.people import Cast, cast_of, identities_of
from recon3d.pipeline.scores import with_scores
from recon3d.pipeline.settings import Settings, as_tables
from recon3d.pipeline.summary import Person, summarise, write_report
from recon3d.pipeline.synchronised import Synchronised
from recon3d.pipeline.take import Stage, StoredKeypoints, Take, motion_readers, world_readers
from recon3d.records import Keypoints2D, Keypoints3D
from recon3d.records.keypoints3d import of_people
from recon3d.skeleton import load_armature, load_layout

_MAX_FPS = 100_000.0


class Progress(Protocol):
    """Told how far each stage is."""

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Frames done and to do of a stage."""
        ...


def silent(stage: str, done: int, total: int) -> None:
    """A progress that nobody watches."""


@dataclass(frozen=True, slots=True)
class Job:
    """What to reconstruct.

    Attributes:
        rig: file of the cameras.
        inputs: ``camera=path`` pairs, or one folder.
        out: take folder.
        settings: of all stages.
        first: first source frame.
        stop: source frame to stop before.
        layout: of keypoint inputs whose files do not tell.
        fps: frame rate of inputs that do not tell.
        rig_unit: "m", "cm" or "mm" where the rig file does not tell.
        image_fit: how images of another shape than the calibrated one came about.
        scores: what was learned of the detector's scores (`recon3d calibrate scores`), instead of its defaults.
    """

    rig: Path
    inputs: tuple[str, ...]
    out: Path
    settings: Settings = field(default_factory=Settings)
    first: int = 0
    stop: int | None = None
    layout: str | None = None
    fps: float | None = None
    rig_unit: str | None = None
    image_fit: ImageFit = "refuse"
    scores: Path | None = None


def run(job: Job, progress: Progress = silent) -> Result:
    """Do the job; stages that are complete already are not done again.

    Raises:
        Recon3dError: inputs that cannot be used; nothing half-written is left, and what was there before stays.
    """
    with single_threaded():
        return _run(job, progress)


def _run(job: Job, progress: Progress) -> Result:
    whole, found = _checked(job)
    take = Take(job.out)
    take.sweep()
    files = {**found.paths, "rig": job.rig, **own_files(job.layout, job.settings, job.scores)}
    prints = {name: fingerprint(path) for name, path in files.items()}
    seen, evidence = _evidence(job, whole, found, prints, take, progress)
    rig = check_cameras(seen, whole)
    timeline = align_in_time(seen, rig)
    views = Synchronised(seen, timeline, job.settings.multiview.window)
    known, found_people, whose = _people(job, rig, seen, views, take, evidence, progress)
    cast = cast_of(found_people, take, int(timeline.frame[0]), int(timeline.frame[-1]))
    worlds = _world(job, rig, views, take, known, whose, cast, progress)
    frames = {int(person): count for person, count in worlds.facts()["answered"].items()}
    cast = cast.without(found_people, hollow(frames, len(timeline.frame)), HOLLOW)
    motions = _motion(job, rig, views, take, known, whose, worlds, cast, prints, progress)
    stages = [evidence, whose, worlds, motions]
    readers = [partial(_of_people, reader, tuple(cast.names)) for reader in world_readers(worlds.windows("people"))]
    people = [Person(one, name, motion_readers(motions.windows(str(one)))) for one, name in cast.names.items()]
    assemble(take, whole, seen, readers, people, stages)
    write_take_toml(take, found.paths, prints, stages, cast, _facts(job), job.settings)
    absent = {name: float((timeline.rows[v] < 0).mean()) for v, name in enumerate(rig.names)}
    absent |= {name: 1.0 for name in whole.names if name not in rig.names}
    summary = summarise(seen, readers, people, cast.refused, known, absent, list(found_people.notes), job.settings.multiview)
    report = write_report(take, summary, rig, readers, people)
    return Result(take, summary, (*exported(take, job.settings.export), *report))


def _of_people(reader: Callable[[], Keypoints3D], people: tuple[int, ...]) -> Keypoints3D:
    return of_people(reader(), people)


def _checked(job: Job) -> tuple[CameraRig, Inputs]:
    """The rig and the inputs, after everything that can be refused before the work starts."""
    if job.fps is not None and not (np.isfinite(job.fps) and 0 < job.fps <= _MAX_FPS):
        raise InputError(f"the frame rate must be positive and at most {_MAX_FPS:.0f}, not {job.fps}")
    if job.layout is not None:
        load_layout(job.layout)
    if job.settings.motion.armature != "auto":
        load_armature(job.settings.motion.armature)
    if job.scores is not None:
        io.read_scores(job.scores)
    rig = io.read_rig(job.rig, job.rig_unit)
    if rig.unknown & {"scale", "up"}:
        raise CameraError(
            f"{job.rig}: its {' and '.join(sorted(rig.unknown))} {'are' if len(rig.unknown) > 1 else 'is'} unknown, so that nothing can be "
            "exported in metres and upright: calibrate with a cue (`recon3d calibrate people --stature` or `--distance`, "
            "`recon3d calibrate boards --floor`)"
        )
    found = find_inputs(job.inputs, rig)
    if len(found.paths) < 2:
        raise CameraError(f"reconstruction needs two cameras or more; the input has only {', '.join(found.paths)}")
    check_out(job.out, [*found.paths.values(), job.rig])
    return rig, found


def _evidence(
    job: Job, rig: CameraRig, found: Inputs, prints: dict[str, str], take: Take, progress: Progress
) -> tuple[list[StoredKeypoints], Stage]:
    """2D keypoints of every camera in window files, in the rig's order."""
    made_from: list[object] = [
        {name: value for name, value in prints.items() if name != "armature file"},
        [job.first, job.stop, job.layout, job.fps, job.image_fit, job.rig_unit],
        job.settings.multiview.window,
    ]
    if found.videos:
        made_from += [
            as_tables(job.settings)["detect"],
            job.settings.multiview.people,
            *identity_of(job.settings.detect.speed, job.settings.detect.detector),
        ]
    stage = take.stage("keypoints2d", made_from)
    names = list(found.paths)
    if not stage.complete:
        windows = _detect(job, rig.select(names), found, stage, progress) if found.videos else _read(job, rig, found, progress)
        first = min(len(stage.windows(name)) for name in names) if found.videos else 0
        detect = job.settings.detect
        known = output_of(detect.speed, detect.detector) if found.videos else (None, None)
        by_score = (lambda view: view) if job.scores is None else with_scores(job.scores, *known)
        try:
            for k, views in enumerate(windows, first):
                for view in views:
                    io.write_keypoints2d(stage.path(view.camera, k), [lambda view=view: by_score(view)])
            if not all(stage.windows(name) for name in names):
                raise InputError(f"no frames in --frames {job.first}:{job.stop if job.stop is not None else ''}")
            stage.finish({"cameras": names})
        finally:
            if not stage.complete and not found.videos:  # reading is quick; detected windows are kept
                stage.discard()
    return [StoredKeypoints(stage.windows(name)) for name in names], stage


def _detect(job: Job, rig: CameraRig, found: Inputs, stage: Stage, progress: Progress) -> Iterator[list[Keypoints2D]]:
    videos = open_input_videos(found)
    # Windows are cut in time, so each camera goes on at a frame of its own.
    stored = [stage.windows(name) for name in found.paths]
    whole = min(len(paths) for paths in stored)
    starts = [_next_frame(paths[:whole], job.first) for paths in stored]
    total = max(min(v.count, job.stop or v.count) for v in videos)

    def watch(frame: int) -> None:
        progress("detecting", min(frame or total, total), total)

    multiview = job.settings.multiview
    yield from follow_people(videos, rig, starts, job.stop, job.image_fit, multiview.window, job.settings.detect, multiview.people, watch)


def _next_frame(paths: list[Path], first: int) -> int:
    """After those that are stored; a camera that starts later has none yet."""
    frame = StoredKeypoints(paths).frame if paths else np.zeros(0)
    return int(frame[-1]) + 1 if len(frame) else first


def _read(job: Job, rig: CameraRig, found: Inputs, progress: Progress) -> Iterator[list[Keypoints2D]]:
    sources: list[Seen] = open_evidence(found, rig, job.fps, job.layout)
    stop = job.stop if job.stop is not None else np.iinfo(np.int64).max
    parts = [np.searchsorted(s.frame, [job.first, stop]).tolist() for s in sources]
    size = job.settings.multiview.window
    total = max(b - a for a, b in parts)
    for start in range(0, total, size):
        views = [
            to_rig_pixels(s.window(slice(min(a + start, b), min(a + start + size, b))), rig[s.camera], job.image_fit)
            for s, (a, b) in zip(sources, parts, strict=True)
        ]
        progress("reading", min(start + size, total), total)
        yield views


def _people(
    job: Job, rig: CameraRig, seen: Sequence[StoredKeypoints], windows: Synchronised, take: Take, evidence: Stage, progress: Progress
) -> tuple[Calibrated, Identities, Stage]:
    """What the sample said about noise and agreement, who there is, and whose the detections are, in window files."""
    settings = job.settings.multiview
    stage = take.stage("people", [evidence.folder.name, asdict(settings)])
    if not stage.complete:
        known = survey(sample_of(seen, windows.timeline), rig, settings)
        tracker = people_tracker(rig, seen[0].layout, known.noise, settings)
        total, at = len(windows.timeline.frame), 0
        for k, views in enumerate(windows):
            io.write_association(stage.path("whose", k), tracker.follow(views))
            at += len(views)
            progress("finding people", at, total)
        identities = tracker.identities(settings.people)
        stage.finish(facts_of(known) | {"everybody": [asdict(one) for one in identities.everybody], "notes": identities.notes})
    facts = stage.facts()
    identities = identities_of(facts)
    return calibrated_of(facts, rig), identities, stage


def _world(
    job: Job,
    rig: CameraRig,
    views: Synchronised,
    take: Take,
    known: Calibrated,
    whose: Stage,
    cast: Cast,
    progress: Progress,
) -> Stage:
    """3D keypoints of everybody in window files."""
    settings = job.settings.multiview
    stage = take.stage("keypoints3d", [whose.folder.name, [asdict(claim) for claim in cast.claims]])
    if not stage.complete:
        total, at = len(views.timeline.frame), 0
        found = (io.read_association(path) for path in whose.windows("whose"))
        windows = zip(views, found, strict=True)
        frames: Counter[int] = Counter()
        for k, world in enumerate(reconstruct_windows(windows, cast.claims, rig, known.noise, settings)):
            frames.update(answered([world]))
            io.write_keypoints3d(stage.path("people", k), [lambda world=world: world])
            at += len(world)
            progress("triangulating", at, total)
        stage.finish({"answered": {str(person): count for person, count in frames.items()}})
    return stage


def _motion(
    job: Job,
    rig: CameraRig,
    views: Synchronised,
    take: Take,
    known: Calibrated,
    whose: Stage,
    worlds: Stage,
    cast: Cast,
    prints: dict[str, str],
    progress: Progress,
) -> Stage:
    """Everybody's motion in window files, each on a body measured on frames from all over the take."""
    settings = job.settings.motion
    people, layout = list(cast.names), views.layout
    network = fingerprint(shipped()) if asks_the_lifter(layout) else ""
    stage = take.stage("motion", [worlds.folder.name, asdict(settings), prints.get("armature file"), network])
    if stage.complete or not people:
        if not stage.complete:
            stage.finish({})
        return stage

    windows = rig_windows(rig, views, whose, worlds, people, cast.claims, known.noise, job.settings.multiview)
    samples: dict[int, list[motion.Sample]] = {person: [] for person in people}
    for part in windows(False):
        for person in people:
            samples[person].append(motion.sample(part[person]))
    bodies = {person: motion.measure(samples[person], layout, settings) for person in people}
    total, at = len(views.timeline.frame), 0
    for k, (before, now, after) in enumerate(with_neighbours(windows(True))):
        for person in people:
            around = (None if before is None else before[person], now[person], None if after is None else after[person])
            part = motion.solve_window(*around, bodies[person], settings)
            io.write_motion(stage.path(str(person), k), [lambda part=part: part])
        at += len(now[people[0]])
        progress("solving motion", at, total)
    stage.finish({})
    return stage


def _facts(job: Job) -> dict[str, object]:
    """What the take remembers of the job, to do it again."""
    scores = None if job.scores is None else str(job.scores.resolve())
    names = ("stop", "layout", "fps", "rig_unit", "image_fit")
    return {"rig": str(job.rig.resolve()), "first": job.first, "scores": scores, **{name: getattr(job, name) for name in names}}
