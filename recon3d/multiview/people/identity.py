"""Which tracks are one person: who was lost and came back is known by its bones, and by where it can have gone."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from recon3d.geometry.links import Links
from recon3d.multiview.people.evidence import unlike
from recon3d.multiview.people.ghosts import mirror_images, motionless, too_short, unlikely
from recon3d.multiview.people.life import Life

_FASTEST, _REACH_M = 6.0, 0.6  # m/s, and m: farther nobody goes in the meantime
_COAST_S = 0.3  # that somebody goes on as fast as it was
_SHORT_S, _SLOW = 1.0, 2.0  # after less than this the place tells too: not farther than at so many m/s
_PLACEMENT_M = 0.003  # by which the same bones differ from one part of a room to another
_SAME, _ALSO = 3.0, 9.0  # mean squared sigmas of bones: alone they tell one person; with the place they only must not deny it
_FEW = 4  # bones
_CHECKED, _UNCHECKED = 3.0, 2.4  # views that show somebody's place: where the first do of one, who has less than the other stands outside
_OVERLAP_S = 0.2  # that somebody may be two tracks at once, when one takes over from the other


@dataclass(frozen=True, slots=True)
class Somebody:
    """One person, or one who was refused.

    Attributes:
        id: people count from 0 in the order of their appearance; after them those who were refused.
        tracks: that are this person.
        first: s, when it was first seen.
        last: s.
        views: that saw it, on average.
        reason: why it was refused; None for a person.
    """

    id: int
    tracks: tuple[int, ...]
    first: float
    last: float
    views: float
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Identities:
    """Who there is in a take.

    Attributes:
        everybody: people, and after them those who were refused.
        notes: what could not be told, for the report.
    """

    everybody: tuple[Somebody, ...]
    notes: tuple[str, ...] = ()

    @property
    def people(self) -> tuple[Somebody, ...]:
        """Those who were not refused."""
        return tuple(one for one in self.everybody if one.reason is None)

    @property
    def refused(self) -> tuple[Somebody, ...]:
        """Those who were."""
        return tuple(one for one in self.everybody if one.reason is not None)


def identify(
    lives: Sequence[Life],
    bones: Links,
    mirror: Int[np.ndarray, "joints"],
    centres: Float[np.ndarray, "cameras 3"],
    take_s: float,
    most: int = 0,
) -> Identities:
    """People from tracks.

    Args:
        lives: of all tracks.
        bones: of the layout, over the points that were tracked.
        mirror: of these points.
        centres: of the cameras, m.
        take_s: how long the take is.
        most: people that are kept, those that were seen most; 0 for all.
    """
    refused: list[tuple[list[Life], str]] = []
    good: list[Life] = []
    for life in sorted(lives, key=lambda one: (one.first, one.track)):
        # What is no human may be a parked car, or a cow: it may stand still.
        reason = unlikely(life, bones) or (motionless(life) if len(bones.pairs) else None)
        if reason is None:
            good.append(life)
        else:
            refused.append(([life], reason))
    images = mirror_images(good, mirror, centres) if len(bones.pairs) else {}
    refused += [([life], images[life.track]) for life in good if life.track in images]
    chains, notes = _chains([life for life in good if life.track not in images])
    reasons = _reasons(chains, take_s, most)
    people = [chain for chain, reason in zip(chains, reasons, strict=True) if reason is None]
    refused += [(chain, reason) for chain, reason in zip(chains, reasons, strict=True) if reason is not None]
    refused.sort(key=lambda one: one[0][0].first)
    everybody = [_somebody(k, chain) for k, chain in enumerate(people)]
    everybody += [_somebody(len(people) + k, chain, reason) for k, (chain, reason) in enumerate(refused)]
    return Identities(tuple(everybody), tuple(notes))


def _reasons(chains: Sequence[Sequence[Life]], take_s: float, most: int) -> list[str | None]:
    """Why each of the chains is refused, None where it is not, by how it was seen beside the others."""
    frames = [max(sum(life.frames for life in chain), 1) for chain in chains]
    showing = [max(sum(life.showing for life in chain), _sightings(chain)) / count for chain, count in zip(chains, frames, strict=True)]
    checked = max(showing, default=0.0) >= _CHECKED
    out: list[str | None] = []
    for chain, views in zip(chains, showing, strict=True):
        reason = too_short(sum(life.last - life.first for life in chain), take_s)
        if reason is None and checked and views < _UNCHECKED:
            reason = "only two cameras show its place, so that nothing checks where it is: an onlooker?"
        out.append(reason)
    kept = [k for k, reason in enumerate(out) if reason is None]
    if 0 < most < len(kept):
        asked = "the one person" if most == 1 else f"the {most} people"
        for k in sorted(kept, key=lambda k: -sum(life.points for life in chains[k]))[most:]:
            out[k] = f"seen less than {asked} asked for"
    return out


def _somebody(number: int, chain: Sequence[Life], reason: str | None = None) -> Somebody:
    frames = max(sum(life.frames for life in chain), 1)
    last = max(life.last for life in chain)
    return Somebody(number, tuple(life.track for life in chain), chain[0].first, last, _sightings(chain) / frames, reason)


def _way(last: Life, life: Life, seconds: float) -> float:
    """From where somebody was heading to where another came, m."""
    if last.end is None or last.end_velocity is None or life.start is None:
        return np.inf
    heading = np.nanmedian(last.end, 0) + seconds * np.nanmean(last.end_velocity, 0)
    return float(np.linalg.norm(np.nanmedian(life.start, 0) - heading))


def _sightings(chain: Sequence[Life]) -> int:
    return sum(life.views for life in chain)


def _chains(lives: Sequence[Life]) -> tuple[list[list[Life]], list[str]]:
    """Tracks of one person each, in the order of their appearance."""
    pieces = [life.pieces() for life in lives]
    scatter = _scatter([spread for _, _, spread in pieces])
    chains: list[list[int]] = []
    notes: list[str] = []
    for b, life in enumerate(lives):
        offers: list[tuple[float, float, int]] = []
        for k, chain in enumerate(chains):
            last = lives[chain[-1]]
            gap = max(life.first - last.last, 0.0)
            if life.first < last.last - _OVERLAP_S:
                continue
            way = _way(last, life, min(gap, _COAST_S))
            if way > _REACH_M + _FASTEST * gap:
                continue
            off = _apart([pieces[m] for m in chain], pieces[b], scatter) + float(unlike(lives[chain[-1]].look, life.look))
            near = gap <= _SHORT_S and way <= _REACH_M + _SLOW * gap
            if near and not off > _ALSO:
                offers.append((np.nan_to_num(off) - _ALSO, off, k))
            elif off < _SAME and life.first >= last.last:
                offers.append((off, off, k))
        offers.sort()
        if not offers:
            chains.append([b])
            continue
        first, off, k = offers[0]
        if first >= 0 and len(offers) > 1 and offers[1][1] < 2 * off + 1:
            notes.append(
                f"who came at {life.first:.1f} s may be either of two people who had left, by its bones; it is taken for the likelier one"
            )
        chains[k].append(b)
    return [[lives[m] for m in chain] for chain in chains], notes


Pieces = tuple[Float[np.ndarray, "bones"], Float[np.ndarray, "bones"], Float[np.ndarray, "bones"]]
"""Lengths of a track's bones (m; NaN unknown), the number of its pieces that tell each, and their variance."""


