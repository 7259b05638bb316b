"""Joint angles in the anatomical sense, how well they are known, and a plot of them.

python examples/12_joint_angles.py OUT_FOLDER
"""

import sys
from pathlib import Path

import numpy as np

from recon3d import io, motion, multiview
from recon3d.skeleton import joint_angles
from recon3d.synthetic import make_person, make_rig, make_world

out = Path(sys.argv[1])
out.mkdir(parents=True, exist_ok=True)

world = make_world(make_rig("ring", 6), make_person("steps", 180))
_, _, people = multiview.reconstruct(world.keypoints2d(), world.rig)
moved = motion.solve(people)[0]
io.write(out / "walk.angles.csv", moved)

found = joint_angles(moved.armature, moved.poses())
truth = joint_angles(world.person.motion.armature, world.person.motion.poses())
shown = ["left_hip.flexion", "left_knee.flexion", "left_ankle.flexion"]
lines = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 {220 * len(shown)}" font-family="sans-serif" font-size="13">']
for k, name in enumerate(shown):
    low, high = min(truth[name].min(), found[name].min()), max(truth[name].max(), found[name].max())
    lines.append(f'<text x="10" y="{220 * k + 16}">{name}, {low:.0f} to {high:.0f} degrees</text>')
    for angle, colour in ((truth[name], "#bbb"), (found[name], "#2f6fb0")):
        x, y = np.linspace(10, 630, len(angle)), 220 * k + 210 - 180 * (angle - low) / (high - low)
        points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
        lines.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
    off = np.sqrt(((found[name] - truth[name]) ** 2).mean())
    print(f"{name}: {off:.1f} degrees off the truth")
(out / "angles.svg").write_text("\n".join([*lines, "</svg>"]))
