"""Refining, checking and judging rigs that exist; scene points; what the real recording says."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from calibration.alignment import lay_onto
from calibration.check import Reading, _verdict, check_rig
from calibration.points import ScenePoints, calibrate_points, read_scene
from calibration.refine import as_it_stands, refine
from calibration.report import leave_one_out, summarise
from recon3d import io
from recon3d.errors import CameraError, InputError
from recon3d.geometry import SE3, SO3, CameraRig
from recon3d.geometry.readings import other_readings
from recon3d.io.keypoints.openpose import KeypointOptions, OpenPoseFolder
from recon3d.synthetic import make_person, make_rig, make_world
from tests.calibration.worlds import lenses, pose_error
from tests.worlds import BALANCE4, gait

RIG = BALANCE4 / "Calib.qca.txt"


def openpose(rig):
    out = []
    for camera in rig:
        folder = OpenPoseFolder(BALANCE4 / "openpose" / camera.name, camera.name, KeypointOptions(fps=60.0, size=camera.intrinsics.size))
        out.append(folder.window(slice(0, len(folder.frame))))
    return out


def turned(rig, name, degrees, shift=(0.0, 0.0, 0.0)):
    push = SE3(SO3.exp(np.deg2rad(degrees) * np.array([0.3, 0.9, 0.3])), np.array(shift))
    return replace(rig, cameras=tuple(replace(c, cam_from_world=push @ c.cam_from_world) if c.name == name else c for c in rig))


def test_a_bumped_camera_is_named_and_the_others_stay():
    world = gait(6, 120)
    off = turned(world.rig, "cam03", 1.5, (0.04, 0, 0))
    found = refine(off, world.keypoints2d())
    by_name = {m.camera: m for m in found.movements}
    assert abs(by_name["cam03"].turned_deg - 1.5) < 0.15
    assert by_name["cam03"].significant
    assert all(m.turned_deg < 0.25 for name, m in by_name.items() if name != "cam03")
    assert pose_error(found.outcome.rig, world.rig)[0] < 0.15
    assert any("cam03 is not where the rig has it" in note for note in found.outcome.notes)
    assert found.after_px.max() < found.before_px.max()


def test_when_a_camera_was_bumped():
    """It turns by most of a degree 3.5 s into the take."""
    rig = make_rig("ring", 4)
    person = make_person("gait", 360)
    seen = make_world(rig, person).keypoints2d()
    after = make_world(turned(rig, "cam02", 0.8), person).keypoints2d()
    xy = seen[1].xy.copy()
    xy[210:] = after[1].xy[210:]
    found = refine(rig, [seen[0], replace(seen[1], xy=xy), *seen[2:]])
    by_name = {m.camera: m for m in found.movements}
    assert abs(by_name["cam02"].bumped - 3.5) < 0.4
    assert 0.3 < by_name["cam02"].bump_deg < 1.6
    assert all(m.bumped is None for name, m in by_name.items() if name != "cam02")
    assert any("cam02 was bumped at" in note for note in found.outcome.notes)


def test_a_sound_rig_stays_where_it_is():
    world = gait(6, 120)
    found = refine(world.rig, world.keypoints2d())
    assert all(m.turned_deg < 0.15 and m.bumped is None for m in found.movements)
    assert pose_error(found.outcome.rig, world.rig)[0] < 0.15
    assert not found.outcome.notes


def test_refining_needs_the_rigs_cameras():
    world = gait(4, 60)
    with pytest.raises(CameraError, match="two or more of the rig's cameras"):
        refine(world.rig.select(["cam01", "cam02"]), world.keypoints2d()[2:])


def test_laying_a_rig_onto_another():
    rig = make_rig("ring", 5)
    change = SE3(SO3.exp(np.array([0.3, -0.2, 1.0])), np.array([1.0, 2, 3]))
    moved = replace(
        rig,
        cameras=tuple(
            replace(c, cam_from_world=replace(c.cam_from_world, translation=2 * c.cam_from_world.translation) @ change.inverse())
            for c in rig
        ),
    )
    fit = lay_onto(rig, moved)
    np.testing.assert_allclose(fit.scale, 2, rtol=1e-9)
    np.testing.assert_allclose(fit.new_from_old.rotation.matrix, change.rotation.matrix, atol=1e-9)
    # A camera that moved has no say.
    fit = lay_onto(turned(rig, "cam02", 20, (1, 0, 0)), rig)
    assert fit.weight[1] < 0.05
    assert np.linalg.norm(fit.new_from_old.translation) < 0.05
    with pytest.raises(CameraError, match="different cameras"):
        lay_onto(rig, rig.select(["cam01", "cam02"]))


class TestTheRealRecording:
    def test_which_cameras_are_off_and_what_static_points_say(self):
        rig = io.read_rig(RIG)
        found = refine(rig, openpose(rig), scene=read_scene(BALANCE4 / "scene.toml"))
        off = {m.camera for m in found.movements if m.significant and m.turned_deg > 1}
        assert off == {"cam01", "cam03"}
        assert found.after_px.max() < 9 < found.before_px.max()
        # Points that took no part in it fit better too: cameras moved, it is no bias of the detector.
        assert found.scene_after_px < 0.65 * found.scene_before_px
        assert any("the cameras did move" in note for note in found.outcome.notes)

    def test_the_frame_of_the_openpose_files_is_the_calibrated_one(self):
        """cam01 and cam02: read as pixels of the calibrated 1088 px frame they fit better than as pixels of the videos."""
        rig = io.read_rig(RIG)

        def of_video(s):
            return replace(s, xy=((s.xy - np.array([0, 7.1])) / 0.9926).astype(np.float32)) if s.camera in ("cam01", "cam02") else s

        seen = openpose(rig)
        scores = [refine(rig, group).outcome.adjusted.score for group in (seen, [of_video(s) for s in seen])]
        assert scores[0] > scores[1]

    def test_scene_points_give_the_poses_from_nothing(self):
        rig = io.read_rig(RIG)
        outcome = calibrate_points(read_scene(BALANCE4 / "scene.toml"), lenses(rig))
        assert not outcome.refused
        assert np.nanmedian(outcome.evidence.residual_px()) < 1.2
        assert pose_error(outcome.rig, rig)[0] < 2
        np.testing.assert_allclose(outcome.rig.centres()[:, 2], rig.centres()[:, 2], atol=0.12)

    def test_the_check_says_that_the_file_is_read_rightly(self):
        rig = io.read_rig(RIG)
        verdict = check_rig(rig, openpose(rig))
        own = verdict.readings[0]
        assert own.residual_px < 0.3 * min(r.residual_px for r in verdict.readings[1:])
        assert own.lean_deg < 15
        assert 0.8 < own.body < 1.2
        assert "moved" in verdict.advice

    def test_the_page_of_the_rig_as_it_stands(self):
        rig = io.read_rig(RIG)
        summary = summarise(as_it_stands(rig, openpose(rig)))
        by_name = {c["name"]: c for c in summary["cameras"]}
        assert by_name["cam03"]["left_out_px"] > 2 * by_name["cam02"]["left_out_px"]
        assert len(summary["pairs"]) == 6


class TestCheck:
    def readings(self, change):
        world = gait(4, 60)
        return check_rig(replace(world.rig, cameras=change(world.rig.cameras)), world.keypoints2d())

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            (lambda pose: pose.inverse(), "transforms are inverted"),
            (lambda pose: SE3(SO3(np.diag([1.0, -1, -1])), np.zeros(3)) @ pose, "cameras look along their -z"),
            (lambda pose: SE3(pose.rotation.inverse(), pose.translation), "rotations are transposed"),
            (lambda pose: SE3(pose.rotation, -(pose.rotation.inverse() @ pose.translation)), "centres"),
        ],
    )
    def test_wrong_readings_are_named(self, change, words):
        verdict = self.readings(lambda cameras: tuple(replace(c, cam_from_world=change(c.cam_from_world)) for c in cameras))
        assert verdict.holds is not None
        assert words in verdict.holds.label
        assert words in verdict.advice

    def test_keypoints_of_another_recording_fit_no_reading(self):
        """Something is always nearest, and half as bad as the file itself: it does not hold for that."""
        world, other = gait(4, 60), make_rig("corridor", 4)
        other = CameraRig(tuple(replace(c, name=n) for c, n in zip(other, world.rig.names, strict=True)))
        for rig in (other, turned(turned(world.rig, "cam01", 60), "cam03", 90)):
            verdict = check_rig(rig, world.keypoints2d())
            assert verdict.readings[1].residual_px > 30
            assert verdict.holds is None

    @pytest.mark.parametrize(("best_px", "holds"), [(25.0, True), (31.0, False), (300.0, False)])
    def test_another_reading_holds_only_where_it_fits(self, best_px, holds):
        rig = gait(4, 60).rig
        own, best = (Reading(label, px, 3.0, 1.0, rig) for label, px in (("as the file says", 700.0), ("its axes differ", best_px)))
        verdict = _verdict(own, [best], fits_px=10.0)
        assert verdict.holds is (best if holds else None)
        assert "its axes differ" in verdict.advice
        assert ("nothing fits" in verdict.advice) is not holds

    def test_no_two_readings_are_the_same(self):
        rig = make_rig("ring", 3)
        poses = [np.stack([c.cam_from_world.matrix() for c in other]) for _, other in other_readings(rig)]
        assert all(not np.allclose(a, b) for a, b in itertools.combinations(poses, 2))

    def test_swapped_cameras_are_named(self):
        def swap(cameras):
            a, b, *rest = cameras
            return (replace(b, name=a.name), replace(a, name=b.name), *rest)

        assert "cam01 and cam02 swapped" in self.readings(swap).advice

    def test_millimetres_are_named(self):
        def in_mm(cameras):
            return tuple(
                replace(c, cam_from_world=replace(c.cam_from_world, translation=1000 * c.cam_from_world.translation)) for c in cameras
            )

        assert "--rig-unit mm" in self.readings(in_mm).advice

    def test_an_axis_that_is_not_up_is_named(self):
        y_up = SE3(SO3(np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])), np.zeros(3))
        verdict = self.readings(lambda cameras: tuple(replace(c, cam_from_world=c.cam_from_world @ y_up.inverse()) for c in cameras))
        assert "the file's vertical axis is not z" in verdict.advice

    def test_a_rig_that_fits(self):
        verdict = self.readings(lambda cameras: cameras)
        assert verdict.holds is verdict.readings[0]
        assert "the rig fits" in verdict.advice

    def test_a_few_frames_are_no_verdict(self):
        world = gait(4, 3)
        with pytest.raises(CameraError, match="together in 3 frames: too little"):
            check_rig(world.rig, world.keypoints2d())

    def test_a_camera_that_saw_nobody_is_left_out(self):
        world = gait(4, 60)
        seen = world.keypoints2d()
        seen[0] = replace(seen[0], xy=np.full_like(seen[0].xy, np.nan), confidence=np.zeros_like(seen[0].confidence))
        assert check_rig(world.rig, seen).holds is not None


class TestScenePoints:
    def scene(self, sigma=0.5, wrong=False):
        rig = make_rig("ring", 4)
        rng = np.random.default_rng(0)
        known = rng.uniform([-1, -1, 0], [1, 1, 1.8], (10, 3))
        free = rng.uniform([-1, -1, 0], [1, 1, 1.8], (6, 3))
        xy = rig.project(np.concatenate([known, free])) + rng.normal(0, sigma, (4, 16, 2))
        if wrong:
            xy[1, 3] += [80, -60]
            xy[2, 12] += [-50, 70]
        places = np.concatenate([known, np.full((6, 3), np.nan)])
        names = tuple(f"p{k:02d}" for k in range(16))
        return rig, ScenePoints(names, rig.names, xy, places, 1.0, 0.002)

    def test_poses_from_known_points(self):
        rig, scene = self.scene()
        found = calibrate_points(scene, lenses(rig)).rig
        np.testing.assert_allclose(found.centres(), rig.centres(), atol=0.02)
        assert found.unknown == frozenset()
        assert found.covariance is not None

    def test_wrong_clicks_are_named_and_left_out(self):
        rig, scene = self.scene(wrong=True)
        outcome = calibrate_points(scene, lenses(rig))
        assert not any("given place" in note for note in outcome.notes)
        np.testing.assert_allclose(outcome.rig.centres(), rig.centres(), atol=0.03)
        assert any("cam02: p03" in note for note in outcome.notes)
        assert any("cam03: p12" in note for note in outcome.notes)

    @pytest.mark.parametrize("wrong", [0.15, 0.5])
    def test_a_wrong_coordinate_is_named(self, wrong):
        """As what it is, with the place where it is seen, and not as a wrong click in each camera."""
        rig, scene = self.scene()
        places = scene.known.copy()
        places[5] += [0.0, wrong, 0.0]
        outcome = calibrate_points(replace(scene, known=places), lenses(rig))
        (note,) = outcome.notes
        assert note.startswith(f"p05: its given place is wrong by {wrong:.2f} m")
        assert "cam01, cam02, cam03, cam04 see it at" in note
        x, y, z = (float(v) for v in note[note.index("[") + 1 : note.index("]")].split(", "))
        np.testing.assert_allclose([x, y, z], scene.known[5], atol=0.02)
        np.testing.assert_allclose(outcome.rig.centres(), rig.centres(), atol=0.05)

    def test_a_wrong_coordinate_beside_a_wrong_click(self):
        """The cameras agree on no other place: which is wrong stays open, and each click is named."""
        rig, scene = self.scene()
        places, xy = scene.known.copy(), scene.xy.copy()
        places[5] += [0.0, 0.5, 0.0]
        xy[2, 5] += [120.0, 90.0]
        notes = calibrate_points(replace(scene, known=places, xy=xy), lenses(rig)).notes
        assert notes
        assert all("p05 is" in note for note in notes)

    def test_a_camera_with_too_few_known_points_is_placed_by_the_others(self):
        rig, scene = self.scene()
        xy = scene.xy.copy()
        xy[3, 2:10] = np.nan
        found = calibrate_points(replace(scene, xy=xy), lenses(rig))
        assert not found.refused
        np.testing.assert_allclose(found.rig.centres(), rig.centres(), atol=0.05)

    def test_a_camera_that_cannot_be_placed_is_named(self):
        rig, scene = self.scene()
        xy = scene.xy.copy()
        xy[3, 3:] = np.nan
        outcome = calibrate_points(replace(scene, xy=xy), lenses(rig))
        assert "four that do not lie on a line are needed" in outcome.refused["cam04"]
        assert len(outcome.rig) == 3

    def test_points_on_a_line_are_no_world(self):
        rig, scene = self.scene()
        places = np.full_like(scene.known, np.nan)
        places[:4] = np.linspace(0, 1, 4)[:, None] * [1.0, 2, 0]
        with pytest.raises(CameraError, match="do not lie on one line"):
            calibrate_points(replace(scene, known=places), lenses(rig))

    def test_a_start_serves_where_points_are_few(self):
        rig, scene = self.scene()
        places = scene.known.copy()
        places[3:] = np.nan
        found = calibrate_points(replace(scene, known=places), lenses(rig), turned(rig, "cam01", 1.0)).rig
        np.testing.assert_allclose(found.centres(), rig.centres(), atol=0.06)

    def test_files(self, tmp_path):
        scene = read_scene(BALANCE4 / "scene.toml")
        assert scene.cameras == ("cam01", "cam02", "cam03", "cam04")
        assert np.isfinite(scene.known[scene.names.index("plank_left_near")]).all()
        path = tmp_path / "scene.toml"
        path.write_text("sigma_px = -1\nfoo = 1\n[known]\na = [1, 2]\nb = [0, 0, 0]\n[seen.cam01]\na = [1, 2, 3]\n")
        with pytest.raises(InputError) as caught:
            read_scene(path)
        for words in ("unknown entry 'foo'", "known: a must be three", "cam01: a must be two", "'b' is seen by no camera", "sigma_px"):
            assert words in str(caught.value)
        path.write_text("seen = 3\n")
        with pytest.raises(InputError, match="table"):
            read_scene(path)


def test_leave_one_out_is_blind_to_the_camera_itself():
    world = gait(6, 60)
    found = refine(turned(world.rig, "cam04", 2.0), world.keypoints2d())
    rig = turned(found.outcome.rig, "cam01", 1.0)
    left_out = leave_one_out(rig, found.outcome.evidence)
    assert int(np.argmax(left_out)) == 0
    assert left_out[0] > 8


def test_sigmas_are_of_the_camera_that_they_stand_by():
    """A rig of five with a covariance, of which three saw somebody."""
    world = gait(5, 60)
    sigma = np.repeat([1e-3, 2e-3, 3e-3, 4e-3, 5e-3], 6)
    outcome = as_it_stands(replace(world.rig, covariance=np.diag(sigma**2)), world.keypoints2d()[2:])
    assert len(outcome.rig) == 5
    cameras = summarise(outcome)["cameras"]
    assert [c["name"] for c in cameras] == ["cam03", "cam04", "cam05"]
    np.testing.assert_allclose([c["sigma_deg"] for c in cameras], np.rad2deg(np.sqrt(3) * np.array([3e-3, 4e-3, 5e-3])))


def test_a_camera_that_moves_is_named_and_the_rest_refined():
    world = gait(6, 60)
    poses = world.rig.cameras[5].cam_from_world
    still = SE3(SO3(np.broadcast_to(poses.rotation.matrix, (2, 3, 3)).copy()), np.broadcast_to(poses.translation, (2, 3)).copy())
    moving = replace(world.rig.cameras[5], cam_from_world=still, pose_frame=np.array([0, 59]))
    rig = replace(world.rig, cameras=(*world.rig.cameras[:5], moving))
    found = refine(rig, world.keypoints2d())
    assert list(found.outcome.refused) == ["cam06"]
    assert found.outcome.rig["cam06"].moves
    assert [m.camera for m in found.movements] == list(rig.names[:5])
    assert check_rig(rig, world.keypoints2d()).holds is not None
    assert len(summarise(found.outcome)["cameras"]) == 5
    with pytest.raises(CameraError, match="cameras that stand"):
        refine(replace(rig, cameras=(rig.cameras[0], moving)), [s for s in world.keypoints2d() if s.camera in ("cam01", "cam06")])
