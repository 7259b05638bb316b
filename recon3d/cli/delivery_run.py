"""What the commands that give a take to other programs do."""

from rich.console import Console
from rich.table import Table

from recon3d.cli.delivery import Export, Opensim, Retarget, Robot, Stream
from recon3d.errors import InputError, valid_names
from recon3d.io import read_motion
from recon3d.pipeline import Take, export_take, opensim_take, retarget_take, robot_take
from recon3d.streams import parse_address, stream


def run_delivery(command: Export | Retarget | Robot | Opensim | Stream) -> None:
    """Run one of them."""
    if isinstance(command, Export):
        _export(command)
    elif isinstance(command, Retarget):
        _retarget(command)
    elif isinstance(command, Robot):
        _robot(command)
    elif isinstance(command, Opensim):
        _opensim(command)
    else:
        _stream(command)


def _export(command: Export) -> None:
    for path in export_take(Take.existing(command.take), [f.removeprefix(".") for f in command.to], command.rest, command.preset):
        Console().print(str(path), soft_wrap=True, markup=False)


def _retarget(command: Retarget) -> None:
    for path in retarget_take(Take.existing(command.take), command.to, command.map):
        Console().print(str(path), soft_wrap=True, markup=False)


def _robot(command: Robot) -> None:
    made = robot_take(Take.existing(command.take), command.robot, command.urdf, command.to, command.fps)
    out = Console()
    table = Table("person", "beyond limits", "collisions", "slide mm", "base off mm", "hands off mm", box=None, pad_edge=False)
    for name, _, q in made:
        numbers = (q.slide_mm, q.base_mm, q.hand_mm)
        table.add_row(name, str(q.limit_violations), str(q.collisions), *(f"{v:.1f}" for v in numbers))
    out.print(table)
    for _, paths, _ in made:
        for path in paths:
            out.print(str(path), soft_wrap=True, markup=False)


def _stream(command: Stream) -> None:
    take = Take.existing(command.take)
    asked = {"vmc": command.vmc, "json": command.udp_json, "osc": command.osc}
    targets = [(kind, parse_address(text, kind)) for kind, text in asked.items() if text is not None]
    if not targets:
        raise InputError("say where to: --vmc, --udp-json or --osc with host:port")
    people = take.people()
    unknown = [str(p) for p in command.people if p not in people.values()]
    if unknown:
        raise InputError(f"nobody with id {', '.join(unknown)} in {take.folder}; there are {valid_names(map(str, people.values()))}")
    motions = [read_motion(take.motion(name)) for name, person in people.items() if not command.people or person in command.people]
    for kind, address in targets:
        Console().print(f"{kind} to {address.host}:{address.port}", markup=False)
    sent = stream(motions, targets, command.speed, command.loop)
    Console().print(f"{sent} messages sent")


def _opensim(command: Opensim) -> None:
    out = Console()
    for made in opensim_take(Take.existing(command.take), command.run):
        out.print(str(made.folder), soft_wrap=True, markup=False)
        if made.off_deg:
            table = Table("person", "coordinate", "OpenSim off ours, deg", box=None, pad_edge=False)
            for name, off in made.off_deg.items():
                table.add_row(made.person, name, f"{off:.1f}")
            out.print(table)
            out.print(f"markers off measured ones: OpenSim {made.marker_mm:.1f} mm, ours {made.ours_mm:.1f} mm (root mean square)")
