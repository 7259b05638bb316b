"""DensePose results: which point of the body's surface each pixel of a person shows. Evidence for meshes, not keypoints.

The results of COCO-DensePose are a list of people, each with an image of I, U and V in PNG. ``results.pkl`` of
apply_net is a pickle, which can run any code when read, and is refused.
"""

import base64
import binascii
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from recon3d.arrays import freeze_fields
from recon3d.errors import InputError
from recon3d.io.files import read_json
from recon3d.io.keypoints.gather import entries, frame_of_name, number, whole, xyxy
from recon3d.opencv import import_cv2

_PARTS = 24
_LARGEST = 64_000_000  # pixels of a person


@dataclass(frozen=True, slots=True, eq=False)
class DensePose:
    """One person of one frame.

    Attributes:
        frame: source frame number.
        score: of the detection.
        box: x0, y0, x1, y1, px; the first pixel lies at its corner, rounded down.
        part: 0 background, 1 to 24.
        uv: 0 to 1 on the part; NaN in the background.
    """

    frame: int
    score: float
    box: Float[np.ndarray, "4"]
    part: UInt8[np.ndarray, "height width"]
    uv: Float[np.ndarray, "height width 2"]

    def __post_init__(self) -> None:
        freeze_fields(self)


def read_densepose(path: Path) -> list[DensePose]:
    """The people of a results file, in its order.

    Raises:
        InputError: a pickle, or not such a file, or broken; the message says where.
    """
    with open(path, "rb") as stream:
        head = stream.read(2)
    if head in (b"PK", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"):
        raise InputError(
            f"{path} is a pickle, as apply_net's 'dump' writes, which can run any code when read: "
            "write the results as JSON of COCO-DensePose (evaluation with --eval-only)"
        )
    data = read_json(path)
    return [_person(entry, f"{path}, entry {k}") for k, entry in enumerate(entries(data, str(path)))]


def _person(entry: dict[str, Any], where: str) -> DensePose:
    shape = _shape(entry.get("uv_shape"), where)
    cv2 = import_cv2()
    try:
        packed = base64.b64decode(str(entry.get("uv_data")), validate=True)
        image = cv2.imdecode(np.frombuffer(packed, np.uint8), cv2.IMREAD_COLOR) if packed else None
    except (binascii.Error, ValueError, cv2.error):
        image = None
    if image is None or image.shape != (*shape, 3):
        raise InputError(f"{where}: uv_data is not a PNG of {shape[1]} x {shape[0]} px in base64")
    part, uv = image[..., 2].copy(), image[..., 1::-1].astype(float) / 255  # OpenCV's order is blue, green, red
    if part.max(initial=0) > _PARTS:
        raise InputError(f"{where}: parts go from 1 to {_PARTS}, there is {part.max()}")
    uv[part == 0] = np.nan
    score = number(entry.get("score", 1.0), f"{where}, score")
    return DensePose(frame_of_name(entry.get("image_id"), f"{where}, image_id"), score, xyxy(entry.get("bbox"), f"{where}, bbox"), part, uv)


def _shape(value: Any, where: str) -> tuple[int, int]:
    if isinstance(value, list) and len(value) == 3 and value[0] == 3:
        height, width = whole(value[1], f"{where}, uv_shape"), whole(value[2], f"{where}, uv_shape")
        if min(height, width) > 0 and height * width <= _LARGEST:
            return height, width
    raise InputError(f"{where}: uv_shape must be [3, height, width]")
