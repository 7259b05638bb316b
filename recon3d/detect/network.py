"""A network as its card describes it: what it looks at goes in, people in pixels of the image come out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Shaped, UInt8

from recon3d.arrays import whole_rows
from recon3d.detect.affine import Affine, back, box_crop, letterboxed, turned, warped
from recon3d.detect.card import ModelCard
from recon3d.detect.crops import MIN_CROP_PX
from recon3d.detect.decoders import DECODERS
from recon3d.detect.people import People
from recon3d.detect.session import open_session
from recon3d.errors import InputError, LayoutError, valid_names
from recon3d.skeleton import Layout

_SEEN = 0.2  # score above which a point shapes the crop
_MULTIPLE = 32  # px, that the sides of an input of any size are rounded to


@dataclass(frozen=True, slots=True)
class Look:
    """How a network for one person looks at its crop.

    Attributes:
        turn_deg: by which the crop is turned further, clockwise.
        mirrored: whether it sees the mirror image.
    """

    turn_deg: float = 0.0
    mirrored: bool = False


class Network:
    """One network, ready to run.

    Args:
        card: what it is.
        threads: it may use.
        provider: what must compute, for instance "cuda" or "cpu"; the best that works where none is given.

    Raises:
        InputError: a decoder, an option of it or a provider that there is not, or a file that is not the card's.
        SetupError: the provider asked for fails.
    """

    def __init__(self, card: ModelCard, threads: int = 1, provider: str | None = None):
        if card.decoder not in DECODERS:
            raise InputError(f"model {card.name}: no decoder {card.decoder!r}; there are {valid_names(DECODERS)}")
        self.decoder = DECODERS[card.decoder]
        unknown = sorted(set(card.options) - set(self.decoder.options))
        if unknown:
            raise InputError(
                f"model {card.name}: the decoder {card.decoder} has no option {', '.join(unknown)}; "
                f"it has {valid_names(self.decoder.options)}"
            )
        self.card = replace(card, options={**self.decoder.options, **card.options})
        self._session = open_session(card, threads, provider)
        self._outputs = self._named(self._session.outputs)
        shape = self._session.shape
        self._channels_first = len(shape) == 4 and shape[1] == 3
        self._any_size = None in shape[1:]
        self._check_input()
        try:
            _ = self.card.points
        except LayoutError as error:
            raise InputError(f"model {card.name} (card in {card.folder}): {error}") from None
        unknown = sorted(set(card.sigma.points) - set(card.points.points)) if card.sigma is not None else []
        if unknown:
            raise InputError(f"model {card.name}: the card's sigma names points that layout {card.layout} has not: {', '.join(unknown)}")

    @property
    def provider(self) -> str:
        """What computes it: "cuda", "coreml", "directml", "openvino" or "cpu"."""
        return self._session.provider

    def _named(self, has: tuple[str, ...]) -> tuple[str, ...]:
        lacks = [name for name in self.card.outputs if name not in has]
        if lacks:
            raise InputError(f"model {self.card.name} has no output {', '.join(lacks)}; it has {valid_names(has)}")
        return self.card.outputs or has

    def _check_input(self) -> None:
        """Refuse a card whose input is not the file's."""
        shape = self._session.shape
        if len(shape) != 4:
            return
        height, width = shape[2:] if self._channels_first else shape[1:3]
        asked = self.card.input
        if (width or asked[0], height or asked[1]) != asked:
            raise InputError(f"model {self.card.name}: the card's input is {asked[0]} x {asked[1]}, but the file's is {width} x {height}")

    def _decoded(self, looked_at: UInt8[np.ndarray, "rows columns 3"], card: ModelCard) -> People:
        """What the decoder reads in the network's answer, px of the input."""
        outputs = self.run(looked_at)
        try:
            found = self.decoder.decode(outputs, card)
        except (ValueError, IndexError) as error:
            shapes = ", ".join(str(output.shape) for output in outputs)
            raise InputError(f"model {card.name}: the decoder {card.decoder} cannot read outputs of shapes {shapes} ({error})") from None
        if found.xy.shape[1] != len(card.points):
            raise InputError(
                f"model {card.name}: the network gives {found.xy.shape[1]} points, but layout {card.layout} has {len(card.points)}"
            )
        return found

    def people(self, image: UInt8[np.ndarray, "height width 3"]) -> People:
        """Everybody in the image, by a network that looks at all of it; px of the image."""
        looked_at, to_input = letterboxed(image, self.card.input, _MULTIPLE if self._any_size else None)
        card = replace(self.card, input=(looked_at.shape[1], looked_at.shape[0]))
        return _in_image(self._decoded(looked_at, card), to_input)

    def person(
        self,
        image: UInt8[np.ndarray, "height width 3"],
        xy: Float[np.ndarray, "joints 2"],
        confidence: Float[np.ndarray, "joints"],
        layout: Layout | None = None,
        looks: Sequence[Look] = (Look(),),
    ) -> People:
        """The person whom rough points lie on; px of the image.

        Args:
            image: RGB.
            xy: px of the image.
            confidence: of each point.
            layout: of these points; the card's own where it is not given.
            looks: how often the person is looked at, and how; the mean counts, since the errors of two looks are hardly related.
        """
        to_input = self.crop(xy, confidence, layout or self.card.points)
        seen = [self._look(image, to_input, look) for look in looks]
        if len(seen) == 1:
            return seen[0]
        return People(*(np.mean([getattr(one, name) for one in seen], axis=0) for name in ("xy", "confidence", "score")))

    def _look(self, image: UInt8[np.ndarray, "height width 3"], to_input: Affine, look: Look) -> People:
        to_input = turned(to_input, np.deg2rad(look.turn_deg), self.card.input)
        looked_at = warped(image, to_input, self.card.input)
        if not look.mirrored:
            return _in_image(self._decoded(looked_at, self.card), to_input)
        seen = self._decoded(np.ascontiguousarray(looked_at[:, ::-1]), self.card)
        mirror, flipped = self.card.points.mirror, np.array([self.card.input[0] - 1, 0.0]) + seen.xy * [-1, 1]
        return _in_image(People(flipped[:, mirror], seen.confidence[:, mirror], seen.score), to_input)

    def crop(self, xy: Float[np.ndarray, "joints 2"], confidence: Float[np.ndarray, "joints"], layout: Layout) -> Affine:
        """What a network for one person looks at, from rough points of it."""
        known = whole_rows(xy)
        seen = known & (confidence >= _SEEN)
        shaping = seen if seen.sum() >= 3 else known
        if self.decoder.crop is not None:
            return self.decoder.crop(xy, shaping, layout, self.card)
        low, high = xy[shaping].min(0), xy[shaping].max(0)
        extent = np.maximum((high - low) * self.card.margin, MIN_CROP_PX)
        return box_crop(0.5 * (low + high), extent, self.card.input)

    def run(self, looked_at: UInt8[np.ndarray, "rows columns 3"]) -> list[np.ndarray]:
        """The network's outputs for an image of its own size."""
        return self._session.run(self.values(looked_at), self._outputs)

    def values(self, looked_at: UInt8[np.ndarray, "rows columns 3"]) -> Shaped[np.ndarray, "1 ..."]:
        """The numbers that the network is given for an image of its own size."""
        values = looked_at if self.card.channels == "rgb" else looked_at[..., ::-1]
        if np.issubdtype(self._session.dtype, np.floating):
            mean, std = np.array(self.card.mean, np.float32), np.array(self.card.std, np.float32)
            values = (values - mean) / std
        if self._channels_first:
            values = values.transpose(2, 0, 1)
        return np.ascontiguousarray(values[None], dtype=self._session.dtype)


def looks_at_all(card: ModelCard) -> bool:
    """Whether a card's network finds everybody in a whole image; else it looks at the crop of one person."""
    return card.decoder in DECODERS and DECODERS[card.decoder].whole


def _in_image(seen: People, to_input: Affine) -> People:
    return replace(seen, xy=back(to_input, seen.xy))
