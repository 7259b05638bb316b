"""Part-affinity fields (Cao 2017): all people of an image from heatmaps and the fields that join their points.

OpenPose and Lightweight OpenPose. Candidates of two joints are joined where the field between them points
from one to the other; the best pairs are taken first, and pairs that share a candidate become one person.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from recon3d.detect.card import ModelCard
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
    people: list[dict[int, int]] = []
    strength: list[float] = []
    for (a, b), channel in zip(limbs, card.option("fields"), strict=True):
        first, second = np.flatnonzero(which == a), np.flatnonzero(which == b)
        for i, k, score in _pairs(fields[channel : channel + 2], at[first], at[second], card):
            _join(people, strength, (a, int(first[i])), (b, int(second[k])), score)
    return _as_people(people, strength, at, height, maps.shape[1:], card)


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
    out: list[tuple[int, int, float]] = []
    i, k = np.nonzero(fits)
    taken_start, taken_end = set[int](), set[int]()
    for row in np.argsort(-score[i, k], kind="stable").tolist():
        a, b = int(i[row]), int(k[row])
        if a not in taken_start and b not in taken_end:
            taken_start.add(a)
            taken_end.add(b)
            out.append((a, b, float(score[a, b])))
    return out


def _join(people: list[dict[int, int]], strength: list[float], a: tuple[int, int], b: tuple[int, int], score: float) -> None:
    """A limb joins a person that has one of its ends, makes two of them one, or begins one."""
    has_a = next((p for p, own in enumerate(people) if own.get(a[0]) == a[1]), None)
    has_b = next((p for p, own in enumerate(people) if own.get(b[0]) == b[1]), None)
    if has_a is None and has_b is None:
        people.append({a[0]: a[1], b[0]: b[1]})
        strength.append(score)
    elif has_a is not None and has_b is not None:
        if has_a != has_b and not set(people[has_a]) & set(people[has_b]):
            people[has_a].update(people[has_b])
            strength[has_a] += score + strength[has_b]
            del people[has_b], strength[has_b]
    else:
        person, (joint, candidate) = (has_a, b) if has_a is not None else (has_b, a)
        assert person is not None
        if joint not in people[person]:
            people[person][joint] = candidate
            strength[person] += score


def _as_people(
    people: list[dict[int, int]],
    strength: list[float],
    at: Float[np.ndarray, "candidates 2"],
    height: Float[np.ndarray, "candidates"],
    shape: tuple[int, ...],
    card: ModelCard,
) -> People:
    joints = len(card.points)
    kept = [k for k, own in enumerate(people) if len(own) >= int(card.option("points"))]
    xy, confidence = np.full((len(kept), joints, 2), np.nan), np.zeros((len(kept), joints))
    for row, k in enumerate(kept):
        which: Int[np.ndarray, "points"] = np.array(list(people[k]), dtype=np.int64)
        own = np.array(list(people[k].values()), dtype=np.int64)
        xy[row, which] = to_input(at[own], (shape[0], shape[1]), card.input, card.option("grid"))
        confidence[row, which] = height[own]
    score = np.array([(strength[k] + confidence[row].sum()) / (2 * len(people[k])) for row, k in enumerate(kept)])
    return People(xy, confidence, score).best_first(card.min_score)
