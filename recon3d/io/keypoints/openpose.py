"""OpenPose: a folder of JSON files, one a frame, as written by ``--write_json``; Pose2Sim's folders are the same.

The list of people in a file has no order that means anything. A joint of 0, 0, 0 was not found. The
files say neither frame rate nor image size nor, where two layouts have as many points, which it is.
Points of hands and face follow the body's where any file has them.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from recon3d.errors import InputError, LayoutError, all_faults
from recon3d.io.files import read_json
from recon3d.io.keypoints.found import FoundKeypoints, KeypointOptions, PeopleRows
from recon3d.io.keypoints.gather import rows_of, whole
from recon3d.io.keypoints.telling import told
from recon3d.records import Keypoints2D
from recon3d.records.keypoints2d import concatenate
from recon3d.skeleton import Layout, joined, load_layout

BY_COUNT = {
    15: ("mpi_15",),
    18: ("coco_18",),
    19: ("body_19",),
    23: ("body_23",),
    25: ("body_25", "body_25b"),
    135: ("body_135",),
}
"""OpenPose's own body layouts by number of points."""
_BODY = ("pose_keypoints_2d", "pose_keypoints")
_PARTS = {
    "left_hand_": (("hand_left_keypoints_2d", "hand_left_keypoints"), "hand_21"),
    "right_hand_": (("hand_right_keypoints_2d", "hand_right_keypoints"), "hand_21"),
    "face_": (("face_keypoints_2d", "face_keypoints"), "face_70"),
}
"""Prefix of a part's points, its keys (the second of files before 1.2), and its layout."""
_MAX_FAULTS = 8
_BLOCK = 4096  # files parsed at a time
_TELL_FROM = 100  # files at a time that a layout is told from
_VIEW = re.compile(r"_keypoints_(\d+)$")


@dataclass(frozen=True, slots=True, eq=False)
class OpenPosePerson:
    """Body points and those of each part that the file has, x, y, score; and who it is."""

    body: np.ndarray
    parts: dict[str, np.ndarray]
    identity: int


def frame_number(path: Path) -> int | None:
    """The last integer in a file name, which is the frame (``_keypoints`` and a view's suffix left out)."""
    stem = re.sub(r"_keypoints(_\d+)?$", "", path.stem)
    found = re.findall(r"\d+", stem)
    return int(found[-1]) if found and len(found[-1]) < 16 else None


def views_of(folder: Path) -> list[int]:
    """Which cameras' files lie in one folder: [0], or more where OpenPose saw several at once (``_keypoints_1``, ...)."""
    return sorted({_view(file) for file in folder.glob("*.json")}) or [0]


def is_openpose(data: Any) -> bool:
    """Whether parsed JSON is a frame."""
    return isinstance(data, dict) and isinstance(data.get("people"), list)


def openpose_cameras(path: Path) -> list[tuple[str, Path, int]]:
    """Name, folder and view of every camera: in one folder, or a folder each, as Pose2Sim has them (in ``pose``, too)."""
    if any(path.glob("*.json")):
        views = views_of(path)
        return [(f"cam_{view}" if len(views) > 1 else path.name.removesuffix("_json"), path, view) for view in views]
    for parent in (path, path / "pose"):
        folders = sorted(folder for folder in parent.glob("*") if folder.is_dir() and any(folder.glob("*.json")))
        if folders and all(is_openpose(read_json(min(folder.glob("*.json")))) for folder in folders):
            return [(folder.name.removesuffix("_json"), folder, 0) for folder in folders]
    return []


def _view(file: Path) -> int:
    found = _VIEW.search(file.stem)
    return int(found[1]) if found else 0


