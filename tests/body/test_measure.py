"""Tape measurements."""

import numpy as np
import pytest
import trimesh
from scipy.spatial import ConvexHull

from recon3d.body import load_open_body
from recon3d.body.measure import _Tape, measurements
from recon3d.body.model import volume

MODEL = load_open_body()
SURE = np.zeros((6, 6))


def test_round_a_cylinder_and_in_a_ball():
    cylinder, ball = trimesh.creation.cylinder(0.1, 1.0, sections=256), trimesh.creation.icosphere(5, 0.5)
    owner = np.zeros(len(cylinder.vertices), int)
    tape = _Tape(np.asarray(cylinder.vertices), np.asarray(cylinder.faces), owner, ("all",), np.array([-1]))
    all_of_it = np.ones(len(owner), bool)
    assert tape.girth(all_of_it, np.zeros(3), np.array([0.0, 0.0, 1.0])) == pytest.approx(2 * np.pi * 0.1, rel=1e-3)
    slanted = tape.girth(all_of_it, np.zeros(3), np.array([0.0, 1.0, 1.0]))
    assert slanted == pytest.approx(2 * np.pi * 0.1 * 1.2160, rel=1e-3)  # an ellipse of axes 1 and sqrt 2
    assert tape.girth(all_of_it, np.array([0.0, 0.0, 2.0]), np.array([0.0, 0.0, 1.0])) == 0.0
    assert volume(np.asarray(ball.vertices), np.asarray(ball.faces)) == pytest.approx(4 / 3 * np.pi * 0.125, rel=5e-3)


def test_against_trimesh():
    """Volume, and the section at the waist, of the body's mesh by another's code."""
    body = MODEL.person(gender=0.8, weight=0.6)
    found = measurements(body, SURE)
    mesh = trimesh.Trimesh(body.at_rest().vertices()[0], MODEL.faces, process=False)
    assert mesh.is_watertight and mesh.is_winding_consistent
    joints = dict(zip(body.armature.joints, body.at_rest().poses.translation[0], strict=True))
    level = joints["left_hip"][2] + 0.4 * (joints["left_shoulder"][2] - joints["left_hip"][2])
    section = mesh.section(plane_origin=[0, 0, level], plane_normal=[0, 0, 1])
    around = ConvexHull(np.asarray(section.vertices)[:, :2]).area
    assert found["waist girth"].value == pytest.approx(around, rel=1e-4)
    assert found["volume"].value == pytest.approx(1e3 * mesh.volume, rel=0.02)  # the T-pose bends it a little
    assert all(one.sigma == 0 for one in found.values())


def test_people_are_as_people_are():
    usual, heavy, child = (measurements(MODEL.person(**of), SURE) for of in ({}, {"weight": 1.0}, {"age": 1 / 3}))
    assert 0.6 < usual["waist girth"].value < 0.95 < usual["hip girth"].value < 1.1
    assert heavy["waist girth"].value > usual["waist girth"].value + 0.07 and heavy["mass"].value > usual["mass"].value + 5
    assert child["height"].value < usual["height"].value - 0.3
    assert all(one.value > 0 for one in child.values())


def test_uncertain_parameters_make_uncertain_girths():
    """By chance: as far as samples of the parameters spread."""
    values = MODEL.usual + np.array([0.1, 0.05, 0.1, 0.1, 0.1, 0.1])  # away from kinks
    sigma = 0.02 * np.ones(6)
    found = measurements(MODEL.shaped(values), np.diag(sigma**2))
    rng = np.random.default_rng(1)
    drawn = [measurements(MODEL.shaped(values + sigma * rng.normal(size=6)), SURE) for _ in range(12)]
    for name in ("height", "waist girth", "volume"):
        spread = np.std([one[name].value for one in drawn], ddof=1)
        assert 0.5 < spread / found[name].sigma < 1.9
