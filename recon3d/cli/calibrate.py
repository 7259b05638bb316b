"""`recon3d calibrate ...`: what each command takes. Heavy imports are in `calibrate_run`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import OmitSubcommandPrefixes, Positional, arg, subcommand


@dataclass(frozen=True)
class Boards:
    """Lenses and poses from pictures or videos of a calibration board."""

    folder: Positional[Path]
    """Folder with a subfolder of pictures, or a video, for each camera. Pictures of one moment carry the same number."""
    columns: int
    """Inner corners of a chessboard across; squares of a ChArUco board; markers of a grid."""
    rows: int
    """The same, down."""
    square_mm: float
    """Edge of a square, or of a marker in a grid, mm."""
    board: Literal["chessboard", "charuco", "aprilgrid", "aruco"] = "chessboard"
    """Kind of board."""
    marker_mm: float | None = None
    """Edge of a ChArUco board's markers, mm."""
    gap_mm: float | None = None
    """Gap between the markers of a grid, mm."""
    dictionary: str = "4X4_100"
    """Marker dictionary, OpenCV's name without DICT_."""
    lenses: Path | None = None
    """Lenses that are known and not to be changed: any rig file."""
    lenses_only: bool = False
    """Find lenses alone: the pictures of different cameras have nothing to do with each other."""
    fisheye: tuple[str, ...] = ()
    """Cameras with a fisheye lens."""
    floor: str | None = None
    """Picture (its file name, or "frame N") that shows the board lying on the floor: it gives up and z = 0."""
    front: str | None = None
    """Camera that looks along +y."""
    out: Annotated[Path, arg(aliases=["-o"])] = Path("rig.toml")
    """File to write; a report page goes beside it."""


@dataclass(frozen=True)
class People:
    """Poses from a person moving about, from nothing: no board, no initial poses."""

    folder: Positional[Path]
    """Take folder, or a folder with keypoints (.npz, OpenPose folders) or a video for each camera."""
    lenses: Path | None = None
    """Lenses: any rig file, or one of lenses alone. May be left out with --focal unknown."""
    clocks: Literal["known", "offset", "drift"] = "known"
    """Whether time stamps are on one axis, each camera's are late, or run at a pace of their own as well."""
    focal: Literal["known", "unknown"] = "known"
    """Whether focal lengths are known."""
    stature: float | None = None
    """Height of the person, m: it gives the scale."""
    distance: tuple[tuple[str, str, float, float], ...] = ()
    """Known distances: two cameras or two keypoints, metres, sigma in metres. May be repeated."""
    origin: str | None = None
    """Camera under which the origin lies; below the person by default."""
    front: str | None = None
    """Camera that looks along +y; the first by default."""
    fps: float | None = None
    """Frame rate of OpenPose files, which do not tell theirs."""
    layout: str | None = None
    """Layout of OpenPose files that do not tell theirs."""
    size: tuple[int, int] | None = None
    """Width and height of the images, px, where no lens and no file tells (OpenPose with --focal unknown)."""
    frames: int = 300
    """Frames used, from all over the recording."""
    out: Annotated[Path, arg(aliases=["-o"])] = Path("rig.toml")
    """File to write; a report page goes beside it."""


@dataclass(frozen=True)
class Points:
    """Poses from points of the scene with known coordinates, clicked in a picture of each camera."""

    scene: Positional[Path]
    """scene.toml: [known] name = [x, y, z] in metres, [seen.<camera>] name = [u, v] in px."""
    lenses: Path
    """Lenses: any rig file, or one of lenses alone."""
    start: Path | None = None
    """A rig that is roughly right, where the points are few."""
    out: Annotated[Path, arg(aliases=["-o"])] = Path("rig.toml")
    """File to write; a report page goes beside it."""


@dataclass(frozen=True)
class Refine:
    """Refine an existing rig on people, and say which camera moved, how far, and when."""

    rig: Positional[Path]
    """The rig as it is."""
    take: Positional[Path]
    """Take folder, or a folder with keypoints or a video for each camera."""
    fps: float | None = None
    """Frame rate of OpenPose files, which do not tell theirs."""
    layout: str | None = None
    """Layout of OpenPose files that do not tell theirs."""
    scene: Path | None = None
    """scene.toml of static points: not used to refine, they tell moved cameras from a biased detector."""
    rig_unit: Literal["m", "cm", "mm"] | None = None
    """Unit of rig files that do not tell theirs."""
    out: Annotated[Path, arg(aliases=["-o"])] = Path("refined.toml")
    """File to write; a report page goes beside it."""


