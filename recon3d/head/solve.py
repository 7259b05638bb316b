"""Poses of a head from all cameras that see its face, through time.

Frame by frame by PnP (`recon3d.head.start`); from there the motion solver goes on: a thing of one joint, on the pixels of all views at
once, its size the same in all frames, its smoothness estimated. The same holds for any rigid thing with named points.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from recon3d.arrays import nearest_rows
from recon3d.errors import InputError, all_faults
from recon3d.geometry import SE3, SO3, Camera, CameraRig
from recon3d.geometry.mixture import Mixture
from recon3d.geometry.sightings import Sightings
from recon3d.geometry.threads import single_threaded
from recon3d.geometry.time_banded import TimeFactor
from recon3d.geometry.time_solver import TimeSettings, solve_in_time
from recon3d.head.faces import Face
from recon3d.head.start import OUTLIER_RADIUS, sights_of, size_ratio, starts
from recon3d.motion.evidence import Evidence
from recon3d.motion.fit import fit, problem_of
from recon3d.motion.problem import Unknowns
from recon3d.motion.sizes import Body, alike
from recon3d.motion.start import starting_pose
from recon3d.motion.uncertainty import pose_covariance
from recon3d.records import HeadPose, State
from recon3d.skeleton import Armature, Attachments, Skeleton
from recon3d.skeleton.shape import Shape

_FEWEST = 4  # points in a view, for a pose from it alone
_SAMPLE = 48  # frames that the size is found on
_LONGEST_S = 0.25
_SIZE_STEPS = 8
_TEMPERS = (0.003, 0.05, 1.0)  # a head of another size is taken to be elsewhere: far off for other cameras


@dataclass(frozen=True, slots=True, eq=False)
class FaceView:
    """What one camera saw of one face.

    Attributes:
        camera: that stands still.
        time: of its frames, in the world's clock, s.
        frame: source numbers.
        xy: of the face's points, px; NaN where unseen.
        sigma_px: standard deviation of each coordinate.
    """

    camera: Camera
    time: Float[np.ndarray, "frames"]
    frame: Int[np.ndarray, "frames"]
    xy: Float[np.ndarray, "frames points 2"]
    sigma_px: Float[np.ndarray, "frames points"]


@dataclass(frozen=True, slots=True)
class HeadSettings:
    """How head poses are found."""

    outlier_share: float = 0.1
    """Share of landmarks that are detections of something else."""
    longest_gap: float = 0.25
    """Seconds: frames with a face that are further apart do not know of each other."""
    smooth: bool = True
    """Frames know of each other; else each is by itself."""


def solve_head(face: Face, views: Sequence[FaceView], settings: HeadSettings = HeadSettings(), person: int = 0) -> HeadPose:
    """Poses through a take.

    Args:
        face: whose points the views saw; its size is the prior mean.
        views: of all cameras; their frames need not fall together.
        settings: how.
        person: id.

    Raises:
        InputError: nothing of a face in any view, or views of other points than the face's.
    """
    _check(face, views)
    with single_threaded():
        return _solve(face, views, settings, person)


def _check(face: Face, views: Sequence[FaceView]) -> None:
    faults = [
        f"camera {view.camera.name}: {view.xy.shape[1]} points, but the face {face.name} has {len(face.points)}"
        for view in views
        if view.xy.shape[1] != len(face.points)
    ]
    faults += [f"camera {view.camera.name} moves: give it as it stands" for view in views if view.camera.moves]
    if faults:
        raise InputError(all_faults(faults, "head poses cannot be found:"))
    if not any((np.isfinite(view.xy[..., 0]).sum(1) >= _FEWEST).any() for view in views):
        raise InputError(f"no frame of any camera shows {_FEWEST} points of a face")


def _solve(face: Face, views: Sequence[FaceView], settings: HeadSettings, person: int) -> HeadPose:
    time, frame, xy, sigma = _together(views)
    rig = CameraRig(tuple(view.camera for view in views))
    first = face.scaled(size_ratio(face, rig, xy, sigma))
    placed = _placed(first, rig, xy, sigma, time, settings)
    if len(views) > 1:  # of another size it starts elsewhere
        placed = _placed(placed.face, rig, xy, sigma, time, settings)
    rows, sigma, evidence, body = placed.rows, placed.sigma_px, placed.evidence, placed.body
    evidence = replace(evidence, sharpness=body.jitter**-2)
    if not settings.smooth:
        evidence = replace(evidence, time=evidence.time + 10.0 * settings.longest_gap * np.arange(len(rows)))
    found = fit(body.armature, evidence, settings.longest_gap)
    pose = found.pose.on(found.armature)
    turn, place = np.full((len(time), 3, 3), np.nan), np.full((len(time), 3), np.nan)
    turn[rows], place[rows] = pose.rotation.matrix[:, 0], pose.translation[:, 0]
    covariance = np.full((len(time), 6, 6), np.nan)
    covariance[rows] = _in_own_axes(pose_covariance(found, body), pose.rotation.matrix[:, 0])
    points = found.armature.keypoints(pose)
    seen = np.isfinite(xy[..., 0]).sum(2) >= _FEWEST
    state = np.full(len(time), State.MISSING, np.uint8)
    state[rows] = State.OBSERVED
    scale = float(np.linalg.norm(placed.face.xyz) / np.linalg.norm(face.xyz))
    return HeadPose(
        person=person,
        frame=frame,
        time=time,
        world_from_head=SE3(SO3(turn), place),
        covariance=covariance,
        residual_px=_residuals(rig, xy, sigma, points, rows),
        views=seen.sum(0).astype(np.uint8),
        state=state,
        scale=scale,
        scale_sigma=scale * float(np.sqrt(body.covariance[0, 0])),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Placed:
    """Where a face starts, and how large it is then found to be.

    Attributes:
        face: of that size.
        rows: frames with a start.
        sigma_px: of landmarks, with what a face of somebody's own lies beside.
        evidence: about these frames.
        body: the face as a thing of one joint.
    """

    face: Face
    rows: Int[np.ndarray, "some"]
    sigma_px: Float[np.ndarray, "views frames points"]
    evidence: Evidence
    body: Body


def _placed(face: Face, rig: CameraRig, xy: np.ndarray, sigma_px: np.ndarray, time: np.ndarray, settings: HeadSettings) -> _Placed:
    start = starts(face, rig, sights_of(rig, xy, sigma_px), time, settings.outlier_share)
    # How far landmarks lie beside is known in metres: in pixels that depends on how near the face is.
    beside = _pixels_per_metre(rig, start.translation)[:, :, None] * face.loose_m
    sigma = np.sqrt(sigma_px**2 + beside**2)
    rows = np.flatnonzero(np.isfinite(start.translation[:, 0]))
    if not len(rows):
        raise InputError(f"the landmarks of no frame fit the face {face.name}: are they in another order?")
    evidence = _evidence(face, sights_of(rig, xy, sigma), time, rows, start, settings)
    body = _sized(face, evidence)
    grown = float(np.linalg.norm(body.armature.attachments.offset) / np.linalg.norm(face.xyz))
    return _Placed(face.scaled(grown), rows, sigma, evidence, body)


def _together(views: Sequence[FaceView]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """All views' frames in one order of time; frames that fall together are one."""
    every = np.sort(np.concatenate([view.time for view in views]))
    step = min((float(np.min(np.diff(view.time))) for view in views if len(view.time) > 1), default=1.0)
    first = np.concatenate([[True], np.diff(every) > 0.25 * step])
    label = np.cumsum(first) - 1
    time = np.bincount(label, every) / np.bincount(label)
    points = views[0].xy.shape[1]
    xy, sigma = np.full((len(views), len(time), points, 2), np.nan), np.ones((len(views), len(time), points))
    frame = np.full(len(time), -1, np.int64)
    for k, view in enumerate(views):
        at = nearest_rows(time, view.time)
        xy[k, at], sigma[k, at] = view.xy, np.where(np.isfinite(view.sigma_px), view.sigma_px, 1.0)
        frame[at] = np.where(frame[at] < 0, view.frame, frame[at])
    return time, frame, xy, sigma


