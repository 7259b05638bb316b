"""DensePose (Guler 2018): which point of the body's surface each pixel shows, turned round: where given points of the surface lie.

Which points, and where on DensePose's charts they are, the user's own file tells (the card's option ``mapping``): the published
table comes with SMPL's licence and is not part of recon3d.
"""

import functools
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from recon3d.detect.card import ModelCard
from recon3d.detect.decoders.outputs import squeezed
from recon3d.detect.decoders.peaks import to_input
from recon3d.detect.people import People
from recon3d.errors import InputError, valid_names
from recon3d.geometry.charts import locate

OPTIONS = {"mapping": ""}
_PARTS = 24
_CLOSE_PX = 1.0  # of the map: a point further than this from its pixel is at a part's rim, or hidden
_LEAST = 0.05  # score below which a point is not seen


def densepose(outputs: Sequence[np.ndarray], card: ModelCard) -> People:
    """Of one person's crop: coarse segmentation ``(2 or 15, h, w)``, then parts, u and v, ``(25, h, w)`` each, background first.

    A point's score is the probability of its part where it is, less where it lies beyond what can be seen; NaN where hidden.
    """
    maps = [squeezed(output, 3).astype(float) for output in outputs[:4]]
    shapes = [found.shape for found in maps]
    if len(maps) < 4 or len(maps[0]) < 2 or any(shape != (_PARTS + 1, *shapes[0][1:]) for shape in shapes[1:]):
        raise InputError(
            f"model {card.name}: a coarse segmentation, parts, u and v ({_PARTS + 1} maps each) were expected, "
            f"but the outputs have shapes {', '.join(str(o.shape) for o in outputs)}"
        )
    coarse, fine, u, v = maps
    label = np.where(coarse.argmax(0) > 0, fine.argmax(0), 0)
    rows, columns = np.indices(label.shape)
    uv = np.stack([u[label, rows, columns], v[label, rows, columns]], -1).clip(0, 1)
    probability = (1 - _softmax(coarse)[0]) * np.take_along_axis(_softmax(fine), label[None], 0)[0]
    part, at = _mapping(_path(card), tuple(card.points.points))
    xy, off = locate(label, uv, part, at)
    seen = np.isfinite(off)
    x, y = (np.rint(np.nan_to_num(xy[:, k])).astype(int).clip(0, label.shape[1 - k] - 1) for k in (0, 1))
    score = np.where(seen, probability[y, x] * np.exp(-0.5 * np.maximum(off - _CLOSE_PX, 0) ** 2), 0.0)
    seen = score >= _LEAST
    places = np.where(seen[:, None], to_input(xy, (label.shape[0], label.shape[1]), card.input, "centre"), np.nan)
    total = float(score[seen].mean()) if seen.any() else 0.0
    return People(places[None], np.where(seen, score, 0.0)[None], np.array([total]))


def _path(card: ModelCard) -> Path:
    path = card.folder / str(card.option("mapping"))
    if not path.is_file():
        raise InputError(
            f"model {card.name}: the card's option mapping must name a file (.npz with part, uv and name or vertex) "
            f"that says which points of the surface to look for; {path} is none"
        )
    return path


@functools.cache
def _mapping(path: Path, points: tuple[str, ...]) -> tuple[Int[np.ndarray, "points"], Float[np.ndarray, "points 2"]]:
    """Part and u, v of a layout's points: by name, as v_0123 by vertex, or in the layout's order where the file has neither."""
    if not zipfile.is_zipfile(path):
        raise InputError(f"mapping {path} is not a file of NumPy's arrays (.npz)")
    try:
        with np.load(path, allow_pickle=False) as file:
            held: dict[str, Any] = {name: file[name] for name in file.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"mapping {path} cannot be read: {error}") from None
    if not {"part", "uv"} <= set(held):
        raise InputError(f"mapping {path} must hold part and uv; it has {valid_names(held)}")
    part, uv = held["part"], held["uv"]
    if part.ndim != 1 or uv.shape != (len(part), 2) or not _on_charts(part, uv):
        raise InputError(f"mapping {path}: part must be n whole numbers of 1 to {_PARTS}, uv n x 2 numbers of 0 to 1")
    if "name" in held:
        names = [str(name) for name in held["name"]]
    elif "vertex" in held:
        names = [f"v_{int(vertex):04d}" for vertex in held["vertex"]]
    else:
        names = list(points)
    lacking = [point for point in points if point not in set(names)]
    if lacking or len(names) != len(part):
        what = f"no {', '.join(lacking[:5])}" if lacking else f"{len(names)} names"
        raise InputError(f"mapping {path} has {what} for {len(part)} places; the layout has {len(points)} points")
    row = {name: k for k, name in enumerate(names)}
    order = [row[point] for point in points]
    return part[order].astype(np.int64), uv[order].astype(float)


def _on_charts(part: np.ndarray, uv: np.ndarray) -> bool:
    whole = np.issubdtype(part.dtype, np.integer) and np.issubdtype(uv.dtype, np.number)
    return bool(whole and len(part) and part.min() >= 1 and part.max() <= _PARTS and (uv >= 0).all() and (uv <= 1).all())


def _softmax(logits: Float[np.ndarray, "classes height width"]) -> Float[np.ndarray, "classes height width"]:
    raised = np.exp(logits - logits.max(0))
    return raised / raised.sum(0)
