"""Points, rays, rigid motions, cameras, and the solvers over them."""

from recon3d.geometry.camera import Camera, CameraRig, Clock, Intrinsics
from recon3d.geometry.lie import SE3, SO3

__all__ = ["SE3", "SO3", "Camera", "CameraRig", "Clock", "Intrinsics"]