def _pixels_per_metre(rig: CameraRig, place: Float[np.ndarray, "frames 3"]) -> Float[np.ndarray, "views frames"]:
    """How large a metre is where the head is; 0 where there is none."""
    depth = np.stack([(camera.cam_from_world @ np.nan_to_num(place, nan=1e6))[:, 2] for camera in rig])
    focal = np.array([camera.intrinsics.focal for camera in rig])[:, None]
    return np.where(np.isfinite(place[:, 0]) & (depth > 0), focal / np.maximum(depth, 1e-3), 0.0)


def _armature(face: Face) -> Armature:
    """One joint, the head, which faces anywhere."""
    skeleton = Skeleton(face.name, ("head",), np.array([-1]), np.array([0]))
    count = len(face.points)
    return Armature(
        skeleton=skeleton,
        rest_offset=np.zeros((1, 3)),
        free=np.ones((1, 3), bool),
        usual=np.zeros((1, 3)),
        looseness=np.full((1, 3), np.pi),
        limit=np.broadcast_to(np.array([-np.pi, np.pi]), (1, 3, 2)).copy(),
        cone=np.full(1, np.pi),
        cone_axis=np.array([[0.0, 0.0, 1.0]]),
        attachments=Attachments(face.points, np.zeros(count, np.int64), face.xyz.copy(), np.zeros(count)),
    )


