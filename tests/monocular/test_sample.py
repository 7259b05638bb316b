"""Training windows: what the network is given and asked for belong together."""

from dataclasses import replace

import numpy as np
import pytest

from recon3d import io
from recon3d.monocular.lifter import STANDARD_M
from recon3d.monocular.points import JOINTS, POINTS
from recon3d.monocular.train.mocap import BONES, Clips, foot_frame
from recon3d.monocular.train.noise import DetectorNoise, detect, limbs, measured
from recon3d.monocular.train.sample import Sampler, SampleSettings, _bent
from recon3d.synthetic import NoiseSettings, make_person, make_rig, make_world

EXACT = SampleSettings(augment=False, noise=None, up_known=1.0, layout="halpe_26")


def clips():
    """Two recordings of the default body."""
    joints = []
    for kind in ("gait", "dance"):
        motion = make_person(kind, 90, 30.0, seed=1).motion
        places = motion.poses().translation
        top = motion.armature.keypoints(motion.poses())[:, [motion.armature.attachments.points.index("head_top")]]
        rows = [places[:, [motion.armature.index(n)]] if n != "head_top" else top for n in JOINTS]
        joints.append(np.concatenate(rows, 1))
    every = np.concatenate(joints).astype(np.float32)
    return Clips(
        joints=every,
        known=np.ones((2, len(JOINTS)), bool),
        face=np.repeat(every[:, [JOINTS.index("head")]], 5, 1),
        foot=np.repeat(every[:, [JOINTS.index("left_toes"), JOINTS.index("right_toes")]][:, :, None], 3, 2),
        start=np.array([0, 90, 180]),
        time=np.tile(np.arange(90) / 30.0, 2),
        person=("a", "b"),
        name=("gait", "dance"),
    )


def test_the_answer_projects_onto_what_is_seen():
    batch = Sampler(clips(), EXACT, 3).batch(8, 20)
    size = np.exp(batch.extra[:, 0, 3])[:, None, None]
    depth = STANDARD_M * np.exp(batch.root[..., 2]) / size[..., 0]
    root = np.concatenate([batch.root[..., :2] * size, np.ones((8, 20, 1))], -1) * depth[..., None]
    body = root[:, :, None] + batch.joints
    flat = body[..., :2] / body[..., 2:] / size[..., None]
    for name in ("left_knee", "right_wrist", "head_top", "left_hip"):
        k, j = POINTS.index(name), JOINTS.index(name)
        there = batch.points[:, :, k, 2] > 0
        assert there.mean() > 0.9
        np.testing.assert_allclose(batch.points[:, :, k, :2][there], flat[:, :, j][there], atol=2e-3)


def test_up_is_up():
    batch = Sampler(clips(), EXACT, 4).batch(16, 5)
    up = batch.extra[..., 4:]
    np.testing.assert_allclose(np.linalg.norm(up, axis=-1), 1.0, atol=1e-5)
    trunk = batch.joints[:, :, JOINTS.index("neck")] - batch.joints[:, :, JOINTS.index("spine")]
    assert (np.einsum("bfi,bfi->bf", up, trunk) > 0).mean() > 0.95
    assert (Sampler(clips(), SampleSettings(up_known=0.0), 4).batch(4, 5).extra[..., 4:] == 0).all()


def test_bodies_are_of_standard_size():
    batch = Sampler(clips(), SampleSettings(), 5).batch(32, 9)
    at = {name: batch.joints[:, :, JOINTS.index(name)] for name in JOINTS}
    chain = (("left_hip", "left_knee"), ("left_knee", "left_ankle"), ("pelvis", "spine"), ("spine", "chest"), ("chest", "neck"))
    total = sum(np.linalg.norm(at[a] - at[b], axis=-1) for a, b in chain)
    good = batch.there > 0
    assert abs(np.median(total[good]) - STANDARD_M) < 0.03
    assert np.isfinite(batch.points).all() and np.isfinite(batch.root).all()


def test_a_seed_decides_everything():
    one, two, other = (Sampler(clips(), SampleSettings(), seed).batch(4, 9) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.points, two.points)
    assert not np.array_equal(one.points, other.points)


@pytest.mark.parametrize("layout", ["coco_17", "body_25", "h36m_17"])
def test_points_that_a_layout_lacks_are_masked(layout):
    from recon3d.monocular.points import columns
    from recon3d.skeleton import load_layout

    batch = Sampler(clips(), SampleSettings(layout=layout), 6).batch(8, 9)
    lacking = columns(load_layout(layout)) < 0
    assert (batch.points[:, :, lacking] == 0).all()
    assert (batch.points[:, :, ~lacking, 2] > 0).mean() > 0.5


