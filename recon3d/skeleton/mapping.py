"""From one layout to another by name; points that a layout lacks are derived where that is sound."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from recon3d.arrays import freeze_fields
from recon3d.skeleton.layout import Layout

DERIVED: dict[str, tuple[tuple[str, ...], ...]] = {
    "neck": (("left_shoulder", "right_shoulder"),),
    "thorax": (("neck",), ("left_shoulder", "right_shoulder")),
    "mid_hip": (("pelvis",), ("left_hip", "right_hip")),
    "pelvis": (("mid_hip",), ("left_hip", "right_hip")),
    "left_foot_index": (("left_big_toe",),),
    "right_foot_index": (("right_big_toe",),),
    "left_big_toe": (("left_foot_index",),),
    "right_big_toe": (("right_foot_index",),),
}
"""What a missing point may be the mean of, first choice first."""


@dataclass(frozen=True, slots=True, eq=False)
class Mapping:
    """Weights from the points of one layout to those of another; a row of zeros has no source."""

    source: Layout
    target: Layout
    weight: Float[np.ndarray, "to from"]

    def __post_init__(self) -> None:
        freeze_fields(self)

    @property
    def missing(self) -> tuple[str, ...]:
        """Points of the target that the source cannot give."""
        return tuple(p for p, row in zip(self.target.points, self.weight, strict=True) if not row.any())

    def positions(self, values: Float[np.ndarray, "*batch from xy"]) -> Float[np.ndarray, "*batch to xy"]:
        """Coordinates in the target's order; NaN where a point, or one it is derived from, is absent."""
        known = np.isfinite(values)
        out = self.weight @ np.where(known, values, 0.0)
        whole = (self.weight > 0).astype(float) @ (~known) == 0
        sourced = np.logical_or.reduce(self.weight > 0, axis=1)[:, None]
        return np.where(whole & sourced, out, np.nan)

    def confidences(self, values: Float[np.ndarray, "*batch from"]) -> Float[np.ndarray, "*batch to"]:
        """Confidence of each point: the lowest of those it is made from; 0 without a source."""
        spread = np.where(self.weight > 0, values[..., None, :], np.inf)
        lowest = spread.min(-1)
        return np.where(np.isfinite(lowest), lowest, 0.0)


def map_layout(source: Layout, target: Layout) -> Mapping:
    """The mapping by name, with derived points where the source lacks one (`DERIVED`)."""
    weight = np.zeros((len(target), len(source)))
    for row, point in enumerate(target.points):
        choices = [(point,), *DERIVED.get(point, ())]
        for parts in choices:
            if all(part in source.points for part in parts):
                weight[row, source.indices(parts)] = 1 / len(parts)
                break
    return Mapping(source, target, weight)
