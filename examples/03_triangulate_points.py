"""Triangulation alone: any points, any cameras, outliers, uncertainty and named refusals.

python examples/03_triangulate_points.py
"""

import numpy as np

from recon3d.geometry.triangulation import Verdict, triangulate_robust
from recon3d.synthetic import make_rig

rng = np.random.default_rng(0)
rig = make_rig("ring", cameras=5)
points = rng.normal([0, 0, 1], 0.4, (1000, 3))

xy = rig.project(points) + rng.normal(0, 1.5, (5, 1000, 2))  # (views, points, 2), pixels as detected
xy[rng.random((5, 1000)) < 0.1] += 120  # outliers
xy[rng.random((5, 1000)) < 0.3] = np.nan  # not seen

found = triangulate_robust(rig, xy, sigma_px=1.5)
off = 1000 * np.linalg.norm(found.xyz - points, axis=-1)
print(f"answered {found.answered.sum()}, median error {np.nanmedian(off):.1f} mm")
for verdict in Verdict:
    print(f"  {verdict.name.lower():14} {(found.verdict == verdict).sum()}")
