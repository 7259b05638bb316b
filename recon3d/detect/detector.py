"""Which networks find and follow people, by how fast it must be or by the user's own card."""

import functools
import json
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from importlib import resources
from typing import Literal

import numpy as np
from jaxtyping import Float

from recon3d.detect.blend import WITH_FEET
from recon3d.detect.card import ModelCard, load_card
from recon3d.detect.decoders import DECODERS
from recon3d.detect.network import Look, Network, looks_at_all
from recon3d.detect.people import People
from recon3d.errors import InputError, valid_names
from recon3d.records import ScoreSigma, parse_score_sigma
from recon3d.skeleton import Layout, load_layout, map_layout

Speed = Literal["fast", "default", "accurate"]
SEARCH = "movenet_multipose"
"""Card of the network that finds everybody in an image."""
_FEW = 3  # points that a network shares with the searching one: with fewer it is not for bodies
_PLAIN = (Look(),)
_BOTH = (Look(), Look(mirrored=True))
_IN_TURN = (Look(mirrored=True), Look(15.0), Look(-15.0))
"""A network's error in one look lasts; those of looks so different are hardly related, so that their mean is better."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """Which networks run when.

    Attributes:
        single: card of the network for one person's crop.
        detail: card of a slower one that is blended in and gives the feet (see `blended`); None for none.
        detail_s: seconds between its runs at the most; it runs sooner when the pose has changed; 0 for every frame.
        looks: of the first network.
        detail_looks: of the slower one, one a run, in turn.
        sigma: table of blends.toml with what its scores are worth; None for that of the first network's card.
        between_s: a frame nearer than this to the last look need not be looked at where all move evenly; 0 for every frame.
        smooth: sigmas by which a body may be off even motion there.
        search_px: longest side of the image that the search looks at; 0 for what its card says.
    """

    single: str
    detail: str | None = None
    detail_s: float = 0.0
    looks: tuple[Look, ...] = _PLAIN
    detail_looks: tuple[Look, ...] = _PLAIN
    between_s: float = 0.021
    smooth: float = 0.0
    search_px: int = 0
    sigma: str | None = None


RECIPES: dict[str, Recipe] = {
    "fast": Recipe("movenet_lightning", between_s=0.034, smooth=12.0, search_px=256),
    "default": Recipe("movenet_thunder", "blazepose_heavy", 0.1, detail_looks=_IN_TURN, sigma="default"),
    "accurate": Recipe("movenet_thunder", "blazepose_heavy", 0.0, _BOTH, _IN_TURN, between_s=0.0, sigma="accurate"),
}
"""By speed."""


@dataclass(frozen=True, slots=True, eq=False)
class Detector:
    """Networks ready to run.

    Attributes:
        multi: finds everybody in an image.
        single: one person's points in a crop; None where the first network is good enough to be run in every frame.
        detail: a slower network that is blended in; None for none.
        recipe: when they run.
    """

    multi: Network
    single: Network | None
    detail: Network | None
    recipe: Recipe

    @property
    def card(self) -> ModelCard:
        """Of the network that runs in every frame."""
        return self.multi.card if self.single is None else self.single.card

    @property
    def sigma(self) -> ScoreSigma | None:
        """Of what comes out, by score and point, where it was learned."""
        return self.card.sigma if self.recipe.sigma is None else _learned().get(self.recipe.sigma)

    @property
    def layout(self) -> Layout:
        """Of the points that come out."""
        return self.card.points if self.detail is None else load_layout(WITH_FEET)

    def search(self, image: np.ndarray) -> People:
        """Everybody in an image, in the layout of `card`; coarse where another network looks closer."""
        found = self.multi.people(image)
        if self.multi.card.points is self.card.points:
            return found
        mapping = map_layout(self.multi.card.points, self.card.points)
        if len(mapping.missing) > len(self.card.points) - _FEW:
            # Not a body: one thing in the image, anywhere.
            corners = np.array([[0.0, 0.0], [image.shape[1] - 1.0, image.shape[0] - 1.0]])
            joints = len(self.card.points)
            return People(corners[np.arange(joints) % 2][None], np.zeros((1, joints)), np.ones(1))
        return People(mapping.positions(found.xy), mapping.confidences(found.confidence), found.score)

    def person(self, image: np.ndarray, xy: Float[np.ndarray, "joints 2"], confidence: Float[np.ndarray, "joints"]) -> People:
        """The one person whom rough points of the layout of `card` lie on."""
        assert self.single is not None
        return self.single.person(image, xy, confidence, looks=self.recipe.looks)


@functools.cache
def _learned() -> dict[str, ScoreSigma]:
    """What scores of several networks blended are worth."""
    path = resources.files("recon3d.detect") / "blends.toml"
    tables = tomllib.loads(path.read_text(encoding="utf-8"))
    return {name: parse_score_sigma(table, f"blends.toml: {name}") for name, table in tables.items()}


def cards_of(speed: str, card: str = "") -> tuple[ModelCard, ...]:
    """The cards that a speed uses, or those beside a user's own card (a name or a path).

    Raises:
        InputError: no such speed or card, or a card whose network is not for bodies.
    """
    if speed not in RECIPES:
        raise InputError(f"speed must be {valid_names(RECIPES)}, not {speed!r}")
    if not card:
        recipe = RECIPES[speed]
        others = [load_card(name) for name in (recipe.single, recipe.detail) if name is not None]
        return (_search(recipe), *others)
    own = load_card(card)
    if own.decoder in DECODERS and not DECODERS[own.decoder].bodies:
        raise InputError(f"model {own.name} is not for bodies: it looks at hands or faces that something else has found")
    return (own,) if looks_at_all(own) else (_search(RECIPES[speed]), own)


def _search(recipe: Recipe) -> ModelCard:
    card = load_card(SEARCH)
    return replace(card, input=(recipe.search_px, recipe.search_px)) if recipe.search_px else card


def identity_of(speed: str, card: str = "") -> list[str]:
    """What decides what a speed or a user's own card sees: recipe, cards with all they name, and what scores are worth."""
    recipe = RECIPES[speed]
    learned = _learned().get(recipe.sigma) if recipe.sigma is not None and not card else None
    table = "" if learned is None else json.dumps(learned.as_table(), sort_keys=True)
    return [repr(recipe), table, *(one.identity() for one in cards_of(speed, card))]


