"""What a detector's scores are worth, learned from a take: leave-one-camera-out residuals by score and by point.

Each camera's points are compared with what the other cameras say of them. The share of a person's size that is
one sigma is chosen so that 68.3 % of the residuals lie within it and the other cameras' own uncertainty together:
quantiles, since a few gross errors must not decide. Scores and points multiply, score by score and point by point
in turn, until both fit.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from calibration.evidence import evidence_of
from calibration.observed import Sampled, Track, sample
from recon3d.arrays import finite_median
from recon3d.errors import CameraError, InputError
from recon3d.geometry import CameraRig
from recon3d.geometry.triangulation import RobustSettings, triangulate_robust
from recon3d.records import Keypoints2D, ScoreSigma, box_diagonal

ONE_SIGMA = 0.6827
"""Share of a normal distribution within one sigma."""
_KNOTS = 6
_FEWEST = 60  # residuals that a knot or a point is judged by
_ROUNDS = 12
_LEAST_SCORE = 0.05
_VIEWS = 3
_OFF = 0.6  # of the length of residuals: systematic
_FEW = 100  # residuals a point
_SAME_S = 1e-4
_START = 0.01  # of the box's diagonal


@dataclass(frozen=True, slots=True)
class ScoreSettings:
    """How scores are learned."""

    frames: int = 2000
    """Frames used, of all that were recorded."""
    outlier_share: float = 0.1
    """Share of detections expected to be of something else."""


@dataclass(frozen=True, slots=True, eq=False)
class Residuals:
    """Leave-one-camera-out residuals of one person.

    Attributes:
        off: detection minus the projection of what the other cameras say, px; NaN where either is absent.
        others: variance of that projection along x and y, px^2.
        score: of the detection.
        size: diagonal of the person's box, px.
    """

    off: Float[np.ndarray, "views frames joints 2"]
    others: Float[np.ndarray, "views frames joints 2"]
    score: Float[np.ndarray, "views frames joints"]
    size: Float[np.ndarray, "views frames"]


@dataclass(frozen=True, slots=True, eq=False)
class Learned:
    """What was learned.

    Attributes:
        sigma: by score and point.
        layout: name of the points' layout.
        score_kind: of the scores.
        residuals: that it was learned from.
        within: share of them within one sigma, by point.
        points: their names.
        cameras: names.
        offset: of each camera, the median distance of all its residuals together from zero over their median length: a rig
            that is right has small ones.
    """

    sigma: ScoreSigma
    layout: str
    score_kind: str
    residuals: int
    within: Float[np.ndarray, "points"]
    points: tuple[str, ...]
    cameras: tuple[str, ...]
    offset: Float[np.ndarray, "cameras"]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What speaks against using it."""
        out: list[str] = []
        off = [name for name, share in zip(self.cameras, self.offset.tolist(), strict=True) if share > _OFF]
        if off:
            out.append(
                f"all points of {', '.join(off)} lie off the same way: the rig is not right there, and its error counts as the "
                "detector's. Refine the rig first (recon3d calibrate refine), then learn again with --rig"
            )
        if self.residuals < _FEW * len(self.points):
            out.append(f"only {self.residuals} detections could be compared: record or use more frames")
        return tuple(out)


def learn_scores(rig: CameraRig, seen: Sequence[Keypoints2D], settings: ScoreSettings = ScoreSettings()) -> Learned:
    """Sigma by score from one person seen by three cameras or more, whose rig is right.

    Raises:
        CameraError: fewer than three cameras, or cameras that are not the rig's.
        InputError: too few detections.
    """
    if settings.frames < 1:
        raise InputError(f"frames must be 1 or more, not {settings.frames}")
    used, tracks, sampled = evidence_of(rig, seen, _LEAST_SCORE, settings.frames)
    if len(used) < _VIEWS:
        raise CameraError(f"{_VIEWS} cameras or more are needed to judge one by the others; there are {len(used)}")
    layout = tracks[0].layout
    names, sides = layout.points, np.minimum(np.arange(len(layout)), layout.mirror)
    sigma = ScoreSigma(np.array([0.0]), np.array([_START]))
    bins = _bins(sampled.confidence[np.isfinite(sampled.xy[..., 0])])
    own = _at_own_frames(used, tracks, sampled)
    for _ in range(_ROUNDS):
        left = _left_out_each(used, own, sigma, names, settings.outlier_share)
        sigma = _fitted(left, sigma, bins, names, sides)
    left = _left_out_each(used, own, sigma, names, settings.outlier_share)
    within, count = coverage(left, sigma, names)
    if count < _FEWEST:
        raise InputError(f"only {count} detections could be compared with those of the other cameras; {_FEWEST} are needed")
    return Learned(sigma, layout.name, seen[0].score_kind, count, within, names, used.names, _offset(left))


