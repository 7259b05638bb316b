"""What is no human goes the same way: an animal on four legs to BVH, a car to a pose of six degrees of freedom."""

from dataclasses import replace

import numpy as np
import pytest

from recon3d import io, pipeline
from recon3d.geometry import SE3, SO3
from recon3d.pipeline import Job, Settings
from recon3d.pipeline.settings import ExportSettings
from recon3d.records import Keypoints2D
from recon3d.skeleton import Armature, armature_of, body_links, load_armature, load_layout
from recon3d.synthetic import make_rig

FRAMES, FPS = 90, 30.0


def filmed(folder, bodies, layout_name, noise=1.5, seed=0):
    """Keypoint files of several bodies (armature, place, rotations) in the layout; where each one's joints are."""
    rng, layout = np.random.default_rng(seed), load_layout(layout_name)
    rig = make_rig("ring", 6, distance=8.0)
    points, joints = [], []
    for armature, where, turn in bodies:
        names = [name for name in layout.points if name in armature.attachments.points]
        columns = [armature.attachments.points.index(name) for name in names]
        poses = armature.forward(SE3(SO3.identity(FRAMES), where), turn)
        points.append(armature.keypoints(poses)[:, columns])
        joints.append(poses.translation)
    truth = np.stack(points, 1)
    full = np.full((FRAMES, len(bodies), len(layout), 3), np.nan)
    full[:, :, layout.indices(names)] = truth
    clean = rig.project(full.reshape(-1, 3)).reshape(len(rig), *full.shape[:3], 2)
    for v, camera in enumerate(rig):
        xy = clean[v] + rng.normal(0, noise, clean[v].shape)
        xy[rng.random(xy.shape[:3]) < 0.05] = np.nan
        there = np.isfinite(xy[..., 0])
        with np.errstate(invalid="ignore"):
            box = np.concatenate([np.fmin.reduce(xy, 2), np.fmax.reduce(xy, 2)], -1)
        record = Keypoints2D(
            layout=layout,
            camera=camera.name,
            size=camera.intrinsics.size,
            frame=np.arange(FRAMES),
            time=np.arange(FRAMES) / FPS,
            person_id=np.full(xy.shape[:2], -1),
            xy=xy.astype(np.float32),
            confidence=np.where(there, 0.8, 0.0).astype(np.float32),
            sigma_px=np.where(there, noise, np.nan).astype(np.float32),
            box=box.astype(np.float32),
            score_kind="synthetic",
        )
        io.write_keypoints2d(folder / "seen" / f"{camera.name}.npz", [lambda record=record: record])
    io.write_rig_toml(folder / "rig.toml", rig)
    return joints


def trot(armature: Armature, phase, speed=1.0, heading=0.0):
    """Legs that swing in diagonal pairs, and the body going on."""
    t = np.arange(FRAMES) / FPS
    vector = np.zeros((FRAMES, len(armature.joints), 3))
    for side, turn in (("left", 0.0), ("right", np.pi)):
        swing = 2 * np.pi * 1.5 * t + phase + turn
        vector[:, armature.index(f"{side}_shoulder"), 0] = 0.4 * np.sin(swing)
        vector[:, armature.index(f"{side}_elbow"), 0] = -0.4 - 0.35 * np.sin(swing + 0.7)
        vector[:, armature.index(f"{side}_hip"), 0] = 0.4 * np.sin(swing + np.pi)
        vector[:, armature.index(f"{side}_knee"), 0] = 0.4 + 0.35 * np.sin(swing + np.pi + 0.7)
    vector[:, armature.index("head"), 0] = 0.1 * np.sin(3 * t)
    vector[:, 0, 2] = heading
    ahead = np.array([np.sin(heading), -np.cos(heading)])
    place = np.zeros((FRAMES, 3))
    place[:, :2] = (speed * (t - t.mean()))[:, None] * ahead
    place[:, 2] = 0.62 + 0.02 * np.sin(4 * np.pi * 1.5 * t)
    return place, SO3.exp(vector).matrix


def test_layouts_know_their_armature():
    assert armature_of("ap10k_17") == "quadruped"
    assert armature_of("animal_20") == "quadruped"
    assert armature_of("car_24") == "car"
    assert armature_of("coco_17") == armature_of("no_such_layout") == "human"
    assert not len(body_links(load_layout("ap10k_17")).pairs)
    assert len(body_links(load_layout("coco_17")).pairs) > 8


def reconstructed(folder, *formats):
    settings = Settings(export=ExportSettings(formats))
    return pipeline.run(Job(folder / "rig.toml", (str(folder / "seen"),), folder / "take", settings))


