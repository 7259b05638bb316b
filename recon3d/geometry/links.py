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
_CERTAIN = 0.98  # of links that a body's size is taken from
_SETTLED = 0.999  # a point above does not ask its neighbours
_MIN_LINKS = 4
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
    posterior = _softmax(evidence)
    open_points = posterior[0] < _SETTLED
    bodies: int = int(evidence.shape[1]) // links.count
    index = np.arange(bodies * links.count).reshape(bodies, links.count)
    a, b = index[:, links.pairs[:, 0]], index[:, links.pairs[:, 1]]  # bodies links
    body, link = np.nonzero(open_points[a] | open_points[b])
    if not len(body):
        return posterior
    size = _body_sizes(modes[0], posterior[0], a, b, np.unique(body), links)[body]
    a, b = a[body, link], b[body, link]
    distance = np.sqrt(((modes[:, None, :, a] - modes[None, :, :, b]) ** 2).sum(2))  # modes modes edges
    fit = _fit(distance, links.length_m[link] * size, links.sigma_m[link] * size)
    for _ in range(_ROUNDS):
        message = evidence.copy()
        to_a, to_b = (fit * posterior[None, :, b]).sum(1), (fit * posterior[:, None, a]).sum(0)
        for kind in range(len(modes)):
            message[kind] += np.bincount(a, to_a[kind], evidence.shape[1]) + np.bincount(b, to_b[kind], evidence.shape[1])
        posterior = _softmax(message)
    return posterior


def _body_sizes(
    xyz: Float[np.ndarray, "3 points"],
    certain: Float[np.ndarray, "points"],
    a: Int[np.ndarray, "bodies links"],
    b: Int[np.ndarray, "bodies links"],
    wanted: Int[np.ndarray, "some"],
    links: Links,
) -> Float[np.ndarray, "bodies"]:
    """Size of each wanted body: the median ratio over links whose ends are certain; 1 for the others."""
    at, bt = a[wanted], b[wanted]
    ratio = np.sqrt(((xyz[:, at] - xyz[:, bt]) ** 2).sum(0)) / links.length_m
    sure = (certain[at] > _CERTAIN) & (certain[bt] > _CERTAIN) & np.isfinite(ratio)
    ordered = np.sort(np.where(sure, ratio, np.inf), axis=1)
    count = sure.sum(1)
    middle = ordered[np.arange(len(wanted)), np.maximum(count - 1, 0) // 2]
    enough = count >= _MIN_LINKS
    usual = float(np.median(middle[enough])) if enough.any() else 1.0
    size = np.ones(len(a))
    size[wanted] = np.clip(np.where(enough, middle, usual), *_SIZE_RANGE)
    return size


def _fit(
    distance: Float[np.ndarray, "modes modes edges"], length: Float[np.ndarray, "edges"], sigma: Float[np.ndarray, "edges"]
) -> Float[np.ndarray, "modes modes edges"]:
    """Log likelihood ratio of a distance: of these two points of one body, against two unrelated ones."""
    off = (distance - length) / sigma
    ratio = (1 - _STRAY_SHARE) * _SPAN_M / (np.sqrt(2 * np.pi) * sigma) * np.exp(-0.5 * off * off) + _STRAY_SHARE
    return np.where(np.isfinite(distance), np.log(ratio), 0.0)


def _softmax(evidence: Float[np.ndarray, "modes points"]) -> Float[np.ndarray, "modes points"]:
    """Probabilities of candidates with these log odds against "none"."""
    top = np.maximum(evidence.max(0), 0.0)
    weight = np.exp(evidence - top)
    return np.nan_to_num(weight / (weight.sum(0) + np.exp(-top)))
