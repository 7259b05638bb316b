"""What a keypoint and a joint are called, what hangs on what, and how a body can turn."""

from recon3d.skeleton.angles import joint_angles
from recon3d.skeleton.armature import Armature, Attachments, Skeleton
from recon3d.skeleton.armature_file import armature_of, load_armature
from recon3d.skeleton.joined import joined
from recon3d.skeleton.layout import LIMBS, Layout, layout_names, load_layout, other_side
from recon3d.skeleton.mapping import Mapping, map_layout
from recon3d.skeleton.proportions import STATURE_M, body_links

__all__ = [
    "LIMBS",
    "STATURE_M",
    "Armature",
    "Attachments",
    "Layout",
    "Mapping",
    "Skeleton",
    "armature_of",
    "body_links",
    "joined",
    "joint_angles",
    "layout_names",
    "load_armature",
    "load_layout",
    "map_layout",
    "other_side",
]
