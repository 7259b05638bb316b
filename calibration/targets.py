"""Calibration boards: where their points are, and how they are found in an image."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, UInt8

from recon3d.errors import InputError, all_faults, valid_names
from recon3d.opencv import import_cv2

Kind = Literal["chessboard", "charuco", "aprilgrid", "aruco"]
_KINDS = ("chessboard", "charuco", "aprilgrid", "aruco")
_SIZES_M = (0.0005, 1.5)
_SEARCH_PX = 1100  # of the longer side of the image that a chessboard is looked for in
_APRILTAGS = "APRILTAG_36h11"
_KALIBR_BORDERS = (2, 1)  # bits of black round a tag: as Kalibr prints it, and as other programs do
_FEWEST = 6  # points of a board of markers that are worth an image


@dataclass(frozen=True, slots=True)
class Board:
    """A flat board with known points.

    Attributes:
        kind: "chessboard", "charuco", "aprilgrid" (Kalibr's) or "aruco" (a grid of ArUco markers).
        columns: inner corners of a chessboard, squares of a ChArUco board, markers of a grid; across.
        rows: the same, down.
        size_m: edge of a square, or of a marker in a grid, m.
        marker_m: edge of a marker on a ChArUco board, m.
        gap_m: between the markers of a grid, m.
        dictionary: OpenCV's name of the markers' dictionary, without "DICT_".
        sigma_m: of a length of the board's size, m: print scale and paper; 0.1 % where not told.
        legacy: ChArUco boards of OpenCV before 4.6, whose first square is white where the rows are even.
    """

    kind: Kind
    columns: int
    rows: int
    size_m: float
    marker_m: float | None = None
    gap_m: float | None = None
    dictionary: str = "4X4_100"
    sigma_m: float | None = None
    legacy: bool = False

    def __post_init__(self) -> None:
        faults: list[str] = []
        if self.kind not in _KINDS:
            faults.append(f"kind {self.kind!r} is not one of {valid_names(_KINDS)}")
        least = 3 if self.kind == "chessboard" else 2
        if self.columns < least or self.rows < least - 1:
            faults.append(f"{self.columns} x {self.rows} is too small for a {self.kind}")
        if not (np.isfinite(self.size_m) and _SIZES_M[0] < self.size_m < _SIZES_M[1]):
            faults.append(f"a square or marker of {1000 * self.size_m:.4g} mm is none of a calibration board: check the unit")
        if self.kind == "charuco" and not (self.marker_m and 0 < self.marker_m < self.size_m):
            faults.append("a ChArUco board needs marker_m, smaller than its squares")
        if self.kind in ("aprilgrid", "aruco") and not (self.gap_m and self.gap_m > 0):
            faults.append("a grid of markers needs gap_m, the distance between them")
        if faults:
            raise InputError(all_faults(faults, "this is no board:"))

    @property
    def symmetric(self) -> bool:
        """Whether the board looks the same when it is turned by 180 degrees: its corners cannot be told apart then."""
        return self.kind == "chessboard" and (self.columns + self.rows) % 2 == 0

    @property
    def points(self) -> Float[np.ndarray, "points 3"]:
        """In the board's plane, m: x across, y down as printed, z into the board."""
        if self.kind == "chessboard":
            x, y = np.meshgrid(np.arange(self.columns), np.arange(self.rows))
            return np.column_stack([x.ravel(), y.ravel(), 0 * x.ravel()]) * self.size_m
        if self.kind == "charuco":
            x, y = np.meshgrid(np.arange(1, self.columns), np.arange(1, self.rows))
            return np.column_stack([x.ravel(), y.ravel(), 0 * x.ravel()]) * self.size_m
        assert self.gap_m is not None
        step = self.size_m + self.gap_m
        corner = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * self.size_m
        x, y = np.meshgrid(np.arange(self.columns), np.arange(self.rows))
        first = np.column_stack([x.ravel(), y.ravel()]) * step
        flat = (first[:, None] + corner[None]).reshape(-1, 2)
        return np.column_stack([flat, np.zeros(len(flat))])

    def find(self, image: UInt8[np.ndarray, "height width"]) -> Float[np.ndarray, "points 2"] | None:
        """The board's points in a grey image, px; NaN for those not seen, None where the board is not there."""
        if self.kind == "chessboard":
            return _find_chessboard(image, self.columns, self.rows)
        return _find_charuco(image, self) if self.kind == "charuco" else _find_grid(image, self)


def _find_chessboard(image: UInt8[np.ndarray, "height width"], columns: int, rows: int) -> Float[np.ndarray, "points 2"] | None:
    """The sector-based detector (Duda and Frese 2018) on an image of moderate size, then its older sibling.

    Its corners are found to a part of a pixel at half size too, and sooner.
    """
    cv2 = import_cv2()
    share = min(1.0, _SEARCH_PX / max(image.shape))
    small = cv2.resize(image, None, fx=share, fy=share, interpolation=cv2.INTER_AREA) if share < 1 else image
    plain = cv2.CALIB_CB_NORMALIZE_IMAGE | cv2.CALIB_CB_ACCURACY
    for flags in (plain, plain | cv2.CALIB_CB_EXHAUSTIVE):
        found, corners = cv2.findChessboardCornersSB(small, (columns, rows), flags=flags)
        if found:
            # A pixel's centre is a whole number in both images.
            full = (np.asarray(corners, float).reshape(rows, columns, 2) + 0.5) / share - 0.5
            return _in_order(full, image).reshape(-1, 2)
    flags = cv2.CALIB_CB_ADAPTIVE_THRESH | cv2.CALIB_CB_NORMALIZE_IMAGE | cv2.CALIB_CB_FAST_CHECK
    found, corners = cv2.findChessboardCorners(small, (columns, rows), flags=flags)
    if not found:
        return None
    grid = ((np.asarray(corners, float).reshape(rows, columns, 2) + 0.5) / share - 0.5).astype(np.float32)
    half = int(np.clip(np.linalg.norm(np.diff(grid, axis=1), axis=-1).min() / 3, 2, 15))
    criteria = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 50, 1e-4)
    refined = cv2.cornerSubPix(image, grid.reshape(-1, 1, 2), (half, half), (-1, -1), criteria)
    return _in_order(np.asarray(refined, float).reshape(rows, columns, 2), image).reshape(-1, 2)


