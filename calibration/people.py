"""Cameras from people: extrinsics (and clocks, and focal lengths) from the 2D keypoints of somebody moving.

Nothing needs to be known but the lenses, and of those not the focal length: relative poses, a common
scene, one robust adjustment over all points and cameras, and the clocks in it. A wand or a bright marker
is a layout with two points or one. Metres come from cues, gravity and floor from feet.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float

from calibration.clocks import Offsets, coarse_offsets
from calibration.observed import Sampled, Track, instants_for, sample, tracks_of
from calibration.outcome import Evidence, Outcome
from calibration.start import Pair, StartSettings, connected, start_rig
from calibration.subject import choose_subject
from calibration.world import ScaleCue, body_cue, combine, distance_cue, moved
from recon3d.arrays import slopes
from recon3d.errors import CameraError, InputError, all_faults, valid_names
from recon3d.geometry import SE3, CameraRig, Clock, Intrinsics
from recon3d.geometry.bundle import Motions
from recon3d.geometry.camera_unknowns import Free
from recon3d.geometry.robust_bundle import Adjusted, AdjustSettings, adjust
from recon3d.geometry.triangulation import RobustSettings, triangulate_robust
from recon3d.motion.ground import UP_RAD, axes_for, ground_of
from recon3d.records import Keypoints2D
from recon3d.skeleton import Layout

_FOCAL_GUESSES = (0.5, 0.75, 1.1, 1.6)  # of the image's larger side: from wide to long lenses
_FEWEST_FRAMES, _STATURES = 10, (0.4, 2.6)
_CLOCK_ROUNDS, _CLOCK_FRAMES = 6, 3000


@dataclass(frozen=True, slots=True)
class PeopleSettings:
    """How cameras are found from people."""

    clocks: str = "known"
    """"known": stamps are on one axis; "offset": each camera's clock is late by a constant; "drift": and runs at its own pace."""
    focal: str = "known"
    """"known", or "unknown": one focal length a camera is solved for, from no guess."""
    frames: int = 300
    """Frames used, of all that were recorded."""
    min_confidence: float = 0.3
    """Detections below are not used."""
    outlier_share: float = 0.12
    """Share of detections expected to be of something else."""
    stature_m: float | None = None
    """Of the person, m: a scale cue."""
    distances: tuple[tuple[str, str, float, float], ...] = ()
    """Scale cues: camera or joint, another of its kind, distance and sigma, m."""
    min_inliers: float = 0.45
    """A camera fewer of whose detections agree is left out."""
    max_sigma_deg: float = 1.5
    """A camera whose orientation is less certain is left out."""
    front: str | None = None
    """The camera that looks along +y; the first by default."""
    origin: str | None = None
    """The camera under which the origin lies; where the person was on average by default."""
    limbs_only: bool = False
    """Only limb joints decide, where the layout has them: real detectors find faces and toes differently from different sides."""

    def __post_init__(self) -> None:
        faults = [f"clocks must be known, offset or drift, not {self.clocks!r}"] * (self.clocks not in ("known", "offset", "drift"))
        faults += [f"focal must be known or unknown, not {self.focal!r}"] * (self.focal not in ("known", "unknown"))
        faults += [f"frames must be {_FEWEST_FRAMES} or more, not {self.frames}"] * (self.frames < _FEWEST_FRAMES)
        if self.stature_m is not None and not _STATURES[0] < self.stature_m < _STATURES[1]:
            faults.append(f"a person's height is given in metres, {_STATURES[0]} to {_STATURES[1]}, not {self.stature_m}")
        faults += [f"a distance needs two ends, not {a} twice" for a, b, *_ in self.distances if a == b]
        if faults:
            raise InputError(all_faults(faults, "settings:"))


@dataclass(slots=True)
class _Found:
    """What is known so far, camera by camera, in one order."""

    names: list[str]
    tracks: list[Track]
    intrinsics: list[Intrinsics]
    clocks: list[Clock]
    start: float
    """s, that time is counted from: far from zero an offset and a drift could not be told apart."""
    refused: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def drop(self, name: str, why: str) -> None:
        at = self.names.index(name)
        del self.names[at], self.tracks[at], self.intrinsics[at], self.clocks[at]
        self.refused[name] = why


