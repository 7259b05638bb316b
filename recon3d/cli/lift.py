"""What ``recon3d lift`` takes, and what it does."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import Positional, arg

if TYPE_CHECKING:
    from recon3d.pipeline import Result

# Heavy imports stay inside the functions: `recon3d --help` must answer at once.


@dataclass(frozen=True)
class Lift:
    """One camera: a video or 2D keypoints to 3D skeletons in the world, motion and files."""

    input: Positional[Path]
    """A video, or 2D keypoints in any format that is read."""
    out: Annotated[Path, arg(aliases=["-o"])]
    """Take folder."""
    fov: float | None = None
    """What the lens sees, degrees along the picture's longer side; 60 where nothing tells. Goes before the settings."""
    rig: Path | None = None
    """Instead: cameras, of which this is one (rig.toml, or a file of another system); it may move."""
    camera: str | None = None
    """Its name in the rig, where there are several."""
    height: float | None = None
    """How tall people are, m; 1.70 where nothing tells. Goes before the settings."""
    against: Path | None = None
    """Take of several cameras that saw the same, to score this one against."""
    config: Path | None = None
    """Settings (TOML), see configs/."""
    speed: Literal["fast", "default", "accurate"] | None = None
    """Which networks look at videos; goes before the settings."""
    detector: str | None = None
    """Model card of a network of one's own to look at videos with (.toml, or a name); goes before the settings."""
    lifter: Literal["network", "blazepose"] | None = None
    """What tells depths: the network that is shipped, or BlazePose's world landmarks (videos only). Goes before the settings."""
    people: int | None = None
    """How many people there are at the most: those who are seen longest. Goes before the settings."""
    frames: str = ":"
    """Source frames A:B, B not included."""
    layout: str | None = None
    """Layout of keypoint files that do not tell theirs: a name (recon3d doctor lists them) or a .toml file."""
    fps: float | None = None
    """Frame rate of inputs that do not tell theirs (OpenPose files)."""
    size: tuple[int, int] | None = None
    """Width and height of the pictures, px, of keypoint files that do not tell them (OpenPose files)."""
    rig_unit: Literal["m", "cm", "mm"] | None = None
    """Unit of rig files that do not tell theirs."""
    image_fit: Literal["refuse", "scale", "letterbox", "crop"] = "refuse"
    """How images of another shape than the calibrated one came about."""
    scores: Path | None = None
    """What was learned of the detector's scores (recon3d calibrate scores)."""


def run_lift(command: Lift) -> "Result":
    """Lift under a progress bar."""
    from recon3d.cli.watch import frame_range, watched
    from recon3d.pipeline import LiftJob, lift_take, load_settings

    first, stop = frame_range(command.frames)
    settings = load_settings(command.config)
    told = {name: getattr(command, name) for name in ("fov", "height", "lifter") if getattr(command, name) is not None}
    settings = replace(settings, lift=replace(settings.lift, **told))
    told = {name: getattr(command, name) for name in ("speed", "detector") if getattr(command, name) is not None}
    settings = replace(settings, detect=replace(settings.detect, **told))
    if command.people is not None:
        settings = replace(settings, multiview=replace(settings.multiview, people=command.people))
    same = ("rig", "camera", "layout", "fps", "size", "rig_unit", "image_fit", "scores")
    job = LiftJob(command.input, command.out, settings, first=first, stop=stop, **{name: getattr(command, name) for name in same})
    return watched(lambda progress: lift_take(job, progress))
