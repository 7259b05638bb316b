"""recon3d's own files: plain arrays in ``.npz`` that NumPy alone can read, no pickles.

Records are written whole, or streamed from windows: an array's windows go one after the other into one
member of the archive, so that memory holds one window however long the take.
"""

import io
import zipfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from recon3d.errors import InputError
from recon3d.io.files import atomic
from recon3d.records import Association, BodyParams, Keypoints2D, Keypoints3D, Motion
from recon3d.records.keypoints2d import pad_slots
from recon3d.records.keypoints3d import of_people
from recon3d.skeleton import Armature, Attachments, Layout, Skeleton

_2D = ("frame", "time", "person_id", "xy", "confidence", "sigma_px", "box")
_3D = ("frame", "time", "xyz", "confidence", "covariance", "views", "state", "residual_px")
_WHOSE = ("frame", "slot", "swapped")
_BODY = ("model", "parameters", "betas", "betas_covariance", "betas_informed")
_MOTION = ("frame", "time", "translation", "rotation", "covariance", "state", "misfit", "contact")


def write_keypoints2d(path: Path, windows: Sequence[Callable[[], Keypoints2D]]) -> None:
    """One camera's keypoints, from windows; slots are padded to the largest number of people."""
    first = windows[0]()
    slots = max(window().xy.shape[1] for window in windows)
    _stream(path, _constants_2d(first), [lambda w=w: pad_slots(w(), slots) for w in windows], _2D)


def read_keypoints2d(path: Path) -> Keypoints2D:
    """One camera's keypoints, checked."""
    data = _read(path, "keypoints2d")
    size = data["size"].astype(int).tolist()
    return Keypoints2D(
        layout=_layout(data),
        camera=str(data["camera"]),
        size=(size[0], size[1]),
        score_kind=str(data["score_kind"]),
        **{name: data[name] for name in _2D},
    )


def write_keypoints3d(path: Path, windows: Sequence[Callable[[], Keypoints3D]]) -> None:
    """3D keypoints of a take, from its windows; each is asked for as often as there are arrays.

    Everybody has a place in all frames: who is not alive in a window is missing there.
    """
    first = windows[0]()
    people = sorted({int(person) for window in windows for person in window().people})
    constants = {
        "kind": np.array("keypoints3d"),
        "layout": np.array(first.layout.name),
        "joints": np.array(first.layout.points),
        "bones": first.layout.bones,
        "mirror": first.layout.mirror,
        "people": np.array(people, dtype=np.int64),
    }
    _stream(path, constants, [lambda w=w: of_people(w(), people) for w in windows], _3D)


def write_person_npz(path: Path, windows: Iterable[Keypoints3D], person: int = 0) -> None:
    """One person's 3D keypoints; its windows are kept in memory."""
    kept = [of_people(window, [int(window.people[person])]) for window in windows]
    write_keypoints3d(path, [lambda w=w: w for w in kept])


def read_keypoints3d(path: Path) -> Keypoints3D:
    """3D keypoints, checked."""
    data = _read(path, "keypoints3d")
    return Keypoints3D(layout=_layout(data), people=data["people"], **{name: data[name] for name in _3D})


def write_association(path: Path, found: Association) -> None:
    """Whose the detections of a window are."""
    _stream(path, {"kind": np.array("association"), "track": found.track}, [lambda: found], _WHOSE)


def read_association(path: Path) -> Association:
    """Whose the detections of a window are, checked."""
    data = _read(path, "association")
    return Association(track=data["track"], **{name: data[name] for name in _WHOSE})


def write_motion(path: Path, windows: Sequence[Callable[[], Motion]]) -> None:
    """Motion of one person, from its windows."""
    _stream(path, {"kind": np.array("motion"), **_constants_of_motion(windows[0]())}, windows, _MOTION)


def write_body(path: Path, params: BodyParams, windows: Sequence[Callable[[], Motion]]) -> None:
    """One person's body, its motion from windows (that of the parameters does not count)."""
    constants = {
        "kind": np.array("body"),
        "model": np.array(params.model),
        "parameters": np.array(params.parameters),
        "betas": params.betas,
        "betas_covariance": params.covariance,
        "betas_informed": params.informed,
    }
    _stream(path, {**constants, **_constants_of_motion(windows[0]())}, windows, _MOTION)


