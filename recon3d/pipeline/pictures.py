"""A picture of everybody in a take: cut out of the video where a camera sees the person large, its points drawn in."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Int, UInt8

from recon3d.geometry import Camera, CameraRig
from recon3d.io import read_association, read_rig
from recon3d.io.files import read_toml
from recon3d.multiview import ImageFit, Somebody, align_in_time, to_rig_image
from recon3d.pipeline.people import identities_of
from recon3d.pipeline.take import StoredKeypoints, Take
from recon3d.records import Keypoints2D
from recon3d.video import SUFFIXES, open_video
from recon3d.view import draw_people, write_png

_MARGIN = 0.3  # of the person's box, on each side
_HIGH = 480  # px
_GOOD = 0.8  # of the largest sight of somebody: the first as large as this is taken
_FAINT = 0.3  # score below which a point is left out
_GREY = 235


@dataclass(frozen=True, slots=True)
class _Sight:
    """Where a camera sees somebody: row of its frame, place in it, and the box's area, px2."""

    view: int
    row: int
    slot: int
    area: float


def everybody_in(take: Take) -> tuple[Somebody, ...]:
    """People and refused ones, as they were found, before any edits.

    Raises:
        InputError: the take's stages are not there any more.
    """
    return identities_of(take.needed_stage("people").facts()).everybody


def picture_everybody(take: Take) -> Mapping[int, Path]:
    """Write ``people/<id>.png`` of everybody, refused ones too; the files by id.

    Without the video, points are drawn on an empty picture.
    """
    written = read_toml(take.folder / "take.toml")
    whole, stage = read_rig(take.folder / "rig.toml"), take.needed_stage("keypoints2d")
    cameras = [name for name in whole.names if stage.windows(name)]
    seen, rig = [StoredKeypoints(stage.windows(name)) for name in cameras], whole.select(cameras)
    chosen = _sights(take, seen, rig)
    for old in (take.folder / "people").glob("*.png"):
        old.unlink()
    fit: ImageFit = written.get("job", {}).get("image_fit", "refuse")
    out: dict[int, Path] = {}
    for v, (view, camera) in enumerate(zip(seen, rig, strict=True)):
        rows = sorted({sight.row for sight in chosen.values() if sight.view == v})
        images = _images(Path(written.get("inputs", {}).get(view.camera, "")), camera, view.frame[rows], fit)
        for row, image in zip(rows, images, strict=True):
            for one, sight in chosen.items():
                if sight.view == v and sight.row == row:
                    out[one] = take.folder / "people" / f"{one}.png"
                    write_png(out[one], _cut_out(image, view.window(slice(row, row + 1)), sight.slot))
    return out


def _sights(take: Take, seen: Sequence[StoredKeypoints], rig: CameraRig) -> dict[int, _Sight]:
    """For everybody the first sight that is nearly as large as any."""
    stage = take.needed_stage("people")
    owners = {track: one.id for one in identities_of(stage.facts()).everybody for track in one.tracks}
    found: dict[int, list[_Sight]] = {one: [] for one in owners.values()}
    timeline, at = align_in_time(seen, rig), 0
    for path in stage.windows("whose"):
        window = read_association(path)
        for v, view in enumerate(seen):
            rows = timeline.rows[v, at : at + len(window)]
            area = _areas(view, rows)
            for k, track in enumerate(window.track.tolist()):
                slot = window.slot[:, k, v]
                there = np.flatnonzero((slot >= 0) & (rows >= 0))
                if track in owners and len(there):
                    own = np.nan_to_num(area[there, slot[there]])
                    first = int(np.flatnonzero(own >= _GOOD * own.max())[0])
                    found[owners[track]].append(_Sight(v, int(rows[there[first]]), int(slot[there[first]]), float(own[first])))
        at += len(window)
    best: dict[int, _Sight] = {}
    for one, sights in found.items():
        if sights:
            large = _GOOD * max(sight.area for sight in sights)
            best[one] = min((s for s in sights if s.area >= large), key=lambda s: float(seen[s.view].time[s.row]))
    return best


def _areas(view: StoredKeypoints, rows: Int[np.ndarray, "frames"]) -> np.ndarray:
    """Of the boxes in some rows of a camera, px2."""
    there = rows[rows >= 0]
    if not len(there):
        return np.zeros((len(rows), 1))
    first = int(there.min())
    part = view.window(slice(first, int(there.max()) + 1))
    sure = _sure(part)[np.maximum(rows - first, 0)]
    return np.maximum(np.fmax.reduce(sure, 2) - np.fmin.reduce(sure, 2), 0.0).prod(-1)


def _sure(seen: Keypoints2D) -> Float32[np.ndarray, "frames slots joints 2"]:
    """Points without the faint ones, which lie anywhere; NaN where absent."""
    return np.where((seen.confidence >= _FAINT)[..., None], seen.xy, np.float32(np.nan))


def _images(path: Path, camera: Camera, frames: Int[np.ndarray, "some"], fit: ImageFit) -> Iterator[UInt8[np.ndarray, "height width 3"]]:
    """Some frames of a video in the rig's pixels; empty pictures where there is no video."""
    found: dict[int, np.ndarray] = {}
    if len(frames) and path.suffix.lower() in SUFFIXES and path.is_file():
        for frame in open_video(camera.name, path).frames(int(frames[0]), int(frames[-1]) + 1):
            if frame.number in frames:
                found[frame.number] = to_rig_image(frame.image, camera, fit)
    width, height = camera.intrinsics.size
    for number in frames.tolist():
        yield found.pop(number) if number in found else np.full((height, width, 3), _GREY, np.uint8)


def _cut_out(image: UInt8[np.ndarray, "height width 3"], seen: Keypoints2D, slot: int) -> UInt8[np.ndarray, "rows columns 3"]:
    """The surroundings of one person, its points drawn in."""
    names = ("person_id", "xy", "confidence", "sigma_px", "box")
    alone = replace(seen, **{name: getattr(seen, name)[:, slot : slot + 1].copy() for name in names})
    xy = _sure(alone)
    low, high = np.fmin.reduce(xy[0, 0], 0), np.fmax.reduce(xy[0, 0], 0)
    if not np.isfinite(low).all():
        return image
    shown = draw_people(image, replace(alone, xy=xy, sigma_px=np.full_like(alone.sigma_px, np.nan), person_id=np.full((1, 1), -1)), 0)
    more = _MARGIN * float(np.max(high - low))
    height, width = image.shape[:2]
    x0, y0 = np.clip(np.floor(low - more).astype(int), 0, [width - 1, height - 1]).tolist()
    x1, y1 = np.clip(np.ceil(high + more).astype(int), [x0 + 1, y0 + 1], [width, height]).tolist()
    part = shown[y0:y1, x0:x1]
    step = max(1, round(part.shape[0] / _HIGH))
    return np.ascontiguousarray(part[::step, ::step])
