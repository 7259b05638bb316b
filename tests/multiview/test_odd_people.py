"""Bad input for several people, by name: each case of it has a test."""

from dataclasses import replace

import numpy as np
import pytest

from recon3d.errors import CameraError
from recon3d.geometry import Camera, CameraRig
from recon3d.io import KeypointOptions, read_openpose, read_rig
from recon3d.multiview import MultiviewSettings, NoiseScale, align_in_time, people_tracker, reconstruct, synchronise, to_rig_pixels
from recon3d.skeleton import Layout, other_side
from recon3d.synthetic import CrowdSettings, NoiseSettings, make_crowd, make_person, make_rig, make_strollers
from recon3d.synthetic.rigs import look_at
from tests.multiview.crowds import QUIET, ROUGH, follow, judged, walker, without
from tests.worlds import BALANCE4


def test_detections_in_one_camera_only():
    crowd = make_crowd(make_rig("ring", 4, distance=5.0), make_strollers(2, 60), QUIET)
    dark = [replace(r, xy=np.full_like(r.xy, np.nan), confidence=np.zeros_like(r.confidence)) for r in crowd.seen[1:]]
    seen = [crowd.seen[0], *dark]
    with pytest.raises(CameraError, match="no person is seen alike by two cameras"):
        reconstruct(seen, crowd.rig)


def test_somebody_in_one_camera_only_is_nobody():
    rig = make_rig("ring", 4, distance=5.0)
    crowd = make_crowd(rig, [walker((-1, 0), (1, 0), 90, 1), walker((0.5, 1.2), (0.5, -0.8), 90, 2)], QUIET)
    identities, found, _ = follow(without(crowd, 1, ("cam02", "cam03", "cam04")), rig)
    assert len(identities.people) == 1
    assert np.nanmedian(np.linalg.norm(found.xyz[:, 0] - crowd.people[:, 0], axis=-1)) < 0.02


def test_all_people_in_a_line_behind_each_other():
    """As one camera sees it, three people stand behind each other; the others tell them apart."""
    rig = make_rig("ring", 4, distance=5.0)
    centre = rig.cameras[0].centre[:2]
    along = -centre / np.linalg.norm(centre)
    people = [walker(along * d + 0.05, along * d - 0.05, 120, k) for k, d in enumerate((-1.2, 0.0, 1.2))]
    crowd = make_crowd(rig, people, ROUGH, 4)
    identities, found, _ = follow(list(crowd.seen), rig)
    scores = judged(crowd, found)
    assert len(identities.people) == 3
    assert scores.idf1 > 0.97
    assert scores.ghosts == 0


def test_a_poster():
    """A picture of somebody stands as still as nobody does."""
    frames = 300
    rig = make_rig("ring", 4, distance=5.0)
    still = make_person("on_the_spot", frames, seed=9, stature=1.8)
    frozen = np.broadcast_to(still.keypoints[40:41] + [1.0, 1.0, 0.0], still.keypoints.shape).copy()
    poster = replace(still, keypoints=frozen)
    crowd = make_crowd(rig, [walker((-1, -0.5), (1, -0.5), frames, 1), poster], QUIET)
    identities, found, _ = follow(list(crowd.seen), rig)
    assert len(identities.people) == 1
    assert [one.reason for one in identities.refused] == ["did not move at all in 5.0 s: a picture or a dummy"]
    assert judged(crowd, found).ghosts == 0


def test_somebody_who_stands_still_is_no_poster():
    """Who stands, sways: some millimetres in seconds."""
    frames = 300
    rig = make_rig("ring", 4, distance=5.0)
    person = make_person("on_the_spot", frames, seed=9)
    sway = 0.008 * np.stack([np.sin(np.linspace(0, 9, frames)), np.cos(np.linspace(0, 7, frames)), np.zeros(frames)], -1)
    standing = replace(person, keypoints=person.keypoints[40:41] + sway[:, None])
    identities, _, _ = follow(list(make_crowd(rig, [standing], QUIET).seen), rig)
    assert len(identities.people) == 1


