"""Your own ONNX network looks at a video: a card of ten lines says what it is; there is no code to write.

python examples/09_a_network_of_your_own.py OUT_FOLDER
"""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import recon3d

out, package = Path(sys.argv[1]), Path(recon3d.__file__).parent
out.mkdir(parents=True, exist_ok=True)
shutil.copy(package / "detect" / "models" / "movenet_thunder.onnx", out / "mine.onnx")  # stands in for yours

card = """
name = "mine"
file = "mine.onnx"
sha256 = "HASH"
licence = "Apache-2.0"
decoder = "movenet_single"  # or heatmap, simcc, regression, yolo_pose, affinity, composite_fields, ...
layout = "coco_17"          # names of its points; your own as a .toml file beside the card
input = [256, 256]          # width, height; mean, std, channels and outputs can be given too
score_kind = "heatmap"
sigma_share = 0.01          # how far off a sure point is, over the person's size
min_score = 0.2
"""
content = hashlib.sha256((out / "mine.onnx").read_bytes()).hexdigest()  # without it, recon3d tells you what to put there
(out / "mine.toml").write_text(card.replace("HASH", content))

video = package / "data" / "balance4" / "videos" / "cam03.mp4"
command = ["detect", str(video), "-o", str(out / "seen"), "--detector", str(out / "mine.toml"), "--frames", "0:20", "--overlay"]
subprocess.run([sys.executable, "-m", "recon3d", *command], check=True)
# With several calibrated cameras: recon3d reconstruct my_videos/ --rig rig.toml -o take --detector mine.toml
