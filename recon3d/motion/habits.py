"""How somebody holds its limbs in this take: what decides where too few cameras see them.

Mean and covariance of all turns over the frames in which each is well seen, of the body and of its mirror image, so
that a limb that is never seen well is held as the other one is. Little evidence is drawn towards how people hold themselves at
large where an armature knows that, else towards its own usual pose and looseness.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.ndimage import gaussian_filter1d

from recon3d.motion.evidence import Evidence
from recon3d.motion.pose import Freedoms, Pose

_SOUND_VIEWS = 2
_SOUND_SHARE = 0.5  # of the points that a turn moves, for it to count as well seen
_ALONE_S = 0.25  # poses nearer in time than this count as one
_USUAL_COUNT = 4.0  # poses that the armature's own looseness counts as
_LEAST_SHARE = 1e-3  # of the looseness squared: nobody holds a joint more closely than this
_RELIED_ON = 0.95  # share of the frames in which a turn is well seen that others are foretold from
_FEWEST_TURNS, _TAUGHT_S, _TAUGHT_APART_S = 4, 1.0, 0.5
_COMPONENTS, _SQUARED, _SPEED_S, _RIDGE = 6, 4, 0.08, 0.02
_WORTH = 0.8  # of the variance that is left by knowing nothing: what is foretold worse is not used
_LEAST_RAD = 0.02
STRENGTH = 0.3
"""Of the whole, in every frame: neighbouring frames are not independent."""


@dataclass(frozen=True, slots=True, eq=False)
class Habit:
    """A normal distribution of turns off the usual pose.

    Attributes:
        mean: rad; of every frame, or one for all.
        precision: inverse covariance, rad^-2; nothing for the root.
    """

    mean: Float[np.ndarray, "means turns"]
    precision: Float[np.ndarray, "turns turns"]

    @staticmethod
    def usual(freedoms: Freedoms, weight: float | Float[np.ndarray, "turns"]) -> "Habit":
        """Of the armature itself, as if each frame were so much of an independent observation. The root's heading has no rest."""
        f, own, axes = freedoms, freedoms.armature, 3 * freedoms.joint + freedoms.axis
        share = np.where(f.joint == 0, 0.0, np.sqrt(weight))
        if own.together is None or own.held is None:
            return Habit(np.zeros((1, len(share))), np.diag((share / own.looseness[f.joint, f.axis]) ** 2))
        precision = np.linalg.inv(own.together[np.ix_(axes, axes)]) * np.outer(share, share)
        return Habit(np.where(f.joint == 0, 0.0, own.held[f.joint, f.axis])[None], precision)

    def cost(self, off: Float[np.ndarray, "frames turns"]) -> Float[np.ndarray, "frames"]:
        """Of each frame."""
        away = off - self.mean
        return 0.5 * ((away @ self.precision) * away).sum(1)

    def expected(
        self, off: Float[np.ndarray, "frames turns"], sound: Bool[np.ndarray, "frames turns"]
    ) -> Float[np.ndarray, "frames turns"]:
        """The same turns with those that are not well seen replaced by what the others let expect."""
        out = off.copy()
        kinds, kind = np.unique(sound, axis=0, return_inverse=True)
        for k, known in enumerate(kinds):
            weak = np.flatnonzero(~known & (np.diag(self.precision) > 0))
            rows = np.flatnonzero(kind.ravel() == k)
            if len(weak):
                mean = np.broadcast_to(self.mean, off.shape)[rows]
                away = (off[rows] - mean)[:, known] @ self.precision[np.ix_(known, weak)]
                out[np.ix_(rows, weak)] = mean[:, weak] - np.linalg.solve(self.precision[np.ix_(weak, weak)], away.T).T
        return out


def well_seen(freedoms: Freedoms, evidence: Evidence) -> Bool[np.ndarray, "frames turns"]:
    """Turns of which at least half of the points that they move are seen by two cameras."""
    moved = freedoms.armature.carries()[:, freedoms.joint].astype(float)  # points turns
    sound = (evidence.views >= _SOUND_VIEWS) | evidence.root_information.any((-1, -2))
    return sound.astype(float) @ moved >= _SOUND_SHARE * np.maximum(moved.sum(0), 1.0)


