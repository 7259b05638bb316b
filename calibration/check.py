"""Does a rig fit what its cameras saw? Other readings of the same numbers are tried, and the one that holds is named.

Files of other programs get direction, axes, units and camera names wrong. Every such reading is judged by the
residual of the same keypoints and by whether people stand upright and are of human size.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from calibration.observed import Sampled, instants_for, sample, tracks_of
from calibration.subject import choose_subject
from calibration.world import body_cue
from recon3d.errors import CameraError, valid_names
from recon3d.geometry import CameraRig
from recon3d.geometry.readings import other_readings
from recon3d.geometry.triangulation import RobustSettings, triangulate, triangulate_robust
from recon3d.motion.ground import ground_of
from recon3d.records import Keypoints2D
from recon3d.skeleton import LIMBS, Layout

_FRAMES = 60
_FEWEST = 10  # frames with a person in two views: any rig may fit fewer
_CLEARLY = 0.5  # a reading holds whose residual is below this share of the file's own
_FITS_SHARE = 0.012  # of a person's size in the image: residuals of a rig that is about right
_LOOSELY = 3.0  # times that: another reading, whose cameras may have moved since
_UPRIGHT_DEG = 30.0
_HUMAN = (0.6, 1.6)  # of the average body


@dataclass(frozen=True, slots=True)
class Reading:
    """One way to read a rig file, and how it fits.

    Attributes:
        label: what is taken differently.
        residual_px: median distance of limbs to the solution of all views; infinite behind cameras.
        lean_deg: of the people from the vertical; nan where no body was found.
        body: size of the people against the average body.
        rig: the rig read so.
    """

    label: str
    residual_px: float
    lean_deg: float
    body: float
    rig: CameraRig


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the check says.

    Attributes:
        readings: the file's own first, then the others by residual.
        holds: the reading that fits, or is clearly better than the file's own and not far off; None where none is.
        advice: one sentence for a person.
    """

    readings: tuple[Reading, ...]
    holds: Reading | None
    advice: str


def check_rig(rig: CameraRig, seen: Sequence[Keypoints2D]) -> Verdict:
    """Judge a rig by keypoints of its cameras.

    Raises:
        CameraError: keypoints of fewer than two of the rig's cameras, or too few of them.
    """
    names = [s.camera for s in seen if s.camera in rig.names and not rig[s.camera].moves]
    if len(names) < 2:
        raise CameraError(
            f"the check needs keypoints of two of the rig's standing cameras ({valid_names(rig.names)}); "
            f"there are {valid_names(s.camera for s in seen)}"
        )
    tracks_by_name = {s.camera: tracks_of(s) for s in seen if s.camera in names}
    used = rig.select([name for name in rig.names if tracks_by_name.get(name)])
    if len(used) < 2:
        raise CameraError(f"the check needs two cameras that saw somebody; of {valid_names(names)}, {len(used)} did")
    candidates = [tracks_by_name[name] for name in used.names]
    tracks = choose_subject(candidates, [c.intrinsics for c in used], True)
    clocks = [c.clock for c in used]
    sampled = sample(tracks, clocks, instants_for(tracks, clocks, _FRAMES))
    layout = tracks[0].layout
    together = int((np.isfinite(sampled.xy[..., 0]).any(-1).sum(0) >= 2).sum())
    if together < _FEWEST:
        raise CameraError(
            f"two cameras see a person together in {together} frame{'s' * (together != 1)}: "
            f"too little to judge a rig by, {_FEWEST} are needed"
        )
    readings = [_judged(label, other, sampled, layout) for label, other in _readings(used)]
    own, rest = readings[0], sorted(readings[1:], key=lambda r: r.residual_px)
    size = float(np.median([track.size for track in tracks]))
    return _verdict(own, rest, _FITS_SHARE * size)


