"""Frames and time stamps in."""

from recon3d.video.clip import SUFFIXES, Frame, Video, import_cv2, open_video, open_videos

__all__ = ["SUFFIXES", "Frame", "Video", "import_cv2", "open_video", "open_videos"]