def _in_order(grid: Float[np.ndarray, "rows columns 2"], image: UInt8[np.ndarray, "height width"]) -> Float[np.ndarray, "rows columns 2"]:
    """Corners right-handed as printed, starting where the first square beyond them is dark, if that tells."""
    right, down = grid[:, 1:] - grid[:, :-1], grid[1:] - grid[:-1]
    if (right[:-1, :, 0] * down[:, :-1, 1] - right[:-1, :, 1] * down[:, :-1, 0]).mean() < 0:
        grid = grid[:, ::-1]  # numbered as a mirror would
    if (grid.shape[0] + grid.shape[1]) % 2 and _first_square(grid, image) > _first_square(grid[::-1, ::-1], image):
        grid = grid[::-1, ::-1]
    return grid


def _first_square(grid: Float[np.ndarray, "rows columns 2"], image: UInt8[np.ndarray, "height width"]) -> float:
    """Mean brightness of the square between the first four corners."""
    middle = grid[:2, :2].mean((0, 1))
    near = middle + 0.4 * (grid[:2, :2].reshape(-1, 2) - middle)
    places = np.clip(np.rint(np.vstack([near, middle])), 0, np.array(image.shape[::-1]) - 1).astype(int)
    return float(image[places[:, 1], places[:, 0]].mean())


def _dictionary(name: str) -> Any:
    aruco = import_cv2().aruco
    names = [n.removeprefix("DICT_") for n in dir(aruco) if n.startswith("DICT_")]
    if name not in names:
        raise InputError(f"no marker dictionary {name!r}; there are {valid_names(names)}")
    return aruco.getPredefinedDictionary(getattr(aruco, f"DICT_{name}"))


@functools.lru_cache(maxsize=8)
def _charuco(board: Board) -> tuple[Any, Any]:
    aruco = import_cv2().aruco
    made = aruco.CharucoBoard((board.columns, board.rows), board.size_m, board.marker_m, _dictionary(board.dictionary))
    made.setLegacyPattern(board.legacy)
    return made, aruco.CharucoDetector(made)


def _find_charuco(image: UInt8[np.ndarray, "height width"], board: Board) -> Float[np.ndarray, "points 2"] | None:
    _, detector = _charuco(board)
    corners, ids, _, _ = detector.detectBoard(image)
    if ids is None or len(ids) < _FEWEST:
        return None
    out = np.full((len(board.points), 2), np.nan)
    out[np.ravel(ids)] = np.asarray(corners, float).reshape(-1, 2)
    return out


@functools.lru_cache(maxsize=8)
def _marker_detector(dictionary: str, border: int = 1) -> Any:
    """Of markers with a black border so many bits wide."""
    aruco = import_cv2().aruco
    parameters = aruco.DetectorParameters()
    parameters.cornerRefinementMethod = aruco.CORNER_REFINE_SUBPIX
    parameters.markerBorderBits = border
    # The squares at the crossings of Kalibr's gaps touch the tags and pull their contours, blur rounds the corners
    # of others: look for the corner further away, though never as far as the marker's own pattern.
    parameters.cornerRefinementWinSize, parameters.relativeCornerRefinmentWinSize = 12, 0.75 * border
    return aruco.ArucoDetector(_dictionary(dictionary), parameters)


def _find_grid(image: UInt8[np.ndarray, "height width"], board: Board) -> Float[np.ndarray, "points 2"] | None:
    if board.kind == "aprilgrid":
        # The wide border first: a narrow one is seen, in the wrong place, in tags that have the wide one.
        found = (_markers(image, board, _APRILTAGS, border) for border in _KALIBR_BORDERS)
        return next((points for points in found if points is not None), None)
    return _markers(image, board, board.dictionary, 1)


