"""What a file of 2D keypoints says, before its gaps are filled by what the user knows.

Formats differ in what they leave out: the frame rate, the image size, the names of the points, who is
who. A reader gives what its file holds, row by row, and `FoundKeypoints.to_record` makes the record or
says what must be told.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from jaxtyping import Float, Int

from recon3d.arrays import freeze_fields
from recon3d.errors import InputError, LayoutError, valid_names
from recon3d.io.keypoints.telling import layouts_of, told
from recon3d.records import Keypoints2D, size_sigma_px
from recon3d.skeleton import Layout, load_layout

Size: TypeAlias = tuple[int, int]
"""Width and height of an image, px."""

SIGMA_SHARE = 0.006
"""Sigma of a keypoint over the person's box diagonal at a score of 1, where a format says no better."""
_ABSURD = 1e6  # px; NaN, infinite and larger numbers are no pixels
_MOST = 200_000_000  # frames x people x joints; a day of one person's 133 points at 15 frames a second
_MARGIN, _OUTSIDE = 0.1, 0.2  # a point may lie off the image by this share; so many may not


@dataclass(frozen=True, slots=True)
class KeypointOptions:
    """What the user says of files that do not say it themselves.

    Attributes:
        fps: frames a second.
        size: of the images, px.
        layout: name of the points' layout, or the path of its TOML file.
        camera: name of the camera; of several in one file, the one wanted.
    """

    fps: float | None = None
    size: Size | None = None
    layout: str | None = None
    camera: str | None = None

    def __post_init__(self) -> None:
        if self.fps is not None and not (np.isfinite(self.fps) and 0 < self.fps <= 100_000):
            raise InputError(f"the frame rate must be a positive number of frames a second, not {self.fps}")
        if self.size is not None and min(self.size) <= 0:
            raise InputError(f"the image size must be positive, not {self.size[0]} x {self.size[1]} px")


@dataclass(frozen=True, slots=True, eq=False)
class PeopleRows:
    """The people of a file, one a row, in the file's order.

    Attributes:
        frame: source frame number of each row.
        xy: px; anything where ``confidence`` is 0.
        confidence: the score as the file has it; 0 where a point is absent.
        person_id: -1 where the file does not say who it is.
        box: x0, y0, x1, y1, px; NaN where the file has none.
        frames: every frame that the file speaks of, those without people too; rising.
    """

    frame: Int[np.ndarray, "rows"]
    xy: Float[np.ndarray, "rows joints 2"]
    confidence: Float[np.ndarray, "rows joints"]
    person_id: Int[np.ndarray, "rows"]
    box: Float[np.ndarray, "rows 4"]
    frames: Int[np.ndarray, "frames"]

    def __post_init__(self) -> None:
        freeze_fields(self)

    @staticmethod
    def of(
        frame: Int[np.ndarray, "rows"],
        points: Float[np.ndarray, "rows joints 3"],
        person_id: Int[np.ndarray, "rows"] | None = None,
        box: Float[np.ndarray, "rows 4"] | None = None,
        frames: Int[np.ndarray, "frames"] | None = None,
    ) -> "PeopleRows":
        """From x, y, score; without frames of nobody where none are given."""
        rows = len(frame)
        return PeopleRows(
            frame.astype(np.int64),
            points[..., :2].astype(float),
            points[..., 2].astype(float),
            np.full(rows, -1) if person_id is None else person_id.astype(np.int64),
            np.full((rows, 4), np.nan) if box is None else box.astype(float),
            np.unique(frame).astype(np.int64) if frames is None else np.unique(frames).astype(np.int64),
        )

    @staticmethod
    def of_slots(
        frame: Int[np.ndarray, "frames"], points: Float[np.ndarray, "frames slots joints 3"], person_id: Int[np.ndarray, "slots"]
    ) -> "PeopleRows":
        """From x, y, score in slots; who has no point in a frame is not in it."""
        with np.errstate(invalid="ignore"):
            there = (np.isfinite(points).all(-1) & (points[..., 2] > 0)).any(-1)
        at, slot = np.nonzero(there)
        return PeopleRows.of(frame[at], points[at, slot], person_id[slot], frames=frame)


