"""What cameras saw of a board: found in pictures or videos, the frames chosen by coverage and sharpness."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from calibration.targets import Board, why_not
from recon3d.arrays import freeze_fields
from recon3d.errors import InputError, valid_names
from recon3d.opencv import import_cv2
from recon3d.video import open_video
from recon3d.video.clip import SUFFIXES

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")
Progress = Callable[[str, int, int], None]
"""Called with the camera's name, images done, images in all."""


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
                np.array([numbers[camera][which[k]] for k in kept]),
                np.stack(rows),
                (*(label for k, label in enumerate(labels) if k not in kept), *(f"{path.name} (unreadable)" for path in broken)),
            )
        )
    return found, refused


def _moments(sources: Mapping[str, Sequence[Path]]) -> dict[str, list[int]]:
    """A number for each picture: the same in all cameras where the last number in the name is."""
    import re

    parsed: dict[str, list[str | None]] = {}
    for camera, paths in sources.items():
        numbers = [re.findall(r"\d+", path.stem.replace(camera, " ")) for path in paths]
        parsed[camera] = [n[-1].lstrip("0") or "0" if n else None for n in numbers]
    out: dict[str, list[int]] = {}
    fresh = 1_000_000_000
    for camera, texts in parsed.items():
        own: list[int] = []
        told = [text for text in texts if text is not None]
        unique = len(set(told)) == len(told)
        for text in texts:
            if text is not None and unique and len(text) < 9:
                own.append(int(text))
            else:
                own.append(fresh)
                fresh += 1
        out[camera] = own
    return out


def find_in_videos(
    sources: dict[str, Path], board: Board, most: int = 60, looked_at: int = 240, progress: Progress | None = None
) -> tuple[list[BoardViews], dict[str, str]]:
    """The board in videos that run at the same time: evenly spread frames are searched, the best are kept.

    Frames that several cameras share come first, then those that fill what a camera has not covered yet,
    the sharp before the blurred.

    Raises:
        InputError: a video that cannot be read.
    """
    cv2 = import_cv2()
    seen: dict[str, tuple[tuple[int, int], dict[int, tuple[np.ndarray, float]]]] = {}
    refused: dict[str, str] = {}
    for camera, path in sources.items():
        video = open_video(camera, path)
        step = max(1, video.count // looked_at)
        views: dict[int, tuple[np.ndarray, float]] = {}
        spare: list[np.ndarray] = []
        labels: list[str] = []
        for frame in video.frames():
            if frame.number % step:
                continue
            grey = np.ascontiguousarray(cv2.cvtColor(frame.image, cv2.COLOR_RGB2GRAY))
            corners = board.find(grey)
            if corners is not None:
                views[frame.number] = (corners, _sharpness(grey, corners))
            elif len(spare) < 12 and (frame.number // step) % max(1, looked_at // 12) == 0:
                spare.append(grey)
                labels.append(f"{path.name}, frame {frame.number}")
            if progress is not None:
                progress(camera, frame.number + 1, video.count)
        if views:
            seen[camera] = (video.size, views)
        else:
            refused[camera] = f"no board found: {why_not(board, spare, labels)}"
    out: list[BoardViews] = []
    shared = {n: sum(n in views for _, views in seen.values()) for _, own in seen.values() for n in own}
    for camera, (size, views) in seen.items():
        chosen = _choose(views, shared, size, most)
        out.append(BoardViews(camera, size, tuple(f"frame {n}" for n in chosen), np.array(chosen), np.stack([views[n][0] for n in chosen])))
    return out, refused


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


def _choose(views: dict[int, tuple[np.ndarray, float]], shared: dict[int, int], size: tuple[int, int], most: int) -> list[int]:
    """Frames by what they add: cells of the image and tilts not covered yet, cameras that share them, sharpness."""
    if len(views) <= most:
        return sorted(views)
    cells = {n: _covered(corners, size) for n, (corners, _) in views.items()}
    best = max(sharp for _, sharp in views.values()) or 1.0
    count: dict[int, int] = {}
    chosen: list[int] = []
    rest = set(views)
    while rest and len(chosen) < most:
        gain = {n: sum(1 / (1 + count.get(c, 0)) for c in cells[n]) * (0.3 + views[n][1] / best) * min(shared[n], 3) for n in sorted(rest)}
        n = max(gain, key=lambda key: (gain[key], -key))
        chosen.append(n)
        rest.remove(n)
        for c in cells[n]:
            count[c] = count.get(c, 0) + 1
    return sorted(chosen)


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
        InputError: neither is there.
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
