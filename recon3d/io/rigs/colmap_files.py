"""The files of a COLMAP model, text or binary, as plain records: cameras and images, nothing else.

COLMAP's documentation, "Output format". What rigs and frames (since 3.12) add is not needed: every image has its
whole pose.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from recon3d.errors import CameraError, InputError
from recon3d.io.files import atomic
from recon3d.io.rigs.found import array
from recon3d.io.rigs.text import read_rig_text


class Model(NamedTuple):
    """A camera model of COLMAP: its number and its parameters' names."""

    id: int
    parameters: tuple[str, ...]


MODELS = {
    "SIMPLE_PINHOLE": Model(0, ("f", "cx", "cy")),
    "PINHOLE": Model(1, ("fx", "fy", "cx", "cy")),
    "SIMPLE_RADIAL": Model(2, ("f", "cx", "cy", "k1")),
    "RADIAL": Model(3, ("f", "cx", "cy", "k1", "k2")),
    "OPENCV": Model(4, ("fx", "fy", "cx", "cy", "k1", "k2", "p1", "p2")),
    "OPENCV_FISHEYE": Model(5, ("fx", "fy", "cx", "cy", "k1", "k2", "k3", "k4")),
    "FULL_OPENCV": Model(6, ("fx", "fy", "cx", "cy", "k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6")),
    "FOV": Model(7, ("fx", "fy", "cx", "cy", "omega")),
    "SIMPLE_RADIAL_FISHEYE": Model(8, ("f", "cx", "cy", "k1")),
    "RADIAL_FISHEYE": Model(9, ("f", "cx", "cy", "k1", "k2")),
    "THIN_PRISM_FISHEYE": Model(10, ("fx", "fy", "cx", "cy", "k1", "k2", "p1", "p2", "k3", "k4", "sx1", "sy1")),
}


@dataclass(frozen=True, slots=True)
class ColmapCamera:
    """A lens: its model's name, the image size (px) and the parameters by name."""

    id: int
    model: str
    size: tuple[int, int]
    parameters: dict[str, float]


@dataclass(frozen=True, slots=True)
class ColmapImage:
    """An image: cam_from_world as a quaternion (w x y z) and a translation, its lens and its name."""

    qvec: tuple[float, ...]
    tvec: tuple[float, ...]
    camera_id: int
    name: str


def read_model(folder: Path) -> tuple[dict[int, ColmapCamera], list[ColmapImage]]:
    """The cameras by number and the images of a model's folder; binary before text, as in COLMAP.

    Raises:
        CameraError: files are missing, cut or broken.
    """
    for ending, read_cameras, read_images in ((".bin", _binary_cameras, _binary_images), (".txt", _text_cameras, _text_images)):
        cameras, images = folder / f"cameras{ending}", folder / f"images{ending}"
        if cameras.is_file() and images.is_file():
            return {camera.id: camera for camera in read_cameras(cameras)}, list(read_images(images))
    raise CameraError(f"{folder} is no COLMAP model: it needs cameras and images, both .bin or both .txt")


def _camera(number: int, model: str, width: float, height: float, values: list[float], path: Path) -> ColmapCamera:
    names = MODELS[model].parameters
    if len(values) != len(names):
        raise CameraError(f"{path}: camera {number} is {model}, which has {len(names)} parameters, not {len(values)}")
    return ColmapCamera(number, model, (int(width), int(height)), dict(zip(names, values, strict=True)))


def _known(model: str, number: int, path: Path) -> str:
    if model not in MODELS:
        raise CameraError(f"{path}: camera {number} has the model {model}, which is not read; there are {', '.join(MODELS)}")
    return model


def _text_lines(path: Path) -> list[str]:
    return [line.strip() for line in read_rig_text(path).splitlines() if not line.lstrip().startswith("#")]


def _text_cameras(path: Path) -> Iterator[ColmapCamera]:
    for line in _text_lines(path):
        words = line.split()
        if not words:
            continue
        if len(words) < 5:
            raise CameraError(f"{path}: a camera needs a number, a model, a width, a height and parameters, not {line!r}")
        number = _whole(words[0], path)
        values = array(words[2:], (len(words) - 2,), f"{path}: camera {number}").tolist()
        yield _camera(number, _known(words[1], number, path), values[0], values[1], values[2:], path)


def _text_images(path: Path) -> Iterator[ColmapImage]:
    # Two lines an image; the second, the image's points, may be empty and then still counts.
    lines = _text_lines(path)
    while lines and not lines[0]:
        lines.pop(0)
    for line in lines[::2]:
        words = line.split(maxsplit=9)
        if not words:
            continue
        if len(words) < 10:
            raise CameraError(f"{path}: an image needs a number, a pose, a camera and a name, not {line!r}")
        numbers = array(words[1:8], (7,), f"{path}: image {words[0]}").tolist()
        yield ColmapImage(tuple(numbers[:4]), tuple(numbers[4:]), _whole(words[8], path), words[9])


