"""2D keypoints from video with the networks that come with recon3d."""

from recon3d.detect.card import ModelCard, card_names, load_card
from recon3d.detect.detector import Detector, Speed, card_names_of, load_detector
from recon3d.detect.network import Network
from recon3d.detect.people import People
from recon3d.detect.track import Sheet, Tracker, TrackSettings, detect_windows

__all__ = [
    "Detector",
    "ModelCard",
    "Network",
    "People",
    "Sheet",
    "Speed",
    "TrackSettings",
    "Tracker",
    "card_names",
    "card_names_of",
    "detect_windows",
    "load_card",
    "load_detector",
]
