"""One tree of errors; every message says what, where, what was expected and what to do next."""

from collections.abc import Iterable


class Recon3dError(Exception):
    """Anything recon3d refuses. The command line prints the message and exits with 2."""


class ShapeError(Recon3dError):
    """An array does not have the axes or the kind of numbers that its field declares."""


class InputError(Recon3dError):
    """A file or a set of files cannot be used as they are."""


class CameraError(InputError):
    """Cameras are missing, mismatched or not plausible."""


class LayoutError(InputError):
    """Keypoints whose names are unknown, ambiguous or do not fit the layout asked for."""


class TooFewViewsError(Recon3dError):
    """Fewer cameras than the task can be solved with."""


class SetupError(Recon3dError):
    """Something that the machine lacks; the message names the package to install."""


def all_faults(faults: Iterable[str], heading: str) -> str:
    """One message that lists every fault of an input, so that a user mends them in one go."""
    return "\n".join([heading, *(f"  - {fault}" for fault in faults)])


def valid_names(names: Iterable[str]) -> str:
    """The valid names of a choice, for the end of a message."""
    return ", ".join(sorted(names)) or "(none)"
