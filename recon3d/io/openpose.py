"""OpenPose: a folder of JSON files, one a frame, as written by ``--write_json``.

The list of people in a file has no order that means anything. A joint of 0, 0, 0 was not found. The
files say neither frame rate nor image size nor, where two layouts have as many points, which it is.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recon3d.errors import InputError, LayoutError, all_faults
from recon3d.io.files import read_json
from recon3d.records import Keypoints2D, size_sigma_px
from recon3d.skeleton import Layout, load_layout

BY_COUNT = {15: ("mpi_15",), 18: ("coco_18",), 25: ("body_25", "body_25b")}
"""OpenPose's own body layouts by number of points."""
SIGMA_SHARE = 0.006
"""Sigma of an OpenPose body keypoint over the person's box diagonal, at a score of 1."""
_MAX_FAULTS = 8
_ABSURD = 1e6  # px; NaN, infinite and larger numbers are no pixels
_MARGIN, _OUTSIDE = 0.1, 0.2  # a point may lie off the image by this share; so many may not
_TELL_FROM = 100  # files at a time that a layout is told from
_CLEARLY_SHORTER = 0.75  # of the mean bone; 0.35 on the four cameras of the embedded recording


@dataclass(frozen=True, slots=True)
class OpenPoseOptions:
    """What the files do not say.

    Attributes:
        fps: frames a second of the camera.
        size: width and height of the images, px.
        layout: name of the layout; None tells it from the number of points, and 25 from 25B by where
            the points lie.
    """

    fps: float
    size: tuple[int, int]
    layout: str | None = None

    def __post_init__(self) -> None:
        if not (np.isfinite(self.fps) and self.fps > 0) or min(self.size) <= 0:
            raise InputError(f"the frame rate and the image size must be positive, not {self.fps} and {self.size}")


def frame_number(path: Path) -> int | None:
    """The last integer in a file name, which is the frame (``_keypoints`` and a view's suffix left out)."""
    stem = re.sub(r"_keypoints(_\d+)?$", "", path.stem)
    found = re.findall(r"\d+", stem)
    return int(found[-1]) if found else None


class OpenPoseFolder:
    """One camera's files, listed but not read; frames are read where they are asked for.

    Raises:
        InputError: no files, a name without a frame number, or two files of one frame; all at once.
    """

    def __init__(self, folder: Path, camera: str, options: OpenPoseOptions):
        self.folder, self.camera, self.options = folder, camera, options
        files = sorted((f for f in folder.iterdir() if f.suffix == ".json"), key=lambda f: f.name)
        if not files:
            raise InputError(f"camera {camera}: {folder} holds no .json files")
        numbers: dict[int, Path] = {}
        faults: list[str] = []
        for file in files:
            number = frame_number(file)
            if number is None:
                faults.append(f"{file.name}: no frame number in the name")
            elif number in numbers:
                faults.append(f"{file.name}: frame {number} has {numbers[number].name} already")
            else:
                numbers[number] = file
        if faults:
            raise _refusal(faults, folder, camera)
        self.frame = np.array(sorted(numbers), dtype=np.int64)
        self.files = [numbers[int(n)] for n in self.frame]
        self._layout: Layout | None = None
        self._told_from: list[list[np.ndarray]] = []

    def __len__(self) -> int:
        return len(self.files)

    @property
    def time(self) -> np.ndarray:
        """s, from the frame rate that was given."""
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
            people: list[np.ndarray] = []
            for start in range(0, len(self.files), _TELL_FROM):
                frames = self._read(slice(start, start + _TELL_FROM))
                if start == 0:
                    self._told_from = frames  # the first window is asked for next
                people = [p for f in frames for p in f]
                if people:
                    break
            if people or self.options.layout is not None:
                self._layout = _layout(people, self.folder, self.camera, self.options.layout)
        return self._layout

    def window(self, part: slice) -> Keypoints2D:
        """Some of the frames; frames without a file are gaps, files without people are empty frames.

        Raises:
            InputError: files that are cut, empty or of another kind; all at once.
            LayoutError: the layout cannot be told from the files; the message names the choices.
        """
        layout = self.layout
        start, stop, _ = part.indices(len(self.files))
        held = self._told_from if start == 0 else []
        frames = [*held[:stop], *self._read(slice(min(max(start, len(held)), stop), stop))]
        self._told_from = []
        return _assemble(frames, self.frame[part], layout, self.folder, self.camera, self.options)

    def _read(self, part: slice) -> list[list[np.ndarray]]:
        out: list[list[np.ndarray]] = []
        faults: list[str] = []
        for file in self.files[part]:
            try:
                out.append(_people(read_json(file), file))
            except InputError as error:
                faults.append(str(error))
        if faults:
            raise _refusal(faults, self.folder, self.camera)
        return out


def share_layout(folders: Sequence[OpenPoseFolder]) -> None:
    """Cameras that never saw anybody take the layout of the others; they have nothing to tell it from."""
    told = {folder.camera: folder.told for folder in folders}
    known = {layout.name: layout for layout in told.values() if layout is not None}
    if len(known) == 1:
        for folder in folders:
            folder._layout = folder._layout or next(iter(known.values()))


def read_openpose(folder: Path, camera: str, options: OpenPoseOptions) -> Keypoints2D:
    """All frames of one camera at once, see `OpenPoseFolder`."""
    return OpenPoseFolder(folder, camera, options).window(slice(None))


