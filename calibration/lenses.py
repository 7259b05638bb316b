"""A camera's lens from images of a board: focal length, principal point, and as much distortion as pays.

Zhang 2000 for the start, one robust adjustment over the lens and all board poses for the answer.
Distortion terms are added in the order in which lenses need them, and only while images that were left
out are predicted better.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from calibration.board_views import BoardViews
from calibration.targets import Board
from recon3d.errors import CameraError
from recon3d.geometry import SE3, SO3, Camera, CameraRig, Intrinsics
from recon3d.geometry.bundle import TargetBundle, TargetsAt, TargetViews
from recon3d.geometry.camera_unknowns import Free
from recon3d.geometry.mixture import Mixture
from recon3d.geometry.schur import Eliminated, SchurSettings, solve_schur
from recon3d.geometry.threads import single_threaded

MODELS: tuple[tuple[str, str, tuple[int, ...]], ...] = (
    ("none", "pinhole", ()),
    ("k1", "pinhole", (0,)),
    ("k1 k2", "pinhole", (0, 1)),
    ("k1 k2 p1 p2", "pinhole", (0, 1, 2, 3)),
    ("k1 k2 p1 p2 k3", "pinhole", (0, 1, 2, 3, 4)),
    ("rational", "pinhole", (0, 1, 2, 3, 4, 5, 6, 7)),
)
"""Name, model, free coefficients; each holds the one before."""
_FISHEYE = ("fisheye", "fisheye", (0, 1, 2, 3))
_BETTER = 0.995  # a term pays that lowers the residual of images left out to this share of it,
_SURE = 2.0  # or by so many standard errors, image by image
_WILD = 5.0  # a rational coefficient beyond is a pole and a zero that cancel: no lens
_FOLDS = 3
_FEWEST_IMAGES = 3
_PARALLEL = np.deg2rad(10)  # boards within that of each other: their own noise tilts them by half of it
_MAX_FOCAL_SHARE = 0.05  # sigma of a focal length that is no answer any more
_MIXTURE = Mixture.of(0.02, 60.0)


@dataclass(frozen=True, slots=True, eq=False)
class LensFit:
    """A lens and how well it is known.

    Attributes:
        camera: name.
        intrinsics: lens.
        terms: name of its distortion terms, of `MODELS`.
        cam_from_board: pose of the board in each image.
        residual_px: root mean square distance of sound corners to their prediction.
        held_out_px: the same of images that the lens was not fitted to, by terms tried.
        sigma_px: of a corner's coordinate, as estimated.
        focal_sigma_px: of the focal length (the less certain of the two).
        inlier: probability of each corner to be sound.
        coverage: share of the image's cells (8 x 6) that hold a corner.
    """

    camera: str
    intrinsics: Intrinsics
    terms: str
    cam_from_board: SE3
    residual_px: float
    held_out_px: dict[str, float]
    sigma_px: float
    focal_sigma_px: float
    inlier: Float[np.ndarray, "images points"]
    coverage: float


def fit_lens(views: BoardViews, board: Board, fisheye: bool = False, choose: bool = True) -> LensFit:
    """The lens of one camera.

    Args:
        views: its images of the board.
        board: that board.
        fisheye: OpenCV's fisheye model, with all its terms.
        choose: the distortion terms by images left out; else k1 alone, for an adjustment that chooses later.

    Raises:
        CameraError: too few images, or images that leave the focal length open (all of one direction).
    """
    if len(views) < _FEWEST_IMAGES:
        raise CameraError(
            f"camera {views.camera}: the board was found in {len(views)} image{'s' * (len(views) != 1)} only; "
            "a lens needs ten or more, with the board tilted and in all parts of the image"
        )
    with single_threaded():
        start = _zhang(views, board)
        tried = [_FISHEYE] if fisheye else list(MODELS) if choose else [MODELS[1]]
        held_out: dict[str, float] = {}
        at, kept = _solve(_as_model(start, tried[0]), views, board, tried[0][2])
        best, best_held = 0, _held_out(at, kept, views, board, tried[0][2]) if choose else np.zeros(0)
        if choose:
            held_out[tried[0][0]] = _root_mean(best_held, kept)
        for k, model in enumerate(tried[1:], 1):
            # One more look past a term that does not pay: k2 alone may not where k2 with p1 p2 does.
            if k - best > 2:
                break
            fitted, inlier = _solve(_as_model(at, model), views, board, model[2])
            held = _held_out(fitted, kept, views, board, model[2])
            held_out[model[0]] = _root_mean(held, kept)
            better = held_out[model[0]] < _BETTER * held_out[tried[best][0]] or gains(best_held, held)
            if better and not (model[0] == "rational" and np.abs(fitted.intrinsics.dist).max() > _WILD):
                best, at, best_held, kept = k, fitted, held, inlier
        return _judged(at, views, board, tried[best], held_out, kept)


def fit_poses(views: BoardViews, board: Board, intrinsics: Intrinsics) -> LensFit:
    """Board poses in the images of a camera whose lens is known already."""
    with single_threaded():
        start = _At(intrinsics, _poses(views, board, intrinsics))
        at, inlier = _solve(start, views, board, (), lens=False)
        return _judged(at, views, board, ("given", intrinsics.model, ()), {}, inlier, lens=False)


def gains(before: Float[np.ndarray, "images"], after: Float[np.ndarray, "images"]) -> bool:
    """Whether images left out are predicted better, beyond doubt: a paired test over the images' squared residuals."""
    gain = before - after
    gain = gain[np.isfinite(gain)]
    if len(gain) < 3:
        return False
    return float(gain.mean()) > _SURE * float(gain.std(ddof=1)) / np.sqrt(len(gain))


