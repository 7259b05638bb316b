"""A motion on another program's skeleton, and motion of another program read back and written in a third format."""

import sys
from pathlib import Path

import numpy as np

from recon3d import io
from recon3d.characters import dressed, load_preset, preset_names
from recon3d.synthetic import make_person

folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path("OUT_FOLDER")
motion = make_person("dance", 120).motion  # yours: io.read_motion("take/motion/0.npz")

print("presets:", ", ".join(preset_names()))
for name, suffix in (("unreal", "fbx"), ("lafan1", "bvh"), ("vrm", "glb")):
    character = dressed(motion, load_preset(name))
    io.write(folder / f"dance.{name}.{suffix}", character)
    print(f"{name}: {len(character.joints)} joints, {len(character)} frames, {character.unit_m} m a unit, {character.up} up")

# What others made comes back the same way: here the BVH becomes an FBX of the same skeleton.
other = io.read_bvh(folder / "dance.lafan1.bvh")
io.write(folder / "again.fbx", other)
height = other.unit_m * np.ptp(other.poses().translation[0][:, 1])
print(f"read back: {other.joints[0]} and {len(other.joints) - 1} more joints, {height:.2f} m from toes to head")
