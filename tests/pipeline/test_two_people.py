"""From videos of two drawn people to two BVH files."""

import json

import numpy as np
import pytest

from recon3d import io, pipeline
from recon3d.detect import TrackSettings
from recon3d.geometry import Camera, CameraRig, Intrinsics
from recon3d.pipeline import Job, Settings, picture_everybody
from recon3d.pipeline.settings import ExportSettings
from recon3d.synthetic import Clothes, make_person, write_figures
from recon3d.synthetic.rigs import look_at

FRAMES, FPS = 36, 30.0


@pytest.fixture(scope="module")
def filmed(tmp_path_factory):
    """Two people who walk past each other, before four cameras."""
    folder = tmp_path_factory.mktemp("filmed")
    share = np.linspace(0, 1, FRAMES)[:, None]
    paths = [np.array([-0.6 * s, 0.45 * s]) + share * [1.2 * s, 0.0] for s in (-1, 1)]
    people = [make_person("path", FRAMES, FPS, k, stature=1.6 + 0.2 * k, path=path) for k, path in enumerate(paths)]
    k = np.array([[620.0, 0, 319.5], [0, 620.0, 239.5], [0, 0, 1]])
    cameras = []
    for n in range(4):
        angle = np.pi / 4 + n * np.pi / 2
        centre = np.array([3.6 * np.cos(angle), 3.6 * np.sin(angle), 1.7])
        cameras.append(Camera(f"cam{n + 1:02d}", Intrinsics((640, 480), k), look_at(centre, np.array([0, 0, 0.9]))))
    rig = CameraRig(tuple(cameras))
    write_figures(folder / "videos", rig, people, [Clothes(), Clothes((60, 120, 70), (40, 40, 45))], FPS)
    io.write_rig_toml(folder / "rig.toml", rig)
    return folder, people


def test_two_people_from_video_to_two_bvh_files(filmed, tmp_path):
    folder, people = filmed
    settings = Settings(detect=TrackSettings(speed="fast"), export=ExportSettings(("bvh",)))
    result = pipeline.run(Job(folder / "rig.toml", (str(folder / "videos"),), tmp_path / "take", settings))
    assert sorted(p.name for p in (tmp_path / "take" / "exports").glob("*.bvh")) == ["0.bvh", "1.bvh"]
    found = io.read_keypoints3d(result.take.keypoints3d)
    assert found.people.tolist() == [0, 1]
    names = [name for name in found.layout.points if name in people[0].layout.points]
    ours, theirs = found.layout.indices(names), people[0].layout.indices(names)
    truth = np.stack([person.keypoints[found.frame][:, theirs] for person in people], 1)
    off = np.linalg.norm(found.xyz[:, :, None][:, :, :, ours] - truth[:, None], axis=-1)
    middle = np.nanmedian(off, (0, 3))
    assert sorted(middle.argmin(1).tolist()) == [0, 1]
    assert middle.min(1).max() < 0.07  # drawn figures, the quickest network
    assert np.nanmax(np.nanmedian(off, 3).min(2)) < 0.3  # nobody is exchanged, in no frame
    for person in range(2):
        text = (tmp_path / "take" / "exports" / f"{person}.bvh").read_text()
        assert f"Frames: {len(found)}" in text
        assert "nan" not in text.split("MOTION")[1]
        motion = io.read_motion(result.take.motion(str(person)))
        heights = np.nanmedian(motion.poses().translation[:, :, 2], 0)
        assert heights[motion.armature.index("head")] > 1.2 > 0.3 > heights[motion.armature.index("left_toes")]
    report = json.loads((tmp_path / "take" / "report.json").read_text())
    assert len(report["people"]) == 2
    assert report["refused"] == []
    assert len(picture_everybody(result.take)) == 2
