"""Keypoints of a network that recon3d has never heard of: a layout file names its points.

python examples/04_a_layout_of_your_own.py OUT_FOLDER
"""

import sys
from pathlib import Path

from recon3d.skeleton import load_layout, map_layout

out = Path(sys.argv[1])
out.mkdir(parents=True, exist_ok=True)
(out / "legs.toml").write_text(
    'points = ["left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle"]\n'
    'bones = [["left_hip", "left_knee"], ["left_knee", "left_ankle"]]\n'
    'mirror = [["left_hip", "right_hip"], ["left_knee", "right_knee"], ["left_ankle", "right_ankle"]]\n'
)
legs = load_layout(str(out / "legs.toml"))  # on the command line: --layout legs.toml
print(f"{len(legs)} points; from COCO: {map_layout(load_layout('coco_17'), legs).missing or 'all of them'}")
print(f"COCO's points that legs cannot give: {len(map_layout(legs, load_layout('coco_17')).missing)}")
