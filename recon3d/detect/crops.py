"""Crops that are turned by what they show: a trunk, a hand or a face stands upright in them."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float

from recon3d.detect.affine import Affine, turned_crop
from recon3d.detect.card import ModelCard
from recon3d.errors import InputError
from recon3d.skeleton import Layout

MIN_CROP_PX = 24.0
Crop = Callable[[Float[np.ndarray, "joints 2"], Bool[np.ndarray, "joints"], Layout, ModelCard], Affine]
"""From rough points (px of the image), which of them are known, their layout, and the card of the network that will look."""

_PALM = ("wrist", "thumb_cmc", "thumb_mcp", "thumb_ip", "index_mcp", "index_pip", "middle_mcp", "middle_pip")
_PALM += ("ring_mcp", "ring_pip", "pinky_mcp", "pinky_pip")
"""Points of a hand that move little against each other: what shapes its crop. MediaPipe takes the same."""
_REACH = 1.45  # from the wrist to the middle joint of the middle finger, over that to its base
_TO_FINGERS = 0.1  # of the palm's box, by which the crop's middle lies nearer to the finger tips

_FACE = {
    "right_eye": (("right_eye",), ("face_33", "face_133"), ("right_eye_0", "right_eye_3")),
    "left_eye": (("left_eye",), ("face_263", "face_362"), ("left_eye_0", "left_eye_3")),
    "ears": (("right_ear", "left_ear"), ("face_234", "face_454"), ("jaw_0", "jaw_16")),
    "mouth": (("mouth",), ("mouth_left", "mouth_right"), ("face_61", "face_291"), ("outer_lip_0", "outer_lip_6")),
}
"""By whose names in a layout a part of the face is the mean of."""
# Of MediaPipe's canonical face, cm: between the eyes' middles; from there to the mouth; chin to forehead; from the eyes to the middle.
_EYES_CM, _MOUTH_CM, _FACE_CM, _MIDDLE_CM = 6.3, 7.0, 17.7, 3.2


def trunk_up(xy: Float[np.ndarray, "joints 2"], known: Bool[np.ndarray, "joints"], layout: Layout, card: ModelCard) -> Affine:
    """A square round the hips that holds the known points; hips to shoulders points up."""
    hips, shoulders = (xy[layout.indices([f"left_{part}", f"right_{part}"])].mean(0) for part in ("hip", "shoulder"))
    radius = max(float(np.linalg.norm(xy[known] - hips, axis=-1).max()), MIN_CROP_PX)
    return turned_crop(hips, shoulders - hips, 2 * card.margin * radius, card.input)


def hand_up(xy: Float[np.ndarray, "joints 2"], known: Bool[np.ndarray, "joints"], layout: Layout, card: ModelCard) -> Affine:
    """A square round a hand; wrist to the base of the middle finger points up. Those two are enough.

    Raises:
        InputError: points that lack one of the two.
    """
    wrist, base = (_mean(xy, layout, ((name,),)) for name in ("wrist", "middle_mcp"))
    if not np.isfinite([wrist, base]).all():
        raise InputError(f"model {card.name}: a hand's crop needs the wrist and the base of the middle finger (layout {layout.name})")
    up, length = _direction(base - wrist)
    palm = known & np.isin(layout.points, _PALM)
    along, across = (xy[palm] - wrist) @ up, (xy[palm] - wrist) @ [-up[1], up[0]]
    low, high = min(along.min(initial=0.0), 0.0), max(along.max(initial=0.0), _REACH * length)
    left, right = across.min(initial=0.0), across.max(initial=0.0)
    middle = wrist + (0.5 * (low + high) + _TO_FINGERS * (high - low)) * up + 0.5 * (left + right) * np.array([-up[1], up[0]])
    return turned_crop(middle, up, max(card.margin * max(high - low, right - left), MIN_CROP_PX), card.input)


def face_up(xy: Float[np.ndarray, "joints 2"], known: Bool[np.ndarray, "joints"], layout: Layout, card: ModelCard) -> Affine:
    """A square round a face that is turned by its eyes, and by its mouth where the points have one.

    From the side the eyes lie one on the other, but not the mouth: each counts as much as it is long.

    Raises:
        InputError: points without both eyes.
    """
    points = np.where(known[:, None], xy, np.nan)
    right, left, ears, mouth = (_mean(points, layout, names) for names in _FACE.values())
    eyes, apart = 0.5 * (right + left), left - right
    if not np.isfinite(eyes).all():
        raise InputError(f"model {card.name}: a face's crop needs both eyes (layout {layout.name})")
    across = np.array([apart[1], -apart[0]])  # the subject's left eye lies to the right of his right one: up is on the left of that
    down = np.nan_to_num(mouth - eyes)
    up, _ = _direction(across - down)
    scale = max(float(np.linalg.norm(apart)) / _EYES_CM, float(np.linalg.norm(down)) / _MOUTH_CM)  # px a cm; turned away, both shrink
    # Turned to a side, the face reaches back to its ears.
    beside = np.array([-up[1], up[0]])
    middle = eyes - _MIDDLE_CM * scale * up + 0.5 * np.nan_to_num((ears - eyes) @ beside) * beside
    return turned_crop(middle, up, max(card.margin * _FACE_CM * scale, MIN_CROP_PX), card.input)


def _mean(xy: Float[np.ndarray, "joints 2"], layout: Layout, names: tuple[tuple[str, ...], ...]) -> Float[np.ndarray, "2"]:
    """Of the points of the first of these that the layout has; NaN where it has none."""
    for parts in names:
        if set(parts) <= set(layout.points):
            return xy[layout.indices(parts)].mean(0)
    return np.full(2, np.nan)


def _direction(along: Float[np.ndarray, "2"]) -> tuple[Float[np.ndarray, "2"], float]:
    """Unit vector, and how long it was; up in the image where it has no length."""
    length = float(np.linalg.norm(along))
    return (along / length if length > 0 else np.array([0.0, -1.0])), length
