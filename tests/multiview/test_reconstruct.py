from dataclasses import replace

import numpy as np
import pytest

from recon3d.errors import CameraError, InputError
from recon3d.geometry import SE3, SO3, Camera, CameraRig, Clock
from recon3d.metrics import mpjpe_mm
from recon3d.multiview import (
    MultiviewSettings,
    align_in_time,
    check_cameras,
    estimate_noise,
    reconstruct,
    sample_of,
    synchronise,
    to_rig_pixels,
)
from recon3d.multiview.subject import SubjectTracker
from recon3d.records import State, keypoints2d
from recon3d.skeleton import load_layout
from recon3d.synthetic import NoiseSettings, make_person, make_rig, make_world
from tests.worlds import BALANCE4, clean, gait


def test_a_noisy_world_is_reconstructed():
    world = gait()
    found, known, _ = reconstruct(world.keypoints2d(), world.rig)
    assert found.xyz.shape == (60, 1, 26, 3)
    assert 4 < mpjpe_mm(found.xyz[:, 0], world.person.keypoints) < 11
    assert (found.state == State.OBSERVED).mean() > 0.97
    np.testing.assert_allclose(known.noise.scale, 1, atol=0.25)  # the detector said 2 px, and it was
    assert not known.agreement.disagreeing
    answered = found.state == State.OBSERVED
    assert np.isnan(found.xyz[~answered]).all()
    assert (found.confidence[answered] > 0.97).all()
    assert (found.views[answered] >= 2).all()


def test_windows_do_not_show():
    world = gait()
    whole, *_ = reconstruct(world.keypoints2d(), world.rig)
    parts, *_ = reconstruct(world.keypoints2d(), world.rig, MultiviewSettings(window=13))
    np.testing.assert_array_equal(whole.state, parts.state)
    np.testing.assert_allclose(whole.xyz, parts.xyz, atol=1e-9)


def test_order_of_the_input_changes_nothing():
    world = gait()
    a, *_ = reconstruct(world.keypoints2d(), world.rig)
    b, *_ = reconstruct(world.keypoints2d()[::-1], world.rig)
    np.testing.assert_array_equal(a.xyz, b.xyz)


def shifted(seen, seconds):
    return [replace(view, time=view.time + seconds) for view in seen]


def test_a_time_shift_commutes():
    world = clean()
    a, *_ = reconstruct(world.keypoints2d(), world.rig)
    b, *_ = reconstruct(shifted(world.keypoints2d(), 12.5), world.rig)
    np.testing.assert_allclose(b.time, a.time + 12.5)
    np.testing.assert_allclose(a.xyz, b.xyz, atol=1e-9)


def test_clocks_of_the_rig_are_used():
    world = clean()
    rig = CameraRig(tuple(replace(c, clock=Clock(offset=0.1 * k)) for k, c in enumerate(world.rig)))
    seen = [replace(view, time=view.time - 0.1 * k) for k, view in enumerate(world.keypoints2d())]
    found, *_ = reconstruct(seen, rig)
    assert mpjpe_mm(found.xyz[:, 0], world.person.keypoints) < 1
    wrong, *_ = reconstruct(seen, world.rig)
    at = [int(np.argmin(np.abs(world.person.motion.time - t))) for t in wrong.time]
    assert mpjpe_mm(wrong.xyz[:, 0], world.person.keypoints[at]) > 20


def test_cameras_of_different_rates_and_lengths():
    world = clean(frames=41)
    seen = world.keypoints2d()
    slow = keypoints2d.concatenate([seen[1].window(slice(k, k + 1)) for k in range(0, 41, 2)])
    short = seen[2].window(slice(0, 30))
    timeline = align_in_time([seen[0], slow, short], world.rig)
    assert timeline.frame.tolist() == list(range(41))
    assert ((timeline.rows[1] >= 0) == (timeline.frame % 2 == 0)).all()
    found, *_ = reconstruct([seen[0], slow, short], world.rig)
    off = np.linalg.norm(found.xyz[:, 0] - world.person.keypoints[found.frame], axis=-1)
    assert np.nanmax(off) < 0.001
    # The first two thirds have two cameras or three, then every second frame has two, the others one.
    answered = np.isfinite(off).mean(1)
    assert (answered[:30] > 0.9).all()
    assert (answered[30::2] > 0.9).all()
    assert (answered[31::2] == 0).all()


