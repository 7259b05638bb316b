"""What an armature is fitted to: one person's detections in every view, and what is known of it in space."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from recon3d.arrays import freeze_fields, rows_beside
from recon3d.errors import InputError, ShapeError
from recon3d.geometry import CameraRig
from recon3d.geometry.mixture import Mixture
from recon3d.geometry.sightings import Poses, Sightings, chi_square, information, predict, sight
from recon3d.motion.prior import PosePrior, in_order
from recon3d.records import Keypoints3D, State
from recon3d.records.keypoints3d import concatenate
from recon3d.skeleton import Attachments, other_side

_OUTLIER_RADIUS = 60.0  # sigmas that detections of something else spread over
_PLACEMENT_M = 0.012  # how far a detector's point wanders from the same spot of the body: of points given in space only
_LONGEST_BRIDGE_S = 0.25  # to the nearest sound frame
_DRIFT_M = 0.6  # growth of a bridge's sigma over a second: what a fast joint's straight line is off by
_SOUND_CHI2 = 12.0  # of detections that jitter is measured on
_EXCHANGE_GAIN = 3.0  # log probability by which left and right must fit better exchanged
_FEWEST_TRIPLES, _LEAST_JITTER = 100, 0.1
_STRAY_CHI2 = 25.0


@dataclass(frozen=True, slots=True, eq=False)
class ObservedPiece:
    """One person's detections over frames in which these cameras stand.

    Attributes:
        rig: cameras.
        xy: px; NaN where there is none.
        sigma_px: standard deviation of each coordinate.
    """

    rig: CameraRig
    xy: Float[np.ndarray, "views frames joints 2"]
    sigma_px: Float[np.ndarray, "views frames joints"]

    def __post_init__(self) -> None:
        freeze_fields(self)
        if len(self.rig) != len(self.xy):
            raise ShapeError(f"ObservedPiece.xy is of {len(self.xy)} views, its rig of {len(self.rig)} cameras")

    def take(self, rows: np.ndarray | slice) -> "ObservedPiece":
        """Some of the frames."""
        return ObservedPiece(self.rig, self.xy[:, rows].copy(), self.sigma_px[:, rows].copy())


@dataclass(frozen=True, slots=True, eq=False)
class Observed:
    """One person over a window.

    Attributes:
        world: its keypoints in space, of this one person; they start the fit, and are its evidence where ``pieces`` is empty.
        pieces: its detections, frame after frame.
        prior: what is plausible of its poses.
    """

    world: Keypoints3D
    pieces: tuple[ObservedPiece, ...] = ()
    prior: PosePrior | None = None

    def __post_init__(self) -> None:
        if len(self.world.people) != 1:
            raise ShapeError(f"Observed.world is of {len(self.world.people)} people, not of one")
        late = np.flatnonzero(~(np.diff(self.world.time) > 0))
        if len(late):
            number = int(self.world.frame[late[0] + 1])
            raise InputError(f"time does not rise at frame {number}: frames must be in their order, each once")
        frames = sum(piece.xy.shape[1] for piece in self.pieces)
        if self.pieces and frames != len(self.world):
            raise ShapeError(f"Observed.pieces are of {frames} frames, Observed.world of {len(self.world)}")
        if self.prior is not None and len(self.prior.place) != len(self.world):
            raise ShapeError(f"Observed.prior is of {len(self.prior.place)} frames, Observed.world of {len(self.world)}")

    def __len__(self) -> int:
        return len(self.world)

    def detected(self, points: tuple[str, ...]) -> Bool[np.ndarray, "frames points"]:
        """Which of these points of the layout there is evidence about: in pixels, or in space where there are none."""
        columns = self.world.layout.indices(points)
        if not self.pieces:
            return self.world.state[:, 0, columns] == State.OBSERVED
        return np.concatenate([np.isfinite(piece.xy[:, :, columns, 0]).any(0) for piece in self.pieces])

    def take(self, rows: Int[np.ndarray, "some"]) -> "Observed":
        """Some of the frames, in their order."""
        pieces: list[ObservedPiece] = []
        start = 0
        for piece in self.pieces:
            stop = start + piece.xy.shape[1]
            own = rows[(rows >= start) & (rows < stop)] - start
            if len(own):
                pieces.append(piece.take(own))
            start = stop
        names = ("frame", "time", "xyz", "confidence", "covariance", "views", "state", "residual_px")
        world = replace(self.world, **{name: getattr(self.world, name)[rows] for name in names})
        return Observed(world, tuple(pieces), None if self.prior is None else self.prior.take(rows))


def joined(parts: Sequence[Observed]) -> Observed:
    """Frames of several windows, one after the other; neighbouring pieces of the same cameras become one."""
    pieces: list[ObservedPiece] = []
    for piece in (piece for part in parts for piece in part.pieces):
        if pieces and pieces[-1].rig is piece.rig:
            last = pieces.pop()
            xy, sigma = np.concatenate([last.xy, piece.xy], 1), np.concatenate([last.sigma_px, piece.sigma_px], 1)
            pieces.append(ObservedPiece(piece.rig, xy, sigma))
        else:
            pieces.append(piece)
    prior = in_order([part.prior for part in parts], [len(part) for part in parts])
    return Observed(concatenate([part.world for part in parts]), tuple(pieces), prior)


@dataclass(frozen=True, slots=True, eq=False)
class Support:
    """What evidence says at given places of the points.

    Attributes:
        information: of each place, m^-2.
        force: slope of the cost by the place, m^-1.
        cost: minus the log likelihood of each frame.
    """

    information: Float[np.ndarray, "frames points 3 3"]
    force: Float[np.ndarray, "frames points 3"]
    cost: Float[np.ndarray, "frames"]


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """Evidence about the points of an armature.

    Attributes:
        attachments: in the order of the points below.
        time: s.
        xyz: in space, m; 0 where there is none.
        known: which of these there are.
        root_information: square root of their information where they are evidence, 0 where detections are.
        sightings: detections, by pieces of frames; planes are ``(views, frames x points)``.
        views: detections of each point.
        mixture: what judges detections.
        prior: what is plausible of poses.
        sharpness: how much more detections say about changes from frame to frame than about places, see `jitter`.
        stray_chi2: a point in space that is so far off counts half in the slope of the cost.
    """

    attachments: Attachments
    time: Float[np.ndarray, "frames"]
    xyz: Float[np.ndarray, "frames points 3"]
    known: Bool[np.ndarray, "frames points"]
    root_information: Float[np.ndarray, "frames points 3 3"]
    sightings: tuple[tuple[slice, Sightings], ...]
    views: UInt8[np.ndarray, "frames points"]
    mixture: Mixture
    prior: PosePrior | None = None
    sharpness: float = 1.0
    stray_chi2: float = _STRAY_CHI2

    @property
    def seen(self) -> Bool[np.ndarray, "frames points"]:
        """Points that there is any evidence about."""
        return (self.views > 0) | self.root_information.any((-1, -2))

    def take(self, rows: slice) -> "Evidence":
        """Some of the frames, one after the other."""
        sightings: list[tuple[slice, Sightings]] = []
        points = len(self.attachments.points)
        first, last, _ = rows.indices(len(self.time))
        for own, s in self.sightings:
            a, b = max(own.start, first), min(own.stop, last)
            if a < b:
                part = s.take(slice((a - own.start) * points, (b - own.start) * points))
                sightings.append((slice(a - first, b - first), part))
        names = ("time", "xyz", "known", "root_information", "views")
        prior = None if self.prior is None else self.prior.take(rows)
        return replace(self, sightings=tuple(sightings), prior=prior, **{n: getattr(self, n)[rows] for n in names})

    def support(self, places: Float[np.ndarray, "frames points 3"], temper: float = 1.0) -> Support:
        """Information, force and cost.

        Detections are of their points or of anything else (`Mixture`); ``temper`` < 1 widens the scatter that they
        are allowed, as annealing does. All of it is as large as `sharpness` says.
        """
        shape = places.shape[:2]
        arm = places - self.xyz
        residual = (self.root_information @ arm[..., None])[..., 0]
        chi2 = temper * (residual * residual).sum(-1)
        weight = temper * (self.stray_chi2 / (self.stray_chi2 + chi2)) ** 2
        info = np.swapaxes(self.root_information, -1, -2) @ self.root_information * weight[..., None, None]
        force = (info @ arm[..., None])[..., 0]
        cost = 0.5 * (chi2 * (self.stray_chi2 / (self.stray_chi2 + chi2))).sum(1)
        for rows, s in self.sightings:
            part = (len(places[rows]), shape[1])
            xyz = np.ascontiguousarray(places[rows].reshape(-1, 3).T)
            chi2, _ = chi_square(s, xyz)
            present = (s.a > 0).astype(float)
            inlier = self.mixture.inlier(chi2, present, temper)
            nine = information(s, xyz, inlier * temper)
            info[rows] += nine[[0, 1, 2, 1, 3, 4, 2, 4, 5]].reshape(3, 3, *part).transpose(2, 3, 0, 1)
            force[rows] += nine[6:].reshape(3, *part).transpose(1, 2, 0)
            gain = self.mixture.gain - 0.5 * temper * chi2
            # log(1 + e^x) without overflow
            cost[rows] -= (present * (np.maximum(gain, 0.0) + np.log1p(np.exp(-np.abs(gain))))).sum(0).reshape(part).sum(1)
        return Support(info * self.sharpness, force * self.sharpness, cost * self.sharpness)

    def exchanged(self, places: Float[np.ndarray, "frames points 3"]) -> "Evidence":
        """The same with left and right exchanged in those views and frames in which a pair's detections fit better so.

        A pair (both knees) of one view in one frame is exchanged where that is e^3 times as probable by the mixture,
        also where only one of the two was detected.
        """
        names = self.attachments.points
        mirror = np.array([names.index(other_side(name)) if other_side(name) in names else k for k, name in enumerate(names)])
        paired = mirror != np.arange(len(names))
        out: list[tuple[slice, Sightings]] = []
        for rows, s in self.sightings:
            xyz = np.ascontiguousarray(places[rows].reshape(-1, 3).T)
            shape = (len(s.u), len(places[rows]), len(names))
            planes = [plane.reshape(shape) for plane in (s.u, s.v, s.a, s.b, s.c)]
            crossed = [plane[..., mirror] for plane in planes]
            other = Sightings(s.poses, *(plane.reshape(s.u.shape) for plane in crossed))
            gain = (self._log_odds(other, xyz) - self._log_odds(s, xyz)).reshape(shape)
            better = paired & (gain + gain[..., mirror] > _EXCHANGE_GAIN)
            mixed = (np.where(better, b, a).reshape(s.u.shape) for a, b in zip(planes, crossed, strict=True))
            out.append((rows, Sightings(s.poses, *mixed) if better.any() else s))
        return replace(self, sightings=tuple(out))

    def _log_odds(self, s: Sightings, xyz: Float[np.ndarray, "3 points"]) -> Float[np.ndarray, "views points"]:
        """Log of each detection's density over that of detections of anything; 0 where there is none."""
        chi2, _ = chi_square(s, xyz)
        gain = self.mixture.gain - 0.5 * chi2
        return (s.a > 0) * (np.maximum(gain, 0.0) + np.log1p(np.exp(-np.abs(gain))))

    def support_of_view(self, places: Float[np.ndarray, "frames points 3"], view: int, temper: float) -> Support:
        """What one camera alone says."""
        own: list[tuple[slice, Sightings]] = []
        for rows, s in self.sightings:
            part = slice(view, view + 1)
            planes = (plane[part] for plane in (s.u, s.v, s.a, s.b, s.c))
            own.append((rows, Sightings(Poses.of(s.poses.matrix[part]), *planes)))
        return replace(self, sightings=tuple(own), root_information=np.zeros_like(self.root_information)).support(places, temper)

    def misfit(
        self, places: Float[np.ndarray, "frames points 3"]
    ) -> tuple[Float[np.ndarray, "frames points"], Float[np.ndarray, "frames points"]]:
        """Sum of the squared residuals of each point's detections, in their sigmas, and how many numbers it is of; of sound ones."""
        total, count = np.zeros(places.shape[:2]), np.zeros(places.shape[:2])
        for rows, s in self.sightings:
            chi2, _ = chi_square(s, np.ascontiguousarray(places[rows].reshape(-1, 3).T))
            sound = (s.a > 0) & (chi2 < _SOUND_CHI2)
            shape = (len(places[rows]), places.shape[1])
            total[rows] = np.where(sound, chi2, 0.0).sum(0).reshape(shape)
            count[rows] = 2.0 * sound.sum(0).reshape(shape)
        return total, count

    def jitter(self, places: Float[np.ndarray, "frames points 3"], joined: Bool[np.ndarray, "inner"]) -> float:
        """Share of the detections' sigma that is new in every frame, from second differences of their residuals.

        Detectors err alike in neighbouring frames. Taken as independent, such errors would be smoothed as noise, and
        quick movements with them.

        Args:
            places: of the points.
            joined: frames between neighbours that belong together.
        """
        found: list[np.ndarray] = []
        for rows, s in self.sightings:
            if rows.stop - rows.start < 3:
                continue
            u, v, _ = predict(s.poses, np.ascontiguousarray(places[rows].reshape(-1, 3).T))
            off = np.stack([(u - s.u) * np.sqrt(s.a), (v - s.v) * np.sqrt(s.c)])
            shape = (2, len(s.u), len(places[rows]), places.shape[1])
            off = np.where((off * off).sum(0) < _SOUND_CHI2, off, np.nan)
            off[:, s.a == 0] = np.nan
            off = off.reshape(shape)
            second = (off[:, :, 2:] - 2 * off[:, :, 1:-1] + off[:, :, :-2])[:, :, joined[rows.start : rows.stop - 2]]
            found.append(second[np.isfinite(second)])
        every = np.concatenate(found) if found else np.zeros(0)
        if len(every) < _FEWEST_TRIPLES:
            return 1.0
        return float(np.clip(1.4826 * np.median(np.abs(every)) / np.sqrt(6.0), _LEAST_JITTER, 1.0))