def _whole(word: str, path: Path) -> int:
    try:
        return int(word)
    except ValueError:
        raise CameraError(f"{path}: {word!r} is not a whole number") from None


class _Bytes:
    """Numbers from a binary file, in order; `CameraError` where it ends too soon."""

    def __init__(self, path: Path) -> None:
        try:
            self.data = path.read_bytes()
        except OSError as error:
            raise InputError(f"{path} cannot be read: {error.strerror}") from None
        self.path, self.at = path, 0

    def take(self, kinds: str) -> tuple[float, ...]:
        size = struct.calcsize("<" + kinds)
        if self.at + size > len(self.data):
            raise CameraError(f"{self.path} ends too soon, after {len(self.data)} bytes")
        self.at += size
        return struct.unpack_from("<" + kinds, self.data, self.at - size)

    def whole(self, kind: str) -> int:
        return int(self.take(kind)[0])

    def name(self) -> str:
        end = self.data.find(b"\0", self.at)
        if end < 0:
            raise CameraError(f"{self.path} ends too soon, within a name")
        start, self.at = self.at, end + 1
        return self.data[start:end].decode("utf-8", errors="replace")

    def skip(self, count: int) -> None:
        self.take("")
        if self.at + count > len(self.data):
            raise CameraError(f"{self.path} ends too soon, after {len(self.data)} bytes")
        self.at += count


def _binary_cameras(path: Path) -> Iterator[ColmapCamera]:
    by_id = {model.id: name for name, model in MODELS.items()}
    stream = _Bytes(path)
    for _ in range(stream.whole("Q")):
        number, model, width, height = stream.whole("I"), stream.whole("i"), stream.whole("Q"), stream.whole("Q")
        name = _known(by_id.get(model, f"number {model}"), number, path)
        values = array(stream.take(f"{len(MODELS[name].parameters)}d"), (len(MODELS[name].parameters),), f"{path}: camera {number}")
        yield _camera(number, name, width, height, values.tolist(), path)


def _binary_images(path: Path) -> Iterator[ColmapImage]:
    stream = _Bytes(path)
    for _ in range(stream.whole("Q")):
        number = stream.whole("I")
        numbers = array(stream.take("7d"), (7,), f"{path}: image {number}").tolist()
        camera, name = stream.whole("I"), stream.name()
        stream.skip(24 * stream.whole("Q"))  # x, y and the number of a point, which are not looked at
        yield ColmapImage(tuple(numbers[:4]), tuple(numbers[4:]), camera, name)


def write_text_model(folder: Path, cameras: list[ColmapCamera], images: list[ColmapImage]) -> None:
    """``cameras.txt``, ``images.txt`` and, as COLMAP wants one, an empty ``points3D.txt``."""
    with atomic(folder / "cameras.txt") as stream:
        stream.write("# CAMERA_ID, MODEL, WIDTH, HEIGHT, PARAMS[]\n")
        for camera in cameras:
            values = " ".join(repr(value) for value in camera.parameters.values())
            stream.write(f"{camera.id} {camera.model} {camera.size[0]} {camera.size[1]} {values}\n")
    with atomic(folder / "images.txt") as stream:
        stream.write("# IMAGE_ID, QW, QX, QY, QZ, TX, TY, TZ, CAMERA_ID, NAME\n# POINTS2D[] as (X, Y, POINT3D_ID)\n")
        for number, image in enumerate(images, 1):
            pose = " ".join(repr(value) for value in (*image.qvec, *image.tvec))
            stream.write(f"{number} {pose} {image.camera_id} {image.name}\n\n")
    with atomic(folder / "points3D.txt") as stream:
        stream.write("# POINT3D_ID, X, Y, Z, R, G, B, ERROR, TRACK[] as (IMAGE_ID, POINT2D_IDX)\n")


def write_binary_model(folder: Path, cameras: list[ColmapCamera], images: list[ColmapImage]) -> None:
    """``cameras.bin``, ``images.bin`` and an empty ``points3D.bin``."""
    with atomic(folder / "cameras.bin", "wb") as stream:
        stream.write(struct.pack("<Q", len(cameras)))
        for camera in cameras:
            values = list(camera.parameters.values())
            stream.write(struct.pack("<IiQQ", camera.id, MODELS[camera.model].id, *camera.size) + struct.pack(f"<{len(values)}d", *values))
    with atomic(folder / "images.bin", "wb") as stream:
        stream.write(struct.pack("<Q", len(images)))
        for number, image in enumerate(images, 1):
            stream.write(struct.pack("<I7dI", number, *image.qvec, *image.tvec, image.camera_id))
            stream.write(image.name.encode() + b"\0" + struct.pack("<Q", 0))
    with atomic(folder / "points3D.bin", "wb") as stream:
        stream.write(struct.pack("<Q", 0))
