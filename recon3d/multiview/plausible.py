"""Is it the rig of this recording, in metres, the right way round? Refused by name where it is not."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from recon3d.arrays import whole_rows
from recon3d.errors import CameraError, all_faults
from recon3d.geometry import CameraRig
from recon3d.geometry.readings import other_readings
from recon3d.geometry.triangulation import triangulate
from recon3d.multiview.people import Identities
from recon3d.multiview.subject import SubjectTracker, subject_only
from recon3d.multiview.sync import Views

_PERSON_M = (0.15, 5.0)  # span of a person's limbs, with room for babies and bad rigs
_HOPELESS = 0.25  # median residual over the person's extent: no rig of these cameras fits
_ENOUGH_LIMBS = 4  # joints that a size is taken from


def refuse_nobody(sample: Views, rig: CameraRig, min_confidence: float) -> None:
    """The cameras agree on no person: say who saw people, and whether another reading of the rig helps."""
    seen = np.isfinite(sample.xy[..., 0]).any(-1).any(-1).sum(1)
    if not seen.any():
        raise CameraError("nobody is seen by any camera")
    if (seen > 0).sum() >= 2:
        for label, other in other_readings(rig):
            tracker = SubjectTracker(other, min_confidence)
            xy, _ = subject_only(sample, tracker, min_confidence)
            if (np.isfinite(xy[..., 0]).sum(0) >= 2).mean() > 0.3:
                raise CameraError(f"the cameras agree on nobody as the rig stands, but they do if {label}")
    counts = ", ".join(f"{name}: {n} of {len(sample)}" for name, n in zip(rig.names, seen, strict=True))
    raise CameraError(f"no person is seen alike by two cameras (frames with people: {counts}); is it the right rig?")


def refuse_all(identities: Identities) -> None:
    """Nobody is left of those whom two cameras saw: say why each was refused."""
    if not identities.people:
        reasons = [f"{one.id}, {one.first:.2f} to {one.last:.2f} s: {one.reason}" for one in identities.refused]
        heading = "no person is seen alike by two cameras for long enough"
        if not reasons:
            raise CameraError(heading)
        kept = f"; who is a person after all is kept by `keep = [{identities.refused[0].id}]` in people.toml of the take folder"
        raise CameraError(all_faults(reasons, f"{heading}; found and refused, by id{kept}:"))


def refuse_hopeless(
    sample: Views, rig: CameraRig, limbs: Sequence[int], xy: Float[np.ndarray, "views frames joints 2"], min_confidence: float
) -> Float[np.ndarray, "frames joints 3"]:
    """Cameras that do not fit at all are not noise: try the usual misreadings of a rig and name the one that holds.

    Returns where the limbs are with all views believed, m.
    """
    with np.errstate(invalid="ignore"):
        extent = np.linalg.norm(np.fmax.reduce(xy, 2) - np.fmin.reduce(xy, 2), axis=-1)
    extent = extent[np.isfinite(extent)]
    size = float(np.median(extent)) if len(extent) else 0.0
    given, points = _typical_residual(rig, xy)
    if given < _HOPELESS * size or not size:
        return points
    said = f"median residual {given:.0f} px" if np.isfinite(given) else "people would stand behind its cameras"
    for label, other in other_readings(rig):
        again, _ = subject_only(sample, SubjectTracker(other, min_confidence), min_confidence)
        residual, _ = _typical_residual(other, again[:, :, list(limbs)])
        if residual < 0.5 * _HOPELESS * size:
            raise CameraError(f"the rig does not fit what its cameras saw ({said}); it does ({residual:.0f} px) if {label}")
    raise CameraError(
        f"the rig does not fit what its cameras saw: {said}, for people about {size:.0f} px large. "
        "Are the cameras named rightly, and is it the rig of this recording?"
    )


def refuse_giants(points: Float[np.ndarray, "frames joints 3"]) -> None:
    """A person of hundreds of metres, or of millimetres, is a rig in another unit."""
    points = points[whole_rows(points).sum(1) >= _ENOUGH_LIMBS]
    if not len(points):
        return
    size = float(np.median(np.linalg.norm(np.fmax.reduce(points, 1) - np.fmin.reduce(points, 1), axis=-1)))
    if not _PERSON_M[0] < size < _PERSON_M[1]:
        raise CameraError(
            f"the person spans {size:.3g} m from shoulders to ankles and wrists, which nobody does: the rig is not in metres. "
            "Give its unit with --rig-unit mm or cm"
        )


def _typical_residual(rig: CameraRig, xy: Float[np.ndarray, "views frames joints 2"]) -> tuple[float, Float[np.ndarray, "frames joints 3"]]:
    """Median distance of detections to the projected solution of all views (infinite behind cameras), and that solution."""
    flat = xy.reshape(len(rig), -1, 2)
    answer = triangulate(rig, flat, 1.0, max_depth_error=np.inf)
    off = np.linalg.norm(flat - rig.project(answer.xyz), axis=-1)
    tried = np.isfinite(flat[..., 0]) & (np.isfinite(flat[..., 0]).sum(0) >= 2)
    off = np.where(np.isfinite(off), off, np.inf)[tried]
    return float(np.median(off)) if len(off) else np.inf, answer.xyz.reshape(*xy.shape[1:3], 3)
