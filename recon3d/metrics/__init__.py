"""How far an answer is from the truth."""

from recon3d.metrics.points import coverage, mpjpe_mm, nees

__all__ = ["coverage", "mpjpe_mm", "nees"]
