"""From finished stages to a take's files, and what the take remembers of how it was made."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import recon3d
from recon3d import io
from recon3d.errors import InputError
from recon3d.geometry import CameraRig
from recon3d.io import ANIMATION_WRITERS
from recon3d.io.files import atomic
from recon3d.pipeline.export import export_take
from recon3d.pipeline.people import FILE as EDITS
from recon3d.pipeline.people import Cast
from recon3d.pipeline.person import Person
from recon3d.pipeline.settings import ExportSettings, Settings, as_tables
from recon3d.pipeline.summary import Summary
from recon3d.pipeline.take import Stage, StoredKeypoints, Take
from recon3d.records import Keypoints3D


@dataclass(frozen=True, slots=True)
class Result:
    """Where the take is, and what there is to say about it."""

    take: Take
    summary: Summary
    files: tuple[Path, ...]


def check_out(folder: Path, inputs: Sequence[Path]) -> None:
    """Refuse a folder that is no place for a take.

    Raises:
        InputError: it is a file, it holds something else, or the inputs lie in it.
    """
    out = folder.resolve()
    if out.exists() and not out.is_dir():
        raise InputError(f"{folder} is a file; the take needs a folder")
    ours = any((out / name).exists() for name in ("take.toml", "stages", EDITS))
    if out.is_dir() and any(out.iterdir()) and not ours:
        raise InputError(f"{folder} holds other files and is no take folder; give a new or empty folder with -o")
    inside = [str(p) for p in inputs if p.resolve().is_relative_to(out)]
    if inside:
        raise InputError(f"{', '.join(inside)} lie inside the take folder {folder}, which is written anew; give another -o")


def own_files(layout: str | None, settings: Settings, scores: Path | None) -> dict[str, Path]:
    """Layout, armature and scores where they are the user's files: their content counts, not their name."""
    named = {"layout file": layout, "armature file": settings.motion.armature}
    own = {label: Path(name) for label, name in named.items() if name is not None and name.endswith(".toml")}
    return own if scores is None else {**own, "scores file": scores}


def assemble(
    take: Take,
    rig: CameraRig,
    seen: Sequence[StoredKeypoints],
    worlds: Sequence[Callable[[], Keypoints3D]],
    people: Sequence[Person],
    stages: Sequence[Stage],
) -> None:
    """Write cameras, keypoints and motion from the stages' windows; what other runs left is removed."""
    io.write_rig_toml(take.folder / "rig.toml", rig)
    for view in seen:
        io.write_keypoints2d(take.keypoints2d(view.camera), view.readers())
    io.write_keypoints3d(take.keypoints3d, worlds)
    for person in people:
        io.write_motion(take.motion(person.name), person.motions)
    take.forget_others(stages, [*(take.motion(person.name) for person in people), *(take.keypoints2d(view.camera) for view in seen)])


def exported(take: Take, wanted: ExportSettings) -> list[Path]:
    """Files for other programs."""
    shaped = any(f".{f}" in ANIMATION_WRITERS for f in wanted.formats)
    return list(export_take(take, wanted.formats, wanted.rest, wanted.preset if shaped else ""))


def write_take_toml(
    take: Take,
    inputs: Mapping[str, Path],
    prints: Mapping[str, str],
    stages: Sequence[Stage],
    cast: Cast,
    job: Mapping[str, object],
    settings: Settings,
) -> None:
    """Inputs with their hashes, stages, people, the job's facts (what is None is left out) and all settings."""
    lines = [f'recon3d = "{recon3d.__version__}"', "", "[inputs]"]
    lines += [f"{_quoted(name)} = {_quoted(str(path.resolve()))}" for name, path in inputs.items()]
    lines += ["", "[input_hashes]", *(f"{_quoted(name)} = {_quoted(value)}" for name, value in prints.items())]
    lines += ["", "[stages]", *(f"{stage.name} = {_quoted(stage.folder.name)}" for stage in stages)]
    lines += ["", "[people]", *(f"{_quoted(name)} = {person}" for person, name in cast.names.items())]
    lines += ["", "[job]", *(f"{key} = {_toml(value)}" for key, value in job.items() if value is not None)]
    for table, values in as_tables(settings).items():
        lines += ["", f"[{table}]", *(f"{key} = {_toml(value)}" for key, value in values.items())]
    with atomic(take.folder / "take.toml") as stream:
        stream.write("\n".join(lines) + "\n")


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _toml(value: object) -> str:
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(v) for v in value) + "]"
    return str(value).lower() if isinstance(value, bool) else repr(value)