def test_two_animals_to_bvh(tmp_path):
    """Two dogs of different size, in AP-10K's points, by the shipped armature: each gets its own bones and files."""
    dog = load_armature("quadruped")
    small = dog.with_sizes(0.7 * dog.rest_offset, 0.7 * dog.attachments.offset)
    place, turn = trot(dog, 0.0)
    other, turned = trot(small, 1.0, 0.8, np.pi / 2)
    other[:, 1] += 1.4
    other[:, 2] *= 0.7
    joints = filmed(tmp_path, [(dog, place, turn), (small, other, turned)], "ap10k_17")
    result = reconstructed(tmp_path, "bvh", "glb", "csv")
    assert result.summary.refused == []
    assert sorted(p.name for p in (tmp_path / "take" / "exports").glob("*.bvh")) == ["0.bvh", "1.bvh"]
    limbs = [dog.index(f"{s}_{n}") for s in ("left", "right") for n in ("shoulder", "elbow", "front_paw", "hip", "knee", "back_paw")]
    taken = []
    for person in ("0", "1"):
        motion = io.read_motion(result.take.motion(person))
        assert motion.armature.skeleton.name == "quadruped"
        off = [np.nanmedian(np.linalg.norm(motion.poses().translation - true, axis=-1)[:, limbs]) for true in joints]
        taken.append(int(np.argmin(off)))
        assert min(off) < 0.015
        shin = np.linalg.norm(motion.armature.rest_offset[dog.index("left_back_paw")])
        assert shin == pytest.approx((1.0, 0.7)[taken[-1]] * np.linalg.norm(dog.rest_offset[dog.index("left_back_paw")]), abs=0.01)
        bvh = (tmp_path / "take" / "exports" / f"{person}.bvh").read_text()
        assert "JOINT left_front_paw" in bvh
        assert f"Frames: {FRAMES}" in bvh
        assert "nan" not in bvh.split("MOTION")[1]
    assert sorted(taken) == [0, 1]


def test_an_armature_of_ones_own(tmp_path):
    """A user's file with other names for the joints, bones and mirrored sides."""
    text = """
name = "table"
[[joint]]
name = "top"
[[joint]]
name = "left_leg"
parent = "top"
offset = [0.3, 0, -0.05]
[[joint]]
name = "left_end"
parent = "left_leg"
offset = [0, 0, -0.5]
free = ""
[keypoints]
left_hip = ["left_leg", [0, 0, 0]]
left_knee = ["left_end", [0, 0, 0]]
root_of_tail = ["top", [0, 0.2, 0]]
"""
    (tmp_path / "own.toml").write_text(text)
    dog = load_armature("quadruped")
    place, turn = trot(dog, 0.0)
    filmed(tmp_path, [(dog, place, turn)], "ap10k_17")
    settings = Settings(export=ExportSettings(("bvh",)))
    settings = replace(settings, motion=replace(settings.motion, armature=str(tmp_path / "own.toml")))
    result = pipeline.run(Job(tmp_path / "rig.toml", (str(tmp_path / "seen"),), tmp_path / "take", settings))
    motion = io.read_motion(result.take.motion("0"))
    assert motion.armature.joints == ("top", "left_leg", "left_end", "right_leg", "right_end")
    assert "JOINT right_end" in (tmp_path / "take" / "exports" / "0.bvh").read_text()


@pytest.mark.parametrize("parked", [False, True])
def test_a_car_has_six_degrees_of_freedom(tmp_path, parked):
    """A car in its 24 points, longer than the shipped one: where it is and how it is turned, and its own points."""
    car = load_armature("car")
    longer = car.with_sizes(car.rest_offset, car.attachments.offset * np.array([1.0, 1.12, 1.0]))
    t = np.arange(FRAMES) / FPS
    heading = np.zeros_like(t) if parked else 0.25 * t
    vector = np.stack([0.02 * np.sin(3 * t), 0.015 * np.cos(2 * t), heading], -1) * (1 if not parked else [0, 0, 1])
    place = np.stack([0.0 * t, 0.0 * t if parked else 1.2 - 0.8 * t, 0.33 + 0 * t], -1)
    rotation = SO3.exp(vector[:, None]).matrix
    filmed(tmp_path, [(longer, place, rotation)], "car_24", noise=1.0)
    result = pipeline.run(
        Job(tmp_path / "rig.toml", (str(tmp_path / "seen"),), tmp_path / "take", Settings(export=ExportSettings(("bvh", "glb"))))
    )
    assert [one["reason"] for one in result.summary.refused] == []
    motion = io.read_motion(result.take.motion("0"))
    assert motion.armature.joints == ("car",)
    # How the axes lie in the body is fixed only up to what its points say: how it moves is what counts.
    turn = SO3.from_wxyz(motion.rotation[:, 0]).matrix
    ours, true = (r @ r[:1].transpose(0, 2, 1) for r in (turn, rotation[:, 0]))
    angle = np.rad2deg(np.arccos(np.clip((np.trace(ours @ true.transpose(0, 2, 1), axis1=1, axis2=2) - 1) / 2, -1, 1)))
    assert np.median(angle) < 0.3
    upright = np.rad2deg(np.arccos(np.clip(turn[:, 2, 2], -1, 1)))
    assert np.median(upright) < 3
    true_points = longer.keypoints(longer.forward(SE3(SO3.identity(FRAMES), place), rotation))
    assert motion.armature.attachments.points == longer.attachments.points
    off = np.linalg.norm(motion.armature.keypoints(motion.poses()) - true_points, axis=-1)
    assert np.median(off) < 0.008
    wheel = [motion.armature.attachments.points.index(f"{end}_wheel_left") for end in ("front", "rear")]
    base = np.linalg.norm(np.diff(motion.armature.attachments.offset[wheel], axis=0))
    assert base == pytest.approx(2.6 * 1.12, abs=0.03)
