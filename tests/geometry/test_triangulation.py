import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recon3d.errors import ShapeError, TooFewViewsError
from recon3d.geometry import CameraRig
from recon3d.geometry.links import Links
from recon3d.geometry.sightings import Poses, information, sight
from recon3d.geometry.triangulation import RobustSettings, Verdict, triangulate, triangulate_linear, triangulate_robust
from recon3d.metrics import coverage, mpjpe_mm, nees
from recon3d.skeleton import body_links, load_layout
from recon3d.synthetic import NoiseSettings, make_person, make_rig, make_world

RNG = np.random.default_rng(7)
POINTS = RNG.normal([0, 0, 1], [0.5, 0.5, 0.4], (400, 3))
LINKS = body_links(load_layout("halpe_26"))
EXACT = {"max_depth_error": np.inf}


@pytest.mark.parametrize("lens", ["none", "mild", "strong", "rational", "fisheye"])
@pytest.mark.parametrize("views", [2, 3, 4, 8, 16])
def test_project_then_triangulate(lens, views):
    rig = make_rig("ring", views, lens, seed=3)
    found = triangulate(rig, rig.project(POINTS), 1.0, **EXACT)
    np.testing.assert_allclose(found.xyz, POINTS, atol=1e-6)
    assert np.nanmax(found.residual_px) < 1e-5
    robust = triangulate_robust(rig, rig.project(POINTS), 1.0, RobustSettings(max_depth_error=np.inf))
    np.testing.assert_allclose(robust.xyz, POINTS, atol=1e-6)


@given(st.permutations(range(5)))
@settings(max_examples=10, deadline=None)
def test_permuting_cameras_changes_nothing(order):
    rig = make_rig("ring", 5)
    world = make_world(rig, make_person("gait", 10))
    xy = world.xy.reshape(5, -1, 2)
    a = triangulate_robust(rig, xy, 2.0)
    b = triangulate_robust(CameraRig(tuple(rig.cameras[k] for k in order)), xy[list(order)], 2.0)
    np.testing.assert_array_equal(a.verdict, b.verdict)
    np.testing.assert_allclose(a.xyz, b.xyz, atol=1e-6)
    np.testing.assert_allclose(a.inlier[list(order)], b.inlier, atol=1e-5)


@pytest.mark.parametrize("solve", [triangulate, triangulate_robust])
def test_a_useless_camera_changes_nothing(solve):
    rig = make_rig("ring", 5)
    xy = make_world(rig, make_person("gait", 20)).xy.reshape(5, -1, 2).copy()
    xy[4] = np.nan
    a = solve(rig, xy, 2.0)
    b = solve(CameraRig(rig.cameras[:4]), xy[:4], 2.0)
    np.testing.assert_allclose(a.xyz, b.xyz, atol=1e-9)


def test_scaling_a_world_scales_the_answer():
    rig = make_rig("ring", 4, "mild")
    xy = make_world(rig, make_person("gait", 10), NoiseSettings(outliers=0)).xy.reshape(4, -1, 2)
    scale = 3.0
    large = CameraRig(
        tuple(
            type(c)(c.name, c.intrinsics, type(c.cam_from_world)(c.cam_from_world.rotation, scale * c.cam_from_world.translation))
            for c in rig
        )
    )
    a, b = triangulate(rig, xy, 2.0), triangulate(large, xy, 2.0)
    np.testing.assert_allclose(b.xyz, scale * a.xyz, atol=1e-6)
    np.testing.assert_allclose(b.covariance, scale**2 * a.covariance, rtol=1e-3, atol=1e-9)


def test_chunks_do_not_show(monkeypatch):
    rig = make_rig("ring", 4)
    xy = make_world(rig, make_person("gait", 30)).xy.reshape(4, -1, 2)
    whole = triangulate_robust(rig, xy, 2.0, links=LINKS)
    monkeypatch.setattr("recon3d.geometry.triangulation._CHUNK", 26 * 4 * 7)
    parts = triangulate_robust(rig, xy, 2.0, links=LINKS)
    np.testing.assert_array_equal(whole.verdict, parts.verdict)
    np.testing.assert_allclose(whole.xyz, parts.xyz, atol=1e-6)