def calibrate_people(
    seen: Sequence[Keypoints2D], intrinsics: Mapping[str, Intrinsics], settings: PeopleSettings = PeopleSettings()
) -> Outcome:
    """The rig of all cameras that the keypoints determine; the others are named with the reason.

    Args:
        seen: one a camera, all of one layout.
        intrinsics: of every camera; with ``focal="unknown"`` only size, centre and distortion are believed.
        settings: what is known, and what is not.

    Raises:
        CameraError: fewer than two cameras can be related; the message says what to change.
        InputError: inputs that do not belong together.
    """
    found = _check(seen, intrinsics, settings)
    if settings.clocks != "known":
        _tie_clocks(found, settings)
    if settings.focal == "unknown":
        rig, pairs, sampled = _search_focal(found, settings)
    else:
        sampled = _sampled(found, settings)
        rig, pairs = start_rig(found.names, found.intrinsics, sampled.flat_xy, sampled.flat_sigma)
    links = {(found.names[p.a], found.names[p.b]): round(p.support * p.shared) for p in pairs}
    apart = {n: _why_apart(n, found.names, pairs) for n in found.names if n not in rig.names}
    for name, why in apart.items():
        found.drop(name, why)
    sampled = _sampled(found, settings)
    free = Free(focal="one" if settings.focal == "unknown" else "fixed")
    while True:
        adjusted, sampled, rig = _adjust(found, rig, free, sampled, settings)
        weak = _weakest(adjusted, sampled, settings)
        if weak is None:
            break
        if len(found.names) == 2:
            raise CameraError(f"the cameras {valid_names(found.names)} cannot be related: {weak[0]}: {weak[1]}")
        found.drop(*weak)
        rig = rig.select(found.names)
        sampled = _sampled(found, settings)
    outcome = _in_metres(found, adjusted, sampled, links, settings)
    return replace(outcome, rig=_with_clocks(outcome.rig, [_from_start(c.clock, found.start) for c in outcome.rig]))


def _from_start(clock: Clock, start: float) -> Clock:
    """The clock of stamps that were counted from ``start`` (s), for the stamps themselves."""
    return replace(clock, offset=clock.offset - clock.drift * start)


def _check(seen: Sequence[Keypoints2D], intrinsics: Mapping[str, Intrinsics], settings: PeopleSettings) -> _Found:
    faults = [
        f"no lens (intrinsics) for camera {s.camera!r}; there are {valid_names(intrinsics)}" for s in seen if s.camera not in intrinsics
    ]
    names = [s.camera for s in seen]
    faults += [f"two inputs for camera {name!r}" for name in sorted({n for n in names if names.count(n) > 1})]
    if len({s.layout.name for s in seen}) > 1:
        faults.append("all cameras must have one layout, but these have " + ", ".join(f"{s.camera}: {s.layout.name}" for s in seen))
    faults += [
        f"camera {s.camera}: its keypoints refer to images of {s.size[0]} x {s.size[1]} px, its lens to {i.size[0]} x {i.size[1]} px"
        for s in seen
        if (i := intrinsics.get(s.camera)) is not None and tuple(s.size) != tuple(i.size)
    ]
    if len(seen) < 2:
        faults.append("at least two cameras are needed")
    if faults:
        raise InputError(all_faults(faults, "cameras cannot be calibrated from these:"))
    candidates = [tracks_of(s, settings.min_confidence) for s in seen]
    refused = {s.camera: "it saw nobody" for s, tracks in zip(seen, candidates, strict=True) if not tracks}
    kept = [k for k, tracks in enumerate(candidates) if tracks]
    if len(kept) < 2:
        raise CameraError(
            f"fewer than two cameras saw anybody: {', '.join(sorted(refused))} saw nobody above confidence {settings.min_confidence}"
        )
    lenses = [intrinsics[names[k]] for k in kept]
    tracks = choose_subject([candidates[k] for k in kept], lenses, settings.clocks == "known")
    start = float(tracks[0].time[0])
    tracks = [replace(track, time=track.time - start) for track in tracks]
    return _Found([names[k] for k in kept], tracks, lenses, [Clock()] * len(kept), start, refused)


