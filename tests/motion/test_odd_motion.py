"""Every bad input that motion was promised to stand: it says what it could not know, or refuses."""

from dataclasses import replace

import numpy as np
import pytest

from recon3d import motion
from recon3d.errors import InputError, ShapeError
from recon3d.motion.evidence import bridged, gather
from recon3d.records import State
from recon3d.skeleton import load_armature
from recon3d.skeleton.armature_file import parse_armature
from recon3d.synthetic import make_person
from tests.motion.worlds import as_world, hidden_from, noisy


def solved(seen, **settings):
    return motion.solve({0: [seen]}, motion.MotionSettings(**settings))[0]


def without(seen, rows):
    """Nobody sees anything in these frames."""
    piece, world = seen.pieces[0], seen.world
    xy, state, xyz = piece.xy.copy(), world.state.copy(), world.xyz.copy()
    xy[:, rows], state[rows], xyz[rows] = np.nan, 0, np.nan
    return motion.Observed(replace(world, state=state, xyz=xyz), (motion.ObservedPiece(piece.rig, xy, piece.sigma_px.copy()),))


def test_somebody_enters_late():
    world, seen = noisy("gait", 6, 120)
    found = solved(without(seen, slice(0, 50)))
    assert np.isnan(found.translation[:50]).all() and (found.state[:50] == State.MISSING).all()
    assert np.isnan(found.covariance[:50]).all() and not found.contact[:50].any()
    assert np.isnan(found.misfit[:50]).all()
    assert 0.7 < np.nanmedian(found.misfit[50:]) < 1.1  # sigmas were told as they are
    off = np.linalg.norm(found.poses().translation[50:] - world.person.motion.poses().translation[50:], axis=-1)
    assert off.mean() < 0.012


def test_no_view_for_seconds_is_a_gap_and_a_blink_is_bridged():
    world, seen = noisy("gait", 6, 200)
    found = solved(without(seen, np.r_[60:75, 100:160]))
    assert np.isnan(found.translation[100:160]).all()
    assert np.isfinite(found.translation[60:75]).all()
    assert (found.state[60:75] == State.INTERPOLATED).all()
    root = np.linalg.norm(found.translation[60:75] - world.person.motion.translation[60:75], axis=-1)
    assert root.max() < 0.05


def test_longest_gap_is_kept_to():
    _, seen = noisy("gait", 6, 120)
    cut = without(seen, slice(60, 75))
    assert np.isnan(solved(cut, longest_gap=0.1).translation[60:75]).all()
    with pytest.raises(InputError, match="longest_gap"):
        motion.MotionSettings(longest_gap=-1.0)


def test_half_of_the_body_is_cut_off():
    world, seen = noisy("gait", 6, 120)
    below = ("hip", "knee", "ankle", "heel", "big_toe", "small_toe")
    names = [f"{side}_{name}" for side in ("left", "right") for name in below] + ["mid_hip"]
    found = solved(hidden_from(world, seen, names, range(6), slice(None)))
    knee, elbow = found.armature.index("left_knee"), found.armature.index("left_elbow")
    assert (found.state[:, knee] == State.INFERRED).all()
    assert (found.state[:, elbow] == State.OBSERVED).mean() > 0.9
    off = np.linalg.norm(found.poses().translation[:, elbow] - world.person.motion.poses().translation[:, elbow], axis=-1)
    assert off.mean() < 0.02


@pytest.mark.parametrize("scale", [0.1, 3.0])
def test_a_wrong_scale(scale):
    """A rig in the wrong unit makes a dwarf or a giant, with lengths that say so; nothing breaks."""
    world, seen = noisy("gait", 4, 60)
    rig = seen.pieces[0].rig
    cameras = tuple(
        replace(c, cam_from_world=type(c.cam_from_world)(c.cam_from_world.rotation, c.cam_from_world.translation * scale)) for c in rig
    )
    now = replace(seen.world, xyz=seen.world.xyz * scale, covariance=seen.world.covariance * scale**2)
    piece = motion.ObservedPiece(replace(rig, cameras=cameras), seen.pieces[0].xy.copy(), seen.pieces[0].sigma_px.copy())
    found = solved(motion.Observed(now, (piece,)))
    j = found.armature.index("left_knee")
    true = np.linalg.norm(world.person.motion.armature.rest_offset[j])
    assert np.linalg.norm(found.armature.rest_offset[j]) == pytest.approx(scale * true, rel=0.15)


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_hardly_any_frames(frames):
    _, seen = noisy("gait", 6, 120)
    found = solved(seen.take(np.arange(frames)))
    assert np.isfinite(found.translation).all() and np.isfinite(found.rotation).all()


