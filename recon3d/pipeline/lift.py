"""One camera: from a video or keypoints to skeletons in the world and files, stage by stage, as `run` does it for a rig."""

import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from recon3d import io, motion
from recon3d.arrays import finite_median, with_neighbours
from recon3d.detect import Linker, Tracker, detect_windows, identity_of, load_detector, output_of
from recon3d.errors import CameraError, InputError, valid_names
from recon3d.geometry import Camera, CameraRig
from recon3d.geometry.threads import single_threaded
from recon3d.io import KeypointOptions
from recon3d.io.keypoints import open_keypoints
from recon3d.monocular import NetworkLifter, shipped
from recon3d.monocular.blazepose import BlazePoseLifter
from recon3d.monocular.camera import ASSUMED_SHARE, TOLD_SHARE, USUAL_FOV_DEG, doubting_lens, level, pinhole, stood
from recon3d.monocular.lifter import STANDARD_M, Lifted, Lifter
from recon3d.monocular.points import columns
from recon3d.monocular.world import PersonView, in_line, in_space, lift, observe
from recon3d.motion.ground import UP_RAD, Ground, ground_of
from recon3d.motion.prior import body_size
from recon3d.multiview import (
    Agreement,
    Calibrated,
    ImageFit,
    NoiseScale,
    Seen,
    check_fit,
    to_rig_image,
    to_rig_pixels,
)
from recon3d.pipeline.assemble import Result, assemble, check_out, exported, own_files, write_take_toml
from recon3d.pipeline.inputs import fingerprint
from recon3d.pipeline.job import Progress, silent
from recon3d.pipeline.one_view import about_fit, people_of, residuals, views_of
from recon3d.pipeline.people import FILE as EDITS
from recon3d.pipeline.people import Cast, cast_of
from recon3d.pipeline.scores import with_scores
from recon3d.pipeline.settings import Settings, as_tables
from recon3d.pipeline.summary import Person, summarise, write_report
from recon3d.pipeline.take import Stage, StoredKeypoints, Take, motion_readers, world_readers
from recon3d.records import Frame, Keypoints2D
from recon3d.records.keypoints3d import together
from recon3d.skeleton import STATURE_M, Layout, armature_of, load_armature, load_layout
from recon3d.skeleton.armature_file import HUMAN
from recon3d.video import SUFFIXES, Video, ahead, open_video, told_fov_deg

_MARGIN = 81  # frames of the neighbouring windows that the lifter is shown
_LISTED = 5
_FEWEST_POINTS = 6  # of the lifter's, in the median frame
_SAMPLE_FRAMES = 1500  # that up and the floor are taken from
_POPULATION, _KNOWN_HEIGHT = 0.06, 0.025  # spread of bodies' sizes: of adults, of those as tall


@dataclass(frozen=True, slots=True)
class LiftJob:
    """What to lift.

    Attributes:
        input: a video, or 2D keypoints in any format that is read.
        out: take folder.
        settings: of all stages.
        rig: file with the camera, if there is one.
        camera: its name in the rig; not needed where the rig has one only, or the input is called after it.
        first: first source frame.
        stop: source frame to stop before.
        layout: of keypoints whose files do not tell.
        fps: frame rate of inputs that do not tell.
        size: width and height of the pictures, px, of keypoints whose files do not tell.
        rig_unit: "m", "cm" or "mm" where the rig file does not tell.
        image_fit: how images of another shape than the calibrated one came about.
        scores: what was learned of the detector's scores.
    """

    input: Path
    out: Path
    settings: Settings = field(default_factory=Settings)
    rig: Path | None = None
    camera: str | None = None
    first: int = 0
    stop: int | None = None
    layout: str | None = None
    fps: float | None = None
    size: tuple[int, int] | None = None
    rig_unit: str | None = None
    image_fit: ImageFit = "refuse"
    scores: Path | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Known:
    """What is known before anything was seen.

    Attributes:
        camera: its lens, and its pose if ``placed``.
        placed: whether it stands in the world.
        lens_share: standard deviation of its focal length, as a share.
        notes: what was assumed.
    """

    camera: Camera
    placed: bool
    lens_share: float
    notes: tuple[str, ...]