def _tie_clocks(found: _Found, settings: PeopleSettings) -> None:
    offsets: Offsets = coarse_offsets(found.tracks, found.intrinsics)
    for name, clock, margin in list(zip(found.names, offsets.clocks, offsets.margin, strict=True)):
        if clock is None:
            found.drop(name, "no offset of its clock within a second makes its points agree with another camera's")
        elif clock is not offsets.clocks[0] and margin < 10:
            found.notes.append(f"{name}: another offset of its clock fits almost as well (the motion repeats itself)")
    found.clocks[:] = [clock for clock in offsets.clocks if clock is not None]
    if len(found.names) < 2:
        raise CameraError(all_faults([f"{n}: {why}" for n, why in found.refused.items()], "the clocks cannot be related:"))


def _sampled(found: _Found, settings: PeopleSettings) -> Sampled:
    seen = sample(found.tracks, found.clocks, instants_for(found.tracks, found.clocks, settings.frames)).without_repeats()
    return seen.limbs_only(found.tracks[0].layout) if settings.limbs_only else seen


def _search_focal(found: _Found, settings: PeopleSettings) -> tuple[CameraRig, list[Pair], Sampled]:
    """The start with the likeliest of a few focal lengths, each then free."""
    sampled = _sampled(found, replace(settings, frames=min(settings.frames, 90)))
    best: tuple[float, CameraRig, list[Pair]] | None = None
    for guess in _FOCAL_GUESSES:
        lenses = [_with_focal(i, guess * max(i.size)) for i in found.intrinsics]
        try:
            rig, pairs = start_rig(found.names, lenses, sampled.flat_xy, sampled.flat_sigma, StartSettings(seeds=1, points=800))
            rows = [found.names.index(name) for name in rig.names]
            adjusted = adjust(rig, Free(focal="one"), sampled.flat_xy[rows], sampled.flat_sigma[rows], AdjustSettings(final_steps=5))
        except CameraError:
            continue
        if best is None or adjusted.score > best[0]:
            best = (adjusted.score, adjusted.rig, pairs)
    if best is None:
        raise CameraError("no focal length between 0.5 and 1.6 image widths makes the cameras agree: calibrate the lenses with a board")
    for camera in best[1]:
        found.intrinsics[found.names.index(camera.name)] = camera.intrinsics
    return best[1], best[2], sampled


def _with_focal(i: Intrinsics, focal: float) -> Intrinsics:
    k = i.K.copy()
    k[0, 0], k[1, 1], k[0, 1] = focal, focal * i.K[1, 1] / i.K[0, 0], 0.0
    return replace(i, K=k)


def _why_apart(name: str, names: Sequence[str], pairs: Sequence[Pair]) -> str:
    groups = connected([(pair.a, pair.b) for pair in pairs], len(names))
    own = next(g for g in groups if names.index(name) in g)
    if len(own) < len(groups[0]):
        return (
            f"its points agree with none of {valid_names([names[v] for v in groups[0]])}: "
            "let the person move where this camera and another of them both see the whole body"
        )
    return "its points do not fit the scene that the other cameras agree on"


def _adjust(found: _Found, rig: CameraRig, free: Free, sampled: Sampled, settings: PeopleSettings) -> tuple[Adjusted, Sampled, CameraRig]:
    """Cameras first, then clocks with them, keypoints sampled anew as the clocks move."""
    # The start has been adjusted on part of the points: it is within a few sigmas already.
    narrowing = AdjustSettings(widths=(3.0,), outlier_share=settings.outlier_share)
    adjusted = adjust(rig, free, sampled.flat_xy, sampled.flat_sigma, narrowing, kind=sampled.kind)
    if settings.clocks == "known":
        return adjusted, sampled, adjusted.rig
    timed = replace(free, offset=True, drift=settings.clocks == "drift")
    each = (free, *(timed,) * (len(rig) - 1))  # the first camera's clock is everybody's
    for _ in range(_CLOCK_ROUNDS):
        rig = _with_clocks(adjusted.rig, found.clocks)
        sampled = _sampled(found, settings)
        if len(adjusted.points) != len(sampled.kind):  # other clocks, another number of frames that two cameras share
            adjusted = adjust(rig, free, sampled.flat_xy, sampled.flat_sigma, narrowing, kind=sampled.kind)
        motions = _motions(adjusted.points.reshape(*sampled.xy.shape[1:3], 3), sampled)
        adjusted = adjust(rig, each, sampled.flat_xy, sampled.flat_sigma, replace(narrowing, widths=(2.0,)), motions, sampled.kind)
        new = [camera.clock for camera in adjusted.rig]
        change = max(abs(a.offset - b.offset) + abs(a.drift - b.drift) * 10 for a, b in zip(new, found.clocks, strict=True))
        found.clocks[:] = new
        if change < 5e-5:
            break
    if len(found.tracks[0].time) > settings.frames:
        _polish_clocks(found, adjusted.rig, timed, settings)
        sampled = _sampled(found, settings)
        rig = _with_clocks(adjusted.rig, found.clocks)
        points = triangulate_robust(rig, sampled.flat_xy, sampled.flat_sigma, RobustSettings(max_depth_error=0.3)).xyz
        motions = _motions(points.reshape(*sampled.xy.shape[1:3], 3), sampled)
        adjusted = adjust(rig, free, sampled.flat_xy, sampled.flat_sigma, narrowing, motions, sampled.kind, uncertain=each)
    return adjusted, sampled, adjusted.rig


