"""Cameras from a board: lenses and poses of a whole rig, all images, boards, lenses and poses adjusted together.

Each camera's lens first; then the graph of cameras that see the board at the same time, which need not
show it to all at once; then one adjustment. What is not connected is named, with what to film.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from calibration.board_views import BoardViews
from calibration.lenses import MODELS, LensFit, fit_lens, fit_poses, inliers, target_views
from calibration.outcome import Evidence, Outcome
from calibration.start import connected
from calibration.targets import Board
from calibration.world import Scale, ScaleCue, combine, moved
from recon3d.errors import CameraError, InputError, all_faults, valid_names
from recon3d.geometry import SE3, SO3, Camera, CameraRig, Intrinsics
from recon3d.geometry.bundle import TargetBundle, TargetsAt, TargetViews
from recon3d.geometry.camera_unknowns import Free
from recon3d.geometry.robust_bundle import Adjusted
from recon3d.geometry.schur import Eliminated, SchurSettings, solve_schur
from recon3d.geometry.threads import single_threaded
from recon3d.motion.ground import axes_for

_AGREE_RAD, _AGREE_SHARE = np.deg2rad(6), 0.15  # between two images' opinions on two cameras: turn; shift of their distance to the board
_PRINT_SHARE = 0.001  # of a board's size: paper and printer
_WORSE = 5.0  # times a corner's scatter alone, and a pixel
_AGREE_MOMENTS = 0.35  # of the moments that two cameras share must agree on how they stand to each other
_FEWEST_SYMMETRIC = 3  # moments that tell which way round a board is that looks the same upside down
_TERM_SIGMA = (0.3, 0.1, 2.5e-3, 2.5e-3, 0.05)  # of k1 k2 p1 p2 k3 over lenses, where images do not tell
_FOLDS = 3  # of frames that are left out in turn


@dataclass(frozen=True, slots=True)
class BoardSettings:
    """How a rig is found from a board."""

    floor: str | None = None
    """Label of an image (of any camera) that shows the board lying on the floor: it gives z = 0 and up."""
    front: str | None = None
    """The camera that looks along +y; the first by default."""
    fisheye: tuple[str, ...] = ()
    """Cameras whose lens is a fisheye."""


@dataclass(frozen=True, slots=True, eq=False)
class LensReport:
    """What each camera's lens rests on: the fit of its own images, and the terms of the joint adjustment."""

    fits: dict[str, LensFit]
    terms: dict[str, str]


def calibrate_boards(
    views: Sequence[BoardViews], board: Board, settings: BoardSettings = BoardSettings(), lenses: Mapping[str, Intrinsics] | None = None
) -> tuple[Outcome, LensReport]:
    """The rig of the largest group of cameras that the board connects; the others are named with the reason.

    Args:
        views: what each camera saw of the board.
        board: that board.
        settings: where the world lies.
        lenses: of cameras whose lens is known and not to be changed.

    Raises:
        CameraError: no two cameras can be connected.
        InputError: a camera that is given twice, or a fisheye that is not there.
    """
    names = [v.camera for v in views]
    twice = [f"camera {name}: {names.count(name)} sets of images" for name in sorted({n for n in names if names.count(n) > 1})]
    if twice:
        raise InputError(all_faults(twice, "each camera is given once; put its images together, or name them apart:"))
    unknown = [name for name in settings.fisheye if name not in {v.camera for v in views}]
    if unknown:
        raise InputError(f"no camera {', '.join(unknown)} to be a fisheye; there are {valid_names(v.camera for v in views)}")
    refused: dict[str, str] = {}
    fits: dict[str, LensFit] = {}
    for own in views:
        try:
            known = (lenses or {}).get(own.camera)
            fits[own.camera] = (
                fit_lens(own, board, own.camera in settings.fisheye, choose=False) if known is None else fit_poses(own, board, known)
            )
        except CameraError as error:
            refused[own.camera] = str(error)
    usable = [own for own in views if own.camera in fits]
    if not usable:
        raise CameraError("no camera can be calibrated:\n" + "\n".join(f"  - {why}" for why in refused.values()))
    with single_threaded():
        graph = _Graph.of(usable, fits, board)
        members = graph.largest()
        if len(members) < 2:
            raise CameraError(
                f"no two cameras ({valid_names(fits)}) agree on how they stand to each other: film the board where two cameras see it "
                "at the same time, and give the pictures of one moment the same number. Pictures that are not of the same moments "
                "give lenses alone: --lenses-only" + _hint(board)
            )
        for camera in (v.camera for k, v in enumerate(usable) if k not in members):
            refused[camera] = (
                f"never sees the board together with any of {valid_names([usable[k].camera for k in members])}: "
                "film the board where it and one of them see it at once" + _hint(board)
            )
        chosen = [usable[k] for k in members]
        given = set(lenses or {})
        return _joint(chosen, [fits[v.camera] for v in chosen], graph.poses(members), board, settings, given, refused, graph.links())


