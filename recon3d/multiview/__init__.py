"""Many calibrated cameras: who the subject is, how noisy each camera is, and where every joint is."""

from recon3d.multiview.agreement import Agreement, judge_agreement
from recon3d.multiview.follow import follow_subject
from recon3d.multiview.frames import ImageFit, to_rig_pixels
from recon3d.multiview.noise import NoiseScale, estimate_noise
from recon3d.multiview.reconstruct import (
    Calibrated,
    MultiviewSettings,
    reconstruct,
    reconstruct_windows,
    sample_of,
    survey,
)
from recon3d.multiview.sync import Seen, Timeline, Views, align_in_time, check_cameras, synchronise

__all__ = [
    "Agreement",
    "Calibrated",
    "ImageFit",
    "MultiviewSettings",
    "NoiseScale",
    "Seen",
    "Timeline",
    "Views",
    "align_in_time",
    "check_cameras",
    "estimate_noise",
    "follow_subject",
    "judge_agreement",
    "reconstruct",
    "reconstruct_windows",
    "sample_of",
    "survey",
    "synchronise",
    "to_rig_pixels",
]
