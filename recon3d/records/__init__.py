"""What the stages hand to each other: frozen records that check their own shapes."""

from recon3d.records.animation import Animation
from recon3d.records.association import Association
from recon3d.records.body_params import BodyParams
from recon3d.records.frame import Frame
from recon3d.records.head_pose import HeadPose
from recon3d.records.joint_motion import JointMotion
from recon3d.records.keypoints2d import Keypoints2D, box_diagonal, size_sigma_px
from recon3d.records.keypoints3d import Keypoints3D, State
from recon3d.records.motion import Motion
from recon3d.records.score_sigma import ScoreSigma, parse_score_sigma

__all__ = [
    "Animation",
    "Association",
    "BodyParams",
    "Frame",
    "HeadPose",
    "JointMotion",
    "Keypoints2D",
    "Keypoints3D",
    "Motion",
    "ScoreSigma",
    "State",
    "box_diagonal",
    "parse_score_sigma",
    "size_sigma_px",
]