def output_of(speed: str, card: str = "") -> tuple[str, str]:
    """Name of the layout, and the kind of scores, of what a speed or a user's own card gives."""
    recipe, first = RECIPES[speed], cards_of(speed, card)
    own = first[-1] if card else first[1]
    return (WITH_FEET if recipe.detail is not None and not card else own.points.name), own.score_kind


def load_detector(speed: Speed = "default", card: str = "", threads: int = 1) -> Detector:
    """The networks of a speed, or a user's own beside what it needs, ready to run.

    Args:
        speed: fast, default or accurate.
        card: name or path of a model card instead; the speed then only says whether every frame is looked at, and
            whether its mirror image is too (accurate).
        threads: a network may use.

    Raises:
        InputError: no such speed or card, or a file that is not the card's.
    """
    cards = cards_of(speed, card)
    with ThreadPoolExecutor() as pool:  # reading and preparing a network takes a good part of a second
        networks = list(pool.map(lambda one: Network(one, threads), cards))
    recipe = RECIPES[speed]
    if card:
        # Without pairs in the layout, left and right of a mirror image would be averaged into the middle.
        paired = bool((cards[-1].points.mirror != np.arange(len(cards[-1].points))).any())
        looks = tuple(look for look in recipe.looks if paired or not look.mirrored)
        recipe = replace(recipe, single=card, detail=None, sigma=None, looks=looks)
        return Detector(networks[0], networks[1] if len(networks) > 1 else None, None, recipe)
    return Detector(networks[0], networks[1], networks[2] if len(networks) > 2 else None, recipe)
