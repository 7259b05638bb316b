"""Layouts made of several: a body with the points of its face and hands after it."""

from collections.abc import Mapping

import numpy as np

from recon3d.errors import LayoutError
from recon3d.skeleton.layout import Layout, other_side


def joined(body: Layout, parts: Mapping[str, Layout]) -> Layout:
    """The body's points, then those of each part with its prefix ("left_hand_", "face_") before their names.

    A part whose other side is there as well mirrors onto it, one in the middle onto itself.

    Raises:
        LayoutError: two points with one name.
    """
    points, bones, mirror = list(body.points), [body.bones], list(body.mirror.tolist())
    start = len(body)
    for prefix, part in parts.items():
        points += [prefix + point for point in part.points]
        bones.append(part.bones + start)
        mirror += (part.mirror + start).tolist()
        start += len(part)
    twice = sorted({point for point in points if points.count(point) > 1})
    if twice:
        raise LayoutError(f"layout {body.name} cannot be joined with {', '.join(parts)}: {', '.join(twice)} would be there twice")
    for at, point in enumerate(points):
        if mirror[at] == at and other_side(point) in points:
            mirror[at] = points.index(other_side(point))
    name = "+".join([body.name, *(prefix.rstrip("_") for prefix in parts)])
    return Layout(name, name, tuple(points), np.concatenate(bones), np.array(mirror))
