"""Deciding between rival points by what is roughly known of the distances between them.

Two views that contradict a third leave two or three places for a point, equally likely by the pixels
alone. The other points of the same body tell which: a forearm is as long as a forearm. Each point's
candidates are weighed by pixel evidence and by links to its neighbours' candidates, by mean-field
iteration over all bodies at once (Bishop 2006, section 10.1). The unknown size of each body is the
median ratio over the links whose ends are certain.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from recon3d.arrays import freeze_fields

_STRAY_SHARE = 0.03  # of links whose length says nothing: a body unlike the table, a bent point of view
_SPAN_M = 1.5  # distances between two unrelated points of a body spread over this
_ROUNDS = 4
_CERTAIN = 0.98
_SIZE_RANGE = (0.25, 1.6)  # an infant to a giant, as a share of the table's body


@dataclass(frozen=True, slots=True, eq=False)
class Links:
    """Roughly known distances between the points of a body.

    Attributes:
        count: points a body.
        pairs: indices of the two points.
        length_m: distance in a body of standard size.
        sigma_m: its spread over people and poses, at that size.
    """

    count: int
    pairs: Int[np.ndarray, "links 2"]
    length_m: Float[np.ndarray, "links"]
    sigma_m: Float[np.ndarray, "links"]

    def __post_init__(self) -> None:
        freeze_fields(self)


def weigh(
    modes: Float[np.ndarray, "modes 3 points"], evidence: Float[np.ndarray, "modes points"], links: Links | None
) -> Float[np.ndarray, "modes points"]:
    """Posterior probability of each candidate; what is missing to 1 says that none is right.

    Args:
        modes: candidates, m; NaN where there is none.
        evidence: log evidence of each against "none is right"; -inf where there is none.
        links: with them, points are bodies of ``links.count`` points each, one after the other.
    """
    if links is None or not len(links.pairs):
        return _softmax(evidence)
    kinds, count = evidence.shape
    bodies = count // links.count
    at = modes.reshape(kinds, 3, bodies, links.count)
    base = evidence.reshape(kinds, bodies, links.count)
    a, b = links.pairs[:, 0], links.pairs[:, 1]
    # (modes of a, modes of b, bodies, links)
    with np.errstate(invalid="ignore"):
        distance = np.sqrt(((at[:, None, :, :, a] - at[None, :, :, :, b]) ** 2).sum(2))
    posterior = _softmax(base)
    size = _body_size(distance[0, 0], posterior[0], links)
    fit = _fit(distance, size, links)
    for _ in range(_ROUNDS):
        message = base.copy()
        np.add.at(message, (slice(None), slice(None), a), np.einsum("ijfl,jfl->ifl", fit, posterior[:, :, b]))
        np.add.at(message, (slice(None), slice(None), b), np.einsum("ijfl,ifl->jfl", fit, posterior[:, :, a]))
        posterior = _softmax(message)
    return posterior.reshape(kinds, count)


def _body_size(
    distance: Float[np.ndarray, "bodies links"], certain: Float[np.ndarray, "bodies points"], links: Links
) -> Float[np.ndarray, "bodies 1"]:
    sure = (certain[:, links.pairs] > _CERTAIN).all(-1) & np.isfinite(distance)
    enough = sure.sum(1) >= 4
    ratio = np.where(sure, distance / links.length_m, np.nan)
    size = np.ones(len(distance))
    if enough.any():
        size[enough] = np.nanmedian(ratio[enough], axis=1)
        size[~enough] = np.median(size[enough])
    return np.clip(size, *_SIZE_RANGE)[:, None]


def _fit(
    distance: Float[np.ndarray, "modes modes bodies links"], size: Float[np.ndarray, "bodies 1"], links: Links
) -> Float[np.ndarray, "modes modes bodies links"]:
    """Log likelihood ratio of a distance: of these two points of one body, against two unrelated ones."""
    sigma = links.sigma_m * size
    off = (distance - links.length_m * size) / sigma
    with np.errstate(invalid="ignore", over="ignore"):
        ratio = (1 - _STRAY_SHARE) * _SPAN_M / (np.sqrt(2 * np.pi) * sigma) * np.exp(-0.5 * off * off) + _STRAY_SHARE
    return np.where(np.isfinite(distance), np.log(ratio), 0.0)


def _softmax(evidence: Float[np.ndarray, "modes *rest"]) -> Float[np.ndarray, "modes *rest"]:
    """Probabilities of candidates with these log odds against "none"."""
    top = np.maximum(evidence.max(0), 0.0)
    top = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(over="ignore"):
        weight = np.exp(evidence - top)
    return np.nan_to_num(weight / (weight.sum(0) + np.exp(-top)))