def _refusal(faults: list[str], folder: Path, camera: str) -> InputError:
    more = [f"... and {len(faults) - _MAX_FAULTS} more"] if len(faults) > _MAX_FAULTS else []
    return InputError(all_faults(faults[:_MAX_FAULTS] + more, f"camera {camera}: files of {folder} cannot be used:"))


def _people(data: Any, file: Path) -> list[np.ndarray]:
    if not isinstance(data, dict) or not isinstance(data.get("people"), list):
        raise InputError(f"{file} is not an OpenPose file: there is no list of 'people'")
    out: list[np.ndarray] = []
    for k, person in enumerate(data["people"]):
        flat = person.get("pose_keypoints_2d", person.get("pose_keypoints")) if isinstance(person, dict) else None
        try:
            values = np.array(flat, dtype=np.float64)
        except (TypeError, ValueError):
            raise InputError(f"{file}, person {k}: pose_keypoints_2d holds something that is not a number") from None
        if values.ndim != 1 or len(values) % 3:
            raise InputError(f"{file}, person {k}: pose_keypoints_2d is not a list of x, y, score")
        if len(values):
            out.append(values.reshape(-1, 3))
    return out


def _assemble(
    frames: list[list[np.ndarray]], numbers: np.ndarray, layout: Layout, folder: Path, camera: str, options: OpenPoseOptions
) -> Keypoints2D:
    wrong = {len(p) for people in frames for p in people} - {len(layout)}
    if wrong:
        raise InputError(
            f"camera {camera}: files of {folder} hold people with {', '.join(map(str, sorted(wrong)))} points, "
            f"layout {layout.name} has {len(layout)}"
        )
    slots = max((len(people) for people in frames), default=0)
    data = np.zeros((len(numbers), max(slots, 1), len(layout), 3))
    for row, people in enumerate(frames):
        for slot, person in enumerate(people):
            data[row, slot] = person
    with np.errstate(invalid="ignore"):
        # Absent: zeros; NaN or infinite numbers, which other writers put there, are no better.
        found = (np.abs(data) < _ABSURD).all(-1) & (data[..., 2] > 0) & ((data[..., 0] != 0) | (data[..., 1] != 0))
    xy = np.where(found[..., None], data[..., :2], np.nan)
    top = float(np.nanmax(xy)) if found.any() else 0.0
    size = np.array(options.size, dtype=float)
    outside = ~((xy > -_MARGIN * size) & (xy < (1 + _MARGIN) * size)).all(-1) & found
    if outside.sum() > _OUTSIDE * found.sum():
        raise InputError(
            f"camera {camera}: {100 * outside.sum() / found.sum():.0f} % of the points in {folder} lie outside an image of "
            f"{options.size[0]} x {options.size[1]} px, the size that the camera was calibrated with: were the images larger?"
        )
    if found.any() and top <= 1.0:
        raise InputError(
            f"camera {camera}: coordinates in {folder} do not exceed 1: OpenPose ran with --keypoint_scale 3 or 4; "
            "run it with --keypoint_scale 0 (pixels)"
        )
    confidence = np.where(found, data[..., 2], 0.0)
    low, high = np.where(found[..., None], xy, np.inf).min(2), np.where(found[..., None], xy, -np.inf).max(2)
    box = np.concatenate([low, high], -1)
    return Keypoints2D(
        layout=layout,
        camera=camera,
        size=options.size,
        frame=numbers,
        time=numbers / options.fps,
        person_id=np.full(xy.shape[:2], -1, dtype=np.int64),
        xy=xy.astype(np.float32),
        confidence=confidence.astype(np.float32),
        sigma_px=size_sigma_px(xy, confidence, SIGMA_SHARE),
        box=np.where(np.isfinite(box), box, np.nan).astype(np.float32),
        score_kind="heatmap",
    )


def _layout(people: list[np.ndarray], folder: Path, camera: str, asked: str | None) -> Layout:
    if asked is not None:
        return load_layout(asked)
    counts = {len(p) for p in people}
    if len(counts) > 1:
        raise InputError(f"camera {camera}: files of {folder} hold people with {sorted(counts)} points: mixed layouts")
    count = counts.pop()
    if count not in BY_COUNT:
        raise LayoutError(f"camera {camera}: people in {folder} have {count} points; name the layout with --layout")
    if count == 25:
        return load_layout(_tell_25_from_25b(people, folder, camera))
    return load_layout(BY_COUNT[count][0])


def _tell_25_from_25b(people: list[np.ndarray], folder: Path, camera: str) -> str:
    """Read in the wrong order, a body's bones criss-cross it: the right order has the shorter ones."""
    stacked = np.array(people)
    good = (stacked[..., 2:] > 0.1) & (np.abs(stacked) < _ABSURD).all(-1, keepdims=True)
    xy = np.where(good, stacked[..., :2], np.nan)
    length = {name: _bone_length(xy, load_layout(name)) for name in BY_COUNT[25]}
    best, other = sorted(length, key=lambda name: length[name])
    if length[best] < _CLEARLY_SHORTER * length[other]:
        return best
    raise LayoutError(
        f"camera {camera}: people in {folder} have 25 points, which may be body_25 or body_25b, and where they "
        "lie does not tell; name it with --layout body_25 or --layout body_25b"
    )


def _bone_length(xy: np.ndarray, layout: Layout) -> float:
    bones = np.linalg.norm(xy[:, layout.bones[:, 0]] - xy[:, layout.bones[:, 1]], axis=-1)
    return float(np.nanmean(bones)) if np.isfinite(bones).any() else np.inf
