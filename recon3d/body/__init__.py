"""Volumetric bodies: models, shapes of people, poses and meshes."""

from recon3d.body.animate import animated, turns_on
from recon3d.body.likeness import like
from recon3d.body.model import BodyModel, PosedBody, ShapedBody, Skin
from recon3d.body.open_body import PHENOTYPES, OpenBody, load_open_body

__all__ = ["PHENOTYPES", "BodyModel", "OpenBody", "PosedBody", "ShapedBody", "Skin", "animated", "like", "load_open_body", "turns_on"]
