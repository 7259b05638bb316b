"""What ``recon3d head`` takes, and what it does."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

# Heavy imports stay inside the functions: `recon3d --help` must answer at once.


@dataclass(frozen=True)
class Head:
    """Where heads are and where they look: poses, yaw, pitch and roll from face landmarks, of one video or of a rig's."""

    input: Positional[tuple[str, ...]]
    """A video or 2D keypoints with a face; of a rig, camera=path pairs or one folder."""
    out: Annotated[Path, arg(aliases=["-o"])]
    """Folder for <person>.npz, .csv, .jsonl and .svg."""
    rig: Path | None = None
    """Cameras: rig.toml, or a file of another system."""
    camera: str | None = None
    """Of one input, its name in the rig, where there are several."""
    fov: float | None = None
    """Without a rig: what the lens sees, degrees along the picture's longer side; 60 where nothing tells."""
    people: int = 1
    """Heads at once (of one camera)."""
    overlay: bool = False
    """Write overlay/<camera>.mp4 with the heads' axes drawn in."""
    bodies: Path | None = None
    """Folder that recon3d detect wrote for the same videos: people's heads tell where to look, and their ids."""
    frames: str = ":"
    """Source frames A:B, B not included."""
    layout: str | None = None
    """Layout of keypoint files that do not tell theirs: a name or a .toml file."""
    fps: float | None = None
    """Frame rate of inputs that do not tell theirs."""
    size: tuple[int, int] | None = None
    """Width and height of the pictures, px, of keypoint files that do not tell them."""
    rig_unit: Literal["m", "cm", "mm"] | None = None
    """Unit of rig files that do not tell theirs."""
    image_fit: Literal["refuse", "scale", "letterbox", "crop"] = "refuse"
    """How images of another shape than the calibrated one came about."""
    smooth: bool = True
    """Frames know of each other; else each is by itself."""


def run_head(command: Head) -> None:
    """Look, and print what was found."""
    import numpy as np
    from rich.console import Console

    from recon3d.cli.watch import frame_range, watched
    from recon3d.head.solve import HeadSettings
    from recon3d.pipeline.head import HeadJob, find_heads

    first, stop = frame_range(command.frames)
    same = ("rig", "camera", "fov", "people", "overlay", "bodies", "layout", "fps", "size", "rig_unit", "image_fit")
    job = HeadJob(
        command.input, command.out, first=first, stop=stop, settings=HeadSettings(smooth=command.smooth),
        **{name: getattr(command, name) for name in same},
    )  # fmt: skip
    heads, out = watched(lambda progress: find_heads(job, progress)), Console()
    for head in heads:
        pose = head.pose
        there = np.isfinite(pose.world_from_head.translation[:, 0])
        low, high = np.nanmin(head.angles_deg, 0), np.nanmax(head.angles_deg, 0)
        sigma = np.nanmedian(head.sigma_deg, 0)
        out.print(
            f"head {pose.person}: {there.sum()} of {len(pose)} frames, residual {np.nanmedian(pose.residual_px):.1f} px", soft_wrap=True
        )
        for k, name in enumerate(("yaw, to its left", "pitch, up", "roll, to its left shoulder")):
            out.print(f"  {name}: {low[k]:.1f} to {high[k]:.1f} degrees, one sigma {sigma[k]:.1f}", soft_wrap=True, markup=False)
        for note in head.notes:
            out.print(f"  {note}", soft_wrap=True, markup=False)
    for path in dict.fromkeys(path for head in heads for path in head.files):
        out.print(str(path), soft_wrap=True, markup=False)