def _with_clocks(rig: CameraRig, clocks: Sequence[Clock]) -> CameraRig:
    return replace(rig, cameras=tuple(replace(c, clock=k) for c, k in zip(rig, clocks, strict=True)))


def _polish_clocks(found: _Found, rig: CameraRig, timed: Free, settings: PeopleSettings) -> None:
    """Clocks on many more frames than the poses need, the cameras standing: a drift shows over minutes."""
    still = replace(timed, pose=False, focal="fixed")
    each = (Free(pose=False), *(still,) * (len(rig) - 1))
    narrowing = AdjustSettings(widths=(), outlier_share=settings.outlier_share, final_steps=4)
    for _ in range(2):
        sampled = sample(found.tracks, found.clocks, instants_for(found.tracks, found.clocks, _CLOCK_FRAMES))
        rig = _with_clocks(rig, found.clocks)
        points = triangulate_robust(rig, sampled.flat_xy, sampled.flat_sigma, RobustSettings(max_depth_error=0.3)).xyz
        motions = _motions(points.reshape(*sampled.xy.shape[1:3], 3), sampled)
        rig = adjust(rig, each, sampled.flat_xy, sampled.flat_sigma, narrowing, motions, sampled.kind).rig
        found.clocks[:] = [camera.clock for camera in rig]


def _motions(points: Float[np.ndarray, "frames joints 3"], sampled: Sampled) -> Motions:
    velocity = slopes(points, sampled.instant).reshape(-1, 3).T
    shape = sampled.xy.shape[:3]
    time = np.broadcast_to(sampled.time[:, :, None], shape).reshape(shape[0], -1)
    row = np.nan_to_num(sampled.xy[..., 1]).reshape(shape[0], -1)
    return Motions(np.ascontiguousarray(np.nan_to_num(velocity)), time, row)


def _weakest(adjusted: Adjusted, sampled: Sampled, settings: PeopleSettings) -> tuple[str, str] | None:
    """The camera that fits or is fixed worst, if any is past the limits."""
    known = np.isfinite(sampled.flat_xy[..., 0]) & np.isfinite(adjusted.points).all(-1)
    share = np.where(known, adjusted.inlier, 0).sum(1) / np.maximum(known.sum(1), 1)
    worst = int(np.argmin(share))
    if share[worst] < settings.min_inliers:
        return adjusted.rig.names[worst], (
            f"only {100 * share[worst]:.0f} % of its detections agree with the others': "
            "its clock, its lens or its place in the list is wrong"
        )
    sigma = np.rad2deg([float(np.sqrt(np.trace(block))) for block in pose_blocks(adjusted, 3, 6)])
    worst = int(np.argmax(sigma))
    if not sigma[worst] <= settings.max_sigma_deg:
        return adjusted.rig.names[worst], (
            f"its orientation is uncertain by {sigma[worst]:.1f} deg: the person must move through more of the space that it sees"
        )
    return None