def lift_take(job: LiftJob, progress: Progress = silent) -> Result:
    """Do the job; stages that are complete already are not done again.

    Raises:
        Recon3dError: inputs that cannot be used; nothing half-written is left, and what was there before stays.
    """
    with single_threaded():
        return _lift(job, progress)


def _lift(job: LiftJob, progress: Progress) -> Result:
    source, known = _checked(job)
    take = Take(job.out)
    take.sweep()
    files = {known.camera.name: job.input, **own_files(job.layout, job.settings, job.scores)}
    prints = {name: fingerprint(path) for name, path in (files if job.rig is None else {**files, "rig": job.rig}).items()}
    evidence = _evidence(job, source, known.camera, prints, take, progress)
    seen = StoredKeypoints(evidence.windows(known.camera.name))
    _check_layout(seen.layout)
    found, whose = people_of(job.settings.multiview, seen, take, evidence)
    if not found.people and not (take.folder / EDITS).is_file():
        each = "; ".join(f"{one.id}, {one.first:.2f} to {one.last:.2f} s: {one.reason}" for one in found.everybody[:_LISTED])
        raise InputError(f"nobody to lift in {job.input}: {each or 'no person was seen'}")
    cast = cast_of(found, take, int(seen.frame[0]), int(seen.frame[-1]))
    lifters = _lifters(job, source, known.camera, seen, cast, progress)
    placed, camera = _camera(job, known, seen, cast, take, whose, lifters)
    worlds = _worlds(job, camera, seen, cast, take, placed, lifters, progress)
    motions = _motions(job, camera, known.lens_share, seen, cast, take, worlds, prints, progress)
    stages = [evidence, whose, placed, worlds, motions]
    readers = world_readers(worlds.windows("people"))
    people = [Person(one, name, motion_readers(motions.windows(str(one)))) for one, name in cast.names.items()]
    rig = CameraRig((camera,))
    assemble(take, rig, [seen], readers, people, stages)
    facts = _facts(job, known.camera.name)
    write_take_toml(take, {known.camera.name: job.input}, prints, stages, cast, facts, job.settings)
    fits = {one.name: residuals(_views(job, camera, seen, cast, one.id), one.motions) for one in people}
    notes = [
        *known.notes,
        *placed.facts()["notes"],
        *found.notes,
        *(text for name, (_, share) in fits.items() for text in about_fit(name, share)),
    ]
    judged = _judged(camera.name, np.stack([points for points, _ in fits.values()]))
    summary = summarise([seen], readers, people, cast.refused, judged, {}, notes, job.settings.multiview)
    report = write_report(take, summary, rig, readers, people)
    return Result(take, summary, (*exported(take, job.settings.export), *report))


def _checked(job: LiftJob) -> tuple[Video | Seen, _Known]:
    """The input, opened, and the camera, after everything that can be refused before the work starts."""
    if not job.input.exists():
        raise InputError(f"{job.input} is not there")
    if job.layout is not None:
        load_layout(job.layout)
    if job.settings.motion.armature != "auto":
        load_armature(job.settings.motion.armature)
    if job.scores is not None:
        io.read_scores(job.scores)
    check_out(job.out, [job.input, *([] if job.rig is None else [job.rig])])
    video = job.input.suffix.lower() in SUFFIXES
    rig = None if job.rig is None else io.read_rig(job.rig, job.rig_unit)
    name = _name(job, rig)
    if video:
        source: Video | Seen = open_video(name, job.input)
        if rig is not None:
            check_fit(source.size, rig[name], job.image_fit)
    else:
        size = job.size if rig is None else rig[name].intrinsics.size
        source = open_keypoints(job.input, name, KeypointOptions(job.fps, size, job.layout))
    return source, _known(job, rig, name, source)


def _name(job: LiftJob, rig: CameraRig | None) -> str:
    if rig is None:
        return job.camera or "".join(c if c.isalnum() or c in "_-." else "_" for c in job.input.stem) or "camera"
    if job.camera is not None:
        return rig[job.camera].name
    if len(rig) == 1:
        return rig.names[0]
    if job.input.stem in rig.names:
        return job.input.stem
    raise CameraError(f"{job.rig} has several cameras ({valid_names(rig.names)}): say which one this is with --camera")


