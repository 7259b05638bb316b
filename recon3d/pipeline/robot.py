"""A take's motion on a robot."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from recon3d import io
from recon3d.errors import InputError, valid_names
from recon3d.pipeline.take import Take
from recon3d.robots import RobotQuality, find_urdf, follow, load_card, load_robot, quality, targets_of


def robot_take(
    take: Take, robot: str, urdf: Path | None = None, formats: Sequence[str] = ("csv", "npz"), fps: float = 0.0
) -> list[tuple[str, tuple[Path, ...], RobotQuality]]:
    """Every person's motion on a robot, as ``exports/<person>.<robot>.robot.<format>``.

    Args:
        take: where from, and where to.
        robot: name of a card, or a .toml file.
        urdf: of the robot; None for that of the package example-robot-data.
        formats: suffixes without the dot.
        fps: frames a second; 0 for those of the take.

    Returns:
        Of each person the name, the files and how good the motion is.

    Raises:
        InputError: an unknown card or format (the message lists those there are), a URDF that does not fit, a take without motion.
        SetupError: the libraries for robots are not installed.
    """
    card = load_card(robot)
    suffixes = [f".{f.lower().removeprefix('.')}" for f in formats]
    unknown = [s.removeprefix(".") for s in suffixes if s not in io.JOINT_WRITERS]
    if unknown or not suffixes:
        known = valid_names(s.removeprefix(".") for s in io.JOINT_WRITERS)
        raise InputError(f"robots' motions are not written as {', '.join(unknown) or 'nothing'}; there are {known}")
    rig = io.read_rig(take.folder / "rig.toml")
    if "floor" in rig.unknown:
        raise InputError(
            f"{take.folder}: where the floor is is not known, so feet cannot be stood on it; calibrate with it in sight "
            "(`recon3d calibrate boards --floor`, or people who walk)"
        )
    machine = load_robot(urdf if urdf is not None else find_urdf(card), card)
    out: list[tuple[str, tuple[Path, ...], RobotQuality]] = []
    for name in take.people():
        if not take.motion(name).is_file():
            raise InputError(f"{take.folder} does not hold motion/{name}.npz; run `recon3d reconstruct` again")
        motion = io.read_motion(take.motion(name))
        targets = targets_of(motion, machine, fps)
        moved = follow(machine, targets)
        good = quality(machine, moved, targets)
        paths = tuple(take.export(name, f".{card.name}.robot{suffix}") for suffix in suffixes)
        about = {**take.source(), "robot": card.name, "scale": targets.scale, "quality": asdict(good)}
        for path, suffix in zip(paths, suffixes, strict=True):
            io.JOINT_WRITERS[suffix](path, moved)
            io.write_joint_side_car(path, moved, motion, about)
        out.append((name, paths, good))
    return out
