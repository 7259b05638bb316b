"""Several people at once: who is who across cameras and through time, each with files of its own.

python examples/10_several_people.py OUT_FOLDER
"""

import sys
from pathlib import Path

import numpy as np

from recon3d import io, motion, multiview
from recon3d.metrics import judge_people
from recon3d.synthetic import CrowdSettings, make_crowd, make_rig, make_strollers

out = Path(sys.argv[1])
out.mkdir(parents=True, exist_ok=True)

# Three people who walk through each other's ways before five cameras; noise, gaps, outliers, people who are not there.
rig = make_rig("ring", 5, distance=5.0)
crowd = make_crowd(rig, make_strollers(3, frames=150), CrowdSettings())

world, _, people = multiview.reconstruct(list(crowd.seen), rig)
for person, moved in motion.solve(people).items():
    io.write(out / f"{person}.bvh", moved)

bones = [tuple(pair) for pair in crowd.layout.bones.tolist()]
scores = judge_people(np.array(world.xyz), crowd.people, bones)
print(f"{len(world.people)} people; IDF1 {scores.idf1:.3f}, MPJPE {scores.mpjpe_mm:.1f} mm, {scores.ghosts} ghosts")
