"""Bodies with known truth, posed at random or moving, and what cameras see of them."""

import numpy as np

from recon3d.body import load_open_body, turns_on
from recon3d.body.fit import Cloud, Mask
from recon3d.geometry import SE3, SO3
from recon3d.geometry.raster import silhouette
from recon3d.motion import Observed, ObservedPiece
from recon3d.motion.pose import Freedoms, Pose
from recon3d.multiview import reconstruct
from recon3d.records import Keypoints2D
from recon3d.skeleton import load_layout
from recon3d.synthetic import make_person, make_rig

MODEL = load_open_body()
LAYOUT = load_layout("halpe_26")


def random_values(seed, mean_build=True, child=0.3):
    """Adults and children; weight and muscle usual, or as random as all else."""
    rng = np.random.default_rng([seed, 3])
    values = rng.random(6)
    values[1] = rng.uniform(0.2, 0.6) if rng.random() < child else rng.uniform(0.6, 1.0)
    if mean_build:
        values[[2, 3]] = MODEL.usual[[2, 3]]
    return values


def random_pose(seed, values):
    """One frame: every joint turned within its ranges."""
    rng = np.random.default_rng([seed, 5])
    armature = MODEL.armature(values)
    freedoms = Freedoms(armature, armature.free)
    loose = np.minimum(armature.looseness[freedoms.joint, freedoms.axis], 0.6)
    off = rng.normal(0, 1, (1, freedoms.count - 3)) * np.where(freedoms.joint == 0, 1.0, 0.7 * loose)
    still = np.broadcast_to(np.eye(3), (1, len(armature.joints), 3, 3))
    pose = freedoms.with_turns(freedoms.pose(rng.normal(0, 1, (1, 3)), still), off)
    low, high = armature.limit[freedoms.angle_joint, freedoms.angle_axis].T
    return freedoms.retract(Pose(pose.translation, pose.rotation, np.clip(pose.angle, low, high)), np.zeros((1, freedoms.count)))


class BodyWorld:
    """A body that moves, and what cameras see of its keypoints."""

    def __init__(self, kind, views, frames, seed, values, fps=60.0, sigma_px=2.0, outliers=0.1, missing=0.0):
        rng = np.random.default_rng([seed, 7])
        person = make_person(kind, frames, fps, seed)
        self.body = MODEL.shaped(values)
        ratio = MODEL.height(values) / 1.7
        turns = turns_on(self.body, person.motion)
        self.mesh = self.body.posed(person.motion.translation * [1, 1, ratio], turns)
        self.rig = make_rig("ring", views, "none", seed)
        self.time = person.motion.time
        points = self.body.armature.keypoints(self.mesh.poses)
        xyz = np.full((frames, len(LAYOUT.points), 3), np.nan)
        own = [p for p in self.body.armature.attachments.points if p in LAYOUT.points]
        xyz[:, LAYOUT.indices(tuple(own))] = points[:, [self.body.armature.attachments.points.index(p) for p in own]]
        clean = self.rig.project(xyz)
        self.xy = clean + rng.normal(0, sigma_px, clean.shape)
        stray = rng.random(clean.shape[:3]) < outliers
        angle, far = rng.uniform(0, 2 * np.pi, stray.shape), rng.uniform(25, 300, stray.shape)
        self.xy[stray] += (far[..., None] * np.stack([np.cos(angle), np.sin(angle)], -1))[stray]
        self.xy[rng.random(stray.shape) < missing] = np.nan
        self.sigma_px = sigma_px

    def observed(self):
        """As the motion room takes it."""
        world, *_ = reconstruct(self.keypoints2d(), self.rig)
        sigma = np.full(self.xy.shape[:3], self.sigma_px)
        return Observed(world, (ObservedPiece(self.rig, self.xy, sigma),))

    @property
    def turns(self):
        """parent_from_joint."""
        return _local(self)

    def vertices(self, row):
        """Of the true mesh in one frame."""
        return self.body.posed(self.mesh.poses.translation[row : row + 1, 0], self.turns[row : row + 1]).vertices()[0].astype(float)

    def masks(self, rows):
        """Silhouettes of all views in some frames."""
        out = []
        for row in rows:
            for camera in self.rig.cameras:
                inside = silhouette(camera.project(self.vertices(row)), MODEL.faces, camera.intrinsics.size)
                if inside.any():
                    out.append(Mask(float(self.time[row]), camera, inside))
        return out

    def clouds(self, rows, seed):
        """Points of the half of the skin that faces one way, 5 mm noise."""
        rng = np.random.default_rng([seed, 9])
        out = []
        for row in rows:
            places = self.vertices(row)
            ahead = places[:, :2] @ [np.cos(seed), np.sin(seed)]
            seen = places[ahead < np.median(ahead)]
            out.append(Cloud(float(self.time[row]), seen + rng.normal(0, 0.005, seen.shape), 0.005))
        return out

    def keypoints2d(self):
        out = []
        for v, camera in enumerate(self.rig):
            xy = self.xy[v][:, None].astype(np.float32)
            absent = ~np.isfinite(xy[..., 0])
            low, high = np.fmin.reduce(xy, 2), np.fmax.reduce(xy, 2)
            out.append(
                Keypoints2D(
                    layout=LAYOUT, camera=camera.name, size=camera.intrinsics.size, frame=np.arange(len(xy)), time=self.time.copy(),
                    person_id=np.full((len(xy), 1), -1), xy=xy, confidence=np.where(absent, 0, 0.9).astype(np.float32),
                    sigma_px=np.where(absent, np.nan, self.sigma_px).astype(np.float32), box=np.concatenate([low, high], -1),
                    score_kind="synthetic",
                )
            )  # fmt: skip
        return out


def errors_mm(found, world, rows=slice(None)):
    """Mean distance of vertices and of the joints that keypoints move, mm; of these of the world's frames."""
    motion = found.motion
    mesh = found.fit.body.posed(motion.translation, SO3.from_wxyz(motion.rotation).matrix)
    true = world.body.posed(world.mesh.poses.translation[rows, 0], _local(world)[rows])
    vertices = np.linalg.norm(mesh.vertices() - true.vertices(), axis=-1)
    human = [j for j, name in enumerate(motion.armature.joints) if name in make_person("gait", 2).motion.armature.joints]
    joints = np.linalg.norm(mesh.poses.translation[:, human] - true.poses.translation[:, human], axis=-1)
    return 1e3 * float(vertices.mean()), 1e3 * float(joints.mean())


def errors_of_fit_mm(fit, world, rows):
    """The same of the frames that the body itself was fitted to."""
    own = [int(np.abs(fit.time - world.time[row]).argmin()) for row in rows]
    mesh = fit.body.posed(fit.pose.translation[own], fit.pose.rotation[own]).vertices()
    return 1e3 * float(np.mean([np.linalg.norm(ours - world.vertices(row), axis=-1) for ours, row in zip(mesh, rows, strict=True)]))


def _local(world):
    turn, parents = world.mesh.poses.rotation.matrix, world.body.armature.skeleton.parents
    out = np.swapaxes(turn[:, np.maximum(parents, 0)], -1, -2) @ turn
    out[:, 0] = turn[:, 0]
    return out


__all__ = ["LAYOUT", "MODEL", "SE3", "BodyWorld", "errors_mm", "errors_of_fit_mm", "random_pose", "random_values"]
