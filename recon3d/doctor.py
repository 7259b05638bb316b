"""What recon3d needs of a machine, each as a check that says what it found or what to install."""

import importlib
import importlib.metadata
import platform
from collections.abc import Callable

from recon3d.errors import Recon3dError, SetupError

_PACKAGES = ("numpy", "scipy", "opencv-contrib-python", "onnxruntime", "ezc3d", "tyro", "rich")


def checks() -> list[tuple[str, Callable[[], str]]]:
    """Name and check; a check returns what it found or raises `SetupError`."""
    return [
        ("python", _python),
        ("packages", _packages),
        ("video", _video),
        ("detector", _detector),
        ("c3d", _c3d),
        ("layouts", _layouts),
    ]


def _python() -> str:
    return f"{platform.python_version()} on {platform.system()} {platform.machine()}"


def _packages() -> str:
    found: list[str] = []
    for name in _PACKAGES:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            raise SetupError(f"package {name} is not installed: pip install {name}") from None
    return ", ".join(found)


def _video() -> str:
    from recon3d.opencv import import_cv2

    cv2 = import_cv2()
    if "FFMPEG" not in [cv2.videoio_registry.getBackendName(b) for b in cv2.videoio_registry.getBackends()]:
        raise SetupError("OpenCV was built without FFmpeg: reinstall it with pip install opencv-contrib-python")
    return f"OpenCV {cv2.__version__} with FFmpeg"


def _detector() -> str:
    import numpy as np

    from recon3d.detect import Network, card_names, cards_of
    from recon3d.detect.onnx_session import available

    try:
        networks = [Network(card) for card in cards_of("default")]
    except Recon3dError as error:
        raise SetupError(str(error)) from None
    for network in networks:
        network.run(np.zeros((network.card.input[1], network.card.input[0], 3), np.uint8))
    used = ", ".join(sorted({network.provider for network in networks}))
    return f"networks load and run on {used} (onnxruntime has {', '.join(available())}): {', '.join(card_names())}"


def _c3d() -> str:
    try:
        importlib.import_module("ezc3d")
    except ImportError as error:
        raise SetupError(f"ezc3d does not load: {error}; reinstall it with pip install ezc3d") from None
    return "ezc3d loads"


def _layouts() -> str:
    from recon3d.skeleton import layout_names, load_layout

    for name in layout_names():
        load_layout(name)
    return ", ".join(layout_names())
