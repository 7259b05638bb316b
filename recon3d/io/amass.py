"""AMASS's npz: turns of SMPL's 22 body joints as rotation vectors, z up, metres.

Written with what the body model needs beside them at rest (hands, jaw, eyes, shape zero); read in all its spellings:
``poses`` of SMPL, SMPL-H or SMPL-X, or ``root_orient`` and ``pose_body``; ``mocap_framerate`` or ``mocap_frame_rate``.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from recon3d.errors import InputError
from recon3d.geometry import SO3
from recon3d.geometry.lie import without_sign_flips
from recon3d.io.files import atomic
from recon3d.io.keypoints.arrays import load_arrays
from recon3d.io.tables import frame_rate
from recon3d.records.animation import Animation, stood

BODY = (
    "pelvis", "left_hip", "right_hip", "spine1", "left_knee", "right_knee", "spine2", "left_ankle", "right_ankle", "spine3",
    "left_foot", "right_foot", "neck", "left_collar", "right_collar", "head", "left_shoulder", "right_shoulder",
    "left_elbow", "right_elbow", "left_wrist", "right_wrist",
)  # fmt: skip
PARENTS = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19)
_BETAS, _HANDS = 16, 90
_READ = ("trans", "poses", "root_orient", "pose_body", "mocap_framerate", "mocap_frame_rate")


def write_amass(path: Path, animation: Animation) -> None:
    """An animation of SMPL's body joints (`recon3d.characters`, preset smpl).

    The pelvis' place is ``trans`` and the body model adds where its own pelvis lies at shape zero: where it matters to
    the millimetre, fit the model instead.

    Raises:
        InputError: other joints than SMPL's.
    """
    lacking = [name for name in BODY if name not in animation.joints]
    if lacking:
        raise InputError(f"{path}: AMASS files are of SMPL's joints; use the preset smpl ({', '.join(lacking[:3])} ... are lacking)")
    animation = stood(animation, "z", 1.0)
    index = [animation.index(name) for name in BODY]
    vector = SO3.from_wxyz(animation.rotation[:, index]).log()
    frames = len(animation)
    rate = frame_rate(animation.time)
    columns = {
        "trans": animation.places()[:, index[0]],
        "root_orient": vector[:, 0],
        "pose_body": vector[:, 1:].reshape(frames, -1),
        "pose_hand": np.zeros((frames, _HANDS)),
        "pose_jaw": np.zeros((frames, 3)),
        "pose_eye": np.zeros((frames, 6)),
        "betas": np.zeros(_BETAS),
        "poses": np.concatenate([vector.reshape(frames, -1), np.zeros((frames, 9 + _HANDS))], 1),
        "gender": np.array("neutral"),
        "mocap_frame_rate": np.array(rate),
        "mocap_framerate": np.array(rate),
        "surface_model_type": np.array("smplx"),
        "mocap_time_length": np.array(frames / rate),
    }
    with atomic(path, "wb") as stream:
        np.savez(stream, allow_pickle=False, **columns)


def write_amass_arrays(path: Path, arrays: Mapping[str, np.ndarray], time: np.ndarray) -> None:
    """Parameters of a fitted model (`recon3d.body.smpl.amass_arrays`), with the frame rate beside them."""
    rate = frame_rate(time)
    told = {"mocap_framerate": np.array(rate), "mocap_frame_rate": np.array(rate), "mocap_time_length": np.array(len(time) / rate)}
    with atomic(path, "wb") as stream:
        np.savez(stream, allow_pickle=False, **arrays, **told)


def read_amass(path: Path | str) -> Animation:
    """The body of an AMASS file; joints at rest lie at the pelvis where the file does not say how large the body is.

    Raises:
        InputError: not such a file, or one whose arrays do not fit together; pickled content is not opened.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"no such file: {path}")
    data = load_arrays(path, _READ)  # some files hold pickled objects beside these
    rate = data.get("mocap_framerate", data.get("mocap_frame_rate"))
    if rate is None or "trans" not in data or not ("poses" in data or {"root_orient", "pose_body"} <= set(data)):
        raise InputError(
            f"{path} is no AMASS file: it needs trans, a frame rate, and poses or root_orient and pose_body; it has {', '.join(data)}"
        )
    parts = [data["poses"]] if "poses" in data else [data["root_orient"], data["pose_body"]]
    frames = len(data["trans"]) if data["trans"].ndim else 0
    shapes = [part.shape for part in (data["trans"], *parts)]
    fit = all(len(shape) == 2 and shape[0] == frames for shape in shapes) and shapes[0] == (frames, 3)
    if not fit or sum(shape[1] for shape in shapes[1:]) < 66 or rate.size != 1:
        raise InputError(f"{path}: trans and poses are {', '.join(map(str, shapes))}; (frames, 3) and (frames, 66 or more) are expected")
    vector, fps = np.concatenate(parts, 1)[:, :66].astype(float), float(rate.ravel()[0])
    if not frames or not np.isfinite(vector).all() or not np.isfinite(data["trans"]).all() or not (np.isfinite(fps) and fps > 0):
        raise InputError(f"{path} holds no frames, no frame rate, or numbers that are not finite")
    rotation = SO3.exp(vector.reshape(frames, 22, 3)).wxyz()
    still = np.zeros((22, 4))
    still[:, 0] = 1.0
    return Animation(
        name=path.stem,
        joints=BODY,
        parents=np.array(PARENTS),
        rest_place=np.zeros((22, 3)),
        rest_turn=still,
        tip=np.zeros((22, 3)),
        time=np.arange(frames) / fps,
        moving=np.zeros(1, np.int64),
        place=data["trans"].astype(float)[:, None],
        rotation=without_sign_flips(rotation),
        unit_m=1.0,
        up="z",
    )
