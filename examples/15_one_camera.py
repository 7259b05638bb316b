"""One camera: a video to a skeleton in metres that stands on the floor, and how far it is from what four cameras say.

python examples/15_one_camera.py OUT_FOLDER
"""

import sys
from importlib import resources
from pathlib import Path

import numpy as np

from recon3d import io
from recon3d.pipeline import Job, LiftJob, Settings, compare_takes, lift_take, run
from recon3d.pipeline.settings import ExportSettings, LiftSettings

data = Path(str(resources.files("recon3d"))) / "data" / "balance4"
out = Path(sys.argv[1])
export = ExportSettings(formats=("csv", "bvh"))

# Nothing but the video is known: the lens is taken to see 60 degrees, up and the floor come from how people stand.
settings = Settings(export=export, lift=LiftSettings(height=1.72))
one = lift_take(LiftJob(data / "videos" / "cam03.mp4", out / "one", settings, stop=40))
for warning in one.summary.warnings:
    print("-", warning)
motion = io.read_motion(one.take.motion("0"))
spread = 1000 * np.sqrt(np.trace(motion.covariance, axis1=-2, axis2=-1) / 3)
for joint in ("pelvis", "left_knee", "left_wrist"):
    place = motion.poses().translation[20, motion.armature.index(joint)]
    print(f"{joint} at {np.round(place, 2)} m, to {spread[20, motion.armature.index(joint)]:.0f} mm")

# The four cameras' answer, as this camera has it.
four = run(Job(data / "Calib.qca.txt", (str(data / "videos"),), out / "four", Settings(export=export), stop=40, image_fit="letterbox"))
for score in compare_takes(one.take, four.take):
    print(score.text())
