"""2D keypoints of other programs: `read_keypoints`, one module a format.

| format | what it is |
|---|---|
| recon3d | .npz of `recon3d reconstruct` and `recon3d detect` |
| openpose | folder of one JSON a frame; several cameras in one folder; Pose2Sim's folders of cameras |
| openpose-storage | folder of ``--write_keypoint``'s YAML, XML or JSON |
| alphapose | list for the whole run |
| alphapose-open | ``--format open`` and ``cmu``, and ``sep-json`` |
| coco | list of results: HRNet, CPN, Lightweight OpenPose, OpenPose, MMPose, COCO-WholeBody |
| coco-annotations | images and annotations: COCO, AP-10K, PoseTrack18, Halpe |
| mmpose | Inferencer (image, folder of images, video) and demo scripts |
| rtmlib, mediapipe | lists with an entry a frame |
| mediapipe-csv, hrnet-csv | columns named for landmarks; pose-data.csv of HRNet's demo |
| controlnet | DWPose and OpenPose in ControlNet and ComfyUI |
| tfjs | PoseNet and pose-detection |
| array | .npy, .npz or nested lists of MoveNet, MediaPipe, FreeMoCap, rtmlib |
| recon3d-dump | what the user writes where a program has no format |
| openpifpaf | folder of images' files, one image's, or a video's |
| ultralytics | folder of .txt, or of ``to_json`` |
| deeplabcut | CSV or HDF5 of one animal or several, of labels |
| sleap, sleap-analysis, sleap-csv | .slp, analysis .h5, CSV |
| posetrack, dcpose | PoseTrack17 annolist; DCPose's demo |
| easymocap | annots/<camera>/*.json |
| mpii-mat, deepcut, deeppose | HRNet's pred.mat and DeeperCut's predictions.mat; DeepCut's .npz; DeepPose's CSV |

DensePose tells surface points, not keypoints: `recon3d.io.densepose`. A format is recognised by what a file holds,
never by its ending.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from recon3d.errors import InputError, valid_names
from recon3d.io.keypoints.alphapose import read_alphapose, read_alphapose_open
from recon3d.io.keypoints.arrays import read_array
from recon3d.io.keypoints.coco import read_coco_annotations, read_coco_results
from recon3d.io.keypoints.controlnet import read_controlnet
from recon3d.io.keypoints.deepcut import read_deepcut, read_deeppose, read_mpii_mat
from recon3d.io.keypoints.deeplabcut import read_deeplabcut
from recon3d.io.keypoints.dumps import read_mediapipe, read_own_dump, read_rtmlib
from recon3d.io.keypoints.easymocap import read_easymocap
from recon3d.io.keypoints.found import FoundKeypoints, KeypointOptions
from recon3d.io.keypoints.mmpose import read_mmpose
from recon3d.io.keypoints.openpifpaf import read_openpifpaf
from recon3d.io.keypoints.openpose import OpenPoseFolder, openpose_cameras, share_layout
from recon3d.io.keypoints.openpose_storage import read_openpose_storage
from recon3d.io.keypoints.point_columns import read_hrnet_csv, read_mediapipe_csv
from recon3d.io.keypoints.posetrack import read_annolist, read_dcpose
from recon3d.io.keypoints.recognise import format_of, own_files
from recon3d.io.keypoints.sleap import read_sleap, read_sleap_analysis, read_sleap_csv
from recon3d.io.keypoints.tfjs import read_tfjs
from recon3d.io.keypoints.ultralytics import read_yolo
from recon3d.io.keypoints.write import KEYPOINT2D_WRITERS
from recon3d.io.npz import read_keypoints2d
from recon3d.records import Keypoints2D

OWN = "recon3d"
FOLDER = "openpose"
SUFFIXES = frozenset({".npz", ".json", ".jsonl", ".csv", ".h5", ".hdf5", ".slp", ".npy", ".mat"})
"""Endings of files that may hold keypoints; which format it is, their content says."""

KEYPOINT_READERS: dict[str, Callable[[Path, KeypointOptions], list[FoundKeypoints]]] = {
    "alphapose": read_alphapose,
    "alphapose-open": read_alphapose_open,
    "array": read_array,
    "coco": read_coco_results,
    "coco-annotations": read_coco_annotations,
    "controlnet": read_controlnet,
    "dcpose": read_dcpose,
    "deepcut": read_deepcut,
    "deeplabcut": read_deeplabcut,
    "deeppose": read_deeppose,
    "easymocap": read_easymocap,
    "hrnet-csv": read_hrnet_csv,
    "mediapipe": read_mediapipe,
    "mediapipe-csv": read_mediapipe_csv,
    "mmpose": read_mmpose,
    "mpii-mat": read_mpii_mat,
    "openpifpaf": read_openpifpaf,
    "openpose-storage": read_openpose_storage,
    "posetrack": read_annolist,
    "recon3d-dump": read_own_dump,
    "rtmlib": read_rtmlib,
    "sleap": read_sleap,
    "sleap-analysis": read_sleap_analysis,
    "sleap-csv": read_sleap_csv,
    "tfjs": read_tfjs,
    "ultralytics": read_yolo,
}
"""Readers of the formats of others, from the path and what the user says of it."""


@dataclass(frozen=True, slots=True)
class KeypointFile:
    """2D keypoints as they were read.

    Attributes:
        format: which it was.
        views: one record a camera.
        notes: what was assumed or left out.
    """

    format: str
    views: tuple[Keypoints2D, ...]
    notes: tuple[str, ...] = ()


def keypoint_formats() -> tuple[str, ...]:
    """Names of the formats that are read."""
    return (OWN, FOLDER, *sorted(KEYPOINT_READERS))


def read_keypoints(path: Path | str, options: KeypointOptions = KeypointOptions(), format: str | None = None) -> KeypointFile:
    """The 2D keypoints of a file or folder of any of the formats above.

    Args:
        path: the file, or the folder of a format that has one.
        options: what the files do not say: frame rate, image size, layout.
        format: its name, where what the file holds does not tell it.

    Raises:
        InputError: not a file of a known format, or broken; the message names file and place.
        LayoutError: the layout of the points is not known.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"no such file or folder: {path}")
    if format is not None and format not in keypoint_formats():
        raise InputError(f"keypoint format {format!r} is not one of {valid_names(keypoint_formats())}")
    name = format or format_of(path)
    if name == OWN:
        views = [read_keypoints2d(file) for file in (own_files(path) if path.is_dir() else [path])]
        wanted = [view for view in views if len(views) == 1 or options.camera in (None, view.camera)]
        if not wanted:
            raise InputError(f"{path} holds no camera {options.camera!r}")
        return KeypointFile(name, tuple(wanted))
    if name == FOLDER:
        return _folders(path, options)
    found = KEYPOINT_READERS[name](path, options)
    if options.camera is not None and len(found) > 1:
        found = [f for f in found if f.camera == options.camera]
        if not found:
            raise InputError(f"{path} holds no camera {options.camera!r}")
    one = options if len(found) == 1 else replace(options, camera=None)
    return KeypointFile(name, tuple(f.to_record(one) for f in found), tuple(note for f in found for note in f.notes))


