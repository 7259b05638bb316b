"""recon3d: 3D human motion from 2D keypoints seen by one or many cameras.

The subpackages are the rooms of the house (`geometry`, `skeleton`, `records`, `video`,
`detect`, `io`, `synthetic`, `metrics`, `motion`, `multiview`, `view`, `pipeline`). They are
imported on first use, so that `import recon3d` stays instant.
"""

import importlib
from types import ModuleType

__version__ = "0.1.0"

_ROOMS = (
    "arrays",
    "detect",
    "errors",
    "geometry",
    "io",
    "metrics",
    "motion",
    "multiview",
    "pipeline",
    "records",
    "skeleton",
    "synthetic",
    "video",
    "view",
)


def __getattr__(name: str) -> ModuleType:
    if name in _ROOMS:
        return importlib.import_module(f"recon3d.{name}")
    raise AttributeError(f"module 'recon3d' has no attribute {name!r}; it has {', '.join(_ROOMS)}")


def __dir__() -> list[str]:
    return sorted([*_ROOMS, "__version__"])