class OpenPoseFolder:
    """One camera's files, listed but not read; frames are read where they are asked for.

    Args:
        folder: of the files.
        camera: its name.
        options: frame rate and image size, which no file holds, and the body's layout where its points do not tell.
        view: which of several cameras whose files lie in one folder.

    Raises:
        InputError: no files, a name without a frame number, or two files of one frame; all at once.
    """

    def __init__(self, folder: Path, camera: str, options: KeypointOptions, view: int = 0):
        self.folder, self.camera, self.options = folder, camera, options
        names = sorted(f.name for f in folder.iterdir() if f.suffix == ".json" and _view(f) == view)
        if not names:
            raise InputError(f"camera {camera}: {folder} holds no .json files")
        numbers: dict[int, str] = {}
        faults: list[str] = []
        for name in names:
            number = frame_number(Path(name))
            if number is None:
                faults.append(f"{name}: no frame number in the name")
            elif number in numbers:
                faults.append(f"{name}: frame {number} has {numbers[number]} already")
            else:
                numbers[number] = name
        if faults:
            raise _refusal(faults, folder, camera)
        self.frame = np.array(sorted(numbers), dtype=np.int64)
        self._names = [numbers[int(n)] for n in self.frame]
        self._layout: Layout | None = None
        self._parts: tuple[str, ...] = ()
        self._told_from: list[list[OpenPosePerson]] = []

    def __len__(self) -> int:
        return len(self._names)

    def paths(self, part: slice = slice(None)) -> Iterator[Path]:
        """The files of some of the frames."""
        return (self.folder / name for name in self._names[part])

    @property
    def time(self) -> np.ndarray:
        """s, from the frame rate that was given."""
        if self.options.fps is None:
            raise InputError(f"camera {self.camera}: OpenPose files in {self.folder} do not say the frame rate; give it with --fps")
        return self.frame / self.options.fps

    @property
    def layout(self) -> Layout:
        """Told from the first files with people where it was not given.

        Raises:
            LayoutError: nobody is in the files, or their points do not tell.
        """
        found = self.told
        if found is None:
            raise LayoutError(f"camera {self.camera}: nobody is in any file of {self.folder}; name the layout with --layout")
        return found

    @property
    def told(self) -> Layout | None:
        """The layout, or None where nobody is in any of the files and none was given."""
        if self._layout is None:
            people: list[OpenPosePerson] = []
            for start in range(0, len(self._names), _TELL_FROM):
                frames = self._read(slice(start, start + _TELL_FROM))
                if start == 0:
                    self._told_from = frames  # the first window is asked for next
                people = [p for f in frames for p in f]
                if people:
                    break
            if people or self.options.layout is not None:
                body = body_layout([p.body for p in people], self.folder, self.camera, self.options.layout)
                self._parts, self._layout = with_parts(body, people)
        return self._layout

    def window(self, part: slice) -> Keypoints2D:
        """Some of the frames; frames without a file are gaps, files without people are empty frames.

        Raises:
            InputError: files that are cut, empty or of another kind; all at once.
            LayoutError: the layout cannot be told from the files; the message names the choices.
        """
        layout = self.layout
        start, stop, _ = part.indices(len(self._names))
        held, self._told_from = (self._told_from if start == 0 else []), []
        blocks: list[Keypoints2D] = []
        # What is parsed is forty times as large as what is kept.
        for at in range(start, max(stop, start + 1), _BLOCK):
            end = min(at + _BLOCK, stop)
            frames = [*held[at:end], *self._read(slice(min(max(at, len(held)), end), end))]
            blocks.append(self._record(frames, self.frame[at:end], layout))
        return concatenate(blocks)

    def _record(self, frames: list[list[OpenPosePerson]], numbers: np.ndarray, layout: Layout) -> Keypoints2D:
        rows = rows_of_people(frames, numbers, layout, self._parts, f"camera {self.camera}: files of {self.folder}")
        return FoundKeypoints(self.folder, self.camera, layout, rows, "heatmap").to_record(
            KeypointOptions(self.options.fps, self.options.size)
        )

    def _read(self, part: slice) -> list[list[OpenPosePerson]]:
        out: list[list[OpenPosePerson]] = []
        faults: list[str] = []
        for file in self.paths(part):
            try:
                out.append(people_in(read_json(file), file))
            except InputError as error:
                faults.append(str(error))
        if faults:
            raise _refusal(faults, self.folder, self.camera)
        return out


def share_layout(folders: Sequence[OpenPoseFolder]) -> None:
    """Cameras that never saw anybody take the layout of the others; they have nothing to tell it from."""
    told_by = {folder.camera: folder for folder in folders if folder.told is not None}
    known = {folder.layout.name: folder for folder in told_by.values()}
    if len(known) == 1:
        (one,) = known.values()
        for folder in folders:
            if folder.told is None:
                folder._layout, folder._parts = one.layout, one._parts


def read_openpose(folder: Path, camera: str, options: KeypointOptions) -> Keypoints2D:
    """All frames of one camera at once, see `OpenPoseFolder`."""
    return OpenPoseFolder(folder, camera, options).window(slice(None))


def with_parts(body: Layout, people: Sequence[OpenPosePerson]) -> tuple[tuple[str, ...], Layout]:
    """Prefixes of the parts that any of the people has, and the layout with their points after the body's."""
    parts = tuple(prefix for prefix in _PARTS if any(prefix in person.parts for person in people))
    return parts, joined(body, {prefix: load_layout(_PARTS[prefix][1]) for prefix in parts}) if parts else body


