"""HDF5 files, opened so that what is broken is told as such."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from recon3d.errors import InputError

_BROKEN = (OSError, KeyError, ValueError, RuntimeError, TypeError, IndexError, AttributeError, UnicodeError, MemoryError, OverflowError)
"""What h5py raises where bytes are not what they should be, or members are not there or of other kinds."""
_LARGEST = 8 * 2**30  # bytes of one data set


@contextlib.contextmanager
def open_hdf5(path: Path) -> Iterator[Any]:
    """The file, open to be read.

    Raises:
        InputError: cut, broken, or without what is asked of it.
    """
    import h5py

    try:
        with h5py.File(path, "r") as file:
            yield file
    except InputError:
        raise
    except _BROKEN as error:
        raise InputError(f"{path} is not a complete HDF5 file of its kind: {str(error)[:200]}") from None


def hdf5_names(path: Path) -> tuple[str, ...]:
    """Names of the members at the top."""
    with open_hdf5(path) as file:
        return tuple(file)


def held(data: Any, path: Path) -> np.ndarray:
    """All of a data set.

    Raises:
        InputError: more than fits in memory, as a broken file may announce.
    """
    if data.nbytes > _LARGEST:
        raise InputError(f"{path}: {data.name} announces {data.nbytes / 2**30:.0f} GiB")
    return np.asarray(data[()])


def strings(data: Any, path: Path) -> list[str]:
    """A data set of text.

    Raises:
        InputError: it holds something else.
    """
    found = held(data, path).reshape(-1).tolist()
    if not all(isinstance(text, bytes | str) for text in found):
        raise InputError(f"{path}: {data.name} is not text")
    return [text.decode("utf-8", "replace") if isinstance(text, bytes) else text for text in found]