def test_gauss_newton_gradient():
    rig = make_rig("ring", 4)
    xy = rig.project(POINTS[:50]) + RNG.normal(0, 3, (4, 50, 2))
    s = sight(rig, Poses.of_rig(rig), xy, np.full((4, 50), 2.0))
    weight = RNG.uniform(0.2, 1, (4, 50))
    at = POINTS[:50].T + 0.01

    def cost(x):
        from recon3d.geometry.sightings import chi_square

        return 0.5 * (weight * chi_square(s, x)[0]).sum(0)

    normal = information(s, at, weight)
    for axis in range(3):
        step = np.zeros((3, 1))
        step[axis] = 1e-6
        np.testing.assert_allclose((cost(at + step) - cost(at - step)) / 2e-6, normal[6 + axis], rtol=1e-5)


def test_linear_agrees_with_svd_of_the_same_equations():
    rig = make_rig("ring", 5)
    poses = Poses.of_rig(rig)
    s = sight(rig, poses, rig.project(POINTS) + RNG.normal(0, 2, (5, 400, 2)), np.ones((5, 400)))
    u, v = s.u.copy(), s.v.copy()
    u[2, ::3], v[2, ::3] = np.nan, np.nan
    weight = RNG.uniform(0.5, 2, u.shape)
    found = triangulate_linear(poses.matrix, u, v, weight)
    for p in range(0, 400, 37):
        seen = np.isfinite(u[:, p])
        m = poses.matrix[seen]
        rows = np.concatenate([u[seen, p, None] * m[:, 2] - m[:, 0], v[seen, p, None] * m[:, 2] - m[:, 1]])
        rows *= np.sqrt(np.tile(weight[seen, p], 2))[:, None]
        want = np.linalg.lstsq(rows[:, :3], -rows[:, 3], rcond=None)[0]
        np.testing.assert_allclose(found[:, p], want, atol=1e-9)


@pytest.mark.parametrize(("views", "limit_mm", "share"), [(4, 11.5, 0.97), (8, 7.6, 0.99), (16, 5.3, 0.999)])
def test_outliers_are_told_apart(views, limit_mm, share):
    rig = make_rig("ring", views, seed=21)
    world = make_world(rig, make_person("gait", 200, seed=21), seed=21)
    xy, truth = world.xy.reshape(views, -1, 2), world.person.keypoints.reshape(-1, 3)
    sound = (np.isfinite(xy[..., 0]) & ~world.outlier.reshape(views, -1)).sum(0) >= 2
    found = triangulate_robust(rig, xy, 2.0, links=LINKS)
    assert limit_mm / 2 < mpjpe_mm(found.xyz, truth) < limit_mm
    assert found.answered[sound].mean() > share
    outlier = world.outlier.reshape(views, -1) & found.answered
    assert found.inlier[outlier].mean() < 0.1


def test_covariance_is_honest():
    rig = make_rig("ring", 6)
    world = make_world(rig, make_person("gait", 200), NoiseSettings(outliers=0))
    truth = world.person.keypoints.reshape(-1, 3)
    found = triangulate(rig, world.xy.reshape(6, -1, 2), 2.0)
    assert abs(nees(found.xyz, truth, found.covariance).mean() - 3) < 0.15
    assert abs(coverage(found.xyz, truth, found.covariance) - 0.95) < 0.015


def test_sigma_weights_count():
    rig = make_rig("ring", 4)
    sigma = np.array([1.0, 1.0, 20.0, 20.0])[:, None] * np.ones((4, 400))
    xy = rig.project(POINTS) + RNG.normal(size=(4, 400, 2)) * sigma[..., None]
    weighted = mpjpe_mm(triangulate(rig, xy, sigma, **EXACT).xyz, POINTS)
    alike = mpjpe_mm(triangulate(rig, xy, 10.0, **EXACT).xyz, POINTS)
    assert weighted < 0.5 * alike


