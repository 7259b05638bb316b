from dataclasses import replace

import numpy as np
import pytest

from calibration.clocks import coarse_offsets
from calibration.observed import Track, instants_for, sample, tracks_of
from calibration.people import PeopleSettings, calibrate_people
from calibration.report import parameter_sigmas
from calibration.start import all_pairs, connected
from recon3d.arrays import slopes
from recon3d.errors import CameraError, InputError
from recon3d.geometry import Clock
from recon3d.records import Keypoints2D
from recon3d.skeleton import Layout
from recon3d.synthetic import NoiseSettings, make_person, make_rig, make_world
from tests.calibration.worlds import clocked, lenses, pose_error
from tests.worlds import gait


def test_a_rig_from_nothing_but_a_person():
    """Poses from no start; metres, up and floor from the person."""
    world = gait(6, 120)
    outcome = calibrate_people(world.keypoints2d(), lenses(world.rig), PeopleSettings(stature_m=1.70))
    rig = outcome.rig
    turn, shift = pose_error(rig, world.rig)
    assert turn < 0.12
    assert 1e-4 < shift < 0.01  # an error of zero would be suspicious
    assert not outcome.refused
    assert "scale" not in rig.unknown
    assert "up" not in rig.unknown
    extent = np.linalg.norm(rig.centres() - rig.centres().mean(0)) / np.linalg.norm(world.rig.centres() - world.rig.centres().mean(0))
    assert abs(extent - 1) < 0.03
    ups = [c.cam_from_world.rotation.matrix[:, 2] @ t.cam_from_world.rotation.matrix[:, 2] for c, t in zip(rig, world.rig, strict=True)]
    assert min(ups) > np.cos(3 * outcome.ground.sigma_rad)
    assert outcome.ground.sigma_rad < np.deg2rad(5)
    np.testing.assert_allclose(rig.centres()[:, 2], world.rig.centres()[:, 2], atol=0.12)
    # The first camera looks along +y.
    assert rig.cameras[0].centre[1] < -2
    assert rig.covariance.shape == (36, 36)
    assert np.linalg.eigvalsh(rig.covariance).min() > -1e-12


def test_the_same_input_gives_the_same_bits():
    world = gait(4, 60)
    first, second = (calibrate_people(world.keypoints2d(), lenses(world.rig)).rig for _ in range(2))
    for a, b in zip(first, second, strict=True):
        assert np.array_equal(a.cam_from_world.matrix(), b.cam_from_world.matrix())


def test_a_scale_that_nobody_gave_is_said_to_be_unknown():
    world = gait(4, 60)
    outcome = calibrate_people(world.keypoints2d(), lenses(world.rig))
    assert "scale" in outcome.rig.unknown
    assert outcome.scale.cues[0].name == "average body"
    a, b = world.rig.cameras[:2]
    taped = float(np.linalg.norm(a.centre - b.centre))
    outcome = calibrate_people(
        world.keypoints2d(),
        lenses(world.rig),
        PeopleSettings(stature_m=1.7, distances=((a.name, b.name, taped, 0.005), ("left_hip", "left_knee", 0.41, 0.02))),
    )
    assert "scale" not in outcome.rig.unknown
    assert abs(np.linalg.norm(outcome.rig[a.name].centre - outcome.rig[b.name].centre) / taped - 1) < 0.005
    assert len(outcome.scale.cues) == 3
    with pytest.raises(InputError, match="a distance from"):
        calibrate_people(world.keypoints2d(), lenses(world.rig), PeopleSettings(distances=(("cam01", "nowhere", 1.0, 0.1),)))


def test_scaling_the_person_scales_nothing_but_the_world():
    """A given distance that is twice as long makes the same rig twice as large."""
    world = gait(4, 60)
    one, two = (
        calibrate_people(world.keypoints2d(), lenses(world.rig), PeopleSettings(distances=(("cam01", "cam02", d, 0.001),))).rig.centres()
        for d in (3.0, 6.0)
    )
    np.testing.assert_allclose(np.linalg.norm(two[1] - two[0]) / np.linalg.norm(one[1] - one[0]), 2, rtol=1e-3)


