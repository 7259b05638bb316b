"""Composite fields (Kreiss 2021), as OpenPifPaf has them: cells vote for points (CIF) and for pairs of points (CAF).

Votes of all cells are gathered in a fine map whose peaks are the candidates; a pair of candidates is as
likely as the votes for pairs that end near both.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from recon3d.detect.card import ModelCard
from recon3d.detect.decoders.grouping import Groups, one_to_one
from recon3d.detect.decoders.outputs import squeezed
from recon3d.detect.decoders.peaks import local_peaks
from recon3d.detect.people import People
from recon3d.errors import InputError
from recon3d.opencv import import_cv2

OPTIONS = {
    "stride": 8,
    "limbs": [],
    "cif": [1, 2, 3, 4],  # components: confidence, x, y, scale; as written since version 0.13
    "caf": [1, 2, 3, 4, 5, 6, 7],  # confidence, x and y of both ends, scales of both ends
    "vote": 0.1,
    "peak": 0.3,
    "points": 3,
}
_VOTERS = 16.0  # cells whose sure votes make a sure point
_LEAST_SIGMA_PX = 2.0
_REACH_PX = 3
_LEAST_PAIR = 0.05  # of a pair's votes, in sure votes


def composite_fields(outputs: Sequence[np.ndarray], card: ModelCard) -> People:
    """CIF ``(joints, components, rows, columns)`` and CAF ``(limbs, components, rows, columns)``; positions in cells.

    The card's ``limbs`` names the two points of each of CAF's fields, in their order.
    """
    cif, caf = (squeezed(output, 4).astype(float) for output in outputs[:2])
    limbs = [(card.points.index(a), card.points.index(b)) for a, b in card.option("limbs")]
    if len(cif) != len(card.points) or len(caf) != len(limbs):
        raise InputError(
            f"model {card.name}: {len(card.points)} fields of points and {len(limbs)} of pairs (limbs in the card's options) were "
            f"expected, but the outputs have shapes {cif.shape} and {caf.shape}"
        )
    which, at, height, sigma = _candidates(cif, card)
    groups = Groups()
    for field, (a, b) in zip(caf, limbs, strict=True):
        first, second = np.flatnonzero(which == a), np.flatnonzero(which == b)
        for i, k, score in one_to_one(_pairs(field, at[first], at[second], sigma[first], sigma[second], card)):
            groups.join((a, int(first[i])), (b, int(second[k])), score)
    return groups.people(at, height, len(card.points), int(card.option("points"))).best_first(card.min_score)


def _candidates(
    cif: Float[np.ndarray, "joints components rows columns"], card: ModelCard
) -> tuple[np.ndarray, Float[np.ndarray, "candidates 2"], Float[np.ndarray, "candidates"], Float[np.ndarray, "candidates"]]:
    """Peaks of the gathered votes: whose, where (px), how sure, and the votes' sigma, px."""
    cv2, stride = import_cv2(), float(card.option("stride"))
    confidence, x, y, scale = (cif[:, component] for component in card.option("cif"))
    width, height = card.input
    maps = np.zeros((len(cif), height, width), np.float32)
    spread = np.full(len(cif), _LEAST_SIGMA_PX)
    for joint in range(len(cif)):
        votes = confidence[joint] > float(card.option("vote"))
        if not votes.any():
            continue
        px, py = np.rint(x[joint][votes] * stride).astype(int), np.rint(y[joint][votes] * stride).astype(int)
        inside = (px >= 0) & (px < width) & (py >= 0) & (py < height)
        spread[joint] = max(_LEAST_SIGMA_PX, 0.5 * float(np.median(scale[joint][votes])) * stride)
        np.add.at(maps[joint], (py[inside], px[inside]), confidence[joint][votes][inside] / _VOTERS)
        # A vote's own peak is 1: the blur would have it spread over its area.
        maps[joint] = cv2.GaussianBlur(maps[joint], (0, 0), spread[joint]) * (2 * np.pi * spread[joint] ** 2)
    which, cells, top = local_peaks(maps, float(card.option("peak")), _REACH_PX)
    at = cells.astype(float)
    for k, joint in enumerate(which.tolist()):
        votes = confidence[joint] > float(card.option("vote"))
        places = np.stack([x[joint][votes], y[joint][votes]], -1) * stride
        near = np.exp(-0.5 * ((places - at[k]) ** 2).sum(-1) / spread[joint] ** 2) * confidence[joint][votes]
        at[k] = (near[:, None] * places).sum(0) / max(float(near.sum()), 1e-9)
    return which, at, np.minimum(top, 1.0), spread[which]


def _pairs(
    field: Float[np.ndarray, "components rows columns"],
    start: Float[np.ndarray, "starts 2"],
    end: Float[np.ndarray, "ends 2"],
    start_sigma: Float[np.ndarray, "starts"],
    end_sigma: Float[np.ndarray, "ends"],
    card: ModelCard,
) -> Float[np.ndarray, "starts ends"]:
    """How likely each pair is: the votes for it, 1 for as many sure ones as make a sure point; 0 below the least."""
    stride = float(card.option("stride"))
    confidence, x1, y1, x2, y2, *_ = (field[component] for component in card.option("caf"))
    votes = confidence > float(card.option("vote"))
    ends = np.stack([np.stack([x[votes], y[votes]], -1) for x, y in ((x1, y1), (x2, y2))]) * stride
    near_start = np.exp(-0.5 * ((start[:, None] - ends[0]) ** 2).sum(-1) / start_sigma[:, None] ** 2)
    near_end = np.exp(-0.5 * ((end[:, None] - ends[1]) ** 2).sum(-1) / end_sigma[:, None] ** 2)
    score = (near_start * confidence[votes]) @ near_end.T
    return np.where(score > _LEAST_PAIR, np.minimum(score / _VOTERS, 1.0), 0.0)
