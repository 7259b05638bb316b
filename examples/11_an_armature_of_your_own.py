"""Motion of an armature of your own: a pelvis and two legs with hinges; what is said of the left holds for the right.

python examples/11_an_armature_of_your_own.py OUT_FOLDER
"""

import sys
from pathlib import Path

from recon3d import io, motion, multiview
from recon3d.motion import MotionSettings
from recon3d.synthetic import make_person, make_rig, make_world

out = Path(sys.argv[1])
out.mkdir(parents=True, exist_ok=True)
(out / "legs.toml").write_text("""
name = "legs"
[[joint]]
name = "pelvis"
looseness_deg = 180
[[joint]]
name = "left_hip"
parent = "pelvis"
offset = [0.10, 0, -0.01]
looseness_deg = 30
[[joint]]
name = "left_knee"
parent = "left_hip"
offset = [0, 0, -0.45]
free = "x"
looseness_deg = 60
limit_deg = [-5, 155]
[keypoints]  # joint, offset in its frame (m), and how far off it may lie
mid_hip = ["pelvis", [0, 0, 0], 0.01]
left_hip = ["pelvis", [0.10, 0, -0.01], 0.003]
left_knee = ["left_knee", [0, 0, 0]]
left_ankle = ["left_knee", [0, 0, -0.43], 0.05]
neck = ["pelvis", [0, 0, 0.50], 0.05]
""")

world = make_world(make_rig("ring", 4), make_person("gait", 120))
_, _, people = multiview.reconstruct(world.keypoints2d(), world.rig)
moved = motion.solve(people, MotionSettings(armature=str(out / "legs.toml")))[0]
io.write(out / "legs.bvh", moved)
thigh = -moved.armature.rest_offset[moved.armature.index("left_knee"), 2]
print(f"thigh {thigh:.3f} m; {len(moved)} frames of {', '.join(moved.armature.joints)}")