def _markers(image: UInt8[np.ndarray, "height width"], board: Board, dictionary: str, border: int) -> Float[np.ndarray, "points 2"] | None:
    corners, ids, _ = _marker_detector(dictionary, border).detectMarkers(image)
    if ids is None:
        return None
    out = np.full((board.columns * board.rows, 4, 2), np.nan)
    for marker, where in zip(np.ravel(ids).tolist(), corners, strict=True):
        if not 0 <= marker < len(out):
            continue
        row, column = divmod(marker, board.columns)
        own = np.asarray(where, float).reshape(4, 2)
        if board.kind == "aprilgrid":
            # Kalibr counts rows from the bottom; its tags, AprilTag's own, stand on their heads in OpenCV's dictionary.
            row, own = board.rows - 1 - row, np.roll(own, 2, 0)
        out[row * board.columns + column] = own
    flat = out.reshape(-1, 2)
    return flat if np.isfinite(flat[:, 0]).sum() >= _FEWEST else None


def why_not(board: Board, images: Sequence[UInt8[np.ndarray, "height width"]], labels: Sequence[str]) -> str:
    """What came closest, where a board was found in none of the images, and what to change."""
    cv2 = import_cv2()
    if not images:
        return "there are no images"
    if board.kind != "chessboard":
        return _why_no_markers(board, images, labels)
    sharp = [float(cv2.Laplacian(image, cv2.CV_64F).var()) for image in images]
    for k in np.argsort(sharp)[::-1][:4].tolist():
        for columns, rows in _likely_sizes(board.columns, board.rows):
            if _find_chessboard(images[k], columns, rows) is not None:
                return (
                    f"in {labels[k]} a board of {columns} x {rows} inner corners was found, not {board.columns} x {board.rows}: "
                    "count the corners where four squares meet, not the squares"
                )
    for k in np.argsort(sharp)[::-1][:4].tolist():
        for less in (1, 2):
            columns, rows = board.columns - less, board.rows - less
            if min(columns, rows) >= 3 and _find_chessboard(images[k], columns, rows) is not None:
                return (
                    f"in {labels[k]} only a part of {columns} x {rows} corners was found: "
                    "the board must be whole in the image, with a white border"
                )
    best = int(np.argmax(sharp))
    light = float(np.mean(images[best]))
    why = "too dark" if light < 40 else "overexposed" if light > 220 else "blurred" if sharp[best] < 20 else "no board of likely size in it"
    return (
        f"the sharpest image is {labels[best]} ({why}): check the number of inner corners, the light and the white border round the board"
    )


def _likely_sizes(columns: int, rows: int) -> list[tuple[int, int]]:
    """What people write instead: squares for corners, across for down, one off."""
    options = [
        (columns - 1, rows - 1),
        (columns + 1, rows + 1),
        (columns - 1, rows),
        (columns, rows - 1),
        (columns + 1, rows),
        (columns, rows + 1),
    ]
    options += [(9, 6), (8, 6), (7, 5), (7, 6), (10, 7), (11, 8), (8, 5), (6, 4), (7, 4), (5, 4)]
    seen = {tuple(sorted((columns, rows)))}
    out: list[tuple[int, int]] = []
    for c, r in options:
        key = tuple(sorted((c, r)))
        if min(c, r) >= 3 and key not in seen:
            seen.add(key)
            out.append((c, r))
    return out


def _why_no_markers(board: Board, images: Sequence[UInt8[np.ndarray, "height width"]], labels: Sequence[str]) -> str:
    cv2 = import_cv2()
    own, border = (_APRILTAGS, _KALIBR_BORDERS[0]) if board.kind == "aprilgrid" else (board.dictionary, 1)
    for k, image in enumerate(images[:4]):
        if board.find(np.ascontiguousarray(image[:, ::-1])) is not None:
            return f"{labels[k]} shows the board in a mirror: turn off mirroring (selfie view) in the camera, or print the board anew"
        others = [n.removeprefix("DICT_") for n in dir(cv2.aruco) if n.startswith("DICT_")]
        counts: dict[str, int] = {}
        for name in [own, *(n for n in others if n != own)]:
            _, ids, _ = _marker_detector(name, border if name == own else 1).detectMarkers(image)
            counts[name] = 0 if ids is None else len(ids)
        best = max(counts, key=lambda name: counts[name])
        if counts[own] >= 2 and counts[own] >= 0.5 * counts[best]:
            return (
                f"in {labels[k]} {counts[own]} markers were found, too few or with other numbers "
                f"than a board of {board.columns} x {board.rows} has"
            )
        if counts[best] >= 4:
            return f"in {labels[k]} {counts[best]} markers of dictionary {best} were found, none of {own}"
    return f"no marker was found in the first of {len(images)} images: check light, focus and that the markers are not cut"
