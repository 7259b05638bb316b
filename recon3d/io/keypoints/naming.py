"""Layouts by the names that a file gives its points."""

import functools
import re
import zlib

import numpy as np
from jaxtyping import Int

from recon3d.errors import InputError
from recon3d.skeleton import Layout, layout_names, load_layout, other_side

_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[^A-Za-z0-9]+")
_SIDES = {"l": "left", "r": "right", "left": "left", "right": "right"}
_SAME = {
    "head_bottom": "upper_neck",
    "top_head": "head_top",
    "bottom_head": "upper_neck",
    "pelvis": "mid_hip",
    "left_mouth": "mouth_left",
    "right_mouth": "mouth_right",
    "left_ear_base": "left_ear",
    "right_ear_base": "right_ear",
    "tail_base": "root_of_tail",
    "left_f_elbow": "left_front_elbow",
    "right_f_elbow": "right_front_elbow",
    "left_b_elbow": "left_back_elbow",
    "right_b_elbow": "right_back_elbow",
    "left_f_knee": "left_front_knee",
    "right_f_knee": "right_front_knee",
    "left_b_knee": "left_back_knee",
    "right_b_knee": "right_back_knee",
    "left_f_paw": "left_front_paw",
    "right_f_paw": "right_front_paw",
    "left_b_paw": "left_back_paw",
    "right_b_paw": "right_back_paw",
}
"""Other names of points of layouts, as other programs have them."""
_MOST_POINTS = 4096


def plain_name(name: str) -> str:
    """Small letters, words joined by ``_``, the side in front and spelled out: LElbow, elbow_l, leftElbow are left_elbow."""
    words = [word.lower() for word in _WORDS.split(name.strip()) if word]
    if len(words) > 1 and words[0] in _SIDES:
        words[0] = _SIDES[words[0]]
    elif len(words) > 1 and words[-1] in _SIDES:
        words = [_SIDES[words[-1]], *words[:-1]]
    elif words:
        joined = re.match(r"(left|right)(.+)", words[0])  # "leftear"
        words = [*joined.groups(), *words[1:]] if joined else words
    plain = "_".join(words)
    return _SAME.get(plain, plain)


def layout_of_names(names: tuple[str, ...]) -> Layout:
    """The layout that has these points in this order, or one of the file's own, mirrored by left and right in the names.

    Raises:
        InputError: no names, or one of them twice.
    """
    twice = sorted({name for name in names if names.count(name) > 1}) if len(names) <= _MOST_POINTS else []
    if not names or twice or len(names) > _MOST_POINTS:
        raise InputError(f"points must have names, each once: {', '.join(twice)[:200] or f'there are {len(names)}'}")
    return _layout(names)


def ordered_layout(names: tuple[str, ...]) -> tuple[Layout, Int[np.ndarray, "points"]]:
    """As `layout_of_names`, of a file that sorts its points: the layout, and where each of its points is in the file."""
    plain = tuple(map(plain_name, names))
    for known in layout_names():
        wanted = tuple(map(plain_name, load_layout(known).points))
        if len(set(plain)) == len(plain) and set(wanted) == set(plain):
            return load_layout(known), np.array([plain.index(point) for point in wanted])
    return layout_of_names(names), np.arange(len(names))


@functools.lru_cache(64)
def _layout(names: tuple[str, ...]) -> Layout:
    plain = tuple(map(plain_name, names))
    known = {tuple(map(plain_name, load_layout(name).points)): name for name in layout_names()}
    if plain in known:
        return load_layout(known[plain])
    points = plain if len(set(plain)) == len(plain) and all(plain) else names
    place = {point: k for k, point in enumerate(points)}
    mirror = np.array([place.get(other_side(point), k) for k, point in enumerate(points)])
    title = f"own_{len(points)}_{zlib.crc32(chr(0).join(points).encode()):08x}"
    return Layout(title, title, points, np.zeros((0, 2), dtype=np.int64), mirror)