def test_permuting_cameras_permutes_the_rig():
    world = gait(4, 60)
    seen = world.keypoints2d()
    rig = calibrate_people(seen, lenses(world.rig)).rig
    other = calibrate_people(seen[::-1], lenses(world.rig)).rig
    assert other.names == rig.names[::-1]
    assert pose_error(other.select(rig.names), rig)[0] < 0.02


def test_unknown_focal_lengths():
    world = gait(6, 90)
    wrong = {n: replace(i, K=i.K * np.array([[1.7, 1, 1], [1, 1.7, 1], [1, 1, 1]])) for n, i in lenses(world.rig).items()}
    outcome = calibrate_people(world.keypoints2d(), wrong, PeopleSettings(focal="unknown"))
    assert not outcome.refused
    for camera, truth in zip(outcome.rig, world.rig, strict=True):
        assert abs(camera.intrinsics.K[0, 0] / truth.intrinsics.K[0, 0] - 1) < 0.025
    assert pose_error(outcome.rig, world.rig)[0] < 0.3


class TestDegeneracies:
    def test_two_cameras_that_face_each_other(self):
        world = make_world(make_rig("corridor", 2), make_person("gait", 120))
        rig = calibrate_people(world.keypoints2d(), lenses(world.rig)).rig
        assert pose_error(rig, world.rig)[0] < 0.3

    def test_a_person_on_the_spot(self):
        world = make_world(make_rig("ring", 4), make_person("on_the_spot", 120))
        assert pose_error(calibrate_people(world.keypoints2d(), lenses(world.rig)).rig, world.rig)[0] < 0.6

    def test_cameras_on_one_wall(self):
        world = make_world(make_rig("wall", 4), make_person("gait", 120))
        assert pose_error(calibrate_people(world.keypoints2d(), lenses(world.rig)).rig, world.rig)[0] < 0.3

    def test_a_person_who_does_not_move_is_refused_or_right(self):
        """One pose of 26 points in two cameras fixes nothing well: refused by name, or right; never wrong silently."""
        person = make_person("on_the_spot", 60)
        frozen = replace(person, keypoints=np.broadcast_to(person.keypoints[:1], person.keypoints.shape).copy())
        world = make_world(make_rig("ring", 3), frozen)
        try:
            outcome = calibrate_people(world.keypoints2d(), lenses(world.rig))
        except CameraError as error:
            assert "cam0" in str(error)
        else:
            assert pose_error(outcome.rig, world.rig)[0] < 3 or outcome.refused

    def test_a_camera_that_saw_nobody_is_named(self):
        world = gait(4, 60)
        seen = world.keypoints2d()
        blind = replace(seen[2], xy=np.full_like(seen[2].xy, np.nan), confidence=np.zeros_like(seen[2].confidence))
        outcome = calibrate_people([*seen[:2], blind, seen[3]], lenses(world.rig))
        assert outcome.refused == {"cam03": "it saw nobody"}
        assert pose_error(outcome.rig, world.rig)[0] < 0.2

    def test_a_camera_of_another_recording_is_named_and_the_rest_solved(self):
        world, other = gait(4, 60), make_world(make_rig("ring", 4), make_person("dance", 60, seed=3))
        seen = [*world.keypoints2d()[:3], other.keypoints2d()[3]]
        outcome = calibrate_people(seen, lenses(world.rig))
        assert list(outcome.refused) == ["cam04"]
        assert pose_error(outcome.rig, world.rig)[0] < 0.2

    def test_cameras_that_have_nothing_in_common(self):
        worlds = [make_world(make_rig("ring", 2), make_person(kind, 40, seed=k)) for k, kind in enumerate(("gait", "dance"))]
        seen = [worlds[0].keypoints2d()[0], worlds[1].keypoints2d()[1]]
        with pytest.raises(CameraError, match="no two of the cameras|cannot be related"):
            calibrate_people(seen, lenses(worlds[0].rig))


