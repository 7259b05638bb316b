"""Files for other programs, from a take folder."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from recon3d import io
from recon3d.characters import auto_map, dressed, load_preset, read_map, retargeted
from recon3d.errors import InputError, valid_names
from recon3d.pipeline.take import Take, world_readers
from recon3d.records import Keypoints3D
from recon3d.records.keypoints3d import of_people
from recon3d.records.rest import in_rest_pose


def known_formats() -> tuple[str, ...]:
    """Suffixes without the dot."""
    return (*(s.removeprefix(".") for s in (*io.KEYPOINT_WRITERS, *io.MOTION_WRITERS, *io.ANIMATION_WRITERS)), *io.PROJECT_WRITERS)


def export_take(take: Take, formats: Sequence[str], rest: str = "T", preset: str = "") -> tuple[Path, ...]:
    """Write every person's keypoints or motion in these formats (suffixes without the dot).

    Args:
        take: where from, and where to.
        formats: suffixes, or names of programs that get the whole take as a folder (`io.PROJECT_WRITERS`).
        rest: the motion's pose at rest; a preset has its own.
        preset: whose names, axes, unit and rest pose animation files have (`recon3d.characters`); "" for our own.

    Raises:
        InputError: a format or preset that there is none of; the message lists those there are.
    """
    wanted = load_preset(preset) if preset else None
    formats = [f.lower().removeprefix(".") for f in formats]
    if not formats:
        raise InputError("no format to export to")
    unknown = [f for f in formats if f not in known_formats()]
    if unknown:
        raise InputError(f"no format {', '.join(unknown)}; there are {valid_names(known_formats())}")
    if wanted is not None and not any(f".{f}" in io.ANIMATION_WRITERS for f in formats):
        raise InputError(f"a preset is for animation files ({valid_names(io.ANIMATION_WRITERS)}), not for {', '.join(formats)}")
    people = take.people()
    lacking = [name for name in people if not take.motion(name).is_file()]
    if lacking or not people:
        files = ", ".join(f"motion/{name}.npz" for name in lacking) or "any motion"
        raise InputError(f"{take.folder} does not hold {files}; run `recon3d reconstruct` again")
    written = [_project(take, f, people) for f in formats if f in io.PROJECT_WRITERS]
    for name, person in people.items():
        for suffix in (f".{f}" for f in formats if f not in io.PROJECT_WRITERS):
            if suffix in io.KEYPOINT_WRITERS:
                target = take.export(name, suffix)
                windows = (of_people(world, [person]) for world in keypoint_windows(take))
                io.write_with_side_car(io.KEYPOINT_WRITERS[suffix], target, windows, take.source())
            elif suffix in io.MOTION_WRITERS:
                target = take.export(name, suffix)
                motion = io.read_motion(take.motion(name))
                io.MOTION_WRITERS[suffix](target, motion)
                io.write_side_car(target, motion, None, take.source())
            else:
                shape = load_preset("smpl") if suffix == ".amass.npz" else wanted
                target = take.export(name, f".{wanted.name}{suffix}" if wanted and shape is wanted else suffix)
                motion = io.read_motion(take.motion(name))
                animation = dressed(motion, shape) if shape else io.plain_animation(in_rest_pose(motion, rest), suffix)
                io.ANIMATION_WRITERS[suffix](target, animation)
                about = {**take.source(), "preset": shape.name if shape else "", "rest": shape.rest if shape else rest}
                io.write_side_car(target, motion, animation, about)
            written.append(target)
    return tuple(written)


def _project(take: Take, program: str, people: dict[str, int]) -> Path:
    """The whole take as a folder of another program."""
    rig = io.read_rig(take.folder / "rig.toml")
    seen = [io.read_keypoints2d(take.keypoints2d(name)) for name in rig.names if take.keypoints2d(name).is_file()]
    target = take.export("take", f".{program}")
    io.PROJECT_WRITERS[program](target, lambda: keypoint_windows(take), seen, rig, people)
    io.write_project_side_car(target, people, take.source())
    return target


def retarget_take(take: Take, character: Path, mapping: str = "auto") -> tuple[Path, ...]:
    """Every person's motion on somebody's own character (.glb, .vrm or .bvh), as ``exports/<person>.<character>.<suffix>``.

    Args:
        take: where from, and where to.
        character: file; a GLB's meshes and skins stay as they are.
        mapping: "auto", or a TOML file that says which of its joints is which of ours.

    Raises:
        InputError: a character that is none or lacks bones (the message says which), or a take without motion.
    """
    suffix = character.suffix.lower()
    if suffix not in (".glb", ".vrm", ".bvh"):
        raise InputError(f"{character}: a character is a .glb, .vrm or .bvh file")
    figure = io.ANIMATION_READERS[suffix](character)
    told = io.humanoid_of(character) if suffix != ".bvh" else {}
    ours_of = auto_map(figure.joints, told) if mapping == "auto" else read_map(Path(mapping), figure.joints)
    written: list[Path] = []
    for name in take.people():
        if not take.motion(name).is_file():
            raise InputError(f"{take.folder} does not hold motion/{name}.npz; run `recon3d reconstruct` again")
        motion = io.read_motion(take.motion(name))
        moved = retargeted(motion, figure, ours_of)
        target = take.export(name, f".{character.stem}{suffix}")
        if suffix == ".bvh":
            io.write(target, moved)
        else:
            io.write_glb_onto(target, moved, character)
        io.write_side_car(target, motion, moved, {**take.source(), "character": character.name, "joints": dict(ours_of)})
        written.append(target)
    return tuple(written)


def keypoint_windows(take: Take) -> Iterator[Keypoints3D]:
    """The take's 3D keypoints, from window files where they are there, else from the assembled file."""
    stage = take.recorded_stage("keypoints3d")
    if stage is not None:
        for reader in world_readers(stage.windows("people")):
            yield reader()
    else:
        yield io.read_keypoints3d(take.keypoints3d)
