"""Images as files."""

from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from recon3d.errors import InputError
from recon3d.io.files import atomic
from recon3d.opencv import import_cv2


def write_png(path: Path, image: UInt8[np.ndarray, "height width 3"]) -> None:
    """An RGB image as PNG.

    Raises:
        InputError: an empty image.
    """
    if not image.size:
        raise InputError(f"{path}: there is nothing to write")
    cv2 = import_cv2()
    _, data = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    with atomic(path, "wb") as stream:
        stream.write(data.tobytes())
