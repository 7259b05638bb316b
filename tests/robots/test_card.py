"""Robot cards: those that are shipped, and faults of one's own."""

import pytest

from recon3d.errors import InputError
from recon3d.robots import load_card, robot_names
from recon3d.robots.card import parse_card

LINKS = {part: f"left_{part}" for part in ("hip", "knee", "foot", "shoulder", "elbow", "hand")} | {"pelvis": "base", "torso": "chest"}


def test_all_shipped_cards_can_be_read():
    assert "g1" in robot_names()
    for name in robot_names():
        assert load_card(name).pairs["foot"][0] != load_card(name).pairs["foot"][1]


def test_right_links_are_named_after_left_ones_or_told():
    card = parse_card({"links": LINKS | {"foot": ["l_sole", "r_sole"]}}, "mine.toml")
    assert card.pairs["knee"] == ("left_knee", "right_knee")
    assert card.pairs["foot"] == ("l_sole", "r_sole")
    assert card.name == "mine"


def test_an_unknown_robot_lists_those_there_are():
    with pytest.raises(InputError, match="g1"):
        load_card("atlas")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, r"needs pelvis"),
        ({"links": LINKS | {"foot": "sole"}}, "does not say left"),
        ({"links": LINKS | {"foot": 3}}, "foot must be"),
        ({"links": LINKS | {"tail": "tail"}}, "has 'tail'"),
        ({"links": LINKS, "weights": {}}, "unknown key 'weights'"),
        ({"links": LINKS, "posture": {"knee": "bent"}}, "knee must be a number"),
        ({"links": LINKS, "hand": {"fingers": [0, 0, 0], "thumb": [0, 0, 1]}}, "not all zero"),
        ({"links": LINKS, "hand": {"fingers": [1, 0, 0], "thumb": [1, 0, 0]}}, "right angles"),
        ({"links": LINKS, "hand": {"fingers": [1, 0, 0]}}, "neither"),
        ({"links": LINKS, "urdf": "one.urdf"}, "list of file names"),
        ({"links": LINKS, "name": "../up"}, "name"),
        ({"links": "all"}, "must be tables"),
        ({"links": LINKS | {"torso": "base"}}, "'base' is said to be several parts"),
        ({"links": LINKS, "posture": {"knee": float("nan")}}, "knee must be a number"),
    ],
)
def test_faults(data, message):
    with pytest.raises(InputError, match=message):
        parse_card(data, "mine.toml")