def _root_mean(square: Float[np.ndarray, "images"], inlier: Float[np.ndarray, "images points"]) -> float:
    known = np.isfinite(square)
    return float(np.sqrt(square[known].sum() / max(float(inlier[known].sum()), 1e-9))) if known.any() else float("nan")


@dataclass(frozen=True, slots=True, eq=False)
class _At:
    intrinsics: Intrinsics
    poses: SE3


def homographies(views: BoardViews, board: Board) -> Float[np.ndarray, "images 3 3"]:
    """From the board's plane (m) to pixels, by normalised linear least squares (Hartley 1997), all images at once."""
    plane = board.points[:, :2]
    middle, size = plane.mean(0), np.sqrt(((plane - plane.mean(0)) ** 2).sum(1).mean() / 2)
    flat = np.column_stack([(plane - middle) / size, np.ones(len(plane))])
    known = np.isfinite(views.xy[..., 0])
    weight = known / np.maximum(known.sum(1, keepdims=True), 1)
    xy = np.where(known[..., None], views.xy, 0.0)
    centre = (xy * weight[..., None]).sum(1, keepdims=True)
    scale = np.sqrt((((xy - centre) ** 2).sum(-1) * weight).sum(1) / 2)[:, None, None]
    uv = (xy - centre) / scale * known[..., None]
    zero = np.zeros((*known.shape, 3))
    p = np.where(known[..., None], flat, 0.0)
    rows = np.concatenate([np.concatenate([p, zero, -uv[..., :1] * p], -1), np.concatenate([zero, p, -uv[..., 1:] * p], -1)], 1)
    _, vectors = np.linalg.eigh(np.swapaxes(rows, 1, 2) @ rows)
    h = vectors[:, :, 0].reshape(-1, 3, 3)
    to_flat = np.array([[1 / size, 0, -middle[0] / size], [0, 1 / size, -middle[1] / size], [0, 0, 1]])
    to_px = np.zeros_like(h)
    to_px[:, 0, 0] = to_px[:, 1, 1] = scale[:, 0, 0]
    to_px[:, :2, 2], to_px[:, 2, 2] = centre[:, 0], 1
    return to_px @ h @ to_flat


