"""One camera: 2D keypoints of a person lifted to 3D by a learned network."""

from recon3d.monocular.lifter import Follower, Lifted, Lifter, NetworkLifter, PointsOfView, points_of_view, shipped
from recon3d.monocular.points import JOINTS, POINTS

__all__ = ["JOINTS", "POINTS", "Follower", "Lifted", "Lifter", "NetworkLifter", "PointsOfView", "points_of_view", "shipped"]