def _known(job: LiftJob, rig: CameraRig | None, name: str, source: Video | Seen) -> _Known:
    own = job.settings.lift
    notes: list[str] = []
    if not own.height:
        notes.append(
            f"Everybody was taken to be {STATURE_M:.2f} m tall (--height): one camera cannot tell. "
            "All distances grow with it; angles do not."
        )
    if rig is not None:
        if own.fov:
            raise InputError("the rig says what the lens sees; --fov is for cameras that are not known")
        camera = rig[name]
        if not rig.unknown & {"scale", "up"}:
            return _Known(camera, True, 0.0, tuple(notes))
        return _Known(level(name, camera.intrinsics), False, 0.0, tuple(notes))
    size = source.size if isinstance(source, Video) else source.window(slice(0, 1)).size
    fov = own.fov or (told_fov_deg(job.input, size) if isinstance(source, Video) else None)
    if fov is None:
        notes.append(
            f"The lens was taken to see {USUAL_FOV_DEG:.0f} degrees along the picture's longer side (--fov, or a calibrated --rig tells). "
            "Were its focal length 30 % another, distances to the camera would be too."
        )
    share = 0.0 if own.fov else ASSUMED_SHARE if fov is None else TOLD_SHARE
    return _Known(level(name, pinhole(size, fov or USUAL_FOV_DEG)), False, share, tuple(notes))


def _facts(job: LiftJob, camera: str) -> dict[str, object]:
    """What the take remembers of the job, to do it again."""
    files = {"rig": job.rig, "scores": job.scores}
    names = ("stop", "layout", "fps", "size", "rig_unit", "image_fit")
    return {
        "kind": "lift",
        "camera": camera,
        "first": job.first,
        **{name: None if path is None else str(path.resolve()) for name, path in files.items()},
        **{name: getattr(job, name) for name in names},
    }


def _evidence(job: LiftJob, source: Video | Seen, camera: Camera, prints: Mapping[str, str], take: Take, progress: Progress) -> Stage:
    """2D keypoints in window files."""
    size = job.settings.multiview.window
    made_from: list[object] = [
        {name: value for name, value in prints.items() if name != "armature file"},
        [job.first, job.stop, job.layout, job.fps, job.size, job.image_fit, job.rig_unit],
        size,
    ]
    detect = job.settings.detect
    if isinstance(source, Video):
        made_from += [as_tables(job.settings)["detect"], *identity_of(detect.speed, detect.detector)]
    stage = take.stage("keypoints2d", made_from)
    if stage.complete:
        return stage
    known = output_of(detect.speed, detect.detector) if isinstance(source, Video) else (None, None)
    by_score = None if job.scores is None else with_scores(job.scores, *known)
    count = 0
    try:
        for window in _detected(job, source, size, progress) if isinstance(source, Video) else _read(job, source, size):
            window = window if job.rig is None else to_rig_pixels(window, camera, job.image_fit)
            window = window if by_score is None else by_score(window)
            io.write_keypoints2d(stage.path(camera.name, count), [lambda window=window: window])
            count += 1
        if not count:
            raise InputError(f"no frames in --frames {job.first}:{job.stop if job.stop is not None else ''}")
        stage.finish({"cameras": [camera.name]})
    finally:
        if not stage.complete:
            stage.discard()
    return stage


def _detected(job: LiftJob, video: Video, size: int, progress: Progress) -> Iterator[Keypoints2D]:
    settings = job.settings.detect
    tracker = Tracker(load_detector(settings.speed, settings.detector), settings)
    total, done = max(min(video.count, job.stop or video.count) - job.first, 1), 0
    with closing(ahead(video.frames(job.first, job.stop))) as frames:
        for window in detect_windows(frames, video.camera, video.size, tracker, size):
            done += len(window)
            progress("detecting", min(done, total), total)
            yield window


def _read(job: LiftJob, source: Seen, size: int) -> Iterator[Keypoints2D]:
    stop = job.stop if job.stop is not None else np.iinfo(np.int64).max
    first, last = np.searchsorted(source.frame, [job.first, stop]).tolist()
    linker = Linker()
    for start in range(first, last, size):
        yield linker.link(source.window(slice(start, min(start + size, last))))


