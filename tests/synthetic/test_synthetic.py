import numpy as np
import pytest

from recon3d.errors import CameraError, InputError
from recon3d.synthetic import NoiseSettings, hidden_by_trunk, make_person, make_rig, make_world

KINDS = ["gait", "dance", "jump", "fall", "crouch", "on_the_spot", "walk_out"]


@pytest.mark.parametrize("kind", KINDS)
def test_bones_are_constant_and_feet_above_the_floor(kind):
    person = make_person(kind, 200, seed=1)
    place = person.motion.poses().translation
    parents = person.motion.armature.skeleton.parents
    for j, parent in enumerate(parents):
        if parent >= 0:
            assert np.ptp(np.linalg.norm(place[:, j] - place[:, parent], axis=-1)) < 1e-12
    assert np.nanmin(person.keypoints[..., 2]) > -0.05
    if kind != "fall":
        nose, ankle = (person.layout.index(n) for n in ("nose", "left_ankle"))
        assert (person.keypoints[:, nose, 2] > person.keypoints[:, ankle, 2] + 0.3).all()


def test_motions_do_what_they_say():
    assert np.nanmin(make_person("jump", 200).keypoints[..., 2], axis=1).max() > 0.15  # in the air
    assert np.nanmax(make_person("fall", 200).keypoints[-1, :, 2]) < 0.7  # lies
    assert make_person("crouch", 300).motion.translation[:, 2].min() < 0.55
    out = make_person("walk_out", 300).motion.translation[:, 1]
    assert np.ptp(out) > 6
    assert np.ptp(make_person("on_the_spot", 200).motion.translation[:, :2]) < 0.05
    wrist = make_person("dance", 300)
    speed = np.linalg.norm(np.diff(wrist.keypoints[:, wrist.layout.index("left_wrist")], axis=0), axis=-1) * 60
    assert speed.max() > 4


def test_walking_goes_where_the_toes_point():
    person = make_person("gait", 200)
    toe, heel = (person.layout.index(n) for n in ("left_big_toe", "left_heel"))
    forward = (person.keypoints[:, toe] - person.keypoints[:, heel])[:-1, :2]
    step = np.diff(person.motion.translation[:, :2], axis=0)
    cosine = (forward * step).sum(-1) / np.linalg.norm(forward, axis=-1) / np.linalg.norm(step, axis=-1)
    assert np.median(cosine) > 0.9


@pytest.mark.parametrize("kind", ["ring", "wall", "corridor", "ceiling"])
@pytest.mark.parametrize("lens", ["none", "mild", "strong", "rational", "fisheye"])
def test_rigs_see_the_person(kind, lens):
    rig = make_rig(kind, 4, lens)
    xy = rig.project(make_person("on_the_spot", 10).keypoints)
    inside = ((xy >= 0) & (xy < [1920, 1080])).all(-1)
    assert inside.mean() > 0.9


def test_corridor_cameras_face_each_other():
    rig = make_rig("corridor", 2)
    axes = [c.cam_from_world.rotation.matrix[2] for c in rig]
    assert axes[0] @ axes[1] < -0.85


def test_seeds():
    a, b, c = (make_world(make_rig(seed=s), make_person(seed=s, frames=20), seed=s) for s in (1, 1, 2))
    np.testing.assert_array_equal(a.xy, b.xy)
    assert not np.array_equal(a.xy, c.xy, equal_nan=True)


def test_noise_is_what_was_asked_for():
    world = make_world(make_rig("ring", 8), make_person("gait", 300))
    seen = np.isfinite(world.xy[..., 0])
    assert seen.mean() == pytest.approx(0.85, abs=0.015)
    assert world.outlier[seen].mean() == pytest.approx(0.10, abs=0.01)
    good = seen & ~world.outlier
    assert (world.xy - world.clean)[good].std() == pytest.approx(2.0, abs=0.03)
    off = np.linalg.norm((world.xy - world.clean)[world.outlier], axis=-1)
    assert off.min() >= 10
    # Nothing tells outliers from their confidence.
    assert world.confidence[world.outlier].mean() == pytest.approx(world.confidence[good].mean(), abs=0.01)


def test_bursts():
    world = make_world(make_rig("ring", 4), make_person("gait", 600))
    gone = ~np.isfinite(world.xy[..., 0])
    runs = np.diff(np.flatnonzero(np.diff(np.r_[0, gone[0, :, 7].astype(int), 0])))[::2]
    assert runs.max() >= 5


def test_the_trunk_hides_the_far_arm():
    rig, person = make_rig("ring", 8), make_person("on_the_spot", 60)
    hidden = hidden_by_trunk(rig, person)
    assert 0.005 < hidden.mean() < 0.2
    occluded = make_world(rig, person, NoiseSettings(missing=0, occlusion=True))
    assert not np.isfinite(occluded.xy[hidden]).any()


def test_records():
    world = make_world(make_rig("wall", 3), make_person("gait", 30))
    seen = world.keypoints2d()
    assert [v.camera for v in seen] == ["cam01", "cam02", "cam03"]
    np.testing.assert_allclose(seen[1].xy[:, 0], world.xy[1].astype(np.float32))
    assert (seen[0].confidence[~np.isfinite(seen[0].xy[..., 0])] == 0).all()


def test_unknown_names():
    with pytest.raises(CameraError, match="ceiling, corridor, ring, wall"):
        make_rig("dome")  # type: ignore[arg-type]
    with pytest.raises(CameraError, match="fisheye"):
        make_rig("ring", lens="broken")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="walk_out"):
        make_person("swim")  # type: ignore[arg-type]
