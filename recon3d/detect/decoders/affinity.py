"""Part-affinity fields (Cao 2017): all people of an image from heatmaps and the fields that join their points.

OpenPose and Lightweight OpenPose. Candidates of two joints are joined where the field between them points
from one to the other; the best pairs are taken first, and pairs that share a candidate become one person.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from recon3d.detect.card import ModelCard
from recon3d.detect.decoders.grouping import Groups, one_to_one
from recon3d.detect.decoders.outputs import squeezed
from recon3d.detect.decoders.peaks import local_peaks, to_input, within
from recon3d.detect.people import People
from recon3d.errors import InputError

OPTIONS = {"grid": "centre", "peak": 0.1, "field": 0.05, "along": 0.8, "points": 3, "limbs": [], "fields": [], "order": "maps_first"}
_SAMPLES = 10


def affinity(outputs: Sequence[np.ndarray], card: ModelCard) -> People:
    """Maps ``(joints [+ background], rows, columns)`` and fields ``(2 limbs, rows, columns)``, in one output or two.

    The card's ``limbs`` names the two points of each, and ``fields`` the first of its two channels (x, then y).
    """
    maps, fields = _split(outputs, card)
    limbs = [(card.points.index(a), card.points.index(b)) for a, b in card.option("limbs")]
    which, cells, height = local_peaks(maps, float(card.option("peak")))
    at = cells + within(maps, cells, which)
    groups = Groups()
    for (a, b), channel in zip(limbs, card.option("fields"), strict=True):
        first, second = np.flatnonzero(which == a), np.flatnonzero(which == b)
        for i, k, score in _pairs(fields[channel : channel + 2], at[first], at[second], card):
            groups.join((a, int(first[i])), (b, int(second[k])), score)
    inside = to_input(at, (maps.shape[1], maps.shape[2]), card.input, card.option("grid"))
    return groups.people(inside, height, len(card.points), int(card.option("points"))).best_first(card.min_score)


def _split(
    outputs: Sequence[np.ndarray], card: ModelCard
) -> tuple[Float[np.ndarray, "joints rows columns"], Float[np.ndarray, "fields rows columns"]]:
    joints, channels = len(card.points), 2 * len(card.option("limbs"))
    last = [squeezed(output, 3) for output in outputs]
    if len(last) == 1:
        whole = last[0]
        maps, fields = (whole, whole[joints + 1 :]) if card.option("order") == "maps_first" else (whole[channels:], whole)
    else:
        # Of several stages the last two count.
        maps, fields = last[-2:] if card.option("order") == "maps_first" else last[:-3:-1]
    if len(maps) < joints or len(fields) < channels or not channels:
        raise InputError(
            f"model {card.name}: {joints} maps and {channels} fields were expected (limbs in the card's options), "
            f"but the outputs have shapes {', '.join(str(o.shape) for o in outputs)}"
        )
    return maps[:joints], fields


def _pairs(
    field: Float[np.ndarray, "2 rows columns"], start: Float[np.ndarray, "starts 2"], end: Float[np.ndarray, "ends 2"], card: ModelCard
) -> list[tuple[int, int, float]]:
    """Which start belongs to which end, one to one, the best first."""
    if not len(start) or not len(end):
        return []
    along = end[None] - start[:, None]
    length = np.linalg.norm(along, axis=-1)
    unit = along / np.maximum(length, 1e-6)[..., None]
    share = np.linspace(0, 1, _SAMPLES)
    points = start[:, None, None] + share[:, None] * along[:, :, None]
    x, y = (np.rint(points[..., k]).astype(int).clip(0, field.shape[2 - k] - 1) for k in (0, 1))
    flow = field[0, y, x] * unit[:, :, None, 0] + field[1, y, x] * unit[:, :, None, 1]
    # Limbs longer than half of the image are unlikely.
    score = flow.mean(-1) + np.minimum(0.5 * field.shape[1] / np.maximum(length, 1e-6) - 1, 0)
    fits = ((flow > float(card.option("field"))).mean(-1) >= float(card.option("along"))) & (score > 0)
    return one_to_one(np.where(fits, score, 0.0))