def _offset(left: Residuals) -> Float[np.ndarray, "cameras"]:
    flat = left.off.reshape(len(left.off), -1, 2)
    together = np.linalg.norm([[finite_median(view[:, k]) for k in (0, 1)] for view in flat], axis=-1)
    return together / np.array([finite_median(np.linalg.norm(view, axis=-1)) for view in flat])


def _at_own_frames(rig: CameraRig, tracks: Sequence[Track], sampled: Sampled) -> list[Sampled]:
    """For each camera all of them at frames of its own: what is interpolated between two frames scatters less than either."""
    out: list[Sampled] = []
    clocks = [camera.clock for camera in rig]
    for track, clock in zip(tracks, clocks, strict=True):
        times = clock.to_world(track.time)
        nearest = times[np.abs(times[None] - sampled.instant[:, None]).argmin(1)]
        moved = np.abs(nearest - sampled.instant).max(initial=0.0) > _SAME_S
        out.append(sample(tracks, clocks, nearest) if moved else sampled)
    return out


def _left_out_each(rig: CameraRig, own: Sequence[Sampled], sigma: ScoreSigma, names: Sequence[str], outlier_share: float) -> Residuals:
    """`left_out`, of each camera at its own frames."""
    each = [left_out(rig, s.xy, s.confidence, sigma, names, outlier_share, (v,)) for v, s in enumerate(own)]
    parts = ([getattr(left, name)[v] for v, left in enumerate(each)] for name in ("off", "others", "score", "size"))
    return Residuals(*(np.stack(part) for part in parts))


def left_out(
    rig: CameraRig,
    xy: Float[np.ndarray, "views frames joints 2"],
    score: Float[np.ndarray, "views frames joints"],
    sigma: ScoreSigma,
    names: Sequence[str],
    outlier_share: float = 0.1,
    judged: Sequence[int] | None = None,
) -> Residuals:
    """Residuals of each camera (or of those judged) to the answer of the others, which is robust: their errors are not its own."""
    views, shape = len(rig), xy.shape
    px = np.nan_to_num(sigma.sigma_px(xy, score, names).astype(float), nan=1.0)
    off, others = np.full(shape, np.nan), np.full(shape, np.nan)
    settings = RobustSettings(outlier_share=outlier_share)
    for v in range(views) if judged is None else judged:
        camera = rig.cameras[v]
        rest = [name for name in rig.names if name != camera.name]
        flat = np.delete(xy, v, 0).reshape(views - 1, -1, 2)
        answer = triangulate_robust(rig.select(rest), flat, np.delete(px, v, 0).reshape(views - 1, -1), settings)
        at = camera.project(answer.xyz)
        move = np.stack([camera.project(answer.xyz + step) - at for step in _STEP * np.eye(3)], -1) / _STEP
        variance = np.einsum("pij,pjk,pik->pi", move, answer.covariance, move)
        off[v], others[v] = xy[v] - at.reshape(shape[1:]), variance.reshape(shape[1:])
    return Residuals(off, others, score, box_diagonal(xy))


_STEP = 1e-4  # m, of the projection's derivative


