"""Motion while it happens: the same problem over the last few frames, answered a few frames late.

Frames leave the problem settled: the two oldest stay as they were found, and all that came before them is in where they
are. A frame is answered once ``lag`` newer ones have had their say.
"""

import numpy as np
from jaxtyping import Float

from recon3d.errors import InputError
from recon3d.geometry.threads import single_threaded
from recon3d.geometry.time_solver import TimeSettings, solve_in_time
from recon3d.motion.contact import find_contacts, foot_points
from recon3d.motion.evidence import Evidence, Observed, bridged, gather, joined
from recon3d.motion.fit import finished, fit, problem_of
from recon3d.motion.pose import Freedoms, Pose
from recon3d.motion.problem import Unknowns
from recon3d.motion.sizes import Body
from recon3d.motion.solve import MotionSettings, motion_of
from recon3d.records import Motion

_SETTLED = 2
_BEHIND = 4  # frames kept behind the one that is answered
_LEAST = 6  # frames that a start is made from
_STEPS = 2


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
        self._seen: Observed | None = None
        self._pose: Pose | None = None

    def push(self, seen: Observed) -> Motion | None:
        """One more frame; the motion of the frame ``lag`` before it, once there is one.

        Who was not seen for longer than the settings bridge starts anew.
        """
        most = _SETTLED + _BEHIND + self._lag + 1
        whole = seen if self._seen is None else joined([self._seen, seen])
        whole = whole.take(np.arange(max(len(whole) - most, 0), len(whole)))
        evidence = gather(bridged(whole), self._body.armature.attachments, self._body.jitter)
        there = np.flatnonzero(evidence.seen.any(1))
        if not len(there) or whole.world.time[-1] - whole.world.time[there[-1]] > self._settings.longest_gap:
            self._seen, self._pose = None, None
            return None
        self._seen = whole
        if len(whole) < _LEAST:
            return None
        with single_threaded():
            return self._answer(whole, evidence, len(whole) == most)

    def _answer(self, whole: Observed, evidence: Evidence, full: bool) -> Motion | None:
        body, longest = self._body, self._settings.longest_gap
        if self._pose is None:
            self._pose = fit(body.armature, evidence, longest, self._manner).pose
            return None
        problem = problem_of(body.armature, evidence, longest)
        problem.stiffness = np.broadcast_to(1 / self._manner.variance, problem.stiffness.shape)
        problem.settled = _SETTLED
        own = problem.armature
        at = Unknowns(_continued(problem.freedoms, self._pose, whole.world.time), np.zeros(0))
        points, feet = own.keypoints(at.pose.on(own)), foot_points(own.attachments)
        problem.contacts = find_contacts(points, evidence.time, feet, self._manner.rest)
        solution = solve_in_time(problem, at, TimeSettings(_STEPS, first_damping=1e-7))
        self._pose = solution.at.pose
        if not full:
            return None
        row = len(whole) - 1 - self._lag
        found = finished(problem, solution, self._manner.variance)
        return motion_of(whole, slice(row, row + 1), np.arange(len(whole)), found, evidence, body, longest)


def _continued(freedoms: Freedoms, pose: Pose, time: Float[np.ndarray, "frames"]) -> Pose:
    """The last poses, and one more that goes on as they went."""
    known = pose.take(slice(max(len(pose) - len(time) + 1, 0), None))
    share = (time[-1] - time[-2]) / max(time[-2] - time[-3], 1e-9)
    step = share * freedoms.difference(known.take(slice(-2, None)))
    last = freedoms.retract(known.take(slice(-1, None)), step)
    return Pose(*(np.concatenate([getattr(known, n), getattr(last, n)]) for n in ("translation", "rotation", "angle")))
