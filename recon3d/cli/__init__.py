"""The command line: the only place that prints and that catches errors."""

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro
from tyro.conf import Positional, arg

from recon3d.cli.body import Body, run_body
from recon3d.cli.calibrate import Calibrate
from recon3d.cli.delivery import Export, Opensim, Retarget, Robot, Stream
from recon3d.cli.evidence import Convert, Detect, Quantise, Systems
from recon3d.cli.head import Head, run_head
from recon3d.cli.lift import Lift, run_lift

if TYPE_CHECKING:
    from rich.console import Console

_LISTED = 8  # refused people in the summary

# Heavy imports stay inside the functions: `recon3d --help` must answer at once.


@dataclass(frozen=True)
class Demo:
    """Run the main job on the embedded recording: four cameras, a person balancing; then fit a body to the person."""

    out: Annotated[Path, arg(aliases=["-o"])] = Path("recon3d-demo")
    """Folder to write the take into."""
    keypoints: bool = False
    """Start from the shipped OpenPose keypoints instead of the videos, which is quicker."""


@dataclass(frozen=True)
class Reconstruct:
    """Videos or 2D keypoints of a calibrated rig to 3D skeletons, motion and files."""

    input: Positional[tuple[str, ...]]
    """camera=path pairs, or one folder whose files or subfolders carry the cameras' names."""
    rig: Path
    """Cameras: rig.toml, or a file of another system (recon3d calibrate import --help lists them)."""
    out: Annotated[Path, arg(aliases=["-o"])]
    """Take folder."""
    config: Path | None = None
    """Settings (TOML), see configs/."""
    speed: Literal["fast", "default", "accurate"] | None = None
    """Which networks look at videos; goes before the settings."""
    detector: str | None = None
    """Model card of a network of one's own to look at videos with (.toml, or a name); goes before the settings."""
    people: int | None = None
    """How many people there are at the most: those who are seen most; all that there are by default. Goes before the settings."""
    frames: str = ":"
    """Source frames A:B, B not included."""
    layout: str | None = None
    """Layout of keypoint files that do not tell theirs: a name (recon3d doctor lists them) or a .toml file."""
    fps: float | None = None
    """Frame rate of inputs that do not tell theirs (OpenPose files)."""
    rig_unit: Literal["m", "cm", "mm"] | None = None
    """Unit of rig files that do not tell theirs."""
    image_fit: Literal["refuse", "scale", "letterbox", "crop"] = "refuse"
    """How images of another shape than the calibrated one came about."""
    scores: Path | None = None
    """What was learned of the detector's scores (recon3d calibrate scores)."""


@dataclass(frozen=True)
class Motion:
    """Solve a take's motion again with other settings; everything before it is kept."""

    take: Positional[Path]
    """Take folder."""
    armature: str | None = None
    """Name or .toml path of the armature; auto for the layout's own."""
    longest_gap: float | None = None
    """Seconds without any detection that are bridged."""
    free_cameras: bool | None = None
    """Correct the cameras' places and clocks a little, together with the motion."""


@dataclass(frozen=True)
class People:
    """List who was found in a take and who was refused, with pictures; people.toml in the take folder changes it."""

    take: Positional[Path]
    """Take folder."""


@dataclass(frozen=True)
class Judge:
    """Compare a take with true positions: PCP, MPJPE, MOTA, IDF1, ghosts."""

    take: Positional[Path]
    """Take folder."""
    truth: Positional[Path]
    """keypoints3d.npz, .npy or .npz arrays, actorsGT.mat (Campus, Shelf), or a folder of CMU Panoptic's body3DScene_*.json."""
    layout: str | None = None
    """Layout of arrays."""
    unit: Literal["m", "cm", "mm"] | None = None
    """Unit of arrays, metres by default."""


@dataclass(frozen=True)
class Report:
    """Print a take's summary again, and say where its page is."""

    take: Positional[Path]
    """Take folder."""


@dataclass(frozen=True)
class Doctor:
    """Check that everything recon3d needs loads and works on this machine."""


Command = (
    Demo
    | Reconstruct
    | Lift
    | Detect
    | Convert
    | Motion
    | Body
    | Head
    | Export
    | Retarget
    | Robot
    | Opensim
    | Stream
    | Judge
    | People
    | Report
    | Calibrate
    | Quantise
    | Systems
    | Doctor
)


