"""What cameras saw of a board: found in pictures or videos, the frames chosen by coverage and sharpness."""

import itertools
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from calibration.targets import Board, why_not
from recon3d.arrays import freeze_fields
from recon3d.errors import InputError, all_faults, valid_names
from recon3d.opencv import import_cv2
from recon3d.video import open_video
from recon3d.video.clip import SUFFIXES

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")
_LARGEST = 2**63 - 1  # that an instant holds: time stamps in ms or ns are numbers too
Progress = Callable[[str, int, int], None]
"""Called with the camera's name, images done, images in all."""
_Seen: TypeAlias = dict[str, tuple[tuple[int, int], dict[int, tuple[np.ndarray, float]]]]
"""Of each camera the size of its images, and corners and sharpness of the frames with the board."""


@dataclass(frozen=True, slots=True, eq=False)
class BoardViews:
    """One camera's images of a board.

    Attributes:
        camera: name.
        size: of the images, px.
        label: what to call each image.
        instant: which moment each image shows: images of several cameras with one number show the board in one
            place; images of a camera alone have numbers of their own.
        xy: of the board's points, px; NaN where not seen.
        missed: labels of images without the board.
    """

    camera: str
    size: tuple[int, int]
    label: tuple[str, ...]
    instant: Int[np.ndarray, "images"]
    xy: Float[np.ndarray, "images points 2"]
    missed: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        freeze_fields(self)

    def __len__(self) -> int:
        return len(self.instant)

    def take(self, rows: Int[np.ndarray, "some"] | Bool[np.ndarray, "images"]) -> "BoardViews":
        """Some of the images."""
        rows = np.arange(len(self))[rows]
        return BoardViews(self.camera, self.size, tuple(self.label[k] for k in rows), self.instant[rows], self.xy[rows], self.missed)


def find_in_pictures(
    sources: Mapping[str, Sequence[Path]], board: Board, progress: Progress | None = None
) -> tuple[list[BoardViews], dict[str, str]]:
    """The board in pictures of each camera, and why cameras without it have none.

    Pictures of several cameras show one moment where their names agree but for the camera's own part: the
    number in the name is the moment.

    Raises:
        InputError: pictures of different sizes for one camera.
    """
    cv2 = import_cv2()
    numbers = _moments(sources)
    found: list[BoardViews] = []
    refused: dict[str, str] = {}
    for camera, paths in sources.items():
        images: list[np.ndarray] = []
        broken: list[Path] = []
        readable: list[Path] = []
        for path in paths:
            image = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_GRAYSCALE) if path.stat().st_size else None
            if image is None:
                broken.append(path)
                continue
            images.append(image)
            readable.append(path)
        if not images:
            refused[camera] = f"{', '.join(path.name for path in broken)}: no picture that OpenCV reads"
            continue
        sizes = {image.shape[::-1] for image in images}
        if len(sizes) > 1:
            each = ", ".join(f"{w} x {h}" for w, h in sorted(sizes))
            raise InputError(f"camera {camera}: its pictures have different sizes ({each}); a lens is calibrated for one size")
        rows: list[np.ndarray] = []
        kept: list[int] = []
        for k, image in enumerate(images):
            corners = board.find(image)
            if corners is not None:
                rows.append(corners)
                kept.append(k)
            if progress is not None:
                progress(camera, k + 1, len(images))
        labels = [path.name for path in readable]
        which = [list(paths).index(path) for path in readable]
        if not rows:
            refused[camera] = f"no board found: {why_not(board, images, labels)}"
            continue
        found.append(
            BoardViews(
                camera,
                next(iter(sizes)),
                tuple(labels[k] for k in kept),
                np.array([numbers[camera][which[k]] for k in kept], np.int64),
                np.stack(rows),
                (*(label for k, label in enumerate(labels) if k not in kept), *(f"{path.name} (unreadable)" for path in broken)),
            )
        )
    return found, refused


def _moments(sources: Mapping[str, Sequence[Path]]) -> dict[str, list[int]]:
    """A number for each picture: the same in all cameras where the last number in the name is.

    Pictures without one, or of a camera that has a number twice, get negative numbers of their own.
    """
    out: dict[str, list[int]] = {}
    own = itertools.count(-1, -1)
    for camera, paths in sources.items():
        numbers = [int(n[-1]) if n else None for n in (re.findall(r"\d+", name) for name in _without_camera(camera, paths))]
        told = [number for number in numbers if number is not None and number <= _LARGEST]
        unique = len(set(told)) == len(told)
        out[camera] = [n if n is not None and n <= _LARGEST and unique else next(own) for n in numbers]
    return out


