"""From 2D keypoints of four cameras to an animated skeleton.

python examples/01_reconstruct.py OUT_FOLDER
"""

import sys
from pathlib import Path

import recon3d
from recon3d import io, motion, multiview
from recon3d.io import KeypointOptions, read_openpose

out = Path(sys.argv[1])
data = Path(recon3d.__file__).parent / "data" / "balance4"

rig = io.read_rig(data / "Calib.qca.txt")
seen = [read_openpose(data / "openpose" / c.name, c.name, KeypointOptions(60.0, c.intrinsics.size)) for c in rig]

world, known, people = multiview.reconstruct(seen, rig)
motions = motion.solve(people)

out.mkdir(parents=True, exist_ok=True)
io.write(out / "balance.csv", world)
io.write(out / "balance.bvh", motions[0])
io.write(out / "balance.glb", motions[0])
print(f"{len(world)} frames; cameras that do not fit the others: {', '.join(known.agreement.disagreeing)}")