def test_holes_in_time_stay_holes():
    world = clean()
    seen = [keypoints2d.concatenate([v.window(slice(0, 10)), v.window(slice(25, 40))]) for v in world.keypoints2d()]
    found, *_ = reconstruct(seen, world.rig)
    assert found.frame.tolist() == list(range(40))
    np.testing.assert_allclose(np.diff(found.time), 1 / 60, atol=1e-9)
    assert (found.state[10:25] == State.MISSING).all()
    assert (found.state[:10] == State.OBSERVED).mean() > 0.9


def test_every_second_frame_is_judged_like_every_frame():
    world = make_world(make_rig("ring", 4), make_person("gait", 120), NoiseSettings(outliers=0))
    rig = moved(world.rig, "cam03", [0.02, 0, 0, 0, 0.025, 0.01])
    seen = [keypoints2d.concatenate([v.window(slice(k, k + 1)) for k in range(0, 120, 2)]) for v in world.keypoints2d()]
    found, known, _ = reconstruct(seen, rig)
    assert known.agreement.disagreeing[0] == "cam03"
    assert np.isfinite(known.agreement.scatter_px).all()
    assert found.frame.tolist() == list(range(0, 120, 2))


def test_frames_that_the_leading_camera_lacks_are_kept():
    world = clean()
    seen = world.keypoints2d()
    late = seen[0].window(slice(10, 40))
    timeline = align_in_time([late, *(view.window(slice(0, 35)) for view in seen[1:])], world.rig)
    assert timeline.frame.tolist() == list(range(35))
    found, *_ = reconstruct([late, *(view.window(slice(0, 30)) for view in seen[1:])], world.rig)
    np.testing.assert_allclose(found.xyz[:, 0], world.person.keypoints[:30], atol=1e-3)


def test_no_common_instant():
    world = clean()
    seen = world.keypoints2d()
    with pytest.raises(InputError, match=r"share no instant.*cam01 0\.000"):
        align_in_time([seen[0], *shifted(seen[1:2], 100)], world.rig)


def test_names_that_do_not_match_list_both_sides():
    world = clean()
    seen = world.keypoints2d()
    with pytest.raises(CameraError) as caught:
        check_cameras([replace(seen[0], camera="left"), *seen[1:]], world.rig)
    for word in ("cam01, cam02", "'left'", "cam02, cam03, cam04, left"):
        assert word in str(caught.value)
    with pytest.raises(CameraError, match="two inputs for camera 'cam02'"):
        check_cameras([seen[1], seen[1]], world.rig)
    with pytest.raises(CameraError, match="two cameras or more"):
        check_cameras(seen[:1], world.rig)
    other = make_person("gait", 40, layout="coco_17")
    mixed = make_world(world.rig, other).keypoints2d()[0]
    with pytest.raises(InputError, match="cam01: coco_17"):
        check_cameras([mixed, *seen[1:]], world.rig)


def test_a_missing_camera_is_just_not_used():
    world = gait()
    found, known, _ = reconstruct(world.keypoints2d()[1:], world.rig)
    assert known.agreement.cameras == world.rig.names[1:]
    assert mpjpe_mm(found.xyz[:, 0], world.person.keypoints) < 12


def two_people(seen, other, cameras):
    """Both people's detections; the second one's first in the listed cameras."""
    out = []
    for view, more in zip(seen, other, strict=True):
        pair = [more, view] if view.camera in cameras else [view, more]
        names = ("person_id", "xy", "confidence", "sigma_px", "box")
        out.append(replace(view, **{n: np.concatenate([getattr(p, n) for p in pair], 1) for n in names}))
    return out