def test_a_mirror():
    """Somebody and the mirror image on the wall: the one on the cameras' side of the mirror is the person."""
    frames = 240
    wall = 1.6
    cameras = []
    for k in range(5):
        angle = np.pi / 2 + (k + 0.5) * np.pi / 5
        centre = np.array([5 * np.cos(angle) * 0.8, 5 * np.sin(angle), 2.0])
        cameras.append(Camera(f"cam{k}", make_rig("ring", 1).cameras[0].intrinsics, look_at(centre, np.array([0.8, 0, 1.0]))))
    rig = CameraRig(tuple(cameras))
    person = make_person("path", frames, seed=3, path=np.stack([0.5 * np.sin(np.linspace(0, 6, frames)), np.linspace(-1, 1, frames)], -1))
    image = person.keypoints[:, person.layout.mirror] * [-1, 1, 1] + [2 * wall, 0, 0]
    crowd = make_crowd(rig, [person, replace(person, keypoints=image)], QUIET, room_m=8.0)
    identities, found, _ = follow(list(crowd.seen), rig)
    assert [one.reason for one in identities.refused] == ["moves as somebody's mirror image"]
    assert len(identities.people) == 1
    assert np.nanmedian(np.linalg.norm(found.xyz[:, 0] - person.keypoints, axis=-1)) < 0.02


def test_an_onlooker_whom_two_cameras_see():
    rig = make_rig("ring", 5, distance=5.0)
    crowd = make_crowd(rig, [walker((-1, 0), (1, 0), 120, 1), walker((1.9, 1.6), (1.9, 1.9), 120, 2)], QUIET)
    identities, found, _ = follow(without(crowd, 1, ("cam01", "cam02", "cam03")), rig)
    assert len(identities.people) == 1  # the others have the place in their image and do not see anybody there
    assert np.nanmedian(np.linalg.norm(found.xyz[:, 0] - crowd.people[:, 0], axis=-1)) < 0.02


def test_an_onlooker_behind_the_cameras():
    """Somebody watches the embedded recording from behind two cameras; the two others show her."""
    rig = read_rig(BALANCE4 / "Calib.qca.txt")
    seen = [read_openpose(BALANCE4 / "openpose" / c.name, c.name, KeypointOptions(60.0, c.intrinsics.size)) for c in rig]
    fitted = [to_rig_pixels(view, camera, "letterbox") for view, camera in zip(seen, rig, strict=True)]
    found, known, _ = reconstruct(fitted, rig)
    assert len(found.people) == 1
    tracker = people_tracker(rig, found.layout, known.noise, MultiviewSettings())
    (views,) = synchronise(fitted, align_in_time(fitted, rig), 1000)
    tracker.follow(views)
    (onlooker,) = tracker.identities().refused
    assert onlooker.reason.startswith("stands behind or beside a camera where only two others look")
    assert onlooker.last - onlooker.first > 1.5


def test_a_camera_dead_for_a_minute():
    frames, fps = 800, 10.0
    t = np.arange(frames) / fps
    people = [
        make_person(
            "path", frames, fps, k, stature=1.6 + 0.2 * k, path=np.stack([np.cos(0.3 * t + np.pi * k), np.sin(0.3 * t + np.pi * k)], -1)
        )
        for k in range(2)
    ]
    rig = make_rig("ring", 4, distance=5.0)
    crowd = make_crowd(rig, people, ROUGH, 6)
    seen = list(crowd.seen)
    xy, confidence = seen[2].xy.copy(), seen[2].confidence.copy()
    xy[100:700], confidence[100:700] = np.nan, 0.0
    seen[2] = replace(seen[2], xy=xy, confidence=confidence)
    identities, found, _ = follow(seen, rig)
    assert len(identities.people) == 2
    assert judged(crowd, found).idf1 > 0.98


def test_people_who_enter_overlapped():
    """Two people come in side by side, one hidden by the other in some views, and part."""
    frames = 180
    t = np.linspace(0, 1, frames)
    apart = np.interp(t, [0, 0.4, 1], [0.22, 0.25, 1.2])
    paths = [np.stack([-1.5 + 2.5 * t, s * apart], -1) for s in (1, -1)]
    people = [make_person("path", frames, seed=k, stature=1.6 + 0.15 * k, path=path) for k, path in enumerate(paths)]
    rig = make_rig("ring", 5, distance=5.0)
    crowd = make_crowd(rig, people, ROUGH, 8)
    identities, found, _ = follow(list(crowd.seen), rig)
    scores = judged(crowd, found)
    assert len(identities.people) == 2
    assert scores.idf1 > 0.97
    assert scores.ghosts == 0