def main() -> None:
    """Entry point. Exit status: 0 done, 2 the input or the machine cannot be used (the message says why)."""
    command = tyro.cli(Command, prog="recon3d", description="3D human motion from 2D keypoints or videos.")
    from recon3d.errors import Recon3dError

    try:
        _run(command)
    except Recon3dError as error:
        from rich.console import Console
        from rich.text import Text

        Console(stderr=True).print(Text("error: ", style="bold red") + Text(str(error)))
        sys.exit(2)
    except OSError as error:
        from rich.console import Console

        where = f": {error.filename}" if error.filename else ""
        Console(stderr=True).print(f"error: {error.strerror or error}{where}", soft_wrap=True, markup=False)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


def _run(command: Command) -> None:
    if isinstance(command, Demo):
        _demo(command)
    elif isinstance(command, Reconstruct):
        _reconstruct(command)
    elif isinstance(command, Lift):
        _lift(command)
    elif isinstance(command, Detect | Convert | Quantise | Systems):
        from recon3d.cli.evidence_run import run_evidence

        run_evidence(command)
    elif isinstance(command, Motion):
        _motion(command)
    elif isinstance(command, Body):
        run_body(command)
    elif isinstance(command, Head):
        run_head(command)
    elif isinstance(command, Export | Retarget | Robot | Opensim | Stream):
        from recon3d.cli.delivery_run import run_delivery

        run_delivery(command)
    elif isinstance(command, Judge):
        _judge(command)
    elif isinstance(command, People):
        from recon3d.cli.people_run import run_people

        run_people(command.take)
    elif isinstance(command, Report):
        _report(command)
    elif isinstance(command, Calibrate):
        from recon3d.cli.calibrate_run import run_calibrate

        run_calibrate(command.command)
    else:
        _doctor()


def _demo(command: Demo) -> None:
    from importlib import resources

    from recon3d.pipeline import Job

    data = Path(str(resources.files("recon3d"))) / "data" / "balance4"
    source = "openpose" if command.keypoints else "videos"
    fps = 60.0 if command.keypoints else None
    _watch(Job(data / "Calib.qca.txt", (str(data / source),), command.out, fps=fps, image_fit="letterbox"))
    run_body(Body(command.out))


def _reconstruct(command: Reconstruct) -> None:
    from recon3d.cli.watch import frame_range
    from recon3d.pipeline import Job, load_settings

    first, stop = frame_range(command.frames)
    settings = load_settings(command.config)
    if command.speed is not None:
        settings = replace(settings, detect=replace(settings.detect, speed=command.speed))
    if command.detector is not None:
        settings = replace(settings, detect=replace(settings.detect, detector=command.detector))
    if command.people is not None:
        settings = replace(settings, multiview=replace(settings.multiview, people=command.people))
    _watch(
        Job(
            rig=command.rig,
            inputs=command.input,
            out=command.out,
            settings=settings,
            first=first,
            stop=stop,
            layout=command.layout,
            fps=command.fps,
            rig_unit=command.rig_unit,
            image_fit=command.image_fit,
            scores=command.scores,
        )
    )


def _lift(command: Lift) -> None:
    _print_summary(run_lift(command).take.folder)
    if command.against is not None:
        from rich.console import Console

        from recon3d.pipeline import Take, compare_takes

        out = Console()
        for one in compare_takes(Take.existing(command.out), Take.existing(command.against)):
            out.print(one.text(), markup=False)


def _motion(command: Motion) -> None:
    from recon3d.cli.watch import watched
    from recon3d.pipeline import Job, Take, job_of, lift_take, with_motion

    job = job_of(Take.existing(command.take))
    if isinstance(job, Job):
        _watch(with_motion(job, command.armature, command.longest_gap, command.free_cameras))
        return
    again = with_motion(job, command.armature, command.longest_gap, command.free_cameras)
    _print_summary(watched(lambda progress: lift_take(again, progress)).take.folder)


def _watch(job: "object") -> None:
    """Run a job under a progress bar, then print what there is to say."""
    from recon3d.cli.watch import watched
    from recon3d.pipeline import Job, run

    assert isinstance(job, Job)
    result = watched(lambda progress: run(job, progress))
    _print_summary(result.take.folder)