def coverage(left: Residuals, sigma: ScoreSigma, names: Sequence[str]) -> tuple[Float[np.ndarray, "points"], int]:
    """Share of the residuals' coordinates within one sigma, by point (NaN without any), and how many residuals there are."""
    total = np.sqrt(_own(left, sigma, names)[..., None] ** 2 + left.others)
    known = np.isfinite(left.off) & np.isfinite(total)
    inside = ((np.abs(left.off) <= total) & known).sum((0, 1, 3))
    count = known.sum((0, 1, 3))
    return np.where(count > 0, inside / np.maximum(count, 1), np.nan), int(known[..., 0].sum())


def _own(left: Residuals, sigma: ScoreSigma, names: Sequence[str]) -> Float[np.ndarray, "views frames joints"]:
    factor = np.array([sigma.points.get(name, 1.0) for name in names])
    return np.maximum(sigma.share_of(left.score) * factor * left.size[..., None], 1.0)


def _bins(score: Float[np.ndarray, "detections"]) -> Float[np.ndarray, "knots"]:
    """Scores to learn at: with as many detections round each."""
    if not len(score):
        raise InputError("nobody was seen")
    knots = np.quantile(score, (np.arange(_KNOTS) + 0.5) / _KNOTS)
    return np.unique(np.round(knots, 4))


def _fitted(
    left: Residuals, sigma: ScoreSigma, bins: Float[np.ndarray, "knots"], names: Sequence[str], sides: Int[np.ndarray, "joints"]
) -> ScoreSigma:
    """One round: shares of scores, then factors of points, the same on both sides of the body."""
    share = sigma.share_of(bins)
    points = {name: sigma.points.get(name, 1.0) for name in names}
    nearest = np.abs(left.score[..., None] - bins).argmin(-1)
    share = share * _stretch(left, ScoreSigma(bins, share, points), names, nearest, len(bins))
    # A surer point is not a worse one: where few detections say so, the mean of neighbours holds.
    count = np.bincount(nearest[np.isfinite(left.off[..., 0])].ravel(), minlength=len(bins)).astype(float)
    share = _falling(share, np.maximum(count, 1.0))
    joint = np.broadcast_to(sides, left.score.shape)
    stretch = _stretch(left, ScoreSigma(bins, share, points), names, joint, len(names))[sides]
    factor = np.array([points[name] for name in names]) * stretch
    middle = float(np.exp(np.mean(np.log(factor))))
    return ScoreSigma(bins, share * middle, {name: float(f / middle) for name, f in zip(names, factor, strict=True)})


def _stretch(
    left: Residuals, sigma: ScoreSigma, names: Sequence[str], kind: Int[np.ndarray, "views frames joints"], kinds: int
) -> Float[np.ndarray, "kinds"]:
    """How much larger the sigma of each kind must be; 1 where there are too few to say.

    The other cameras' part of a residual stays, so the own variance is what is left of the quantile.
    """
    own = _own(left, sigma, names)
    total = np.sqrt(own[..., None] ** 2 + left.others)
    known = np.isfinite(left.off).all(-1) & np.isfinite(total).all(-1)
    out = np.ones(kinds)
    for k in range(kinds):
        mine = known & (kind == k)
        if 2 * mine.sum() < _FEWEST:
            continue
        ratio = np.abs(left.off[mine]) / total[mine]
        out[k] = np.clip(np.quantile(ratio, ONE_SIGMA), 0.3, 3.0)
    return out


def _falling(values: Float[np.ndarray, "knots"], weight: Float[np.ndarray, "knots"]) -> Float[np.ndarray, "knots"]:
    """The nearest values that do not rise (pool adjacent violators)."""
    pools: list[tuple[float, float, int]] = []
    for value, mass in zip(values.tolist(), weight.tolist(), strict=True):
        pools.append((value, mass, 1))
        while len(pools) > 1 and pools[-1][0] > pools[-2][0]:
            (a, wa, na), (b, wb, nb) = pools[-2], pools[-1]
            pools[-2:] = [((a * wa + b * wb) / (wa + wb), wa + wb, na + nb)]
    return np.concatenate([np.full(n, value) for value, _, n in pools])
