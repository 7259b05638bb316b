"""Binary FBX 7.4 as nested records: a name, properties of some types, records inside.

The format has no open specification; this follows what readers agree on (Blender's, ufbx, Autodesk's own).
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

VERSION = 7400
_HEAD = b"Kaydara FBX Binary  \x00\x1a\x00"
_NULL = b"\0" * 13
# Constants that every file of this version ends with; no reader looks at what they mean.
_FOOT_ID = bytes.fromhex("fabcab09d0c8d466b176fb831cf7267e")
_FOOT_MAGIC = bytes.fromhex("f85a8c6adef5d97eece90ce3758f290b")
_ARRAY_CODES = {np.dtype(np.float32): b"f", np.dtype(np.float64): b"d", np.dtype(np.int32): b"i", np.dtype(np.int64): b"l"}
_WORTH_PACKING = 128  # bytes


class Array:
    """Numbers of one kind, packed once however often they are written."""

    def __init__(self, values: np.ndarray):
        raw = np.ascontiguousarray(values).tobytes()
        packed = zlib.compress(raw, 1) if len(raw) > _WORTH_PACKING else raw
        head = struct.pack("<III", values.size, int(packed is not raw), len(packed))
        self.encoded = _ARRAY_CODES[values.dtype] + head + packed


@dataclass(frozen=True, slots=True)
class Short:
    """A whole number of 32 bits; plain ones have 64."""

    value: int


Property: TypeAlias = bool | int | float | str | bytes | Short | Array


@dataclass(slots=True)
class Node:
    """One record."""

    name: str
    properties: tuple[Property, ...] = ()
    inside: list["Node"] = field(default_factory=list)
    closed: bool = False
    """Ends with an empty record even if nothing is inside."""

    def add(self, name: str, *properties: Property, closed: bool = False) -> "Node":
        """A record inside, which is returned."""
        node = Node(name, properties, [], closed)
        self.inside.append(node)
        return node

    def encoded(self, start: int) -> list[bytes]:
        """Its bytes at this place of the file."""
        name = self.name.encode()
        properties = b"".join(_encoded(p) for p in self.properties)
        at = start + 13 + len(name) + len(properties)
        inside: list[bytes] = []
        for node in self.inside:
            part = node.encoded(at)
            inside += part
            at += sum(map(len, part))
        if self.inside or self.closed:
            inside.append(_NULL)
            at += len(_NULL)
        head = struct.pack("<IIIB", at, len(self.properties), len(properties), len(name))
        return [head + name + properties, *inside]


def document(nodes: list[Node]) -> Iterator[bytes]:
    """A whole file, part by part."""
    head = _HEAD + struct.pack("<I", VERSION)
    yield head
    at = len(head)
    for node in nodes:
        for part in node.encoded(at):
            yield part
            at += len(part)
    tail = _NULL + _FOOT_ID + b"\0" * 4
    at += len(tail)
    yield tail + b"\0" * (-at % 16 or 16) + struct.pack("<I", VERSION) + b"\0" * 120 + _FOOT_MAGIC


def object_name(name: str, kind: str) -> str:
    """As objects are named: what they are follows two bytes that no name has."""
    return f"{name}\x00\x01{kind}"


def _encoded(value: Property) -> bytes:
    match value:
        case Array():
            return value.encoded
        case bool():
            return b"C" + struct.pack("<B", value)
        case Short():
            return b"I" + struct.pack("<i", value.value)
        case int():
            return b"L" + struct.pack("<q", value)
        case float():
            return b"D" + struct.pack("<d", value)
        case str():
            text = value.encode()
            return b"S" + struct.pack("<I", len(text)) + text
        case bytes():
            return b"R" + struct.pack("<I", len(value)) + value
