"""Shape declarations that are checked, arrays that are frozen, and windows over time."""

import dataclasses
import functools
import typing
from collections.abc import Iterable, Iterator

import numpy as np
from jaxtyping import Float, Int

from recon3d.errors import ShapeError

Window = typing.TypeVar("Window")

_SLOPE_HALF = 3  # samples on each side


def freeze_fields(record: object) -> None:
    """Check every array field of a dataclass against its jaxtyping annotation and make it read-only.

    Call it from ``__post_init__``. It takes ownership: the arrays are not copied, so a caller that
    wants to go on writing into one passes a copy. Axis names bind across the fields of a record, so
    that ``frames`` has one size everywhere in it.

    Raises:
        ShapeError: naming the field, its shape, and the sizes the axes were bound to.
    """
    bound: dict[str, int] = {}
    for name, dims, dtypes, optional in _declarations(type(record)):
        value = getattr(record, name)
        if value is None and optional:
            continue
        label = f"{type(record).__name__}.{name}"
        if not isinstance(value, np.ndarray):
            raise ShapeError(f"{label} must be a numpy array with axes ({dims}), not {type(value).__name__}")
        value = typing.cast(np.ndarray, value)
        if not _dtype_fits(value.dtype, dtypes):
            raise ShapeError(f"{label} must hold {' or '.join(dtypes)}, not {value.dtype}")
        _bind(label, dims, value.shape, bound)
        value.flags.writeable = False


@functools.cache
def _declarations(kind: type) -> tuple[tuple[str, str, tuple[str, ...], bool], ...]:
    """(field, axes, dtype names, may be None) for each annotated array field of a dataclass."""
    found: list[tuple[str, str, tuple[str, ...], bool]] = []
    hints = typing.get_type_hints(kind)
    for field in dataclasses.fields(typing.cast(typing.Any, kind)):
        hint = hints[field.name]
        options = typing.get_args(hint) or (hint,)
        for option in options:
            dims = getattr(option, "dim_str", None)
            if dims is not None:
                found.append((field.name, dims, tuple(option.dtypes), type(None) in options))
    return tuple(found)


@functools.cache
def _dtype_fits(dtype: np.dtype[typing.Any], allowed: tuple[str, ...]) -> bool:
    return any(dtype.name == name or (name == "bool_" and dtype == np.bool_) for name in allowed)


def _bind(label: str, dims: str, shape: tuple[int, ...], bound: dict[str, int]) -> None:
    axes = dims.split()
    fits = len(axes) == len(shape)
    for axis, size in zip(axes, shape, strict=False) if fits else ():
        expected = int(axis) if axis.isdigit() else bound.setdefault(axis, size)
        fits = fits and expected == size
    if not fits:
        sizes = ", ".join(f"{axis}={size}" for axis, size in bound.items()) or "nothing bound yet"
        raise ShapeError(f"{label} has shape {shape}, but its axes are ({dims}) with {sizes}")


def whole_rows(values: np.ndarray) -> np.ndarray:
    """Which rows (along the last axis) hold finite numbers only."""
    return np.logical_and.reduce(np.isfinite(values), axis=-1)


def rows_beside(flags: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For every entry the nearest row of its column at or before it, and at or after it, that is set; -1 and the length where none is."""
    count = len(flags)
    row = np.arange(count).reshape(-1, *([1] * (flags.ndim - 1)))
    before = np.maximum.accumulate(np.where(flags, row, -1), axis=0)
    after = np.minimum.accumulate(np.where(flags, row, count)[::-1], axis=0)[::-1]
    return before, after


def short_gaps(flags: np.ndarray, time: np.ndarray, longest: float) -> np.ndarray:
    """Entries that are not set, between two of their column that are and lie at most this far apart in time."""
    before, after = rows_beside(flags)
    inside = (before >= 0) & (after < len(flags))
    apart = time[np.clip(after, None, len(flags) - 1)] - time[np.clip(before, 0, None)]
    return ~flags & inside & (apart <= longest)


def runs(flags: np.ndarray) -> list[slice]:
    """Stretches of one row after the other in which flags are set."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    return [slice(a, b) for a, b in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)]


def finite_median(values: np.ndarray) -> float:
    """Median of the finite numbers; NaN where there is none."""
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else float("nan")


def median_row(rows: np.ndarray) -> np.ndarray:
    """Median of the finite numbers of each column, NaN where there are none; quicker on few rows than `np.nanmedian`."""
    return np.array([finite_median(column) for column in rows.T])


def windows(count: int, size: int, overlap: int = 0) -> Iterator[slice]:
    """Slices of at most ``size`` items that cover ``range(count)``; neighbours share ``overlap`` items."""
    if size <= overlap:
        raise ValueError(f"a window of {size} cannot overlap its neighbour by {overlap}")
    start = 0
    while start < count:
        yield slice(start, min(start + size, count))
        if start + size >= count:
            return
        start += size - overlap


def with_neighbours(windows: Iterable[Window]) -> Iterator[tuple[Window | None, Window, Window | None]]:
    """Each window with the one before and the one after it."""
    before: Window | None = None
    stream = iter(windows)
    now = next(stream, None)
    while now is not None:
        after = next(stream, None)
        yield before, now, after
        before, now = now, after


def slopes(points: Float[np.ndarray, "frames joints 3"], time: Float[np.ndarray, "frames"]) -> Float[np.ndarray, "frames joints 3"]:
    """Slope of the line through each point's neighbours in time (m/s); NaN where fewer than three are there.

    Only neighbours in the same run of frames count: a slope over a gap is none.
    """
    step = float(np.median(np.diff(time))) if len(time) > 1 else 1.0
    n = np.zeros(points.shape[:2])
    st, stt = np.zeros_like(n), np.zeros_like(n)
    sx, stx = np.zeros_like(points), np.zeros_like(points)
    for shift in range(-_SLOPE_HALF, _SLOPE_HALF + 1):
        rows = np.arange(len(time)) + shift
        inside = (rows >= 0) & (rows < len(time))
        rows = np.clip(rows, 0, len(time) - 1)
        dt = time[rows] - time
        inside &= np.abs(dt - shift * step) < 0.5 * step
        x = points[rows]
        known = inside[:, None] & np.isfinite(x).all(-1)
        x, w = np.where(known[..., None], x, 0.0), known.astype(float)
        n += w
        st += w * dt[:, None]
        stt += w * (dt**2)[:, None]
        sx += x
        stx += x * dt[:, None, None]
    spread = n * stt - st**2
    good = (n >= 3) & (spread > 1e-12)
    slope = (n[..., None] * stx - st[..., None] * sx) / np.where(good, spread, 1.0)[..., None]
    return np.where(good[..., None], slope, np.nan)


def nearest_rows(time: Float[np.ndarray, "frames"], wanted: Float[np.ndarray, "some"]) -> Int[np.ndarray, "some"]:
    """The frame that lies nearest to each wanted time; times rise."""
    if len(time) < 2:
        return np.zeros(len(wanted), np.int64)
    after = np.clip(np.searchsorted(time, wanted), 1, len(time) - 1)
    return np.where(wanted - time[after - 1] < time[after] - wanted, after - 1, after)
