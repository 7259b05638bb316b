"""What tests of one camera share: a lifter that knows the truth."""

from dataclasses import dataclass

import numpy as np

from recon3d.geometry import Camera
from recon3d.monocular import JOINTS, Lifted, PointsOfView
from recon3d.monocular.lifter import STANDARD_M
from recon3d.monocular.world import PersonView
from recon3d.motion.prior import body_size
from recon3d.synthetic import Person, World


@dataclass(frozen=True)
class Oracle:
    """Answers from the truth, off by a seeded error that it is honest about."""

    person: Person
    camera: Camera
    sigma: float = 0.03

    def lift(self, seen: PointsOfView) -> Lifted:
        motion = self.person.motion
        rows = np.searchsorted(motion.time, seen.time - 1e-9)
        armature = motion.armature
        places = motion.poses().translation[rows]
        inside = self.camera.cam_from_world @ places
        scale = STANDARD_M / body_size(armature)
        joints = np.stack([inside[:, armature.joints.index(name if name != "head_top" else "head")] for name in JOINTS], 1)
        rng = np.random.default_rng(0)
        about = scale * (joints - joints[:, :1]) + self.sigma * rng.normal(size=joints.shape)
        frames = len(seen.time)
        covariance = np.broadcast_to(self.sigma**2 * np.eye(3), (frames, len(JOINTS), 3, 3)).copy()
        return Lifted(about, covariance, scale * joints[:, 0], np.full((frames, 3), 0.05))


def view_of(world: World, index: int = 0) -> PersonView:
    """A synthetic world as one of its cameras has it."""
    motion, camera = world.person.motion, world.rig.cameras[index]
    xy = world.xy[index].astype(float).copy()
    return PersonView(camera, world.person.layout, motion.frame.copy(), motion.time.copy(), xy, np.full(xy.shape[:2], world.sigma_px))
