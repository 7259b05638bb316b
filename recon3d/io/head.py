"""Head poses as files: npz, CSV, JSON lines. Angles in degrees (see `recon3d.head.angles`), metres, world z up."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Float

from recon3d.errors import InputError
from recon3d.geometry import SE3, SO3
from recon3d.io.files import atomic
from recon3d.records import HeadPose

_ARRAYS = ("frame", "time", "covariance", "residual_px", "views", "state")
Measures = Mapping[str, Float[np.ndarray, "frames"]]


def write_head_npz(path: Path, head: HeadPose, more: Measures | None = None) -> None:
    """Plain arrays: ``translation`` m, ``rotation`` wxyz (world_from_head), covariance, and what else is measured of the face."""
    arrays = {name: getattr(head, name) for name in _ARRAYS}
    turn = head.world_from_head.rotation.matrix
    there = np.isfinite(turn[:, 0, 0])
    wxyz = np.full((len(head), 4), np.nan)
    wxyz[there] = SO3(turn[there]).wxyz()
    arrays |= {"translation": head.world_from_head.translation, "rotation": wxyz, "person": np.array(head.person)}
    arrays |= {name: np.asarray(values) for name, values in (more or {}).items()}
    arrays |= {"scale": np.array(head.scale), "scale_sigma": np.array(head.scale_sigma), "kind": np.array("head")}
    with atomic(path, "wb") as stream:
        np.savez_compressed(stream, allow_pickle=False, **arrays)


def read_head_npz(path: Path) -> HeadPose:
    """Head poses that recon3d wrote.

    Raises:
        InputError: another file.
    """
    try:
        with np.load(path, allow_pickle=False) as data:
            held = {name: data[name] for name in data.files}
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path} cannot be read: {error}") from None
    if str(held.get("kind", "")) != "head":
        raise InputError(f"{path} holds no head poses")
    turn = np.full((len(held["time"]), 3, 3), np.nan)
    there = np.isfinite(held["rotation"][:, 0])
    turn[there] = SO3.from_wxyz(held["rotation"][there]).matrix
    return HeadPose(
        person=int(held["person"]),
        world_from_head=SE3(SO3(turn), held["translation"]),
        scale=float(held["scale"]),
        scale_sigma=float(held["scale_sigma"]),
        **{name: held[name] for name in _ARRAYS},
    )


def _rows(
    head: HeadPose, angles_deg: np.ndarray, sigma_deg: np.ndarray, forward: np.ndarray, more: Measures
) -> tuple[list[str], np.ndarray]:
    """Columns and their numbers."""
    names = ["frame", "time_s", "x_m", "y_m", "z_m", "yaw_deg", "pitch_deg", "roll_deg"]
    names += ["yaw_sigma_deg", "pitch_sigma_deg", "roll_sigma_deg", "forward_x", "forward_y", "forward_z", "residual_px", "views", *more]
    place = head.world_from_head.translation
    columns = [
        head.frame[:, None],
        head.time[:, None],
        place,
        angles_deg,
        sigma_deg,
        forward,
        head.residual_px[:, None],
        head.views[:, None],
    ]
    return names, np.concatenate([np.asarray(c, float) for c in (*columns, *(np.asarray(v)[:, None] for v in more.values()))], 1)


def write_head_csv(
    path: Path,
    head: HeadPose,
    angles_deg: Float[np.ndarray, "f 3"],
    sigma_deg: Float[np.ndarray, "f 3"],
    forward: np.ndarray,
    more: Measures,
) -> None:
    """A row a frame; empty cells where there is no pose."""
    names, rows = _rows(head, angles_deg, sigma_deg, forward, more)
    lines = [",".join(names)]
    for row in rows.tolist():
        lines.append(",".join([str(int(row[0])), *("" if v != v else f"{v:.6g}" for v in row[1:])]))
    with atomic(path) as stream:
        stream.write("\n".join(lines) + "\n")


def write_head_jsonl(
    path: Path,
    head: HeadPose,
    angles_deg: Float[np.ndarray, "f 3"],
    sigma_deg: Float[np.ndarray, "f 3"],
    forward: np.ndarray,
    more: Measures,
) -> None:
    """An object a frame; null where there is no pose."""
    names, rows = _rows(head, angles_deg, sigma_deg, forward, more)
    with atomic(path) as stream:
        for row in rows.tolist():
            stream.write(
                json.dumps({n: None if v != v else int(v) if n in ("frame", "views") else v for n, v in zip(names, row, strict=True)})
                + "\n"
            )


HEAD_WRITERS: dict[str, Callable[..., None]] = {".csv": write_head_csv, ".jsonl": write_head_jsonl}
"""By suffix."""