def test_parts_of_two_people_are_nobody():
    """Two people who never meet, each seen by two other cameras: no third body arises where their rays cross."""
    rig = make_rig("ring", 4, distance=5.0)
    crowd = make_crowd(rig, [walker((-1, -0.8), (1, -0.8), 120, 1), walker((1, 0.8), (-1, 0.8), 120, 2)], QUIET)
    seen = without(crowd, 0, ("cam01", "cam03"))
    both = without(replace(crowd, seen=tuple(seen)), 1, ("cam02", "cam04"))
    identities, found, _ = follow(both, rig)
    assert len(identities.people) <= 2
    assert judged(crowd, found).ghosts == 0


def test_a_return_in_pieces_is_one_return():
    """Who comes back is found for two frames, lost, and found again: all of it is the one who left."""
    frames = 480
    t = np.linspace(0, 8, frames)
    way = np.interp(t, [0, 2.5, 3.5, 5, 6, 8], [0, 1.2, 4.6, 4.6, 1.2, 0.2])
    people = [make_person("path", frames, seed=1, path=np.stack([way, 0.2 * t], -1))]
    rig = make_rig("ring", 5, distance=5.0, seed=1)
    crowd = make_crowd(rig, people, QUIET, 1)
    back = int(np.flatnonzero(np.isfinite(crowd.people[240:, 0, 0, 0]))[0]) + 240
    seen = []
    for record in crowd.seen:
        xy, confidence = record.xy.copy(), record.confidence.copy()
        xy[back + 3 : back + 12], confidence[back + 3 : back + 12] = np.nan, 0.0
        seen.append(replace(record, xy=xy, confidence=confidence))
    identities, _, _ = follow(seen, rig)
    (one,) = identities.people
    assert one.last > 7.9
    assert one.first == 0


@pytest.mark.parametrize("hidden", [3, 4])
def test_somebody_hidden_from_most_cameras_is_told(hidden):
    """Two of five or six cameras see somebody whom furniture hides from the others: refused by name, never silently lost."""
    rig = make_rig("ring", 2 + hidden, distance=5.0)
    crowd = make_crowd(rig, [walker((-1, -0.5), (1, -0.5), 150, 1), walker((0.4, 0.9), (-0.4, 0.9), 150, 2)], QUIET)
    seen = without(crowd, 1, rig.names[2:])
    identities, _, _ = follow(seen, rig)
    assert len(identities.everybody) == 2
    other = identities.everybody[1]
    assert other.reason is not None
    assert other.reason.startswith(f"seen by 2.0 of the {2 + hidden}.0 views")


def test_the_only_person_may_stand_still():
    frames = 300
    rig = make_rig("ring", 4, distance=5.0)
    person = make_person("on_the_spot", frames, seed=9)
    frozen = replace(person, keypoints=np.broadcast_to(person.keypoints[40:41], person.keypoints.shape).copy())
    crowd = make_crowd(rig, [frozen], QUIET)
    found, *_ = reconstruct(list(crowd.seen), rig)
    assert len(found.people) == 1


def test_two_noisy_cameras_see_a_person():
    """Depth is poor: single frames' bones scatter by a third, and are a person's."""
    rig = CameraRig(make_rig("ring", 6, distance=5.0).cameras[:2])
    crowd = make_crowd(
        rig, [walker((-1, 0), (1, 0), 90, 1, 15.0)], CrowdSettings(NoiseSettings(sigma_px=10.0, outliers=0, missing=0.05), false=0)
    )
    identities, _, _ = follow(list(crowd.seen), rig)
    assert len(identities.people) == 1


