"""Reading and writing files safely: whole or not at all, and errors that name the file."""

import contextlib
import errno
import json
import os
import shutil
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from recon3d.errors import InputError


@contextlib.contextmanager
def atomic(path: Path, mode: str = "w") -> Iterator[IO[Any]]:
    """A file that appears under its name only when everything was written; an error leaves nothing behind."""
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "is a folder, not a file", str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    text = "b" not in mode
    try:
        with open(part, mode, encoding="utf-8" if text else None, newline="\n" if text else None) as stream:
            yield stream
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def fresh_folder(path: Path, mark: str) -> Iterator[Path]:
    """An empty folder that takes its name only when everything was written, in place of an older one of the same kind.

    Args:
        path: of the folder.
        mark: file or folder that only folders of this kind have; what lacks it is not replaced.

    Raises:
        FileExistsError: something else is there.
    """
    if path.exists() and not (path / mark).exists():
        raise FileExistsError(errno.EEXIST, f"is there and was not written by recon3d (it has no {mark})", str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.", suffix=".part") as above:
        folder = Path(above) / path.name
        folder.mkdir()
        yield folder
        if path.exists():
            shutil.rmtree(path)
        os.replace(folder, path)


def read_text(path: Path) -> str:
    """A text file as UTF-8.

    Raises:
        InputError: it is not there, is a folder, or is not text.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"no such file: {path}") from None
    except IsADirectoryError:
        raise InputError(f"{path} is a folder, not a file") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not a text file (byte {error.start} is not UTF-8)") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None


def read_toml(path: Path) -> dict[str, Any]:
    """A TOML file; `InputError` with the line where it is broken."""
    try:
        return tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path} is not valid TOML: {error}") from None


def read_json(path: Path) -> Any:
    """A JSON file; `InputError` with the place where it is broken or cut."""
    text = read_text(path)
    if not text.strip():
        raise InputError(f"{path} is empty")
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{path} is not complete JSON: {error.msg} at line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise InputError(f"{path} is nested too deeply to be keypoints") from None
    except ValueError as error:  # a whole number of thousands of digits
        raise InputError(f"{path} holds a number that nobody can mean: {error}") from None


def write_json(path: Path, data: Any) -> None:
    """A JSON file, whole or not at all; NaN becomes null."""
    with atomic(path) as stream:
        stream.write(json.dumps(plain(data), indent=1, allow_nan=False, ensure_ascii=False))
        stream.write("\n")


def plain(value: Any) -> Any:
    """Arrays and NumPy numbers as JSON's own; NaN and infinities as None."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | frozenset | set):
        return [plain(v) for v in value]
    if isinstance(value, np.ndarray):
        if value.dtype.kind == "f" and not np.isfinite(value).all():
            return np.where(np.isfinite(value), value.astype(object), np.array(None)).tolist()
        return value.tolist()
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    return value
