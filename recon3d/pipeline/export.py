"""Files for other programs, from a take folder."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from recon3d import io
from recon3d.errors import InputError, valid_names
from recon3d.pipeline.take import Take, world_readers
from recon3d.records import Keypoints3D
from recon3d.records.keypoints3d import of_people
from recon3d.records.rest import in_rest_pose


def export_take(take: Take, formats: Sequence[str], rest: str = "T") -> tuple[Path, ...]:
    """Write every person's keypoints or motion in these formats (suffixes without the dot); ``rest`` is the motion's rest pose.

    Raises:
        InputError: a format that there is none of; the message lists those there are.
    """
    formats = [f.lower().removeprefix(".") for f in formats]
    if not formats:
        raise InputError("no format to export to")
    unknown = [f for f in formats if f".{f}" not in io.KEYPOINT_WRITERS and f".{f}" not in io.MOTION_WRITERS]
    if unknown:
        known = [s.removeprefix(".") for s in (*io.KEYPOINT_WRITERS, *io.MOTION_WRITERS)]
        raise InputError(f"no format {', '.join(unknown)}; there are {valid_names(known)}")
    people = take.people()
    lacking = [name for name in people if not take.motion(name).is_file()]
    if lacking or not people:
        files = ", ".join(f"motion/{name}.npz" for name in lacking) or "any motion"
        raise InputError(f"{take.folder} does not hold {files}; run `recon3d reconstruct` again")
    written: list[Path] = []
    for name, person in people.items():
        for suffix in (f".{f}" for f in formats):
            target = take.export(name, suffix)
            if suffix in io.KEYPOINT_WRITERS:
                io.KEYPOINT_WRITERS[suffix](target, (of_people(world, [person]) for world in _windows(take)), 0)
            else:
                motion = io.read_motion(take.motion(name))
                io.MOTION_WRITERS[suffix](target, motion if "angles" in suffix else in_rest_pose(motion, rest))
            written.append(target)
    return tuple(written)


def _windows(take: Take) -> Iterator[Keypoints3D]:
    """The take's 3D keypoints, from window files where they are there, else from the assembled file."""
    stage = take.recorded_stage("keypoints3d")
    if stage is not None:
        for reader in world_readers(stage.windows("people")):
            yield reader()
    else:
        yield io.read_keypoints3d(take.keypoints3d)
