"""Pages that show a take, and a calibration; keypoints drawn over a video."""

from recon3d.view.calibration_page import write_calibration_page
from recon3d.view.overlay import draw_people, write_overlay
from recon3d.view.page import Scene, write_page
from recon3d.view.picture import write_png

__all__ = ["Scene", "draw_people", "write_calibration_page", "write_overlay", "write_page", "write_png"]
