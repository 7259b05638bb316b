"""The text of a rig file: UTF-8 or UTF-16, and XML and YAML from it, with errors that name the file."""

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from jaxtyping import Float

from recon3d.errors import CameraError, InputError
from recon3d.io.files import read_text
from recon3d.io.rigs.found import array, vector

_UTF16_STARTS = (b"\xff\xfe", b"\xfe\xff", b"<\x00", b"\x00<")  # byte order marks, or "<" without one

_WORD = re.compile(r'"([^"]*)"|([^\s"]+)')


def read_rig_text(path: Path) -> str:
    """A text file as UTF-8, or as UTF-16 where its first bytes say so (OptiTrack writes it).

    Raises:
        InputError: it is not there, is a folder, is empty, or is not text.
    """
    try:
        with path.open("rb") as stream:
            start = stream.read(2)
    except OSError:
        start = b""  # read_text says what is wrong
    if start in _UTF16_STARTS:
        order = "utf-16-be" if start in (b"\xfe\xff", b"\x00<") else "utf-16-le"
        try:
            text = path.read_bytes().decode(order).removeprefix("\ufeff")
        except UnicodeDecodeError as error:
            raise InputError(f"{path} is not a text file (byte {error.start} is not UTF-16)") from None
    else:
        text = read_text(path)
    if not text.strip():
        raise CameraError(f"{path} is empty")
    return text


def xml_root(path: Path) -> ElementTree.Element:
    """The root of an XML file. Entities of its own are refused: no rig file has any, and they can be bombs.

    Raises:
        CameraError: broken or cut, or with a document type.
    """
    text = read_rig_text(path).lstrip()
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise CameraError(f"{path} defines a document type or entities of its own, which no rig file does: it is not read")
    try:
        return ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise CameraError(f"{path} is not complete XML: {error}") from None


def attribute(node: ElementTree.Element, key: str) -> str:
    """An attribute of an XML node, or `CameraError` that names both."""
    value = node.get(key)
    if value is None:
        raise CameraError(f"<{node.tag}> has no {key}")
    return value


def attribute_numbers(node: ElementTree.Element, *keys: str) -> list[float]:
    """One number from each of these attributes."""
    return [float(array(attribute(node, key), (1,), key)[0]) for key in keys]


def attribute_list(node: ElementTree.Element, key: str, count: int) -> Float[np.ndarray, "count"]:
    """The numbers of one attribute, spaces between them."""
    return array(attribute(node, key).split(), (count,), key)


def child(node: ElementTree.Element, tag: str) -> ElementTree.Element:
    """The first child with this tag, or `CameraError`."""
    found = node.find(tag)
    if found is None:
        raise CameraError(f"<{tag}> is missing")
    return found


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML file whose top holds named entries; nothing but plain values is built."""
    return _mapping(read_rig_text(path), path, yaml.SafeLoader)


def read_storage(path: Path) -> dict[str, Any]:
    """A file of OpenCV's FileStorage, YAML, XML or JSON, as named values: numbers are left as text, a matrix is an array.

    A matrix is a map with rows and cols (or sizes, of OpenCV 5) and data, so that ROS's camera_info files,
    which have those without OpenCV's tag, are read as well.

    Raises:
        CameraError: broken, cut, or a matrix whose data do not fill it.
    """
    text = read_rig_text(path).lstrip()
    if text.startswith("<"):
        entries = {node.tag: _xml_value(node) for node in xml_root(path)}
    else:
        # OpenCV's first line "%YAML:1.0" is not YAML; JSON is. This loader builds text, lists and maps alone,
        # and takes no notice of the tag !!opencv-matrix: names like "01" stay what they are.
        body = text.partition("\n")[2] if text.startswith("%YAML") else text
        entries = _mapping(body, path, yaml.BaseLoader)
    return {str(key): _matrix(value, f"{path}: {key}") for key, value in entries.items()}


def _mapping(text: str, path: Path, loader: Any) -> dict[str, Any]:
    try:
        data = yaml.load(text, Loader=loader)
    except yaml.YAMLError as error:
        raise CameraError(f"{path} is not complete YAML: {' '.join(str(error).split())}") from None
    except (RecursionError, ValueError) as error:  # nested too deeply; a date that is none
        raise CameraError(f"{path} is not a YAML file of a rig: {error}") from None
    if not isinstance(data, dict):
        raise CameraError(f"{path} holds no named entries")
    return data


def _xml_value(node: ElementTree.Element) -> Any:
    if node.find("data") is not None:
        return {part.tag: (part.text or "").split() for part in node}
    if node.find("_") is not None:
        return [" ".join(quoted or plain for quoted, plain in _WORD.findall(part.text or "")) for part in node]
    words = [quoted or plain for quoted, plain in _WORD.findall(node.text or "")]
    return words if node.tag == "names" else " ".join(words)


def _matrix(value: Any, label: str) -> Any:
    if not (isinstance(value, dict) and "data" in value and ({"rows", "cols"} <= set(value) or "sizes" in value)):
        return value
    sizes = value["sizes"] if "sizes" in value else [value["rows"], value["cols"]]
    shape = vector(sizes, f"the size of {label}")
    if not (len(shape) and (shape > 0).all() and shape.prod() <= 1e6):
        raise CameraError(f"{label} has the size {' x '.join(f'{n:g}' for n in shape)}")
    return array(value["data"], tuple(int(n) for n in shape), label)
