"""Which tracks are one person: who was lost and came back is known by its bones, and by where it can have gone."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from recon3d.geometry.links import Links
from recon3d.multiview.people.evidence import unlike
from recon3d.multiview.people.ghosts import STILL_S, mirror_images, motionless, too_short, unlikely
from recon3d.multiview.people.life import Life

_FASTEST, _REACH_M = 6.0, 0.6  # m/s, and m: farther nobody goes in the meantime
_COAST_S = 0.3  # that somebody goes on as fast as it was
_SHORT_S, _SLOW = 1.0, 2.0  # after less than this the place tells too: not farther than at so many m/s
_PLACEMENT_M = 0.003  # by which the same bones differ from one part of a room to another
_SAME, _ALSO = 3.0, 9.0  # mean squared sigmas of bones: alone they tell one person; with the place they only must not deny it
_FEW = 4  # bones
_CHECKED, _UNCHECKED = 3.0, 2.4  # views that show somebody's place: where the first do of one, who has less than the other stands outside
_BEHIND = 0.9  # cameras that somebody is behind of, on average
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
    ordered = sorted(lives, key=lambda one: (one.first, one.track))
    # What is no human may be a parked car, or a cow: it may stand still. So may the one person of a take.
    still = {life.track: motionless(life) for life in ordered} if len(bones.pairs) else {}
    moving = any(still.get(life.track) is None and life.last - life.first >= STILL_S for life in ordered)
    for life in ordered:
        reason = unlikely(life, bones) or (still.get(life.track) if moving else None)
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
        seen_by = _sightings(chain) / max(sum(life.frames for life in chain), 1)
        reason = too_short(sum(life.last - life.first for life in chain), take_s, seen_by, views)
        behind = sum(life.behind for life in chain) / max(sum(life.frames for life in chain), 1)
        if reason is None and checked and views < _UNCHECKED and behind >= _BEHIND:
            reason = "stands behind or beside a camera where only two others look, so that nothing checks it: an onlooker?"
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
    """Tracks of one person each, in the order of their appearance: joined by place first, then by bones."""
    pieces = {life.track: life.pieces() for life in lives}
    scatter = _scatter([spread for _, _, spread in pieces.values()])
    runs: list[list[Life]] = []
    for life in lives:
        offers = [(np.nan_to_num(_apart([pieces[m.track] for m in run], [pieces[life.track]], scatter)), k) for k, run in enumerate(runs)]
        near = [(off, k) for off, k in offers if off < _ALSO and _is_near(runs[k][-1], life)]
        if near:
            runs[min(near)[1]].append(life)
        else:
            runs.append([life])
    chains: list[list[Life]] = []
    notes: list[str] = []
    for run in runs:
        offers = sorted(
            (_apart([pieces[m.track] for m in chain], [pieces[m.track] for m in run], scatter) + _unlike(chain, run), k)
            for k, chain in enumerate(chains)
            if max(life.last for life in chain) <= run[0].first + _OVERLAP_S and _can_reach(chain[-1], run[0])
        )
        offers = [(off, k) for off, k in offers if off < _SAME]  # NaN is not
        if not offers:
            chains.append(run)
            continue
        off, k = offers[0]
        if len(offers) > 1 and offers[1][0] < 2 * off + 1:
            notes.append(
                f"who came at {run[0].first:.1f} s may be either of two people who had left, by its bones; it is taken for the likelier one"
            )
        chains[k] = [*chains[k], *run]
    return chains, notes


def _is_near(last: Life, life: Life) -> bool:
    """Whether somebody came so soon and so near to where another was lost that the place tells."""
    gap = life.first - last.last
    return -_OVERLAP_S <= gap <= _SHORT_S and _way(last, life, min(max(gap, 0.0), _COAST_S)) <= _REACH_M + _SLOW * max(gap, 0.0)


def _can_reach(last: Life, life: Life) -> bool:
    gap = max(life.first - last.last, 0.0)
    return not _way(last, life, min(gap, _COAST_S)) > _REACH_M + _FASTEST * gap


def _unlike(chain: Sequence[Life], run: Sequence[Life]) -> float:
    """What looks say against two chains' being one person, in squared sigmas."""
    known = [[life.look for life in part if len(life.look)] for part in (chain, run)]
    return float(unlike(np.sum(known[0], 0), np.sum(known[1], 0))) if all(known) else 0.0


Pieces = tuple[Float[np.ndarray, "bones"], Float[np.ndarray, "bones"], Float[np.ndarray, "bones"]]
"""Lengths of a track's bones (m; NaN unknown), the number of its pieces that tell each, and their variance."""


def _scatter(spreads: Sequence[Float[np.ndarray, "bones"]]) -> Float[np.ndarray, "bones"]:
    """How much the lengths of one person differ from one piece of a life to another, m^2, pooled over everybody."""
    if not spreads or not len(spreads[0]):
        return np.zeros(0)
    known = np.stack(list(spreads))
    with np.errstate(invalid="ignore"):
        usual = np.array([np.median(c[np.isfinite(c)]) if np.isfinite(c).any() else np.nan for c in known.T])
    fallback = np.nanmedian(usual) if np.isfinite(usual).any() else 0.01**2
    return np.where(np.isfinite(usual), usual, fallback)


def _apart(chain: Sequence[Pieces], other: Sequence[Pieces], scatter: Float[np.ndarray, "bones"]) -> float:
    """Mean squared sigmas between the bones of two chains of tracks; NaN where too few are known to tell."""
    (length, count), (theirs, number) = _pooled(chain), _pooled(other)
    known = (count > 0) & (number > 0)
    if known.sum() < _FEW:
        return float("nan")
    variance = scatter * (1 / np.maximum(count, 1) + 1 / np.maximum(number, 1)) + 2 * _PLACEMENT_M**2
    return float(((length - theirs) ** 2 / variance)[known].mean())


def _pooled(parts: Sequence[Pieces]) -> tuple[Float[np.ndarray, "bones"], Float[np.ndarray, "bones"]]:
    """Lengths over several tracks, and the number of pieces that tell them."""
    count = np.sum([number for _, number, _ in parts], 0)
    return np.sum([np.nan_to_num(values) * number for values, number, _ in parts], 0) / np.maximum(count, 1), count
