"""What the user points at: ``camera=path`` pairs, or a folder whose entries carry the cameras' names."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from recon3d.errors import CameraError, InputError, all_faults, valid_names
from recon3d.geometry import CameraRig
from recon3d.io import KeypointOptions
from recon3d.io.keypoints import SUFFIXES as KEYPOINT_SUFFIXES
from recon3d.io.keypoints import open_keypoints
from recon3d.io.keypoints.openpose import OpenPoseFolder, share_layout
from recon3d.multiview import Seen
from recon3d.video import SUFFIXES, Video, open_videos

_SAMPLED = 64  # pieces of a large file that stand for its content
_PIECE = 1 << 16
_NAMED = 4  # entries of a folder that a message lists


@dataclass(frozen=True, slots=True)
class Inputs:
    """One path a camera, in the rig's order, all videos or all keypoints."""

    paths: Mapping[str, Path]
    videos: bool


def find_inputs(arguments: Sequence[str], rig: CameraRig) -> Inputs:
    """Match the command line's inputs to the rig's cameras.

    Raises:
        CameraError: a name that the rig does not have, or an entry that fits two cameras; both sides are listed.
        InputError: paths that do not exist, or videos mixed with keypoints.
    """
    if not arguments:
        raise InputError("no input: give camera=path pairs, or a folder whose entries carry the cameras' names")
    pairs = [a for a in arguments if "=" in a and not Path(a).exists()]
    if pairs and len(pairs) != len(arguments):
        raise InputError("either camera=path pairs or one folder, not both")
    if not pairs and len(arguments) > 1:
        raise InputError(f"several inputs need camera=path pairs; cameras are {valid_names(rig.names)}")
    found = _from_pairs(pairs, rig) if pairs else _from_folder(Path(arguments[0]), rig)
    missing = [f"camera {name}: no such file or folder: {path}" for name, path in found.items() if not path.exists()]
    if missing:
        raise InputError(all_faults(missing, "inputs are missing:"))
    kinds = {name: path.suffix.lower() in SUFFIXES for name, path in found.items()}
    if len(set(kinds.values())) > 1:
        raise InputError(
            "videos and keypoints cannot be mixed: videos are "
            f"{valid_names(n for n, v in kinds.items() if v)}; keypoints {valid_names(n for n, v in kinds.items() if not v)}"
        )
    ordered = {name: found[name] for name in rig.names if name in found}
    return Inputs(ordered, next(iter(kinds.values())))


def _from_pairs(pairs: Sequence[str], rig: CameraRig) -> dict[str, Path]:
    found: dict[str, Path] = {}
    faults: list[str] = []
    for pair in pairs:
        name, _, path = pair.partition("=")
        if name not in rig.names:
            faults.append(f"no camera {name!r} in the rig")
        elif name in found:
            faults.append(f"camera {name!r} is given twice")
        else:
            found[name] = Path(path)
    if faults:
        given = valid_names(p.partition("=")[0] for p in pairs)
        raise CameraError(all_faults(faults, f"cameras do not match: the rig has {valid_names(rig.names)}; given are {given}:"))
    return found


def _from_folder(folder: Path, rig: CameraRig) -> dict[str, Path]:
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise InputError(f"{folder} {what}; give a folder, or camera=path pairs ({valid_names(rig.names)})")
    entries = sorted(p for p in folder.iterdir() if not p.name.startswith(".") and _usable(p))
    found: dict[str, Path] = {}
    faults: list[str] = []
    for name in rig.names:
        exact = [p for p in entries if p.stem == name]
        word = re.compile(rf"(?<![A-Za-z0-9]){re.escape(name)}(?![0-9])", re.IGNORECASE)
        fits = exact or [p for p in entries if word.search(p.stem)]
        if len(fits) > 1:
            more = ", ..." * (len(fits) > _NAMED)
            faults.append(f"camera {name}: {', '.join(p.name for p in fits[:_NAMED])}{more} all fit; use camera=path")
        elif fits:
            found[name] = fits[0]
    taken = {path: [n for n, p in found.items() if p == path] for path in found.values()}
    faults += [f"{path.name} fits cameras {', '.join(names)}" for path, names in taken.items() if len(names) > 1]
    if faults:
        raise CameraError(all_faults(faults, f"cameras cannot be told from the names in {folder}:"))
    unused = [p.name for p in entries if p not in taken]
    lacking = [name for name in rig.names if name not in found]
    if not found or (unused and lacking):
        raise CameraError(
            f"names in {folder} do not match the cameras: nothing for {valid_names(lacking)}, and no camera for "
            f"{valid_names(unused)}. The rig has {valid_names(rig.names)}; rename the entries or use camera=path"
        )
    return found


def _usable(path: Path) -> bool:
    return path.is_dir() or path.suffix.lower() in SUFFIXES | KEYPOINT_SUFFIXES


def open_evidence(inputs: Inputs, rig: CameraRig, fps: float | None, layout: str | None) -> list[Seen]:
    """Keypoint inputs of any format; folders of OpenPose files are listed but not read. What files do not say is from the user."""
    seen: list[Seen] = []
    for name, path in inputs.paths.items():
        if path.is_file() and path.suffix.lower() not in KEYPOINT_SUFFIXES:
            raise InputError(f"camera {name}: {path} is neither a video nor a file or folder of 2D keypoints")
        seen.append(open_keypoints(path, name, KeypointOptions(fps, rig[name].intrinsics.size, layout)))
    share_layout([s for s in seen if isinstance(s, OpenPoseFolder)])
    return seen


def open_input_videos(inputs: Inputs) -> list[Video]:
    """Video inputs, opened; all faults at once."""
    return open_videos(dict(inputs.paths))


def fingerprint(path: Path) -> str:
    """A hash of a file's or a folder's content; of a large video, of its size, its date and pieces all over it."""
    digest = hashlib.sha256()
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if not file.is_file():
            continue
        digest.update(f"{file.relative_to(path).as_posix()}:".encode())
        facts = file.stat() if file.suffix.lower() in SUFFIXES else None
        with open(file, "rb") as stream:
            if facts is None or facts.st_size <= _SAMPLED * _PIECE:
                while piece := stream.read(_PIECE):
                    digest.update(piece)
                continue
            digest.update(f"{facts.st_size}:{facts.st_mtime_ns}:".encode())
            for k in range(_SAMPLED):
                stream.seek(k * (facts.st_size - _PIECE) // (_SAMPLED - 1))
                digest.update(stream.read(_PIECE))
    return digest.hexdigest()
