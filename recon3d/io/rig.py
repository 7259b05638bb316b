"""`read_rig`: any rig file that recon3d knows, recognised by its content."""

from pathlib import Path

from recon3d.errors import CameraError
from recon3d.geometry import CameraRig
from recon3d.io.files import read_text, read_toml
from recon3d.io.rig_foreign import parse_aniposelib, read_opencv, read_qualisys
from recon3d.io.rig_toml import parse_rig_toml

UNITS = {"m": 1.0, "cm": 0.01, "mm": 0.001}


def read_rig(path: Path | str, unit: str | None = None) -> CameraRig:
    """A rig from `rig.toml`, Qualisys ``.qca.txt``, aniposelib / Pose2Sim / caliscope TOML, or OpenCV YAML.

    Args:
        path: the file.
        unit: "m", "cm" or "mm", for the formats that do not say theirs.

    Raises:
        CameraError: not one of these, or entries that are missing or impossible; all faults at once.
    """
    path = Path(path)
    if unit is not None and unit not in UNITS:
        raise CameraError(f"rig unit {unit!r} is not one of {', '.join(UNITS)}")
    scale = UNITS[unit] if unit else None
    head = read_text(path).lstrip()[:4000]
    if not head:
        raise CameraError(f"{path} is empty")
    if head.startswith("%YAML") or "opencv_storage" in head[:200]:
        return read_opencv(path, scale)
    if head.startswith("<"):
        return read_qualisys(path)
    data = read_toml(path)
    if "version" in data and "cameras" in data:
        return parse_rig_toml(data, path, scale or 1.0)
    return parse_aniposelib(data, path, scale)
