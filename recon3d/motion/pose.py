"""Poses of an armature as a solver's unknowns: what moves, how steps are taken, how poses differ.

A joint with three free axes is a rotation; steps are rotation vectors in its own frame. One with one or two is
angles about them: first about one axis of its parent's frame, then about one of its own. Of two axes that along
the bone comes last, so that a knee or an elbow bends first and twists then.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from recon3d.geometry import SE3, SO3
from recon3d.skeleton import Armature


@dataclass(slots=True, eq=False)
class Pose:
    """Unknowns of some frames.

    Attributes:
        translation: of the root in the world, m.
        rotation: parent_from_joint of every joint.
        angle: about the axes of joints that are no ball joints, rad; ``rotation`` follows from it.
    """

    translation: Float[np.ndarray, "frames 3"]
    rotation: Float[np.ndarray, "frames joints 3 3"]
    angle: Float[np.ndarray, "frames angles"]

    def __len__(self) -> int:
        return len(self.translation)

    def on(self, armature: Armature) -> SE3:
        """World poses of all joints of an armature."""
        return armature.forward(SE3(SO3.identity(len(self)), self.translation), self.rotation)

    def take(self, rows: np.ndarray | slice) -> "Pose":
        """Some of the frames."""
        return Pose(self.translation[rows].copy(), self.rotation[rows].copy(), self.angle[rows].copy())


class Freedoms:
    """What of an armature moves: the root's place, then the turns in the order of its joints.

    Attributes:
        armature: whose.
        joint: of each turn.
        axis: of its joint's frame that it is about (for the first of two: of the parent's frame).
        ball: joints that turn freely.
        ball_column: columns of a step of each of them, the root's three included in the count.
        angle_column: column of each angle.
        angle_joint: joint of each angle.
        angle_axis: axis of each angle.
        twist_joint: ball joints that turn only so far about some of their axes, each as often as there are such axes.
        twist_axis: that axis of each.
        twist_column: columns of each one's joint.
        cones: ball joints whose range is limited, with their columns and their bone at rest.
    """

    def __init__(self, armature: Armature, active: Bool[np.ndarray, "joints 3"]):
        self.armature = armature
        joint: list[int] = []
        axis: list[int] = []
        ball: list[int] = []
        ball_column: list[list[int]] = []
        angle_column: list[int] = []
        self.single: list[tuple[int, int]] = []  # joint, its angle
        self.double: list[tuple[int, int, int]] = []  # joint, its two angles
        for j in range(len(armature.joints)):
            axes = [a for a in armature.axis_order(j) if active[j, a]]
            column = 3 + len(joint)
            if len(axes) == 3:
                ball.append(j)
                ball_column.append([column, column + 1, column + 2])
            elif axes:
                at = len(angle_column)
                angle_column += range(column, column + len(axes))
                if len(axes) == 1:
                    self.single.append((j, at))
                else:
                    self.double.append((j, at, at + 1))
            joint += [j] * len(axes)
            axis += axes
        self.joint: Int[np.ndarray, "turns"] = np.array(joint, dtype=np.int64)
        self.axis: Int[np.ndarray, "turns"] = np.array(axis, dtype=np.int64)
        self.ball: Int[np.ndarray, "balls"] = np.array(ball, dtype=np.int64)
        self.ball_column: Int[np.ndarray, "balls 3"] = np.array(ball_column, dtype=np.int64).reshape(-1, 3)
        self.angle_column: Int[np.ndarray, "angles"] = np.array(angle_column, dtype=np.int64)
        self.angle_joint: Int[np.ndarray, "angles"] = self.joint[self.angle_column - 3]
        self.angle_axis: Int[np.ndarray, "angles"] = self.axis[self.angle_column - 3]
        bounded = [
            (j, a, columns)
            for j, columns in zip(ball, ball_column, strict=True)
            for a in range(3)
            if armature.limit[j, a, 0] > -np.pi or armature.limit[j, a, 1] < np.pi
        ]
        self.twist_joint: Int[np.ndarray, "twists"] = np.array([j for j, _, _ in bounded], dtype=np.int64)
        self.twist_axis: Int[np.ndarray, "twists"] = np.array([a for _, a, _ in bounded], dtype=np.int64)
        self.twist_column: Int[np.ndarray, "twists 3"] = np.array([c for _, _, c in bounded], dtype=np.int64).reshape(-1, 3)
        self.count = 3 + len(joint)
        self._from_usual = SO3.exp(-armature.usual[self.ball]).matrix
        self.cones = [
            (j, columns, armature.bone(j))
            for j, columns in zip(ball, self.ball_column, strict=True)
            if armature.cone[j] < np.pi and armature.bone(j).any()
        ]

    def of(self, armature: Armature) -> "Freedoms":
        """The same turns of another armature with these joints."""
        active = np.zeros_like(armature.free)
        active[self.joint, self.axis] = True
        return Freedoms(armature, active)

    def pose(self, translation: Float[np.ndarray, "frames 3"], rotation: Float[np.ndarray, "frames joints 3 3"]) -> Pose:
        """The nearest pose that these freedoms allow."""
        out = Pose(
            translation.copy(), np.broadcast_to(np.eye(3), rotation.shape).copy(), np.zeros((len(translation), len(self.angle_column)))
        )
        out.rotation[:, self.ball] = rotation[:, self.ball]
        for j, at in self.single:
            a = int(self.angle_axis[at])
            out.angle[:, at] = _angle_about(rotation[:, j], a)
        for j, first, second in self.double:
            a, b = int(self.angle_axis[first]), int(self.angle_axis[second])
            r = rotation[:, j]
            # R = exp(alpha e_a) exp(beta e_b): alpha turns e_b to R's column b, beta turns R's row a back to e_a.
            out.angle[:, first] = _angle_to(r[:, :, b], a, b)
            out.angle[:, second] = -_angle_to(r[:, a, :], b, a)
        self._rebuild(out)
        return out

    def retract(self, at: Pose, step: Float[np.ndarray, "frames k"]) -> Pose:
        """Root moved, ball joints turned in their own frames, angles changed."""
        out = Pose(at.translation + step[:, :3], at.rotation.copy(), at.angle + step[:, self.angle_column])
        out.rotation[:, self.ball] = at.rotation[:, self.ball] @ SO3.exp(step[:, self.ball_column]).matrix
        self._rebuild(out)
        return out

    def _rebuild(self, pose: Pose) -> None:
        """Rotations of joints with angles."""
        cos, sin = np.cos(pose.angle), np.sin(pose.angle)
        for j, at in self.single:
            pose.rotation[:, j] = _about(int(self.angle_axis[at]), cos[:, at], sin[:, at])
        for j, first, second in self.double:
            a, b = int(self.angle_axis[first]), int(self.angle_axis[second])
            pose.rotation[:, j] = _about(a, cos[:, first], sin[:, first]) @ _about(b, cos[:, second], sin[:, second])

    def axes(self, pose: Pose, poses: SE3) -> Float[np.ndarray, "frames turns 3"]:
        """Each turn's axis in the world."""
        turn = poses.rotation.matrix
        out = np.moveaxis(turn[:, self.joint, :, self.axis], 0, 1)
        for j, first, second in self.double:
            # The first axis stands in the frame before the second turn.
            a, b = int(self.angle_axis[first]), int(self.angle_axis[second])
            cos, sin = np.cos(pose.angle[:, second]), np.sin(pose.angle[:, second])
            out[:, self.angle_column[first] - 3] = np.einsum("fik,fk->fi", turn[:, j], _about(b, cos, -sin)[:, :, a])
        return out

    def difference(self, pose: Pose) -> Float[np.ndarray, "frames-1 k"]:
        """From each frame to the next: metres, rotation vectors, angles."""
        out = np.empty((len(pose) - 1, self.count))
        out[:, :3] = np.diff(pose.translation, axis=0)
        out[:, self.angle_column] = np.diff(pose.angle, axis=0)
        ball = pose.rotation[:, self.ball]
        out[:, self.ball_column] = SO3(np.swapaxes(ball[:-1], -1, -2) @ ball[1:]).log()
        return out

    def from_usual(self, pose: Pose) -> Float[np.ndarray, "frames turns"]:
        """Turns off the most common pose: rotation vectors and angles, rad."""
        usual = self.armature.usual
        out = np.empty((len(pose), self.count - 3))
        out[:, self.angle_column - 3] = pose.angle - usual[self.angle_joint, self.angle_axis]
        out[:, self.ball_column - 3] = SO3(self._from_usual @ pose.rotation[:, self.ball]).log()
        return out

    def with_turns(self, pose: Pose, off: Float[np.ndarray, "frames turns"]) -> Pose:
        """The pose whose turns off the most common one are these (`from_usual`)."""
        usual = self.armature.usual
        out = pose.take(slice(None))
        out.angle = off[:, self.angle_column - 3] + usual[self.angle_joint, self.angle_axis]
        out.rotation[:, self.ball] = SO3.exp(usual[self.ball]).matrix @ SO3.exp(off[:, self.ball_column - 3]).matrix
        self._rebuild(out)
        return out


