"""What was measured of people's skin beside a take: folders of silhouettes, point clouds, depth images, DensePose results."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from recon3d.body.fit import Cloud, Mask, SkinEvidence, SurfaceMap
from recon3d.errors import InputError, valid_names
from recon3d.geometry import Camera, CameraRig
from recon3d.geometry.depth import points_of_depth
from recon3d.io.densepose import DensePose, read_densepose
from recon3d.io.mesh import read_cloud
from recon3d.motion import Observed
from recon3d.opencv import import_cv2
from recon3d.pipeline.observed import ObservedPeople
from recon3d.records import State

_WHITE = 127  # in masks, above
_MM = 1e-3
_MOST_FRAMES = 24  # of each person and kind, evenly over the take: more tell nothing new of a shape
_MARGIN_M, _OVER_FLOOR_M = 0.3, 0.04  # beside somebody's keypoints, and over the floor, that a depth image's points are theirs
_INSIDE = 0.5  # of the keypoints that a DensePose result must have inside, to be of somebody


@dataclass(frozen=True, slots=True)
class SkinFolders:
    """Where evidence about the skin lies.

    Attributes:
        masks: pictures, white on black, ``<camera>/<frame>.png``; below ``<person>/`` where there are several people.
        clouds: points in the world, m, ``<frame>.npy`` (or .ply ...); below ``<person>/`` where there are several people.
        depths: depth along the camera's axis, ``<camera>/<frame>.png`` (16 bits, mm) or ``.npy`` (m); of everybody.
        densepose: results as JSON, ``<camera>.json``; of everybody.
        sigma_m: standard deviation of points of clouds and depths.
    """

    masks: Path | None = None
    clouds: Path | None = None
    depths: Path | None = None
    densepose: Path | None = None
    sigma_m: float = 0.005

    @property
    def named(self) -> list[Path]:
        """Those that are given."""
        return [path for path in (self.masks, self.clouds, self.depths, self.densepose) if path is not None]


def read_skins(folders: SkinFolders, people: ObservedPeople, rig: CameraRig, surface: SurfaceMap | None) -> dict[int, list[SkinEvidence]]:
    """Evidence of each person.

    Args:
        folders: where it lies.
        people: of the take.
        rig: of the take.
        surface: which vertex DensePose's places show.

    Raises:
        InputError: files that are none of the take's, broken ones, or nothing of anybody.
    """
    out: dict[int, list[SkinEvidence]] = {person: [] for person in people.names}
    if not folders.named:
        return out
    for root in folders.named:
        if not root.is_dir():
            raise InputError(f"{root} is no folder")
    time = _times(people)
    for person, name in people.names.items():
        for root, read in ((folders.masks, _masks), (folders.clouds, _clouds)):
            folder = None if root is None else root / name if (root / name).is_dir() else root if len(people.names) == 1 else None
            if folder is not None:
                out[person] += read(folder, folders.sigma_m, rig, time)
    if folders.depths is not None:
        _add(out, _depths(folders.depths, folders.sigma_m, rig, time, people))
    if folders.densepose is not None:
        if surface is None:
            raise InputError("DensePose tells places on charts: say which vertices lie there (--surface-map FILE)")
        _add(out, _spots(folders.densepose, rig, people, surface))
    if not any(out.values()):
        where = ", ".join(map(str, folders.named))
        raise InputError(f"nothing of {valid_names(people.names.values())} in {where}: see --help")
    return out


def _add(out: dict[int, list[SkinEvidence]], more: Iterator[tuple[int, SkinEvidence]]) -> None:
    for person, one in more:
        out[person].append(one)


def _times(people: ObservedPeople) -> dict[int, float]:
    """Time of each frame of the take."""
    out: dict[int, float] = {}
    for part in people.windows(False):
        world = next(iter(part.values())).world
        out |= dict(zip(world.frame.tolist(), world.time.tolist(), strict=True))
    return out


def _masks(folder: Path, _: float, rig: CameraRig, time: Mapping[int, float]) -> list[SkinEvidence]:
    cv2 = import_cv2()
    out: list[SkinEvidence] = []
    for path, camera, when in _pictures(folder, rig, time, (".png",)):
        image = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_GRAYSCALE)
        if image is None:
            raise InputError(f"{path} is no picture")
        out.append(Mask(when, camera, image > _WHITE))
    return out


def _clouds(folder: Path, sigma_m: float, _: CameraRig, time: Mapping[int, float]) -> list[SkinEvidence]:
    files = _spread(sorted(path for path in folder.iterdir() if path.is_file() and path.stem.isdigit()), time)
    return [Cloud(time[int(path.stem)], read_cloud(path), sigma_m) for path in files]


def _depths(
    folder: Path, sigma_m: float, rig: CameraRig, time: Mapping[int, float], people: ObservedPeople
) -> Iterator[tuple[int, SkinEvidence]]:
    """Of each person the points that are about where its keypoints are, and not of the floor."""
    boxes = _boxes(people)
    for path, camera, when in _pictures(folder, rig, time, (".npy", ".png")):
        points = points_of_depth(camera, _depth(path)).reshape(-1, 3)
        points = points[np.isfinite(points[:, 0])]
        for person, box in boxes.items():
            low, high = box(when)
            own = points[((points > low - _MARGIN_M) & (points < high + _MARGIN_M)).all(1)]
            if not rig.unknown:
                own = own[own[:, 2] > _OVER_FLOOR_M]
            if len(own):
                yield person, Cloud(when, own, sigma_m)


def _depth(path: Path) -> Float[np.ndarray, "height width"]:
    """M; 0 where there is none."""
    if path.suffix == ".npy":
        try:
            depth = np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise InputError(f"{path} is no array of depths: {error}") from None
        scale = 1.0
    else:
        cv2 = import_cv2()
        depth, scale = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED), _MM
        if depth is not None and depth.dtype != np.uint16:
            raise InputError(f"{path}: depths are pictures of 16 bits, mm; this one is of {depth.dtype}")
    if depth is None or depth.ndim != 2 or not np.issubdtype(depth.dtype, np.number):
        raise InputError(f"{path} is no image of depths")
    return scale * np.nan_to_num(depth.astype(float), nan=0.0, posinf=0.0, neginf=0.0)


def _boxes(people: ObservedPeople) -> dict[int, Callable[[float], tuple[np.ndarray, np.ndarray]]]:
    """Where each person's keypoints are at a time: the nearest frame's lowest and highest coordinates."""
    when: dict[int, list[np.ndarray]] = {person: [] for person in people.names}
    ends: dict[int, list[np.ndarray]] = {person: [] for person in people.names}
    for part in people.windows(False):
        for person, seen in part.items():
            world = seen.world
            xyz = np.where((world.state[:, 0] == State.OBSERVED)[..., None], world.xyz[:, 0], np.nan)
            there = np.isfinite(xyz[..., 0]).any(1)
            when[person].append(world.time[there])
            ends[person].append(np.stack([np.nanmin(xyz[there], 1), np.nanmax(xyz[there], 1)], 1))

    def of(person: int) -> Callable[[float], tuple[np.ndarray, np.ndarray]]:
        time, both = np.concatenate(when[person]), np.concatenate(ends[person])

        def box(at: float) -> tuple[np.ndarray, np.ndarray]:
            low, high = both[np.abs(time - at).argmin()]
            return low, high

        return box

    return {person: of(person) for person in people.names}


def _spots(folder: Path, rig: CameraRig, people: ObservedPeople, surface: SurfaceMap) -> Iterator[tuple[int, SkinEvidence]]:
    """Of each person the result that most of its keypoints lie in."""
    seen: dict[str, dict[int, list[DensePose]]] = {}
    for name in rig.names:
        path = folder / f"{name}.json"
        if path.is_file():
            seen[name] = {}
            for one in read_densepose(path):
                seen[name].setdefault(one.frame, []).append(one)
    if not seen:
        raise InputError(f"{folder} has no {rig.names[0]}.json or other camera's: {valid_names(rig.names)}")
    time = _times(people)
    every = sorted({frame for found in seen.values() for frame in found})
    foreign = [frame for frame in every if frame not in time]
    if foreign:
        raise InputError(f"{folder}: frame {foreign[0]} is none of the take's ({min(time)} to {max(time)})")
    wanted = set(every[:: -(-len(every) // _MOST_FRAMES)])
    for part in people.windows(False):
        for person, window in part.items():
            rows = np.flatnonzero(np.isin(window.world.frame, list(wanted)))
            for row in rows.tolist():
                frame, when = int(window.world.frame[row]), float(window.world.time[row])
                for camera, xy in _keypoints(window, row):
                    best = _best(seen.get(camera.name, {}).get(frame, ()), xy)
                    spots = None if best is None else surface.spots(best, camera, when)
                    if spots is not None:
                        yield person, spots


def _keypoints(window: Observed, row: int) -> Iterator[tuple[Camera, Float[np.ndarray, "points 2"]]]:
    """Somebody's keypoints in each camera that sees any, in one frame."""
    start = 0
    for piece in window.pieces:
        stop = start + piece.xy.shape[1]
        if start <= row < stop:
            for camera, xy in zip(piece.rig.cameras, piece.xy[:, row - start], strict=True):
                there = xy[np.isfinite(xy[:, 0])]
                if len(there):
                    yield camera, there
        start = stop


