"""2D keypoints from video with the networks that come with recon3d."""

from recon3d.detect.card import ModelCard, card_names, load_card
from recon3d.detect.network import Network
from recon3d.detect.people import People
from recon3d.detect.track import Sheet, Tracker, TrackSettings, detect_windows

MULTI, SINGLE = "movenet_multipose", "movenet_thunder"
"""Cards of the networks that find people in an image, and one person's points in a crop."""

__all__ = [
    "MULTI",
    "SINGLE",
    "ModelCard",
    "Network",
    "People",
    "Sheet",
    "TrackSettings",
    "Tracker",
    "card_names",
    "detect_windows",
    "load_card",
]