def learn_habit(freedoms: Freedoms, pose: Pose, sound: Bool[np.ndarray, "frames turns"], time: Float[np.ndarray, "frames"]) -> Habit:
    """From poses of a take."""
    f = freedoms
    other, sign = mirror_of(f)
    off = f.from_usual(pose)
    both = np.concatenate([off, (off * sign)[:, other]])
    there = np.concatenate([sound, sound[:, other]]).astype(float)
    count = there.sum(0)
    mean = (both * there).sum(0) / np.maximum(count, 1.0)
    independent = min(1.0, float(np.median(np.diff(time))) / _ALONE_S)
    away = (both - mean) * there
    pairs = there.T @ there
    scatter = away.T @ away / np.maximum(pairs, 1.0) * (pairs > 0)
    loose = np.minimum(f.armature.looseness[f.joint, f.axis], np.pi / 2)
    known = independent * pairs / (independent * pairs + _USUAL_COUNT)
    axes, own = 3 * f.joint + f.axis, f.armature
    usual = np.diag(loose**2) if own.together is None else own.together[np.ix_(axes, axes)]
    covariance = known * scatter + (1 - known) * usual
    # Pairs that were seen at different times need not fit together: what is impossible is cut.
    value, vector = np.linalg.eigh(covariance / np.outer(loose, loose))
    inverse = (vector / np.maximum(value, _LEAST_SHARE)) @ vector.T / np.outer(loose, loose)
    turning = f.joint != 0
    precision = STRENGTH * inverse * np.outer(turning, turning)
    share = independent * count / (independent * count + _USUAL_COUNT)
    held = 0.0 if own.held is None else own.held[f.joint, f.axis]
    still = np.broadcast_to(mean * share + held * (1 - share), off.shape).copy()
    foretold = _foretold(both, there, sound, other, turning, time)
    for turn, (course, variance) in foretold.items():
        if variance < _WORTH * covariance[turn, turn]:
            still[:, turn] = course
            precision[turn], precision[:, turn] = 0.0, 0.0
            precision[turn, turn] = STRENGTH / variance
    return Habit(still, precision)


def _foretold(
    both: Float[np.ndarray, "double turns"],
    there: Float[np.ndarray, "double turns"],
    sound: Bool[np.ndarray, "frames turns"],
    other: np.ndarray,
    turning: Bool[np.ndarray, "turns"],
    time: Float[np.ndarray, "frames"],
) -> dict[int, tuple[Float[np.ndarray, "frames"], float]]:
    """Courses of turns that are not always well seen, from those that are: where an arm is and goes tells of the leg.

    A ridge regression on the main components of all well seen turns and their speeds, and on products of these (a knee
    bends twice where an arm swings once), taught by the body and its mirror image. Its variance is that of seconds that
    it was not taught by.
    """
    share = sound.mean(0)
    rely = np.flatnonzero(turning & (np.minimum(share, share[other]) > _RELIED_ON))
    weak = np.flatnonzero(turning & (share < _RELIED_ON))
    frames, step = len(time), float(np.median(np.diff(time)))
    if len(rely) < _FEWEST_TURNS or not len(weak) or time[-1] - time[0] < _TAUGHT_S:
        return {}
    halves = np.stack([both[:frames, rely], both[frames:, rely]])
    speed = gaussian_filter1d(halves, _SPEED_S / step, axis=1, order=1, mode="nearest") / step
    seen = np.concatenate([halves.reshape(2 * frames, -1), _SPEED_S * speed.reshape(2 * frames, -1)], 1)
    seen -= seen.mean(0)
    left, size, _ = np.linalg.svd(seen, full_matrices=False)
    main = left[:, :_COMPONENTS] * np.sqrt(len(seen)) * (size[:_COMPONENTS] > 1e-9)
    pairs = [main[:, i] * main[:, j] for i in range(_SQUARED) for j in range(i, _SQUARED)]
    design = np.column_stack([np.ones(len(main)), main, *pairs])
    block = np.tile(np.floor((time - time[0]) / _TAUGHT_APART_S).astype(int), 2)
    out: dict[int, tuple[np.ndarray, float]] = {}
    for turn in weak.tolist():
        rows = there[:, turn] > 0
        if rows.sum() * step < _TAUGHT_S:
            continue
        goal = both[:, turn]
        taught = {b: _ridge(design, goal, rows & (block != b)) for b in np.unique(block[rows]).tolist()}
        errors = [(goal - design @ weight)[rows & (block == b)] for b, weight in taught.items()]
        variance = float(np.mean(np.concatenate(errors) ** 2))
        out[turn] = (design[:frames] @ _ridge(design, goal, rows), variance + _LEAST_RAD**2)
    return out


def _ridge(
    design: Float[np.ndarray, "rows parts"], goal: Float[np.ndarray, "rows"], rows: Bool[np.ndarray, "rows"]
) -> Float[np.ndarray, "parts"]:
    own = design[rows]
    weight = _RIDGE * len(own) * np.eye(design.shape[1])
    weight[0, 0] = 1e-9
    return np.linalg.solve(own.T @ own + weight, own.T @ goal[rows])


def mirror_of(freedoms: Freedoms) -> tuple[np.ndarray, np.ndarray]:
    """The turn of the other side that each turn is the mirror image of, and with which sign."""
    mirror = freedoms.armature.skeleton.mirror
    place = {(int(j), int(a)): k for k, (j, a) in enumerate(zip(freedoms.joint, freedoms.axis, strict=True))}
    other = np.array([place.get((int(mirror[j]), int(a)), k) for (j, a), k in place.items()], dtype=np.int64)
    return other, np.where(freedoms.axis == 0, 1.0, -1.0)