def test_frames_out_of_order():
    _, seen = noisy("gait", 6, 60)
    time = seen.world.time.copy()
    time[[10, 11]] = time[[11, 10]]
    with pytest.raises(InputError, match="time does not rise at frame 11"):
        motion.Observed(replace(seen.world, time=time), seen.pieces)


@pytest.mark.parametrize("layout", ["coco_17", "mpii_16", "mediapipe_33"])
def test_a_layout_without_feet_or_with_few_points(layout):
    world, seen = noisy("gait", 6, 60, layout=layout)
    found = solved(seen)
    assert np.isfinite(found.rotation).all()
    off = np.linalg.norm(found.poses().translation - world.person.motion.poses().translation, axis=-1)
    assert np.median(off) < 0.02
    if layout != "mediapipe_33":
        assert (found.state[:, found.armature.index("left_ankle")] == State.INFERRED).all()


def test_a_joint_that_no_keypoint_constrains():
    joints = [
        {"name": "base"},
        {"name": "arm", "parent": "base", "offset": [0, 0, 1.0], "free": "x"},
        {"name": "hook", "parent": "arm", "offset": [0, 0, 1.0]},
    ]
    base = {"left_hip": [0.2, 0, 0], "right_hip": [-0.2, 0, 0], "nose": [0, -0.3, 0.1], "neck": [0, 0, 0.5]}
    points = {name: ["base", place, 0.0] for name, place in base.items()} | {"left_ear": ["arm", [0, -0.2, 0.1], 0.0]}
    data = {"name": "crane", "joint": joints, "keypoints": points}
    crane = parse_armature(data, "crane")
    assert crane.axis_order(2) == [0, 1, 2]
    _, seen = noisy("gait", 6, 30)
    evidence = gather(bridged(seen), crane.attachments)
    from recon3d.motion.fit import fit
    from recon3d.motion.uncertainty import states

    found = fit(crane, evidence, 0.5)
    assert np.isfinite(found.pose.rotation).all()
    assert (states(found.armature, found.freedoms, evidence, 0.5)[:, 2] == State.INFERRED).all()


def test_numbers_that_are_none():
    _, seen = noisy("gait", 6, 60)
    piece = seen.pieces[0]
    xy, sigma = piece.xy.copy(), piece.sigma_px.copy()
    xy[0, :, 3], xy[1, 5:9] = np.inf, np.nan
    sigma[2, :, 4], sigma[3, 7] = np.nan, 0.0
    found = solved(motion.Observed(seen.world, (motion.ObservedPiece(piece.rig, xy, sigma),)))
    assert np.isfinite(found.rotation).all()


def test_pieces_that_do_not_fit():
    _, seen = noisy("gait", 6, 60)
    piece = seen.pieces[0]
    with pytest.raises(ShapeError, match="frames"):
        motion.Observed(seen.world, (piece.take(slice(0, 10)),))
    with pytest.raises(ShapeError, match="views"):
        motion.ObservedPiece(piece.rig, piece.xy[:3].copy(), piece.sigma_px[:3].copy())


@pytest.mark.parametrize("name", ["human_hands", "smpl_24"])
def test_other_armatures_from_the_same_evidence(name):
    world, seen = noisy("gait", 6, 90)
    found = solved(seen, armature=name)
    assert found.armature.joints == load_armature(name).joints
    true = world.person.motion
    for joint in ("left_knee", "right_elbow", "left_shoulder"):
        off = found.poses().translation[:, found.armature.index(joint)] - true.poses().translation[:, true.armature.index(joint)]
        assert np.linalg.norm(off, axis=-1).mean() < 0.02
    head, ankle = (found.poses().translation[:, found.armature.index(n), 2] for n in ("head", "left_ankle"))
    assert (head > ankle + 1).all()


def test_a_child():
    person = make_person("crouch", 90, stature=1.05)
    found = motion.solve(motion.in_space(as_world(person)))[0]
    off = np.linalg.norm(found.poses().translation - person.motion.poses().translation, axis=-1)
    assert np.median(off) < 0.02
