"""MoveNet: one person in a square crop (Thunder), or up to six in the whole image (MultiPose)."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

from recon3d.detect.card import ModelCard, load_card, open_session
from recon3d.opencv import import_cv2


@dataclass(frozen=True, slots=True, eq=False)
class People:
    """Persons found in one image.

    Attributes:
        xy: px of the image.
        confidence: score of each point.
        score: of each person.
    """

    xy: Float[np.ndarray, "people joints 2"]
    confidence: Float[np.ndarray, "people joints"]
    score: Float[np.ndarray, "people"]


class SinglePose:
    """One person in a square part of the image."""

    def __init__(self, card: ModelCard | None = None, threads: int = 1):
        self.card = card or load_card("movenet_thunder")
        self._session = open_session(self.card, threads)
        self._input = self._session.get_inputs()[0].name

    def __call__(
        self, image: UInt8[np.ndarray, "height width 3"], centre: Float[np.ndarray, "2"], side: float
    ) -> tuple[Float[np.ndarray, "joints 2"], Float[np.ndarray, "joints"]]:
        """Keypoints (px of the image) and scores of the person in the square of this centre and side (px)."""
        cv2 = import_cv2()
        width, height = self.card.input
        scale = width / side
        # Pixel centres at integers: (x + 0.5 - left edge) * scale - 0.5.
        left, top = centre + 0.5 - 0.5 * side
        matrix = np.array([[scale, 0, (0.5 - left) * scale - 0.5], [0, scale, (0.5 - top) * scale - 0.5]])

        crop = cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_LINEAR)
        (out,) = self._session.run(None, {self._input: crop[None].astype(np.int32)})
        points = out.reshape(-1, 3).astype(float)
        edge = points[:, 1::-1] * (width, height)
        return edge / scale + (left, top) - 0.5, points[:, 2]


class MultiPose:
    """All people of an image, coarsely."""

    def __init__(self, card: ModelCard | None = None, threads: int = 1):
        self.card = card or load_card("movenet_multipose")
        self._session = open_session(self.card, threads)
        self._input = self._session.get_inputs()[0].name

    def __call__(self, image: UInt8[np.ndarray, "height width 3"]) -> People:
        """Up to six people, best first."""
        cv2 = import_cv2()
        height, width = image.shape[:2]
        scale = max(self.card.input) / max(width, height)
        small = (round(width * scale), round(height * scale))
        padded = (-(-small[0] // 32) * 32, -(-small[1] // 32) * 32)
        canvas = np.zeros((padded[1], padded[0], 3), np.int32)
        canvas[: small[1], : small[0]] = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
        (out,) = self._session.run(None, {self._input: canvas[None]})
        rows = out.reshape(-1, 56).astype(float)
        rows = rows[rows[:, 55] >= self.card.min_score]
        rows = rows[np.argsort(-rows[:, 55], kind="stable")]
        points = rows[:, :51].reshape(len(rows), 17, 3)
        ratio = np.array([width / small[0], height / small[1]])
        xy = points[..., 1::-1] * padded * ratio - 0.5
        return People(xy, points[..., 2], rows[:, 55])
