"""What ``recon3d body`` takes, and what it does."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tyro.conf import Positional

if TYPE_CHECKING:
    from recon3d.body.fit import Known

# Heavy imports stay inside the functions: `recon3d --help` must answer at once.

_BESIDE_M = 0.08  # a body explains its keypoints no longer


@dataclass(frozen=True)
class Body:
    """Fit a body to everybody in a take: shape, motion, measurements, a skinned mesh."""

    take: Positional[Path]
    """Take folder."""
    height: tuple[str, ...] = ()
    """Standing, m, if it is known: 1.82, or name=1.82 of each."""
    weight: tuple[str, ...] = ()
    """In kg, if it is known: 75, or name=75 of each."""
    model: Path | None = None
    """File of a model of the SMPL family (.pkl, .npz; non-commercial) instead of the open body."""
    to: tuple[str, ...] = ("glb",)
    """Formats: glb, fbx, usda, usdc, usdz (skinned, animated), ply, obj (a mesh a frame), amass.npz (SMPL family)."""
    every: int = 1
    """Of how many frames one is written as ply or obj."""
    overlay: tuple[str, ...] = ()
    """Cameras whose video the mesh is drawn over: overlay/<camera>.body.mp4 in the take."""
    masks: Path | None = None
    """Folder of silhouettes that tell shape: <camera>/<frame>.png, white on black; below <person>/ where there are several people."""
    clouds: Path | None = None
    """Folder of point clouds in the world, m: <frame>.npy, .ply, .pcd ...; below <person>/ where there are several people."""
    depths: Path | None = None
    """Folder of depth images: <camera>/<frame>.png of 16 bits, mm, or .npy, m, along the camera's axis."""
    cloud_sigma: float = 0.005
    """Standard deviation of a cloud's or a depth image's points, m."""
    densepose: Path | None = None
    """Folder of DensePose results: <camera>.json."""
    surface_map: Path | None = None
    """Which vertices of the model lie where on DensePose's charts: .npz with vertex, part, uv."""


def run_body(command: Body) -> None:
    """Fit, and print what was found."""
    from rich.console import Console
    from rich.table import Table

    from recon3d.body.smpl import LICENCE
    from recon3d.cli.watch import watched
    from recon3d.pipeline import BodyJob, SkinFolders, Take, fit_take

    job = BodyJob(
        Take.existing(command.take),
        _known(command.height, command.weight),
        command.model,
        command.to,
        command.every,
        command.overlay,
        SkinFolders(command.masks, command.clouds, command.depths, command.densepose, command.cloud_sigma),
        command.surface_map,
    )
    if command.model is not None:
        Console(stderr=True).print(LICENCE, markup=False)
    people, out = watched(lambda progress: fit_take(job, progress)), Console()
    table = Table("", *(one.name for one in people), box=None, pad_edge=False)
    for name, first in people[0].measured.items():
        cells = [
            f"{one.measured[name].value:.{2 if first.unit == 'm' else 1}f} ± {one.measured[name].sigma:.{3 if first.unit == 'm' else 1}f}"
            for one in people
        ]
        table.add_row(f"{name}, {first.unit}", *cells)
    out.print(table)
    for one in people:
        guessed = one.fit.guessed()
        if guessed:
            out.print(f"{one.name}: {', '.join(guessed)}: not seen, what is usual is taken", markup=False, soft_wrap=True)
        if one.fit.beside_m > _BESIDE_M:
            text = f"{one.name}: the body lies {1e3 * one.fit.beside_m:.0f} mm beside its keypoints (median): they may not be a person's"
            out.print(text, markup=False, soft_wrap=True, style="yellow")
    for path in dict.fromkeys(path for one in people for path in one.files):
        out.print(str(path), soft_wrap=True, markup=False)


def _known(heights: tuple[str, ...], weights: tuple[str, ...]) -> "dict[str, Known]":
    from recon3d.body.fit import Known
    from recon3d.errors import InputError

    told: dict[str, dict[str, float]] = {}
    for option, kind, values in (("--height", "height_m", heights), ("--weight", "weight_kg", weights)):
        for text in values:
            name, _, number = text.rpartition("=")
            try:
                told.setdefault(name, {})[kind] = float(number)
            except ValueError:
                raise InputError(f"{option} {text}: give a number, or name=number") from None
    everybody = told.get("", {})
    return {name: Known(**{**everybody, **own}) for name, own in told.items()}
