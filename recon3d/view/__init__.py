"""Pages that show a take, and a calibration."""

from recon3d.view.calibration_page import write_calibration_page
from recon3d.view.page import Scene, write_page

__all__ = ["Scene", "write_calibration_page", "write_page"]