class TestInput:
    def test_all_faults_at_once(self):
        world = gait(4, 60)
        seen = world.keypoints2d()
        known = lenses(world.rig)
        del known["cam02"]
        small = replace(seen[2], size=(640, 480))
        with pytest.raises(InputError) as caught:
            calibrate_people([seen[0], seen[0], seen[1], small], known)
        for words in ("no lens (intrinsics) for camera 'cam02'", "two inputs for camera 'cam01'", "640 x 480"):
            assert words in str(caught.value)

    def test_settings(self):
        with pytest.raises(InputError, match="clocks must be"):
            PeopleSettings(clocks="maybe")

    def test_one_cameras_files_given_twice(self):
        world = gait(3, 60)
        seen = world.keypoints2d()
        seen[2] = replace(seen[0], camera="cam03")
        with pytest.raises(InputError, match="cam01 and cam03 hold the very same keypoints"):
            calibrate_people(seen, lenses(world.rig))

    def test_one_camera(self):
        world = gait(4, 60)
        with pytest.raises(InputError, match="two cameras"):
            calibrate_people(world.keypoints2d()[:1], lenses(world.rig))


def test_an_onlooker_is_not_who_cameras_are_calibrated_from():
    """Two cameras see somebody else stand about, one of them in the first slot."""
    world = gait(4, 60)
    seen = []
    for v, s in enumerate(world.keypoints2d()):
        if v in (0, 1):
            still = np.broadcast_to(s.xy[:1] * 0.5 + np.array([50, 60], np.float32), s.xy.shape)
            order = (still, s.xy) if v else (s.xy, still)
            xy = np.concatenate(order, 1)
            names = {"confidence": s.confidence, "sigma_px": s.sigma_px, "box": s.box}
            doubled = {name: np.concatenate([value, value], 1) for name, value in names.items()}
            s = replace(s, xy=xy.copy(), person_id=np.full((len(s), 2), -1), **doubled)
        seen.append(s)
    outcome = calibrate_people(seen, lenses(world.rig))
    assert not outcome.refused
    assert pose_error(outcome.rig, world.rig)[0] < 0.2


def test_a_single_marker_waved_about():
    """A layout of one point; its path is enough."""
    layout = Layout("marker", "marker", ("marker",), np.zeros((0, 2), np.int64), np.zeros(1, np.int64))
    rig = make_rig("ring", 4)
    t = np.arange(400) / 60
    path = np.column_stack([np.sin(1.3 * t), np.cos(1.7 * t), 1.1 + 0.6 * np.sin(2.3 * t + 1)])[:, None]
    rng = np.random.default_rng(0)
    seen = []
    for camera in rig:
        xy = (camera.project(path) + rng.normal(0, 0.7, (400, 1, 2))).astype(np.float32)[:, None]
        ones = np.ones((400, 1, 1), np.float32)
        box = np.concatenate([xy.min(2), xy.max(2)], -1)
        seen.append(Keypoints2D(layout, camera.name, camera.intrinsics.size, np.arange(400), t, np.full((400, 1), -1), xy, ones, ones, box))
    outcome = calibrate_people(seen, lenses(rig))
    assert pose_error(outcome.rig, rig)[0] < 0.1
    assert outcome.rig.unknown == {"scale", "up", "floor"}