def test_noise_is_of_the_size_that_is_told():
    exact = Sampler(clips(), SampleSettings(augment=False, noise=None, up_known=0.0, layout="coco_17", fps=30.0), 7).batch(64, 9)
    noisy = Sampler(clips(), SampleSettings(augment=False, up_known=0.0, layout="coco_17", fps=30.0), 7).batch(64, 9)
    assert exact.points[..., 2].max() > 0.7
    assert 0.2 < np.median(noisy.points[..., 2][noisy.points[..., 2] > 0]) < 0.9


def test_bones_are_a_tree():
    assert {child for _, child in BONES} == set(JOINTS) - {"pelvis"}
    parents = {child: parent for parent, child in BONES}
    assert parents["left_wrist"] == "left_elbow" and parents["left_clavicle"] == "chest"


def test_foot_frames_are_turns():
    rng = np.random.default_rng(0)
    frame = foot_frame(*(rng.normal(size=(10, 3)) for _ in range(3)))
    np.testing.assert_allclose(np.linalg.det(frame), 1.0, atol=1e-9)


def still(clean):
    return np.zeros((*clean.shape[:3], 3))


def test_errors_last_as_long_as_a_pose_is_held():
    rng = np.random.default_rng(4)
    angle = np.linspace(0, np.pi, 61)
    limb = np.tile(np.stack([np.cos(angle), np.sin(angle), np.zeros(61)], -1)[None, :, None], (300, 1, len(POINTS), 1))
    clean = rng.uniform(-0.2, 0.2, (300, 1, len(POINTS), 2)) * np.ones((1, 61, 1, 1))
    noise = DetectorNoise(changing=0.0, swap_share=0.0, hidden_share=0.0, cut_share=0.0, burst_share=0.0, lasting_spread=0.0, face=1.0)
    found, _ = detect(clean, limb, np.tile(np.arange(61) / 60.0, (300, 1)), noise, rng)
    off = (found - clean) / np.linalg.norm(np.ptp(clean[:, 0], axis=1), axis=-1)[:, None, None, None]
    assert abs(off.std() / noise.lasting - 1) < 0.02
    for k in (5, 15, 60):
        alike = (off[:, 0] * off[:, k]).mean() / noise.lasting**2
        apart = np.linalg.norm(limb[0, 0, 0] - limb[0, k, 0])
        assert abs(alike - np.exp(-((apart / noise.alike) ** 2) / 2)) < 0.03


def test_limbs_are_directions():
    places = np.full((1, len(POINTS), 3), np.nan)
    places[:, POINTS.index("left_elbow")], places[:, POINTS.index("left_wrist")] = 0.0, [0.0, 0.0, 2.0]
    line = limbs(places)
    np.testing.assert_allclose(line[0, POINTS.index("left_wrist")], [0, 0, 1])
    assert not line[0, POINTS.index("nose")].any()


def test_who_walks_through_the_picture_is_seen_as_well_as_who_stands():
    rng = np.random.default_rng(5)
    time = np.tile(np.arange(40) / 30.0, (300, 1))
    stands = rng.uniform(-0.2, 0.2, (300, 1, len(POINTS), 2)) * np.ones((1, 40, 1, 1))
    walks = stands + np.linspace(0, 2, 40)[None, :, None, None] * np.array([1.0, 0.0])
    noise = DetectorNoise(swap_share=0.0, hidden_share=0.0, cut_share=0.0)
    a, b = (detect(one, still(one), time, noise, np.random.default_rng(6))[0] - one for one in (stands, walks))
    np.testing.assert_allclose(a, b, atol=1e-9)


