"""Where a head looks, from a webcam-like video (here drawn: the open body's head, turning), and how sure that is.

python examples/17_head_pose.py OUT_FOLDER [VIDEO]
"""

import sys
from pathlib import Path

import cv2
import numpy as np

from recon3d.body import load_open_body
from recon3d.head.angles import rotation_of
from recon3d.monocular.camera import level, pinhole
from recon3d.pipeline.head import HeadJob, find_heads
from recon3d.view import draw_mesh

out = Path(sys.argv[1])
out.mkdir(exist_ok=True)
video = Path(sys.argv[2]) if len(sys.argv) > 2 else out / "webcam.mp4"
if len(sys.argv) < 3:
    body = load_open_body().person(gender=0.8)
    at, poses = body.armature.attachments.points, body.at_rest().poses
    ears = body.armature.keypoints(poses)[0][[at.index("left_ear"), at.index("right_ear")]].mean(0)
    vertices, camera = body.at_rest().vertices()[0] - ears, level("webcam", pinhole((640, 480), 60.0))
    writer = cv2.VideoWriter(str(video), cv2.VideoWriter.fourcc(*"mp4v"), 30, (640, 480))
    for k in range(45):
        turn = rotation_of(np.deg2rad([[25 * np.sin(k / 10), 8 * np.sin(k / 7), 0.0]])).matrix[0]
        wall = np.full((480, 640, 3), 150, np.uint8)
        image = draw_mesh(wall, vertices @ turn.T + [0, 0.6, 1.5], body.model.faces, camera, (224, 172, 140), 1.0)
        writer.write(image[..., ::-1])
    writer.release()

(head,) = find_heads(HeadJob((str(video),), out / "head", overlay=True))
for row in range(0, len(head.pose), 8):
    yaw, pitch, roll = head.angles_deg[row]
    print(f"{head.pose.time[row]:.2f} s: yaw {yaw:6.1f} pitch {pitch:6.1f} roll {roll:6.1f}, to {head.sigma_deg[row].max():.1f} degrees")
for note in head.notes:
    print("-", note)
