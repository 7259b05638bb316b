"""Pages that show a take, and a calibration; keypoints drawn over a video."""

from recon3d.view.calibration_page import write_calibration_page
from recon3d.view.mesh import draw_mesh
from recon3d.view.overlay import draw_people, drawn, write_video
from recon3d.view.page import Scene, write_page
from recon3d.view.picture import write_png

__all__ = ["Scene", "draw_mesh", "draw_people", "drawn", "write_calibration_page", "write_page", "write_png", "write_video"]