def test_detectors_err_as_they_are_said_to():
    rng = np.random.default_rng(1)
    time = np.tile(np.arange(60) / 60.0, (400, 1))
    clean = rng.uniform(-0.2, 0.2, (400, 1, len(POINTS), 2)) * np.ones((1, 60, 1, 1))
    quiet = DetectorNoise(swap_share=0.0, hidden_share=0.0, cut_share=0.0, burst_share=0.0, spread=0.0, lasting_spread=0.0, face=1.0)
    found, told = detect(clean, still(clean), time, quiet, rng)
    size = np.linalg.norm(np.ptp(clean[:, 0], axis=1), axis=-1)[:, None, None, None]
    off = (found - clean) / size
    lasting = off.mean(1)
    assert abs(lasting.std() / np.hypot(quiet.lasting, 0.55 * quiet.changing) - 1) < 0.1
    changing = off - lasting[:, None]
    step = round(quiet.memory_s * 60)
    fresh = np.diff(off, axis=1).std() / (quiet.changing * np.sqrt(2 * (1 - np.exp(-1 / 60 / quiet.memory_s))))
    assert abs(fresh - 1) < 0.05 and changing[:, step:].std() < quiet.changing * 1.05
    assert abs(np.median(told) / (quiet.told * np.hypot(quiet.lasting, quiet.changing)) - 1) < 0.05


def test_sides_are_mixed_up_and_limbs_hidden_as_often_as_said():
    rng = np.random.default_rng(2)
    time = np.tile(np.arange(30) / 30.0, (600, 1))
    clean = rng.uniform(-0.2, 0.2, (600, 30, len(POINTS), 2))
    mixed, _ = detect(clean, still(clean), time, DetectorNoise(lasting=0, changing=0, swap_share=0.1, hidden_share=0.0, cut_share=0.0), rng)
    elbow, other = POINTS.index("left_elbow"), POINTS.index("right_elbow")
    share = (np.abs(mixed[:, :, elbow] - clean[:, :, other]) < 1e-6).all(-1).mean()
    assert 0.07 < share < 0.13
    hidden, _ = detect(clean, still(clean), time, DetectorNoise(hidden_share=0.1), rng)
    assert 0.1 < np.isnan(hidden[..., 0]).mean() < 0.3


def test_noise_of_a_take_is_measured(tmp_path):
    """A take whose detections are its motion, seen by detectors of known errors."""
    world = make_world(
        make_rig("ring", 4, "none", 1), make_person("gait", 60, 60.0, 1), NoiseSettings(sigma_px=0.5, outliers=0.0, missing=0.0), 1
    )
    rng = np.random.default_rng(3)
    (tmp_path / "motion").mkdir()
    (tmp_path / "keypoints2d").mkdir()
    io.write_motion(tmp_path / "motion" / "0.npz", [lambda: world.person.motion])
    io.write_rig(tmp_path / "rig.toml", world.rig)
    places = world.person.motion.armature.keypoints(world.person.motion.poses())
    names = world.person.motion.armature.attachments.points
    for camera, seen in zip(world.rig.cameras, world.keypoints2d(), strict=True):
        columns = [names.index(n) for n in seen.layout.points]
        xy = camera.project(places)[..., :2][:, columns]
        size = np.median(np.linalg.norm(np.nanmax(xy, 1) - np.nanmin(xy, 1), axis=-1))
        xy = xy + size * (rng.normal(0, 0.012, (1, len(columns), 2)) + rng.normal(0, 0.004, xy.shape))
        told = replace(seen, xy=xy[:, None].astype(np.float32), sigma_px=np.full_like(seen.sigma_px, 0.008 * size))
        io.write_keypoints2d(tmp_path / "keypoints2d" / f"{camera.name}.npz", [lambda told=told: told])
    found = measured(tmp_path, 60)
    assert abs(found["lasting"] * (1 - 3 / 8) ** 0.5 / 0.012 - 1) < 0.15 and abs(found["changing"] / 0.004 - 1) < 0.15
    assert found["alike"] > 1.5  # errors that do not change with the pose
    assert abs(found["told"] / (0.008 / np.hypot(0.012 / (1 - 3 / 8) ** 0.5, 0.004)) - 1) < 0.2 and found["memory_s"] < 0.03


def test_bent_bodies_keep_their_bones():
    rng = np.random.default_rng(5)
    own = clips()
    rows = np.stack([np.arange(30), np.arange(100, 130)])
    joints, points = own.joints[rows].astype(float), own.points()[rows].astype(float)
    bent, bent_points = _bent(joints, points, rng)
    for parent, child in BONES:
        a, b = JOINTS.index(parent), JOINTS.index(child)
        before, after = (np.linalg.norm(j[:, :, a] - j[:, :, b], axis=-1) for j in (joints, bent))
        np.testing.assert_allclose(after, before, atol=1e-9)
    assert np.abs(bent - joints).max() > 0.05
    for name in ("left_wrist", "right_knee", "left_shoulder"):
        np.testing.assert_allclose(bent_points[:, :, POINTS.index(name)], bent[:, :, JOINTS.index(name)], atol=1e-6)
