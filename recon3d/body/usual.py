"""How people hold themselves: mean and covariance of joints' turns in motion capture (see ``poses.md`` beside the file)."""

import functools
from dataclasses import dataclass, replace
from importlib import resources

import numpy as np
from jaxtyping import Float

from recon3d.arrays import freeze_fields
from recon3d.geometry import SO3
from recon3d.skeleton import Armature

_LEAST_RAD = 0.02  # standard deviation: no turn is as certain


@dataclass(frozen=True, slots=True, eq=False)
class UsualPoses:
    """Of joints by name.

    Attributes:
        joints: names.
        usual: turn from rest (as `Armature.usual`), rad.
        covariance: of turns off that, joint by joint and axis by axis; zero for axes that do not turn, rad^2.
    """

    joints: tuple[str, ...]
    usual: Float[np.ndarray, "joints 3"]
    covariance: Float[np.ndarray, "axes axes"]

    def __post_init__(self) -> None:
        freeze_fields(self)

    def of(self, armature: Armature) -> Armature:
        """An armature that knows how people hold themselves, as far as its joints are among these."""
        names = armature.joints
        own = np.array([j for j, name in enumerate(names) if name in self.joints], np.int64)
        theirs = np.array([self.joints.index(names[j]) for j in own.tolist()], np.int64)
        held, together = np.zeros((len(names), 3)), np.diag(np.minimum(armature.looseness, np.pi / 2).ravel() ** 2)
        ball = np.logical_and.reduce(armature.free[own], axis=1)[:, None]
        turned = (SO3.exp(-armature.usual[own]) @ SO3.exp(self.usual[theirs])).log()
        held[own] = np.where(ball, turned, self.usual[theirs] - armature.usual[own])
        rows = (3 * own[:, None] + np.arange(3)).ravel()
        columns = (3 * theirs[:, None] + np.arange(3)).ravel()
        there = np.diag(self.covariance)[columns] > 0
        held.ravel()[rows[~there]] = 0.0
        rows, columns = rows[there], columns[there]
        together[rows] = 0.0
        together[:, rows] = 0.0
        together[np.ix_(rows, rows)] = self.covariance[np.ix_(columns, columns)] + _LEAST_RAD**2 * np.eye(len(rows))
        return replace(armature, held=held, together=together)


@functools.cache
def load_usual_poses() -> UsualPoses:
    """Those that come with the package."""
    with resources.as_file(resources.files("recon3d.body") / "poses.npz") as path, np.load(path, allow_pickle=False) as data:
        return UsualPoses(tuple(data["joints"].tolist()), data["usual"].astype(float), data["covariance"].astype(float))
