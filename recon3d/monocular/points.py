"""What the lifter is given and what it answers: names of points and joints.

Points of any layout are taken by name; those that a layout lacks are masked, not guessed.
"""

import numpy as np
from jaxtyping import Float

from recon3d.skeleton import Layout

POINTS = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear",
    "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist",
    "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle",
    "left_heel", "right_heel", "left_big_toe", "right_big_toe", "left_small_toe", "right_small_toe",
    "head_top", "neck", "spine", "pelvis",
)  # fmt: skip
"""Of the input, in its order."""
JOINTS = (
    "pelvis", "spine", "chest", "neck", "head", "head_top",
    "left_clavicle", "left_shoulder", "left_elbow", "left_wrist", "right_clavicle", "right_shoulder", "right_elbow", "right_wrist",
    "left_hip", "left_knee", "left_ankle", "left_toes", "right_hip", "right_knee", "right_ankle", "right_toes",
)  # fmt: skip
"""Of the answer: those of the default body, and the top of the head."""
EVALUATED = tuple(j for j in JOINTS if not any(part in j for part in ("clavicle", "toes", "chest")))
"""The seventeen joints that are compared."""
_SAME: dict[str, tuple[str, ...]] = {
    "pelvis": ("mid_hip",),
    "neck": ("thorax", "upper_neck"),
    "left_big_toe": ("left_foot_index",),
    "right_big_toe": ("right_foot_index",),
}


def columns(layout: Layout) -> np.ndarray:
    """Of each point of the input the layout's point, -1 where it has none."""
    out = np.full(len(POINTS), -1, np.int64)
    for k, name in enumerate(POINTS):
        found = next((n for n in (name, *_SAME.get(name, ())) if n in layout.points), None)
        if found is not None:
            out[k] = layout.points.index(found)
    return out


def mirrored(names: tuple[str, ...]) -> np.ndarray:
    """Index of each one's counterpart on the other side of the body."""
    swap = {"left": "right", "right": "left"}
    return np.array([names.index("_".join([swap.get(n.split("_")[0], n.split("_")[0]), *n.split("_")[1:]])) for n in names])


def picked(values: Float[np.ndarray, "*batch points xy"], column: np.ndarray) -> Float[np.ndarray, "*batch inputs xy"]:
    """Values of a layout's points in the input's order; NaN where it has none."""
    out = values[..., np.maximum(column, 0), :].copy()
    out[..., column < 0, :] = np.nan
    return out
