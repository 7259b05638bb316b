"""An armature fitted to the evidence: constant lengths, joint rotations."""

from recon3d.motion.solve import MotionSettings, measure, solve, solve_windows

__all__ = ["MotionSettings", "measure", "solve", "solve_windows"]