def test_an_observer_in_two_views_is_not_the_subject():
    rig = make_rig("ring", 4)
    noise = NoiseSettings(outliers=0, missing=0)
    subject, observer = make_world(rig, make_person("gait", 30), noise), make_world(rig, make_person("on_the_spot", 30), noise)
    seen = two_people(subject.keypoints2d(), observer.keypoints2d(), ("cam01", "cam02", "cam03", "cam04"))
    for k in (2, 3):  # cameras 3 and 4 do not see the observer
        seen[k] = replace(
            seen[k],
            xy=np.concatenate([np.full_like(seen[k].xy[:, :1], np.nan), seen[k].xy[:, 1:]], 1),
            confidence=np.concatenate([np.zeros_like(seen[k].confidence[:, :1]), seen[k].confidence[:, 1:]], 1),
        )
    found, *_ = reconstruct(seen, rig)
    assert mpjpe_mm(found.xyz[:, 0], subject.person.keypoints) < 15
    assert (found.state == State.OBSERVED).mean() > 0.97


def test_of_two_people_seen_alike_one_is_followed_throughout():
    rig = make_rig("ring", 4)
    noise = NoiseSettings(outliers=0, missing=0)
    a, b = make_world(rig, make_person("gait", 60), noise), make_world(rig, make_person("jump", 60), noise)
    found, *_ = reconstruct(two_people(a.keypoints2d(), b.keypoints2d(), ("cam02", "cam03")), rig)
    errors = [np.nanmedian(np.linalg.norm(found.xyz[:, 0] - w.person.keypoints, axis=-1), axis=1) for w in (a, b)]
    closer = errors[0] < errors[1]
    assert closer.all() or not closer.any()
    assert np.minimum(*errors).max() < 0.05


def moved(rig, name, twist):
    cameras = [replace(c, cam_from_world=SE3.exp(np.array(twist)) @ c.cam_from_world) if c.name == name else c for c in rig]
    return CameraRig(tuple(cameras))


def test_a_camera_that_was_bumped_is_named_and_not_dropped():
    world = make_world(make_rig("ring", 4), make_person("gait", 60), NoiseSettings(outliers=0))
    rig = moved(world.rig, "cam03", [0.02, 0, 0, 0, 0.025, 0.01])
    found, known, _ = reconstruct(world.keypoints2d(), rig)
    assert known.agreement.disagreeing[0] == "cam03"
    assert known.agreement.left_out_px[2] > 20
    assert known.noise.scale.max() / known.noise.scale.min() <= 3.0 + 1e-9
    seen_by_four = found.views[:, 0] == 4
    assert seen_by_four.mean() > 0.25  # 0.85^4 = 0.52 have all four detections


def test_noise_is_measured_not_believed():
    world = gait()
    xy = world.xy.reshape(6, -1, 2)
    for said, factor in ((0.5, 4), (2.0, 1), (8.0, 0.25)):
        noise = estimate_noise(world.rig, xy, np.full(xy.shape[:2], said))
        np.testing.assert_allclose(noise.scale, max(factor, 0.3), rtol=0.3)
    nothing = estimate_noise(world.rig, np.full((6, 3, 2), np.nan), np.ones((6, 3)))
    assert (nothing.scale == 1).all()


@pytest.mark.parametrize(
    ("label", "change"),
    [
        ("inverted", lambda p: p.inverse()),
        ("-z axis", lambda p: SE3(SO3(np.diag([1.0, -1, -1])), np.zeros(3)) @ p),
    ],
)
def test_a_rig_in_other_conventions_is_refused_by_name(label, change):
    world = clean()
    rig = CameraRig(tuple(Camera(c.name, c.intrinsics, change(c.cam_from_world)) for c in world.rig))
    with pytest.raises(CameraError, match=label):
        reconstruct(world.keypoints2d(), rig)


def test_the_wrong_rig():
    world = clean()
    with pytest.raises(CameraError, match=r"right rig|rig of this recording"):
        reconstruct(world.keypoints2d(), make_rig("wall", 4, seed=9))


def test_nobody_is_refused():
    world = clean()
    seen = [replace(v, xy=np.full_like(v.xy, np.nan), confidence=np.zeros_like(v.confidence)) for v in world.keypoints2d()]
    with pytest.raises(CameraError, match="nobody is seen"):
        reconstruct(seen, world.rig)
    with pytest.raises(CameraError, match="cam01: 40 of 40, cam02: 0 of 40"):
        reconstruct([world.keypoints2d()[0], *seen[1:]], world.rig)