def _print_summary(folder: Path) -> None:
    from rich.console import Console
    from rich.panel import Panel
    from rich.table import Table
    from rich.text import Text

    from recon3d.io.files import read_json

    out, s = Console(), read_json(folder / "report.json")
    length = f"{s['frames']} frames, {s['seconds']:.2f} s at {s['fps']:.4g} frames/s"
    out.print(f"[bold]{len(s['cameras'])} cameras[/], {length}, {len(s['joints'])} joints")
    out.print(
        f"joints reconstructed {100 * s['observed']:.1f} %, median residual {_number(s['residual_px'])} px, "
        f"uncertainty {_number(s['sigma_mm'])} mm, armature to keypoints {_number(s['fit_mm'])} mm"
    )
    table = Table("camera", "joints seen %", "residual px", "left out px", "scatter px", box=None, pad_edge=False)
    for row in zip(s["cameras"], s["camera_seen"], s["camera_residual_px"], s["camera_left_out_px"], s["camera_scatter_px"], strict=True):
        name, seen, *numbers = row
        table.add_row(name, _number(100 * seen), *(_number(v) for v in numbers))
    out.print(table)
    if len(s["people"]) > 1 or s["refused"]:
        _print_people(out, s)
    for person in s["people"]:
        if gaps := person["longest_gaps"]:
            whose = f"person {person['name']}, " if len(s["people"]) > 1 else ""
            where = f"{gaps[0]['joint']}, {gaps[0]['frames']} frames from frame {gaps[0]['first_frame']}"
            out.print(f"{whose}gaps: {len(gaps)} joints; the longest {where}", markup=False)
    for warning in s["warnings"]:
        out.print(Panel(Text(warning), border_style="yellow", title="suspicious", title_align="left"))
    found = (p for p in folder.rglob("*") if p.is_file() and not p.name.startswith("."))
    files = sorted(p for p in found if "stages" not in p.relative_to(folder).parts)
    names = ", ".join(p.relative_to(folder).as_posix() for p in files)
    out.print(Text(str(folder), style="bold") + Text(f": {names}"), soft_wrap=True)


def _print_people(out: "Console", s: dict[str, Any]) -> None:
    from rich.table import Table

    people = Table("person", "from s", "to s", "joints %", "residual px", "uncertainty mm", box=None, pad_edge=False)
    for one in s["people"]:
        numbers = (100 * one["observed"], one["residual_px"], one["sigma_mm"])
        people.add_row(one["name"], f"{one['first_s']:.2f}", f"{one['last_s']:.2f}", *(_number(v) for v in numbers))
    out.print(people)
    for one in s["refused"][:_LISTED]:
        out.print(f"refused {one['id']}, {one['first_s']:.2f} to {one['last_s']:.2f} s: {one['reason']}", markup=False)
    if len(s["refused"]) > _LISTED:
        out.print(f"and {len(s['refused']) - _LISTED} more, in report.json")


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _judge(command: Judge) -> None:
    from rich.console import Console

    from recon3d.io import read_truth
    from recon3d.pipeline import Take, judge_take

    scores = judge_take(Take.existing(command.take), read_truth(command.truth, command.layout, command.unit))
    persons = scores.match.shape[1]
    out = Console()
    out.print(f"{scores.match.shape[0]} frames, {persons} true {'person' if persons == 1 else 'people'}")
    out.print(f"PCP {scores.pcp:.4f}, MPJPE {scores.mpjpe_mm:.1f} mm, MOTA {scores.mota:.4f}, IDF1 {scores.idf1:.4f}")
    out.print(f"ghosts {scores.ghosts}, exchanged identities {scores.switches}")


def _report(command: Report) -> None:
    from recon3d.pipeline import Take

    take = Take.existing(command.take)
    _print_summary(take.folder)


def _doctor() -> None:
    from rich.console import Console
    from rich.text import Text

    from recon3d.doctor import checks
    from recon3d.errors import SetupError

    out, faults = Console(), 0
    for name, check in checks():
        try:
            out.print(Text("ok    ", style="green") + Text(f"{name}: {check()}"), soft_wrap=True)
        except SetupError as error:
            faults += 1
            out.print(Text("lacks ", style="bold red") + Text(f"{name}: {error}"), soft_wrap=True)
    if faults:
        raise SetupError(f"{faults} of the checks above failed")
