"""Commands about 2D keypoints: find them in videos, convert them, and which systems' are read or run."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg


@dataclass(frozen=True)
class Detect:
    """Find people and their 2D keypoints in videos; no calibration is needed."""

    videos: Positional[tuple[str, ...]]
    """Videos, folders of videos, or camera=path pairs."""
    out: Annotated[Path, arg(aliases=["-o"])]
    """Folder for one <camera>.npz each."""
    overlay: bool = False
    """Write overlay/<camera>.mp4 as well, with what was found drawn over it."""
    speed: Literal["fast", "default", "accurate"] = "default"
    """Which networks look."""
    detector: str = ""
    """Model card of a network of one's own instead (.toml, or a name)."""
    frames: str = ":"
    """Source frames A:B, B not included."""
    people: int = 4
    """People followed at once."""
    scores: Path | None = None
    """What was learned of the detector's scores (recon3d calibrate scores)."""
    neighbours_s: float = 0.0
    """Seconds over which frames around tell a joint whose score drops (blur, occlusion); 0 for never, 0.05 is usual."""


@dataclass(frozen=True)
class Convert:
    """2D keypoints of one program in the format of another; what is read is told by what it holds."""

    source: Positional[Path]
    """File or folder of 2D keypoints."""
    target: Positional[Path]
    """File to write, or folder for openpose; of several cameras, a folder with one for each."""
    to: Literal["recon3d", "openpose", "coco", "deeplabcut", "sleap", "sleap-csv"] = "recon3d"
    """Format to write."""
    format: str | None = None
    """Format to read, where the content does not tell it."""
    fps: float | None = None
    """Frame rate, where the files do not say it."""
    size: tuple[int, int] | None = None
    """Width and height of the images, px, where the files do not say it."""
    layout: str | None = None
    """Layout of the points, where the files do not tell it: a name or a .toml file."""
    camera: str | None = None
    """Name of the camera; of several in one file, the one wanted."""


@dataclass(frozen=True)
class Quantise:
    """Make an INT8 variant of a shipped network for small machines, calibrated on your own videos (extra: edge)."""

    model: Positional[str]
    """A shipped body network, for instance movenet_thunder."""
    videos: Positional[tuple[str, ...]]
    """Videos, or folders of videos, of people as the network will see them."""
    out: Annotated[Path, arg(aliases=["-o"])]
    """Folder for <model>_int8.onnx and its card."""
    pictures: int = 24
    """Frames that are looked at, from all over the videos."""


@dataclass(frozen=True)
class Systems:
    """Which systems' keypoints are read, whose networks are run, and under which licences they are."""

    name: Positional[str] = ""
    """Only systems whose name holds this."""