def split_parts(layout: Layout, points: Float[np.ndarray, "joints 3"]) -> dict[str, list[float]]:
    """A person's points under OpenPose's keys: the body's, and those of the parts that the layout was joined with."""
    start = {
        prefix: layout.points.index(prefix + load_layout(part).points[0])
        for prefix, (_, part) in _PARTS.items()
        if f"+{prefix.rstrip('_')}" in layout.name
    }
    bounds = [*sorted(start.values()), len(layout)]
    out = {_BODY[0]: points[: bounds[0]].ravel().tolist()}
    for prefix, (keys, _) in _PARTS.items():
        at = start.get(prefix)
        out[keys[0]] = [] if at is None else points[at : bounds[bounds.index(at) + 1]].ravel().tolist()
    return out


def rows_of_people(
    frames: Sequence[Sequence[OpenPosePerson]], numbers: np.ndarray, layout: Layout, prefixes: tuple[str, ...], where: str
) -> PeopleRows:
    """People of each frame in the points of a layout with these parts.

    Raises:
        InputError: bodies with other numbers of points.
    """
    joints = len(layout) - sum(len(load_layout(_PARTS[prefix][1])) for prefix in prefixes)
    people = [person for frame in frames for person in frame]
    wrong = {len(person.body) for person in people} - {joints}
    if wrong:
        raise InputError(f"{where} hold people with {', '.join(map(str, sorted(wrong)))} points, layout {layout.name} has {len(layout)}")
    points = np.zeros((len(people), len(layout), 3))
    for row, person in enumerate(people):
        points[row, :joints] = person.body
        at = joints
        for prefix in prefixes:
            size = len(load_layout(_PARTS[prefix][1]))
            own = person.parts.get(prefix)
            if own is not None and len(own) == size:
                points[row, at : at + size] = own
            at += size
    identity = np.array([person.identity for person in people], dtype=np.int64)
    return PeopleRows.of(np.repeat(numbers, [len(frame) for frame in frames]), points, identity, frames=numbers)


def _refusal(faults: list[str], folder: Path, camera: str) -> InputError:
    more = [f"... and {len(faults) - _MAX_FAULTS} more"] if len(faults) > _MAX_FAULTS else []
    return InputError(all_faults(faults[:_MAX_FAULTS] + more, f"camera {camera}: files of {folder} cannot be used:"))


def people_in(data: Any, file: Path) -> list[OpenPosePerson]:
    """The people of a file's parsed JSON.

    Raises:
        InputError: it is of another kind, or broken.
    """
    if not isinstance(data, dict) or not isinstance(data.get("people"), list):
        raise InputError(f"{file} is not an OpenPose file: there is no list of 'people'")
    out: list[OpenPosePerson] = []
    for k, person in enumerate(data["people"]):
        if not isinstance(person, dict):
            raise InputError(f"{file}, person {k} is not an object")
        body = values_of(person, _BODY, f"{file}, person {k}")
        if body is None:
            continue
        found = {prefix: values_of(person, keys, f"{file}, person {k}") for prefix, (keys, _) in _PARTS.items()}
        parts = {prefix: own for prefix, own in found.items() if own is not None}
        out.append(OpenPosePerson(body, parts, _identity(person, f"{file}, person {k}")))
    return out


def values_of(person: dict[str, Any], keys: tuple[str, ...], where: str, width: int = 3) -> np.ndarray | None:
    """A person's points under the first of these keys that is filled; None where none is."""
    key = next((key for key in keys if person.get(key)), None)
    return None if key is None else rows_of(person[key], width, f"{where}, {key}")


def _identity(person: dict[str, Any], where: str) -> int:
    given = person.get("person_id", -1)
    return whole(given[0] if isinstance(given, list) and given else -1 if isinstance(given, list) else given, f"{where}, person_id")


def body_layout(people: list[np.ndarray], folder: Path, camera: str, asked: str | None) -> Layout:
    """The layout of bodies: asked for, or told by their number of points and where these lie.

    Raises:
        InputError: bodies with different numbers of points.
        LayoutError: it does not show.
    """
    if asked is not None:
        return load_layout(asked)
    counts = {len(p) for p in people}
    if len(counts) > 1:
        raise InputError(f"camera {camera}: files of {folder} hold people with {sorted(counts)} points: mixed layouts")
    count = counts.pop()
    if count not in BY_COUNT:
        raise LayoutError(f"camera {camera}: people in {folder} have {count} points; name the layout with --layout")
    found = told(np.array(people), BY_COUNT[count])
    if found is None:
        raise LayoutError(
            f"camera {camera}: people in {folder} have {count} points, which may be {' or '.join(BY_COUNT[count])}, and where they "
            f"lie does not tell; name it with {' or '.join(f'--layout {name}' for name in BY_COUNT[count])}"
        )
    return found
