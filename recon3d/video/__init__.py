"""Frames and time stamps in."""

from recon3d.video.ahead import ahead
from recon3d.video.clip import SUFFIXES, Video, open_video, open_videos
from recon3d.video.told import told_fov_deg

__all__ = ["SUFFIXES", "Video", "ahead", "open_video", "open_videos", "told_fov_deg"]
