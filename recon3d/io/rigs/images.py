"""Poses given image by image (COLMAP, transforms.json) as cameras: standing ones and moving ones."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np

from recon3d.errors import CameraError
from recon3d.geometry import SE3, SO3, Camera, Intrinsics
from recon3d.io.rigs.found import FoundCamera

_FRAME = re.compile(r"(?:frame|image|img|rgb|f)?[-_ ]?(\d{1,15})", re.IGNORECASE)


@dataclass(frozen=True, slots=True, eq=False)
class PosedImage:
    """One image: its name with folders, its lens with a key that equal lenses share, and its pose (cam_from_world)."""

    name: str
    lens: object
    intrinsics: Intrinsics
    cam_from_world: SE3


def cameras_of_images(images: Iterable[PosedImage]) -> list[FoundCamera]:
    """Cameras from images.

    Images of one lens in one folder that are named by frame numbers, like ``cam01/000017.png``, ``cam01/frame_17.png``
    or ``cam01/cam01_17.png``, are one camera with the folder's name: a moving one, or a standing one if all its poses
    are the same. One image alone in a folder is a standing camera with the folder's name. Any other image is a
    camera of its own with its own name.

    Raises:
        CameraError: two images of one camera have the same frame number.
    """
    folders: dict[tuple[str, object], list[PosedImage]] = {}
    for image in images:
        folders.setdefault((PurePosixPath(image.name.replace("\\", "/")).parent.name, image.lens), []).append(image)
    alone = [folder for folder, _ in folders]
    cameras: list[FoundCamera] = []
    for (folder, _), members in folders.items():
        numbered = all(_frame(image.name) is not None for image in members)
        if folder and alone.count(folder) == 1 and (numbered or len(members) == 1):
            cameras.append(_of_frames(folder, members))
        else:
            stems = [PurePosixPath(image.name.replace("\\", "/")).stem for image in members]
            cameras += [FoundCamera(s, image.intrinsics, image.cam_from_world) for s, image in zip(stems, members, strict=True)]
    return cameras


def _of_frames(name: str, members: list[PosedImage]) -> FoundCamera:
    members = sorted(members, key=lambda image: _frame(image.name) or 0)
    rotation = np.stack([image.cam_from_world.rotation.matrix for image in members])
    translation = np.stack([image.cam_from_world.translation for image in members])
    if (rotation == rotation[0]).all() and (translation == translation[0]).all():
        return FoundCamera(name, members[0].intrinsics, members[0].cam_from_world)
    frames = np.array([_frame(image.name) for image in members])
    if (np.diff(frames) <= 0).any():
        raise CameraError(f"camera {name}: two images have the same frame number")
    return FoundCamera(name, members[0].intrinsics, SE3(SO3(rotation), translation), frames)


def images_of_camera(camera: Camera) -> list[tuple[str, SE3]]:
    """Names and poses such that `cameras_of_images` gives the camera back."""
    if camera.pose_frame is None:
        return [(f"{camera.name}.png", camera.cam_from_world)]
    if camera.pose_frame[0] < 0:
        raise CameraError(f"camera {camera.name} has poses at negative frames, which image names cannot say")
    poses = camera.cam_from_world
    return [
        (f"{camera.name}/{frame:06d}.png", SE3(SO3(poses.rotation.matrix[k]), poses.translation[k]))
        for k, frame in enumerate(camera.pose_frame.tolist())
    ]


def _frame(name: str) -> int | None:
    path = PurePosixPath(name.replace("\\", "/"))
    found = _FRAME.fullmatch(path.stem.removeprefix(path.parent.name))
    return int(found.group(1)) if found else None
