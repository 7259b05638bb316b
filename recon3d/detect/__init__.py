"""2D keypoints from video with the networks that come with recon3d."""

from recon3d.detect.card import ModelCard, card_names, load_card
from recon3d.detect.movenet import MultiPose, People, SinglePose
from recon3d.detect.track import Sheet, Tracker, TrackSettings, detect_windows

__all__ = [
    "ModelCard",
    "MultiPose",
    "People",
    "Sheet",
    "SinglePose",
    "TrackSettings",
    "Tracker",
    "card_names",
    "detect_windows",
    "load_card",
]
