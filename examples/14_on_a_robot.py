"""A person's motion on a robot, and as OpenSim's coordinates; needs recon3d[robots] and example-robot-data for the robot's URDF."""

import sys
from pathlib import Path

import numpy as np

from recon3d import io
from recon3d.robots import find_urdf, follow, load_card, load_robot, quality, targets_of
from recon3d.synthetic import make_person

folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path("OUT_FOLDER")
motion = make_person("jump", 120).motion  # yours: io.read_motion("take/motion/0.npz")

card = load_card("g1")  # or the path of a TOML file of your own
robot = load_robot(find_urdf(card), card)  # yours: load_robot(Path("my_robot.urdf"), card)
targets = targets_of(motion, robot, fps=50.0)
moved = follow(robot, targets)
found = quality(robot, moved, targets)
print(f"{len(moved)} frames of {len(moved.joints)} joints; a person's metre is {targets.scale:.2f} of the robot's")
print(f"beyond limits {found.limit_violations}, collisions {found.collisions}")
print(f"off what was asked: pelvis {found.base_mm:.0f} mm, hands {found.hand_mm:.0f} mm")
print(f"fastest joint {np.abs(moved.velocity()).max():.1f} rad/s, highest the base goes {moved.translation[:, 2].max():.2f} m")
for suffix in ("csv", "npz", "mcap"):
    io.write(folder / f"jump.g1.{suffix}", moved)

io.write(folder / "jump.osim", motion)  # the armature as an OpenSim model
io.write(folder / "jump.mot", motion)  # and how it moves
print("written:", ", ".join(sorted(p.name for p in folder.iterdir())))