def pose_blocks(adjusted: Adjusted, first: int, last: int) -> list[Float[np.ndarray, "k k"]]:
    """Each camera's part of the covariance: rows of its pose from ``first`` to ``last``."""
    out: list[np.ndarray] = []
    start = 0
    for free in adjusted.free:
        out.append(adjusted.covariance[start + first : start + last, start + first : start + last])
        start += len(free.kinds)
    return out


def _in_metres(found: _Found, adjusted: Adjusted, sampled: Sampled, links: dict[tuple[str, str], int], settings: PeopleSettings) -> Outcome:
    """Scale by the cues, up and floor by the person, origin and heading as asked for."""
    points, layout = _whole_body(found, adjusted, sampled, settings)
    cues = _cues(points, adjusted.rig, found, settings)
    scale = combine(cues)
    rig, points = moved(adjusted.rig, scale.metres, SE3.identity()), points * scale.metres
    unknown = set[str]() if scale.known else {"scale"}
    ground = ground_of(points, sampled.instant, layout)
    centres = rig.centres()
    origin = np.nanmedian(points.reshape(-1, 3), 0) if settings.origin is None else rig[settings.origin].centre
    front = rig[settings.front].centre if settings.front is not None else centres[0]
    if ground is None:
        # No body to tell: the cameras' mean own up is the best guess, and said to be one.
        up = -np.stack([c.cam_from_world.rotation.matrix[1] for c in rig]).mean(0)
        change, unknown = axes_for(up, float(origin @ up), origin, front), unknown | {"up", "floor"}
    else:
        floor = ground.height if ground.floor else float(np.nanquantile(points @ ground.up, 0.02))
        change = axes_for(ground.up, floor, origin, front)
        unknown |= set() if ground.floor else {"floor"}
        if ground.sigma_rad > UP_RAD:
            unknown |= {"up", "floor"}
            found.notes.append(
                f"up is uncertain by {np.rad2deg(ground.sigma_rad):.0f} deg: let the person walk about upright, or set the floor by a board"
            )
    if [c for c in scale.cues if c.counts] and not scale.known:
        found.notes.append(
            "the scale cues contradict each other: "
            + ", ".join(f"{c.name} ({d:.0f} sigmas)" for c, d in zip(scale.cues, scale.disagreement, strict=True))
        )
    rig = replace(moved(rig, 1.0, change), unknown=frozenset(unknown))
    evidence = Evidence.of(rig, sampled.flat_xy, sampled.flat_sigma, change @ (adjusted.points * scale.metres), adjusted.inlier)
    return Outcome("people", rig, evidence, found.refused, tuple(found.notes), scale, ground, adjusted, links)


def _whole_body(
    found: _Found, adjusted: Adjusted, sampled: Sampled, settings: PeopleSettings
) -> tuple[Float[np.ndarray, "frames joints 3"], Layout]:
    """All joints, by the cameras found, also where limbs alone decided."""
    layout = found.tracks[0].layout
    if sampled.xy.shape[2] == len(layout):
        return adjusted.points.reshape(*sampled.xy.shape[1:3], 3), layout
    seen = sample(found.tracks, found.clocks, sampled.instant)
    answer = triangulate_robust(adjusted.rig, seen.flat_xy, seen.flat_sigma * max(adjusted.noise, 1.0), RobustSettings(max_depth_error=0.3))
    return answer.xyz.reshape(*seen.xy.shape[1:3], 3), layout


def _cues(points: Float[np.ndarray, "frames joints 3"], rig: CameraRig, found: _Found, settings: PeopleSettings) -> list[ScaleCue]:
    layout = found.tracks[0].layout
    cues: list[ScaleCue] = []
    for a, b, true_m, sigma_m in settings.distances:
        if a in rig.names and b in rig.names:
            measured = float(np.linalg.norm(rig[a].centre - rig[b].centre))
        elif a in layout.points and b in layout.points:
            measured = float(np.nanmedian(np.linalg.norm(points[:, layout.index(a)] - points[:, layout.index(b)], axis=-1)))
        else:
            raise InputError(
                f"a distance from {a} to {b}: both must be cameras ({valid_names(rig.names)}) or points ({valid_names(layout.points)})"
            )
        cues.append(distance_cue(f"{a} to {b}", measured, true_m, sigma_m))
    body = body_cue(points, layout, settings.stature_m)
    return cues if body is None else [*cues, body]
