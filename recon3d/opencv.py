"""OpenCV, loaded where it is needed: it is slow to load, and needs libraries of the system."""

from typing import Any

from recon3d.errors import SetupError


def import_cv2() -> Any:
    """OpenCV, or a message that names the system package that it lacks.

    Raises:
        SetupError: it does not load.
    """
    try:
        import cv2
    except ImportError as error:
        raise SetupError(
            f"OpenCV does not load: {error}. On Debian or Ubuntu: apt-get install libgl1 libglib2.0-0; "
            "on Fedora: dnf install mesa-libGL glib2"
        ) from None
    return cv2
