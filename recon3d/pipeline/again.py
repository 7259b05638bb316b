"""A take's job once more, with other settings: what it was made from is in its take.toml."""

from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from recon3d.errors import InputError, all_faults
from recon3d.io.files import read_toml
from recon3d.motion import MotionSettings
from recon3d.pipeline.job import Job
from recon3d.pipeline.lift import LiftJob
from recon3d.pipeline.settings import settings_of
from recon3d.pipeline.take import Take


def job_of(take: Take) -> Job | LiftJob:
    """The job that a take was made by.

    Raises:
        InputError: its inputs are not where they were; all of them at once.
    """
    path = take.folder / "take.toml"
    data = read_toml(path)
    inputs: dict[str, str] = data.get("inputs", {})
    job: dict[str, Any] = data.get("job", {})
    lifted = job.get("kind") == "lift"
    places = inputs if lifted and "rig" not in job else {**inputs, "rig": job.get("rig", "")}
    faults = [f"{name}: {place} is not there" for name, place in places.items() if not Path(place).exists()]
    if faults:
        raise InputError(all_faults(faults, f"{take.folder} cannot be solved again, it is made from files that moved:"))
    tables = {name: table for name, table in data.items() if name in ("detect", "multiview", "motion", "lift", "export")}
    same: dict[str, Any] = {name: job.get(name) for name in ("stop", "layout", "fps", "rig_unit")}
    same |= {
        "out": take.folder,
        "settings": settings_of(tables, path),
        "first": int(job["first"]),
        "image_fit": job.get("image_fit", "refuse"),
    }
    same["scores"] = Path(job["scores"]) if "scores" in job else None
    if lifted:
        rig = Path(job["rig"]) if "rig" in job else None
        size = (int(job["size"][0]), int(job["size"][1])) if "size" in job else None
        return LiftJob(Path(next(iter(inputs.values()))), rig=rig, camera=job["camera"], size=size, **same)
    return Job(rig=Path(job["rig"]), inputs=tuple(f"{name}={place}" for name, place in inputs.items()), **same)


AnyJob = TypeVar("AnyJob", Job, LiftJob)


def with_motion(job: AnyJob, armature: str | None, longest_gap: float | None, free_cameras: bool | None) -> AnyJob:
    """The same job with other settings of the motion; None keeps one."""
    have = job.settings.motion
    chosen = MotionSettings(
        have.armature if armature is None else armature,
        have.longest_gap if longest_gap is None else longest_gap,
        have.free_cameras if free_cameras is None else free_cameras,
    )
    return replace(job, settings=replace(job.settings, motion=chosen))
