"""Bodies after skeletons, and motion on them."""

import numpy as np
import pytest

from recon3d import io
from recon3d.body import animated, like, load_open_body
from recon3d.errors import InputError
from recon3d.io.glb import write_glb
from recon3d.io.glb_read import read_glb
from recon3d.skeleton import load_armature
from recon3d.synthetic import make_person

MODEL = load_open_body()
LIMBS = (("hip", "knee"), ("knee", "ankle"), ("shoulder", "elbow"), ("elbow", "wrist"))


def lengths(armature):
    at = dict(zip(armature.joints, armature.rest_positions(), strict=True))
    return np.array([np.linalg.norm(at[f"left_{a}"] - at[f"left_{b}"]) for a, b in LIMBS])


@pytest.mark.parametrize("seed", range(6))
def test_height_is_what_the_mesh_stands(seed):
    rng = np.random.default_rng(seed)
    values = rng.random(6)
    values[1] = rng.uniform(0, 1)
    places = MODEL.shaped(values).at_rest().vertices()[0]
    assert MODEL.height(values) == pytest.approx(float(np.ptp(places[:, 2])), abs=1e-3)


@pytest.mark.parametrize("seed", range(6))
def test_bodies_of_the_models_own_skeletons(seed):
    """Adults and children: limbs as long, as tall; what bones do not tell stays what is usual."""
    rng = np.random.default_rng(seed)
    values = MODEL.usual.copy()
    values[[0, 1, 4, 5]] = rng.random(4) * [1, 0.6, 1, 1] + [0, 0.3, 0, 0]
    true = MODEL.shaped(values)
    found = like(MODEL, true.armature, MODEL.height(values))
    assert MODEL.height(found.values) == pytest.approx(MODEL.height(values), rel=0.01)
    np.testing.assert_allclose(lengths(found.armature), lengths(true.armature), rtol=0.04)
    assert np.abs(found.values[[2, 3]] - 0.5).max() < 0.25


@pytest.mark.parametrize("tall", [1.1, 1.55, 1.95])
def test_bodies_of_the_default_armature(tall):
    human = load_armature()
    ratio = tall / 1.7
    armature = human.with_sizes(human.rest_offset * ratio, human.attachments.offset * ratio)
    found = like(MODEL, armature, tall)
    assert MODEL.height(found.values) == pytest.approx(tall, rel=0.02)
    np.testing.assert_allclose(lengths(found.armature), lengths(armature), rtol=0.15)


def test_nobody_is_like_that():
    with pytest.raises(InputError, match="in metres"):
        like(MODEL, load_armature(), 172.0)
    with pytest.raises(InputError, match="no limbs"):
        like(MODEL, load_armature("car"))
    with pytest.raises(InputError, match="not of the kind of body"):
        animated(MODEL.person(), _car())


def _car():
    from dataclasses import replace

    motion = make_person("gait", 5).motion
    car = load_armature("car")
    count = len(car.joints)
    return replace(
        motion, armature=car, rotation=motion.rotation[:, :count].copy(), covariance=motion.covariance[:, :count].copy(),
        state=motion.state[:, :count].copy(), misfit=motion.misfit[:, :count].copy(), contact=motion.contact[:, :count].copy(),
    )  # fmt: skip


def test_a_walk_with_a_mesh(tmp_path):
    person = make_person("gait", 30)
    body = like(MODEL, person.motion.armature)
    animation = animated(body, person.motion)
    joints, true = animation.poses().translation, person.motion.poses().translation
    own = [animation.index(name) for name in ("left_ankle", "right_wrist", "head")]
    there = [person.motion.armature.index(name) for name in ("left_ankle", "right_wrist", "head")]
    assert np.linalg.norm(joints[:, own] - true[:, there], axis=-1).max() < 0.2
    assert animation.skin is not None
    np.testing.assert_allclose(animation.rest().translation, body.bind.translation, atol=1e-9)
    np.testing.assert_allclose(animation.skin.weight.sum(1), 1.0)
    write_glb(tmp_path / "walk.glb", animation)
    back = read_glb(tmp_path / "walk.glb")
    assert set(back.joints) == set(animation.joints) and len(back) == 30
    assert io is not None
