"""Settings of the whole job: one table of a TOML file a stage, values only; unknown keys are errors."""

import dataclasses
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recon3d.characters import load_preset
from recon3d.detect import TrackSettings
from recon3d.errors import InputError, all_faults, valid_names
from recon3d.io.files import read_toml
from recon3d.monocular.camera import FOV_RANGE_DEG
from recon3d.motion import MotionSettings
from recon3d.multiview import MultiviewSettings
from recon3d.pipeline.export import known_formats
from recon3d.records.rest import REST_POSES

LIFTERS = ("network", "blazepose")


@dataclass(frozen=True, slots=True)
class ExportSettings:
    """What is written."""

    formats: tuple[str, ...] = ("csv", "trc", "c3d", "bvh", "glb", "angles.csv")
    """Formats by suffix."""
    rest: str = "T"
    """Pose at rest in motion files: T (arms spread) or A (arms 45 degrees down)."""
    preset: str = ""
    """Program whose names, axes, unit and rest pose animation files have (recon3d export --help lists them); "" for our own."""

    def __post_init__(self) -> None:
        if self.rest not in REST_POSES:
            raise InputError(f"rest must be one of {', '.join(REST_POSES)}, not {self.rest!r}")
        if self.preset:
            load_preset(self.preset)


@dataclass(frozen=True, slots=True)
class LiftSettings:
    """How one camera's people are lifted to 3D."""

    lifter: str = "network"
    """What tells depths: network (the one that is shipped) or blazepose (its world landmarks; needs the video)."""
    fov: float = 0.0
    """Degrees along the picture's longer side; 0 for what the file tells, or what is usual."""
    height: float = 0.0
    """Of everybody, m; 0 for what is usual."""

    def __post_init__(self) -> None:
        if self.lifter not in LIFTERS:
            raise InputError(f"lifter must be {valid_names(LIFTERS)}, not {self.lifter!r}")
        if self.fov and not FOV_RANGE_DEG[0] <= self.fov <= FOV_RANGE_DEG[1]:
            raise InputError(f"fov is {FOV_RANGE_DEG[0]:.0f} to {FOV_RANGE_DEG[1]:.0f} degrees, not {self.fov}")
        if self.height and not 0.5 <= self.height <= 2.5:
            raise InputError(f"height is in metres, 0.5 to 2.5, not {self.height}")


@dataclass(frozen=True, slots=True)
class Settings:
    """All stages' settings."""

    detect: TrackSettings = field(default_factory=TrackSettings)
    multiview: MultiviewSettings = field(default_factory=MultiviewSettings)
    motion: MotionSettings = field(default_factory=MotionSettings)
    lift: LiftSettings = field(default_factory=LiftSettings)
    export: ExportSettings = field(default_factory=ExportSettings)


def load_settings(path: Path | None) -> Settings:
    """Settings from a TOML file; what it does not name keeps its default.

    Raises:
        InputError: unknown tables or keys, values of the wrong kind, unknown formats; all at once.
    """
    if path is None:
        return Settings()
    return settings_of(read_toml(path), path)


def settings_of(data: dict[str, Any], path: Path) -> Settings:
    """Settings from the tables of a TOML file; see `load_settings`."""
    faults: list[str] = []
    values: dict[str, Any] = {}
    stages = {f.name: f for f in dataclasses.fields(Settings)}
    for name, table in data.items():
        if name not in stages or not isinstance(table, dict):
            faults.append(f"unknown table [{name}]; there are {valid_names(stages)}")
            continue
        kind = typing.get_type_hints(Settings)[name]
        values[name] = _fill(kind, table, name, faults)
    export: ExportSettings | None = values.get("export")
    for suffix in export.formats if export else ():
        if suffix not in known_formats():
            faults.append(f"[export] format {suffix!r} is not one of {valid_names(known_formats())}")
    if faults:
        raise InputError(all_faults(faults, f"{path} cannot be used:"))
    return Settings(**values)


def _fill(kind: type, table: dict[str, Any], name: str, faults: list[str]) -> Any:
    hints = typing.get_type_hints(kind)
    good: dict[str, Any] = {}
    for key, value in table.items():
        if key not in hints:
            faults.append(f"[{name}] unknown key {key!r}; there are {valid_names(hints)}")
            continue
        wanted = hints[key]
        if wanted is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if typing.get_origin(wanted) is tuple:
            if not (isinstance(value, list) and all(isinstance(v, str) for v in value)):
                faults.append(f"[{name}] {key} must be a list of words, not {value!r}")
                continue
            value = tuple(value)
        elif not isinstance(value, wanted if isinstance(wanted, type) else object) or isinstance(value, bool) != (wanted is bool):
            faults.append(f"[{name}] {key} must be of kind {getattr(wanted, '__name__', wanted)}, not {value!r}")
            continue
        good[key] = value
    try:
        return kind(**good)
    except InputError as error:
        faults.append(f"[{name}] {error}")
        return None


def as_tables(settings: Settings) -> dict[str, dict[str, Any]]:
    """Settings as plain values, for hashing and for `take.toml`."""
    return dataclasses.asdict(settings)