def free_of(armature: Armature, moved: Bool[np.ndarray, "points"]) -> Bool[np.ndarray, "joints 3"]:
    """Axes about which a turn moves some of the chosen attached points; a ball joint counts as a whole."""
    rng = np.random.default_rng(0)
    rotation = SO3.exp(rng.normal(0, 0.5, (1, len(armature.joints), 3)) * armature.free).matrix
    poses = armature.forward(SE3.identity(1), rotation)
    points = armature.keypoints(poses)[0]
    carries = armature.carries()
    out = np.zeros_like(armature.free)
    for j in range(len(armature.joints)):
        own = moved & carries[:, j]
        arm = points[own] - poses.translation[0, j]
        order = armature.axis_order(j)
        for a in order:
            out[j, a] = (np.linalg.norm(np.cross(poses.rotation.matrix[0, j, :, a], arm), axis=-1) > 1e-3).any()
        if len(order) == 3:
            out[j] = out[j].any()
    return out


def _about(axis: int, cos: Float[np.ndarray, "frames"], sin: Float[np.ndarray, "frames"]) -> Float[np.ndarray, "frames 3 3"]:
    i, j = (axis + 1) % 3, (axis + 2) % 3
    out = np.zeros((len(cos), 3, 3))
    out[:, axis, axis] = 1
    out[:, i, i] = out[:, j, j] = cos
    out[:, j, i], out[:, i, j] = sin, -sin
    return out


def _angle_about(rotation: Float[np.ndarray, "frames 3 3"], axis: int) -> Float[np.ndarray, "frames"]:
    i, j = (axis + 1) % 3, (axis + 2) % 3
    return np.arctan2(rotation[:, j, i] - rotation[:, i, j], rotation[:, i, i] + rotation[:, j, j])


def _angle_to(vector: Float[np.ndarray, "frames 3"], axis: int, start: int) -> Float[np.ndarray, "frames"]:
    """By which a turn about one axis brings another one nearest to a vector."""
    third = 3 - axis - start
    sign = 1.0 if (axis - start) % 3 == 2 else -1.0  # axis x start = sign * third
    return np.arctan2(sign * vector[:, third], vector[:, start])
