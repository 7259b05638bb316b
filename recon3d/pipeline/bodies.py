"""Bodies of a take's people: parameters, motion, measurements, meshes for other programs, overlays over the footage."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from recon3d import io, motion
from recon3d.arrays import with_neighbours
from recon3d.body import animated, load_open_body
from recon3d.body.fit import BodyFit, Known, PersonBody, SkinEvidence, check_layout, measure_person, read_surface_map
from recon3d.body.linear import LinearModel
from recon3d.body.measure import Measurement, as_table, measurements
from recon3d.body.model import ShapedBody
from recon3d.body.smpl import SmplModel, amass_arrays, load_smpl
from recon3d.errors import InputError, all_faults, valid_names
from recon3d.geometry import SO3, Camera, CameraRig
from recon3d.geometry.threads import single_threaded
from recon3d.io.files import read_toml
from recon3d.io.mesh import MESH_WRITERS
from recon3d.multiview import ImageFit, to_rig_image
from recon3d.pipeline.job import Progress, silent
from recon3d.pipeline.observed import ObservedPeople, people_in
from recon3d.pipeline.skins import SkinFolders, read_skins
from recon3d.pipeline.take import Stage, Take, motion_readers
from recon3d.records import BodyParams, Frame
from recon3d.records.animation import converted
from recon3d.video import SUFFIXES, Video, ahead, open_video
from recon3d.view import draw_mesh, write_video
from recon3d.view.mesh import COLOURS

AMASS = ".amass.npz"
ANIMATIONS = (".glb", ".fbx", ".usda", ".usdc", ".usdz")
_UNITS = {".fbx": 0.01}
_CHUNK = 64  # frames that are skinned at once


@dataclass(frozen=True, slots=True)
class BodyJob:
    """What to fit.

    Attributes:
        take: whose people.
        known: measured of people by name; of "" everybody.
        model: file of a model of the SMPL family; None for the open body.
        formats: suffixes without the dot.
        every: of how many frames one is written as a mesh file.
        overlay: cameras whose footage the mesh is drawn over.
        skins: what was measured of people's skin.
        surface_map: which vertex DensePose's places show, see `recon3d.body.fit.read_surface_map`.
    """

    take: Take
    known: Mapping[str, Known]
    model: Path | None = None
    formats: tuple[str, ...] = ("glb",)
    every: int = 1
    overlay: tuple[str, ...] = ()
    skins: SkinFolders = field(default_factory=SkinFolders)
    surface_map: Path | None = None


@dataclass(frozen=True, slots=True, eq=False)
class FittedPerson:
    """Of a take.

    Attributes:
        name: in files.
        fit: the body.
        measured: tape measurements of it.
        files: written.
    """

    name: str
    fit: BodyFit
    measured: dict[str, Measurement]
    files: tuple[Path, ...]


def fit_take(job: BodyJob, progress: Progress = silent) -> list[FittedPerson]:
    """Fit a body to everybody: ``body/<person>.npz``, ``body/<person>.json``, exports and overlays.

    Raises:
        Recon3dError: a take that cannot be used, options that do not fit it; nothing is written then.
    """
    with single_threaded():
        return _fit(job, progress)


def _fit(job: BodyJob, progress: Progress) -> list[FittedPerson]:
    suffixes = _checked_formats(job)
    people, rig = people_in(job.take), io.read_rig(job.take.folder / "rig.toml")
    model = load_open_body() if job.model is None else load_smpl(job.model)
    if AMASS in suffixes and not isinstance(model, SmplModel):
        raise InputError(
            "AMASS files are of the SMPL family's bodies: give its file with --model, or export the take's skeleton (amass.npz)"
        )
    check_layout(model, people.layout)
    _check_names(job, people, rig)
    videos = _videos(job.take, rig, job.overlay)
    surface = None if job.surface_map is None else read_surface_map(job.surface_map, model)
    skins = read_skins(job.skins, people, rig, surface)
    found = _measured(job, model, people, skins, progress)
    stage = job.take.stage("body", "unfinished")
    stage.discard()
    stage.folder.mkdir(parents=True)
    try:
        _solve(people, found, stage, progress)
        out = [_write(job, suffixes, people.names[one], body.fit, stage, one) for one, body in found.items()]
    finally:
        stage.discard()
    for camera, video in videos.items():
        path = job.take.folder / "overlay" / f"{camera}.body.mp4"
        path.parent.mkdir(exist_ok=True)
        with closing(ahead(_drawn(job.take, video, rig[camera], model, progress))) as frames:
            write_video(path, frames, video.fps)
        out = [replace(one, files=(*one.files, path)) for one in out]
    return out


def _checked_formats(job: BodyJob) -> list[str]:
    suffixes = [f".{f.lower().removeprefix('.')}" for f in job.formats]
    known = (*ANIMATIONS, *MESH_WRITERS, AMASS)
    unknown = [s.removeprefix(".") for s in suffixes if s not in known]
    if unknown:
        raise InputError(f"bodies are not written as {', '.join(unknown)}; there are {valid_names(s.removeprefix('.') for s in known)}")
    if job.every < 1:
        raise InputError(f"every {job.every}th frame is none: give 1 or more")
    return suffixes


def _check_names(job: BodyJob, people: ObservedPeople, rig: CameraRig) -> None:
    faults = [f"nobody is called {name!r}" for name in job.known if name and name not in people.names.values()]
    faults += [f"there is no camera {name!r}, only {valid_names(rig.names)}" for name in job.overlay if name not in rig.names]
    if faults:
        raise InputError(all_faults(faults, f"{job.take.folder} (people: {valid_names(people.names.values())}):"))


def _videos(take: Take, rig: CameraRig, cameras: Sequence[str]) -> dict[str, Video]:
    """Of the cameras that are to be drawn over."""
    inputs = read_toml(take.folder / "take.toml").get("inputs", {})
    out: dict[str, Video] = {}
    for camera in cameras:
        path = Path(inputs.get(camera, ""))
        if path.suffix.lower() not in SUFFIXES or not path.is_file():
            raise InputError(f"camera {camera} has no video to draw over (its input was {inputs.get(camera, 'nothing')})")
        if camera in rig.moving:
            raise InputError(f"camera {camera} moves: overlays are drawn for cameras that stand")
        out[camera] = open_video(camera, path)
    return out


def _known_of(job: BodyJob, people: ObservedPeople, person: int) -> Known:
    known = job.known.get(people.names[person], job.known.get("", Known()))
    return known if known.height_m is not None else replace(known, height_m=people.told_height_m)


def _measured(
    job: BodyJob, model: LinearModel, people: ObservedPeople, skins: Mapping[int, Sequence[SkinEvidence]], progress: Progress
) -> dict[int, PersonBody]:
    samples: dict[int, list[motion.Sample]] = {person: [] for person in people.names}
    for part in people.windows(True):
        for person, seen in part.items():
            samples[person].append(motion.sample(seen))
    out: dict[int, PersonBody] = {}
    for k, person in enumerate(people.names):
        progress("measuring bodies", k, len(people.names))
        mine = skins.get(person, ())
        windows = (part[person] for part in people.windows(True)) if mine else ()
        known = _known_of(job, people, person)
        settings = people.settings.motion
        out[person] = measure_person(model, samples[person], people.layout, known, settings, skins=mine, windows=windows)
    progress("measuring bodies", len(people.names), len(people.names))
    return out


def _solve(people: ObservedPeople, found: Mapping[int, PersonBody], stage: Stage, progress: Progress) -> None:
    """Everybody's motion on their bodies, in window files."""
    done = 0
    for k, (before, now, after) in enumerate(with_neighbours(people.windows(True))):
        for person, body in found.items():
            around = (None if before is None else before[person], now[person], None if after is None else after[person])
            part = motion.solve_window(*around, body.sizes, people.settings.motion)
            io.write_motion(stage.path(str(person), k), [lambda part=part: part])
        done += max(len(one) for one in now.values())
        progress("moving bodies", done, people.frames)


