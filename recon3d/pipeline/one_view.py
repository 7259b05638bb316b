"""Who a single camera saw, and how well what was made of it agrees with that."""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict

import numpy as np

from recon3d.arrays import finite_median
from recon3d.geometry import Camera
from recon3d.monocular.points import columns
from recon3d.monocular.world import PersonView
from recon3d.multiview import Claim, Identities, MultiviewSettings, Somebody
from recon3d.pipeline.people import identities_of
from recon3d.pipeline.take import Stage, StoredKeypoints, Take
from recon3d.records import Motion

_SHORTEST_S, _SHORTEST_SHARE = 0.4, 0.5  # somebody seen for less, also of a short take, is nobody
_JUMP, _JUMP_A_S, _JUMP_S = 0.25, 10.0, 0.2  # of somebody's size in the picture: in a step, a second; longer gaps tell nothing
_FEWEST_POINTS = 6  # of the lifter's, in the median frame
_LISTED = 5
_MISFIT = 0.06  # of somebody's size in the picture


def people_of(settings: MultiviewSettings, seen: StoredKeypoints, take: Take, evidence: Stage) -> tuple[Identities, Stage]:
    """Who there is: everybody who was followed for long enough."""
    stage = take.stage("people", [evidence.folder.name, asdict(settings)])
    if not stage.complete:
        points = columns(seen.layout)
        frames: dict[int, list[np.ndarray]] = {}
        jumps: list[int] = []
        for read in seen.readers():
            window = read()
            good = (window.confidence[..., points[points >= 0]] >= settings.min_confidence).sum(-1)
            for person in np.unique(window.person_id[window.person_id >= 0]).tolist():
                row, slot = np.nonzero(window.person_id == person)
                frames.setdefault(person, []).append(np.stack([window.time[row], good[row, slot]]))
                jumps += window.frame[row[1:]][_jumps(window.time[row], window.xy[row, slot])].tolist()
        everybody = _somebodies(frames, settings.people, float(seen.time[-1] - seen.time[0]))
        stage.finish({"everybody": [asdict(one) for one in everybody], "notes": _about_jumps(jumps)})
    return identities_of(stage.facts()), stage


def _jumps(time: np.ndarray, xy: np.ndarray) -> np.ndarray:
    """Steps from one frame to the next in which somebody moves as nobody can."""
    if len(time) < 2:
        return np.zeros(0, bool)
    xy = xy.astype(float)
    extent = np.linalg.norm(np.fmax.reduce(xy, 1) - np.fmin.reduce(xy, 1), axis=-1)
    with np.errstate(invalid="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of frames without points
        moved = np.linalg.norm(np.nanmedian(xy[1:] - xy[:-1], 1), axis=-1) / np.nanmedian(extent)
        return (moved > _JUMP) & (moved > _JUMP_A_S * np.diff(time)) & (np.diff(time) < _JUMP_S)


def _about_jumps(frames: list[int]) -> list[str]:
    if not frames:
        return []
    where = ", ".join(str(frame) for frame in sorted(frames)[:_LISTED]) + (", ..." if len(frames) > _LISTED else "")
    text = f"Somebody jumps across the picture at frame {where}: a cut of the film, or two people taken for each other. "
    return [text + "Motion is smoothed over it all the same; `cut` in people.toml makes two people of it."]


def _somebodies(frames: Mapping[int, Sequence[np.ndarray]], most: int, length_s: float) -> list[Somebody]:
    """People in the order of their appearance, then those who were refused and why; ``most`` 0 for everybody."""
    found: list[tuple[int, np.ndarray, str | None]] = []
    for track, parts in frames.items():
        time, points = np.concatenate(parts, 1)
        reason = None
        if time[-1] - time[0] < min(_SHORTEST_S, _SHORTEST_SHARE * length_s):
            reason = f"seen for {time[-1] - time[0]:.2f} s only"
        elif np.median(points) < _FEWEST_POINTS:
            reason = f"{np.median(points):.0f} points in the median frame, too few for a pose"
        found.append((track, time, reason))
    good = sorted((one for one in found if one[2] is None), key=lambda one: -len(one[1]))
    if most:
        good, more = good[:most], good[most:]
        found = [one for one in found if one[2] is not None] + [(t, time, f"more than {most} people") for t, time, _ in more]
    else:
        found = [one for one in found if one[2] is not None]
    ordered = sorted(good, key=lambda one: float(one[1][0])) + found
    return [Somebody(k, (track,), float(time[0]), float(time[-1]), 1.0, reason) for k, (track, time, reason) in enumerate(ordered)]


def views_of(camera: Camera, seen: StoredKeypoints, claims: Sequence[Claim], person: int, least: float) -> Iterator[PersonView]:
    """One person window by window; no points where it is not seen, or no surer than ``least``."""
    for read in seen.readers():
        window = read()
        xy = np.full((len(window), len(seen.layout), 2), np.nan)
        sigma = np.ones(xy.shape[:2])
        for claim in claims:
            if claim.person == person:
                inside = (window.frame >= claim.first) & (window.frame < claim.stop)
                row, slot = np.nonzero((window.person_id == claim.track) & inside[:, None])
                xy[row], sigma[row] = window.xy[row, slot], window.sigma_px[row, slot]
                xy[row] = np.where((window.confidence[row, slot] < least)[..., None], np.nan, xy[row])
        time = camera.clock.to_world(window.time)
        yield PersonView(camera, seen.layout, window.frame.copy(), time, xy, np.where(np.isfinite(sigma), sigma, 1.0))


def residuals(views: Iterator[PersonView], motions: Sequence[Callable[[], Motion]]) -> tuple[np.ndarray, float]:
    """How far an armature's points lie from what was seen: median of each of the layout's (px), and of all over the person's size."""
    off: list[np.ndarray] = []
    size: list[np.ndarray] = []
    for view, read in zip(views, motions, strict=True):
        motion = read()
        places = motion.armature.keypoints(motion.poses())
        names = motion.armature.attachments.points
        own = [names.index(name) if name in names else -1 for name in view.layout.points]
        seen = np.where(np.array(own)[:, None] < 0, np.nan, view.xy)
        off.append(np.linalg.norm(_projected(view, places)[:, own] - seen, axis=-1))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # of frames without points
            size.append(np.linalg.norm(np.nanmax(view.xy, 1) - np.nanmin(view.xy, 1), axis=-1))
    every = np.concatenate(off)
    return np.array([finite_median(column) for column in every.T]), finite_median(every) / finite_median(np.concatenate(size))


def _projected(view: PersonView, places: np.ndarray) -> np.ndarray:
    if not view.camera.moves:
        return view.camera.project(places)
    return np.stack([view.camera.at_frame(n).project(p) for n, p in zip(view.frame.tolist(), places, strict=True)])


def about_fit(name: str, share: float) -> list[str]:
    """A word where somebody does not look like a person."""
    if share < _MISFIT:
        return []
    return [
        f"The skeleton of {name} does not fit what was seen: points are {100 * share:.0f} % of its size off in the median. Is it a "
        "person, and is the lens what it was taken to be?"
    ]