def _hint(board: Board) -> str:
    if not board.symmetric:
        return ""
    return (
        f"; this board looks the same upside down, so that {_FEWEST_SYMMETRIC} such moments are needed: "
        "a board with an odd and an even number of corners needs one"
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Graph:
    """Cameras and what shared moments say of how they stand to each other."""

    names: list[str]
    relative: dict[tuple[int, int], tuple[SE3, int]]

    @staticmethod
    def of(views: Sequence[BoardViews], fits: Mapping[str, LensFit], board: Board) -> "_Graph":
        relative: dict[tuple[int, int], tuple[SE3, int]] = {}
        for a in range(len(views)):
            for b in range(a + 1, len(views)):
                shared, at_a, at_b = np.intersect1d(views[a].instant, views[b].instant, return_indices=True)
                if len(shared) >= (_FEWEST_SYMMETRIC if board.symmetric else 1):
                    found = _relative(
                        _rows(fits[views[a].camera].cam_from_board, at_a), _rows(fits[views[b].camera].cam_from_board, at_b), board
                    )
                    enough = _FEWEST_SYMMETRIC if board.symmetric else min(len(shared), 2)
                    if found[1] >= max(enough, _AGREE_MOMENTS * len(shared)):
                        relative[a, b] = found
        return _Graph([v.camera for v in views], relative)

    def largest(self) -> list[int]:
        """The largest group of connected cameras."""
        return connected(self.relative, len(self.names))[0]

    def poses(self, members: Sequence[int]) -> dict[int, SE3]:
        """cam_from_world along the tree of the pairs with most agreeing moments; the first member is the world."""
        poses = {members[0]: SE3.identity()}
        while len(poses) < len(members):
            options = [
                (count, -a, -b, pose if a in poses else pose.inverse())
                for (a, b), (pose, count) in self.relative.items()
                if (a in poses) != (b in poses) and a in members
            ]
            _, a, b, pose = max(options, key=lambda option: option[:3])
            known, new = (-a, -b) if -a in poses else (-b, -a)
            poses[new] = pose @ poses[known]
        return poses

    def links(self) -> dict[tuple[str, str], int]:
        """Agreeing moments of each pair."""
        return {(self.names[a], self.names[b]): count for (a, b), (_, count) in self.relative.items()}


def _rows(poses: SE3, rows: Int[np.ndarray, "some"]) -> SE3:
    return SE3(SO3(poses.rotation.matrix[rows]), poses.translation[rows])


def half_turn(board: Board) -> SE3:
    """The board turned by 180 degrees in its plane onto itself."""
    points = board.points
    turn = SO3(np.diag([-1.0, -1.0, 1.0]))
    return SE3(turn, points.min(0) + points.max(0))


def _relative(a: SE3, b: SE3, board: Board) -> tuple[SE3, int]:
    """b_from_a that most shared moments agree on, and their number; symmetric boards are tried both ways round."""
    options = [b @ a.inverse()]
    if board.symmetric:
        options.append(b @ half_turn(board) @ a.inverse())
    rotation = np.concatenate([o.rotation.matrix for o in options])
    translation = np.concatenate([o.translation for o in options])
    turn = np.arccos(np.clip((np.einsum("iab,jab->ij", rotation, rotation) - 1) / 2, -1, 1))
    reach = max(float(np.median(np.linalg.norm(a.translation, axis=-1))), 1e-6)
    shift = np.linalg.norm(translation[:, None] - translation[None], axis=-1) / reach
    agree = (turn < _AGREE_RAD) & (shift < _AGREE_SHARE)
    best = int(np.argmax(agree.sum(1) - (turn / _AGREE_RAD + shift / _AGREE_SHARE * 1.0).clip(0, 2).mean(1) / 10))
    mine = agree[best]
    return SE3(SO3.nearest(rotation[mine].mean(0)), np.median(translation[mine], 0)), int(mine.sum())


def _joint(
    views: list[BoardViews],
    fits: list[LensFit],
    poses: dict[int, SE3],
    board: Board,
    settings: BoardSettings,
    given: set[str],
    refused: dict[str, str],
    links: dict[tuple[str, str], int],
) -> tuple[Outcome, LensReport]:
    ordered = [poses[k] for k in sorted(poses)]
    rig = CameraRig(tuple(Camera(v.camera, f.intrinsics, p) for v, f, p in zip(views, fits, ordered, strict=True)))
    instants = np.unique(np.concatenate([v.instant for v in views]))
    frame = np.concatenate([np.searchsorted(instants, v.instant) for v in views])
    seen = target_views(views, board, frame)
    sigma = np.repeat([f.sigma_px for f in fits], [len(v) for v in views])
    seen = replace(seen, sigma_px=np.broadcast_to(sigma[:, None], seen.sigma_px.shape).copy())
    seen, targets = _first_targets(seen, fits, rig, len(instants), board)
    terms = [f.terms for f in fits]
    problem = _Problem(rig, seen, len(instants), targets, np.concatenate([f.inlier for f in fits]))
    problem = problem.solved(_frees(terms, given, rig))
    _refuse_nonsense(problem, fits)
    terms, problem = _more_terms(problem, terms, given)
    return _outcome(problem, views, fits, terms, board, settings, refused, links, instants)


def _first_targets(seen: TargetViews, fits: list[LensFit], rig: CameraRig, frames: int, board: Board) -> tuple[TargetViews, SE3]:
    """Board poses in the world from the camera that sees each best; a symmetric board is turned where the others say so."""
    cam_from_board = SE3(
        SO3(np.concatenate([f.cam_from_board.rotation.matrix for f in fits])), np.concatenate([f.cam_from_board.translation for f in fits])
    )
    world_from_cam = [camera.cam_from_world.inverse() for camera in rig]
    rotation = np.stack([world_from_cam[v].rotation.matrix for v in seen.view])
    world = SE3(SO3(rotation), np.stack([world_from_cam[v].translation for v in seen.view])) @ cam_from_board
    extent = np.linalg.norm(seen.xy.max(2) - seen.xy.min(2), axis=1) * (seen.weight.mean(1) + 0.01)
    order = np.lexsort((extent, seen.frame))
    last = np.append(np.flatnonzero(np.diff(seen.frame[order])), len(order) - 1)
    best = order[last]  # the largest image of each frame
    targets = SE3(SO3(world.rotation.matrix[best]), world.translation[best])
    assert len(best) == frames
    if not board.symmetric:
        return seen, targets
    turned = world @ half_turn(board)
    own = _rows(targets, seen.frame)
    straight = np.einsum("nij,nij->n", world.rotation.matrix, own.rotation.matrix)
    flip = np.einsum("nij,nij->n", turned.rotation.matrix, own.rotation.matrix) > straight
    xy, weight = seen.xy.copy(), seen.weight.copy()
    xy[flip], weight[flip] = xy[flip][:, :, ::-1], weight[flip][:, ::-1]
    return replace(seen, xy=xy, weight=weight), targets


def _frees(terms: Sequence[str], given: set[str], rig: CameraRig) -> tuple[Free, ...]:
    table = {name: coefficients for name, _, coefficients in MODELS} | {"fisheye": (0, 1, 2, 3)}
    return tuple(
        Free() if camera.name in given else Free(focal="two", centre=True, distortion=table[term])
        for camera, term in zip(rig, terms, strict=True)
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Problem:
    """The rig, the board poses, the images and how far each corner is believed."""

    rig: CameraRig
    seen: TargetViews
    frames: int
    targets: SE3
    inlier: Float[np.ndarray, "images points"]
    free: tuple[Free, ...] = ()

    def bundle(self, free: tuple[Free, ...]) -> TargetBundle:
        return TargetBundle(self.rig, free, self.seen, self.frames).reweighted(self.inlier)

    def solved(self, free: tuple[Free, ...], rounds: int = 4) -> "_Problem":
        """Adjusted, with corners and sigmas judged anew in between."""
        problem = replace(self, free=free)
        known = self.seen.weight > 0
        for _ in range(rounds):
            bundle = problem.bundle(free)
            at, _ = solve_schur(bundle, TargetsAt(bundle.cameras, problem.targets), SchurSettings(max_steps=15, min_gain=1e-7))
            residual = bundle.residuals(at)
            fresh = np.zeros_like(problem.inlier)
            sigma = problem.seen.sigma_px.copy()
            for v in range(len(problem.rig)):
                mine = problem.seen.view == v
                fresh[mine] = inliers(residual[mine], known[mine])
                square = (np.nan_to_num(residual[mine]) ** 2).sum(1) * fresh[mine]
                sigma[mine] = max(float(np.sqrt(square.sum() / max(2 * fresh[mine].sum(), 1.0) * problem._freedom())), 1e-3)
            change = float(np.abs(fresh - problem.inlier).max())
            problem = replace(
                problem, rig=at.cameras.on(problem.rig), targets=at.targets, inlier=fresh, seen=replace(problem.seen, sigma_px=sigma)
            )
            if change < 0.02:
                break
        return problem

    def _freedom(self) -> float:
        """Numbers over numbers left when the unknowns are taken off."""
        numbers = 2 * self.inlier.sum()
        unknowns = 6 * self.frames + sum(len(f.kinds) for f in self.free) - 6
        return float(numbers / max(numbers - unknowns, 1))

    def part(self, frames: Bool[np.ndarray, "frames"]) -> "_Problem":
        """The same cameras with some of the board's poses."""
        index = np.cumsum(frames) - 1
        rows = np.flatnonzero(frames[self.seen.frame])
        seen = self.seen.take(rows)
        seen = replace(seen, frame=index[seen.frame])
        return replace(
            self, seen=seen, frames=int(frames.sum()), targets=_rows(self.targets, np.flatnonzero(frames)), inlier=self.inlier[rows]
        )


def _refuse_nonsense(problem: _Problem, fits: list[LensFit]) -> None:
    """Pictures whose numbers match by chance relate cameras that have no moment in common.

    Raises:
        CameraError: cameras whose corners fit far worse together than alone.
    """
    together = [float(np.median(problem.seen.sigma_px[problem.seen.view == v])) for v in range(len(fits))]
    off = [f"{f.camera}: {t:.1f} px, alone {f.sigma_px:.1f} px" for f, t in zip(fits, together, strict=True) if t > _WORSE * f.sigma_px + 1]
    if off:
        raise CameraError(
            all_faults(
                off,
                "the cameras' images do not fit together: pictures of one number are not of one moment, or the clocks differ "
                "(pictures that have nothing to do with each other give lenses alone: --lenses-only):",
            )
        )


def _more_terms(problem: _Problem, terms: list[str], given: set[str]) -> tuple[list[str], _Problem]:
    """Distortion terms that the rig as a whole can tell though a camera alone could not: frames left out decide."""
    names = [name for name, _, _ in MODELS]
    rigid = len(problem.rig)
    level = {k: names.index(t) for k, t in enumerate(terms) if t in names and problem.rig.cameras[k].name not in given}
    stop = names.index("k1 k2 p1 p2 k3")
    trying = {k for k, at in level.items() if at < stop}
    base = _held_out_joint(problem, _frees(terms, given, problem.rig)) if trying else []
    misses = dict.fromkeys(trying, 0)
    ahead = dict(level)
    while trying:
        for k in trying:
            ahead[k] += 1
        tried = [names[ahead[k]] if k in trying else terms[k] for k in range(rigid)]
        frees = _frees(tried, given, problem.rig)
        held = _held_out_joint(problem, frees)
        changed = False
        for k in sorted(trying):
            if held[k].sum() < base[k].sum():
                terms[k], level[k], misses[k], changed = tried[k], ahead[k], 0, True
            else:
                misses[k] += 1
            if ahead[k] >= stop or misses[k] >= 2:
                trying.discard(k)
        if changed:
            problem = problem.solved(_frees(terms, given, problem.rig), rounds=1)
            base = _held_out_joint(problem, _frees(terms, given, problem.rig)) if trying else base
    return terms, problem.solved(_frees(terms, given, problem.rig))


def _held_out_joint(problem: _Problem, free: tuple[Free, ...]) -> list[Float[np.ndarray, "images"]]:
    """Squared residuals of each camera's images in frames left out, cameras fitted to the others; all frames in turn."""
    total: list[list[np.ndarray]] = [[] for _ in problem.rig]
    for fold in range(_FOLDS):
        out = np.arange(problem.frames) % _FOLDS == fold
        train, test = problem.part(~out), problem.part(out)
        bundle = train.bundle(free)
        at, _ = solve_schur(bundle, TargetsAt(bundle.cameras, train.targets), SchurSettings(max_steps=4, min_gain=1e-5))
        rig = at.cameras.on(problem.rig)
        judge = replace(test, rig=rig).bundle((Free(pose=False),) * len(rig))
        judged, _ = solve_schur(judge, TargetsAt(judge.cameras, test.targets), SchurSettings(max_steps=5, min_gain=1e-5))
        square = ((np.nan_to_num(judge.residuals(judged)) ** 2).sum(1) * test.inlier).sum(1)
        for v, own in enumerate(total):
            own.append(square[test.seen.view == v])
    return [np.concatenate(own) for own in total]


def _outcome(
    problem: _Problem,
    views: list[BoardViews],
    fits: list[LensFit],
    terms: list[str],
    board: Board,
    settings: BoardSettings,
    refused: dict[str, str],
    links: dict[tuple[str, str], int],
    instants: Int[np.ndarray, "frames"],
) -> tuple[Outcome, LensReport]:
    bundle, covariance, gauge = _covariance(problem)
    rows = np.concatenate([np.arange(part.start, part.start + 6) for part in bundle.cameras.slices])
    rig = replace(problem.rig, covariance=np.ascontiguousarray(covariance[np.ix_(rows, rows)]))
    corners = len(board.points)
    world = problem.targets.rotation.matrix @ board.points.T + problem.targets.translation[..., None]
    points = world.transpose(0, 2, 1).reshape(-1, 3)
    shape = (len(rig), problem.frames, corners)
    xy, inlier = np.full((*shape, 2), np.nan), np.zeros(shape)
    seen = problem.seen
    known = seen.weight > 0
    xy[seen.view, seen.frame] = np.where(known[..., None], seen.xy.transpose(0, 2, 1), np.nan)
    inlier[seen.view, seen.frame] = problem.inlier
    sigma = np.ones(shape)
    sigma[seen.view, seen.frame] = seen.sigma_px
    rig, change, unknown, note = _axes(rig, problem.targets, views, board, settings, instants)
    flat = xy.reshape(len(rig), -1, 2)
    evidence = Evidence.of(rig, flat, sigma.reshape(len(rig), -1), change @ points, inlier.reshape(len(rig), -1))
    off = np.linalg.norm(evidence.predicted - evidence.xy, axis=-1) / evidence.sigma_px
    adjusted = Adjusted(rig, bundle.cameras.free, change @ points, evidence.inlier, off**2, 1.0, covariance, gauge, 0.0)
    share = _PRINT_SHARE if board.sigma_m is None else board.sigma_m / float(np.ptp(board.points, axis=0).max())
    scale: Scale = combine([ScaleCue("board", 1.0, share)])
    rig = replace(rig, unknown=frozenset(unknown))
    outcome = Outcome("boards", rig, evidence, refused, note, scale, None, replace(adjusted, rig=rig), links)
    return outcome, LensReport({f.camera: f for f in fits}, dict(zip(rig.names, terms, strict=True)))


def _covariance(
    problem: _Problem,
) -> tuple[TargetBundle, Float[np.ndarray, "parameters parameters"], Float[np.ndarray, "parameters freedoms"]]:
    """Of all parameters, and of the distortion terms that did not pay as well: left out is not known to be zero.

    Without them the principal point would seem much surer than it is. What lenses have is their prior, and
    the step that the whole model would take counts as spread between models (Buckland, Burnham, Augustin 1997).
    """
    free: list[Free] = []
    priors: list[float] = []
    for camera, own in zip(problem.rig, problem.free, strict=True):
        full = own
        if own.lens and camera.intrinsics.model == "pinhole" and len(own.distortion) < len(_TERM_SIGMA):
            full = replace(own, distortion=tuple(range(len(_TERM_SIGMA))))
        sigma = iter([np.inf if k in own.distortion else _TERM_SIGMA[k] for k in full.distortion] if full is not own else [np.inf] * 14)
        priors += [1 / next(sigma) ** 2 if kind == "distortion" else 0.0 for kind in full.kinds]
        free.append(full)
    bundle = problem.bundle(tuple(free))
    at = TargetsAt(bundle.cameras, problem.targets)
    system = bundle.linearise(at)
    gauge = bundle.gauge(at)
    eliminated = Eliminated(replace(system, border=system.border + np.diag(priors)), gauge)
    between = eliminated.step()[0]
    return bundle, eliminated.covariance() + np.outer(between, between), gauge


def _axes(
    rig: CameraRig, targets: SE3, views: list[BoardViews], board: Board, settings: BoardSettings, instants: Int[np.ndarray, "frames"]
) -> tuple[CameraRig, SE3, set[str], tuple[str, ...]]:
    """The world: on the board that lies on the floor, or, with up and floor unknown, as the cameras stand."""
    front = rig[settings.front].centre if settings.front is not None else rig.centres()[0]
    if settings.floor is None:
        up = -np.stack([c.cam_from_world.rotation.matrix[1] for c in rig]).mean(0)
        up = up / max(float(np.linalg.norm(up)), 1e-9)
        origin = targets.translation.mean(0)
        change = axes_for(up, float(origin @ up), origin, front)
        note = "no image of the board on the floor was named: up is a guess from how the cameras are held, the floor is unknown"
        return moved(rig, 1.0, change), change, {"up", "floor"}, (note,)
    labelled = {label: instant for v in views for label, instant in zip(v.label, v.instant.tolist(), strict=True)}
    if settings.floor not in labelled:
        raise InputError(f"no image {settings.floor!r} in which the board was found; there are {valid_names(labelled)}")
    frame = int(np.searchsorted(instants, labelled[settings.floor]))
    normal, corner = targets.rotation.matrix[frame][:, 2], targets.translation[frame]
    above = np.median((rig.centres() - corner) @ normal)
    up = normal * np.sign(above)
    change = axes_for(up, float(corner @ up), corner, front)
    return moved(rig, 1.0, change), change, set(), ()
