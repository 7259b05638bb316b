"""How well would a rig do? A synthetic person in front of it, noise like a detector's, and the truth to compare with.

python examples/02_test_my_rig.py [rig.toml]
"""

import sys

from recon3d import io, multiview
from recon3d.metrics import coverage, mpjpe_mm
from recon3d.synthetic import NoiseSettings, make_person, make_rig, make_world

rig = io.read_rig(sys.argv[1]) if len(sys.argv) > 1 else make_rig("ring", cameras=6, lens="mild")
for kind in ("gait", "dance", "crouch"):
    person = make_person(kind, frames=120, fps=60.0, seed=1)
    world = make_world(rig, person, NoiseSettings(sigma_px=3.0, outliers=0.05, missing=0.1))
    found, *_ = multiview.reconstruct(world.keypoints2d(), rig)
    xyz, covariance = found.xyz.reshape(-1, 3), found.covariance.reshape(-1, 3, 3)
    truth = person.keypoints.reshape(-1, 3)
    print(
        f"{kind:7} mean error {mpjpe_mm(xyz, truth):5.1f} mm, answered {100 * (found.state > 0).mean():5.1f} %, "
        f"truth inside the 95 % ellipsoid {100 * coverage(xyz, truth, covariance):4.1f} %"
    )
