"""An armature fitted to the evidence of a whole take: constant lengths, smooth joint rotations, and how well they are known."""

from recon3d.motion.cameras import Corrections
from recon3d.motion.evidence import Observed, ObservedPiece, joined
from recon3d.motion.lag import FixedLag
from recon3d.motion.prior import PosePrior
from recon3d.motion.sizes import Body, Sample, sample
from recon3d.motion.solve import MotionSettings, Stature, chosen_armature, in_space, measure, solve, solve_window, solve_windows

__all__ = [
    "Body",
    "Corrections",
    "FixedLag",
    "MotionSettings",
    "Observed",
    "ObservedPiece",
    "PosePrior",
    "Sample",
    "Stature",
    "chosen_armature",
    "in_space",
    "joined",
    "measure",
    "sample",
    "solve",
    "solve_window",
    "solve_windows",
]
