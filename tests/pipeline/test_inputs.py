"""Inputs that other programs wrote."""

import json

import numpy as np

from recon3d import io, pipeline
from recon3d.pipeline import Job
from tests.worlds import BALANCE4


def test_keypoints_of_another_program(tmp_path):
    """A file of COCO results a camera, as many detectors write them, runs as OpenPose's folders do."""
    rig = io.read_rig(BALANCE4 / "Calib.qca.txt")
    (tmp_path / "in").mkdir()
    for camera in rig:
        seen = io.read_openpose(BALANCE4 / "openpose" / camera.name, camera.name, io.KeypointOptions(60.0, camera.intrinsics.size))
        xy, score = seen.xy[:30, :, :17], seen.confidence[:30, :, :17]
        entries = [
            {
                "image_id": int(seen.frame[f]),
                "category_id": 1,
                "keypoints": np.c_[np.nan_to_num(xy[f, k]), score[f, k]].ravel().tolist(),
                "score": float(score[f, k].mean()),
            }
            for f in range(30)
            for k in np.flatnonzero(np.isfinite(xy[f, :, 0, 0]) | (score[f] > 0).any(-1)).tolist()
        ]
        (tmp_path / "in" / f"{camera.name}.json").write_text(json.dumps(entries))
    result = pipeline.run(Job(BALANCE4 / "Calib.qca.txt", (str(tmp_path / "in"),), tmp_path / "take", fps=60.0))
    assert io.read_keypoints3d(result.take.folder / "keypoints3d.npz").layout.name == "coco_17"
