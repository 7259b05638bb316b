"""Motion while it happens: the same problem over the last few frames, answered a few frames late.

Frames leave the problem settled: the two oldest stay as they were found, and all that came before them is in where they
are. A frame is answered once ``lag`` newer ones have had their say.
"""

import numpy as np
from jaxtyping import Float

from recon3d.errors import InputError
from recon3d.geometry import SO3
from recon3d.geometry.threads import single_threaded
from recon3d.geometry.time_solver import one_step
from recon3d.motion.contact import find_contacts, foot_points
from recon3d.motion.evidence import Evidence, Observed, bridged, gather, in_line, joined
from recon3d.motion.fit import finished, fit, problem_of
from recon3d.motion.pose import Freedoms, Pose
from recon3d.motion.problem import MotionProblem, Unknowns
from recon3d.motion.sizes import Body
from recon3d.motion.solve import MotionSettings
from recon3d.motion.uncertainty import joint_covariance, main_steps, misfits, states
from recon3d.records import Motion
from recon3d.skeleton.shape import Shape

_SETTLED = 2
_BEHIND = 3  # frames kept behind the one that is answered
_COVARIANCE_EVERY = 6  # frames; it changes slowly, and costs more than a step
_START = 12  # frames that a start is made from: of fewer, what nearly straight limbs do about themselves is anybody's guess


class FixedLag:
    """Follows one person frame by frame."""

    def __init__(self, body: Body, lag: int = 6, settings: MotionSettings = MotionSettings()):
        """Begin.

        Args:
            body: measured before, with its manner of moving.
            lag: frames between what is seen and what is answered; the more, the smoother.
            settings: how motion is fitted.
        """
        if body.manner is None:
            raise InputError("a body without a manner of moving: measure it on samples of several windows")
        if lag < 1:
            raise InputError(f"lag must be 1 frame or more, not {lag}")
        self._body, self._manner, self._lag, self._settings = body, body.manner, lag, settings
        self._seen: list[Observed] = []
        self._evidence: Evidence | None = None
        self._pose: Pose | None = None
        self._freedoms: Freedoms | None = None
        self._steps: Shape | None = None
        self._answered = 0
        self._covariance = np.full((1, len(body.armature.joints), 3, 3), np.nan)

    def push(self, seen: Observed) -> Motion | None:
        """One more frame; the motion of the frame ``lag`` before it, once there is one.

        Who was not seen for longer than the settings bridge starts anew.
        """
        usual = _SETTLED + _BEHIND + self._lag + 1
        most = max(usual, _START) if self._pose is None else usual
        corrected = seen if self._body.cameras is None else self._body.cameras.of(seen)
        self._seen = [*self._seen, corrected][-most:]
        newest = gather(corrected, self._body.armature.attachments, self._body.jitter)
        kept = [] if self._evidence is None else [self._evidence.take(slice(1 - most, None))]
        self._evidence = in_line([*kept, newest])
        there = self._evidence.time[self._evidence.seen.any(1)]
        if not len(there) or newest.time[-1] - there[-1] > self._settings.longest_gap:
            self._seen, self._evidence, self._pose = [], None, None
            return None
        if len(self._seen) < most:
            return None
        with single_threaded():
            return self._answer(self._evidence)

    def _answer(self, evidence: Evidence) -> Motion | None:
        body, longest = self._body, self._settings.longest_gap
        if self._pose is None:
            start = gather(bridged(joined(self._seen)), body.armature.attachments, body.jitter)
            found = fit(body.armature, start, longest, self._manner)
            self._pose, self._freedoms, self._steps = found.pose, found.freedoms, main_steps(found, body)
            return None
        problem = problem_of(body.armature, evidence, longest, self._freedoms)
        problem.stiffness = np.broadcast_to(1 / self._manner.variance, problem.stiffness.shape)
        problem.settled = _SETTLED
        own = problem.armature
        at = Unknowns(_continued(problem.freedoms, self._pose, evidence.time), np.zeros(0))
        poses = at.pose.on(own)
        points, feet = own.keypoints(poses), foot_points(own.attachments)
        problem.contacts = find_contacts(points, evidence.time, feet, self._manner.rest)
        solution = one_step(problem, at, *problem.assemble(at, own, poses, points, evidence.support(points)))
        self._pose = solution.at.pose
        row = len(self._seen) - 1 - self._lag
        if self._answered % _COVARIANCE_EVERY == 0:
            found = finished(problem, solution, self._manner.variance)
            self._covariance = joint_covariance(found, body, self._steps)[row : row + 1]
        self._answered += 1
        # What a single step changes in a frame that has had many is too little to judge the fit anew.
        misfit = misfits(own, points[row : row + 1], evidence.take(slice(row, row + 1)))
        return self._record(row, problem, solution.at.pose, misfit)

    def _record(self, row: int, problem: MotionProblem, pose: Pose, misfit: Float[np.ndarray, "1 joints"]) -> Motion:
        world, armature = self._seen[row].world, self._body.armature
        assert problem.contacts is not None
        held = np.zeros((1, len(armature.joints)), bool)
        held[0, problem.armature.attachments.joint[problem.contacts.held[row]]] = True
        return Motion(
            person=int(world.people[0]),
            armature=armature,
            frame=world.frame.copy(),
            time=world.time.copy(),
            translation=pose.translation[row : row + 1].copy(),
            rotation=SO3(pose.rotation[row : row + 1]).wxyz(),
            covariance=self._covariance.copy(),
            state=states(problem.armature, problem.freedoms, problem.evidence, self._settings.longest_gap)[row : row + 1].copy(),
            misfit=misfit,
            contact=held,
        )


def _continued(freedoms: Freedoms, pose: Pose, time: Float[np.ndarray, "frames"]) -> Pose:
    """The last poses, and one more that goes on as they went."""
    known = pose.take(slice(max(len(pose) - len(time) + 1, 0), None))
    share = (time[-1] - time[-2]) / max(time[-2] - time[-3], 1e-9)
    step = share * freedoms.difference(known.take(slice(-2, None)))
    last = freedoms.retract(known.take(slice(-1, None)), step)
    return Pose(*(np.concatenate([getattr(known, n), getattr(last, n)]) for n in ("translation", "rotation", "angle")))
