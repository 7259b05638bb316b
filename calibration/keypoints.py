"""2D keypoints that cameras are calibrated from: of a take, of files, or found in videos on the spot."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from recon3d.detect import Tracker, TrackSettings, detect_windows, load_detector
from recon3d.errors import InputError, all_faults, valid_names
from recon3d.io import KeypointOptions, read_keypoints2d
from recon3d.io.keypoints import SUFFIXES as KEYPOINT_SUFFIXES
from recon3d.io.keypoints import format_of, open_keypoints
from recon3d.io.keypoints.openpose import OpenPoseFolder, share_layout
from recon3d.records import Frame, Keypoints2D
from recon3d.records.keypoints2d import concatenate
from recon3d.video import SUFFIXES, open_video

Progress = Callable[[str, int, int], None]


def load_keypoints(
    source: Path,
    sizes: Mapping[str, tuple[int, int]],
    fps: float | None = None,
    layout: str | None = None,
    progress: Progress | None = None,
) -> list[Keypoints2D]:
    """Keypoints of every camera of a folder.

    Args:
        source: a take folder of `recon3d reconstruct`, or a folder with a video, or a file or folder of 2D keypoints
            of any format that is read, for each camera, named after it.
        sizes: of the images of each camera, px, where the source does not tell.
        fps: frame rate of files that do not tell theirs.
        layout: of files that do not tell theirs.
        progress: called while videos are searched.

    Raises:
        InputError: nothing there, or something that does not say its size or rate.
    """
    if not source.is_dir():
        raise InputError(f"{source} {'is a file' if source.exists() else 'does not exist'}; give a folder with one entry a camera")
    stored = source / "keypoints2d"
    folder = stored if stored.is_dir() else source
    out: list[Keypoints2D] = []
    folders: list[OpenPoseFolder] = []
    _refuse_other_sizes(folder, sizes)
    for entry in sorted(folder.iterdir()):
        if entry.suffix.lower() in SUFFIXES:
            out.append(_from_video(entry, progress))
        elif entry.suffix == ".npz" and format_of(entry) == "recon3d":
            out.append(read_keypoints2d(entry))  # it says whose it is
        elif _may_hold_keypoints(entry):
            name = _camera(entry.name if entry.is_dir() else entry.stem, sizes)
            found = open_keypoints(entry, name, KeypointOptions(fps, sizes[name], layout))
            if isinstance(found, OpenPoseFolder):
                folders.append(found)
            else:
                out.append(found)
    share_layout(folders)
    out += [folder.window(slice(None)) for folder in folders]
    if not out:
        raise InputError(f"{folder} holds no files or folders of 2D keypoints and no videos")
    return out


def _may_hold_keypoints(entry: Path) -> bool:
    files = entry.iterdir() if entry.is_dir() else [entry]
    return any(file.suffix.lower() in KEYPOINT_SUFFIXES for file in files)


def _refuse_other_sizes(folder: Path, sizes: Mapping[str, tuple[int, int]]) -> None:
    """Before people are looked for in videos for minutes."""
    faults: list[str] = []
    for entry in sorted(folder.iterdir()):
        if entry.suffix.lower() in SUFFIXES and entry.stem in sizes:
            (width, height), (w, h) = open_video(entry.stem, entry).size, sizes[entry.stem]
            if (width, height) != (w, h):
                faults.append(f"{entry.name} is {width} x {height} px, but its lens is of {w} x {h} px")
    if faults:
        hint = "videos and lenses do not belong together; a take made of them (`recon3d reconstruct --image-fit`) can be given instead:"
        raise InputError(all_faults(faults, hint))


def _camera(name: str, sizes: Mapping[str, tuple[int, int]]) -> str:
    fits = [camera for camera in sizes if camera == name] or [camera for camera in sizes if camera in name]
    if len(fits) == 1:
        return fits[0]
    if fits:
        raise InputError(f"folder {name} may be of any of the cameras {valid_names(fits)}; rename it to the camera's name")
    raise InputError(f"folder {name} is of no camera among {valid_names(sizes)}, so the size of its images is not known")


def _from_video(path: Path, progress: Progress | None) -> Keypoints2D:
    video = open_video(path.stem, path)
    tracker = Tracker(load_detector(), TrackSettings(max_people=3))

    def frames() -> Iterator[Frame]:
        for frame in video.frames():
            if progress is not None:
                progress(video.camera, frame.number + 1, video.count)
            yield frame

    return concatenate(list(detect_windows(frames(), video.camera, video.size, tracker)))