def _write(job: BodyJob, suffixes: Sequence[str], name: str, fit: BodyFit, stage: Stage, person: int) -> FittedPerson:
    readers = motion_readers(stage.windows(str(person)))
    path = job.take.body(name)
    io.write_body(path, fit.params(readers[0]()), readers)
    measured = measurements(fit.body, fit.covariance)
    about = {
        "model": fit.body.model.name,
        "parameters": {
            p: {"value": float(v), "sigma": float(s), "informed": float(i)}
            for p, v, s, i in zip(fit.body.model.parameters, fit.body.values, np.sqrt(np.diag(fit.covariance)), fit.informed, strict=True)
        },
        "guessed": list(fit.guessed()),
        "beside_keypoints_mm": 1e3 * fit.beside_m,
        "measurements": as_table(measured),
        "source": job.take.source(),
    }
    io.write_json(path.with_suffix(".json"), about)
    params = io.read_body(path)
    files = [path, path.with_suffix(".json")]
    for suffix in suffixes:
        target = job.take.export(name, f".body{suffix}")
        if suffix in ANIMATIONS:
            target.parent.mkdir(exist_ok=True)
            moved = converted(animated(fit.body, params.motion), "y", _UNITS.get(suffix, 1.0))
            io.ANIMATION_WRITERS[suffix](target, moved)
            io.write_side_car(target, params.motion, moved, job.take.source())
        elif suffix == AMASS:
            target.parent.mkdir(exist_ok=True)
            io.write_amass_arrays(target, amass_arrays(fit.body, params.motion), params.motion.time[params.motion.present()])
        else:
            _write_meshes(target, suffix, fit.body, params, job.every)
        files.append(target)
    return FittedPerson(name, fit, measured, tuple(files))


