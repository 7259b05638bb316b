"""MATLAB's ``.mat`` files up to version 7, as plain values: numbers, text and structs ("MAT-File Format", MathWorks).

SciPy's reader is not used: on some broken files it takes the whole process down.
"""

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from recon3d.errors import CameraError, InputError

_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_TEXT = {16: "utf-8", 17: "utf-16", 18: "utf-32"}
_MATRIX, _COMPRESSED = 14, 15
_CELL, _STRUCT, _CHAR, _FIRST_NUMBER, _LAST_NUMBER = 1, 2, 4, 6, 15  # classes of arrays
_COMPLEX = 0x0800
_HEADER = 128
_LARGEST = 64 * 2**20  # bytes of one variable; a calibration has thousands
_DEEPEST = 8


class _BrokenError(Exception):
    """The bytes do not form what they announce."""


def read_mat(path: Path, cells: bool = False) -> dict[str, Any]:
    """The variables of a ``.mat`` file by name.

    Numbers become arrays of their shape, text becomes text, a struct of one element becomes a dictionary, cells become
    a list where ``cells`` asks for them; anything else, objects among them, becomes None.

    Raises:
        CameraError: cut, broken, or of version 7.3, which is another format.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    if data.startswith((b"\x89HDF", b"MATLAB 7.3")):
        raise CameraError(f"{path} is a MATLAB file of version 7.3: save it with '-v7'")
    order = {b"IM": "<", b"MI": ">"}.get(data[_HEADER - 2 : _HEADER])
    if order is None:
        raise CameraError(f"{path} is not a complete MATLAB file: it ends in its head, or is older than version 5")
    try:
        found = dict(_variables(data[_HEADER:], order))
        return found if cells else {name: _without_cells(value) for name, value in found.items()}
    except (_BrokenError, zlib.error, struct.error, UnicodeDecodeError) as error:
        raise CameraError(f"{path} is not a complete MATLAB file: {error}") from None


def _without_cells(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_cells(held) for key, held in value.items()}
    return None if isinstance(value, list) else value


def _variables(data: bytes, order: str) -> Iterator[tuple[str, Any]]:
    for kind, content in _elements(data, order):
        if kind == _COMPRESSED:
            unpacked = zlib.decompressobj().decompress(content, _LARGEST)
            kind, content = next(_elements(unpacked, order), (0, b""))
        if kind == _MATRIX:
            name, value = _array(content, order, 0)
            if name:  # what has none holds MATLAB's own business
                yield name, value


def _elements(data: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    """The kind and the bytes of every element; a short one has both in 8 bytes, others are filled up to 8."""
    at = 0
    while at < len(data):
        word, count = struct.unpack_from(order + "II", data, at)
        short = word >> 16
        kind, start, size = (word & 0xFFFF, at + 4, short) if short else (word, at + 8, count)
        if start + size > len(data) or short > 4:
            raise _BrokenError("it ends too soon")
        yield kind, data[start : start + size]
        at = at + 8 if short else start + size + (0 if kind == _COMPRESSED else -size % 8)


def _array(content: bytes, order: str, depth: int) -> tuple[str, Any]:
    """The name and the value of an array."""
    if not content or depth > _DEEPEST:
        return "", None
    parts = _elements(content, order)
    flags = _numbers(parts, order)
    kind = int(flags[0]) & 0xFF if len(flags) else 0
    if kind > _LAST_NUMBER:  # a function or an object: laid out in ways of its own
        return "", None
    shape = tuple(int(n) for n in _numbers(parts, order))
    name = _numbers(parts, order).astype(np.uint8).tobytes().decode("utf-8")
    if kind == _CELL:
        return name, [_array(content, order, depth + 1)[1] for _, content in parts]
    if kind == _STRUCT:
        return name, _struct(parts, shape, order, depth)
    if kind == _CHAR:
        code, text = next(parts, (1, b""))
        return name, text.decode(_TEXT[code]) if code in _TEXT else _plain(code, text, order).astype(np.uint8).tobytes().decode("latin-1")
    if _FIRST_NUMBER <= kind <= _LAST_NUMBER and not int(flags[0]) & _COMPLEX:
        values = _numbers(parts, order)
        if any(n < 0 for n in shape) or values.size != np.prod(shape, dtype=float):
            raise _BrokenError(f"{name or 'an array'} does not have as many numbers as its shape")
        return name, values.astype(float).reshape(shape, order="F")
    return name, None


def _struct(parts: Iterator[tuple[int, bytes]], shape: tuple[int, ...], order: str, depth: int) -> dict[str, Any] | None:
    width = _numbers(parts, order)
    _, names = next(parts, (0, b""))
    length = int(width[0]) if len(width) else 0
    if length <= 0 or any(n != 1 for n in shape):
        return None
    keys = [names[k : k + length].split(b"\0")[0].decode("utf-8") for k in range(0, len(names), length)]
    return {key: _array(next(parts, (0, b""))[1], order, depth + 1)[1] for key in keys}


def _numbers(parts: Iterator[tuple[int, bytes]], order: str) -> np.ndarray:
    kind, content = next(parts, (0, b""))
    return _plain(kind, content, order)


def _plain(kind: int, content: bytes, order: str) -> np.ndarray:
    if kind not in _NUMBERS or len(content) % int(_NUMBERS[kind][1]):
        raise _BrokenError("numbers were expected")
    return np.frombuffer(content, order + _NUMBERS[kind])
