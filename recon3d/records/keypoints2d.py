"""What one camera saw: 2D keypoints of the people in its frames."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Float32, Int

from recon3d.arrays import freeze_fields
from recon3d.errors import ShapeError
from recon3d.skeleton import Layout


@dataclass(frozen=True, slots=True, eq=False)
class Keypoints2D:
    """2D keypoints of one camera. A slot is a place in a frame, not a person.

    Attributes:
        layout: names of the joints' order.
        camera: name of the camera.
        size: width and height of the images that the pixels refer to.
        frame: source frame numbers, rising; gaps allowed.
        time: s, by the camera's own clock.
        person_id: identity where a tracker gave one, else -1.
        xy: px, the centre of the top-left pixel is (0, 0); NaN where absent.
        confidence: the detector's score; 0 where absent.
        sigma_px: standard deviation of each coordinate, px; NaN where absent.
        box: x0, y0, x1, y1 round each person, px; NaN in an empty slot.
        score_kind: what the scores are ("heatmap", "simcc", "flag", ...).
    """

    layout: Layout
    camera: str
    size: tuple[int, int]
    frame: Int[np.ndarray, "frames"]
    time: Float[np.ndarray, "frames"]
    person_id: Int[np.ndarray, "frames slots"]
    xy: Float32[np.ndarray, "frames slots joints 2"]
    confidence: Float32[np.ndarray, "frames slots joints"]
    sigma_px: Float32[np.ndarray, "frames slots joints"]
    box: Float32[np.ndarray, "frames slots 4"]
    score_kind: str = "heatmap"

    def __post_init__(self) -> None:
        freeze_fields(self)
        if self.xy.shape[2] != len(self.layout):
            raise ShapeError(
                f"Keypoints2D.xy of camera {self.camera} has {self.xy.shape[2]} joints, "
                f"but layout {self.layout.name} has {len(self.layout)}"
            )
        if (np.diff(self.frame) <= 0).any():
            at = int(np.flatnonzero(np.diff(self.frame) <= 0)[0])
            raise ShapeError(
                f"Keypoints2D of camera {self.camera}: frame numbers must rise, but {self.frame[at]} is followed by {self.frame[at + 1]}"
            )

    def __len__(self) -> int:
        return len(self.frame)

    def window(self, part: slice) -> "Keypoints2D":
        """Some of the frames (a view, no copy)."""
        names = ("frame", "time", "person_id", "xy", "confidence", "sigma_px", "box")
        return replace(self, **{name: getattr(self, name)[part] for name in names})


def size_sigma_px(
    xy: Float[np.ndarray, "*batch joints 2"], confidence: Float[np.ndarray, "*batch joints"], share: float
) -> Float32[np.ndarray, "*batch joints"]:
    """Sigma of a detector whose error grows with the person: a share of the box diagonal, more at low scores.

    A heatmap peak of 1 is taken at the share itself, one of 0.25 at twice that: the scatter of a
    matched filter falls with the square root of its response. NaN where absent.
    """
    with np.errstate(invalid="ignore"):
        sigma = np.maximum(share * box_diagonal(xy)[..., None], 1.0) / np.sqrt(np.clip(confidence, 0.04, 1.0))
    return np.where(np.isfinite(xy).all(-1), sigma, np.nan).astype(np.float32)


def box_diagonal(xy: Float[np.ndarray, "*batch joints 2"]) -> Float[np.ndarray, "*batch"]:
    """Of the box round each person's points, px; infinite where there are none."""
    with np.errstate(invalid="ignore"):
        low = np.fmin.reduce(xy, axis=-2, initial=np.inf)
        high = np.fmax.reduce(xy, axis=-2, initial=-np.inf)
        return np.hypot(*np.moveaxis(high - low, -1, 0))


def pad_slots(record: Keypoints2D, slots: int) -> Keypoints2D:
    """The same people with empty slots after them."""
    more = slots - record.xy.shape[1]
    if not more:
        return record

    def padded(array: np.ndarray, fill: float) -> np.ndarray:
        return np.pad(array, [(0, 0), (0, more), *[(0, 0)] * (array.ndim - 2)], constant_values=fill)

    return replace(
        record,
        person_id=padded(record.person_id, -1),
        xy=padded(record.xy, np.nan),
        confidence=padded(record.confidence, 0),
        sigma_px=padded(record.sigma_px, np.nan),
        box=padded(record.box, np.nan),
    )


def concatenate(parts: Sequence[Keypoints2D]) -> Keypoints2D:
    """Windows of one camera, one after the other; slots are padded to the largest number of people."""
    slots = max(part.xy.shape[1] for part in parts)
    parts = [pad_slots(part, slots) for part in parts]
    names = ("frame", "time", "person_id", "xy", "confidence", "sigma_px", "box")
    return replace(parts[0], **{name: np.concatenate([getattr(p, name) for p in parts]) for name in names})
