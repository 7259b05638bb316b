"""`read_rig` and `write_rig`: camera rigs of recon3d and of other programs, recognised by what a file holds.

| format | what it is | unit | up | |
|---|---|---|---|---|
| recon3d | rig.toml | m | z | both ways |
| opencv | YAML or XML of a pair, of named cameras, of one lens | - | - | both ways |
| qualisys, theia | .qca.txt; Theia3D's .txt | mm | z | both ways |
| vicon | .xcp, moving cameras too | mm | z | both ways |
| optitrack | .mcal of Motive 3.2 and later | m | y | read |
| aniposelib, caliscope | TOML, Pose2Sim's as well | - | - | both ways |
| freemocap | TOML | mm | z or none | both ways |
| easymocap | folder of intri.yml and extri.yml | - | - | both ways |
| openpose | folder of <serial>.xml | m | - | both ways |
| panoptic | calibration_<sequence>.json | cm | -y | both ways |
| colmap, colmap-binary | folder of a model, moving cameras too | none | none | both ways |
| kalibr | camchain.yaml | m | none | both ways |
| biocv | folder of .calib | mm | - | both ways |
| transforms | transforms.json | none | none | both ways |
| matlab | struct of cameraParameters or stereoParameters | told | none | read |
| human36m | the dataset's cameras as JSON | - | z | read |

"-" is for a format that does not say: the unit is told by the cameras' distances or asked for, and z is taken for up unless
a camera is the world.
"""

from collections.abc import Callable
from pathlib import Path

from recon3d.errors import CameraError, valid_names
from recon3d.geometry import CameraRig, Intrinsics
from recon3d.io.rigs.aniposelib import read_aniposelib, read_freemocap, write_aniposelib, write_caliscope, write_freemocap
from recon3d.io.rigs.biocv import read_biocv, write_biocv
from recon3d.io.rigs.colmap import read_colmap, write_colmap, write_colmap_binary
from recon3d.io.rigs.found import FoundRig, Size
from recon3d.io.rigs.human36m import read_human36m
from recon3d.io.rigs.kalibr import read_kalibr, write_kalibr
from recon3d.io.rigs.matlab import read_matlab
from recon3d.io.rigs.opencv import read_easymocap, read_lenses, read_opencv, write_easymocap, write_opencv
from recon3d.io.rigs.openpose import read_openpose_rig, write_openpose_rig
from recon3d.io.rigs.optitrack import read_optitrack
from recon3d.io.rigs.panoptic import read_panoptic, write_panoptic
from recon3d.io.rigs.qualisys import read_qualisys, read_theia, write_qualisys, write_theia
from recon3d.io.rigs.recognise import format_of
from recon3d.io.rigs.toml import read_lenses_toml, read_rig_toml, write_rig_toml
from recon3d.io.rigs.transforms import read_transforms, write_transforms
from recon3d.io.rigs.vicon import read_vicon, write_vicon

UNITS = {"m": 1.0, "cm": 0.01, "mm": 0.001}
OWN = "recon3d"

RIG_READERS: dict[str, Callable[[Path, Size | None], FoundRig]] = {
    "opencv": read_opencv,
    "lenses": read_lenses,
    "qualisys": read_qualisys,
    "theia": read_theia,
    "vicon": read_vicon,
    "optitrack": read_optitrack,
    "aniposelib": read_aniposelib,
    "caliscope": read_aniposelib,
    "freemocap": read_freemocap,
    "easymocap": read_easymocap,
    "openpose": read_openpose_rig,
    "panoptic": read_panoptic,
    "colmap": read_colmap,
    "colmap-binary": read_colmap,
    "kalibr": read_kalibr,
    "biocv": read_biocv,
    "transforms": read_transforms,
    "matlab": read_matlab,
    "human36m": read_human36m,
}
"""Readers of the formats of others, from the path and the image size for formats without one."""

RIG_WRITERS: dict[str, Callable[[Path, CameraRig], None]] = {
    OWN: write_rig_toml,
    "opencv": write_opencv,
    "qualisys": write_qualisys,
    "theia": write_theia,
    "vicon": write_vicon,
    "aniposelib": write_aniposelib,
    "caliscope": write_caliscope,
    "freemocap": write_freemocap,
    "easymocap": write_easymocap,
    "openpose": write_openpose_rig,
    "panoptic": write_panoptic,
    "colmap": write_colmap,
    "colmap-binary": write_colmap_binary,
    "kalibr": write_kalibr,
    "biocv": write_biocv,
    "transforms": write_transforms,
}
"""Writers by format; a path is a folder for colmap, easymocap, openpose and biocv."""

_BY_ENDING = {".toml": OWN, ".qca.txt": "qualisys", ".xcp": "vicon", "camchain.yaml": "kalibr", "transforms.json": "transforms"}


def read_rig(path: Path | str, unit: str | None = None, format: str | None = None, size: Size | None = None) -> CameraRig:
    """A rig from any file or folder in the table above.

    Args:
        path: the file, or the folder of a format that has one.
        unit: "m", "cm" or "mm", for the formats that do not say theirs; given, it goes before what a file says,
            and makes a scale known.
        format: its name, where the file does not tell it.
        size: of the images, px, for the formats that do not say theirs.

    Raises:
        CameraError: not one of these, a lens that no model of OpenCV's is near to, or entries that are missing or
            impossible; all faults at once.
        InputError: no such file, or not readable.
    """
    path = Path(path)
    if unit is not None and unit not in UNITS:
        raise CameraError(f"rig unit {unit!r} is not one of {', '.join(UNITS)}")
    scale = UNITS[unit] if unit else None
    name = _format(path, format)
    return read_rig_toml(path, scale or 1.0) if name == OWN else RIG_READERS[name](path, size).to_rig(scale)


def read_intrinsics(path: Path | str, format: str | None = None, size: Size | None = None) -> dict[str, Intrinsics]:
    """The lenses of a rig file by camera name; also of a file that has lenses alone.

    Args:
        path: as for `read_rig`.
        format: its name, where the file does not tell it.
        size: of the images, px, for the formats that do not say theirs.

    Raises:
        CameraError: as for `read_rig`.
    """
    path = Path(path)
    name = _format(path, format)
    if name == OWN:
        return read_lenses_toml(path)
    return RIG_READERS[name](path, size).intrinsics()


def write_rig(path: Path | str, rig: CameraRig, format: str | None = None) -> None:
    """Write a rig for another program, or in recon3d's own form.

    Args:
        path: the file, or the folder of a format that has one.
        rig: in metres.
        format: its name; told by the ending where it is not given.

    Raises:
        CameraError: the format cannot hold the rig (naming camera and reason), or there is none of this name.
    """
    path = Path(path)
    if format is None:
        format = next((name for ending, name in _BY_ENDING.items() if path.name.lower().endswith(ending)), "")
    if format not in RIG_WRITERS:
        raise CameraError(f"{path.name}: a rig is written in the format {valid_names(RIG_WRITERS)}, not {format!r}: name one of these")
    RIG_WRITERS[format](path, rig)


def _format(path: Path, format: str | None) -> str:
    if format is None:
        return format_of(path)
    if format != OWN and format not in RIG_READERS:
        raise CameraError(f"rig format {format!r} is not one of {valid_names([OWN, *RIG_READERS])}")
    return format
