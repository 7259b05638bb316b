"""Heads in one video or in a rig's: landmarks, poses, angles, what the face does; files, plots and overlays."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np

from recon3d import io
from recon3d.arrays import nearest_rows
from recon3d.detect.faces import FaceTracker, detect_faces
from recon3d.errors import CameraError, InputError, valid_names
from recon3d.geometry import SE3, SO3, Camera, CameraRig
from recon3d.head.angles import NAMES, angles_of, forward_of, sigmas_of
from recon3d.head.faces import IBUG_68, Face, face_of
from recon3d.head.measures import measures_of, on_face_plane
from recon3d.head.solve import FaceView, HeadSettings, solve_head
from recon3d.io import KeypointOptions
from recon3d.io.head import HEAD_WRITERS, write_head_npz
from recon3d.io.keypoints import open_keypoints
from recon3d.monocular.camera import USUAL_FOV_DEG, level, pinhole
from recon3d.multiview import ImageFit, to_rig_image, to_rig_pixels
from recon3d.pipeline.inputs import find_inputs
from recon3d.pipeline.job import Progress, silent
from recon3d.records import Frame, HeadPose, Keypoints2D
from recon3d.records.keypoints2d import concatenate
from recon3d.skeleton import Layout
from recon3d.video import SUFFIXES, Video, ahead, open_video, told_fov_deg
from recon3d.view import write_video
from recon3d.view.head import draw_head, write_curves

_OTHER_LENS = 1.25  # times the assumed focal length: what its effect on the angles is told by
_FRONT = IBUG_68[17:]  # of the mesh's points: jaws move


@dataclass(frozen=True, slots=True)
class HeadJob:
    """What to look at.

    Attributes:
        inputs: one video or keypoint file, or of a rig ``camera=path`` pairs or one folder.
        out: folder.
        rig: cameras; None for one that is not known.
        camera: of one input, its name in the rig.
        fov: what the lens sees along the picture's longer side, degrees; None where the file or nobody tells.
        people: heads at once, of one camera; of several cameras one.
        first: first source frame.
        stop: source frame to stop before.
        layout: of keypoint files that do not tell theirs.
        fps: of inputs that do not tell theirs.
        size: width and height of the pictures, px, of inputs that do not tell theirs.
        rig_unit: of rig files that do not tell theirs.
        image_fit: how pictures of another shape than the calibrated one came about.
        overlay: write the videos with the heads' axes drawn in.
        bodies: folder of ``recon3d detect``, whose people's heads tell where to look, and their ids.
        settings: of the poses.
    """

    inputs: tuple[str, ...]
    out: Path
    rig: Path | None = None
    camera: str | None = None
    fov: float | None = None
    people: int = 1
    first: int = 0
    stop: int | None = None
    layout: str | None = None
    fps: float | None = None
    size: tuple[int, int] | None = None
    rig_unit: Literal["m", "cm", "mm"] | None = None
    image_fit: ImageFit = "refuse"
    overlay: bool = False
    bodies: Path | None = None
    settings: HeadSettings = field(default_factory=HeadSettings)


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """One head.

    Attributes:
        pose: through the take.
        angles_deg: yaw, pitch, roll.
        sigma_deg: of these.
        measures: of what the face does.
        files: written.
        notes: what was assumed, and what that does.
    """

    pose: HeadPose
    angles_deg: np.ndarray
    sigma_deg: np.ndarray
    measures: Mapping[str, np.ndarray]
    files: tuple[Path, ...]
    notes: tuple[str, ...]


def find_heads(job: HeadJob, progress: Progress = silent) -> list[Head]:
    """Poses of all heads, and files: ``<person>.npz``, .csv, .jsonl, .svg, ``landmarks/<camera>.npz``, ``overlay/<camera>.mp4``.

    Raises:
        Recon3dError: inputs that cannot be used; no face anywhere.
    """
    rig, paths, notes = _cameras(job)
    job.out.mkdir(parents=True, exist_ok=True)
    seen: dict[str, Keypoints2D] = {}
    videos: dict[str, Video] = {}
    for camera in rig:
        path = paths[camera.name]
        if path.suffix.lower() in SUFFIXES:
            videos[camera.name] = open_video(camera.name, path)
            own = _landmarks(job, videos[camera.name], progress)
            (job.out / "landmarks").mkdir(exist_ok=True)
            io.write_keypoints2d(job.out / "landmarks" / f"{camera.name}.npz", [lambda own=own: own])
        else:
            size = job.size if job.rig is None else camera.intrinsics.size
            source = open_keypoints(path, camera.name, KeypointOptions(job.fps, size, job.layout))
            own = source.window(slice(0, len(source.frame)))
            rows = np.flatnonzero((own.frame >= job.first) & (own.frame < (job.stop or np.inf)))
            own = own.window(slice(int(rows[0]), int(rows[-1]) + 1)) if len(rows) else own.window(slice(0, 0))
        seen[camera.name] = to_rig_pixels(own, camera, job.image_fit)
    people = _people(seen, job.people)
    if not people:
        raise InputError(
            f"no face was found in {valid_names(rig.names)}: a face must be some 40 px wide or more, turned less than about 60 degrees "
            "from the camera, and not made unrecognisable"
        )
    heads = [_head(job, rig, seen, k, ids, notes) for k, ids in enumerate(people)]
    files: list[Path] = []
    for name, video in videos.items() if job.overlay else ():
        target = job.out / "overlay" / f"{name}.mp4"
        target.parent.mkdir(exist_ok=True)
        with closing(ahead(_drawn(job, video, rig[name], heads, progress))) as frames:
            write_video(target, frames, video.fps)
        files.append(target)
    return [replace(head, files=(*head.files, *files)) for head in heads]


def _cameras(job: HeadJob) -> tuple[CameraRig, dict[str, Path], tuple[str, ...]]:
    """Cameras that were used, their inputs, and what was assumed of them."""
    if job.people < 1:
        raise InputError(f"{job.people} heads are none: give 1 or more")
    single = Path(job.inputs[0]) if len(job.inputs) == 1 else None
    if job.rig is not None:
        if job.fov is not None:
            raise InputError("the rig says what the lens sees; --fov is for cameras that are not known")
        rig = io.read_rig(job.rig, job.rig_unit)
        if single is not None and single.is_file():
            name = job.camera or (rig.names[0] if len(rig) == 1 else single.stem)
            if name not in rig.names:
                raise CameraError(f"{job.rig} has several cameras ({valid_names(rig.names)}): say which one this is with --camera")
            return rig.select([name]), {name: single}, ()
        found = find_inputs(job.inputs, rig)
        return rig.select(list(found.paths)), dict(found.paths), ()
    if single is None or not single.exists():
        raise InputError(f"without a rig one video or keypoint file is looked at; {' '.join(job.inputs)} is none")
    name = "".join(c if c.isalnum() or c in "_-." else "_" for c in single.stem) or "camera"
    if single.suffix.lower() in SUFFIXES:
        size = open_video(name, single).size
        told = told_fov_deg(single, size)
    else:
        size, told = open_keypoints(single, name, KeypointOptions(job.fps, job.size, job.layout)).window(slice(0, 1)).size, None
    fov, notes = job.fov or told, ()
    if fov is None:
        notes = (f"the lens was taken to see {USUAL_FOV_DEG:.0f} degrees along the picture's longer side (--fov or --rig tells)",)
    camera = level(name, pinhole(size, fov or USUAL_FOV_DEG))
    return CameraRig((camera,), unknown=frozenset(("scale", "up", "floor"))), {name: single}, notes


def _landmarks(job: HeadJob, video: Video, progress: Progress) -> Keypoints2D:
    tracker = FaceTracker(job.people)
    total = max(0, min(video.count, job.stop or video.count) - job.first)
    windows: list[Keypoints2D] = []
    done = 0
    bodies = None if job.bodies is None else io.read_keypoints2d(job.bodies / f"{video.camera}.npz")
    if bodies is not None and bodies.size != video.size:
        raise InputError(f"camera {video.camera}: bodies were seen in pictures of {bodies.size} px, the video's are of {video.size}")
    with closing(ahead(video.frames(job.first, job.stop))) as frames:
        for window in detect_faces(frames, video.camera, video.size, tracker, bodies):
            windows.append(window)
            done += len(window)
            progress(f"faces of {video.camera}", min(done, total), total)
    if not windows:
        raise InputError(f"camera {video.camera}: no frames in --frames {job.first}:{job.stop if job.stop is not None else ''}")
    return concatenate(windows)


def _people(seen: Mapping[str, Keypoints2D], most: int) -> list[dict[str, int]]:
    """Who is who: the id in each camera. Of several cameras the one who is seen most in each; of one camera those seen longest."""
    ranked: dict[str, list[int]] = {}
    for name, one in seen.items():
        ids = np.where(one.person_id >= 0, one.person_id, np.arange(one.person_id.shape[1]))
        there = np.isfinite(one.xy[..., 0]).any(2)
        own, many = np.unique(ids[there], return_counts=True)
        if len(own):
            ranked[name] = own[np.argsort(-many, kind="stable")].tolist()
    if not ranked:
        return []
    if len(seen) > 1:
        return [{name: ids[0] for name, ids in ranked.items()}]
    ((name, ids),) = ranked.items()
    return [{name: one} for one in sorted(ids[:most])]


def _head(job: HeadJob, rig: CameraRig, seen: Mapping[str, Keypoints2D], person: int, ids: Mapping[str, int], notes: Sequence[str]) -> Head:
    layout = next(iter(seen.values())).layout
    face, _ = front_of(layout)
    views = [_view(face, rig[name], seen[name], one) for name, one in ids.items()]
    pose = solve_head(face, views, job.settings, person)
    angles = angles_of(pose.world_from_head.rotation)
    told = list(notes)
    if notes:
        other = solve_head(face, [replace(v, camera=_longer(v.camera)) for v in views], job.settings, person)
        off = np.rad2deg(np.nanmedian(np.abs(angles_of(other.world_from_head.rotation) - angles), axis=0))
        told.append(
            f"a focal length 25 % longer would change yaw, pitch and roll by {off[0]:.1f}, {off[1]:.1f} and {off[2]:.1f} degrees (median), "
            "distances by 25 %"
        )
    if len(views) == 1:
        told.append(f"distances rest on a face of average size, which is right to {100 * face.scale_sigma:.0f} %")
    sigma = np.rad2deg(sigmas_of(angles, pose.covariance))
    measures = _measures(pose, seen, ids, rig)
    degrees, forward = np.rad2deg(angles), forward_of(pose.world_from_head.rotation)
    base = job.out / str(person)
    files = [base.with_suffix(".npz"), *(base.with_suffix(suffix) for suffix in HEAD_WRITERS), base.with_suffix(".svg")]
    write_head_npz(files[0], pose, {**dict(zip((f"{n}_deg" for n in NAMES), degrees.T, strict=True)), **measures})
    for suffix, write in HEAD_WRITERS.items():
        write(base.with_suffix(suffix), pose, degrees, sigma, forward, measures)
    write_curves(files[-1], f"head {person}", pose.time, dict(zip(NAMES, degrees.T, strict=True)), "°")
    return Head(pose, degrees, sigma, measures, tuple(files), tuple(told))


def front_of(layout: Layout) -> tuple[Face, np.ndarray]:
    """The points of a layout that tell a head's pose, and their columns: of a mesh those that neither jaws nor cheeks move much."""
    face = face_of(layout)
    face = face.select(tuple(f"face_{k}" for k in _FRONT)) if layout.name == "face_468" else face
    return face, layout.indices(face.points)