def test_a_wand_gives_the_scale():
    layout = Layout("wand", "wand", ("a", "b"), np.array([[0, 1]]), np.arange(2))
    rig = make_rig("ring", 4)
    rng = np.random.default_rng(0)
    t = np.arange(200) / 60
    middle = np.column_stack([np.sin(1.3 * t), np.cos(1.7 * t), 1.1 + 0.6 * np.sin(2.3 * t + 1)])
    turn = np.column_stack([np.sin(2 * t), np.cos(2 * t), np.sin(3 * t)])
    turn /= np.linalg.norm(turn, axis=1, keepdims=True)
    ends = np.stack([middle - 0.25 * turn, middle + 0.25 * turn], 1)
    seen = []
    for camera in rig:
        xy = (camera.project(ends) + rng.normal(0, 0.7, (200, 2, 2))).astype(np.float32)[:, None]
        ones = np.ones((200, 1, 2), np.float32)
        seen.append(
            Keypoints2D(
                layout,
                camera.name,
                camera.intrinsics.size,
                np.arange(200),
                t,
                np.full((200, 1), -1),
                xy,
                ones,
                ones,
                np.concatenate([xy.min(2), xy.max(2)], -1),
            )
        )
    outcome = calibrate_people(seen, lenses(rig), PeopleSettings(distances=(("a", "b", 0.5, 0.0005),)))
    found = np.linalg.norm(outcome.rig.centres()[0] - outcome.rig.centres()[2])
    assert abs(found / np.linalg.norm(rig.centres()[0] - rig.centres()[2]) - 1) < 0.005
    assert "scale" not in outcome.rig.unknown


class TestClocks:
    def test_offsets_below_a_frame(self):
        rig, seen, clocks = clocked()
        outcome = calibrate_people(seen, lenses(rig), PeopleSettings(clocks="offset"))
        for camera, clock in zip(outcome.rig, clocks, strict=True):
            assert abs(camera.clock.offset - (clock.offset - clocks[0].offset)) < 1.5e-3
        assert pose_error(outcome.rig, rig)[0] < 0.2

    def test_cameras_of_different_frame_rates(self):
        rig, seen, clocks = clocked(3, 240, 1, (60.0, 50.0, 30.0))
        outcome = calibrate_people(seen, lenses(rig), PeopleSettings(clocks="offset"))
        for camera, clock in zip(outcome.rig, clocks, strict=True):
            assert abs(camera.clock.offset - (clock.offset - clocks[0].offset)) < 3e-3

    def test_a_time_shift_of_all_stamps_changes_nothing(self):
        rig, seen, _ = clocked()
        shifted = [replace(s, time=s.time + 100.0) for s in seen]
        a, b = (coarse_offsets([tracks_of(s)[0] for s in group], [c.intrinsics for c in rig]).clocks for group in (seen, shifted))
        np.testing.assert_allclose([c.offset for c in a], [c.offset for c in b], atol=1e-3)

    def test_stamps_that_count_from_1970(self):
        rig, seen, clocks = clocked()
        shifted = [replace(s, time=s.time + 1.7e9) for s in seen]
        outcome = calibrate_people(shifted, lenses(rig), PeopleSettings(clocks="drift"))
        for camera, clock in zip(outcome.rig, clocks, strict=True):
            assert abs(camera.clock.to_world(np.array(1.7e9 + 2)) - 1.7e9 - 2 - (clock.offset - clocks[0].offset)) < 3e-3

    def test_clocks_have_a_sigma_also_of_recordings_longer_than_the_frames_used(self):
        rig, seen, _ = clocked()
        sigma = {}
        for frames in (100, 240):
            outcome = calibrate_people(seen, lenses(rig), PeopleSettings(clocks="offset", frames=frames))
            sigma[frames] = [own.get("offset", [0.0])[0] for own in parameter_sigmas(outcome)]
        assert sigma[100][0] == sigma[240][0] == 0.0  # everybody's clock is the first camera's
        assert np.all(np.array(sigma[100][1:]) > 1.2 * np.array(sigma[240][1:]))
        assert np.all(np.array(sigma[100][1:]) < 5e-3)

    def test_an_unrelated_camera_has_no_clock(self):
        rig, seen, _ = clocked()
        other = make_world(rig.select([rig.names[2]]), make_person("dance", 240, seed=9)).keypoints2d()[0]
        found = coarse_offsets([tracks_of(s)[0] for s in (*seen[:2], other)], [c.intrinsics for c in rig])
        assert found.clocks[1] is not None
        assert found.clocks[2] is None or found.support[2] < 0.6

    def test_keypoints_between_frames(self):
        """Sampling is linear interpolation with the sigma of the mean it is; gaps stay gaps."""
        layout = gait(4, 60).person.layout
        time = np.arange(10) / 10
        xy = np.repeat(np.column_stack([100 * time, 50 * time])[:, None], len(layout), 1)
        xy[4] = np.nan
        track = Track("cam", layout, time, xy, np.full(xy.shape[:2], 2.0), np.ones(xy.shape[:2]))
        found = sample([track], [Clock(0.05)], np.array([0.1, 0.15, 0.4, 0.45, 2.0]))
        np.testing.assert_allclose(found.xy[0, :2, 0], [[5, 2.5], [10, 5]])
        np.testing.assert_allclose(found.sigma_px[0, :2, 0], [2 / np.sqrt(2), 2])
        assert np.isnan(found.xy[0, 2:, 0]).all()

    def test_a_rolling_shutter_delays_by_the_row(self):
        layout = gait(4, 60).person.layout
        time = np.arange(20) / 10
        xy = np.repeat(np.column_stack([100 * time, np.full(20, 500.0)])[:, None], len(layout), 1)
        track = Track("cam", layout, time, xy, np.full(xy.shape[:2], 2.0), np.ones(xy.shape[:2]))
        found = sample([track], [Clock(0, 0, 1e-4)], np.array([1.0]))
        # Row 500 is read 50 ms after the first: at instant 1.0 it shows what was stamped 0.95.
        np.testing.assert_allclose(found.xy[0, 0, 0], [95, 500])

    def test_no_common_time_is_said(self):
        layout = gait(4, 60).person.layout
        xy = np.zeros((5, len(layout), 2))
        tracks = [
            Track(n, layout, np.arange(5) / 10 + shift, xy.copy(), np.ones(xy.shape[:2]), np.ones(xy.shape[:2]))
            for n, shift in (("a", 0), ("b", 100))
        ]
        with pytest.raises(InputError, match="share no time: a 0.00 to 0.40 s; b 100.00"):
            instants_for(tracks, [Clock(), Clock()], 100)


