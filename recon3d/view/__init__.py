"""Pages that show a take."""

from recon3d.view.page import Scene, write_page

__all__ = ["Scene", "write_page"]