def test_somebody_where_only_two_cameras_look_is_a_person():
    """Four cameras along a wide stage: who stands at its end, before the cameras, is nobody's onlooker."""
    intrinsics = make_rig("ring", 1).cameras[0].intrinsics
    cameras = []
    for k, (x, at) in enumerate([(-3.0, -2.6), (-1.0, -0.9), (1.0, 0.9), (3.0, 2.6)]):
        cameras.append(Camera(f"cam{k}", intrinsics, look_at(np.array([x, -5.0, 2.0]), np.array([at, 0, 0.9]))))
    rig = CameraRig(tuple(cameras))
    people = [walker((-0.4, -0.3), (0.4, 0.3), 120, 1), walker((3.0, 0.2), (3.2, -0.2), 120, 2)]
    crowd = make_crowd(rig, people, QUIET, room_m=10.0)
    identities, _, _ = follow(without(crowd, 1, ("cam0", "cam1")), rig)
    assert len(identities.people) == 2


def test_sigmas_that_are_nothing():
    rig = make_rig("ring", 3, distance=5.0)
    crowd = make_crowd(rig, [walker((-1, 0), (1, 0), 40, 1)], QUIET)
    tiny = [
        replace(record, sigma_px=np.where(np.isfinite(record.sigma_px), np.float32(1e-20), np.nan).astype(np.float32))
        for record in crowd.seen
    ]
    identities, _, _ = follow(tiny, rig)
    assert len(identities.people) <= 1
    odd = [
        replace(record, sigma_px=np.full_like(record.sigma_px, value))
        for record, value in zip(crowd.seen, (0, np.nan, np.inf), strict=True)
    ]
    identities, _, _ = follow(odd, rig)
    assert identities.people == ()


def test_looks_of_some_windows_only():
    rig = make_rig("ring", 3, distance=5.0)
    crowd = make_crowd(rig, [walker((-1, 0), (1, 0), 60, 1)], QUIET)
    noise = NoiseScale(np.ones(3), np.ones(3), 1)
    tracker = people_tracker(rig, crowd.layout, noise, MultiviewSettings())
    first, second, third = synchronise(crowd.seen, align_in_time(crowd.seen, rig), 20)
    tracker.follow(first)
    tracker.follow(second, np.ones((*second.xy.shape[:3], 8)))
    tracker.follow(third)
    assert len(tracker.identities().people) == 1


@pytest.mark.parametrize("points", [("nose", "left_hip", "right_hip"), ("nose", "left_hip"), ("ball",)])
def test_layouts_of_few_points(points):
    rig = make_rig("ring", 4, distance=5.0)
    crowd = make_crowd(rig, [walker((-1, 0), (1, 0), 60, 1)], QUIET)
    names = ["left_hip" if name == "ball" else name for name in points]
    columns = crowd.layout.indices(names)
    mirror = np.array([points.index(other_side(name)) if other_side(name) in points else k for k, name in enumerate(points)])
    layout = Layout("few", "few", points, np.zeros((0, 2), np.int64), mirror)
    arrays = ("xy", "confidence", "sigma_px")
    seen = [replace(record, layout=layout, **{n: np.array(getattr(record, n)[:, :, columns]) for n in arrays}) for record in crowd.seen]
    found, *_ = reconstruct(seen, rig)
    assert len(found.people) == 1
    assert np.nanmedian(np.linalg.norm(found.xyz[:, 0] - crowd.people[:, 0, columns], axis=-1)) < 0.03


def test_the_one_who_was_seen_most_is_kept():
    rig = make_rig("ring", 4, distance=5.0)
    crowd = make_crowd(rig, [walker((-1, 0), (1, 0), 120, 1), walker((0.5, 1.2), (0.5, -0.8), 120, 2)], QUIET)
    seen = without(crowd, 0, ("cam04",))
    identities, found, _ = follow(seen, rig, people=1)
    assert len(identities.people) == 1
    assert identities.refused[0].reason == "seen less than the one person asked for"
    assert np.nanmedian(np.linalg.norm(found.xyz[:, 0] - crowd.people[:, 1], axis=-1)) < 0.02


def test_one_person_is_answered_as_before():
    """The whole detection of the one person is taken, outliers and all: nothing is lost by following it."""
    rig = make_rig("ring", 5)
    crowd = make_crowd(rig, [make_person("dance", 150)], CrowdSettings(false=0.0))
    _, _, windows = follow(list(crowd.seen), rig, 1000)
    (_, association), *_ = windows
    there = np.stack([np.isfinite(record.xy[..., 0]).any((1, 2)) for record in crowd.seen], 1)
    np.testing.assert_array_equal(association.slot[:, 0] >= 0, there)