def open_keypoints(path: Path, camera: str, options: KeypointOptions) -> OpenPoseFolder | Keypoints2D:
    """One camera's keypoints: a folder of OpenPose files is listed but not read, anything else is read.

    Args:
        path: of this camera alone.
        camera: its name.
        options: what the files do not say.

    Raises:
        InputError: as for `read_keypoints`; a record of another camera, or several cameras none of which has this name.
    """
    name = format_of(path) if path.exists() else ""
    if name == FOLDER and len(openpose_cameras(path)) == 1:
        if options.fps is None:
            raise InputError(f"camera {camera}: OpenPose files in {path} do not say the frame rate; give it with --fps")
        _, folder, view = openpose_cameras(path)[0]
        return OpenPoseFolder(folder, camera, options, view)
    found = read_keypoints(path, replace(options, camera=camera), name or None).views[0]
    if name == OWN and found.camera != camera:
        raise InputError(f"{path} is of camera {found.camera!r}, not {camera!r}")
    return found


def write_keypoints(path: Path | str, record: Keypoints2D, format: str) -> None:
    """Keypoints of one camera in the format of another program.

    Raises:
        InputError: no writer of this name, or the format cannot hold the record.
    """
    if format not in KEYPOINT2D_WRITERS:
        raise InputError(f"keypoint format {format!r} is not written; these are: {valid_names(KEYPOINT2D_WRITERS)}")
    KEYPOINT2D_WRITERS[format](Path(path), record)


def _folders(path: Path, options: KeypointOptions) -> KeypointFile:
    cameras = openpose_cameras(path)
    if not cameras:
        raise InputError(f"{path} holds no .json files of OpenPose, nor folders with them")
    if len(cameras) > 1 and options.camera is not None:
        cameras = [camera for camera in cameras if camera[0] == options.camera]
        if not cameras:
            raise InputError(f"{path} holds no camera {options.camera!r}")
    named = [(options.camera or name, folder, view) if len(cameras) == 1 else (name, folder, view) for name, folder, view in cameras]
    folders = [OpenPoseFolder(folder, name, options, view) for name, folder, view in named]
    share_layout(folders)
    return KeypointFile(FOLDER, tuple(folder.window(slice(None)) for folder in folders))


__all__ = [
    "KEYPOINT2D_WRITERS",
    "KEYPOINT_READERS",
    "SUFFIXES",
    "FoundKeypoints",
    "KeypointFile",
    "KeypointOptions",
    "format_of",
    "keypoint_formats",
    "open_keypoints",
    "read_keypoints",
    "write_keypoints",
]