@dataclass(frozen=True)
class Clocks:
    """Set the clocks of a rig by sound or by a flash (people: see calibrate people --clocks)."""

    rig: Positional[Path]
    """The rig as it is."""
    folder: Positional[Path]
    """Folder with a recording for each camera, named after it."""
    by: Literal["audio", "flash", "stamps"] = "audio"
    """What all cameras witness; stamps are files <camera>.csv or .txt with the common time of each frame (s), one a line."""
    fps: float | None = None
    """Rate by which the cameras' own clocks count frames, for stamps."""
    out: Annotated[Path, arg(aliases=["-o"])] = Path("rig.toml")
    """File to write."""


@dataclass(frozen=True)
class Import:
    """Convert another system's cameras, print what a tape measure can check, and check them against a take.

    Reads OpenCV, Qualisys, Theia, Vicon, OptiTrack, aniposelib, Pose2Sim, caliscope, FreeMoCap, EasyMocap, OpenPose,
    Panoptic, COLMAP, Kalibr, bioCV, MATLAB, transforms.json, Human3.6M and rig.toml.
    """

    source: Positional[Path]
    """File, or folder of a format that has one."""
    out: Annotated[Path, arg(aliases=["-o"])] = Path("rig.toml")
    """File (or folder) to write."""
    to: str = "recon3d"
    """Format to write: recon3d (rig.toml), opencv, qualisys, theia, vicon, aniposelib (Pose2Sim too), caliscope, freemocap,
    easymocap, openpose, panoptic, colmap, colmap-binary, kalibr, biocv or transforms; those need -o."""
    rig_unit: Literal["m", "cm", "mm"] | None = None
    """Unit of files that do not tell theirs."""
    format: str | None = None
    """Format of files that do not tell theirs."""
    size: tuple[int, int] | None = None
    """Width and height of the images, px, for formats without."""
    check: Path | None = None
    """Take or keypoints of these cameras: other readings of the file are tried on them, and the one that fits is named."""
    fps: float | None = None
    """Frame rate of OpenPose files given to --check."""


@dataclass(frozen=True)
class RigReport:
    """A report page of a rig as it stands, judged by a take."""

    rig: Positional[Path]
    """The rig."""
    take: Positional[Path]
    """Take folder, or a folder with keypoints or a video for each camera."""
    fps: float | None = None
    """Frame rate of OpenPose files, which do not tell theirs."""
    rig_unit: Literal["m", "cm", "mm"] | None = None
    """Unit of rig files that do not tell theirs."""
    out: Annotated[Path, arg(aliases=["-o"])] = Path("rig-report.html")
    """Page to write."""


@dataclass(frozen=True)
class Scores:
    """Learn how far off keypoints are by their score, from a take: each camera is judged by the others.

    The rig must be right (recon3d calibrate refine): what a camera is off by would count as the detector's.
    """

    take: Positional[Path]
    """Take folder, or a folder with keypoints or a video for each camera."""
    rig: Path | None = None
    """The rig; that of the take folder by default."""
    fps: float | None = None
    """Frame rate of OpenPose files, which do not tell theirs."""
    layout: str | None = None
    """Layout of OpenPose files that do not tell theirs."""
    rig_unit: Literal["m", "cm", "mm"] | None = None
    """Unit of rig files that do not tell theirs."""
    frames: int = 2000
    """Frames used, from all over the recording."""
    out: Annotated[Path, arg(aliases=["-o"])] = Path("scores.toml")
    """File to write; give it to recon3d reconstruct or detect with --scores."""


CalibrateCommand = Boards | People | Points | Refine | Clocks | Scores | Import | Annotated[RigReport, subcommand("report")]


@dataclass(frozen=True)
class Calibrate:
    """Find, refine, check and convert cameras: from boards, people or scene points."""

    command: OmitSubcommandPrefixes[CalibrateCommand]