def _readings(rig: CameraRig) -> list[tuple[str, CameraRig]]:
    out = [("as the file says", rig), *other_readings(rig)]
    for a, b in itertools.combinations(range(len(rig)), 2):
        cameras = list(rig.cameras)
        first, second = cameras[a], cameras[b]
        cameras[a] = replace(second, name=first.name)
        cameras[b] = replace(first, name=second.name)
        if first.intrinsics.size == second.intrinsics.size:
            out.append((f"{first.name} and {second.name} swapped", replace(rig, cameras=tuple(cameras), covariance=None)))
    return out


def _judged(label: str, rig: CameraRig, sampled: Sampled, layout: Layout) -> Reading:
    limbs = [layout.index(name) for name in LIMBS if name in layout.points] or list(range(len(layout)))
    xy = sampled.xy[:, :, limbs].reshape(len(rig), -1, 2)
    answer = triangulate(rig, xy, np.ones(xy.shape[:2]), max_depth_error=np.inf)
    off = np.linalg.norm(xy - rig.project(answer.xyz), axis=-1)
    tried = np.isfinite(xy[..., 0]) & (np.isfinite(xy[..., 0]).sum(0) >= 2)
    off = np.where(np.isfinite(off), off, np.inf)[tried]
    residual = float(np.median(off)) if len(off) else float("inf")
    lean, body = float("nan"), float("nan")
    if np.isfinite(residual):
        found = triangulate_robust(rig, sampled.flat_xy, sampled.flat_sigma * max(residual / 3, 1.0), RobustSettings(max_depth_error=0.3))
        points = found.xyz.reshape(*sampled.xy.shape[1:3], 3)
        ground, cue = ground_of(points, sampled.instant, layout), body_cue(points, layout)
        if ground is not None:
            lean = float(np.rad2deg(np.arccos(np.clip(ground.up[2], -1, 1))))
        if cue is not None:
            body = 1 / cue.metres
    return Reading(label, residual, lean, body, rig)


def _verdict(own: Reading, rest: list[Reading], fits_px: float) -> Verdict:
    readings = (own, *rest)
    best = rest[0] if rest else own
    holds = own if own.residual_px <= fits_px or best.residual_px > _CLEARLY * own.residual_px else best
    if not np.isfinite(holds.residual_px):
        return Verdict(readings, None, "no reading puts what was seen in front of the cameras: other lenses, or another recording")
    if holds is not own and holds.residual_px > _LOOSELY * fits_px:
        stands = f"{own.residual_px:.0f} px as the file stands" if np.isfinite(own.residual_px) else "behind cameras as the file stands"
        return Verdict(
            readings,
            None,
            f"nothing fits: limbs lie {holds.residual_px:.0f} px from the solution of all views in the nearest reading ({holds.label}), "
            f"{stands}; a rig that is about right has {fits_px:.0f} px. Check that rig and recording belong together, that each camera's "
            "files carry its name, and that the lenses are of these images",
        )
    advice: list[str] = []
    if holds is not own:
        advice.append(f"the file fits with {holds.residual_px:.1f} px when read so: {holds.label} (as it stands {own.residual_px:.1f} px)")
    elif holds.residual_px > fits_px:
        advice.append(
            f"limbs lie {holds.residual_px:.1f} px from the solution of all views, and no other reading is much better: "
            "some cameras have moved or their clocks differ; try `recon3d calibrate refine`"
        )
    else:
        advice.append(f"the rig fits: {holds.residual_px:.1f} px")
    if np.isfinite(holds.body) and not _HUMAN[0] < holds.body < _HUMAN[1]:
        unit = next((name for name, factor in (("mm", 1000), ("cm", 100)) if _HUMAN[0] < holds.body / factor < _HUMAN[1]), None)
        advice.append(
            f"people are {holds.body:.3g} times as large as people are"
            + (f": the file is in {unit}, give --rig-unit {unit}" if unit else "")
        )
    if np.isfinite(holds.lean_deg) and holds.lean_deg > _UPRIGHT_DEG:
        how = "upside down" if holds.lean_deg > 150 else f"{holds.lean_deg:.0f} deg from upright"
        advice.append(f"people are {how}: the file's vertical axis is not z")
    fitting = holds.residual_px <= fits_px or holds is not own
    return Verdict(readings, holds if fitting else None, "; ".join(advice))
