"""A robot follows its targets: whole-body inverse kinematics with hard limits, frame after frame, by Pink.

Each frame is one or two small quadratic programs: tasks in the cost, limits of positions, speeds and distances as
inequalities, which therefore hold in every frame whatever is asked for.
"""

from importlib import import_module
from typing import Any

import numpy as np

from recon3d.errors import SetupError
from recon3d.geometry import SE3, SO3
from recon3d.geometry.lie import without_sign_flips
from recon3d.geometry.threads import single_threaded
from recon3d.records import JointMotion
from recon3d.robots.model import Robot, frame_of
from recon3d.robots.separation import Separation
from recon3d.robots.shapes import pinocchio
from recon3d.robots.targets import Targets

_STEPS = 2  # a frame
_FIRST_STEPS = 60  # from the posture to the first frame
_STANDING, _SWINGING = (60.0, 30.0), (4.0, 0.6)  # costs of a foot's place (1/m) and turn (1/rad)
_PELVIS, _TORSO = (3.0, 2.0), (0.0, 1.5)
_ELBOW, _HAND, _HAND_TURN = 1.5, 3.0, 0.15
_POSTURE, _DAMPING = 0.02, 1e-6


def follow(robot: Robot, targets: Targets, name: str = "") -> JointMotion:
    """The robot's motion that comes as near to the targets as its limits allow.

    Args:
        robot: that moves.
        targets: of every frame.
        name: of the robot; that of its card by default.

    Raises:
        SetupError: Pink is not installed.
    """
    pin = pinocchio()
    try:
        pink = import_module("pink")
    except ImportError:
        raise SetupError("robots need Pink: pip install 'recon3d[robots]'") from None
    tasks = _Tasks(pin, pink, robot)
    start = robot.stand.copy()
    base = SE3(SO3(targets.pelvis.rotation.matrix[0]), targets.pelvis.translation[0]) @ robot.rest["pelvis"].inverse()
    start[:3], start[3:7] = base.translation, np.roll(base.rotation.wxyz(), -1)
    configuration = pink.Configuration(robot.model, robot.model.createData(), start)
    step = float(targets.time[1] - targets.time[0]) if len(targets) > 1 else 1.0
    separation = Separation(robot)
    limits = [pink.limits.ConfigurationLimit(robot.model, 1.0), separation]
    within = [*limits, pink.limits.VelocityLimit(robot.model)]
    found = np.empty((len(targets), robot.model.nq))
    tasks.set(targets, 0)
    with single_threaded():
        for _ in range(_FIRST_STEPS):
            _advance(pink, configuration, tasks.all, 0.05, limits, separation)
        for t in range(len(targets)):
            tasks.set(targets, t)
            for _ in range(_STEPS):
                _advance(pink, configuration, tasks.all, step / _STEPS, within, separation)
            found[t] = configuration.q
    return JointMotion(
        robot=name or robot.card.name,
        joints=robot.joints,
        links=robot.links,
        time=targets.time.copy(),
        translation=found[:, :3].copy(),
        rotation=without_sign_flips(np.roll(found[:, 3:7], 1, -1)),
        position=found[:, robot.index],
        present=targets.present.copy(),
        contact=np.logical_or.reduce(targets.planted, axis=-1),
        urdf=robot.urdf,
    )


def _advance(pink: Any, configuration: Any, tasks: list[Any], dt: float, limits: list[Any], separation: Separation) -> None:
    """A step within all limits.

    Where no step parts shapes that are too near, they only come no nearer: to stay is within all limits. What limits of
    distances say holds to first order; where a step brings shapes too near all the same, it is looked for again with all
    shapes in mind that it may reach, and then made shorter.
    """
    before, room = configuration.q.copy(), separation.room(configuration)
    for pushes, far in ((True, False), (True, True), (False, True)):
        separation.pushes = pushes
        separation.look(far)
        try:
            velocity = pink.solve_ik(configuration, tasks, dt, solver="daqp", limits=limits, damping=_DAMPING)
        except pink.exceptions.NoSolutionFound:
            continue
        for part in (1.0,) if not far else (1.0, 0.5, 0.25, 0.125):
            configuration.update(configuration.integrate(part * velocity, dt))
            if (separation.room(configuration) >= np.minimum(room, 0.0)).all():
                separation.look(False)
                return
            configuration.update(before)
    separation.look(False)


def _both(part: str) -> tuple[str, str]:
    return frame_of(f"left_{part}"), frame_of(f"right_{part}")


class _Tasks:
    """Pink's tasks, set to a frame's targets."""

    def __init__(self, pin: Any, pink: Any, robot: Robot):
        self._pin = pin
        card = robot.card
        free = 0.0 if card.fingers is None else _HAND_TURN
        self.pelvis = pink.FrameTask(frame_of("pelvis"), *_PELVIS, lm_damping=1e-3)
        self.torso = pink.FrameTask(frame_of("torso"), *_TORSO, lm_damping=1e-3)
        self.feet = [pink.FrameTask(name, *_SWINGING, lm_damping=1e-3) for name in _both("foot")]
        relative = pink.tasks.RelativeFrameTask
        self.elbows = [relative(name, frame_of("torso"), _ELBOW, 0.0, lm_damping=1e-3) for name in _both("elbow")]
        self.hands = [relative(name, frame_of("torso"), _HAND, free, lm_damping=1e-3) for name in _both("hand")]
        posture = pink.PostureTask(_POSTURE)
        posture.set_target(robot.stand)
        self.all = [self.pelvis, self.torso, *self.feet, *self.elbows, *self.hands, posture]

    def set(self, targets: Targets, t: int) -> None:
        """To frame t."""
        pose = self._pin.SE3
        self.pelvis.set_target(pose(targets.pelvis.rotation.matrix[t], targets.pelvis.translation[t]))
        self.torso.set_target(pose(targets.torso[t], np.zeros(3)))
        for k in range(2):
            place, turn = _STANDING if targets.planted[t, k].any() else _SWINGING
            self.feet[k].set_position_cost(place)
            self.feet[k].set_orientation_cost(turn)
            self.feet[k].set_target(pose(targets.foot.rotation.matrix[t, k], targets.foot.translation[t, k]))
            self.elbows[k].set_target(pose(np.eye(3), targets.elbow[t, k]))
            self.hands[k].set_target(pose(targets.hand_turn[t, k], targets.hand[t, k]))