class TestDegeneracies:
    def test_one_view_is_refused_by_name(self):
        rig = make_rig("ring", 3)
        xy = rig.project(POINTS[:5]).copy()
        xy[1:] = np.nan
        for found in (triangulate(rig, xy, 1.0), triangulate_robust(rig, xy, 1.0)):
            assert (found.verdict == Verdict.TOO_FEW_VIEWS).all()
            assert np.isnan(found.xyz).all()
            assert (found.confidence == 0).all()

    def test_nobody_there(self):
        rig = make_rig("ring", 3)
        found = triangulate_robust(rig, np.full((3, 4, 2), np.nan), 1.0)
        assert (found.verdict == Verdict.TOO_FEW_VIEWS).all()
        assert triangulate_robust(rig, np.zeros((3, 0, 2)), 1.0).xyz.shape == (0, 3)

    def test_opposite_cameras_have_no_depth_between_them(self):
        rig = make_rig("ring", 4, seed=5)
        facing = rig.select(["cam01", "cam03"])
        middle = facing.centres().mean(0) + np.array([[0.0, 0, 0.0], [0.001, 0, 0.001]])
        found = triangulate(facing, facing.project(middle), 2.0)
        assert (found.verdict == Verdict.PARALLEL_RAYS).all()
        # With a third camera the same points are answered.
        more = rig.select(["cam01", "cam03", "cam02"])
        assert triangulate(more, more.project(middle), 2.0).answered.all()

    def test_parallel_rays(self):
        rig = make_rig("wall", 2)
        far = np.array([[0.0, 400.0, 1.0]])
        assert triangulate(rig, rig.project(far), 2.0).verdict[0] == Verdict.PARALLEL_RAYS

    def test_two_views_that_contradict_each_other(self):
        rig = make_rig("ring", 3).select(["cam01", "cam02"])
        xy = rig.project(POINTS[:20]).copy()
        xy[1, :, 1] += 120
        found = triangulate_robust(rig, xy, 2.0)
        assert (found.verdict == Verdict.UNDECIDED).all()

    def test_one_outlier_among_three_is_found_where_geometry_tells(self):
        rig = make_rig("ring", 3)
        xy = rig.project(POINTS).copy()
        xy[1, :, 1] += 150
        found = triangulate_robust(rig, xy, 2.0)
        off = np.linalg.norm(found.xyz - POINTS, axis=-1)
        assert found.answered.mean() > 0.8
        assert off[found.answered].max() < 1e-3
        assert (found.inlier[1, found.answered] < 0.01).all()

    def test_an_outlier_along_the_epipolar_line_is_flagged_not_guessed(self):
        rig = make_rig("ring", 3).select(["cam01", "cam02"])
        third = make_rig("ring", 3)
        # Camera 3 sees another place on the ray of camera 1: 1+2 and 1+3 agree equally well.
        ray = POINTS[:30] - rig.cameras[0].centre
        other = POINTS[:30] + 0.12 * ray
        xy = third.project(POINTS[:30]).copy()
        xy[2] = third.cameras[2].project(other)
        found = triangulate_robust(third, xy, 2.0)
        assert (found.verdict == Verdict.UNDECIDED).mean() > 0.9

    def test_links_decide_what_pixels_cannot(self):
        rig = make_rig("ring", 3, seed=2)
        person = make_person("gait", 40)
        wrist = person.layout.index("left_wrist")
        xy = rig.project(person.keypoints).copy()
        ray = person.keypoints[:, wrist] - rig.cameras[0].centre
        xy[2, :, wrist] = rig.cameras[2].project(person.keypoints[:, wrist] + 0.2 * ray)
        flat = xy.reshape(3, -1, 2)
        alone = triangulate_robust(rig, flat, 2.0).verdict.reshape(40, 26)[:, wrist]
        helped = triangulate_robust(rig, flat, 2.0, links=LINKS)
        assert (alone == Verdict.UNDECIDED).mean() > 0.9
        answered = helped.answered.reshape(40, 26)[:, wrist]
        off = np.linalg.norm(helped.xyz.reshape(40, 26, 3)[:, wrist] - person.keypoints[:, wrist], axis=-1)
        assert answered.mean() > 0.9
        assert off[answered].max() < 0.01

    def test_a_point_behind_a_camera_that_claims_to_see_it(self):
        rig = make_rig("ring", 4)
        behind = rig.cameras[0].centre * 1.5
        xy = np.stack([c.project(behind[None]) if k else np.array([[960.0, 540.0]]) for k, c in enumerate(rig)])
        found = triangulate_robust(rig, xy, 2.0)
        assert not found.answered[0] or found.inlier[0, 0] < 0.01


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30])
def test_numbers_that_are_none_are_absent(value):
    rig = make_rig("ring", 4)
    xy = rig.project(POINTS[:50]).copy()
    xy[1, :, 0] = value
    found = triangulate_robust(rig, xy, 2.0)
    np.testing.assert_allclose(found.xyz, POINTS[:50], atol=1e-6)
    assert (found.inlier[1] < 1e-6).all()


def test_refusals():
    rig = make_rig("ring", 3)
    with pytest.raises(TooFewViewsError, match="two cameras"):
        triangulate(CameraRig(rig.cameras[:1]), np.zeros((1, 2, 2)), 1.0)
    with pytest.raises(ShapeError, match="views=3"):
        triangulate_robust(rig, np.zeros((2, 5, 2)), 1.0)
    links = Links(4, np.array([[0, 1]]), np.ones(1), np.ones(1))
    with pytest.raises(ShapeError, match="whole number of bodies"):
        triangulate_robust(rig, np.zeros((3, 6, 2)), 1.0, links=links)