def _write_meshes(folder: Path, suffix: str, body: ShapedBody, params: BodyParams, every: int) -> None:
    """A file a frame, by the frame's number."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob(f"*{suffix}"):
        old.unlink()
    rows = np.flatnonzero(params.motion.present())[::every]
    for start in range(0, len(rows), _CHUNK):
        part = rows[start : start + _CHUNK]
        for number, vertices in zip(params.motion.frame[part].tolist(), posed(body, params, part), strict=True):
            MESH_WRITERS[suffix](folder / f"{number:06d}{suffix}", vertices, body.model.faces)


def posed(body: ShapedBody, params: BodyParams, rows: np.ndarray) -> np.ndarray:
    """Meshes of some frames, ``(frames, vertices, 3)``, m."""
    turns = SO3.from_wxyz(params.motion.rotation[rows]).matrix
    return body.posed(params.motion.translation[rows], turns).vertices().astype(float)


def _drawn(take: Take, video: Video, camera: Camera, model: LinearModel, progress: Progress) -> Iterator[Frame]:
    """The footage with everybody's mesh over it, in the rig's pixels; the farthest person first."""
    fit: ImageFit = read_toml(take.folder / "take.toml").get("job", {}).get("image_fit", "refuse")
    everybody = [io.read_body(take.body(name)) for name in take.people()]
    bodies = [model.shaped(one.betas) for one in everybody]
    times = [one.motion.time for one in everybody]
    first, last = min(t[0] for t in times), max(t[-1] for t in times)
    count = video.count
    for frame in video.frames(0, None):
        progress(f"drawing {camera.name}", min(frame.number + 1, count), count)
        time = frame.time + camera.clock.offset
        image = to_rig_image(frame.image, camera, fit)
        if first - 1e-3 <= time <= last + 1e-3:
            shown: list[tuple[float, np.ndarray, int]] = []
            for k, (one, body) in enumerate(zip(everybody, bodies, strict=True)):
                row = int(np.abs(one.motion.time - time).argmin())
                if one.motion.present()[row]:
                    vertices = posed(body, one, np.array([row]))[0]
                    shown.append((float((camera.cam_from_world @ vertices)[:, 2].mean()), vertices, k))
            for _, vertices, k in sorted(shown, key=lambda one: -one[0]):
                image = draw_mesh(image, vertices, model.faces, camera, COLOURS[k % len(COLOURS)])
        yield replace(frame, image=image)
