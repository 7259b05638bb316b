"""The embedded recording's cameras disagree: which of them moved, by how much, and is it them or the detector?

python examples/08_refine.py OUT_FOLDER
"""

import sys
from pathlib import Path

import recon3d
from calibration.points import read_scene
from calibration.refine import refine
from calibration.report import movements, summarise, write_report
from recon3d import io
from recon3d.io import KeypointOptions, read_openpose

out = Path(sys.argv[1])
out.mkdir(parents=True, exist_ok=True)
data = Path(recon3d.__file__).parent / "data" / "balance4"

rig = io.read_rig(data / "Calib.qca.txt")
seen = [read_openpose(data / "openpose" / c.name, c.name, KeypointOptions(60.0, c.intrinsics.size)) for c in rig]
# Static points of the scene are not used to refine: they tell moved cameras from a biased detector.
found = refine(rig, seen, scene=read_scene(data / "scene.toml"))

for m, before, after in zip(found.movements, found.before_px, found.after_px, strict=True):
    print(f"{m.camera}: {m.turned_deg:.2f} +- {m.turned_sigma_deg:.2f} deg, limbs {before:.1f} -> {after:.1f} px")
print(*found.outcome.notes, sep="\n")
io.write_rig_toml(out / "rig.toml", found.outcome.rig)
write_report(out / "rig-report", summarise(found.outcome, movements(found)), "balance4, refined")