def _best(found: Sequence[DensePose], xy: Float[np.ndarray, "points 2"]) -> DensePose | None:
    inside = [_share(one, xy) for one in found]
    return found[int(np.argmax(inside))] if inside and max(inside) > _INSIDE else None


def _share(one: DensePose, xy: Float[np.ndarray, "points 2"]) -> float:
    height, width = one.part.shape
    column, row = np.floor(xy - np.floor(one.box[:2]) + 0.5).astype(np.int64).T
    within = (column >= 0) & (row >= 0) & (column < width) & (row < height)
    return float((one.part[row[within], column[within]] > 0).sum() / len(xy))


def _pictures(folder: Path, rig: CameraRig, time: Mapping[int, float], suffixes: Sequence[str]) -> Iterator[tuple[Path, Camera, float]]:
    """Files of every camera."""
    for name in rig.names:
        if (folder / name).is_dir():
            files = sorted(path for path in (folder / name).iterdir() if path.suffix in suffixes)
            for path in _spread(files, time):
                frame = int(path.stem)
                yield path, rig[name].at_frame(frame) if rig[name].moves else rig[name], time[frame]


def _spread(files: Sequence[Path], time: Mapping[int, float]) -> list[Path]:
    """Some of the files, evenly, each of a frame of the take."""
    for path in files:
        if not path.stem.isdigit() or int(path.stem) not in time:
            raise InputError(f"{path}: its name is not the number of a frame of the take ({min(time)} to {max(time)})")
    return list(files[:: max(1, -(-len(files) // _MOST_FRAMES))])
