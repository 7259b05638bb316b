"""One camera's view of a person as evidence for the motion solver: pixels, a start in space, and what is plausible of its poses."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from recon3d import motion
from recon3d.arrays import freeze_fields
from recon3d.geometry import Camera, CameraRig
from recon3d.monocular.lifter import STANDARD_M, Lifted, Lifter, PointsOfView, points_of_view
from recon3d.monocular.points import JOINTS, POINTS
from recon3d.monocular.points import columns as columns_of
from recon3d.motion.prior import body_size
from recon3d.records import Keypoints3D, State
from recon3d.skeleton import Armature, Layout

SIGMA_TOLD = 1.07
"""What detectors say of their sigma over what it is: errors that last are not in it."""
LASTING = 8.0
"""Factor on what the lifter says of its variance where a joint is hidden: it is guessed alike as long as it is."""
_OWN = {"left_toes": "left_big_toe", "right_toes": "right_big_toe"}
_NEAREST_M = 0.1
_PIECE = 16  # frames of a moving camera that are evidence together


@dataclass(frozen=True, slots=True, eq=False)
class PersonView:
    """One person as one camera sees it.

    Attributes:
        camera: in metres, z up; it may move.
        layout: of the joints.
        frame: source frames.
        time: s, rising.
        xy: px; NaN where there is none.
        sigma_px: standard deviation of each coordinate, as the detector has it.
    """

    camera: Camera
    layout: Layout
    frame: Int[np.ndarray, "frames"]
    time: Float[np.ndarray, "frames"]
    xy: Float[np.ndarray, "frames joints 2"]
    sigma_px: Float[np.ndarray, "frames joints"]

    def __post_init__(self) -> None:
        freeze_fields(self)

    def __len__(self) -> int:
        return len(self.frame)

    def take(self, rows: slice) -> "PersonView":
        """Some of the frames."""
        names = ("frame", "time", "xy", "sigma_px")
        return replace(self, **{name: getattr(self, name)[rows].copy() for name in names})

    def poses(self) -> tuple[Float[np.ndarray, "frames 3 3"], Float[np.ndarray, "frames 3"]]:
        """Where the camera looks (world_from_cam) and stands in every frame."""
        if not self.camera.moves:
            back = self.camera.cam_from_world.inverse()
            return np.broadcast_to(back.rotation.matrix, (len(self), 3, 3)), np.broadcast_to(back.translation, (len(self), 3))
        each = [self.camera.at_frame(number).cam_from_world.inverse() for number in self.frame.tolist()]
        return np.stack([pose.rotation.matrix for pose in each]), np.stack([pose.translation for pose in each])

    def pieces(self) -> tuple[motion.ObservedPiece, ...]:
        """The detections by cameras that stand: by one, or by one a frame, a few frames at once."""
        sigma = self.sigma_px / SIGMA_TOLD
        if not self.camera.moves:
            return (motion.ObservedPiece(CameraRig((self.camera,)), self.xy[None].copy(), sigma[None]),)
        out: list[motion.ObservedPiece] = []
        for start in range(0, len(self), _PIECE):
            numbers = self.frame[start : start + _PIECE].tolist()
            rig = CameraRig(tuple(replace(self.camera.at_frame(n), name=f"{self.camera.name}.{n}") for n in numbers))
            rows, own = slice(start, start + len(numbers)), np.eye(len(numbers), dtype=bool)
            xy = np.where(own[..., None, None], self.xy[rows], np.nan)
            out.append(motion.ObservedPiece(rig, xy, np.where(own[..., None], sigma[rows], 1.0)))
        return tuple(out)


def in_line(parts: Sequence[PersonView]) -> PersonView:
    """Windows one after the other."""
    names = ("frame", "time", "xy", "sigma_px")
    return replace(parts[0], **{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})


def lift(view: PersonView, lifter: Lifter, up_known: bool = True) -> Lifted:
    """A person in the camera's axes, by the lifter; ``up_known`` where the camera's pose tells where up is."""
    turn, _ = view.poses()
    up = turn[:, 2] if up_known else np.zeros((len(view), 3))
    seen = points_of_view(view.xy, view.sigma_px, view.time, view.layout, view.camera.intrinsics)
    return lifter.lift(PointsOfView(seen.ray, seen.sigma, seen.time, up.copy()))


def observe(view: PersonView, lifted: Lifted, armature: Armature, person: int = 0) -> motion.Observed:
    """Evidence for the motion solver.

    Args:
        view: what was seen.
        lifted: what the lifter made of it.
        armature: as large as the person is taken to be.
        person: its id.
    """
    turn, _ = view.poses()
    covariance = lifted.covariance * np.where(hidden(view.xy, view.layout), LASTING, 1.0)[..., None, None]
    columns = [k for k, name in enumerate(JOINTS) if name in armature.joints and name != JOINTS[0]]
    prior = motion.PosePrior(
        tuple(JOINTS[k] for k in columns),
        np.einsum("fij,fpj->fpi", turn, lifted.joints[:, columns]),
        turn[:, None] @ covariance[:, columns] @ np.swapaxes(turn, -1, -2)[:, None],
        STANDARD_M,
    )
    return motion.Observed(in_space(view, lifted, body_size(armature) / STANDARD_M, person), view.pieces(), prior)


def hidden(xy: Float[np.ndarray, "frames joints 2"], layout: Layout) -> Bool[np.ndarray, "frames lifted"]:
    """The lifter's joints whose own point is in the layout, but not seen."""
    column = columns_of(layout)
    out = np.zeros((len(xy), len(JOINTS)), bool)
    for k, name in enumerate(JOINTS):
        at = column[POINTS.index(_OWN.get(name, name))] if _OWN.get(name, name) in POINTS else -1
        if at >= 0:
            out[:, k] = ~np.isfinite(xy[:, at, 0])
    return out