def _check_layout(layout: Layout) -> None:
    if armature_of(layout.name) != HUMAN:
        raise InputError(f"the lifter knows people only, and the layout {layout.name} is not of people")
    known = int((columns(layout) >= 0).sum())
    if known < _FEWEST_POINTS:
        raise InputError(f"the lifter knows {known} of the points of the layout {layout.name}, too few to lift a person from")


def _views(job: LiftJob, camera: Camera, seen: StoredKeypoints, cast: Cast, person: int) -> Iterator[PersonView]:
    return views_of(camera, seen, cast.claims, person, job.settings.multiview.min_confidence)


def _lifted(views: Iterator[PersonView], lifter: Lifter, up_known: bool) -> Iterator[tuple[PersonView, Lifted]]:
    """Windows with what the lifter makes of them; it is shown some of the frames around each."""
    for before, now, after in with_neighbours(views):
        tail = None if before is None else before.take(slice(-_MARGIN, None))
        head = None if after is None else after.take(slice(0, _MARGIN))
        start = 0 if tail is None else len(tail)
        found = lift(in_line([part for part in (tail, now, head) if part is not None]), lifter, up_known)
        yield now, found.take(slice(start, start + len(now)))


def _camera(
    job: LiftJob, known: _Known, seen: StoredKeypoints, cast: Cast, take: Take, whose: Stage, lifters: Callable[[int], Lifter]
) -> tuple[Stage, Camera]:
    """The camera where it stands: as the rig has it, or over the floor that people stand on."""
    own = job.settings.lift
    network = fingerprint(shipped()) if own.lifter == "network" else ""
    made_from = [whose.folder.name, asdict(own), [asdict(c) for c in cast.claims], known.placed, network]
    stage = take.stage("camera", made_from)
    if not stage.complete:
        camera, up_known, notes = known.camera, True, []
        if not known.placed:
            camera, up_known, notes = _on_the_floor(job, known.camera, seen, cast, lifters)
        io.write_rig_toml(stage.folder / "rig.toml", CameraRig((camera,)))
        stage.finish({"up_known": up_known, "notes": notes})
    return stage, known.camera if known.placed else io.read_rig(stage.folder / "rig.toml").cameras[0]


def _on_the_floor(
    job: LiftJob, camera: Camera, seen: StoredKeypoints, cast: Cast, lifters: Callable[[int], Lifter]
) -> tuple[Camera, bool, list[str]]:
    """Up and the floor from how people stand, and whether up is certain; the camera is taken to be level where nobody does."""
    scale = _scale(job)
    best: Ground | None = None
    middle = np.zeros(3)
    for person in cast.names:
        frames = 0
        for view, lifted in _lifted(_views(job, camera, seen, cast, person), lifters(person), up_known=False):
            world = in_space(view, lifted, scale)
            found = ground_of(world.xyz[:, 0], world.time, world.layout)
            if found is not None and (best is None or found.sigma_rad < best.sigma_rad):
                best = found
                middle = np.array([finite_median(world.xyz[:, 0, :, k]) for k in range(3)])
            frames += len(view)
            if frames >= _SAMPLE_FRAMES:
                break
    if best is None:
        return camera, False, ["Up was taken to be up in the picture, since nobody was seen whole: the floor is not known."]
    height = best.height if best.floor else float(middle @ best.up) - 1.0
    placed = stood(camera, Ground(best.up, height, best.sigma_rad, best.contacts, best.floor), middle)
    note = f"Up is from how people stand, to {np.rad2deg(best.sigma_rad):.0f} degrees; --rig with a calibrated camera tells it."
    if best.sigma_rad < UP_RAD:
        return placed, True, [note]
    return placed, False, [note, "That is uncertain: nobody was seen standing straight for long."]