def read_body(path: Path) -> BodyParams:
    """One person's body, checked."""
    d = _read(path, "body")
    names = tuple(d["parameters"].tolist())
    return BodyParams(str(d["model"]), names, d["betas"], d["betas_covariance"], d["betas_informed"], _motion(d))


def _constants_of_motion(first: Motion) -> dict[str, np.ndarray]:
    a = first.armature
    return {
        "person": np.array(first.person),
        "armature": np.array(a.skeleton.name),
        "joints": np.array(a.joints),
        "parents": a.skeleton.parents,
        "mirror": a.skeleton.mirror,
        "rest_offset": a.rest_offset,
        "free": a.free,
        "usual": a.usual,
        "looseness": a.looseness,
        "limit": a.limit,
        "cone": a.cone,
        "cone_axis": a.cone_axis,
        "keypoints": np.array(a.attachments.points),
        "keypoint_joint": a.attachments.joint,
        "keypoint_offset": a.attachments.offset,
        "keypoint_loose": a.attachments.loose,
    }


def read_motion(path: Path) -> Motion:
    """Motion of one person, checked."""
    return _motion(_read(path, "motion"))


def _motion(d: dict[str, np.ndarray]) -> Motion:
    skeleton = Skeleton(str(d["armature"]), tuple(d["joints"].tolist()), d["parents"], d["mirror"])
    attachments = Attachments(tuple(d["keypoints"].tolist()), d["keypoint_joint"], d["keypoint_offset"], d["keypoint_loose"])
    armature = Armature(
        skeleton, d["rest_offset"], d["free"], d["usual"], d["looseness"], d["limit"], d["cone"], d["cone_axis"], attachments
    )
    return Motion(int(d["person"]), armature, **{name: d[name] for name in _MOTION})


def _constants_2d(record: Keypoints2D) -> dict[str, np.ndarray]:
    return {
        "kind": np.array("keypoints2d"),
        "layout": np.array(record.layout.name),
        "joints": np.array(record.layout.points),
        "bones": record.layout.bones,
        "mirror": record.layout.mirror,
        "camera": np.array(record.camera),
        "size": np.array(record.size),
        "score_kind": np.array(record.score_kind),
    }


def _layout(data: dict[str, np.ndarray]) -> Layout:
    name = str(data["layout"])
    return Layout(name, name, tuple(data["joints"].tolist()), data["bones"], data["mirror"])


def _read(path: Path, kind: str) -> dict[str, np.ndarray]:
    try:
        # Opened here: np.load leaves a file open that turns out not to be an archive.
        with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as archive:
            data = {name: archive[name] for name in archive.files}
    except FileNotFoundError:
        raise InputError(f"no such file: {path}") from None
    except (OSError, ValueError, zipfile.BadZipFile, EOFError, KeyError) as error:
        raise InputError(f"{path} is not a complete .npz file: {error}") from None
    if str(data.get("kind")) != kind:
        raise InputError(f"{path} does not hold {kind} of recon3d (kind: {data.get('kind')})")
    wanted = {"keypoints2d": _2D, "keypoints3d": _3D, "motion": _MOTION, "association": _WHOSE, "body": (*_BODY, *_MOTION)}[kind]
    missing = [name for name in wanted if name not in data]
    if missing:
        raise InputError(f"{path} lacks the arrays {', '.join(missing)}")
    return data


def _stream(path: Path, constants: dict[str, np.ndarray], windows: Sequence[Callable[[], Any]], names: Sequence[str]) -> None:
    lengths = [len(window()) for window in windows] if len(windows) > 1 else None
    with atomic(path, "wb") as stream, zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name, value in constants.items():
            _member(archive, name, [value])
        for name in names:
            total = sum(lengths) if lengths is not None else None
            _member(archive, name, (getattr(window(), name) for window in windows), total)


def _member(archive: zipfile.ZipFile, name: str, parts: Any, total: int | None = None) -> None:
    with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
        for k, part in enumerate(parts):
            array = np.asarray(part, order="C")
            if k == 0:
                shape = array.shape if total is None else (total, *array.shape[1:])
                header = {"descr": np.lib.format.dtype_to_descr(array.dtype), "fortran_order": False, "shape": shape}
                buffer = io.BytesIO()
                np.lib.format.write_array_header_1_0(buffer, header)
                member.write(buffer.getvalue())
            member.write(array.tobytes())