def in_space(view: PersonView, lifted: Lifted, scale: float, person: int = 0) -> Keypoints3D:
    """Where points are: on the line of sight through the pixel, as deep as the joint that carries them was found.

    Args:
        view: what was seen.
        lifted: what the lifter made of it.
        scale: the body's size over the standard body's.
        person: its id.
    """
    turn, centre = view.poses()
    intrinsics, layout = view.camera.intrinsics, view.layout
    ray, jacobian = intrinsics.undistort(view.xy)
    own = [JOINTS.index(_carrier(name)) for name in layout.points]
    depth = np.maximum(scale * (lifted.root[:, None, 2] + lifted.joints[:, own, 2]), _NEAREST_M)
    line = np.concatenate([ray, np.ones((*ray.shape[:-1], 1))], -1)
    places = np.einsum("fij,fpj->fpi", turn, line * depth[..., None]) + centre[:, None]
    # Along the line of sight the lifter's doubt, of the joint and of the whole body; across it the pixel's.
    along = scale**2 * lifted.covariance[:, own, 2, 2] + (depth * lifted.root_sigma[:, None, 2]) ** 2
    pixel = np.sqrt(np.abs(np.linalg.det(np.where(np.isfinite(jacobian), jacobian, np.eye(2)))))
    across = (depth * view.sigma_px / SIGMA_TOLD / pixel) ** 2
    unit = line / np.linalg.norm(line, axis=-1, keepdims=True)
    outer = unit[..., :, None] * unit[..., None, :]
    covariance = across[..., None, None] * np.eye(3) + (along * (line**2).sum(-1))[..., None, None] * outer
    covariance = turn[:, None] @ covariance @ np.swapaxes(turn, -1, -2)[:, None]
    known = np.isfinite(places).all(-1) & np.isfinite(covariance).all((-1, -2))
    places[~known], covariance[~known] = np.nan, np.nan
    known = known[:, None]
    return Keypoints3D(
        layout=layout,
        frame=view.frame,
        time=view.time,
        people=np.array([person]),
        xyz=places[:, None].copy(),
        confidence=known.astype(float),
        covariance=covariance[:, None].copy(),
        views=known.astype(np.uint8),
        state=np.where(known, State.INFERRED, State.MISSING).astype(np.uint8),
        residual_px=np.full(known.shape, np.nan),
    )


def _carrier(name: str) -> str:
    """The lifter's joint that a point is about as deep as."""
    if name in JOINTS:
        return name
    side = name.partition("_")[0]
    for parts, joint in (
        (("eye", "ear", "nose", "head", "face", "mouth"), "head"),
        (("toe", "foot"), f"{side}_toes"),
        (("heel",), f"{side}_ankle"),
        (("hand", "thumb", "index", "pinky", "finger"), f"{side}_wrist"),
        (("thorax", "neck"), "neck"),
    ):
        if any(part in name for part in parts) and joint in JOINTS:
            return joint
    return JOINTS[0]