def _zhang(views: BoardViews, board: Board) -> _At:
    """Focal length from homographies with the principal point in the middle of the image."""
    h = homographies(views, board)
    middle = (np.array(views.size) - 1) / 2
    shift = np.array([[1, 0, -middle[0]], [0, 1, -middle[1]], [0, 0, 1]])
    h = shift @ h
    h = h / np.linalg.norm(h[:, :, :2], axis=(1, 2), keepdims=True)
    a, b = h[:, :, 0], h[:, :, 1]
    # a' W b = 0 and a' W a = b' W b for W = diag(1/f^2, 1/f^2, 1): linear in 1/f^2.
    left = np.concatenate([a[:, 0] * b[:, 0] + a[:, 1] * b[:, 1], a[:, 0] ** 2 + a[:, 1] ** 2 - b[:, 0] ** 2 - b[:, 1] ** 2])
    right = -np.concatenate([a[:, 2] * b[:, 2], a[:, 2] ** 2 - b[:, 2] ** 2])
    inverse = float((left * right).sum() / max((left * left).sum(), 1e-300))
    side = max(views.size)
    focal = 1 / np.sqrt(inverse) if inverse > 0 else side
    focal = float(np.clip(focal, 0.3 * side, 8 * side))
    intrinsics = Intrinsics(views.size, np.array([[focal, 0, middle[0]], [0, focal, middle[1]], [0, 0, 1]]), "pinhole", np.zeros(5))
    return _At(intrinsics, _poses(views, board, intrinsics))


def _poses(views: BoardViews, board: Board, intrinsics: Intrinsics) -> SE3:
    """Board poses from homographies between the plane and undistorted rays."""
    normalised, _ = intrinsics.undistort(views.xy)
    h = homographies(replace(views, xy=np.array(normalised)), board)
    h = h / np.sqrt(np.linalg.norm(h[:, :, 0], axis=1) * np.linalg.norm(h[:, :, 1], axis=1))[:, None, None]
    # The board lies in front of the camera: its mean depth is positive.
    depth = h[:, 2] @ np.append(board.points[:, :2].mean(0), 1.0)
    h = h * np.where(depth < 0, -1.0, 1.0)[:, None, None]
    rotation = np.stack([h[:, :, 0], h[:, :, 1], np.cross(h[:, :, 0], h[:, :, 1])], -1)
    return SE3(SO3.nearest(rotation), h[:, :, 2].copy())


def _as_model(at: _At, model: tuple[str, str, tuple[int, ...]]) -> _At:
    name, kind, terms = model
    old = at.intrinsics
    if kind == old.model and len(old.dist) >= (max(terms) + 1 if terms else 0):
        return at
    dist = np.zeros(4 if kind == "fisheye" else 8 if name == "rational" else 5)
    if kind == old.model:
        dist[: len(old.dist)] = old.dist
    return replace(at, intrinsics=replace(old, model=kind, dist=dist))


def _bundle(views: BoardViews, board: Board, intrinsics: Intrinsics, free: Free, sigma: float = 1.0) -> TargetBundle:
    rig = CameraRig((Camera(views.camera, intrinsics, SE3.identity()),))
    return TargetBundle(rig, free, target_views([views], board, np.arange(len(views)), sigma), len(views))


def target_views(views: list[BoardViews], board: Board, frame: Int[np.ndarray, "images"], sigma: float = 1.0) -> TargetViews:
    """Images of several cameras for the adjustment; ``frame`` is the board pose that each shows, camera by camera."""
    xy = np.concatenate([v.xy for v in views])
    known = np.isfinite(xy[..., 0])
    count = len(xy)
    return TargetViews(
        view=np.repeat(np.arange(len(views)), [len(v) for v in views]),
        frame=np.asarray(frame),
        shape=np.broadcast_to(board.points.T, (count, 3, len(board.points))),
        xy=np.where(known[..., None], xy, 0.0).transpose(0, 2, 1),
        sigma_px=np.full(known.shape, sigma),
        weight=known.astype(float),
    )


def _solve(
    at: _At, views: BoardViews, board: Board, terms: tuple[int, ...], lens: bool = True
) -> tuple[_At, Float[np.ndarray, "images points"]]:
    """The adjustment of one camera with weights against stray corners."""
    free = Free(pose=False, focal="two", centre=True, distortion=terms) if lens else Free(pose=False)
    bundle = _bundle(views, board, at.intrinsics, free)
    known = np.isfinite(views.xy[..., 0])
    weight = known.astype(float)
    place = TargetsAt(bundle.cameras, at.poses)
    for round_ in range(4):
        place, _ = solve_schur(bundle.reweighted(weight), place, SchurSettings(max_steps=25 if not round_ else 6, min_gain=1e-5))
        fresh = inliers(bundle.residuals(place), known)
        change, weight = np.abs(fresh - weight).max(), fresh
        if change < 0.05:
            break
    return _At(place.cameras.intrinsics[0], place.targets), weight


