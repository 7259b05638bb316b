import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from recon3d.geometry import SE3, SO3
from recon3d.skeleton import load_armature
from recon3d.skeleton.angles import ORDERS, joint_angles

HUMAN = load_armature()


def angles_of(**turns):
    """Angles of one pose: arms hang, but for the turns given (matrices)."""
    rotation = np.tile(np.eye(3), (1, len(HUMAN.joints), 1, 1))
    for side, sign in (("left", 1), ("right", -1)):
        rotation[0, HUMAN.index(f"{side}_shoulder")] = about("y", sign * 90)
    for joint, turn in turns.items():
        rotation[0, HUMAN.index(joint)] = turn @ rotation[0, HUMAN.index(joint)]
    poses = HUMAN.forward(SE3(SO3.identity(1), np.zeros((1, 3))), rotation)
    return {name: float(value[0]) for name, value in joint_angles(HUMAN, poses).items()}


def about(axis, degrees):
    return Rotation.from_euler(axis, degrees, degrees=True).as_matrix()


def test_the_anatomical_position_is_zero():
    still = {name: value for name, value in angles_of().items() if "elevation" not in name and "axial" not in name}
    assert len(still) == 6 + 5 * 6
    np.testing.assert_allclose(list(still.values()), 0, atol=1e-9)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize(
    ("joint", "axis", "degrees", "name"),
    [
        ("hip", "x", -30, "hip.flexion"),  # thigh forward
        ("hip", "y", -20, "hip.abduction"),  # left thigh to the left
        ("hip", "z", -15, "hip.rotation"),  # left thigh turned inward
        ("knee", "x", 40, "knee.flexion"),
        ("ankle", "x", -10, "ankle.flexion"),
        ("shoulder", "x", -50, "shoulder.flexion"),
        ("shoulder", "y", -60, "shoulder.abduction"),
        ("elbow", "z", -70, "elbow.flexion"),
    ],
)
def test_signs_are_those_of_the_clinic_on_both_sides(side, joint, axis, degrees, name):
    mirror = -1 if side == "right" and axis != "x" else 1
    found = angles_of(**{f"{side}_{joint}": about(axis, mirror * degrees)})
    assert found[f"{side}_{name}"] == pytest.approx(abs(degrees))


@pytest.mark.parametrize("side", ["left", "right"])
def test_elevation_of_the_shoulder(side):
    sign = 1 if side == "left" else -1
    sideways = angles_of(**{f"{side}_shoulder": about("y", -sign * 60)})
    assert sideways[f"{side}_shoulder.elevation"] == pytest.approx(60)
    assert sideways[f"{side}_shoulder.plane_of_elevation"] == pytest.approx(0, abs=1e-6)
    forward = angles_of(**{f"{side}_shoulder": about("x", -60)})
    assert forward[f"{side}_shoulder.elevation"] == pytest.approx(60)
    assert forward[f"{side}_shoulder.plane_of_elevation"] == pytest.approx(-90)


def test_left_foot_forward_is_where_the_toes_are():
    rotation = np.tile(np.eye(3), (1, len(HUMAN.joints), 1, 1))
    rotation[0, HUMAN.index("left_hip")] = about("x", -30)
    poses = HUMAN.forward(SE3(SO3.identity(1), np.zeros((1, 3))), rotation)
    knee, toes, ankle = (poses.translation[0, HUMAN.index(f"left_{name}")] for name in ("knee", "toes", "ankle"))
    assert knee[1] < -0.1 and joint_angles(HUMAN, poses)["left_hip.flexion"][0] > 0
    assert toes[1] < ankle[1]


@pytest.mark.parametrize("order", ["xyz", "zyx", "zyz"])
def test_angles_make_the_rotation_again(order):
    rng = np.random.default_rng(0)
    turn = Rotation.random(200, random_state=rng).as_matrix()
    angles = ORDERS[order](turn)
    np.testing.assert_allclose(Rotation.from_euler(order.upper(), angles).as_matrix(), turn, atol=1e-9)


def test_angles_do_not_jump():
    rotation = np.tile(np.eye(3), (40, len(HUMAN.joints), 1, 1))
    rotation[:, HUMAN.index("left_hip")] = SO3.exp(np.linspace(0, 1.8 * np.pi, 40)[:, None] * np.array([-1.0, 0, 0])).matrix
    angle = joint_angles(HUMAN, HUMAN.forward(SE3(SO3.identity(40), np.zeros((40, 3))), rotation))["left_hip.flexion"]
    assert np.abs(np.diff(angle)).max() < 10