def test_slopes_of_a_straight_line():
    time = np.r_[np.arange(20), np.arange(100, 120)] / 30.0
    points = np.array([1.0, -2.0, 0.5]) * time[:, None, None] + np.zeros((40, 2, 3))
    points[7, 1] = np.nan
    found = slopes(points, time)
    np.testing.assert_allclose(found[:, 0], np.broadcast_to([1.0, -2.0, 0.5], (40, 3)), atol=1e-9)
    np.testing.assert_allclose(found[7, 1], [1.0, -2.0, 0.5], atol=1e-9)  # its neighbours tell


def test_groups_of_connected_cameras():
    world = gait(4, 60)
    xy = world.xy.reshape(4, -1, 2).copy()
    half = xy.shape[1] // 2
    xy[:2, half:], xy[2:, :half] = np.nan, np.nan
    pairs = all_pairs([c.intrinsics for c in world.rig], xy, np.full(xy.shape[:2], 2.0))
    assert {(p.a, p.b) for p in pairs} == {(0, 1), (2, 3)}
    assert connected([(p.a, p.b) for p in pairs], 4) == [[0, 1], [2, 3]]


def test_noise_of_outliers_and_gaps_is_borne():
    """10 % outliers, a third of them mirrored joints, 15 % missing, are the standing case; here twice that."""
    world = make_world(make_rig("ring", 5), make_person("gait", 120), NoiseSettings(outliers=0.2, missing=0.3))
    assert pose_error(calibrate_people(world.keypoints2d(), lenses(world.rig)).rig, world.rig)[0] < 0.25
