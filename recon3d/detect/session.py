"""The file that a card names, its hash checked, in a runner that fits its kind."""

import functools
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from jaxtyping import Shaped

from recon3d.detect.card import ModelCard
from recon3d.detect.onnx_session import open_onnx
from recon3d.detect.tflite_session import open_tflite
from recon3d.errors import InputError, valid_names


class Session(Protocol):
    """A network in memory, whatever runs it.

    Attributes:
        provider: what computes, by the names of `onnx_session.PROVIDERS`.
        dtype: of its input.
        shape: of its input, the images first; None where any length will do.
        outputs: their names, in the file's order.
    """

    provider: str
    dtype: np.dtype
    shape: tuple[int | None, ...]
    outputs: tuple[str, ...]

    def run(self, values: Shaped[np.ndarray, "..."], outputs: Sequence[str]) -> list[np.ndarray]:
        """These outputs for an input."""
        ...


_OPENED: dict[str, Callable[[bytes, str, int, str | None], Session]] = {".onnx": open_onnx, ".tflite": open_tflite}
"""By the file's suffix."""


def open_session(card: ModelCard, threads: int = 1, provider: str | None = None) -> Session:
    """The card's network, ready to run.

    Args:
        card: what it is.
        threads: it may use.
        provider: what must compute (see `open_onnx`); the best that there is where none is given.

    Raises:
        InputError: a file that is not there, not the card's, or no network; a provider that is not there.
        SetupError: a package or library does not load.
    """
    path = card.folder / card.file
    opened = _OPENED.get(path.suffix.lower())
    if opened is None:
        raise InputError(f"model {card.name}: {path.name} must be a file of {valid_names(_OPENED)}")
    return opened(_verified(path, card.sha256), card.name, threads, provider)


@functools.cache
def _verified(path: Path, sha256: str) -> bytes:
    if not path.is_file():
        raise InputError(f"model file {path} is not there")
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise InputError(f"model file {path} is not the one its card names (sha256 {found}, expected {sha256})")
    return content
