"""What is roughly known of the distances between a person's keypoints, before anything was measured."""

import tomllib
from importlib import resources

import numpy as np

from recon3d.geometry.links import Links
from recon3d.skeleton.armature_file import HUMAN, armature_of
from recon3d.skeleton.layout import Layout, other_side

STATURE_M = 1.70
"""Of the person whose distances these are, and whose sizes human armatures have."""
_PLACEMENT_M = 0.015  # where on a joint a detector puts its point


def body_links(layout: Layout) -> Links:
    """The distances of `proportions.toml` that a layout has both ends of; none where it is not of humans."""
    text = (resources.files("recon3d.skeleton") / "proportions.toml").read_text(encoding="utf-8")
    found: dict[tuple[int, int], tuple[float, float]] = {}
    for row in tomllib.loads(text)["distance"] if armature_of(layout.name) == HUMAN else ():
        a, b = row["points"]
        for ends in ((a, b), (other_side(a), other_side(b))):
            if all(end in layout.points for end in ends):
                pair = sorted(layout.index(end) for end in ends)
                sigma = float(np.hypot(row["length_m"] * row["share"], _PLACEMENT_M))
                found[pair[0], pair[1]] = (row["length_m"], sigma)
    pairs = np.array(list(found), dtype=np.int64).reshape(-1, 2)
    sizes = np.array(list(found.values()), dtype=float).reshape(-1, 2)
    return Links(len(layout), pairs, sizes[:, 0].copy(), sizes[:, 1].copy())
