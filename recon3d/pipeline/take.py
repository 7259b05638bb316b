"""The take folder: windows of each stage, addressed by what they were made from, and what is assembled from them."""

import functools
import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import recon3d
from recon3d.errors import InputError
from recon3d.io import read_keypoints2d, read_keypoints3d, read_motion, write_json
from recon3d.io.files import read_json, read_toml
from recon3d.records import Keypoints2D, Keypoints3D, Motion
from recon3d.records.keypoints2d import concatenate
from recon3d.skeleton import Layout

_DONE = "done.json"


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage's windows: ``stages/<name>-<key>/<part>-<window>.npz``, complete when ``done.json`` is there."""

    folder: Path

    @property
    def complete(self) -> bool:
        """All windows are there."""
        return (self.folder / _DONE).is_file()

    def path(self, part: str, window: int) -> Path:
        """File of one window of one part (a camera, a person)."""
        return self.folder / f"{part}-{window:06d}.npz"

    def windows(self, part: str) -> list[Path]:
        """Files of a part's windows, in order, as far as they are there without a gap."""
        out: list[Path] = []
        while (path := self.path(part, len(out))).is_file():
            out.append(path)
        return out

    @property
    def name(self) -> str:
        """Of the stage, without its key."""
        return self.folder.name.rpartition("-")[0]

    def finish(self, facts: dict[str, Any]) -> None:
        """Mark the stage complete."""
        write_json(self.folder / _DONE, facts)

    def discard(self) -> None:
        """Remove the stage, and the folders above it that are empty then."""
        shutil.rmtree(self.folder, ignore_errors=True)
        for folder in (self.folder.parent, self.folder.parent.parent):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()

    def facts(self) -> dict[str, Any]:
        """What `finish` was given."""
        return read_json(self.folder / _DONE)


@dataclass(frozen=True, slots=True)
class Take:
    """A take folder."""

    folder: Path

    @staticmethod
    def existing(folder: Path) -> "Take":
        """A folder that a reconstruction wrote.

        Raises:
            InputError: it is none.
        """
        if not (folder / "take.toml").is_file():
            raise InputError(f"{folder} is not a take folder: there is no take.toml in it (`recon3d reconstruct` writes one)")
        return Take(folder)

    def sweep(self) -> None:
        """Remove what a run that was killed left half-written."""
        for place in (".", "keypoints2d", "motion", "body", "exports", "stages/*"):
            for part in self.folder.glob(f"{place}/.*.part"):
                part.unlink(missing_ok=True)

    def forget_others(self, stages: Sequence[Stage], outputs: Sequence[Path]) -> None:
        """Remove stages and outputs of earlier runs: a take folder speaks of one run."""
        kept = {stage.folder for stage in stages}
        for folder in (self.folder / "stages").iterdir():
            if folder not in kept:
                shutil.rmtree(folder)
        for folder in ("keypoints2d", "motion", "body"):
            for path in (self.folder / folder).glob("*.*"):
                if path not in outputs:
                    path.unlink()
        ours = self.people()
        for path in (self.folder / "exports").glob("*"):
            if (name := path.name.partition(".")[0]) in ours or name.isdigit() or name == "take":
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    def recorded_stage(self, name: str) -> Stage | None:
        """The stage that the take's files were made from, if its windows are still there."""
        key = read_toml(self.folder / "take.toml").get("stages", {}).get(name)
        stage = Stage(self.folder / "stages" / str(key))
        return stage if key and stage.complete else None

    def needed_stage(self, name: str) -> Stage:
        """The same.

        Raises:
            InputError: its windows are gone.
        """
        stage = self.recorded_stage(name)
        if stage is None:
            raise InputError(f"{self.folder} does not hold what it was made from any more; run `recon3d reconstruct` again")
        return stage

    def stage(self, name: str, made_from: Any) -> Stage:
        """A stage by what it is made from: inputs, settings and recon3d's version decide the key."""
        text = json.dumps([name, recon3d.__version__, made_from], sort_keys=True, default=str)
        key = hashlib.sha256(text.encode()).hexdigest()[:12]
        return Stage(self.folder / "stages" / f"{name}-{key}")

    @property
    def keypoints3d(self) -> Path:
        """Assembled 3D keypoints."""
        return self.folder / "keypoints3d.npz"

    def keypoints2d(self, camera: str) -> Path:
        """Assembled 2D keypoints of a camera."""
        return self.folder / "keypoints2d" / f"{camera}.npz"

    def people(self) -> dict[str, int]:
        """Ids of the people by name, as the last run left them."""
        path = self.folder / "take.toml"
        people = read_toml(path).get("people", {}) if path.is_file() else {}
        if any(name in ("", ".", "..") or set(name) & set("/\\:\0") for name in people):
            raise InputError(f"{path}: people's names are parts of file names, not {', '.join(map(repr, people))}")
        return people

    def motion(self, name: str) -> Path:
        """Assembled motion of a person."""
        return self.folder / "motion" / f"{name}.npz"

    def body(self, name: str) -> Path:
        """A person's body and its motion."""
        return self.folder / "body" / f"{name}.npz"

    def source(self) -> dict[str, Any]:
        """What files made from the take say of where they come from: version, inputs, settings."""
        told = read_toml(self.folder / "take.toml")
        keys = ("recon3d", "input_hashes", "detect", "multiview", "motion")
        return {"take": self.folder.resolve().name, **{key: told[key] for key in keys if key in told}}

    def export(self, name: str, suffix: str) -> Path:
        """A person's file for another program."""
        return self.folder / "exports" / f"{name}{suffix}"