@dataclass(frozen=True, slots=True, eq=False)
class FoundKeypoints:
    """One camera's keypoints as its files hold them.

    Attributes:
        path: for messages.
        camera: by the file or folder; the user's name for it goes before.
        layout: None where the file does not name its points: it is then told by where they lie.
        people: row by row.
        score_kind: what the scores are.
        candidates: layouts that the format's programs write, where it is not said which; none for all that are known.
        size: of the images, px; None where the file does not say it.
        fps: None where the file does not say it.
        sigma_share: sigma over the box diagonal at a score of 1.
        normalised: coordinates are shares of the image's width and height.
        notes: what was assumed or left out.
    """

    path: Path
    camera: str
    layout: Layout | None
    people: PeopleRows
    score_kind: str
    candidates: tuple[str, ...] = ()
    size: Size | None = None
    fps: float | None = None
    sigma_share: float = SIGMA_SHARE
    normalised: bool = False
    notes: tuple[str, ...] = ()

    def to_record(self, options: KeypointOptions = KeypointOptions()) -> Keypoints2D:
        """The record; what the file says goes before what the user says, save for names.

        Raises:
            InputError: the frame rate or the image size is not known, or points lie outside the image.
            LayoutError: the layout is not known, or has another number of points.
        """
        faults: list[str] = []
        fps, size = self.fps or options.fps, self.size or options.size
        scale = np.array(size, float) if self.normalised and size is not None else np.ones(2)
        layout = self._named(options.layout, scale)
        if fps is None:
            faults.append("the frame rate (--fps)")
        if size is None:
            faults.append("the size of the images (--size WIDTH HEIGHT)")
        if fps is None or size is None:
            raise InputError(f"camera {self.camera}: {self.path} does not say {' nor '.join(faults)}: it must be given")
        rows = (
            self.people
            if len(self.people.frame)
            else PeopleRows.of(self.people.frame, np.zeros((0, len(layout), 3)), frames=self.people.frames)
        )
        known = self._known(rows, scale)
        xy = np.where(known[..., None], rows.xy, np.nan) * scale
        self._refuse_outside(xy, size)
        confidence = np.where(known, rows.confidence, 0.0)
        slot, slots = _slots(rows)
        at = (np.searchsorted(rows.frames, rows.frame), slot)
        shape = (len(rows.frames), max(slots, 1))
        if shape[0] * shape[1] * len(layout) > _MOST:
            raise InputError(
                f"camera {self.camera}: {self.path} has {shape[0]} frames, {shape[1]} people in one of them and {len(layout)} points: "
                "more than fits in memory; split it, or see whether every person is in the right frame"
            )
        sigma = np.where(known, size_sigma_px(xy, np.where(known, rows.confidence, 1.0), self.sigma_share), np.nan)
        return Keypoints2D(
            layout=layout,
            camera=options.camera or self.camera,
            size=size,
            frame=rows.frames.copy(),
            time=rows.frames / fps,
            person_id=_placed(rows.person_id, at, shape, -1, np.int64),
            xy=_placed(xy, at, shape, np.nan, np.float32),
            confidence=_placed(confidence, at, shape, 0, np.float32),
            sigma_px=_placed(sigma, at, shape, np.nan, np.float32),
            box=_placed(self._boxes(xy, scale), at, shape, np.nan, np.float32),
            score_kind=self.score_kind,
        )

    def _named(self, asked: str | None, scale: Float[np.ndarray, "2"]) -> Layout:
        count = self.people.xy.shape[1]
        names = tuple(name for name in self.candidates or layouts_of(count) if name in layouts_of(count))
        layout = self.layout
        if asked is not None and (layout is None or layout.name.split("+")[0] != asked):  # with hands and face it is settled
            layout = load_layout(asked)
        if layout is None and not len(self.people.frame):
            raise LayoutError(f"camera {self.camera}: nobody is in {self.path}; name the layout with --layout")
        if layout is None and names:
            with np.errstate(over="ignore"):
                layout = told(np.concatenate([self.people.xy * scale, self.people.confidence[..., None]], -1), names)
        if layout is None:
            choices = f"it may be {valid_names(names)}" if names else "no layout that recon3d knows has as many"
            raise LayoutError(
                f"camera {self.camera}: nothing in {self.path} tells the layout of its {count} points ({choices}): "
                "name it with --layout, or give the path of a .toml file that lists the points"
            )
        if len(layout) != count and len(self.people.frame):
            raise LayoutError(f"camera {self.camera}: people in {self.path} have {count} points, layout {layout.name} has {len(layout)}")
        return layout

    def _known(self, rows: PeopleRows, scale: Float[np.ndarray, "2"]) -> np.ndarray:
        with np.errstate(invalid="ignore", over="ignore"):  # a file may hold any number
            sensible = (np.abs(rows.xy * scale) < _ABSURD).all(-1)
            # Absent is spelled in many ways; both coordinates 0 is one of them in nearly all formats.
            # A score so small that single precision has none of it is none.
            scored = (rows.confidence.astype(np.float32) > 0) & (rows.confidence < _ABSURD)
            return sensible & scored & (rows.xy != 0).any(-1)

    def _refuse_outside(self, xy: Float[np.ndarray, "rows joints 2"], size: Size) -> None:
        known = np.isfinite(xy[..., 0])
        with np.errstate(invalid="ignore"):  # NaN where absent
            inside = ((xy > -_MARGIN * np.array(size)) & (xy < (1 + _MARGIN) * np.array(size))).all(-1)
        outside = known & ~inside
        if outside.sum() > _OUTSIDE * known.sum():
            raise InputError(
                f"camera {self.camera}: {100 * outside.sum() / known.sum():.0f} % of the points in {self.path} lie outside an image of "
                f"{size[0]} x {size[1]} px, the size that was given or that the camera was calibrated with: were the images larger?"
            )
        if known.any() and float(np.nanmax(np.abs(xy))) <= 1.0:
            raise InputError(
                f"camera {self.camera}: coordinates in {self.path} do not exceed 1: shares of the image, not pixels "
                "(OpenPose: run it with --keypoint_scale 0)"
            )

    def _boxes(self, xy: Float[np.ndarray, "rows joints 2"], scale: Float[np.ndarray, "2"]) -> Float[np.ndarray, "rows 4"]:
        """The file's own, or the smallest round the points; NaN for a row without points."""
        known = np.isfinite(xy)
        low, high = np.where(known, xy, np.inf).min(1, initial=np.inf), np.where(known, xy, -np.inf).max(1, initial=-np.inf)
        round_points = np.concatenate([low, high], -1)
        with np.errstate(invalid="ignore", over="ignore"):
            own = self.people.box * np.tile(scale, 2)
            sound = (np.abs(own) < _ABSURD).all(-1, keepdims=True)
        box = np.where(sound, own, round_points)
        box[~(np.isfinite(box).all(-1) & known.any((1, 2)))] = np.nan
        return box


def _slots(rows: PeopleRows) -> tuple[Int[np.ndarray, "rows"], int]:
    """The place of each row among those of its frame, in the file's order, and the largest number of people."""
    order = np.argsort(rows.frame, kind="stable")
    ordered = rows.frame[order]
    first = np.searchsorted(ordered, ordered)
    slot = np.empty(len(order), dtype=np.int64)
    slot[order] = np.arange(len(order)) - first
    return slot, int(slot.max(initial=-1)) + 1


def _placed(values: np.ndarray, at: tuple[np.ndarray, np.ndarray], shape: tuple[int, int], fill: float, dtype: type) -> np.ndarray:
    out = np.full((*shape, *values.shape[1:]), fill, dtype=dtype)
    out[at] = values
    return out


Reader: TypeAlias = Callable[[Path, KeypointOptions], list[FoundKeypoints]]
"""A format's reader: all cameras that a file or folder holds."""