def _lifters(
    job: LiftJob, source: Video | Seen, camera: Camera, seen: StoredKeypoints, cast: Cast, progress: Progress
) -> Callable[[int], Lifter]:
    """What lifts each person: one network for all, or what BlazePose saw of each."""
    if job.settings.lift.lifter == "network":
        network = NetworkLifter(shipped())
        return lambda person: network
    if not isinstance(source, Video):
        raise InputError("the lifter blazepose looks at images: it needs a video, not keypoints")
    video = source

    @functools.cache
    def watched(person: int) -> Lifter:
        view = in_line(list(_views(job, camera, seen, cast, person)))
        total = max(len(view), 1)

        def frames() -> Iterator[Frame]:
            with closing(ahead(video.frames(job.first, job.stop))) as shown:
                for k, frame in enumerate(shown):
                    progress("looking for depth", min(k + 1, total), total)
                    image = frame.image if job.rig is None else to_rig_image(frame.image, camera, job.image_fit)
                    yield Frame(frame.number, frame.time, image)

        return BlazePoseLifter.watching(frames(), view)

    return watched


def _stature(job: LiftJob) -> motion.Stature:
    height = job.settings.lift.height
    return motion.Stature(height or STATURE_M, _KNOWN_HEIGHT if height else _POPULATION)


def _scale(job: LiftJob) -> float:
    """How large people are taken to be, over the standard body; whatever armature their motion is solved on."""
    return body_size(_stature(job).of(load_armature(HUMAN))) / STANDARD_M


def _worlds(
    job: LiftJob,
    camera: Camera,
    seen: StoredKeypoints,
    cast: Cast,
    take: Take,
    placed: Stage,
    lifters: Callable[[int], Lifter],
    progress: Progress,
) -> Stage:
    """Lifted keypoints of everybody in window files."""
    stage = take.stage("keypoints3d", [placed.folder.name])
    if stage.complete:
        return stage
    scale, up_known = _scale(job), bool(placed.facts()["up_known"])
    total, at = len(seen.frame), 0
    everybody = [_lifted(_views(job, camera, seen, cast, person), lifters(person), up_known) for person in cast.names]
    for k, parts in enumerate(zip(*everybody, strict=True)):
        for person, (_, lifted) in zip(cast.names, parts, strict=True):
            lifted.save(stage.path(f"lifted{person}", k))
        world = together([in_space(view, lifted, scale, one) for one, (view, lifted) in zip(cast.names, parts, strict=True)])
        io.write_keypoints3d(stage.path("people", k), [lambda world=world: world])
        at += len(world)
        progress("lifting", at, total)
    stage.finish({})
    return stage


def _motions(
    job: LiftJob,
    camera: Camera,
    lens_share: float,
    seen: StoredKeypoints,
    cast: Cast,
    take: Take,
    worlds: Stage,
    prints: Mapping[str, str],
    progress: Progress,
) -> Stage:
    """Everybody's motion in window files."""
    settings, stature = job.settings.motion, _stature(job)
    stage = take.stage("motion", [worlds.folder.name, asdict(settings), prints.get("armature file"), lens_share])
    if stage.complete:
        return stage
    armature = stature.of(motion.chosen_armature(settings, seen.layout))

    def windows(person: int) -> Iterator[motion.Observed]:
        for k, view in enumerate(_views(job, camera, seen, cast, person)):
            yield observe(view, Lifted.load(worlds.path(f"lifted{person}", k)), armature, person)

    total, at = len(cast.names) * len(seen.frame), 0
    for person in cast.names:
        body = motion.measure([motion.sample(part) for part in windows(person)], seen.layout, settings, stature)
        for k, part in enumerate(motion.solve_windows(windows(person), body, settings)):
            part = doubting_lens(part, camera, lens_share)
            io.write_motion(stage.path(str(person), k), [lambda part=part: part])
            at += len(part)
            progress("solving motion", at, total)
    stage.finish({})
    return stage


def _judged(camera: str, residual_px: np.ndarray) -> Calibrated:
    """What there is to say of the camera: how far skeletons lie from what it saw, (people, joints); nothing that others would tell."""
    nothing, joints = np.full(1, np.nan), np.array([finite_median(column) for column in residual_px.T])
    noise = NoiseScale(np.ones(1), nothing.copy(), 0)
    every = np.array([finite_median(joints)])
    return Calibrated(noise, Agreement((camera,), every, joints[None], nothing.copy(), np.full((1, 2), np.nan), nothing.copy()))
