"""What the commands about 2D keypoints do."""

from rich.console import Console

from recon3d.cli.evidence import Convert, Detect, Quantise, Systems


def run_evidence(command: Detect | Convert | Quantise | Systems) -> None:
    """Do it, and print what there is to say."""
    if isinstance(command, Detect):
        _detect(command)
    elif isinstance(command, Convert):
        _convert(command)
    elif isinstance(command, Quantise):
        _quantise(command)
    else:
        _systems(command)


def _detect(command: Detect) -> None:
    from recon3d.cli.watch import frame_range, watched
    from recon3d.detect import TrackSettings
    from recon3d.pipeline import DetectJob, detect_videos

    first, stop = frame_range(command.frames)
    settings = TrackSettings(speed=command.speed, detector=command.detector, max_people=command.people, neighbours_s=command.neighbours_s)
    job = DetectJob(command.videos, command.out, settings, first, stop, command.scores, command.overlay)
    out = Console()
    for found in watched(lambda progress: detect_videos(job, progress)):
        files = ", ".join(str(path) for path in found.files)
        out.print(
            f"camera {found.camera}: {found.frames} frames, {found.people} people, run on {found.provider}: written {files}",
            soft_wrap=True,
            markup=False,
        )


def _convert(command: Convert) -> None:
    from recon3d.errors import InputError
    from recon3d.io import KeypointOptions, read_keypoints, write_keypoints
    from recon3d.video import SUFFIXES

    out = Console(stderr=True)
    found = read_keypoints(command.source, KeypointOptions(command.fps, command.size, command.layout, command.camera), command.format)
    for note in found.notes:
        out.print(f"note: {note}", soft_wrap=True, markup=False)
    ending = {"recon3d": ".npz", "coco": ".json", "deeplabcut": ".csv", "sleap": ".slp", "sleap-csv": ".csv", "openpose": ""}[command.to]
    if command.to != "openpose" and len(found.views) == 1 and command.target.is_dir():
        raise InputError(f"{command.target} is a folder; give a file to write")
    if command.target.suffix.lower() in SUFFIXES:
        raise InputError(f"{command.target} has the ending of a video; keypoints are written")
    for view in found.views:
        target = command.target if len(found.views) == 1 else command.target / f"{view.camera}{ending}"
        write_keypoints(target, view, command.to)
        people = int((view.confidence > 0).any(-1).sum())
        out.print(
            f"{found.format}, camera {view.camera}: {len(view)} frames, {people} people, layout {view.layout.name}: written {target}",
            soft_wrap=True,
            markup=False,
        )


def _quantise(command: Quantise) -> None:
    from recon3d.detect.quantise import quantised
    from recon3d.errors import InputError
    from recon3d.pipeline import find_videos
    from recon3d.video import open_videos

    if command.pictures < 1:
        raise InputError(f"--pictures must be 1 or more, not {command.pictures}")
    videos = open_videos(find_videos(command.videos))
    step = max(1, sum(video.count for video in videos) // command.pictures)
    card = quantised(command.model, (frame.image for video in videos for frame in video.frames() if frame.number % step == 0), command.out)
    size = (command.out / card.file).stat().st_size / 1e6
    where = f"{command.out / card.file} ({size:.1f} MB), {command.out / (card.name + '.toml')}"
    Console().print(f"written: {where}; use it with --detector", soft_wrap=True, markup=False)


def _systems(command: Systems) -> None:
    from rich.table import Table

    from recon3d.errors import InputError, valid_names
    from recon3d.systems import all_systems

    chosen = [system for system in all_systems() if command.name.lower() in system.name.lower()]
    if not chosen:
        raise InputError(f"no system's name holds {command.name!r}; there are {valid_names(s.name for s in all_systems())}")
    table = Table("system", "reads", "runs", "licence of code / weights", "mind", box=None, pad_edge=False)
    for system in chosen:
        how = f"shipped: {', '.join(system.ships)}" if system.ships else f"with {system.needs}" if system.needs else "-"
        licence = f"{system.code or '?'} / {system.weights or '?'}"
        table.add_row(system.name, ", ".join(system.reads) or "-", how, licence, f"[yellow]{system.warning}[/]" if system.warning else "")
    out = Console(width=max(Console().width, 150))
    out.print(table)
    out.print(f"{len(chosen)} systems; ? where a system does not say. Nothing that recon3d ships is non-commercial or AGPL.")