def in_line(parts: Sequence[Evidence]) -> Evidence:
    """Evidence of several stretches of time, one after the other; detections of cameras that stay are put together."""
    first = parts[0]
    sightings: list[tuple[slice, Sightings]] = []
    start = 0
    for part in parts:
        for rows, s in part.sightings:
            own = slice(start + rows.start, start + rows.stop)
            if sightings and sightings[-1][1].poses is s.poses:
                before, last = sightings.pop()
                names = ("u", "v", "a", "b", "c")
                s = Sightings(s.poses, *(np.concatenate([getattr(last, n), getattr(s, n)], 1) for n in names))
                own = slice(before.start, own.stop)
            sightings.append((own, s))
        start += len(part.time)
    names = ("time", "xyz", "known", "root_information", "views")
    prior = in_order([part.prior for part in parts], [len(part.time) for part in parts])
    arrays = {n: np.concatenate([getattr(part, n) for part in parts]) for n in names}
    return replace(first, sightings=tuple(sightings), prior=prior, **arrays)


def bridged(seen: Observed) -> Observed:
    """The same with short gaps in space filled by straight lines, for a start; of no weight where there are detections."""
    world = seen.world
    known = world.state[:, 0] != State.MISSING
    if known.all() or len(world) < 2:
        return seen
    before, after = rows_beside(known)
    time = world.time
    a, b = np.where(before < 0, after, before), np.where(after == len(world), before, after)
    ever = known.any(0)
    a, b = np.where(ever, a, 0), np.where(ever, b, 0)
    gap = ~known & ever & (np.minimum(np.abs(time[:, None] - time[a]), np.abs(time[b] - time[:, None])) <= _LONGEST_BRIDGE_S)
    f, p = np.nonzero(gap)
    a, b = a[f, p], b[f, p]
    share = np.clip((time[f] - time[a]) / np.maximum(time[b] - time[a], 1e-9), 0.0, 1.0)[:, None]
    xyz, covariance, state = world.xyz.copy(), world.covariance.copy(), world.state.copy()
    xyz[f, 0, p] = (1 - share) * xyz[a, 0, p] + share * xyz[b, 0, p]
    far = np.minimum(np.abs(time[f] - time[a]), np.abs(time[b] - time[f]))
    covariance[f, 0, p] = np.maximum(covariance[a, 0, p], covariance[b, 0, p]) * np.eye(3) + (_DRIFT_M * far)[:, None, None] ** 2 * np.eye(
        3
    )
    state[f, 0, p] = State.INTERPOLATED
    return replace(seen, world=replace(world, xyz=xyz, covariance=covariance, state=state))


