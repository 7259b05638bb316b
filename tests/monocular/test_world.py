"""One camera in the world: what the solver makes of pixels and of what a lifter finds plausible."""

from dataclasses import replace

import numpy as np
import pytest

from recon3d import motion
from recon3d.errors import ShapeError
from recon3d.geometry import SE3, SO3
from recon3d.metrics import aligned_error
from recon3d.monocular.lifter import STANDARD_M
from recon3d.monocular.world import PersonView, in_line, in_space, lift, observe
from recon3d.motion.prior import body_size
from recon3d.records import State
from recon3d.skeleton import STATURE_M, load_armature
from recon3d.synthetic import NoiseSettings, make_person, make_rig, make_world
from tests.monocular.worlds import Oracle, view_of

HUMAN = load_armature("human")


def world(kind="gait", frames=90, seed=0):
    noise = NoiseSettings(outliers=0.02, missing=0.05)
    return make_world(make_rig("ring", 4, "mild", seed), make_person(kind, frames, 60.0, seed), noise, seed)


def stature(made, share=0.02):
    return motion.Stature(STATURE_M * body_size(made.person.motion.armature) / body_size(HUMAN), share)


def solved(made, view, lifter, tall):
    seen = observe(view, lift(view, lifter), tall.of(HUMAN))
    body = motion.measure([motion.sample(seen)], view.layout, stature=tall)
    return next(motion.solve_windows([seen], body))


def errors(found, made):
    """PA (mm) and depth (share) errors."""
    true = made.person.motion
    a, b = found.poses().translation, true.poses().translation
    pose = made.rig.cameras[0].cam_from_world
    depth = (pose @ a[:, 0])[:, 2] / (pose @ b[:, 0])[:, 2] - 1
    return float(aligned_error(a, b).mean()), float(np.median(np.abs(depth)))


@pytest.mark.parametrize(("kind", "pa"), [("gait", 30.0), ("dance", 45.0)])
def test_one_camera_and_a_lifter_give_a_body_in_the_world(kind, pa):
    made = world(kind)
    found = solved(made, view_of(made), Oracle(made.person, made.rig.cameras[0]), stature(made))
    off, depth = errors(found, made)
    assert off < pa and depth < 0.04
    assert np.isfinite(found.covariance).all()
    assert body_size(found.armature) == pytest.approx(body_size(made.person.motion.armature), rel=1e-6)


def test_who_is_taken_to_be_taller_stands_further_away():
    made = world()
    lifter, view = Oracle(made.person, made.rig.cameras[0]), view_of(made)
    depth = []
    for tall in (1.0, 1.2):
        own = motion.Stature(tall * stature(made).height_m, 0.02)
        pose = made.rig.cameras[0].cam_from_world
        depth.append(np.median((pose @ solved(made, view, lifter, own).translation)[:, 2]))
    assert depth[1] / depth[0] == pytest.approx(1.2, abs=0.04)


def test_what_is_not_known_of_the_height_is_in_the_covariance():
    made = world(frames=40)
    lifter, view = Oracle(made.person, made.rig.cameras[0]), view_of(made)
    wide, narrow = (
        np.sqrt(np.trace(solved(made, view, lifter, stature(made, share)).covariance[:, 0], axis1=-1, axis2=-2)) for share in (0.06, 0.001)
    )
    far = np.linalg.norm(view.camera.centre - made.person.motion.translation.mean(0))
    assert np.sqrt(np.median(wide) ** 2 - np.median(narrow) ** 2) == pytest.approx(0.06 * far, rel=0.2)


def test_a_camera_that_moves():
    made = world(frames=60)
    still = made.rig.cameras[0]
    turns = SO3.exp(np.linspace(0, 0.3, 60)[:, None] * np.array([0.0, 0.0, 1.0]))
    centre = still.centre + np.linspace(0, 0.5, 60)[:, None] * np.array([0.3, 0.2, 0.1])
    back = SO3(turns.matrix @ still.cam_from_world.inverse().rotation.matrix)
    moving = replace(still, cam_from_world=SE3(back, centre).inverse(), pose_frame=np.arange(60))
    seen = view_of(made)
    xy = np.stack([moving.at_frame(k).project(made.person.keypoints[k]) for k in range(60)])
    view = PersonView(moving, seen.layout, seen.frame, seen.time, xy, np.full(xy.shape[:2], 2.0))

    class Turning:
        def lift(self, points):
            parts = [
                Oracle(made.person, moving.at_frame(round(t * 60))).lift(points.take(slice(k, k + 1))) for k, t in enumerate(points.time)
            ]
            return type(parts[0])(*(np.concatenate([getattr(p, n) for p in parts]) for n in ("joints", "covariance", "root", "root_sigma")))

    found = solved(made, view, Turning(), stature(made))
    assert float(aligned_error(found.poses().translation, made.person.motion.poses().translation).mean()) < 30.0
    off = np.linalg.norm(found.translation - made.person.motion.translation, axis=-1)
    assert np.median(off) < 0.2


def test_points_in_space_lie_on_their_lines_of_sight():
    made = world(frames=5)
    view = view_of(made)
    lifted = lift(view, Oracle(made.person, view.camera, 1e-6))
    found = in_space(view, lifted, body_size(made.person.motion.armature) / STANDARD_M, 7)
    known = np.isfinite(view.xy).all(-1)
    np.testing.assert_allclose(view.camera.project(found.xyz[:, 0])[known], view.xy[known], atol=1e-3)
    assert (found.state[:, 0][known] == State.INFERRED).all() and (found.state[:, 0][~known] == State.MISSING).all()
    assert found.people.tolist() == [7] and np.isfinite(found.covariance[:, 0][known]).all()


def test_windows_are_put_together_again():
    view = view_of(world(frames=20))
    again = in_line([view.take(slice(0, 7)), view.take(slice(7, None))])
    np.testing.assert_array_equal(again.xy, view.xy)
    assert len(again) == 20


def test_a_prior_is_of_as_many_frames_as_the_evidence():
    made = world(frames=10)
    view = view_of(made)
    seen = observe(view, lift(view, Oracle(made.person, view.camera)), HUMAN)
    assert seen.prior is not None
    with pytest.raises(ShapeError, match="prior"):
        replace(seen, prior=seen.prior.take(slice(0, 4)))
    rows = np.arange(2, 8)
    half = seen.take(rows)
    assert half.prior is not None
    np.testing.assert_array_equal(half.prior.place, seen.prior.place[rows])
    assert motion.joined([half, seen.take(np.arange(8, 10))]).prior is not None
    some = motion.joined([half, replace(seen, prior=None).take(np.arange(8, 10))]).prior
    assert some is not None and len(some.place) == len(half) + 2
    assert np.isfinite(some.place[: len(half)]).any() and np.isnan(some.place[len(half) :]).all()  # nothing is known there
    without = replace(seen, prior=None)
    assert motion.joined([without.take(np.arange(2)), without.take(np.arange(2, 4))]).prior is None
