"""The picture of the README: a solved skeleton over every video, and from two sides.

recon3d demo -o TAKE_FOLDER
python examples/05_picture.py TAKE_FOLDER FRAME picture.jpg
"""

import sys
from pathlib import Path

import cv2
import numpy as np

import recon3d
from recon3d import io
from recon3d.video import open_video

take, number, target = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
videos = Path(recon3d.__file__).parent / "data" / "balance4" / "videos"
rig, motion = io.read_rig(take / "rig.toml"), io.read_motion(take / "motion" / "0.npz")
joints, parents = motion.poses().translation[number], motion.armature.skeleton.parents
left, right = ([name.startswith(side) for name in motion.armature.joints] for side in ("left_", "right_"))


def draw(image: np.ndarray, xy: np.ndarray, width: int) -> np.ndarray:
    for j, parent in enumerate(parents):
        if parent >= 0:
            ends = [tuple(np.rint(xy[k]).astype(int).tolist()) for k in (parent, j)]
            cv2.line(image, *ends, (245, 135, 66) if left[j] else (32, 130, 245) if right[j] else (120, 220, 120), width, cv2.LINE_AA)
    return image


tiles = []
for camera in rig:
    (frame,) = open_video(camera.name, videos / f"{camera.name}.mp4").frames(number, number + 1)
    image = cv2.cvtColor(frame.image, cv2.COLOR_RGB2BGR)
    height, width = image.shape[:2]
    scale = width / camera.intrinsics.size[0]  # some videos are letterboxed: scaled to the width, with bars
    bar = np.array([0, 0.5 * (height - scale * camera.intrinsics.size[1])])
    tiles.append(cv2.resize(draw(image, (camera.project(joints) + 0.5) * scale - 0.5 + bar, 7), (288, 512)))
for axis in (0, 1):  # seen along y, and along x
    flat = (joints[:, [axis, 2]] - [joints[:, axis].mean(), 0]) * [260, -260] + [144, 490]
    side = cv2.line(np.full((512, 288, 3), 255, np.uint8), (0, 490), (288, 490), (150, 150, 150), 1)
    tiles.append(draw(side, flat, 4))
cv2.imwrite(target, np.hstack(tiles))
print(f"{target}: frame {number}, {len(rig)} cameras and two sides")
