"""Many calibrated cameras: who the subject is, how noisy each camera is, and where every joint is."""

from recon3d.multiview.agreement import Agreement, judge_agreement
from recon3d.multiview.follow import follow_people
from recon3d.multiview.frames import ImageFit, check_fit, to_rig_image, to_rig_pixels
from recon3d.multiview.noise import NoiseScale, estimate_noise
from recon3d.multiview.people import Claim, Identities, PeopleTracker, Somebody
from recon3d.multiview.plausible import refuse_all
from recon3d.multiview.reconstruct import (
    Calibrated,
    MultiviewSettings,
    Reconstruction,
    people_tracker,
    reconstruct,
    reconstruct_windows,
    sample_of,
    see_people,
    survey,
)
from recon3d.multiview.sync import Seen, Timeline, Views, align_in_time, check_cameras, synchronise

__all__ = [
    "Agreement",
    "Calibrated",
    "Claim",
    "Identities",
    "ImageFit",
    "MultiviewSettings",
    "NoiseScale",
    "PeopleTracker",
    "Reconstruction",
    "Seen",
    "Somebody",
    "Timeline",
    "Views",
    "align_in_time",
    "check_cameras",
    "check_fit",
    "estimate_noise",
    "follow_people",
    "judge_agreement",
    "people_tracker",
    "reconstruct",
    "reconstruct_windows",
    "refuse_all",
    "sample_of",
    "see_people",
    "survey",
    "synchronise",
    "to_rig_image",
    "to_rig_pixels",
]
