"""2D keypoints from video with the networks that come with recon3d."""

from recon3d.detect.card import ModelCard, card_names, load_card
from recon3d.detect.detector import Detector, Speed, cards_of, identity_of, load_detector, output_of
from recon3d.detect.link import Linker
from recon3d.detect.network import Look, Network
from recon3d.detect.people import People
from recon3d.detect.sheet import Row, Sheet, Sighting
from recon3d.detect.track import Tracker, TrackSettings, detect_windows

__all__ = [
    "Detector",
    "Linker",
    "Look",
    "ModelCard",
    "Network",
    "People",
    "Row",
    "Sheet",
    "Sighting",
    "Speed",
    "TrackSettings",
    "Tracker",
    "card_names",
    "cards_of",
    "detect_windows",
    "identity_of",
    "load_card",
    "load_detector",
    "output_of",
]