@functools.lru_cache(maxsize=64)
def _poses_of(rig: CameraRig) -> Poses:
    return Poses.of_rig(rig)


def gather(seen: Observed, attachments: Attachments, jitter: float = 1.0, outlier_share: float = 0.1) -> Evidence:
    """The evidence about those points of an armature that a layout names."""
    world = seen.world
    attachments = attachments.select(world.layout.points)
    columns = world.layout.indices(attachments.points)
    known = world.state[:, 0, columns] != State.MISSING
    xyz = np.where(known[..., None], world.xyz[:, 0, columns], 0.0)
    root = np.zeros((*known.shape, 3, 3))
    if not seen.pieces:
        # What lies between observations is for the smoothness to say.
        own = world.state[:, 0, columns] == State.OBSERVED
        covariance = world.covariance[:, 0, columns][own] + _PLACEMENT_M**2 * np.eye(3)
        root[own] = np.swapaxes(np.linalg.cholesky(np.linalg.inv(covariance)), -1, -2)
    sightings: list[tuple[slice, Sightings]] = []
    views = np.zeros(known.shape, np.uint8)
    start = 0
    for piece in seen.pieces:
        rows = slice(start, start + piece.xy.shape[1])
        xy, sigma = piece.xy[:, :, columns], piece.sigma_px[:, :, columns]
        sights = sight(piece.rig, _poses_of(piece.rig), xy.reshape(len(xy), -1, 2), sigma.reshape(len(xy), -1))
        sightings.append((rows, sights))
        views[rows] = (sights.a > 0).sum(0).reshape(-1, len(columns))
        start = rows.stop
    mixture = Mixture.of(outlier_share, _OUTLIER_RADIUS)
    return Evidence(attachments, world.time, xyz, known, root, tuple(sightings), views, mixture, seen.prior, 1 / jitter**2)