def _view(face: Face, camera: Camera, seen: Keypoints2D, person: int) -> FaceView:
    """One person's face in one camera."""
    columns = seen.layout.indices(face.points)
    rows, slots = _rows_of(seen, person)
    xy, sigma = np.full((len(seen), len(columns), 2), np.nan), np.full((len(seen), len(columns)), np.nan)
    xy[rows], sigma[rows] = seen.xy[rows, slots][:, columns], seen.sigma_px[rows, slots][:, columns]
    return FaceView(camera, camera.clock.to_world(seen.time), seen.frame, xy, sigma)


def _rows_of(seen: Keypoints2D, person: int) -> tuple[np.ndarray, np.ndarray]:
    ids = np.where(seen.person_id >= 0, seen.person_id, np.arange(seen.person_id.shape[1]))
    rows, slots = np.nonzero((ids == person) & np.isfinite(seen.xy[..., 0]).any(2))
    return rows, slots


def _longer(camera: Camera) -> Camera:
    k = camera.intrinsics.K.copy()
    k[[0, 1], [0, 1]] *= _OTHER_LENS
    return replace(camera, intrinsics=replace(camera.intrinsics, K=k))


def _measures(pose: HeadPose, seen: Mapping[str, Keypoints2D], ids: Mapping[str, int], rig: CameraRig) -> dict[str, np.ndarray]:
    """What the face does, by the camera that saw it longest."""
    name = max(ids, key=lambda one: len(_rows_of(seen[one], ids[one])[0]))
    own, camera = seen[name], rig[name]
    rows, slots = _rows_of(own, ids[name])
    when = camera.clock.to_world(own.time[rows])
    at = nearest_rows(pose.time, when)
    rotation, place = pose.world_from_head.rotation.matrix[at], pose.world_from_head.translation[at]
    cam = camera.cam_from_world
    head = SE3(SO3(cam.rotation.matrix @ rotation), place @ cam.rotation.matrix.T + cam.translation)
    face = face_of(own.layout)
    columns = own.layout.indices(face.points)
    flat = np.full((len(rows), len(own.layout), 2), np.nan)
    xy = own.xy[rows, slots][:, columns].astype(float)
    there = np.isfinite(xy).all((1, 2)) & np.isfinite(place[:, 0])
    flat[np.ix_(np.flatnonzero(there), columns)] = on_face_plane(
        camera.intrinsics.rays(xy[there]), SE3(SO3(head.rotation.matrix[there]), head.translation[there]), face.xyz[:, 1]
    )
    out: dict[str, np.ndarray] = {}
    for measure, values in measures_of(own.layout, flat).items():
        out[measure] = np.full(len(pose), np.nan)
        out[measure][at] = values
    return out


def _drawn(job: HeadJob, video: Video, camera: Camera, heads: Sequence[Head], progress: Progress) -> Iterator[Frame]:
    total = max(0, min(video.count, job.stop or video.count) - job.first)
    for k, frame in enumerate(video.frames(job.first, job.stop)):
        progress(f"drawing {camera.name}", min(k + 1, total), total)
        image, time = to_rig_image(frame.image, camera, job.image_fit), float(camera.clock.to_world(np.array(frame.time)))
        for head in heads:
            row = int(np.abs(head.pose.time - time).argmin())
            if np.isfinite(head.pose.world_from_head.translation[row, 0]) and abs(head.pose.time[row] - time) < 0.5 / video.fps:
                there = head.pose.world_from_head
                at = SE3(SO3(there.rotation.matrix[row]), there.translation[row])
                image = draw_head(image, at, camera, "yaw {:.0f} pitch {:.0f} roll {:.0f}".format(*head.angles_deg[row]))
        yield replace(frame, image=image)