class StoredKeypoints:
    """One camera's keypoints in window files; frames are read where they are asked for."""

    def __init__(self, paths: Sequence[Path]):
        self._paths = list(paths)
        first = read_keypoints2d(self._paths[0])
        self.camera: str = first.camera
        self.layout: Layout = first.layout
        frames: list[np.ndarray] = []
        times: list[np.ndarray] = []
        for path in self._paths:
            with np.load(path, allow_pickle=False) as archive:  # the large arrays stay where they are
                frames.append(archive["frame"])
                times.append(archive["time"])
        self.frame, self.time = np.concatenate(frames), np.concatenate(times)
        self._starts = np.cumsum([0, *(len(f) for f in frames)])
        self._held: tuple[int, Keypoints2D] = (0, first)

    def window(self, part: slice) -> Keypoints2D:
        """Some consecutive frames."""
        start, stop, _ = part.indices(len(self.frame))
        first = int(np.searchsorted(self._starts, start, side="right")) - 1
        last = int(np.searchsorted(self._starts, max(stop - 1, start), side="right")) - 1
        pieces: list[Keypoints2D] = []
        for k in range(first, last + 1):
            piece = self._piece(k)
            a, b = int(self._starts[k]), int(self._starts[k + 1])
            pieces.append(piece.window(slice(max(start - a, 0), min(stop, b) - a)))
        return pieces[0] if len(pieces) == 1 else concatenate(pieces)

    def readers(self) -> list[Callable[[], Keypoints2D]]:
        """A reader of each window."""
        return [lambda k=k: self._piece(k) for k in range(len(self._paths))]

    def _piece(self, k: int) -> Keypoints2D:
        if self._held[0] != k:
            self._held = (k, read_keypoints2d(self._paths[k]))
        return self._held[1]


def world_readers(paths: Sequence[Path]) -> list[Callable[[], Keypoints3D]]:
    """A reader of each window of 3D keypoints; the last one read is held."""
    held = functools.lru_cache(maxsize=1)(read_keypoints3d)
    return [functools.partial(held, path) for path in paths]


def motion_readers(paths: Sequence[Path]) -> list[Callable[[], Motion]]:
    """A reader of each window of motion; the last one read is held."""
    held = functools.lru_cache(maxsize=1)(read_motion)
    return [functools.partial(held, path) for path in paths]