def inliers(residual: Float[np.ndarray, "images 2 points"], known: np.ndarray) -> Float[np.ndarray, "images points"]:
    """Probability of each corner to be sound; the scatter is that of the middle half of all corners."""
    square = np.where(known, (np.nan_to_num(residual, nan=1e6) ** 2).sum(1), 0.0)
    sigma2 = max(float(np.median(square[known])) / 1.386, 1e-8)
    return _MIXTURE.inlier(square / sigma2, known.astype(float))


def _held_out(
    at: _At, inlier: Float[np.ndarray, "images points"], views: BoardViews, board: Board, terms: tuple[int, ...]
) -> Float[np.ndarray, "images"]:
    """Sum of squared residuals (px^2) of each image by a lens that was not fitted to it, its board pose fitted to it alone."""
    folds = min(_FOLDS, len(views))
    out = np.full(len(views), np.nan)
    for fold in range(folds):
        test = np.arange(len(views)) % folds == fold
        if (~test).sum() < _FEWEST_IMAGES - 1:
            continue
        free = Free(pose=False, focal="two", centre=True, distortion=terms)
        bundle = _bundle(views.take(~test), board, at.intrinsics, free).reweighted(inlier[~test])
        place = TargetsAt(bundle.cameras, SE3(SO3(at.poses.rotation.matrix[~test]), at.poses.translation[~test]))
        place, _ = solve_schur(bundle, place, SchurSettings(max_steps=6, min_gain=1e-4))
        judge = _bundle(views.take(test), board, place.cameras.intrinsics[0], Free(pose=False)).reweighted(inlier[test])
        poses = SE3(SO3(at.poses.rotation.matrix[test]), at.poses.translation[test])
        judged, _ = solve_schur(judge, TargetsAt(judge.cameras, poses), SchurSettings(max_steps=6, min_gain=1e-4))
        square = (np.nan_to_num(judge.residuals(judged)) ** 2).sum(1)
        out[test] = (square * inlier[test]).sum(1)
    return out


def _judged(
    at: _At,
    views: BoardViews,
    board: Board,
    model: tuple[str, str, tuple[int, ...]],
    held_out: dict[str, float],
    inlier: Float[np.ndarray, "images points"],
    lens: bool = True,
) -> LensFit:
    free = Free(pose=False, focal="two", centre=True, distortion=model[2]) if lens else Free(pose=False)
    bundle = _bundle(views, board, at.intrinsics, free).reweighted(inlier)
    place = TargetsAt(bundle.cameras, at.poses)
    square = (bundle.residuals(place) ** 2).sum(1)
    mean_square = float((np.where(inlier > 0, square, 0) * inlier).sum() / max(inlier.sum(), 1))
    freedoms = max(2 * inlier.sum() - 6 * len(views) - bundle.cameras.count, 1)
    sigma = float(np.sqrt(mean_square * inlier.sum() / freedoms))
    focal_sigma = 0.0
    if lens:
        covariance = Eliminated(bundle.linearise(place), bundle.gauge(place)).covariance() * sigma**2
        focal_sigma = float(np.sqrt(max(np.diag(covariance)[:2].max(), 0)))
        focal = float(at.intrinsics.K[0, 0])
        normal = at.poses.rotation.matrix[:, :, 2]
        apart = float(np.arccos(np.clip((normal @ normal.T).min(), -1, 1)))
        if not focal_sigma < _MAX_FOCAL_SHARE * focal or apart < _PARALLEL:
            raise CameraError(
                f"camera {views.camera}: the images leave the focal length open ({focal:.0f} +- {focal_sigma:.0f} px): "
                "the board faces the camera alike in all of them; tilt it by 30 degrees and more to different sides"
            )
    known = views.xy[np.isfinite(views.xy[..., 0])]
    cells = np.clip((known / np.array(views.size) * [8, 6]).astype(int), 0, [7, 5])
    coverage = len(np.unique(cells[:, 1] * 8 + cells[:, 0])) / 48
    return LensFit(
        views.camera, at.intrinsics, model[0], at.poses, float(np.sqrt(mean_square)), held_out, sigma, focal_sigma, inlier, coverage
    )