def test_one_frame():
    world = clean()
    found, *_ = reconstruct([v.window(slice(3, 4)) for v in world.keypoints2d()], world.rig)
    assert mpjpe_mm(found.xyz[:, 0], world.person.keypoints[3:4]) < 1


def test_a_joint_that_nobody_sees_is_missing():
    world = clean()
    wrist = world.person.layout.index("left_wrist")
    seen = []
    for view in world.keypoints2d():
        xy, confidence = view.xy.copy(), view.confidence.copy()
        xy[:, :, wrist], confidence[:, :, wrist] = np.nan, 0
        seen.append(replace(view, xy=xy, confidence=confidence))
    found, *_ = reconstruct(seen, world.rig)
    assert (found.state[:, 0, wrist] == State.MISSING).all()
    assert np.delete(found.state[:, 0], wrist, 1).all()


def test_two_cameras():
    world = make_world(make_rig("ring", 4), make_person("gait", 60), NoiseSettings(outliers=0, missing=0))
    pair = world.rig.select(["cam01", "cam02"])
    found, known, _ = reconstruct(world.keypoints2d()[:2], pair)
    assert (found.state == State.OBSERVED).mean() > 0.9
    assert np.isnan(known.agreement.left_out_px).all()
    assert mpjpe_mm(found.xyz[:, 0], world.person.keypoints) < 25


class TestImageFit:
    def seen(self, size):
        view = clean().keypoints2d()[0]
        return replace(view, size=size)

    def camera(self):
        return clean().rig.cameras[0]

    def test_same_shape_is_scaled(self):
        view = self.seen((960, 540))
        out = to_rig_pixels(view, self.camera())
        np.testing.assert_allclose(out.xy, (view.xy + 0.5) * 2 - 0.5, rtol=1e-6)
        np.testing.assert_allclose(out.sigma_px, 2 * view.sigma_px, rtol=1e-6)
        assert out.size == (1920, 1080)

    def test_another_shape_is_refused(self):
        with pytest.raises(CameraError, match="--image-fit"):
            to_rig_pixels(self.seen((1000, 1000)), self.camera())

    def test_crop_and_letterbox_leave_same_shapes_scaled(self):
        view = self.seen((960, 540))
        for fit in ("crop", "letterbox", "scale"):
            np.testing.assert_allclose(to_rig_pixels(view, self.camera(), fit).xy, (view.xy + 0.5) * 2 - 0.5, rtol=1e-5)

    def test_letterbox(self):
        out = to_rig_pixels(self.seen((960, 960)), self.camera(), "letterbox")
        want = (self.seen((960, 960)).xy + 0.5 - np.array([0, 210])) * 2 - 0.5
        np.testing.assert_allclose(out.xy, want, rtol=1e-5, atol=1e-2)

    def test_crop(self):
        view = self.seen((1920, 1000))
        np.testing.assert_allclose(to_rig_pixels(view, self.camera(), "crop").xy, view.xy + np.array([0, 40]), rtol=1e-5)


def test_subject_of_the_recording_is_followed():
    from recon3d.io import KeypointOptions, read_openpose, read_rig

    rig = read_rig(BALANCE4 / "Calib.qca.txt")
    seen = [read_openpose(BALANCE4 / "openpose" / n, n, KeypointOptions(60.0, (1088, 1920))) for n in rig.names]
    (views,) = synchronise(seen, align_in_time(seen, rig), 1000)
    slots = SubjectTracker(rig, 0.3).choose(views)
    assert (slots >= 0).all()
    for v in range(4):
        rows = views.xy[v, np.arange(100), slots[v], :, 1]
        height = np.nanmax(rows, axis=-1) - np.nanmin(rows, axis=-1)
        hip = views.layout.index("left_hip")
        x = views.xy[v, np.arange(100), slots[v], hip, 0]
        assert np.nanmax(np.abs(np.diff(x))) < 40  # one person throughout, not two in turn
        assert np.median(height) > 300


def test_sample_is_spread_and_small():
    world = gait()
    seen = world.keypoints2d()
    sample = sample_of(seen, align_in_time(seen, world.rig))
    assert len(sample) <= 96
    assert sample.frame[0] == 0
    assert sample.frame[-1] == 59
    assert sample.layout is load_layout("halpe_26")
