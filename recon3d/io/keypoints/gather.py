"""Values out of parsed files: numbers where numbers should be, and all that is wrong with a file at once."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Float, Int

from recon3d.errors import InputError, all_faults
from recon3d.io.keypoints.found import PeopleRows

_MAX_FAULTS = 8
_LAST_NUMBER = re.compile(r"(\d+)(?!.*\d)", re.DOTALL)
_LARGEST_FRAME = 2**53
Value = TypeVar("Value")


def numbers(value: Any, where: str) -> Float[np.ndarray, "*shape"]:
    """A list of numbers, nested evenly or not at all; null is NaN. Arrays of json_tricks are unwrapped.

    Raises:
        InputError: something else; the message says where.
    """
    if isinstance(value, dict) and "__ndarray__" in value:
        value = value["__ndarray__"]
    if isinstance(value, list | tuple | int | float) and not isinstance(value, bool):
        try:
            found = np.array(value, dtype=np.float64)
        except (TypeError, ValueError, OverflowError):
            pass
        else:
            return found
    raise InputError(f"{where} holds something that is not a number, or lists of different lengths")


def number(value: Any, where: str) -> float:
    """One number; [3.5] is 3.5, null NaN."""
    found = numbers([value], where).reshape(-1)
    if len(found) != 1:
        raise InputError(f"{where} has {len(found)} numbers: one was expected")
    return float(found[0])


def rows_of(value: Any, width: int, where: str) -> Float[np.ndarray, "points values"]:
    """A flat list, or one of lists, as rows of so many values."""
    found = numbers(value, where)
    if found.ndim == 2 and found.shape[1] == width:
        return found
    if found.ndim == 1 and found.size and found.size % width == 0:
        return found.reshape(-1, width)
    raise InputError(f"{where} has {found.shape} values: a list of {width} numbers for each point was expected")


def whole(value: Any, where: str) -> int:
    """A whole number that may be a frame or an identity; 3.0 and [3] are 3.

    Raises:
        InputError: something else, or a number beyond all sense.
    """
    value = value[0] if isinstance(value, list) and len(value) == 1 else value
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _LARGEST_FRAME and value == int(value):
        return int(value)
    raise InputError(f"{where}: {str(value)[:40]!r} is not a whole number")


def frame_of_name(name: Any, where: str) -> int:
    """The frame of an image, by the last number in its name; of a number, the number.

    Raises:
        InputError: no number in it.
    """
    if isinstance(name, str):
        found = _LAST_NUMBER.search(name)
        if found is not None and len(found[1]) <= 15:
            return int(found[1])
        raise InputError(f"{where}: no frame number in the image name {name[:80]!r}")
    return whole(name, where)


def scored(places: Any, scores: Any, where: str) -> Float[np.ndarray, "points 3"]:
    """Lists of x, y and of scores as rows of x, y, score.

    Raises:
        InputError: lists of other lengths, or points in space.
    """
    xy, score = rows_of(places, 2, where), numbers(scores, f"{where}, scores").reshape(-1)
    if len(xy) != len(score):
        raise InputError(f"{where} has {len(xy)} points and {len(score)} scores")
    return np.concatenate([xy, score[:, None]], axis=1)


def numbered(folder: Path, pattern: str) -> list[tuple[int, Path]]:
    """Files by the frame, which is the last number in the name before its endings; rising.

    Raises:
        InputError: none, one without a number, or two of one frame; all at once.
    """
    found: dict[int, Path] = {}
    faults: list[str] = []
    for file in sorted(folder.glob(pattern)):
        try:
            frame = frame_of_name(file.name.removesuffix(pattern.removeprefix("*")), file.name)
        except InputError as error:
            faults.append(str(error))
            continue
        if frame in found:
            faults.append(f"{file.name}: frame {frame} has {found[frame].name} already")
        found[frame] = file
    if not found and not faults:
        raise InputError(f"{folder} holds no files {pattern}")
    if faults:
        more = [f"... and {len(faults) - _MAX_FAULTS} more"] if len(faults) > _MAX_FAULTS else []
        raise InputError(all_faults(faults[:_MAX_FAULTS] + more, f"files of {folder} cannot be used:"))
    return sorted(found.items())


def ids_of_names(names: Sequence[str]) -> Int[np.ndarray, "people"]:
    """Identities of named people: the number that a name ends in, where all have one of their own, else the place."""
    found = [re.search(r"(\d{1,9})$", name) for name in names]
    ids = [int(number[1]) for number in found if number is not None]
    return np.array(ids if len(set(ids)) == len(names) else range(len(names)), dtype=np.int64)


def entries(value: Any, where: str) -> list[dict[str, Any]]:
    """A list of objects.

    Raises:
        InputError: something else.
    """
    if isinstance(value, list) and all(isinstance(entry, dict) for entry in value):
        return value
    raise InputError(f"{where} is not a list of objects")


def corners(box: Any, where: str) -> Float[np.ndarray, "4"]:
    """x0, y0, x1, y1, in a list of its own or not; what comes after them is left out."""
    found = numbers(box, where).reshape(-1)
    if len(found) not in (4, 5):
        raise InputError(f"{where} has {len(found)} numbers: x0, y0, x1 and y1 were expected")
    return found[:4]


def xyxy(box: Any, where: str) -> Float[np.ndarray, "4"]:
    """x, y, width, height as x0, y0, x1, y1."""
    found = numbers(box, where).reshape(-1)
    if len(found) != 4:
        raise InputError(f"{where} has {len(found)} numbers: x, y, width and height were expected")
    x, y, width, height = found.tolist()
    return np.array([x, y, x + width, y + height])


class Gather:
    """People row by row, and every fault of the file, told together."""

    def __init__(self, path: Path):
        self.path = path
        self._frame: list[int] = []
        self._points: list[np.ndarray] = []
        self._person: list[int] = []
        self._box: list[np.ndarray] = []
        self._empty: set[int] = set()
        self._faults: list[str] = []
        self._more = 0
        self.notes: tuple[str, ...] = ()

    def attempt(self, read: Callable[..., Value], *arguments: Any) -> Value | None:
        """What ``read`` gives of the arguments, or None after its fault was noted."""
        try:
            return read(*arguments)
        except InputError as error:
            if len(self._faults) < _MAX_FAULTS:
                self._faults.append(str(error))
            else:
                self._more += 1
            return None

    def add(self, frame: int, points: Float[np.ndarray, "joints 3"], person: int = -1, box: np.ndarray | None = None) -> None:
        """A person in a frame: x, y, score of each point."""
        self._frame.append(frame)
        self._points.append(points)
        self._person.append(person)
        self._box.append(np.full(4, np.nan) if box is None else box)

    def seen(self, frame: int) -> None:
        """A frame that the file speaks of, with people or without."""
        self._empty.add(frame)

    @property
    def counts(self) -> list[int]:
        """Different numbers of points that people have."""
        return sorted({len(points) for points in self._points})

    def done(self, joints: int | None = None) -> PeopleRows:
        """All rows.

        Args:
            joints: number of points where nobody tells it.

        Raises:
            InputError: faults that were noted, or people with different numbers of points.
        """
        faults = [*self._faults, *([f"... and {self._more} more"] if self._more else [])]
        if len(self.counts) > 1:
            faults.append(f"people have {', '.join(map(str, self.counts))} points: one layout was expected")
        if faults:
            raise InputError(all_faults(faults, f"{self.path} cannot be used:"))
        if not self._points and not self._empty:
            raise InputError(f"{self.path} holds no people and no frames")
        frames = np.array(sorted(self._empty | set(self._frame)), dtype=np.int64)
        if not self._points:
            shape = (0, joints or 1)
            return PeopleRows.of(np.zeros(0, np.int64), np.zeros((*shape, 3)), frames=frames)
        frame, person = np.array(self._frame, dtype=np.int64), np.array(self._person, dtype=np.int64)
        named = np.stack([frame, person], axis=1)[person >= 0]
        if len(np.unique(named, axis=0)) < len(named):
            person = np.full_like(person, -1)
            self.notes = ("several people of one frame have the same id: ids were left out",)
        return PeopleRows.of(
            frame,
            np.stack(self._points),
            person,
            np.stack(self._box),
            frames,
        )
