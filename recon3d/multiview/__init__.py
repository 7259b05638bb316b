"""Many calibrated cameras: who the subject is, how noisy each camera is, and where every joint is."""

from recon3d.multiview.agreement import Agreement, judge_agreement
from recon3d.multiview.noise import NoiseScale, estimate_noise
from recon3d.multiview.reconstruct import (
    Calibrated,
    MultiviewSettings,
    reconstruct,
    reconstruct_windows,
    sample_of,
    survey,
)
from recon3d.multiview.subject import LIMBS
from recon3d.multiview.sync import Timeline, Views, align_in_time, check_cameras, synchronise

__all__ = [
    "LIMBS",
    "Agreement",
    "Calibrated",
    "MultiviewSettings",
    "NoiseScale",
    "Timeline",
    "Views",
    "align_in_time",
    "check_cameras",
    "estimate_noise",
    "judge_agreement",
    "reconstruct",
    "reconstruct_windows",
    "sample_of",
    "survey",
    "synchronise",
]