def _evidence(face: Face, sights: Sightings, time: np.ndarray, rows: np.ndarray, start: SE3, settings: HeadSettings) -> Evidence:
    """About the face's points, in the frames that have a start."""
    points = len(face.points)
    columns = (rows[:, None] * points + np.arange(points)).ravel()
    own = sights.take(columns)
    posed = face.xyz @ start.rotation.matrix[rows].swapaxes(1, 2) + start.translation[rows, None]
    views = (own.a > 0).sum(0).astype(np.uint8).reshape(len(rows), points)
    return Evidence(
        _armature(face).attachments,
        time[rows],
        posed,
        np.ones(posed.shape[:2], bool),
        np.zeros((*posed.shape, 3)),
        ((slice(0, len(rows)), own),),
        views,
        Mixture.of(settings.outlier_share, OUTLIER_RADIUS),
    )


def _sized(face: Face, evidence: Evidence) -> Body:
    """The face as large as this head's, as far as the views can tell."""
    armature, points = _armature(face), len(face.points)
    shape = Shape(("scale",), np.zeros((1, 3, 1)), face.xyz[:, :, None].copy(), np.array([face.scale_sigma]))
    rows = np.unique(np.linspace(0, len(evidence.time) - 1, _SAMPLE).astype(int))
    columns = (rows[:, None] * points + np.arange(points)).ravel()
    _, sights = evidence.sightings[0]
    part = replace(
        evidence,
        time=evidence.time[rows] + 10.0 * np.arange(len(rows)),  # each by itself
        xyz=evidence.xyz[rows],
        known=evidence.known[rows],
        root_information=evidence.root_information[rows],
        views=evidence.views[rows],
        sightings=((slice(0, len(rows)), sights.take(columns)),),
    )
    problem = replace(problem_of(armature, part, _LONGEST_S), shape=shape)
    first = Unknowns(problem.freedoms.pose(*starting_pose(problem.armature, part)), np.zeros(1))
    solution = solve_in_time(replace(problem, temper=_TEMPERS[0]), first, TimeSettings(_SIZE_STEPS))
    for temper in _TEMPERS[1:]:
        solution = solve_in_time(replace(problem, temper=temper), solution.at, TimeSettings(_SIZE_STEPS))
    system = solution.system
    factor = TimeFactor(system, system.floor())
    reduced = factor.reduced_corner(system, factor.solve(system.border))
    sized = shape.apply(armature, solution.at.shape)
    jitter = 1.0 if len(evidence.time) < 3 else _jitter(sized, evidence)
    return Body(sized, shape, np.linalg.inv(reduced) * alike(jitter), jitter)


def _jitter(armature: Armature, evidence: Evidence) -> float:
    """Share of the landmarks' sigma that is new in every frame."""
    step = np.diff(evidence.time)
    even = np.abs(np.diff(step)) < 0.5 * np.median(step)
    return evidence.jitter(evidence.xyz, even)


def _in_own_axes(covariance: Float[np.ndarray, "frames 6 6"], turn: Float[np.ndarray, "frames 3 3"]) -> Float[np.ndarray, "frames 6 6"]:
    """The root moves along the world's axes: here along the head's."""
    change = np.zeros_like(covariance)
    change[:, :3, :3], change[:, 3:, 3:] = turn.swapaxes(1, 2), np.eye(3)
    return change @ covariance @ change.swapaxes(1, 2)


def _residuals(
    rig: CameraRig, xy: np.ndarray, sigma: np.ndarray, points: Float[np.ndarray, "some points 3"], rows: np.ndarray
) -> np.ndarray:
    """Median distance of points that fit, px."""
    off = np.linalg.norm(rig.project(points) - xy[:, rows], axis=-1)
    off = np.where(off < 4 * sigma[:, rows], off, np.nan)
    out = np.full(xy.shape[1], np.nan)
    there = np.isfinite(off).any((0, 2))
    out[rows[there]] = np.nanmedian(off[:, there].transpose(1, 0, 2).reshape(int(there.sum()), -1), axis=1)
    return out
