"""The container of glTF 2.0: a JSON document and one binary chunk of arrays."""

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np

from recon3d.errors import InputError
from recon3d.io.files import atomic

_COMPONENTS = {5120: np.int8, 5121: np.uint8, 5122: np.int16, 5123: np.uint16, 5125: np.uint32, 5126: np.float32}
_CODES = {np.dtype(kind): code for code, kind in _COMPONENTS.items()}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT3": 9, "MAT4": 16}
ARRAY, INDEX = 34962, 34963
_MAGIC, _JSON, _BIN = b"glTF", b"JSON", b"BIN\0"


class Gltf:
    """A document whose arrays can be read and added to.

    Attributes:
        document: the JSON part.
        data: the binary chunk.
    """

    def __init__(self, document: dict[str, Any], data: bytes = b""):
        self.document, self.data = document, bytearray(data)

    def add(self, array: np.ndarray, kind: str, target: int | None = None, bounds: bool = False) -> int:
        """A new accessor; its index.

        Args:
            array: (items, width) of a type that glTF knows.
            kind: SCALAR, VEC3, ...
            target: what it is for, of meshes.
            bounds: say its least and largest numbers.
        """
        views = self.document.setdefault("bufferViews", [])
        accessors = self.document.setdefault("accessors", [])
        self.data += b"\0" * (-len(self.data) % 4)
        view: dict[str, Any] = {"buffer": 0, "byteOffset": len(self.data), "byteLength": array.nbytes}
        if target is not None:
            view["target"] = target
        accessor: dict[str, Any] = {"bufferView": len(views), "componentType": _CODES[array.dtype], "count": len(array), "type": kind}
        if bounds:
            flat = array.reshape(len(array), -1)
            accessor["min"], accessor["max"] = flat.min(0).tolist(), flat.max(0).tolist()
        self.data += array.tobytes()
        views.append(view)
        accessors.append(accessor)
        return len(accessors) - 1

    def array(self, accessor: int) -> np.ndarray:
        """What an accessor holds, (items, width); whole numbers that stand for shares of one as such shares.

        Raises:
            InputError: it points out of the file, or is of a kind that there is none of.
        """
        try:
            one = self.document["accessors"][accessor]
            kind, width, count = np.dtype(_COMPONENTS[one["componentType"]]), _WIDTHS[one["type"]], int(one["count"])
            if "sparse" in one:
                raise InputError("sparse arrays are not read")
            if "bufferView" not in one:
                return np.zeros((count, width))
            view = self.document["bufferViews"][one["bufferView"]]
            start = int(view.get("byteOffset", 0)) + int(one.get("byteOffset", 0))
            step = int(view.get("byteStride", 0)) or width * kind.itemsize
            last = start + (count - 1) * step + width * kind.itemsize
            if view.get("buffer", 0) != 0 or start < 0 or count < 0 or (count and last > len(self.data)):
                raise InputError(f"array {accessor} lies outside the file")
            flat = np.frombuffer(bytes(self.data[start : max(last, start)]), np.uint8)
            rows = np.lib.stride_tricks.as_strided(flat, (count, width * kind.itemsize), (step, 1)) if count else flat.reshape(0, 0)
            out = np.ascontiguousarray(rows).view(kind).reshape(count, width)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise InputError(f"array {accessor} cannot be read: {error}") from None
        if one.get("normalized"):
            return np.maximum(out / float(np.iinfo(kind).max), -1.0)
        return out

    def write(self, path: Path) -> None:
        """As one .glb file, whole or not at all."""
        self.data += b"\0" * (-len(self.data) % 4)
        document = dict(self.document, buffers=[{"byteLength": len(self.data)}])
        text = json.dumps(document, separators=(",", ":"), allow_nan=False).encode()
        text += b" " * (-len(text) % 4)
        with atomic(path, "wb") as stream:
            stream.write(struct.pack("<4sII", _MAGIC, 2, 12 + 8 + len(text) + 8 + len(self.data)))
            stream.write(struct.pack("<I4s", len(text), _JSON) + text)
            stream.write(struct.pack("<I4s", len(self.data), _BIN))
            stream.write(self.data)


def open_gltf(path: Path) -> Gltf:
    """A .glb file, or a .vrm one, which is the same.

    Raises:
        InputError: no such file, or not a whole glTF 2.0 file in one piece.
    """
    if not path.is_file():
        raise InputError(f"no such file: {path}")
    raw = path.read_bytes()
    if len(raw) < 20 or raw[:4] != _MAGIC or struct.unpack_from("<I", raw, 4)[0] != 2:
        raise InputError(f"{path} is not a glTF 2.0 file in one piece (.glb)")
    chunks: dict[bytes, bytes] = {}
    at = 12
    while at + 8 <= len(raw):
        length, kind = struct.unpack_from("<I4s", raw, at)
        if at + 8 + length > len(raw):
            raise InputError(f"{path} is cut: a part of {length} bytes begins at {at}, the file ends at {len(raw)}")
        chunks.setdefault(kind, raw[at + 8 : at + 8 + length])
        at += 8 + length + (-length % 4)
    try:
        document = json.loads(chunks[_JSON])
    except (KeyError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: its JSON part cannot be read: {error}") from None
    if not isinstance(document, dict):
        raise InputError(f"{path}: its JSON part is no document")
    return Gltf(document, chunks.get(_BIN, b""))
