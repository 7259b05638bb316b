"""Which networks find and follow people, by how fast it must be."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

from recon3d.detect.blend import WITH_FEET
from recon3d.detect.card import load_card
from recon3d.detect.network import Network
from recon3d.errors import InputError, valid_names
from recon3d.skeleton import Layout, load_layout

Speed = Literal["fast", "default", "accurate"]
SEARCH = "movenet_multipose"
"""Card of the network that finds everybody in an image."""
_NETWORKS: dict[str, tuple[str, str | None, float, bool]] = {
    "fast": ("movenet_lightning", None, 0.0, False),
    "default": ("movenet_thunder", "blazepose_heavy", 0.25, False),
    "accurate": ("movenet_thunder", "blazepose_heavy", 0.0, True),
}
"""One person's network, the slower one beside it, seconds between its runs at the most, and whether mirror images are looked at too."""


@dataclass(frozen=True, slots=True, eq=False)
class Detector:
    """The networks of one speed.

    Attributes:
        multi: finds everybody in an image, coarsely.
        single: one person's points in a crop, in every frame.
        detail: a slower network that is blended in and gives the feet (see `blended`); None for none.
        detail_s: seconds between its runs at the most; it runs sooner when the pose has changed; 0 for every frame.
        mirrored: whether both look at the mirror image as well.
    """

    multi: Network
    single: Network
    detail: Network | None = None
    detail_s: float = 0.0
    mirrored: bool = False

    @property
    def layout(self) -> Layout:
        """Of the points that come out."""
        return self.single.card.points if self.detail is None else load_layout(WITH_FEET)


def card_names_of(speed: str) -> tuple[str, ...]:
    """Names of the cards that a speed uses."""
    _check(speed)
    single, detail, _, _ = _NETWORKS[speed]
    return (SEARCH, single) if detail is None else (SEARCH, single, detail)


def load_detector(speed: Speed = "default") -> Detector:
    """The networks of a speed, ready to run.

    Raises:
        InputError: no such speed.
    """
    _check(speed)
    _, _, detail_s, mirrored = _NETWORKS[speed]
    with ThreadPoolExecutor() as pool:  # reading and preparing a network takes a good part of a second
        multi, own, *slower = pool.map(lambda name: Network(load_card(name)), card_names_of(speed))
    return Detector(multi, own, slower[0] if slower else None, detail_s, mirrored)


def _check(speed: str) -> None:
    if speed not in _NETWORKS:
        raise InputError(f"speed must be {valid_names(_NETWORKS)}, not {speed!r}")
