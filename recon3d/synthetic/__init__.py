"""Worlds with known truth: rigs, lenses, moving people, noisy detections. Public, so that users can test their rigs."""

from recon3d.synthetic.boards import BoardWorld, make_board_world
from recon3d.synthetic.crowd import Crowd, CrowdSettings, hidden_by_others, make_crowd, make_strollers
from recon3d.synthetic.detections import NoiseSettings, World, hidden_by_trunk, make_world
from recon3d.synthetic.figures import Clothes, draw_figures, write_figures
from recon3d.synthetic.people import MotionKind, Person, make_person
from recon3d.synthetic.rigs import LensKind, RigKind, look_at, make_rig

__all__ = [
    "BoardWorld",
    "Clothes",
    "Crowd",
    "CrowdSettings",
    "LensKind",
    "MotionKind",
    "NoiseSettings",
    "Person",
    "RigKind",
    "World",
    "draw_figures",
    "hidden_by_others",
    "hidden_by_trunk",
    "look_at",
    "make_board_world",
    "make_crowd",
    "make_person",
    "make_rig",
    "make_strollers",
    "make_world",
    "write_figures",
]