def _without_camera(camera: str, paths: Sequence[Path]) -> list[str]:
    """Names of pictures without the camera's own, where all begin or all end with it and a number is left."""
    stems = [path.stem for path in paths]
    # A digit of the name beside another is part of a longer number: camera 2 has no part in img_0022.
    before, after = r"(?<!\d)" * camera[:1].isdigit(), r"(?!\d)" * camera[-1:].isdigit()
    for pattern in (rf"^{re.escape(camera)}{after}", rf"{before}{re.escape(camera)}$"):
        bare = [re.subn(pattern, " ", stem) for stem in stems]
        if all(count and re.search(r"\d", rest) for rest, count in bare):
            return [rest for rest, _ in bare]
    return stems


def find_in_videos(
    sources: dict[str, Path], board: Board, most: int = 60, looked_at: int = 240, progress: Progress | None = None
) -> tuple[list[BoardViews], dict[str, str]]:
    """The board in videos that run at the same time: evenly spread frames are searched, the best are kept.

    Frames that several cameras share come first, then those that fill what a camera has not covered yet,
    the sharp before the blurred.

    Args:
        sources: a video a camera.
        board: that board.
        most: frames kept of a camera; more where other cameras need them.
        looked_at: frames searched as far as the shortest video goes, and about as many beyond.
        progress: called after each.

    Raises:
        InputError: a video that cannot be read.
    """
    cv2 = import_cv2()
    seen: _Seen = {}
    refused: dict[str, str] = {}
    videos = [open_video(camera, path) for camera, path in sources.items()]
    searched = _searched([video.count for video in videos], looked_at)
    for video in videos:
        camera, path = video.camera, video.path
        views: dict[int, tuple[np.ndarray, float]] = {}
        spare: list[np.ndarray] = []
        labels: list[str] = []
        looked = 0
        for frame in video.frames():
            if not searched(frame.number):
                continue
            looked += 1
            grey = np.ascontiguousarray(cv2.cvtColor(frame.image, cv2.COLOR_RGB2GRAY))
            corners = board.find(grey)
            if corners is not None:
                views[frame.number] = (corners, _sharpness(grey, corners))
            elif len(spare) < 12 and (looked - 1) % max(1, looked_at // 12) == 0:
                spare.append(grey)
                labels.append(f"{path.name}, frame {frame.number}")
            if progress is not None:
                progress(camera, frame.number + 1, video.count)
        if views:
            seen[camera] = (video.size, views)
        else:
            refused[camera] = f"no board found: {why_not(board, spare, labels)}"
    out: list[BoardViews] = []
    chosen = _choose(seen, most)
    for camera, (size, views) in seen.items():
        own = chosen[camera]
        out.append(
            BoardViews(camera, size, tuple(f"frame {n}" for n in own), np.array(own, np.int64), np.stack([views[n][0] for n in own]))
        )
    return out, refused


def _searched(counts: Sequence[int], looked_at: int) -> Callable[[int], bool]:
    """Which frames are searched, the same in videos of all these lengths: evenly as far as the shortest goes, and evenly beyond."""
    known = [count for count in counts if count > 0] or [0]  # some containers do not tell
    shortest, longest = min(known), max(known)
    step = max(1, shortest // looked_at)
    beyond = step * max(1, (longest - shortest) // (step * looked_at))
    return lambda number: number % (step if number < shortest else beyond) == 0


def _sharpness(image: UInt8[np.ndarray, "height width"], corners: Float[np.ndarray, "points 2"]) -> float:
    """Steepest changes of brightness where the board is, as a share of its contrast."""
    cv2 = import_cv2()
    known = corners[np.isfinite(corners[:, 0])]
    low, high = np.floor(known.min(0)).astype(int), np.ceil(known.max(0)).astype(int) + 1
    part = image[max(low[1], 0) : high[1], max(low[0], 0) : high[0]].astype(np.float32)
    if min(part.shape) < 4:
        return 0.0
    slope = np.hypot(cv2.Sobel(part, cv2.CV_32F, 1, 0), cv2.Sobel(part, cv2.CV_32F, 0, 1)) / 8
    contrast = float(np.quantile(part, 0.95) - np.quantile(part, 0.05))
    return float(np.quantile(slope, 0.98)) / max(contrast, 1.0)


def _choose(seen: _Seen, most: int) -> dict[str, list[int]]:
    """Frames of each camera by what they add: cells and tilts that its cameras have not covered yet, how many share it, sharpness.

    A frame is taken for every camera that has it, so that one that shares much may get more than ``most``.
    """
    cells = {camera: {n: _covered(corners, size) for n, (corners, _) in views.items()} for camera, (size, views) in seen.items()}
    best = {camera: max(sharp for _, sharp in views.values()) or 1.0 for camera, (_, views) in seen.items()}
    holders: dict[int, list[str]] = {}
    for camera, (_, views) in seen.items():
        for n in views:
            holders.setdefault(n, []).append(camera)
    count: dict[str, Counter[int]] = {camera: Counter() for camera in seen}
    chosen: dict[str, list[int]] = {camera: [] for camera in seen}

    def gain(n: int) -> float:
        wanting = [camera for camera in holders[n] if len(chosen[camera]) < most]
        new = [sum(1 / (1 + count[c][cell]) for cell in cells[c][n]) * (0.3 + seen[c][1][n][1] / best[c]) for c in wanting]
        return sum(new) * min(len(holders[n]), 3)

    rest = set(holders)
    while rest:
        gains = {n: gain(n) for n in sorted(rest)}
        n = max(gains, key=lambda key: (gains[key], -key))
        if not gains[n]:  # all its cameras have enough, and so have those of the others
            break
        rest.remove(n)
        for camera in holders[n]:
            chosen[camera].append(n)
            count[camera].update(cells[camera][n])
    return {camera: sorted(numbers) for camera, numbers in chosen.items()}


def _covered(corners: Float[np.ndarray, "points 2"], size: tuple[int, int]) -> set[int]:
    """Cells of an 8 x 6 grid over the image that hold points, and a cell for the board's slant and size."""
    known = corners[np.isfinite(corners[:, 0])]
    cell = np.clip((known / np.array(size) * [8, 6]).astype(int), 0, [7, 5])
    spread = known - known.mean(0)
    _, width, vt = np.linalg.svd(spread, full_matrices=False)
    slant = 100 + int(8 * (np.arctan2(vt[0, 1], vt[0, 0]) % np.pi) / np.pi) * 10 + int(9 * min(width[1] / max(width[0], 1e-9), 0.99))
    return {*(cell[:, 1] * 8 + cell[:, 0]).tolist(), slant}


def gather(folder: Path, names: Sequence[str] | None = None) -> tuple[dict[str, list[Path]], dict[str, Path]]:
    """Pictures and videos of each camera in a folder: subfolders of pictures, or one video a camera.

    Raises:
        InputError: neither is there, or both of one camera.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder; give one with a subfolder of pictures or a video for each camera")
    pictures: dict[str, list[Path]] = {}
    videos: dict[str, Path] = {}
    for entry in sorted(folder.iterdir()):
        if entry.is_dir():
            inside = sorted(p for p in entry.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES)
            if inside:
                pictures[entry.name] = inside
        elif entry.suffix.lower() in SUFFIXES:
            videos[entry.stem] = entry
    both = sorted(set(pictures) & set(videos))
    if both:
        faults = [f"{camera}: a folder of pictures and a video ({videos[camera].name})" for camera in both]
        raise InputError(all_faults(faults, f"{folder} holds a camera twice; keep one of each:"))
    if not pictures and not videos:
        loose: dict[str, list[Path]] = {}
        for path in sorted(p for p in folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES):
            loose.setdefault(path.stem.rstrip("0123456789").rstrip("_- .") or "cam", []).append(path)
        pictures = loose
    if names:
        pictures = {n: p for n, p in pictures.items() if n in names}
        videos = {n: p for n, p in videos.items() if n in names}
    if not pictures and not videos:
        wanted = f" of {valid_names(names)}" if names else ""
        raise InputError(f"{folder} holds neither pictures nor videos{wanted}")
    return pictures, videos
