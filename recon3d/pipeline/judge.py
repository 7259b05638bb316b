"""A take against the truth."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from recon3d.errors import InputError
from recon3d.geometry import Camera
from recon3d.io import read_keypoints3d, read_motion, read_rig
from recon3d.metrics import PeopleScores, aligned_error, judge_people, scaled_error
from recon3d.monocular.points import EVALUATED as COMPARED
from recon3d.pipeline.take import Take
from recon3d.records import Keypoints3D, Motion

_REACH_M = 0.5
_SHARED_FRAMES = 5


@dataclass(frozen=True, slots=True)
class PoseScores:
    """How far a take of one camera is from one of several, one person.

    Attributes:
        person: its name.
        other: name of the person of the other take whose poses are most like its.
        frames: compared.
        pa_mm: mean distance of joints after the best similarity of each frame.
        n_mm: about the root, after the best scale.
        root_mm: about the root, in the camera's axes.
        place_mm: in the camera's axes.
        depth_share: median of the root's error in depth, over its depth.
    """

    person: str
    other: str
    frames: int
    pa_mm: float
    n_mm: float
    root_mm: float
    place_mm: float
    depth_share: float

    def text(self) -> str:
        """In a line."""
        return (
            f"person {self.person} against {self.other}, {self.frames} frames: PA-MPJPE {self.pa_mm:.1f} mm, N-MPJPE {self.n_mm:.1f} mm, "
            f"about the root {self.root_mm:.1f} mm, in place {self.place_mm:.1f} mm, depth {100 * self.depth_share:.1f} %"
        )


def compare_takes(take: Take, other: Take, frames: slice = slice(None)) -> list[PoseScores]:
    """Motion of one camera against that of several, who have frames numbered alike; of everybody of the other take.

    Both are compared as that camera has them: a camera without a rig has its own idea of the world.

    Args:
        take: lifted.
        other: reconstructed; with a camera of this name, or in the same world.
        frames: of those that both have.

    Raises:
        InputError: no frames or joints in common.
    """
    camera, rig = read_rig(take.folder / "rig.toml").cameras[0], read_rig(other.folder / "rig.toml")
    cameras = (camera, rig[camera.name] if camera.name in rig.names else camera)
    ours = {name: read_motion(take.motion(name)) for name in take.people()}
    out: list[PoseScores] = []
    for name in other.people():
        truth = read_motion(other.motion(name))
        scores = [_pose_scores(own, found, name, truth, cameras, frames) for own, found in ours.items()]
        known = [score for score in scores if score is not None]
        if known:
            out.append(min(known, key=lambda score: score.pa_mm))
    if not out:
        raise InputError(f"{take.folder} and {other.folder} have no {_SHARED_FRAMES} frames of anybody in common")
    return out


def _pose_scores(name: str, ours: Motion, their: str, truth: Motion, cameras: tuple[Camera, Camera], frames: slice) -> PoseScores | None:
    _, a, b = np.intersect1d(ours.frame[ours.present()], truth.frame[truth.present()], return_indices=True)
    a, b = np.flatnonzero(ours.present())[a][frames], np.flatnonzero(truth.present())[b][frames]
    joints = [joint for joint in COMPARED if joint in ours.armature.joints and joint in truth.armature.joints]
    if len(a) < _SHARED_FRAMES or len(joints) < 2:
        return None
    found, true = (_as_seen(m, rows, joints, camera) for m, rows, camera in zip((ours, truth), (a, b), cameras, strict=True))
    about, true_about = found - found[:, :1], true - true[:, :1]
    return PoseScores(
        name,
        their,
        len(a),
        float(aligned_error(about, true_about).mean()),
        float(scaled_error(about, true_about).mean()),
        float(1000 * np.linalg.norm(about - true_about, axis=-1).mean()),
        float(1000 * np.linalg.norm(found - true, axis=-1).mean()),
        float(np.median(np.abs(found[:, 0, 2] / true[:, 0, 2] - 1))),
    )


def _as_seen(motion: Motion, rows: np.ndarray, joints: list[str], camera: Camera) -> Float[np.ndarray, "frames joints 3"]:
    """Joints in the camera's axes."""
    places = motion.poses().translation[rows][:, [motion.armature.index(joint) for joint in joints]]
    if not camera.moves:
        return camera.cam_from_world @ places
    return np.stack([camera.at_frame(n).cam_from_world @ p for n, p in zip(motion.frame[rows].tolist(), places, strict=True)])


def judge_take(take: Take, truth: Keypoints3D, reach_m: float = _REACH_M) -> PeopleScores:
    """PCP, MPJPE, MOTA, IDF1 and ghosts over the frames and points that both have.

    Args:
        take: reconstructed.
        truth: in the same world, its frames numbered as those of the take's leading camera.
        reach_m: mean distance of points within which somebody may be somebody.

    Raises:
        InputError: no frames, or fewer than two points or no limb in common.
    """
    found = read_keypoints3d(take.keypoints3d)
    frames, ours, theirs = np.intersect1d(found.frame, truth.frame, return_indices=True)
    if not len(frames):
        raise InputError(
            f"no frame in common: the take has {found.frame[0]} to {found.frame[-1]}, the truth {truth.frame[0]} to {truth.frame[-1]}"
        )
    names = [name for name in truth.layout.points if name in found.layout.points]
    limbs = [
        (names.index(a), names.index(b))
        for a, b in ((truth.layout.points[i], truth.layout.points[j]) for i, j in truth.layout.bones.tolist())
        if a in names and b in names
    ]
    if len(names) < 2 or not limbs:
        raise InputError(
            f"layouts {found.layout.name} and {truth.layout.name} have no limb in common; they share {', '.join(names) or 'no point'}"
        )
    a = np.array(found.xyz[ours][:, :, found.layout.indices(names)])
    b = np.array(truth.xyz[theirs][:, :, truth.layout.indices(names)])
    return judge_people(a, b, limbs, reach_m=reach_m)
