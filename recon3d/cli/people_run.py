"""`recon3d people`: who is in a take."""

from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from recon3d.pipeline import Take, everybody_in, picture_everybody
from recon3d.pipeline.people import FILE, read_edits

_HELP = """ids as above; all keys are optional, and `recon3d reconstruct` with the same words does it:
keep = [3]                # refused, but a person
drop = [2]                # not wanted
merge = [[0, 4]]          # one person, the first id stays
[[cut]]                   # from this frame on, somebody else: a new id, or another person's
person = 1
frame = 240
new = 7
[name]                    # of files
0 = "anna\""""


def run_people(folder: Path) -> None:
    """Print the list, and write a picture of each."""
    take = Take.existing(folder)
    everybody, pictures = everybody_in(take), picture_everybody(take)
    names = {person: name for name, person in take.people().items()}
    table = Table("id", "name", "from s", "to s", "cameras", "picture", "", box=None, pad_edge=False)
    for one in everybody:
        note = Text(f"refused: {one.reason}", style="yellow") if one.reason else Text("")
        picture = pictures[one.id].relative_to(folder).as_posix() if one.id in pictures else "-"
        table.add_row(str(one.id), names.get(one.id, "-"), f"{one.first:.2f}", f"{one.last:.2f}", f"{one.views:.1f}", picture, note)
    out = Console()
    out.print(table)
    path = folder / FILE
    read_edits(path)
    said = "replayed on every run; its keys" if path.is_file() else "is not there; write it to change who is who"
    out.print(Text(f"{path}", style="bold") + Text(f" {said}: {_HELP}"), soft_wrap=True)
