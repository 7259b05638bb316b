"""Whom to calibrate from, where cameras see several people: one person a camera, the same one in all."""

from collections.abc import Sequence

from calibration.clocks import OffsetSettings, pair_offset
from calibration.observed import Track, instants_for, refuse_copies, sample
from recon3d.arrays import whole_rows
from recon3d.errors import InputError
from recon3d.geometry import Clock, Intrinsics
from recon3d.geometry.epipolar import EpipolarSettings, relative_pose

_LOOK = EpipolarSettings(samples=80, judged=300, refined=4, polished=600)
_FRAMES = 80


def choose_subject(candidates: Sequence[Sequence[Track]], intrinsics: Sequence[Intrinsics], synchronous: bool) -> list[Track]:
    """One track a camera: the first camera pair that agrees best decides, the others join.

    A pair of tracks agrees where the points of both fit one relative pose; what the points' movement
    covers counts, since somebody who stands still agrees with nearly everything.

    Raises:
        InputError: two cameras hold the very same keypoints.
    """
    refuse_copies([track for tracks in candidates for track in tracks])
    if all(len(tracks) == 1 for tracks in candidates):
        return [tracks[0] for tracks in candidates]
    views = len(candidates)
    score: dict[tuple[int, int, int, int], float] = {}
    for a in range(views):
        for b in range(a + 1, views):
            for i, first in enumerate(candidates[a]):
                for j, second in enumerate(candidates[b]):
                    score[a, i, b, j] = _agreement(first, second, intrinsics[a], intrinsics[b], synchronous)

    def between(a: int, i: int, b: int, j: int) -> float:
        return score[a, i, b, j] if a < b else score[b, j, a, i]

    a, i, b, j = max(score, key=lambda key: (score[key], [-k for k in key]))
    chosen = {a: i, b: j}
    while len(chosen) < views:
        options = [
            (sum(between(v, k, w, m) for w, m in chosen.items()), -v, -k)
            for v in range(views)
            if v not in chosen
            for k in range(len(candidates[v]))
        ]
        _, v, k = max(options)
        chosen[-v] = -k
    return [candidates[v][chosen[v]] for v in range(views)]


def _agreement(a: Track, b: Track, lens_a: Intrinsics, lens_b: Intrinsics, synchronous: bool) -> float:
    if not synchronous:
        found = pair_offset(a, b, lens_a, lens_b, OffsetSettings(frames=_FRAMES, epipolar=_LOOK))
        return 0.0 if found is None else found[1] * _moved(a) * _moved(b)
    clocks = (Clock(), Clock())
    try:
        instants = instants_for((a, b), clocks, _FRAMES)
    except InputError:  # no time that both recorded: nothing speaks for the pair
        return 0.0
    seen = sample((a, b), clocks, instants)
    rays = [lens.rays(xy) for lens, xy in zip((lens_a, lens_b), seen.flat_xy, strict=True)]
    usable = whole_rows(rays[0]) & whole_rows(rays[1])
    sigma = [s[usable] / i.focal for s, i in zip(seen.flat_sigma, (lens_a, lens_b), strict=True)]
    found = relative_pose(rays[0][usable], rays[1][usable], sigma[0], sigma[1], _LOOK)
    return 0.0 if found is None else float(found.inlier.sum()) / len(usable) * _moved(a) * _moved(b)


def _moved(track: Track) -> float:
    """How far the joints wander in the image, in tenths of a body size, at most one."""
    return min(10 * track.roaming, 1.0)
