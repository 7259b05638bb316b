"""What several commands have in common: a range of frames, and a progress bar."""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from recon3d.errors import InputError

if TYPE_CHECKING:
    from recon3d.pipeline import Progress as Told

T = TypeVar("T")


def frame_range(text: str) -> tuple[int, int | None]:
    """First frame, and the one to stop before, of A:B."""
    start, colon, end = text.partition(":")
    try:
        first, stop = int(start or 0), int(end) if end else None
    except ValueError:
        raise InputError(f"--frames {text}: give A:B with whole numbers, B not included") from None
    if not colon or first < 0 or (stop is not None and stop <= first):
        raise InputError(f"--frames {text}: give A:B with 0 <= A < B; B is not included")
    return first, stop


def watched(work: "Callable[[Told], T]") -> T:
    """Do work that tells how far it is, under a progress bar a stage."""
    columns = (
        TextColumn("{task.description:16}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total} frames"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bars:
        tasks: dict[str, TaskID] = {}

        def progress(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total)
            bars.update(tasks[stage], completed=done, total=total)

        return work(progress)