def _scatter(spreads: Sequence[Float[np.ndarray, "bones"]]) -> Float[np.ndarray, "bones"]:
    """How much the lengths of one person differ from one piece of a life to another, m^2, pooled over everybody."""
    known = np.array(list(spreads)).reshape(len(spreads), -1)
    if not known.size:
        return np.zeros(0)
    with np.errstate(invalid="ignore"):
        usual = np.array([np.median(c[np.isfinite(c)]) if np.isfinite(c).any() else np.nan for c in known.T])
    fallback = np.nanmedian(usual) if np.isfinite(usual).any() else 0.01**2
    return np.where(np.isfinite(usual), usual, fallback)


def _apart(chain: Sequence[Pieces], other: Pieces, scatter: Float[np.ndarray, "bones"]) -> float:
    """Mean squared sigmas between the bones of a chain of tracks and of another; NaN where too few are known to tell."""
    count = np.sum([number for _, number, _ in chain], 0)
    length = np.sum([np.nan_to_num(values) * number for values, number, _ in chain], 0) / np.maximum(count, 1)
    known = (count > 0) & (other[1] > 0)
    if known.sum() < _FEW:
        return float("nan")
    variance = scatter * (1 / np.maximum(count, 1) + 1 / np.maximum(other[1], 1)) + 2 * _PLACEMENT_M**2
    square = (length - np.nan_to_num(other[0])) ** 2 / variance
    return float(square[known].mean())
