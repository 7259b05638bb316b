"""From keypoints of a known rig's cameras to one person's, at common instants."""

from collections.abc import Sequence

from calibration.observed import Sampled, Track, instants_for, sample, tracks_of
from calibration.subject import choose_subject
from recon3d.errors import CameraError, InputError, valid_names
from recon3d.geometry import CameraRig
from recon3d.records import Keypoints2D


def evidence_of(rig: CameraRig, seen: Sequence[Keypoints2D], min_confidence: float, frames: int) -> tuple[CameraRig, list[Track], Sampled]:
    """The rig's cameras that were seen with, their tracks of one person, and these at common instants.

    Args:
        rig: the cameras.
        seen: one record a camera.
        min_confidence: detections below are not used.
        frames: used, of all that were recorded.

    Raises:
        CameraError: cameras that are not the rig's or saw nobody, or fewer than two that stand.
        InputError: layouts that differ.
    """
    names = [s.camera for s in seen]
    unknown = [name for name in names if name not in rig.names]
    if not unknown and len(names) >= 2:
        seen = [s for s in seen if not rig[s.camera].moves]
        names = [s.camera for s in seen]
        if len(names) < 2:
            raise CameraError(
                f"all but {len(names)} of the cameras move ({valid_names(rig.moving)}): poses are refined of cameras that stand"
            )
    if unknown or len(names) < 2:
        raise CameraError(
            f"two or more of the rig's cameras are needed ({valid_names(rig.names)}); the keypoints are of {valid_names(names)}"
        )
    if len({s.layout.name for s in seen}) > 1:
        raise InputError("all cameras must have one layout")
    used = rig.select([name for name in rig.names if name in names])
    ordered = [next(s for s in seen if s.camera == name) for name in used.names]
    candidates = [tracks_of(s, min_confidence) for s in ordered]
    empty = [s.camera for s, tracks in zip(ordered, candidates, strict=True) if not tracks]
    if empty:
        raise CameraError(f"{', '.join(empty)} saw nobody: leave {'it' if len(empty) == 1 else 'them'} out")
    tracks = choose_subject(candidates, [c.intrinsics for c in used], True)
    clocks = [camera.clock for camera in used]
    sampled = sample(tracks, clocks, instants_for(tracks, clocks, frames)).without_repeats()
    return used, tracks, sampled
