"""What the stages hand to each other: frozen records that check their own shapes."""

from recon3d.records.frame import Frame
from recon3d.records.keypoints2d import Keypoints2D, size_sigma_px
from recon3d.records.keypoints3d import Keypoints3D, State
from recon3d.records.motion import Motion

__all__ = ["Frame", "Keypoints2D", "Keypoints3D", "Motion", "State", "size_sigma_px"]
