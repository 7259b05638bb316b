"""MediaPipe Hands: 21 points of one hand in a square that is turned so that the fingers point up."""

from collections.abc import Sequence

import numpy as np

from recon3d.detect.card import ModelCard
from recon3d.detect.people import People
from recon3d.errors import InputError


def hand(outputs: Sequence[np.ndarray], card: ModelCard) -> People:
    """x, y, z of each point in px of the crop; the probability that there is a hand; that it is a right one.

    The network was taught on mirror images: what it calls left is the right hand of a picture as it is, so its number tells a right one.
    """
    joints = len(card.points)
    if len(outputs) < 3 or outputs[0].size != 3 * joints or outputs[1].size != 1 or outputs[2].size != 1:
        raise InputError(f"model {card.name}: {joints} x 3 values, a presence and a side were expected, not {[o.shape for o in outputs]}")
    points, presence, side = (output.reshape(-1).astype(float) for output in outputs[:3])
    xy = points.reshape(joints, 3)[:, :2] - 0.5
    return People(xy[None], np.full((1, joints), presence[0]), presence, right=side)
